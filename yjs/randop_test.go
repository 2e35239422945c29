package yjs

import (
	"math"
	"math/rand/v2"
)

// Random edits, of all kinds, through the public API.

func randText(r *rand.Rand, n int) string {
	parts := []string{"a", "b", "c", " ", "\n", "é", "中", "😀", "👍🏽", "𝒳", "\u200d"}
	s := ""
	for range 1 + r.IntN(n) {
		if r.IntN(4) > 0 {
			s += string(rune('a' + r.IntN(26)))
		} else {
			s += parts[r.IntN(len(parts))]
		}
	}
	return s
}

func randValue(r *rand.Rand, depth int) Value {
	switch n := r.IntN(10); {
	case n == 0:
		return Null()
	case n == 1:
		return Bool(r.IntN(2) == 0)
	case n < 4:
		return Number([]float64{0, 1, -1, 0.5, 1.1, 1e300, 2147483647, -2147483648, 1 << 53, r.Float64()}[r.IntN(10)])
	case n < 6:
		return String(randText(r, 8))
	case n == 6:
		return Bytes([]byte(randText(r, 3)))
	case n == 7 && depth < 3:
		var l []Value
		for range r.IntN(3) {
			l = append(l, randJSON(r, depth+1))
		}
		return List(l...)
	case n == 8 && depth < 3:
		var f []Field
		for range r.IntN(3) {
			f = append(f, Field{Key: []string{"k", "7", "1", "zeta", "Ω"}[r.IntN(5)], Value: randJSON(r, depth+1)})
		}
		return Object(f...)
	}
	return Int(r.IntN(100))
}

// randJSON is a value that JSON can hold.
func randJSON(r *rand.Rand, depth int) Value {
	for {
		if v := randValue(r, depth); v.Kind() != KindBytes {
			return v
		}
	}
}

func randAttrs(r *rand.Rand) Attrs {
	var a Attrs
	for range 1 + r.IntN(2) {
		switch r.IntN(4) {
		case 0:
			a = append(a, Attr{"bold", []Value{Bool(true), Null()}[r.IntN(2)]})
		case 1:
			a = append(a, Attr{"link", []Value{String(randText(r, 3)), Null()}[r.IntN(2)]})
		case 2:
			a = append(a, Attr{"color", String([]string{"#f00", "#0f0"}[r.IntN(2)])})
		default:
			a = append(a, Attr{"meta", []Value{Object(Field{Key: "x", Value: List(Int(1))}), Number(1.5), Object()}[r.IntN(3)]})
		}
	}
	return a
}

// randContent makes what goes into arrays and maps.
func randContent(r *rand.Rand, kind string, depth int) Content {
	n := r.IntN(10)
	switch {
	case kind == "subdoc" && n < 3:
		return &Subdoc{GUID: randText(r, 4), AutoLoad: n == 0, Meta: []Value{Null(), Int(3)}[r.IntN(2)]}
	case depth < 4 && n < 3 && (kind == "nested" || kind == "mixed" || kind == "anyvals"):
		switch r.IntN(6) {
		case 0:
			return NewText(randText(r, 4))
		case 1:
			return NewArray(randValue(r, 0), randContent(r, kind, depth+1))
		case 2:
			return NewMap(Entry{"in", randContent(r, kind, depth+1)})
		case 3:
			return NewXMLElement("P", NewXMLText("x"))
		case 4:
			return NewXMLText(randText(r, 3))
		}
		return NewXMLFragment()
	}
	return randValue(r, 0)
}

// typesIn lists a type and all below it.
func typesIn(c Content, list []Content, depth int) []Content {
	list = append(list, c)
	h := c.(shared).base()
	for _, x := range h.elements() {
		if _, ok := x.(shared); ok && depth < 20 {
			list = typesIn(x, list, depth+1)
		}
	}
	for _, x := range h.pairs() {
		if _, ok := x.(shared); ok && depth < 20 {
			list = typesIn(x, list, depth+1)
		}
	}
	return list
}

func (x *duel) randomOp(d *Doc) {
	r := x.r
	var all []Content
	for _, k := range x.roots {
		all = typesIn(vectorRoot(d, k), all, 0)
	}
	c := all[r.IntN(len(all))]
	if r.IntN(2) == 0 {
		c = vectorRoot(d, x.roots[0])
	}
	var err error
	switch c := c.(type) {
	case *XMLText:
		err = x.textOp(&c.Text)
	case *Text:
		err = x.textOp(c)
	case *Array:
		err = x.arrayOp(c)
	case *XMLElement:
		if r.IntN(3) == 0 {
			err = c.SetAttr([]string{"class", "id"}[r.IntN(2)], String(randText(r, 3)))
		} else {
			err = x.xmlOp(&c.XMLFragment)
		}
	case *XMLFragment:
		err = x.xmlOp(c)
	case *Map:
		key := []string{"a", "b", "c", "é😀", "", "17"}[r.IntN(6)]
		switch r.IntN(5) {
		case 0:
			err = c.Delete(key)
		case 1:
			err = c.Set(key, []Value{Undefined(), BigInt(-5), Number(math.NaN()), Number(math.Copysign(0, -1))}[r.IntN(4)])
		default:
			err = c.Set(key, randContent(r, x.kind, 0))
		}
	}
	if err != nil {
		x.t.Errorf("edit: %v", err)
	}
}

func (x *duel) textOp(t *Text) error {
	r, n := x.r, t.Len()
	pos := r.IntN(n + 1)
	if x.kind == "prepend" && r.IntN(3) > 0 {
		pos = 0
	}
	rest := min(n-pos, r.IntN(8))
	rich := x.kind != "text" && x.kind != "delete" && x.kind != "prepend"
	switch k := r.IntN(20); {
	case n == 0 || k < 9:
		return t.Insert(pos, randText(r, 8))
	case k < 13:
		return t.Delete(pos, rest)
	case !rich:
		return t.Insert(pos, randText(r, 3))
	case k < 15:
		return t.Format(pos, rest, randAttrs(r))
	case k < 16:
		return t.InsertWith(pos, randText(r, 4), randAttrs(r))
	case k < 17:
		return t.InsertEmbed(pos, Object(Field{Key: "image", Value: String("x")}), randAttrs(r))
	case k < 18:
		return t.SetAttr("a", Int(r.IntN(3)))
	}
	delta := Delta{{Retain: pos, Attrs: []Attrs{nil, randAttrs(r)}[r.IntN(2)]}, {Insert: randText(r, 3), Attrs: randAttrs(r)}, {Delete: rest}}
	return t.ApplyDelta(delta)
}

func (x *duel) arrayOp(a *Array) error {
	r, n := x.r, a.Len()
	if n > 0 && r.IntN(3) == 0 {
		pos := r.IntN(n)
		return a.Delete(pos, min(n-pos, 1+r.IntN(3)))
	}
	var c []Content
	for range 1 + r.IntN(3) {
		c = append(c, randContent(r, x.kind, 0))
	}
	if r.IntN(4) == 0 {
		return a.Append(c...)
	}
	return a.Insert(r.IntN(n+1), c...)
}

func (x *duel) xmlOp(f *XMLFragment) error {
	r, n := x.r, f.Len()
	if n > 0 && r.IntN(3) == 0 {
		return f.Delete(r.IntN(n), 1)
	}
	if r.IntN(2) == 0 {
		return f.Insert(r.IntN(n+1), NewXMLText(randText(r, 5)))
	}
	return f.Insert(r.IntN(n+1), NewXMLElement([]string{"div", "P"}[r.IntN(2)]))
}
