package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"
)

// Compression is permessage-deflate (RFC 7692) without context takeover: each
// message stands alone, so that one that goes to many is compressed once, and a
// connection holds no compressor.

// tailBytes end a flushed deflate stream; the wire leaves them away. The final
// block after them lets the reader see an end.
var tailBytes = []byte{0, 0, 0xff, 0xff}

var (
	deflaters = sync.Pool{New: func() any {
		w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
		if err != nil {
			panic(err) // the level is a constant
		}
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}
)

// Deflate appends the compressed payload to dst.
func Deflate(dst, payload []byte) []byte {
	buf := bytes.NewBuffer(dst)
	w, _ := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(buf)
	// A bytes.Buffer does not fail.
	_, _ = w.Write(payload)
	_ = w.Flush()
	return bytes.TrimSuffix(buf.Bytes(), tailBytes)
}

// inflate appends the decompressed payload to dst, or fails when it is longer
// than most.
func inflate(dst, payload []byte, most int) ([]byte, error) {
	r, _ := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	src := io.MultiReader(bytes.NewReader(payload), bytes.NewReader(tailBytes), bytes.NewReader([]byte{1, 0, 0, 0xff, 0xff}))
	if err := r.(flate.Resetter).Reset(src, nil); err != nil {
		return dst, &ProtocolError{CloseInvalidData, "compressed data is damaged"}
	}
	buf := bytes.NewBuffer(dst)
	n, err := io.Copy(buf, io.LimitReader(r, int64(most)+1))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return dst, &ProtocolError{CloseInvalidData, "compressed data is damaged"}
	case n > int64(most):
		return dst, &ProtocolError{CloseTooBig, "message over the limit"}
	}
	return buf.Bytes(), nil
}
