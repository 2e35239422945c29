package manual

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starling-rt/starling/docs"
	"github.com/starling-rt/starling/protocol"
)

func get(t *testing.T, h http.Handler, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryTextIsAPageOfTheNavigation(t *testing.T) {
	s, err := makeSite("/docs/")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, p := range s.pages {
		if shown[p.Path] {
			t.Errorf("%q comes twice", p.Path)
		}
		shown[p.Path] = true
		if p.title == "" || p.Label == "" || len(p.html) < 100 {
			t.Errorf("%q: title %q, label %q, %d bytes", p.Path, p.title, p.Label, len(p.html))
		}
	}
	for p := range s.byPath {
		if !shown[p] {
			t.Errorf("nothing leads to %q", p)
		}
	}
	for _, o := range outline {
		for _, entry := range o.pages {
			if s.byPath[entry[0]] == nil {
				t.Errorf("the outline names %q, which is no page", entry[0])
			}
		}
	}
	for _, pattern := range []string{"*.md", "guides/*.md", "adr/*.md"} {
		names, err := fs.Glob(docs.Files, pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			if !shown[pagePath(name)] {
				t.Errorf("%s is no page", name)
			}
		}
	}
}

func TestEveryCodeHasAPage(t *testing.T) {
	h := Handler("")
	for _, c := range protocol.Codes() {
		w := get(t, h, fmt.Sprintf("/docs/errors/%d", int(c)), nil)
		if got, want := w.Header().Get("Location"), "/docs/errors/"+c.String(); w.Code != 302 || got != want {
			t.Errorf("%d: got %d to %q, want 302 to %q", int(c), w.Code, got, want)
		}
	}
	text, err := docs.Files.ReadFile("errors.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sections := sections(text)
	for _, e := range errorList() {
		w := get(t, h, "/docs/errors/"+e.name, nil)
		body := w.Body.String()
		for _, want := range []string{"<h1>", `id="causes"`, `id="what-to-do"`, `id="trying-again"`, "<code>" + e.name + "</code>", fmt.Sprint(int(e.code))} {
			if w.Code != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: got %d and no %q", e.name, w.Code, want)
			}
		}
		again := strings.Contains(body, "<code>retry</code> is true")
		if again != e.retry {
			t.Errorf("%s: the page says that retry is %v, want %v", e.name, again, e.retry)
		}
		if _, ok := sections[e.name]; !ok {
			t.Errorf("docs/errors.md has no section %q", e.name)
		}
	}
	if len(sections) != len(errorList()) {
		t.Errorf("docs/errors.md has %d sections, there are %d errors", len(sections), len(errorList()))
	}
}

func TestTheClientsOwnErrorsAreThoseOfItsSource(t *testing.T) {
	raw, err := os.ReadFile("../../web/sdk/src/errors.ts")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`function ownError\(name: ([^,]+),`).FindStringSubmatch(string(raw))
	if list == nil {
		t.Fatal("errors.ts does not list its errors any more")
	}
	var want, got []string
	for _, name := range strings.Split(list[1], "|") {
		want = append(want, strings.Trim(strings.TrimSpace(name), "'"))
	}
	for _, e := range own {
		got = append(got, e.name)
		if retry := regexp.MustCompile(`retry: \[[^]]*'` + e.name + `'`).Match(raw); retry != e.retry {
			t.Errorf("%s: retry is %v here and %v in errors.ts", e.name, e.retry, retry)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Links lead to pages and headings that are there, and to files of this module.
func TestLinksLeadSomewhere(t *testing.T) {
	const root = "/rt/docs/"
	s, err := makeSite(root)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range s.pages {
		for _, link := range p.links {
			n++
			to, fragment, _ := strings.Cut(link, "#")
			switch file, ours := strings.CutPrefix(to, repository+"/"); {
			case ours:
				_, file, _ = strings.Cut(file, "main/")
				if _, err := os.Stat(path.Join("../..", file)); err != nil {
					t.Errorf("%q links to %s, which is not there", p.Path, link)
				}
			case strings.Contains(to, ":"):
			case to == "":
				if !hasHeading(p, fragment) {
					t.Errorf("%q has no heading #%s", p.Path, fragment)
				}
			default:
				target, ok := s.byPath[strings.TrimPrefix(to, root)]
				if !ok {
					t.Errorf("%q links to %s, which is no page", p.Path, link)
				} else if fragment != "" && !hasHeading(target, fragment) {
					t.Errorf("%q links to %s, which has no such heading", p.Path, link)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("there are %d links", n)
	}
}

func hasHeading(p *page, id string) bool {
	return slices.ContainsFunc(p.headings, func(h heading) bool { return h.ID == id })
}

func TestThereIsNoHTMLInTheTextsButComments(t *testing.T) {
	comment := regexp.MustCompile(`(?s)<!--.*?-->`)
	code := regexp.MustCompile("(?ms)^ *```.*?^ *```$|``[^\n]*?``|`[^`\n]*`")
	tag := regexp.MustCompile(`</?[a-zA-Z][^>\n]*>`)
	err := fs.WalkDir(docs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".md" {
			return err
		}
		raw, err := docs.Files.ReadFile(name)
		if err != nil {
			return err
		}
		rest := code.ReplaceAllString(comment.ReplaceAllString(string(raw), ""), "")
		for _, m := range tag.FindAllString(rest, -1) {
			if !strings.HasPrefix(m, "<http") && !pictureTag.MatchString(m) {
				t.Errorf("%s has HTML, which is not shown: %s", name, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReferencesNameWhatThereIs(t *testing.T) {
	h := Handler("")
	for path, want := range map[string][]string{
		"/docs/api/client":   {`id="createclient"`, `id="clientchannel"`, "The address of the server", `href="#channelsubscribe"`},
		"/docs/api/react":    {`id="usehistory"`, `id="starlingprovider"`, "Hooks for React"},
		"/docs/api/testing":  {`id="testserver"`, `id="testclockpass"`},
		"/docs/api/devtools": {`id="devtools"`, "Breaks the connection."},
		"/docs/api/http":     {`id="post-publish"`, `href="#published"`, `id="get-channelschannelhistory"`, "at most 1000"},
	} {
		w := get(t, h, path, nil)
		for _, text := range want {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s has no %s", path, text)
			}
		}
		if i := strings.Index(w.Body.String(), "{@"); i >= 0 {
			t.Errorf("%s has a tag that was not read: %.60s", path, w.Body.String()[i:])
		}
	}
}

func TestAnswers(t *testing.T) {
	h := Handler("/rt")
	for _, c := range []struct {
		path   string
		status int
		want   string // in the body, or the location
	}{
		{"/docs", 308, "/rt/docs/"},
		{"/docs?a=b", 308, "/rt/docs/?a=b"},
		{"/docs/", 200, "Quick start"},
		{"/docs/guides/auth", 200, `href="/rt/docs/errors"`},
		{"/docs/guides/auth/", 308, "/rt/docs/guides/auth"},
		{"/docs/guides/auth.md", 200, "# Tokens\n"},
		{"/docs/protocol", 200, `<a href="/rt/docs/guides/auth">`},
		{"/docs/assets/docs.css", 200, "--"},
		{"/docs/assets/page.html", 404, "There is no such page"},
		{"/docs/docs.go", 404, "There is no such page"},
		{"/docs/nothing", 404, "There is no such page"},
		{"/docs/nothing/", 404, "There is no such page"},
		{"/docs/../docs.go", 404, "There is no such page"},
	} {
		w := get(t, h, c.path, nil)
		if w.Code != c.status || !strings.Contains(w.Body.String()+w.Header().Get("Location"), c.want) {
			t.Errorf("%s: got %d to %q, want %d and %q", c.path, w.Code, w.Header().Get("Location"), c.status, c.want)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s has no policy", c.path)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/docs/", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: got %d", w.Code)
	}
}

func TestWhatHasNotChangedIsNotSentAgain(t *testing.T) {
	h := Handler("")
	plain := get(t, h, "/docs/protocol", nil)
	zipped := get(t, h, "/docs/protocol", http.Header{"Accept-Encoding": {"br;q=1, gzip"}})
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len()*3 > plain.Body.Len() {
		t.Errorf("got %q of %d bytes for %d", zipped.Header().Get("Content-Encoding"), zipped.Body.Len(), plain.Body.Len())
	}
	if refused := get(t, h, "/docs/protocol", http.Header{"Accept-Encoding": {"gzip;q=0"}}); refused.Header().Get("Content-Encoding") != "" {
		t.Error("gzip was sent to who refuses it")
	}
	if plain.Header().Get("ETag") == zipped.Header().Get("ETag") || plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("ETags %s and %s, Vary %q", plain.Header().Get("ETag"), zipped.Header().Get("ETag"), plain.Header().Get("Vary"))
	}
	again := get(t, h, "/docs/protocol", http.Header{"If-None-Match": {plain.Header().Get("ETag")}})
	if again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("got %d and %d bytes, want 304 and none", again.Code, again.Body.Len())
	}
}

func TestTheSearchKnowsPagesAndHeadings(t *testing.T) {
	w := get(t, Handler("/rt"), "/docs/search.json", nil)
	var all []struct{ Page, Heading, URL string }
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ Page, Heading, URL string }{
		{"Tokens", "Rotation", "/rt/docs/guides/auth#rotation"},
		{"Error 4101: forbidden", "", "/rt/docs/errors/forbidden"},
		{"JavaScript API", "createClient", "/rt/docs/api/client#createclient"},
	} {
		if !slices.Contains(all, want) {
			t.Errorf("there is no %v", want)
		}
	}
}

func TestHighlight(t *testing.T) {
	for _, c := range []struct{ lang, code, want string }{
		{"ts", "const a = 'x // y' // why\n", `<span class="k">const</span> a = <span class="s">&#39;x // y&#39;</span> <span class="c">// why</span>` + "\n"},
		{"sh", "curl -d 'a # b' http://x # c", `<span class="k">curl</span><span class="k"> -d</span> <span class="s">&#39;a # b&#39;</span> http://x<span class="c"> # c</span>`},
		{"json", `{"a": "b<", "n": 1}`, `{<span class="k">&#34;a&#34;:</span> <span class="s">&#34;b&lt;&#34;</span>, <span class="k">&#34;n&#34;:</span> <span class="n">1</span>}`},
		{"none", "a < b", "a &lt; b"},
	} {
		if got := highlight(c.lang, c.code); got != c.want {
			t.Errorf("%s %q:\n got %s\nwant %s", c.lang, c.code, got, c.want)
		}
	}
}
