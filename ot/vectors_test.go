package ot_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/json0"
	"github.com/starling-rt/starling/ot/json1"
	"github.com/starling-rt/starling/ot/rich"
	"github.com/starling-rt/starling/ot/text"
)

// types are all types of this package, by the name that vectors give them.
var types = map[string]ot.Type{
	"text-unicode": text.Unicode,
	"text":         text.UTF16,
	"rich-text":    rich.Type{},
	"json0":        json0.Type{},
	"json1":        json1.Type{},
}

// vector is one line of a vector file, which testdata/js/vectors.mjs made with the
// npm packages.
type vector struct {
	Type                   string
	Doc, A, B              json.RawMessage
	ALeft, ARight, BRight  json.RawMessage
	ApplyA, ApplyB, Merged json.RawMessage
	ComposeA_bRight        json.RawMessage //nolint:revive // the name in the file
	ComposeErr             string
	Converges              bool
	Cursor                 [][]float64
}

func eachVector(t testing.TB, visit func(name string, v vector)) {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors-*.ndjson.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(z)
		sc.Buffer(nil, 16<<20)
		for line := 1; sc.Scan(); line++ {
			var v vector
			if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
				t.Fatalf("%s:%d: %v", file, line, err)
			}
			visit(fmt.Sprintf("%s:%d", filepath.Base(file), line), v)
		}
		if err := sc.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// same compares JSON texts but for the order of keys.
func same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y) && !bytes.Contains(a, []byte(`\ud`)) && !bytes.Contains(b, []byte(`\ud`)) ||
		sortedEqual(a, b)
}

// sortedEqual compares texts with surrogates, which encoding/json would merge: it
// hides the escapes from it.
func sortedEqual(a, b []byte) bool {
	var x, y any
	hide := func(s []byte) []byte { return bytes.ReplaceAll(s, []byte(`\ud`), []byte(`\\ud`)) }
	return json.Unmarshal(hide(a), &x) == nil && json.Unmarshal(hide(b), &y) == nil && reflect.DeepEqual(x, y)
}

func must[T any](v T, err error) func(t *testing.T, what string) T {
	return func(t *testing.T, what string) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return v
	}
}

func TestVectors(t *testing.T) {
	seen := map[string]int{}
	eachVector(t, func(name string, v vector) {
		typ, ok := types[v.Type]
		if !ok {
			return
		}
		seen[v.Type]++
		checkVector(t, name+" "+v.Type, typ, v)
	})
	for name := range types {
		if seen[name] < 100 {
			t.Errorf("only %d vectors of %s", seen[name], name)
		}
	}
	t.Log(seen)
}

