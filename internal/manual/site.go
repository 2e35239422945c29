package manual

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/starling-rt/starling/docs"
	"github.com/starling-rt/starling/protocol"
	"github.com/starling-rt/starling/web"
)

//go:embed assets
var assets embed.FS

// page is one page of the documentation.
type page struct {
	Path   string // below /docs/, "" of the first
	Source string // the file in the repository that it is made from; "" if it is made
	Label  string // what the navigation calls it
	Parent string // the path of the page that leads to it, if the navigation does not
	text   []byte
	rendered
}

// group is a group of pages in the navigation.
type group struct {
	Name  string
	Pages []*page
}

// site is the documentation, made into pages.
type site struct {
	root   string
	groups []group
	pages  []*page // in order, those of the navigation and those that they lead to
	byPath map[string]*page
	md     *markdown
}

// outline is the order of the navigation, and what it calls the pages. Guides that
// are not in it stand behind those that are, under their own titles, and other texts
// behind the last.
var outline = []struct {
	name  string
	pages [][2]string
}{
	{"Start", [][2]string{{"", "Quick start"}}},
	{"Guides", [][2]string{
		{"guides/javascript", "JavaScript client"},
		{"guides/auth", "Tokens"},
		{"guides/server-api", "Server API and webhooks"},
		{"guides/go", "In a Go program"},
		{"guides/testing", "Testing"},
		{"guides/operations", "Run a server"},
		{"guides/security", "Security"},
		{"guides/backup", "Backup and restore"},
		{"guides/cluster", "Several nodes"},
		{"guides/crdt-engine", "CRDT engine"},
		{"guides/ot-engine", "OT engine"},
		{"guides/design-system", "Design system"},
	}},
	{"Reference", [][2]string{
		{"api/client", "JavaScript API"},
		{"api/react", "React hooks"},
		{"api/devtools", "Devtools API"},
		{"api/testing", "Testing API"},
		{"api/http", "HTTP API"},
		{"protocol", "Protocol"},
		{"errors", "Errors"},
	}},
	{"How it is made", [][2]string{
		{"architecture", "Architecture"}, {"adr", "Decisions"}, {"benchmarks", "Benchmarks"}, {"scale", "Scale"}, {"soak", "Long runs"},
	}},
}

// mustMake makes the pages. What they are made from is embedded, so that they
// can be made is what the tests hold.
func mustMake(root string) *site {
	s, err := makeSite(root)
	if err != nil {
		panic(err)
	}
	return s
}

func makeSite(root string) (*site, error) {
	s := &site{root: root, byPath: map[string]*page{}}
	for _, add := range []func() error{s.addFiles, s.addErrors, s.addReferences, s.addDecisions} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	known := map[string]bool{}
	for p := range s.byPath {
		known[p] = true
	}
	s.md = newMarkdown(root, known)
	for _, p := range s.byPath {
		file := p.Source
		if file == "" {
			file = "docs/" + p.Path + ".md" // its links are meant from there
		}
		r, err := s.md.render(file, p.text)
		if err != nil {
			return nil, err
		}
		p.rendered = r
		if p.Label == "" {
			p.Label = p.title
		}
	}
	s.arrange()
	return s, nil
}

func (s *site) add(p *page) { s.byPath[p.Path] = p }

// addFiles adds a page for each text.
func (s *site) addFiles() error {
	return fs.WalkDir(docs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".md" || name == "errors.md" {
			return err
		}
		text, err := docs.Files.ReadFile(name)
		if err != nil {
			return err
		}
		p := &page{Path: pagePath(name), Source: "docs/" + name, text: text}
		if strings.HasPrefix(name, "adr/") {
			p.Parent = "adr"
		}
		s.add(p)
		return nil
	})
}

// addDecisions adds the page that leads to the decisions.
func (s *site) addDecisions() error {
	var b bytes.Buffer
	b.WriteString("# Decisions\n\nEach that might surprise, with what else was considered.\n\n")
	for _, p := range s.under("adr") {
		title, _, _ := strings.Cut(strings.TrimPrefix(string(p.text), "# "), "\n")
		fmt.Fprintf(&b, "- [%s](%s.md)\n", title, p.Path)
	}
	s.add(&page{Path: "adr", text: b.Bytes()})
	return nil
}

func (s *site) addReferences() error {
	api, err := httpReference()
	if err != nil {
		return err
	}
	s.add(&page{Path: "api/http", text: api})
	types, err := fs.Sub(web.Client(), "types")
	if err != nil {
		return err
	}
	for _, m := range modules {
		text, err := m.reference(types)
		if err != nil {
			return err
		}
		s.add(&page{Path: m.page, text: text})
	}
	return nil
}

// under returns the pages that a page leads to, by path, or errors by code.
func (s *site) under(parent string) []*page {
	var all []*page
	for _, p := range s.byPath {
		if parent != "" && p.Parent == parent {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *page) int { return strings.Compare(a.Path, b.Path) })
	if parent == "errors" {
		order := map[string]int{}
		for i, e := range errorList() {
			order[e.name] = i
		}
		slices.SortFunc(all, func(a, b *page) int { return order[path.Base(a.Path)] - order[path.Base(b.Path)] })
	}
	return all
}

