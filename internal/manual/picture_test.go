package manual

import (
	"io/fs"
	"testing"

	"github.com/starling-rt/starling/docs"
)

func TestPicturesHaveSizes(t *testing.T) {
	names, err := fs.Glob(docs.Files, "images/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("got %v, %v", names, err)
	}
	for _, name := range names {
		if w, h, err := sizeOf(name); err != nil || w < 300 || w > 4000 || h < 300 || h > 4000 {
			t.Errorf("%s: got %d by %d, %v", name, w, h, err)
		}
	}
	for _, bad := range []string{"", "RIFF....WEBPVP8 ", "RIFF....WEBPWHAT..........................."} {
		if _, _, err := sizeOfWebP([]byte(bad)); err == nil {
			t.Errorf("%q has a size", bad)
		}
	}
}

func TestSizesOfEachKindOfWebP(t *testing.T) {
	file := func(kind, body string) []byte {
		return []byte("RIFF\x00\x00\x00\x00WEBP" + kind + "\x00\x00\x00\x00" + body + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	}
	for kind, body := range map[string]string{
		"VP8X": "\x00\x00\x00\x00\x67\x01\x00\x1f\x03\x00",
		"VP8L": "\x2f\x67\xc1\xc7\x00",
		"VP8 ": "\x00\x00\x00\x9d\x01\x2a\x68\x01\x20\x03",
	} {
		if w, h, err := sizeOfWebP(file(kind, body)); err != nil || w != 360 || h != 800 {
			t.Errorf("%s: got %d by %d, %v, want 360 by 800", kind, w, h, err)
		}
	}
}