func checkVector(t *testing.T, name string, typ ot.Type, v vector) {
	t.Helper()
	expect := func(what string, got interface{ AppendJSON([]byte) []byte }, want []byte) {
		t.Helper()
		g := got.AppendJSON(nil)
		if op, ok := got.(rich.Op); ok {
			// The vectors have the list of a Delta without the object around it.
			g = bytes.TrimSuffix(bytes.TrimPrefix(op.AppendJSON(nil), []byte(`{"ops":`)), []byte("}"))
		}
		if !same(g, want) {
			t.Errorf("%s: %s\n doc %s\n a %s\n b %s\n got %s\nwant %s", name, what, v.Doc, v.A, v.B, g, want)
		}
	}
	a := must(typ.ParseOp(v.A))(t, name)
	b := must(typ.ParseOp(v.B))(t, name)
	aLeft := must(typ.Transform(a, b, ot.Left))(t, name)
	bRight := must(typ.Transform(b, a, ot.Right))(t, name)
	expect("a", a, v.A)
	expect("aLeft", aLeft, v.ALeft)
	expect("aRight", must(typ.Transform(a, b, ot.Right))(t, name), v.ARight)
	expect("bRight", bRight, v.BRight)
	if v.ComposeErr == "" {
		ab := must(typ.Compose(a, bRight))(t, name)
		expect("compose", ab, v.ComposeA_bRight)
		d := must(typ.ParseDoc(v.Doc))(t, name)
		if err := d.Apply(ab); err != nil {
			t.Errorf("%s: apply composed: %v", name, err)
		}
	}
	doc := must(typ.ParseDoc(v.Doc))(t, name)
	expect("doc", doc, v.Doc)
	da, db := doc.Clone(), doc.Clone()
	if err := da.Apply(a); err != nil {
		t.Fatalf("%s: apply a: %v", name, err)
	}
	expect("applyA", da, v.ApplyA)
	if err := db.Apply(b); err != nil {
		t.Fatalf("%s: apply b: %v", name, err)
	}
	expect("applyB", db, v.ApplyB)
	if err := da.Apply(bRight); err != nil {
		t.Fatalf("%s: apply b after a: %v", name, err)
	}
	expect("merged", da, v.Merged)
	if err := db.Apply(aLeft); (err == nil && same(db.AppendJSON(nil), v.Merged)) != v.Converges {
		t.Errorf("%s: converges %v, want %v (%v)", name, !v.Converges, v.Converges, err)
	}
	for _, c := range v.Cursor {
		switch op := a.(type) {
		case text.Op:
			if got := op.MapPosition(int(c[0]), false); got != int(c[1]) {
				t.Errorf("%s: position %v: got %d, want %v", name, c[0], got, c[1])
			}
		case rich.Op:
			if got, own := op.MapPosition(int(c[0]), true), op.MapPosition(int(c[0]), false); got != int(c[1]) || own != int(c[2]) {
				t.Errorf("%s: position %v: got %d and %d, want %v and %v", name, c[0], got, own, c[1], c[2])
			}
		}
	}
	expect("the document before", doc, v.Doc)
}

// TestConvergence is TP1 on random operations: both orders lead to the same. It holds
// for json0 as long as a string is not edited by si or sd and by t and o at once.
func TestConvergence(t *testing.T) {
	all := map[string]ot.Type{
		"text": text.Unicode, "utf16": text.UTF16, "rich": rich.Type{}, "json0": json0.Type{}, "json1": json1.Type{}, "json1 resolving": json1.Type{Resolve: true},
	}
	for name, typ := range all {
		t.Run(name, func(t *testing.T) {
			same, conflicts := uint64(0), uint64(0)
			seeds := manySeeds(t, 4000)
			for seed := range seeds {
				g := newGen(seed)
				doc := g.doc(typ)
				a, b := g.op(typ, doc), g.op(typ, doc)
				left, errL := typ.Transform(a, b, ot.Left)
				right, errR := typ.Transform(b, a, ot.Right)
				if errors.Is(errL, ot.ErrConflict) && errors.Is(errR, ot.ErrConflict) {
					conflicts++
					continue
				}
				x, y := doc.Clone(), doc.Clone()
				if err := errors.Join(errL, errR, x.Apply(a), y.Apply(b), x.Apply(right), y.Apply(left)); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if got, want := string(x.AppendJSON(nil)), string(y.AppendJSON(nil)); got != want {
					t.Fatalf("seed %d: on %s\n %s and\n %s lead to\n %s or\n %s", seed, doc.AppendJSON(nil), a.AppendJSON(nil), b.AppendJSON(nil), got, want)
				}
				same++
				// Composed with what follows it is the same as one after the other.
				c := g.op(typ, x)
				both, err := typ.Compose(right, c)
				if z := doc.Clone(); errors.Join(err, z.Apply(a), z.Apply(both), x.Apply(c)) != nil || string(z.AppendJSON(nil)) != string(x.AppendJSON(nil)) {
					t.Fatalf("seed %d: composed %v: %s, want %s", seed, err, z.AppendJSON(nil), x.AppendJSON(nil))
				}
			}
			t.Logf("%d the same, %d in conflict", same, conflicts)
			if same < seeds*3/4 {
				t.Errorf("only %d pairs were compared", same)
			}
		})
	}
}
