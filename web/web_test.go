package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/starling-rt/starling/web"
)

func ask(h http.Handler, method, target string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?") // as they are
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(method, target string, header http.Header) *httptest.ResponseRecorder {
	return ask(web.Handler(""), method, target, header)
}

// asset finds a file of which the name has a hash.
func asset(t *testing.T, pattern string) string {
	t.Helper()
	found, err := fs.Glob(os.DirFS("dist/apps"), pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: got %v, %v, want one file", pattern, found, err)
	}
	return "/" + found[0]
}

func TestFilesAreServedWithTheirTypes(t *testing.T) {
	for target, want := range map[string]string{
		"/":                               "text/html; charset=utf-8",
		"/?transport=sse":                 "text/html; charset=utf-8",
		"/playground":                     "text/html; charset=utf-8",
		"/design":                         "text/html; charset=utf-8",
		"/licenses.txt":                   "text/plain; charset=utf-8",
		"/ui/ui.css":                      "text/css; charset=utf-8",
		asset(t, "assets/playground*.js"): "text/javascript; charset=utf-8",
		asset(t, "assets/mark*.svg"):      "image/svg+xml",
		asset(t, "assets/display*.woff2"): "font/woff2",
		"/index":                          "",
		"/index.html":                     "",
		"/playground.html":                "",
		"/404":                            "",
		"/404/":                           "",
		"/assets/":                        "",
		"/assets/../index.html":           "",
		"/nowhere":                        "",
		"/nowhere/":                       "",
		"//":                              "",
		"/ui/ui.css.br":                   "",
	} {
		w := get("GET", target, nil)
		switch got := w.Header().Get("Content-Type"); {
		case want == "":
			if w.Code != 404 || !strings.Contains(w.Body.String(), "no page at this address") {
				t.Errorf("GET %s: got status %d and %d bytes, want 404 and the page that says so", target, w.Code, w.Body.Len())
			}
		case w.Code != 200 || got != want:
			t.Errorf("GET %s: got status %d and type %q, want 200 and %q", target, w.Code, got, want)
		}
		if w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: no policy: %v", target, w.Header())
		}
	}
}

func TestAPageHasOneAddress(t *testing.T) {
	for target, want := range map[string]string{
		"/playground/":           "../playground",
		"/playground///":         "../../../playground",
		"/playground/?channel=a": "../playground?channel=a",
	} {
		w := get("GET", target, nil)
		if got := w.Header().Get("Location"); w.Code != 308 || got != want {
			t.Errorf("GET %s: got status %d to %q, want 308 to %q", target, w.Code, got, want)
		}
	}
}

func TestWhatClientsTake(t *testing.T) {
	for accept, want := range map[string]string{
		"":                                  "",
		"gzip, deflate, br, zstd":           "br",
		"gzip":                              "gzip",
		"GZIP":                              "gzip",
		"x-gzip":                            "gzip",
		"br;q=0.5, gzip;q=0.9":              "gzip",
		"br;q=0, gzip;q=0.1":                "gzip",
		"br; q=1.0":                         "br",
		"*":                                 "br",
		"br;q=0, *":                         "gzip",
		"*;q=0":                             "",
		"identity;q=1, br;q=0.5":            "",
		"identity;q=0.5, br":                "br",
		"identity;q=0, gzip":                "gzip",
		"deflate":                           "",
		"br;q=nonsense, gzip;q=2, gzip;q=x": "",
		"br;q=NaN":                          "",
		"br;level=3":                        "",
		",, ;q=1,":                          "",
	} {
		h := http.Header{}
		if accept != "" {
			h.Set("Accept-Encoding", accept)
		}
		w := get("GET", "/ui/ui.css", h)
		if got := w.Header().Get("Content-Encoding"); w.Code != 200 || got != want {
			t.Errorf("%q: got status %d and coding %q, want 200 and %q", accept, w.Code, got, want)
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: got Vary %q", accept, w.Header().Get("Vary"))
		}
		if got := w.Header().Get("Content-Length"); got != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%q: got Content-Length %s for %d bytes", accept, got, w.Body.Len())
		}
	}
	if w := get("GET", asset(t, "assets/mark*.svg"), http.Header{"Accept-Encoding": {"br"}}); w.Header().Get("Content-Encoding") != "" || w.Header().Get("Vary") != "" {
		t.Errorf("what is not kept in another form: got %v", w.Header())
	}
}

