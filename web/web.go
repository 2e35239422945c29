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
	"strconv"
	"strings"
	"sync"
)

// Both are made by Node and kept in the repository, so that Go builds without it:
// see make apps and make sdk.
//
//go:embed dist/apps dist/sdk
var files embed.FS

// contentTypes are spelled out: what mime knows depends on the machine.
var contentTypes = map[string]string{
	".html":  "text/html; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".json":  "application/json",
	".svg":   "image/svg+xml",
	".ts":    "text/plain; charset=utf-8",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

// policy lets a page load from its own server and nowhere else. Styles may stand in
// a page, because editors and maps put theirs there; scripts may not. The schemes of
// WebSockets are named for browsers that do not count them as 'self'.
const policy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const (
	always  = "no-cache" // ask each time; the answer is short when nothing has changed
	forever = "public, max-age=31536000, immutable"
)

// file is a file as it is served, in all the forms in which it may be sent.
type file struct {
	contentType, caching string
	plain                form
	packed               []form // the best first
}

// form is the bytes of a file under a content coding.
type form struct {
	coding, etag string
	body         []byte
}

// Handler serves the pages, and a page that says so for what is not there. base is
// the path below which clients see them, "" or such as "/rt"; links within the
// pages are relative, but for those of the page for what is not there, which may
// be asked for at any depth.
func Handler(base string) http.Handler {
	all := mustLoad("dist/apps")
	lost := all["/404.html"].plain.body
	lost = bytes.ReplaceAll(lost, []byte(`="./`), []byte(`="`+base+`/`))
	delete(all, "/404.html")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		if !mayRead(w, r) {
			return
		}
		f, where := find(all, r.URL.Path)
		switch {
		case f != nil:
			f.serve(w, r)
		case where != "":
			if r.URL.RawQuery != "" {
				where += "?" + r.URL.RawQuery
			}
			h.Set("Location", where)
			w.WriteHeader(http.StatusPermanentRedirect)
		default:
			h.Set("Content-Type", contentTypes[".html"])
			h.Set("Content-Length", strconv.Itoa(len(lost)))
			w.WriteHeader(http.StatusNotFound)
			if r.Method == http.MethodGet {
				_, _ = w.Write(lost) // the client may be gone
			}
		}
	})
}

// find returns the file for a path, or where it really is. A page a/b.html has the
// address /a/b, and no other: from there the relative links in it are right.
func find(all map[string]*file, name string) (f *file, where string) {
	if name == "/" {
		return all["/index.html"], ""
	}
	if ext := path.Ext(name); ext != "" && ext != ".html" {
		return all[name], ""
	}
	bare := strings.TrimRight(name, "/")
	if all[bare+".html"] == nil || bare == "/index" {
		return nil, ""
	}
	if bare == name {
		return all[bare+".html"], ""
	}
	// Relative: a proxy may add to the path. Each slash too many is a folder.
	return nil, strings.Repeat("../", len(name)-len(bare)) + path.Base(bare)
}

// UI serves below /ui/ what pages look like, under names that stay: a sheet, a
// script for light and dark, the mark and the face of titles. It is for pages that
// are not made here, and is there also when the others are not.
func UI() http.Handler {
	ui := mustLoad("dist/apps/ui")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mayRead(w, r) {
			return
		}
		f, ok := ui[strings.TrimPrefix(r.URL.Path, "/ui")]
		if !ok {
			http.Error(w, "What pages look like is /ui/ui.css and /ui/ui.js.", http.StatusNotFound)
			return
		}
		f.serve(w, r)
	})
}

// SDK serves the client for browsers below /sdk/, to pages of any origin, and as a
// package for npm, which is packed when it is first asked for.
func SDK() http.Handler {
	sdk := mustLoad("dist/sdk")
	packed := sync.OnceValue(mustPack)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if !mayRead(w, r) {
			return
		}
		f, ok := sdk[strings.TrimPrefix(r.URL.Path, "/sdk")]
		if r.URL.Path == packagePath {
			f, ok = packed(), true
		}
		if !ok {
			http.Error(w, "The SDK is /sdk/starling.js, with its types beside it, and for npm /sdk/starling.tgz.", http.StatusNotFound)
			return
		}
		f.serve(w, r)
	})
}

// mayRead sets what all files have in common, and refuses what does not read.
func mayRead(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", always)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	h.Set("Allow", "GET, HEAD")
	http.Error(w, "Pages are read with GET.", http.StatusMethodNotAllowed)
	return false
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	chosen := f.plain
	if len(f.packed) > 0 {
		h.Add("Vary", "Accept-Encoding")
		chosen = f.choose(r.Header.Values("Accept-Encoding"))
	}
	h.Set("Cache-Control", f.caching)
	h.Set("ETag", chosen.etag)
	if known(r.Header.Values("If-None-Match"), chosen.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	if chosen.coding != "" {
		h.Set("Content-Encoding", chosen.coding)
	}
	h.Set("Content-Length", strconv.Itoa(len(chosen.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(chosen.body) // the client may be gone
	}
}

// known tells whether a client has what an entity tag stands for. A proxy that
// compresses may have made the tag a weak one.
func known(lists []string, etag string) bool {
	for _, list := range lists {
		for one := range strings.SplitSeq(list, ",") {
			one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
			if one == etag || one == "*" {
				return true
			}
		}
	}
	return false
}

// mustLoad reads the embedded files below a folder, by their paths in it.
func mustLoad(folder string) map[string]*file {
	bodies := map[string][]byte{}
	err := fs.WalkDir(files, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		bodies[name[len(folder):]], err = files.ReadFile(name)
		return err
	})
	if err != nil {
		panic(err) // the files are embedded
	}
	all := map[string]*file{}
	for name, body := range bodies {
		ext := path.Ext(name)
		if ext == ".br" || ext == ".gz" {
			continue
		}
		f := &file{contentType: contentTypes[ext], caching: always, plain: formOf("", body)}
		if strings.HasPrefix(name, "/assets/") {
			f.caching = forever // their names have a hash of what is in them
		}
		for _, p := range [...]struct{ coding, ext string }{{"br", ".br"}, {"gzip", ".gz"}} {
			if packed, ok := bodies[name+p.ext]; ok {
				f.packed = append(f.packed, formOf(p.coding, packed))
			}
		}
		all[name] = f
	}
	return all
}

func formOf(coding string, body []byte) form {
	sum := sha256.Sum256(body)
	return form{coding: coding, body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}
