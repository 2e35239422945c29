package web_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/starling-rt/starling/web"
)

func get(t *testing.T, method, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	web.Handler("").ServeHTTP(w, r)
	return w
}

func TestFilesAreServedWithTheirTypes(t *testing.T) {
	for path, want := range map[string]string{
		"/":             "text/html; charset=utf-8",
		"/?channel=a":   "text/html; charset=utf-8",
		"/style.css":    "text/css; charset=utf-8",
		"/js/main.js":   "text/javascript; charset=utf-8",
		"/mark.svg":     "image/svg+xml",
		"/package.json": "",
		"/js/":          "",
		"/nowhere":      "",
	} {
		w := get(t, "GET", path, nil)
		switch got := w.Header().Get("Content-Type"); {
		case want == "":
			if w.Code != 404 || !strings.Contains(w.Body.String(), "no page at this address") {
				t.Errorf("GET %s: got status %d and %d bytes, want 404 and the page that says so", path, w.Code, w.Body.Len())
			}
		case w.Code != 200 || got != want:
			t.Errorf("GET %s: got status %d and type %q, want 200 and %q", path, w.Code, got, want)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s: no Content-Security-Policy", path)
		}
	}
}

func TestAFileThatHasNotChangedIsNotSentAgain(t *testing.T) {
	first := get(t, "GET", "/style.css", nil)
	tag := first.Header().Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	if other := get(t, "GET", "/", nil).Header().Get("ETag"); other == tag {
		t.Errorf("two files have the ETag %s", tag)
	}
	again := get(t, "GET", "/style.css", http.Header{"If-None-Match": {tag}})
	if again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("got status %d and %d bytes, want 304 and none", again.Code, again.Body.Len())
	}
}

func TestPagesAreOnlyRead(t *testing.T) {
	if w := get(t, "POST", "/", nil); w.Code != 405 {
		t.Errorf("POST /: got status %d, want 405", w.Code)
	}
	if w := get(t, "HEAD", "/", nil); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD /: got status %d and %d bytes, want 200 and none", w.Code, w.Body.Len())
	}
}

// The policy forbids both, so a page that has them is broken in the browser.
func TestPagesHaveNothingInlineAndNothingForeign(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|<style|\sstyle=|\son[a-z]+=`)
	foreign := regexp.MustCompile(`(?i)(?:src|href|url|import|from)\s*[=( ]\s*["']?(?:https?:)?//`)
	err := fs.WalkDir(os.DirFS("page"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile("page/" + name)
		if err != nil {
			return err
		}
		if m := inline.Find(body); m != nil && strings.HasSuffix(name, ".html") {
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

func TestTheSDKIsServedToEverybody(t *testing.T) {
	for path, want := range map[string]string{
		"/sdk/starling.js":          "text/javascript; charset=utf-8",
		"/sdk/starling.d.ts":        "text/plain; charset=utf-8",
		"/sdk/types/index.d.ts":     "text/plain; charset=utf-8",
		"/sdk/":                     "",
		"/sdk/nowhere.js":           "",
		"/sdk/../page/js/main.js":   "",
		"/sdk/types/../starling.js": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path // as it is
		w := httptest.NewRecorder()
		web.SDK().ServeHTTP(w, r)
		if want == "" {
			if w.Code != 404 || !strings.Contains(w.Body.String(), "/sdk/starling.js") {
				t.Errorf("GET %s: got status %d %q, want 404 and where it is", path, w.Code, w.Body)
			}
			continue
		}
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want || w.Body.Len() == 0 {
			t.Errorf("GET %s: got status %d, type %q and %d bytes, want 200 and %q", path, w.Code, got, w.Body.Len(), want)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("GET %s: got Access-Control-Allow-Origin %q, want *", path, got)
		}
	}
	w := httptest.NewRecorder()
	web.SDK().ServeHTTP(w, httptest.NewRequest("POST", "/sdk/starling.js", nil))
	if w.Code != 405 {
		t.Errorf("POST: got status %d, want 405", w.Code)
	}
}
