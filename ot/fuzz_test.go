package ot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/json0"
	"github.com/starling-rt/starling/ot/json1"
	"github.com/starling-rt/starling/ot/rich"
	"github.com/starling-rt/starling/ot/text"
)

var sentinels = []error{ot.ErrMalformed, ot.ErrTooLarge, ot.ErrRange, ot.ErrMismatch, ot.ErrTooComplex, ot.ErrConflict}

func wraps(err error) bool {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// laws are what must hold for whatever bytes come: documents and operations that are
// read are written the same, an operation is done or leaves everything as it was, an
// inverse undoes, a composition does the same as its parts, and two operations
// converge where the type says so.
func laws(t *testing.T, typ ot.Type, converges bool, docData, aData, bData, posData []byte) {
	doc, err := typ.ParseDoc(docData)
	if err != nil {
		if !wraps(err) {
			t.Fatalf("document: error %v wraps no sentinel", err)
		}
		return
	}
	before := string(doc.AppendJSON(nil))
	again, err := typ.ParseDoc([]byte(before))
	if err != nil || string(again.AppendJSON(nil)) != before {
		t.Fatalf("document %s reads back as %v, %v", before, again, err)
	}
	a := readOp(t, typ, aData)
	b := readOp(t, typ, bData)
	pos, err := typ.ParsePosition(posData)
	if err != nil && !wraps(err) {
		t.Fatalf("position: error %v wraps no sentinel", err)
	}
	if a == nil {
		return
	}
	if pos != nil {
		if _, err := typ.TransformPosition(pos, a, true); err != nil {
			t.Fatalf("position %s over %s: %v", posData, aData, err)
		}
	}
	da := doc.Clone()
	okA := apply(t, da, a)
	checkUndo(t, doc, da, a, okA)
	if b == nil {
		return
	}
	db := doc.Clone()
	okB := apply(t, db, b)
	left, errL := typ.Transform(a, b, ot.Left)
	right, errR := typ.Transform(b, a, ot.Right)
	for _, err := range []error{errL, errR} {
		if err != nil && !wraps(err) {
			t.Fatalf("transform: error %v wraps no sentinel", err)
		}
	}
	composed, err := typ.Compose(a, b)
	if err != nil && !wraps(err) {
		t.Fatalf("compose: error %v wraps no sentinel", err)
	}
	if okA && err == nil {
		parts, whole := da.Clone(), doc.Clone()
		if apply(t, parts, b) && whole.Apply(composed) == nil && string(parts.AppendJSON(nil)) != string(whole.AppendJSON(nil)) {
			t.Fatalf("%s then %s on %s gives %s, composed %s", aData, bData, before, parts.AppendJSON(nil), whole.AppendJSON(nil))
		}
	}
	if converges && okA && okB && errL == nil && errR == nil {
		if err := errors.Join(da.Apply(right), db.Apply(left)); err != nil {
			t.Fatalf("transformed: %v", err)
		}
		if string(da.AppendJSON(nil)) != string(db.AppendJSON(nil)) {
			t.Fatalf("%s and %s on %s: %s or %s", aData, bData, before, da.AppendJSON(nil), db.AppendJSON(nil))
		}
	}
	if string(doc.AppendJSON(nil)) != before {
		t.Fatalf("a copy was changed: %s, was %s", doc.AppendJSON(nil), before)
	}
}

func readOp(t *testing.T, typ ot.Type, data []byte) ot.Op {
	op, err := typ.ParseOp(data)
	if err != nil {
		if !wraps(err) {
			t.Fatalf("operation: error %v wraps no sentinel", err)
		}
		return nil
	}
	s := string(op.AppendJSON(nil))
	again, err := typ.ParseOp([]byte(s))
	if err != nil || string(again.AppendJSON(nil)) != s {
		t.Fatalf("operation %s reads back as %v, %v", s, again, err)
	}
	return op
}

// apply applies op, and checks that the document is as it was when that fails.
func apply(t *testing.T, d ot.Doc, op ot.Op) bool {
	before := string(d.AppendJSON(nil))
	err := d.Apply(op)
	if err == nil {
		return true
	}
	if !wraps(err) {
		t.Fatalf("apply: error %v wraps no sentinel", err)
	}
	if string(d.AppendJSON(nil)) != before {
		t.Fatalf("a refused operation changed %s to %s", before, d.AppendJSON(nil))
	}
	return false
}

func checkUndo(t *testing.T, before, after ot.Doc, op ot.Op, applied bool) {
	inverse, err := before.Invert(op)
	if (err == nil) != applied || err != nil && !wraps(err) {
		t.Fatalf("invert: %v, but applied %v", err, applied)
	}
	want := string(before.AppendJSON(nil))
	if _, ok := before.(*rich.Doc); ok && strings.Contains(want, ":null") {
		return
	}
	if err != nil {
		return
	}
	back := after.Clone()
	err = back.Apply(inverse)
	if written := string(op.AppendJSON(nil)); err == nil && (strings.Contains(written, `"na":`) || strings.Contains(written, `"ena":`)) {
		return // sums of numbers of different sizes are not exact
	}
	if err != nil || string(back.AppendJSON(nil)) != want {
		t.Fatalf("undone is %s, %v; want %s", back.AppendJSON(nil), err, want)
	}
}

// seed adds the vectors of the type and some that are wrong.
func seed(f *testing.F, name string, typ ot.Type) {
	n := 0
	eachVector(f, func(_ string, v vector) {
		if n++; v.Type == name && n%29 < 4 {
			f.Add([]byte(v.Doc), []byte(v.A), []byte(v.B), []byte(`1`))
		}
	})
	for _, m := range hostile[typ.Name()] {
		f.Add([]byte(m.doc), []byte(m.op), []byte(m.op), []byte(`[1,2]`))
	}
	f.Add([]byte(`"\ud83d\ude00"`), []byte(`[1,"\ude01"]`), []byte(`[{"d":1}]`), []byte(`{"index":1,"length":1}`))
}

func FuzzText(f *testing.F) {
	seed(f, "text-unicode", text.Unicode)
	f.Fuzz(func(t *testing.T, doc, a, b, pos []byte) { laws(t, text.Unicode, true, doc, a, b, pos) })
}

func FuzzUTF16(f *testing.F) {
	seed(f, "text-unicode", text.UTF16)
	f.Fuzz(func(t *testing.T, doc, a, b, pos []byte) {
		laws(t, text.UTF16, true, doc, a, b, pos)
		convert(t, doc, a)
	})
}

// convert checks that an operation in UTF-16 does the same when it is converted.
func convert(t *testing.T, docData, opData []byte) {
	d16, err := text.UTF16.ParseDoc(docData)
	if err != nil {
		return
	}
	d, err := text.Unicode.ParseDoc(docData)
	op, err2 := text.UTF16.ParseOp(opData)
	if err != nil || err2 != nil {
		return
	}
	converted, err := d.(*text.Doc).FromUTF16(op.(text.Op))
	if err != nil {
		if !wraps(err) {
			t.Fatalf("error %v wraps no sentinel", err)
		}
		return
	}
	if err := errors.Join(d16.Apply(op), d.Apply(converted)); err != nil {
		t.Fatalf("%s on %s as %s: %v", opData, docData, converted, err)
	}
	if string(d16.AppendJSON(nil)) != string(d.AppendJSON(nil)) {
		t.Fatalf("%s on %s as %s gives %s, want %s", opData, docData, converted, d.AppendJSON(nil), d16.AppendJSON(nil))
	}
}

func FuzzRich(f *testing.F) {
	seed(f, "rich-text", rich.Type{})
	f.Fuzz(func(t *testing.T, doc, a, b, pos []byte) { laws(t, rich.Type{}, true, doc, a, b, pos) })
}

func FuzzJSON0(f *testing.F) {
	seed(f, "json0", json0.Type{})
	f.Fuzz(func(t *testing.T, doc, a, b, pos []byte) { laws(t, json0.Type{}, false, doc, a, b, pos) })
}

func FuzzJSON1(f *testing.F) {
	seed(f, "json1", json1.Type{})
	f.Fuzz(func(t *testing.T, doc, a, b, pos []byte) {
		laws(t, json1.Type{}, false, doc, a, b, pos)
		laws(t, json1.Type{Resolve: true}, false, doc, a, b, pos)
	})
}

type wrong struct {
	name, doc, op string
	want          error
}

// hostile are operations that must be refused, by type.
var hostile = map[string][]wrong{
	"text-unicode": {
		{"not a list", `"abc"`, `{}`, ot.ErrMalformed},
		{"a negative skip", `"abc"`, `[-1,"x"]`, ot.ErrMalformed},
		{"a fraction", `"abc"`, `[1.5,"x"]`, ot.ErrMalformed},
		{"an empty insertion", `"abc"`, `[""]`, ot.ErrMalformed},
		{"an empty deletion", `"abc"`, `[{"d":0}]`, ot.ErrMalformed},
		{"a deletion without a length", `"abc"`, `[{}]`, ot.ErrMalformed},
		{"two skips", `"abc"`, `[1,1,"x"]`, ot.ErrMalformed},
		{"a skip at the end", `"abc"`, `["x",1]`, ot.ErrMalformed},
		{"null", `"abc"`, `null`, ot.ErrMalformed},
		{"half of a pair", `"abc"`, `["\ud83d"]`, ot.ErrMalformed},
		{"not JSON", `"abc"`, `[1`, ot.ErrMalformed},
		{"more behind", `"abc"`, `["x"]]`, ot.ErrMalformed},
		{"beyond the end", `"abc"`, `[4,"x"]`, ot.ErrRange},
		{"a deletion beyond the end", `"abc"`, `[2,{"d":2}]`, ot.ErrRange},
		{"far beyond the end", `"abc"`, `[9007199254740000,"x"]`, ot.ErrRange},
		{"lengths that overflow", `"abc"`, `[9007199254740000,"x",9007199254740000,"x"]`, ot.ErrMalformed},
	},
	"rich-text": {
		{"a string", `[{"insert":"abc"}]`, `"x"`, ot.ErrMalformed},
		{"an object without ops", `[{"insert":"abc"}]`, `{}`, ot.ErrMalformed},
		{"two things at once", `[{"insert":"abc"}]`, `[{"insert":"x","delete":1}]`, ot.ErrMalformed},
		{"nothing at all", `[{"insert":"abc"}]`, `[{"attributes":{"b":1}}]`, ot.ErrMalformed},
		{"an empty insertion", `[{"insert":"abc"}]`, `[{"insert":""}]`, ot.ErrMalformed},
		{"null as an embed", `[{"insert":"abc"}]`, `[{"insert":null}]`, ot.ErrMalformed},
		{"retain as an object", `[{"insert":"abc"}]`, `[{"retain":{"a":1}}]`, ot.ErrMalformed},
		{"a retain of zero", `[{"insert":"abc"}]`, `[{"retain":0}]`, ot.ErrMalformed},
		{"attributes as a list", `[{"insert":"abc"}]`, `[{"retain":1,"attributes":[]}]`, ot.ErrMalformed},
		{"beyond the end", `[{"insert":"abc"}]`, `[{"retain":4},{"insert":"x"}]`, ot.ErrRange},
		{"a deletion beyond the end", `[{"insert":"abc"}]`, `[{"delete":4}]`, ot.ErrRange},
	},
	"json0": {
		{"no path", `{"a":1}`, `[{"oi":1}]`, ot.ErrMalformed},
		{"nothing to do", `{"a":1}`, `[{"p":["a"]}]`, ot.ErrMalformed},
		{"two things at once", `{"a":1}`, `[{"p":["a"],"na":1,"oi":2}]`, ot.ErrMalformed},
		{"a list index that is a name", `[1]`, `[{"p":["0"],"li":1}]`, ot.ErrMalformed},
		{"the prototype", `{"a":1}`, `[{"p":["__proto__"],"oi":1}]`, ot.ErrMalformed},
		{"an unknown part", `{"a":1}`, `[{"p":["a"],"t":"x","o":[]}]`, ot.ErrMalformed},
		{"a path into nothing", `{"a":1}`, `[{"p":["b","c"],"oi":1}]`, ot.ErrRange},
		{"a path into a number", `{"a":1}`, `[{"p":["a","c"],"oi":1}]`, ot.ErrMismatch},
		{"an index beyond the end", `[1]`, `[{"p":[2],"li":1}]`, ot.ErrRange},
		{"a move beyond the end", `[1,2]`, `[{"p":[0],"lm":2}]`, ot.ErrRange},
		{"a deletion of other text", `["abc"]`, `[{"p":[0,1],"sd":"c"}]`, ot.ErrMismatch},
		{"an offset beyond the end", `["abc"]`, `[{"p":[0,4],"si":"x"}]`, ot.ErrRange},
		{"adding to a string", `["abc"]`, `[{"p":[0],"na":1}]`, ot.ErrMismatch},
		{"a sum that is too large", `[1e308]`, `[{"p":[0],"na":1e308}]`, ot.ErrMismatch},
		{"a list operation on an object", `{"a":1}`, `[{"p":[0],"li":1}]`, ot.ErrMismatch},
		{"the second of two", `[1]`, `[{"p":[0],"li":1},{"p":[9],"li":1}]`, ot.ErrRange},
	},
	"json1": {
		{"an object", `{"a":1}`, `{}`, ot.ErrMalformed},
		{"empty", `{"a":1}`, `[]`, ot.ErrMalformed},
		{"a key at the end", `{"a":1}`, `["a"]`, ot.ErrMalformed},
		{"a component that does nothing", `{"a":1}`, `["a",{}]`, ot.ErrMalformed},
		{"an unknown member", `{"a":1}`, `["a",{"x":1}]`, ot.ErrMalformed},
		{"a pick without a drop", `{"a":1}`, `["a",{"p":0}]`, ot.ErrMalformed},
		{"a slot twice", `{"a":1}`, `[["a",{"p":0}],["b",{"p":0}],["c",{"d":0}]]`, ot.ErrMalformed},
		{"a slot left out", `{"a":1}`, `[["a",{"p":1}],["b",{"d":1}]]`, ot.ErrMalformed},
		{"keys out of order", `{"a":1}`, `[["b",{"r":true}],["a",{"r":true}]]`, ot.ErrMalformed},
		{"names before indices", `{"a":1}`, `[["b",{"r":true}],[0,{"r":true}]]`, ot.ErrMalformed},
		{"one way down as a list", `{"a":1}`, `[["a",{"r":true}]]`, ot.ErrMalformed},
		{"the prototype", `{"a":1}`, `["__proto__",{"i":1}]`, ot.ErrMalformed},
		{"an unknown type", `{"a":1}`, `["a",{"et":"x","e":1}]`, ot.ErrMalformed},
		{"a removal of nothing", `{"a":1}`, `["b",{"r":true}]`, ot.ErrRange},
		{"an insertion over something", `{"a":1}`, `["a",{"i":2}]`, ot.ErrRange},
		{"an index beyond the end", `[1]`, `[3,{"i":2}]`, ot.ErrRange},
		{"an index in an object", `{"a":1}`, `[0,{"i":2}]`, ot.ErrRange},
		{"a name in a list", `[1]`, `["a",{"i":2}]`, ot.ErrRange},
		{"a move into itself", `{"a":{}}`, `["a",{"p":0},"b",{"d":0}]`, ot.ErrRange},
		{"text in a number", `{"a":1}`, `["a",{"es":["x"]}]`, ot.ErrMismatch},
		{"text beyond the end", `{"a":"b"}`, `["a",{"es":[2,"x"]}]`, ot.ErrRange},
		{"adding to a string", `{"a":"b"}`, `["a",{"ena":1}]`, ot.ErrMismatch},
	},
}

func TestWrongOperationsAreRefused(t *testing.T) {
	for name, list := range hostile {
		typ := types[name]
		for _, w := range list {
			t.Run(name+" "+w.name, func(t *testing.T) {
				doc := parseDoc(t, typ, w.doc)
				before := string(doc.AppendJSON(nil))
				op, err := typ.ParseOp([]byte(w.op))
				if err == nil {
					err = doc.Apply(op)
				}
				if !errors.Is(err, w.want) {
					t.Errorf("got %v, want %v", err, w.want)
				}
				if err != nil && len(err.Error()) > 300 {
					t.Errorf("the error has %d bytes", len(err.Error()))
				}
				if got := string(doc.AppendJSON(nil)); got != before {
					t.Errorf("the document is %s, was %s", got, before)
				}
			})
		}
	}
}

// TestHugeOperationsEnd runs operations that are as large as they may be, in the ways
// that cost most.
func TestHugeOperationsEnd(t *testing.T) {
	shorter := 2
	if testing.Short() {
		shorter = 5
	}
	many := func(n int, part string, wrap string) string {
		n >>= shorter
		return fmt.Sprintf(wrap, strings.TrimSuffix(strings.Repeat(part+",", n), ","))
	}
	long := strings.Repeat("x", 4<<20)
	deep := strings.Repeat("[", 400) + strings.Repeat("]", 400)
	for _, c := range []struct {
		name      string
		typ       ot.Type
		doc, a, b string
	}{
		{"text, insertions between long text", text.Unicode, `""`, quote2(long), many(1<<20, `1,"b"`, "[%s]")},
		{"text, deletions in long text", text.UTF16, `""`, quote2(long), many(1<<19, `1,{"d":1}`, "[%s]")},
		{"rich text, insertions between long text", rich.Type{}, `[]`, `[{"insert":"` + long + `"}]`, many(1<<18, `{"retain":1},{"insert":"b"}`, "[%s]")},
		{"rich text, formats", rich.Type{}, `[]`, `[{"insert":"` + long + `"}]`, many(1<<17, `{"retain":1,"attributes":{"b":1}},{"retain":1}`, "[%s]")},
		{"json0, insertions into one list", json0.Type{}, `[]`, many(1<<16, `{"p":[0],"li":1}`, "[%s]"), many(1<<16, `{"p":[0],"li":2}`, "[%s]")},
		{"json0, steps on one string", json0.Type{}, `[""]`, many(1<<16, `{"p":[0,0],"si":"xy"}`, "[%s]"), many(1<<16, `{"p":[0,1],"si":"z"}`, "[%s]")},
		{"json0, one long step and many short", json0.Type{}, `[""]`, `[{"p":[0,0],"si":"` + long + `"}]`, many(1<<16, `{"p":[0,1],"sd":"x"}`, "[%s]")},
		{"json1, deep", json1.Type{}, `null`, `[{"r":true,"i":` + deep + `}]`, strings.Repeat("[0,", 400) + `{"i":1}` + strings.Repeat("]", 400)},
		{"json1, insertions into one list", json1.Type{}, `[]`, "[" + wide(1<<15>>shorter, `{"i":1}`) + "]", "[" + wide(1<<15>>shorter, `{"i":2}`) + "]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			laws(t, c.typ, false, []byte(c.doc), []byte(c.a), []byte(c.b), []byte(`0`))
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func quote2(s string) string { return "[" + quote(s) + "]" }

// wide is an operation with a component at each of n indices.
func wide(n int, c string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "[%d,%s]", i, c)
	}
	return b.String()
}