func TestWhatIsCompressedHoldsTheFile(t *testing.T) {
	plain := get("GET", "/", nil)
	packed := get("GET", "/", http.Header{"Accept-Encoding": {"gzip"}})
	r, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(body, plain.Body.Bytes()) {
		t.Errorf("got %d bytes and %v, want the %d of the page", len(body), err, plain.Body.Len())
	}
}

func TestAFileThatHasNotChangedIsNotSentAgain(t *testing.T) {
	tags := map[string]bool{}
	for _, accept := range []string{"", "gzip", "br"} {
		h := http.Header{"Accept-Encoding": {accept}}
		first := get("GET", "/ui/ui.css", h)
		tag := first.Header().Get("ETag")
		if tag == "" || tags[tag] || first.Header().Get("Cache-Control") != "no-cache" {
			t.Fatalf("%q: got tag %q after %v, caching %q", accept, tag, tags, first.Header().Get("Cache-Control"))
		}
		tags[tag] = true
		for _, say := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			h.Set("If-None-Match", say)
			again := get("GET", "/ui/ui.css", h)
			if again.Code != 304 || again.Body.Len() != 0 || again.Header().Get("ETag") != tag || again.Header().Get("Vary") == "" {
				t.Errorf("%s: got status %d, %d bytes, %v, want 304 and none", say, again.Code, again.Body.Len(), again.Header())
			}
		}
		h.Set("If-None-Match", `"other"`)
		if again := get("GET", "/ui/ui.css", h); again.Code != 200 {
			t.Errorf("another tag: got status %d, want 200", again.Code)
		}
	}
}

