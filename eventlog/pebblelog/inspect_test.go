package pebblelog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starling-rt/starling/eventlog"
)

func TestInspect(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if s, err := Inspect(dir); err != nil || s.Exists {
		t.Errorf("nothing there: got %+v, %v", s, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking has made something: %v", err)
	}
	e, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("in use: got %v", err)
	}
	if _, err := eventlog.New(e).Append(t.Context(), eventlog.Append{Channel: "c", Entries: []eventlog.Entry{{Data: []byte("1")}}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Backup(t.Context(), filepath.Join(t.TempDir(), "backup")); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if s, err := Inspect(dir); err != nil || !s.Exists || !s.Clean {
			t.Errorf("after it was closed: got %+v, %v", s, err)
		}
	}
	if e, err = Open(dir, Options{}); err != nil {
		t.Fatalf("open what was looked at: %v", err)
	}
	copied := filepath.Join(t.TempDir(), "copy") // as a power cut leaves it
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if s, err := Inspect(copied); err != nil || !s.Exists || s.Clean {
		t.Errorf("not shut down: got %+v, %v", s, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestInspectOtherThings(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(dir); err == nil || !strings.Contains(err.Error(), "holds other things") {
		t.Errorf("got %v", err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("looking has made something: %v, %v", list, err)
	}
	if err := os.WriteFile(filepath.Join(dir, backupMark), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(dir); err == nil || !strings.Contains(err.Error(), "is a backup") {
		t.Errorf("got %v", err)
	}
}
