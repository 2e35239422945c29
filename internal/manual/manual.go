// Package manual serves the documentation as pages: the texts of package docs, a
// page for each error code, and references made of what they describe.
package manual

import (
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/starling-rt/starling/web"
)

// Where the sources of this module can be read.
const repository = "https://github.com/starling-rt/starling"

// contentTypes are spelled out: what mime knows depends on the machine. What has
// none of these ends is a page.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".md":   "text/markdown; charset=utf-8",
	".png":  "image/png",
	".webp": "image/webp",
}

// Handler serves the documentation at /docs and below. base is the path below
// which clients see it, "" or such as "/rt". The pages are made when the first one
// is asked for.
func Handler(base string) http.Handler {
	made := sync.OnceValue(func() *answers { return mustMake(base + "/docs/").answers() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", web.Policy())
		h.Set("Referrer-Policy", "no-referrer")
		name, ok := strings.CutPrefix(r.URL.Path, "/docs/")
		if !ok {
			redirect(w, base+"/docs/", r.URL.RawQuery)
			return
		}
		all := made()
		trimmed := strings.TrimRight(name, "/")
		switch {
		case all.files[name] != nil:
			all.files[name].ServeHTTP(w, r)
		case all.moved[name] != "":
			w.Header().Set("Location", all.moved[name])
			w.WriteHeader(http.StatusFound)
		case trimmed != name && all.files[trimmed] != nil:
			redirect(w, base+"/docs/"+trimmed, r.URL.RawQuery)
		default:
			all.lost.ServeHTTP(lostWriter{w}, r)
		}
	})
}

func redirect(w http.ResponseWriter, to, query string) {
	if query != "" {
		to += "?" + query
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusPermanentRedirect)
}

// lostWriter gives what it is handed the status 404, and nothing to remember it by.
type lostWriter struct{ http.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (l lostWriter) WriteHeader(status int) {
	if status == http.StatusOK {
		l.Header().Del("ETag")
		status = http.StatusNotFound
	}
	l.ResponseWriter.WriteHeader(status)
}

// answers are what is served, by the paths below /docs/.
type answers struct {
	files map[string]http.Handler
	moved map[string]string // to where
	lost  http.Handler      // for what is not there
}

func (a *answers) add(name string, body []byte) {
	kind := contentTypes[path.Ext(name)]
	if kind == "" {
		kind = "text/html; charset=utf-8"
	}
	a.files[name] = web.Made(kind, body)
}
