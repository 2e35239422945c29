package yjs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

type undoVector struct {
	ID      string
	Roots   []string
	Clients []uint64
	Ignore  bool
	Events  []struct {
		T   string
		Ops [][]json.RawMessage
		U   []byte
		V1  [][]byte
	}
	Final []byte
	Dump  json.RawMessage
}

func TestVectorsUndo(t *testing.T) {
	files, _ := filepath.Glob("testdata/undo-*.jsonl.gz")
	if v := os.Getenv("YJS_UNDO_VECTORS"); v != "" {
		more, _ := filepath.Glob(v)
		files = append(files, more...)
	}
	if len(files) == 0 {
		t.Fatal("no vectors")
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(z)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var v undoVector
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			t.Run(v.ID, func(t *testing.T) { v.run(t) })
		}
	}
}

func (v *undoVector) run(t *testing.T) {
	d := New(Options{ClientID: v.Clients[0], CleanFormats: true})
	d.exact = true
	var scope []Content
	for _, r := range v.Roots {
		scope = append(scope, vectorRoot(d, r))
	}
	var got [][]byte
	d.OnUpdate(func(u *Update) {
		if u.Local {
			got = append(got, u.V1())
		}
	})
	um, err := NewUndo(d, UndoOptions{IgnoreRemoteMapChanges: v.Ignore}, scope...)
	if err != nil {
		t.Fatal(err)
	}
	for n, e := range v.Events {
		got = nil
		switch e.T {
		case "tx":
			d.Transact(nil, func() {
				for _, op := range e.Ops {
					if err := runOp(d, op); err != nil {
						t.Fatalf("event %d: %s: %v", n, op, err)
					}
				}
			})
		case "rx":
			if _, err := d.Apply(e.U, "net"); err != nil {
				t.Fatal(err)
			}
		case "undo":
			um.Undo()
		case "redo":
			um.Redo()
		case "clear":
			um.Clear()
		}
		if len(got) != len(e.V1) {
			t.Fatalf("event %d (%s): %d updates, want %d", n, e.T, len(got), len(e.V1))
		}
		for k := range got {
			if !bytes.Equal(got[k], e.V1[k]) {
				t.Fatalf("event %d (%s): update\n got %x\nwant %x", n, e.T, got[k], e.V1[k])
			}
		}
	}
	same(t, "v1", d.Encode(nil), v.Final)
	sameDump(t, d, v.Roots, v.Dump)
}

func TestUndoCapture(t *testing.T) {
	d := New(Options{})
	x := d.Text("t")
	now := int64(1000)
	um, err := NewUndo(d, UndoOptions{Clock: func() int64 { return now }}, x)
	if err != nil {
		t.Fatal(err)
	}
	x.Insert(0, "a")
	now += 100
	x.Insert(1, "b")
	now += 600
	x.Insert(2, "c")
	um.Cut()
	x.Insert(3, "d")
	d.Transact("other", func() { x.Insert(4, "!") })
	for _, want := range []string{"abc!", "ab!", "!"} {
		if !um.Undo() || x.String() != want {
			t.Errorf("got %q, want %q", x, want)
		}
	}
	if um.Undo() || um.CanUndo() {
		t.Error("there is nothing left to undo")
	}
	for um.Redo() {
	}
	if x.String() != "abcd!" {
		t.Errorf("after redo: %q", x)
	}
}

func ExampleUndo() {
	doc := New(Options{})
	text := doc.Text("t")
	undo, err := NewUndo(doc, UndoOptions{}, text)
	if err != nil {
		panic(err)
	}
	text.Insert(0, "hello")
	text.Delete(0, 4)
	undo.Undo()
	fmt.Println(text)
	undo.Redo()
	fmt.Println(text)
	// Output:
	// hello
	// o
}