func TestOnlyWhatHasAHashInItsNameIsKept(t *testing.T) {
	for target, want := range map[string]string{
		"/": "no-cache", "/design": "no-cache", "/ui/mark.svg": "no-cache", "/nowhere": "no-cache",
		asset(t, "assets/display*.woff2"): "public, max-age=31536000, immutable",
	} {
		if got := get("GET", target, nil).Header().Get("Cache-Control"); got != want {
			t.Errorf("GET %s: got Cache-Control %q, want %q", target, got, want)
		}
	}
	hashed := regexp.MustCompile(`-[A-Za-z0-9_-]{8}\.[a-z0-9]+(\.br|\.gz)?$`)
	err := fs.WalkDir(os.DirFS("dist/apps/assets"), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !hashed.MatchString(name) {
			t.Errorf("assets/%s has no hash in its name", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPagesAreOnlyRead(t *testing.T) {
	if w := get("POST", "/", nil); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /: got status %d, want 405", w.Code)
	}
	for _, target := range []string{"/", "/nowhere"} {
		whole, head := get("GET", target, nil), get("HEAD", target, nil)
		if head.Code != whole.Code || head.Body.Len() != 0 || head.Header().Get("Content-Length") != strconv.Itoa(whole.Body.Len()) {
			t.Errorf("HEAD %s: got status %d, %d bytes, %v, want what GET says of its %d", target, head.Code, head.Body.Len(), head.Header(), whole.Body.Len())
		}
	}
}

// A page may be seen at any depth, so its links are relative; that of what is not
// there may be asked for anywhere, so its links know the base.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`(?:src|href)="([^"#]*)"`)
	all, err := fs.Glob(os.DirFS("dist/apps"), "*.html")
	if err != nil || len(all) < 4 {
		t.Fatal(all, err)
	}
	for _, name := range all {
		target := "/" + strings.TrimSuffix(name, ".html")
		switch name {
		case "index.html":
			target = "/"
		case "404.html":
			target = "/some/where/else"
		}
		page := ask(web.Handler("/rt"), "GET", target, nil).Body.String()
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			to := m[1]
			if target == "/some/where/else" {
				if !strings.HasPrefix(to, "/rt/") {
					t.Errorf("%s: the link to %q does not know the base", name, to)
				}
				to = strings.TrimPrefix(to, "/rt")
			} else if strings.HasPrefix(to, "/") {
				t.Errorf("%s: the link to %q is not relative", name, to)
			}
			if !strings.HasPrefix(to, "/") {
				to = path.Join(path.Dir(target), to)
			}
			if strings.HasPrefix(to, "/sdk/") || strings.HasPrefix(to, "/docs") {
				continue // other handlers have these
			}
			if w := get("GET", to, nil); w.Code != 200 {
				t.Errorf("%s: the link to %q leads to status %d", name, m[1], w.Code)
			}
		}
	}
}

// The policy forbids both, so a page that has them is broken in the browser.
func TestPagesHaveNothingInlineAndNothingForeign(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|\son[a-z]+="`)
	foreign := regexp.MustCompile(`(?i)(?:src|href|url|import|from)\s*[=( ]\s*["']?(?:https?:)?//`)
	err := fs.WalkDir(os.DirFS("dist/apps"), ".", func(name string, d fs.DirEntry, err error) error {
		if ext := path.Ext(name); err != nil || d.IsDir() || ext != ".html" && ext != ".css" && ext != ".svg" {
			return err
		}
		body, err := os.ReadFile("dist/apps/" + name)
		if err != nil {
			return err
		}
		if m := inline.Find(body); m != nil {
			t.Errorf("%s has something inline: %q", name, m)
		}
		if m := foreign.Find(body); m != nil {
			t.Errorf("%s asks another server: %q", name, m)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLooksAreServedUnderNamesThatStay(t *testing.T) {
	for target, want := range map[string]string{
		"/ui/ui.css": "text/css; charset=utf-8", "/ui/ui.js": "text/javascript; charset=utf-8", "/ui/mark.svg": "image/svg+xml",
		"/ui/flock.svg": "image/svg+xml", "/ui/display.woff2": "font/woff2", "/ui/": "", "/ui/nothing.css": "", "/ui/../index.html": "",
	} {
		w := ask(web.UI(), "GET", target, nil)
		if want == "" {
			if w.Code != 404 || !strings.Contains(w.Body.String(), "/ui/ui.css") {
				t.Errorf("GET %s: got status %d %q, want 404 and where it is", target, w.Code, w.Body)
			}
			continue
		}
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want || w.Body.Len() == 0 || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("GET %s: got status %d, %v and %d bytes, want 200 and %q", target, w.Code, w.Header(), w.Body.Len(), want)
		}
	}
	sheet := ask(web.UI(), "GET", "/ui/ui.css", nil).Body.String()
	for _, m := range regexp.MustCompile(`url\("?([^)"]+)"?\)`).FindAllStringSubmatch(sheet, -1) {
		if w := ask(web.UI(), "GET", "/ui/"+m[1], nil); w.Code != 200 {
			t.Errorf("ui.css points to %s, which gives %d", m[1], w.Code)
		}
	}
	if w := ask(web.UI(), "PUT", "/ui/ui.css", nil); w.Code != 405 {
		t.Errorf("PUT: got status %d, want 405", w.Code)
	}
}

func TestTheSDKIsServedToEverybody(t *testing.T) {
	for target, want := range map[string]string{
		"/sdk/starling.js":           "text/javascript; charset=utf-8",
		"/sdk/starling.d.ts":         "text/plain; charset=utf-8",
		"/sdk/types/index.d.ts":      "text/plain; charset=utf-8",
		"/sdk/":                      "",
		"/sdk/nowhere.js":            "",
		"/sdk/../apps/ui/ui.js":      "",
		"/sdk/types/../starling.js":  "",
		"/sdk/../../apps/index.html": "",
	} {
		w := ask(web.SDK(), "GET", target, nil)
		if want == "" {
			if w.Code != 404 || !strings.Contains(w.Body.String(), "/sdk/starling.js") {
				t.Errorf("GET %s: got status %d %q, want 404 and where it is", target, w.Code, w.Body)
			}
			continue
		}
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want || w.Body.Len() == 0 {
			t.Errorf("GET %s: got status %d, type %q and %d bytes, want 200 and %q", target, w.Code, got, w.Body.Len(), want)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("GET %s: got Access-Control-Allow-Origin %q, want *", target, got)
		}
	}
	if w := ask(web.SDK(), "POST", "/sdk/starling.js", nil); w.Code != 405 {
		t.Errorf("POST: got status %d, want 405", w.Code)
	}
}
