package yjs

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"testing"
)

// The generator's canonical dump of a document, as a Value.

func obj(kv ...any) Value {
	var f []Field
	for i := 0; i < len(kv); i += 2 {
		f = append(f, Field{Key: kv[i].(string), Value: kv[i+1].(Value)})
	}
	return Object(f...)
}

func loss(v Value) Value {
	switch v.Kind() {
	case KindUndefined:
		return obj("$undef", Int(1))
	case KindBigInt:
		return obj("$big", String(v.String()))
	case KindNumber:
		switch f := v.Number(); {
		case f == 0 && math.Signbit(f):
			return obj("$num", String("-0"))
		case math.IsNaN(f):
			return obj("$num", String("NaN"))
		case math.IsInf(f, 1):
			return obj("$num", String("Infinity"))
		case math.IsInf(f, -1):
			return obj("$num", String("-Infinity"))
		}
	case KindBytes:
		return obj("$bin", String(base64.StdEncoding.EncodeToString(v.Bytes())))
	case KindArray:
		var list []Value
		for i := range v.Len() {
			list = append(list, loss(v.At(i)))
		}
		return List(list...)
	case KindObject:
		var list []Value
		for i := range v.Len() {
			list = append(list, List(String(v.Key(i)), loss(v.At(i))))
		}
		return obj("$obj", List(list...))
	}
	return v
}

type dumper struct {
	delta    func(h *handle) Delta
	children func(h *handle) []Content
	attrs    func(h *handle) []Attr2
}

// Attr2 is a key and its content.
type Attr2 struct {
	key string
	c   Content
}

var present = dumper{
	delta: func(h *handle) Delta { return (&Text{*h}).Delta() },
	children: func(h *handle) (list []Content) {
		for _, c := range h.elements() {
			list = append(list, c)
		}
		return list
	},
	attrs: func(h *handle) (list []Attr2) {
		for k, c := range h.pairs() {
			list = append(list, Attr2{k, c})
		}
		return list
	},
}

func (p dumper) value(c Content) Value {
	switch c := c.(type) {
	case Value:
		return loss(c)
	case *Subdoc:
		return obj("$doc", String(c.GUID))
	}
	return p.dump(c)
}

func (p dumper) dump(c Content) Value {
	h := c.(shared).base()
	attrs := func() Value {
		list := p.attrs(h)
		slices.SortFunc(list, func(a, b Attr2) int { return compareUTF16(a.key, b.key) })
		var out []Value
		for _, a := range list {
			out = append(out, List(String(a.key), p.value(a.c)))
		}
		return List(out...)
	}
	children := func() Value {
		var out []Value
		for _, c := range p.children(h) {
			out = append(out, p.value(c))
		}
		return List(out...)
	}
	switch c := c.(type) {
	case *XMLElement:
		return obj("$t", String("xmlelement"), "name", String(c.Name()), "attrs", attrs(), "ch", children())
	case *XMLText:
		return obj("$t", String("xmltext"), "attrs", attrs(), "delta", p.deltaOf(h))
	case *XMLFragment:
		return obj("$t", String("xmlfragment"), "ch", children())
	case *Text:
		delta := p.delta(h)
		s := ""
		n := 0
		for _, o := range delta {
			s += o.Insert
			if o.Embed != nil {
				n++
			}
		}
		return obj("$t", String("text"), "attrs", attrs(), "delta", p.deltaOf(h), "str", String(s), "len", Int(c.Len()))
	case *Array:
		return obj("$t", String("array"), "ch", children())
	}
	return obj("$t", String("map"), "attrs", attrs())
}

func (p dumper) deltaOf(h *handle) Value {
	var out []Value
	for _, o := range p.delta(h) {
		f := []Field{{Key: "insert", Value: String(o.Insert)}}
		if o.Embed != nil {
			f[0].Value = p.value(o.Embed)
		}
		if o.Attrs != nil {
			attrs := slices.Clone(o.Attrs)
			slices.SortFunc(attrs, func(a, b Attr) int { return compareUTF16(a.Key, b.Key) })
			var list []Value
			for _, a := range attrs {
				list = append(list, List(String(a.Key), loss(a.Value)))
			}
			f = append(f, Field{Key: "attributes", Value: List(list...)})
		}
		out = append(out, Object(f...))
	}
	return List(out...)
}

func dumpDoc(d *Doc, roots []string, p dumper) Value {
	var f []Field
	for _, k := range []string{"text", "map", "array", "xml"} {
		if slices.Contains(roots, k) {
			f = append(f, Field{Key: k, Value: p.dump(vectorRoot(d, k))})
		}
	}
	return Object(f...)
}

func sameDump(t *testing.T, d *Doc, roots []string, want json.RawMessage) {
	t.Helper()
	checkStore(t, d)
	w, err := ParseJSON(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := dumpDoc(d, roots, present); !got.Equal(w) {
		t.Errorf("contents differ:\n got %s\nwant %s", got, w)
	}
}

// checkStore checks what must always hold inside a document.
func checkStore(t testing.TB, d *Doc) {
	t.Helper()
	if err := d.s.Check(); err != nil {
		t.Fatal(err)
	}
}
