package json0_test

import (
	"testing"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/json0"
)

func TestTransformPosition(t *testing.T) {
	typ := json0.Type{}
	for _, c := range []struct {
		name, path, op string
		own            bool
		want           string // empty when the place is gone
	}{
		{"an insertion before", `["l",2,"x"]`, `[{"p":["l",0],"li":1}]`, false, `["l",3,"x"]`},
		{"an insertion at the place", `["l",2]`, `[{"p":["l",2],"li":1}]`, false, `["l",3]`},
		{"an insertion behind", `["l",2]`, `[{"p":["l",3],"li":1}]`, false, `["l",2]`},
		{"a deletion before", `["l",2]`, `[{"p":["l",0],"ld":1}]`, false, `["l",1]`},
		{"a deletion of a parent", `["l",2,"x"]`, `[{"p":["l",2],"ld":1}]`, false, ``},
		{"a replacement of a parent", `["l",2,"x"]`, `[{"p":["l",2],"ld":1,"li":2}]`, false, ``},
		{"a replacement beside", `["l",2]`, `[{"p":["l",1],"ld":1,"li":2}]`, false, `["l",2]`},
		{"a move of a parent", `["l",2,"x"]`, `[{"p":["l",2],"lm":0}]`, false, `["l",0,"x"]`},
		{"a move around, forwards", `["l",2]`, `[{"p":["l",0],"lm":3}]`, false, `["l",1]`},
		{"a move around, backwards", `["l",2]`, `[{"p":["l",3],"lm":2}]`, false, `["l",3]`},
		{"another list", `["l",2]`, `[{"p":["m",0],"li":1}]`, false, `["l",2]`},
		{"a key removed", `["a","b"]`, `[{"p":["a"],"od":1}]`, false, ``},
		{"a key replaced", `["a","b"]`, `[{"p":["a"],"od":1,"oi":2}]`, false, ``},
		{"another key", `["a","b"]`, `[{"p":["c"],"od":1}]`, false, `["a","b"]`},
		{"a key set above", `["a"]`, `[{"p":["a","b"],"oi":1}]`, false, `["a"]`},
		{"text before", `["s",4]`, `[{"p":["s",1],"si":"xy"}]`, false, `["s",6]`},
		{"text at the place", `["s",4]`, `[{"p":["s",4],"si":"xy"}]`, false, `["s",4]`},
		{"own text at the place", `["s",4]`, `[{"p":["s",4],"si":"xy"}]`, true, `["s",6]`},
		{"text deleted around", `["s",4]`, `[{"p":["s",2],"sd":"abcd"}]`, false, `["s",2]`},
		{"text in the long form", `["s",4]`, `[{"p":["s"],"t":"text0","o":[{"p":0,"i":"a"},{"p":0,"i":"b"}]}]`, false, `["s",6]`},
		{"a number", `["n"]`, `[{"p":["n"],"na":1}]`, false, `["n"]`},
		{"the root replaced", `["n"]`, `[{"p":[],"od":{},"oi":{}}]`, false, ``},
		{"two components", `["l",0]`, `[{"p":["l",0],"li":1},{"p":["l",0],"ld":1}]`, false, `["l",0]`},
	} {
		pos, err := typ.ParsePosition([]byte(c.path))
		if err != nil {
			t.Fatal(err)
		}
		op, err := typ.ParseOp([]byte(c.op))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got, err := typ.TransformPosition(pos, op, c.own)
		if err != nil {
			t.Fatal(err)
		}
		s := ""
		if got != nil {
			s = string(got.AppendJSON(nil))
		}
		if s != c.want {
			t.Errorf("%s: got %q, want %q", c.name, s, c.want)
		}
	}
}

// TestInverseTakesContentFromTheDocument inverts operations that do not say, or say
// wrongly, what they remove.
func TestInverseTakesContentFromTheDocument(t *testing.T) {
	typ := json0.Type{}
	const before = `{"a":{"b":1},"l":[1,[2],3]}`
	for _, op := range []string{
		`[{"p":["a"],"oi":5}]`, `[{"p":["a"],"od":"wrong"}]`, `[{"p":["l",1],"ld":"wrong"}]`, `[{"p":["l",1],"ld":"wrong","li":0}]`,
		`[{"p":["none"],"od":1}]`, `[{"p":["new"],"oi":1}]`, `[{"p":[],"oi":7}]`, `[{"p":["l",0],"lm":2},{"p":["l",2],"ld":0}]`,
	} {
		doc, err := typ.ParseDoc([]byte(before))
		if err != nil {
			t.Fatal(err)
		}
		o, err := typ.ParseOp([]byte(op))
		if err != nil {
			t.Fatal(err)
		}
		inverse, err := doc.Invert(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := doc.Apply(o); err != nil {
			t.Fatal(err)
		}
		if err := doc.Apply(inverse); err != nil || string(doc.AppendJSON(nil)) != before {
			t.Errorf("%s undone by %s: %s, %v", op, inverse.AppendJSON(nil), doc.AppendJSON(nil), err)
		}
	}
}

// TestNamesMayBeNumbers has paths name members of objects by numbers, as JavaScript
// lets them.
func TestNamesMayBeNumbers(t *testing.T) {
	typ := json0.Type{}
	doc, err := typ.ParseDoc([]byte(`{"7":{"n":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := typ.ParseOp([]byte(`[{"p":[7,"n"],"na":1},{"p":[8],"oi":2}]`))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Apply(a); err != nil || string(doc.AppendJSON(nil)) != `{"7":{"n":2},"8":2}` {
		t.Errorf("got %s, %v", doc.AppendJSON(nil), err)
	}
	b, err := typ.ParseOp([]byte(`[{"p":["7"],"od":{"n":1}}]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := typ.Transform(a, b, ot.Left); err != nil {
		t.Error(err)
	}
}
