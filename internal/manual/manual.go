// Package manual serves the documentation as pages: the texts of package docs, a
// page for each error code, and references made of what they describe.
package manual

import (
	"net/http"
	"strings"
	"sync"
)

// Where the sources of this module can be read.
const repository = "https://github.com/starling-rt/starling"

// Handler serves the documentation below /docs/. base is the path below which
// clients see it, "" or such as "/rt". csp is the Content-Security-Policy of the
// pages. The pages are made when the first one is asked for.
func Handler(base, csp string) http.Handler {
	made := sync.OnceValue(func() map[string]answer { return mustMake(base + "/docs/").answers() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache") // ask each time; the answer is short when nothing has changed
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "Pages are read with GET.", http.StatusMethodNotAllowed)
			return
		}
		name, ok := strings.CutPrefix(r.URL.Path, "/docs/")
		if !ok {
			redirect(w, base+"/docs/", r.URL.RawQuery)
			return
		}
		answers := made()
		if a, ok := answers[name]; ok {
			a.serve(w, r)
			return
		}
		if trimmed := strings.TrimRight(name, "/"); trimmed != name && answers[trimmed].body != nil {
			redirect(w, base+"/docs/"+trimmed, r.URL.RawQuery)
			return
		}
		lost := answers[lostPage]
		lost.status = http.StatusNotFound
		lost.serve(w, r)
	})
}

func redirect(w http.ResponseWriter, to, query string) {
	if query != "" {
		to += "?" + query
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusPermanentRedirect)
}
