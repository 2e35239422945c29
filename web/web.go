// Package web holds the pages that the binary serves, and the client for browsers.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed page/*.html page/*.css page/*.svg page/js
//go:embed dist/sdk
var files embed.FS

// contentTypes are spelled out: what mime knows depends on the machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".ts":   "text/plain; charset=utf-8",
}

// policy lets a page load from its own server and nowhere else. The schemes of
// WebSockets are named for browsers that do not count them as 'self'.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// file is a file as it is served.
type file struct {
	body              []byte
	contentType, etag string
}

// Handler serves the pages, and a page that says so for what is not there. base is
// the path below which clients see them, "" or such as "/rt"; links within the
// pages are relative, but for those of the page for what is not there, which may
// be asked for at any depth.
func Handler(base string) http.Handler {
	pages := mustLoad("page")
	lost := pages["/404.html"]
	lost.body = bytes.ReplaceAll(lost.body, []byte(`="/`), []byte(`="`+base+`/`))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		if !mayRead(w, r) {
			return
		}
		name := r.URL.Path
		if name == "/" {
			name = "/index.html"
		}
		if f, ok := pages[name]; ok {
			f.serve(w, r)
			return
		}
		h.Set("Content-Type", lost.contentType)
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write(lost.body) // the client may be gone
	})
}

// SDK serves the client for browsers below /sdk/, to pages of any origin.
func SDK() http.Handler {
	sdk := mustLoad("dist")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if !mayRead(w, r) {
			return
		}
		f, ok := sdk[r.URL.Path]
		if !ok {
			http.Error(w, "The SDK is /sdk/starling.js, with its types beside it.", http.StatusNotFound)
			return
		}
		f.serve(w, r)
	})
}

// mayRead sets what all files have in common, and refuses what does not read.
func mayRead(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // ask each time; the answer is short when nothing has changed
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	h.Set("Allow", "GET, HEAD")
	http.Error(w, "Pages are read with GET.", http.StatusMethodNotAllowed)
	return false
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

// mustLoad reads the embedded files below a folder, by their paths in it.
func mustLoad(folder string) map[string]file {
	all := map[string]file{}
	err := fs.WalkDir(files, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		all[name[len(folder):]] = file{
			body: body, contentType: contentTypes[path.Ext(name)],
			etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		}
		return nil
	})
	if err != nil {
		panic(err) // the files are embedded
	}
	return all
}