// unlisted returns the pages that the outline does not name, of those that one
// asks for.
func (s *site) unlisted(of func(*page) bool) []*page {
	listed := map[string]bool{}
	for _, o := range outline {
		for _, entry := range o.pages {
			listed[entry[0]] = true
		}
	}
	var rest []*page
	for _, p := range s.byPath {
		if p.Parent == "" && !listed[p.Path] && of(p) {
			rest = append(rest, p)
		}
	}
	slices.SortFunc(rest, func(a, b *page) int { return strings.Compare(a.Label, b.Label) })
	return rest
}

// arrange puts the pages in the order of the navigation.
func (s *site) arrange() {
	for _, o := range outline {
		g := group{Name: o.name}
		for _, entry := range o.pages {
			if p := s.byPath[entry[0]]; p != nil {
				p.Label = entry[1]
				g.Pages = append(g.Pages, p)
			}
		}
		switch o.name {
		case "Guides":
			g.Pages = append(g.Pages, s.unlisted(func(p *page) bool { return strings.HasPrefix(p.Path, "guides/") })...)
		case "How it is made":
			g.Pages = append(g.Pages, s.unlisted(func(p *page) bool { return !strings.Contains(p.Path, "/") })...)
		}
		s.groups = append(s.groups, g)
		for _, p := range g.Pages {
			s.pages = append(s.pages, p)
			s.pages = append(s.pages, s.under(p.Path)...)
		}
	}
}

// view is what the template of a page is given.
type view struct {
	*page
	Root, Home, Edit string
	HTML             template.HTML
	Headings         []heading
	Groups           []group
	Children         []*page // of the page, or of the one that leads to it
	Prev, Next       *page
}

// Here tells whether a page of the navigation is the one that is shown.
func (v view) Here(p *page) bool { return v.page == p }

// Open tells whether the pages below one are listed.
func (v view) Open(p *page) bool { return p.Path == v.Path || p.Path == v.Parent }

// answers returns everything that is served, by its path below /docs/.
func (s *site) answers() *answers {
	all := &answers{files: map[string]http.Handler{}, moved: map[string]string{}}
	t := template.Must(template.ParseFS(assets, "assets/page.html"))
	show := func(v view) []byte {
		v.Root, v.Groups, v.Home = s.root, s.groups, strings.TrimSuffix(s.root, "docs/")
		var b bytes.Buffer
		if err := t.Execute(&b, v); err != nil {
			panic(err) // a test makes all pages
		}
		return b.Bytes()
	}
	for i, p := range s.pages {
		v := view{page: p, HTML: p.html, Headings: p.contents(), Children: s.under(p.Path)}
		if p.Parent != "" {
			v.Children = s.under(p.Parent)
		}
		if i > 0 {
			v.Prev = s.pages[i-1]
		}
		if i+1 < len(s.pages) {
			v.Next = s.pages[i+1]
		}
		if p.Source != "" {
			v.Edit = repository + "/blob/main/" + p.Source
		}
		all.add(p.Path, show(v))
		name := p.Path + ".md"
		if p.Path == "" {
			name = "quickstart.md"
		}
		all.add(name, p.text)
	}
	lost := &page{Path: "404", rendered: rendered{title: "There is no such page"}}
	all.lost = web.Made("text/html; charset=utf-8", show(view{
		page: lost, HTML: "<p>It may have moved. Search for it, or take the way through the list of pages.</p>",
	}))
	all.add("search.json", s.index())
	s.addStatic(all)
	for _, c := range protocol.Codes() {
		all.moved[fmt.Sprintf("errors/%d", int(c))] = s.root + "errors/" + c.String()
	}
	return all
}

// addStatic adds images and what the pages look like.
func (s *site) addStatic(all *answers) {
	for from, fsys := range map[string]embed.FS{"images": docs.Files, "assets": assets} {
		err := fs.WalkDir(fsys, from, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) == ".html" {
				return err
			}
			body, err := fsys.ReadFile(name)
			if err == nil {
				all.add(name, body)
			}
			return err
		})
		if err != nil {
			panic(err) // the files are embedded
		}
	}
}

// index is what the search looks through: pages and their headings.
func (s *site) index() []byte {
	type entry struct {
		Page    string `json:"page"`
		Heading string `json:"heading,omitempty"`
		URL     string `json:"url"`
	}
	var all []entry
	for _, p := range s.pages {
		all = append(all, entry{Page: p.title, URL: s.root + p.Path})
		for _, h := range p.headings {
			all = append(all, entry{Page: p.title, Heading: h.Text, URL: s.root + p.Path + "#" + h.ID})
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		panic(err) // they are texts
	}
	return raw
}

// contents returns the headings that stand beside the page: all, unless there are
// many.
func (p *page) contents() []heading {
	deepest := 3
	if len(p.headings) > 40 {
		deepest = 2
	}
	var all []heading
	for _, h := range p.headings {
		if h.Level <= deepest {
			all = append(all, h)
		}
	}
	return all
}

// Title returns the page's title.
func (p *page) Title() string { return p.title }

// About returns the beginning of the page, for search engines.
func (p *page) About() string {
	if r := []rune(p.about); len(r) > 160 {
		return strings.TrimRight(string(r[:157]), " ,.;:") + "…"
	}
	return p.about
}
