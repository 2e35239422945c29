package manual

import (
	"fmt"
	"html"
	"html/template"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// heading is a heading within a page.
type heading struct {
	Level    int
	ID, Text string
}

// rendered is a text made into HTML.
type rendered struct {
	title    string // the first heading, which is not in the HTML
	about    string // the beginning of the first paragraph
	html     template.HTML
	headings []heading
	links    []string // as they stand in the HTML
}

// markdown renders texts of one documentation.
type markdown struct {
	root string          // where pages are, such as "/docs/"
	page map[string]bool // which there are, by path
	md   goldmark.Markdown
}

func newMarkdown(root string, page map[string]bool) *markdown {
	m := &markdown{root: root, page: page}
	m.md = goldmark.New(
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), extension.Strikethrough, extension.Linkify),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(nodes{}, 10))),
	)
	return m
}

// render renders the text of a file; file is its path in the repository, from
// which its links are meant.
func (m *markdown) render(file string, source []byte) (rendered, error) {
	source = pictureTag.ReplaceAll(source, []byte("![$2]($1)"))
	doc := m.md.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(&ids{taken: map[string]bool{}}))))
	var r rendered
	var title ast.Node
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 1 && title == nil {
				title, r.title = n, plain(n, source)
				break
			}
			id, _ := n.AttributeString("id")
			raw, _ := id.([]byte)
			r.headings = append(r.headings, heading{Level: n.Level, ID: string(raw), Text: plain(n, source)})
		case *ast.Paragraph:
			if r.about == "" && title != nil {
				r.about = plain(n, source)
			}
		case *ast.Link:
			n.Destination = []byte(m.resolve(file, string(n.Destination)))
			r.links = append(r.links, string(n.Destination))
		case *ast.Image:
			name := path.Join(path.Dir(file), string(n.Destination))
			n.Destination = []byte(m.resolve(file, string(n.Destination)))
			width, height, err := sizeOf(strings.TrimPrefix(name, "docs/"))
			if err != nil {
				return ast.WalkStop, fmt.Errorf("look at the picture %s: %w", name, err)
			}
			n.SetAttributeString("width", []byte(strconv.Itoa(width)))
			n.SetAttributeString("height", []byte(strconv.Itoa(height)))
			n.SetAttributeString("loading", []byte("lazy"))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return r, fmt.Errorf("walk through %s: %w", file, err)
	}
	if title != nil {
		doc.RemoveChild(doc, title)
	}
	var b strings.Builder
	if err := m.md.Renderer().Render(&b, source, doc); err != nil {
		return r, fmt.Errorf("render %s: %w", file, err)
	}
	out := emptyHead.ReplaceAllString(b.String(), "<td></td>")
	out = strings.ReplaceAll(out, "<table>", `<div class="table-wrap" tabindex="0" role="group" aria-label="Table"><table class="table">`)
	r.html = template.HTML(strings.ReplaceAll(out, "</table>", "</table></div>")) //nolint:gosec // made from our own texts, without their HTML
	return r, nil
}

// pictureTag is a picture that is written as HTML, to tell how wide it is where the
// text is read without these pages.
var pictureTag = regexp.MustCompile(`<img src="([^"]+)" alt="([^"]*)"(?: width="\d+")?>`)

// emptyHead is the head of a column that has none. To a screen reader it is no head.
var emptyHead = regexp.MustCompile(`<th(?: align="\w+")?></th>`)

// resolve returns where a link leads: to a page here, to an image here, or to a
// file in the repository.
func (m *markdown) resolve(file, to string) string {
	if strings.Contains(to, ":") || strings.HasPrefix(to, "#") || strings.HasPrefix(to, "/") {
		return to
	}
	name, fragment, _ := strings.Cut(to, "#")
	if fragment != "" {
		fragment = "#" + fragment
	}
	target := path.Join(path.Dir(file), name)
	if below, ok := strings.CutPrefix(target, "docs/"); ok {
		if strings.HasPrefix(below, "images/") {
			return m.root + below
		}
		if p := pagePath(below); m.page[p] {
			return m.root + p + fragment
		}
	}
	kind := "/blob/main/"
	if strings.HasSuffix(name, "/") || path.Ext(name) == "" {
		kind = "/tree/main/"
	}
	return repository + kind + target + fragment
}

// pagePath returns the path of the page that is made from a file below docs.
func pagePath(file string) string {
	p := strings.TrimSuffix(file, ".md")
	if p == "quickstart" {
		return ""
	}
	return p
}

// plain returns the text in a node, without what it looks like.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function never fails
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
			if t.SoftLineBreak() {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// ids names headings as GitHub does, so that links hold in both places.
type ids struct{ taken map[string]bool }

// Generate implements [parser.IDs].
func (i *ids) Generate(value []byte, _ ast.NodeKind) []byte {
	base := slug(string(value))
	id := base
	for n := 1; i.taken[id]; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	i.taken[id] = true
	return []byte(id)
}

// Put implements [parser.IDs].
func (i *ids) Put(value []byte) { i.taken[string(value)] = true }

var linkInHeading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

func slug(heading string) string {
	heading = linkInHeading.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return '-'
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

// nodes renders what is to look other than goldmark has it.
type nodes struct{}

// RegisterFuncs implements [renderer.NodeRenderer].
func (nodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, renderHeading)
	r.Register(ast.KindFencedCodeBlock, renderCode)
	nothing := func(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) { return ast.WalkSkipChildren, nil }
	r.Register(ast.KindHTMLBlock, nothing) // comments; a test holds that there is nothing else
	r.Register(ast.KindRawHTML, nothing)
}

func renderHeading(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n, ok := node.(*ast.Heading)
	if !ok {
		return ast.WalkStop, fmt.Errorf("a heading is a %T", node)
	}
	attr, _ := n.AttributeString("id")
	id, _ := attr.([]byte)
	if entering {
		_, _ = fmt.Fprintf(w, `<h%d id="%s">`, n.Level, html.EscapeString(string(id)))
		return ast.WalkContinue, nil
	}
	_, _ = fmt.Fprintf(w, ` <a class="anchor" href="#%s" aria-label="Link to “%s”"><span aria-hidden="true">#</span></a></h%d>`+"\n",
		html.EscapeString(string(id)), html.EscapeString(plain(n, source)), n.Level)
	return ast.WalkContinue, nil
}

func renderCode(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n, ok := node.(*ast.FencedCodeBlock)
	if !ok {
		return ast.WalkStop, fmt.Errorf("a block of code is a %T", node)
	}
	if !entering {
		return ast.WalkContinue, nil
	}
	lang := string(n.Language(source))
	var code strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		code.Write(line.Value(source))
	}
	label := map[string]string{"": "text", "sh": "shell", "js": "JavaScript", "ts": "TypeScript", "dts": "declaration", "wire": "WebSocket", "console": "shell", "tsx": "TypeScript", "go": "Go", "json": "JSON", "yaml": "YAML", "html": "HTML", "python": "Python"}[lang]
	if label == "" {
		label = lang
	}
	_, _ = fmt.Fprintf(w, `<div class="code"><span class="lang" aria-hidden="true">%s</span><pre tabindex="0" role="group" aria-label="Code: %s"><code>%s</code></pre></div>`+"\n",
		html.EscapeString(label), html.EscapeString(label), highlight(lang, code.String()))
	return ast.WalkSkipChildren, nil
}
