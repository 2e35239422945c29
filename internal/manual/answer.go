package manual

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path"
	"strings"
	"time"
)

// contentTypes are spelled out: what mime knows depends on the machine.
var contentTypes = map[string]string{
	"":      "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".md":   "text/markdown; charset=utf-8",
	".png":  "image/png",
	".svg":  "image/svg+xml",
}

// answer is what is served at an address: a body, or the address where it is.
type answer struct {
	status            int // 0: 200
	body, zipped      []byte
	contentType, etag string
	location          string
}

// newAnswer returns what is served at a path that ends as its kind tells.
func newAnswer(name string, body []byte) answer {
	sum := sha256.Sum256(body)
	a := answer{body: body, contentType: contentTypes[path.Ext(name)], etag: base64.RawURLEncoding.EncodeToString(sum[:12])}
	if a.contentType == "" {
		a.contentType = contentTypes[""]
	}
	if path.Ext(name) == ".png" {
		return a // compressed as it is
	}
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
	a.zipped = b.Bytes()
	return a
}

func (a answer) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if a.location != "" {
		h.Set("Location", a.location)
		w.WriteHeader(http.StatusFound)
		return
	}
	body, etag := a.body, a.etag
	if a.zipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r) {
			h.Set("Content-Encoding", "gzip")
			body, etag = a.zipped, etag+"z"
		}
	}
	h.Set("Content-Type", a.contentType)
	if a.status != 0 {
		w.WriteHeader(a.status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(body) // the client may be gone
		}
		return
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// takesGzip tells whether a client takes gzip: it names it, and not to refuse it.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q = strings.TrimRight(strings.ReplaceAll(q, " ", ""), "0")
			return q != "q=" && q != "q=0."
		}
	}
	return false
}
