package web

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
)

// Client returns the built client for browsers: modules, and their types below
// types/.
func Client() fs.FS {
	sub, err := fs.Sub(files, "dist/sdk")
	if err != nil {
		panic(err) // the path is valid
	}
	return sub
}

// Policy returns the Content-Security-Policy of the pages.
func Policy() string { return policy }

// Made serves a text that was made while the program runs, as files are served
// here: compressed for who takes that, and again only if it has changed.
func Made(contentType string, body []byte) http.Handler {
	f := &file{contentType: contentType, caching: always, plain: formOf("", body)}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level exists
	}
	if _, err := z.Write(body); err != nil {
		panic(err) // it is memory
	}
	if err := z.Close(); err != nil {
		panic(err) // it is memory
	}
	if b.Len() < len(body) {
		f.packed = []form{formOf("gzip", b.Bytes())}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mayRead(w, r) {
			f.serve(w, r)
		}
	})
}
