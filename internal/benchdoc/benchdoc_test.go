package benchdoc

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReplaceKeepsOtherSections(t *testing.T) {
	file := filepath.Join(t.TempDir(), "b.md")
	before := "top\n<!-- begin a -->\nold\n<!-- end a -->\nmid\n<!-- begin b -->\nkeep\n<!-- end b -->\nend\n"
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, "a", []byte("\nnew\n\n")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "top\n<!-- begin a -->\nnew\n<!-- end a -->\nmid\n<!-- begin b -->\nkeep\n<!-- end b -->\nend\n"
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := Replace(file, "c", nil); !errors.Is(err, ErrNoSection) {
		t.Errorf("got %v, want ErrNoSection", err)
	}
}
