package ot_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/wtf8"
	"github.com/starling-rt/starling/ot/json1"
	"github.com/starling-rt/starling/ot/rich"
	"github.com/starling-rt/starling/ot/text"
)

// gen makes random documents and operations, as JSON texts.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 99))} }

func (g gen) chance(p float64) bool { return g.Float64() < p }

func pick[T any](g gen, list ...T) T { return list[g.IntN(len(list))] }

func (g gen) word() string {
	var b strings.Builder
	for range 1 + g.IntN(5) {
		if g.chance(0.15) {
			b.WriteString(pick(g, "😀", "é", "中", "👍🏽", "e\u0301", "\U0010ffff", "\uffff", "\u2028", "\x00"))
		} else {
			b.WriteByte("abcxyz \n\"\\"[g.IntN(10)])
		}
	}
	return b.String()
}

// many returns a small number, and sometimes a large one.
func (g gen) many(small, large int) int {
	if g.chance(0.05) {
		return g.IntN(large)
	}
	return g.IntN(small)
}

func (g gen) words() string {
	var b strings.Builder
	for range g.many(10, 600) {
		b.WriteString(g.word())
	}
	return b.String()
}

func quote(s string) string { return string(jsonval.AppendString(nil, s)) }

// doc returns a random document of the type.
func (g gen) doc(typ ot.Type) ot.Doc {
	var data string
	switch typ.(type) {
	case text.Type:
		data = quote(g.words())
	case rich.Type:
		var parts []string
		for range g.many(6, 400) {
			parts = append(parts, g.insertion())
		}
		data = "[" + strings.Join(parts, ",") + "]"
	default:
		data = pick(g, `{"x":5,"y":["happy","apple"],"t":"text"}`, `{"a":{"b":[1,2,3,4]},"s":"some 😀 text"}`, `["a",{"x":1},["b",2],7]`,
			`[1,2,3,4,5]`, `{"x":{"y":{"z":{}}},"a":[[],[[]]]}`, g.value(0))
	}
	d, err := typ.ParseDoc([]byte(data))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", data, err))
	}
	return d
}

// op returns a random operation on the document.
func (g gen) op(typ ot.Type, d ot.Doc) ot.Op {
	var data string
	switch typ := typ.(type) {
	case text.Type:
		data = g.textOp(d.(*text.Doc).Len())
	case rich.Type:
		data = g.richOp(d.(*rich.Doc).Len())
	case json1.Type:
		return g.json1Op(typ, d)
	default:
		return g.json0Op(typ, d)
	}
	op, err := typ.ParseOp([]byte(data))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", data, err))
	}
	return op
}

// textOp returns an operation on n units of text.
func (g gen) textOp(n int) string {
	var parts []string
	last := ""
	at := 0
	for range 1 + g.many(5, 40) {
		if skip := g.IntN(n - at + 1); skip > 0 && last != "skip" {
			parts = append(parts, fmt.Sprint(skip))
			at += skip
			last = "skip"
		}
		if g.chance(0.6) {
			parts = append(parts, quote(g.word()))
			last = ""
		}
		if at < n && g.chance(0.5) {
			del := 1 + g.IntN(min(6, n-at))
			parts = append(parts, fmt.Sprintf(`{"d":%d}`, del))
			at += del
			last = ""
		}
	}
	if last == "skip" {
		parts = parts[:len(parts)-1]
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (g gen) attributes(nulls bool) string {
	if g.chance(0.5) {
		return ""
	}
	v := pick(g, "true", `"x"`, "1", `{"a":1}`, `["z"]`, "false", "0", `""`)
	if nulls && g.chance(0.3) {
		v = "null"
	}
	more := ""
	if g.chance(0.2) {
		more = `,"h":2`
	}
	return fmt.Sprintf(`,"attributes":{%s:%s%s}`, quote(pick(g, "b", "i", "c")), v, more)
}

func (g gen) insertion() string {
	what := quote(g.word())
	if g.chance(0.15) {
		what = pick(g, `{"image":"x"}`, `{"b":{"c":[1]}}`)
	}
	return fmt.Sprintf(`{"insert":%s%s}`, what, g.attributes(g.chance(0.1)))
}

func (g gen) richOp(n int) string {
	var parts []string
	reach := 7
	if g.chance(0.1) {
		reach = 1 + n/4
	}
	for n > 0 && g.chance(0.85) {
		k := 1 + g.IntN(min(n, reach))
		switch g.IntN(5) {
		case 0:
			parts = append(parts, fmt.Sprintf(`{"delete":%d}`, k))
		case 1:
			parts = append(parts, fmt.Sprintf(`{"retain":%d%s}`, k, g.attributes(true)))
		default:
			parts = append(parts, fmt.Sprintf(`{"retain":%d}`, k))
		}
		if g.chance(0.4) {
			parts = append(parts, g.insertion())
		}
		n -= k
	}
	if g.chance(0.4) {
		parts = append(parts, g.insertion())
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (g gen) value(depth int) string {
	n := 6
	if depth > 2 {
		n = 4
	}
	switch g.IntN(n) {
	case 0:
		return fmt.Sprint(g.IntN(100))
	case 1:
		return quote(g.word())
	case 2:
		return pick(g, "true", "false", "0", `""`, "-1.5")
	case 3:
		return "null"
	case 4:
		var parts []string
		for range g.IntN(4) {
			parts = append(parts, g.value(depth+1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	var parts []string
	for _, k := range []string{"x", "y", "é"} {
		if g.chance(0.4) {
			parts = append(parts, quote(k)+":"+g.value(depth+1))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func contents(d ot.Doc) any {
	v, err := jsonval.ParseDoc(d.AppendJSON(nil))
	if err != nil {
		panic(err)
	}
	return v
}

// walk goes to a random value of v, and returns the path to it and the value.
func (g gen) walk(v any, on float64) ([]string, any) {
	var path []string
	for g.chance(on) {
		k, next, ok := g.member(v)
		if !ok {
			break
		}
		path = append(path, k)
		v = next
	}
	return path, v
}

// member returns a random key of v, as JSON, and its value.
func (g gen) member(v any) (string, any, bool) {
	switch v := v.(type) {
	case *jsonval.List:
		if v.Len() > 0 {
			i := g.IntN(v.Len())
			return fmt.Sprint(i), v.At(i), true
		}
	case *jsonval.Object:
		if v.Len() > 0 {
			n := g.IntN(v.Len())
			var key string
			v.Each(func(k string, _ any) bool { key = k; n--; return n >= 0 })
			return quote(key), v.Lookup(key), true
		}
	}
	return "", nil, false
}

func joined(path []string, more ...string) string {
	return "[" + strings.Join(append(slices.Clone(path), more...), ",") + "]"
}

func (g gen) json0Op(typ ot.Type, d ot.Doc) ot.Op {
	cur := d.Clone()
	var parts []string
	for range 1 + g.many(4, 16) {
		part := g.json0Part(contents(cur))
		if part == "" {
			continue
		}
		op, err := typ.ParseOp([]byte("[" + part + "]"))
		if err != nil {
			panic(fmt.Sprintf("%s: %v", part, err))
		}
		if err := cur.Apply(op); err != nil {
			panic(fmt.Sprintf("%s on %s: %v", part, cur.AppendJSON(nil), err))
		}
		parts = append(parts, part)
	}
	op, err := typ.ParseOp([]byte("[" + strings.Join(parts, ",") + "]"))
	if err != nil {
		panic(err)
	}
	return op
}

func (g gen) json0Part(doc any) string {
	path, v := g.walk(doc, 0.7)
	str := func(v any) string { return string(jsonval.Append(nil, v)) }
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf(`{"p":%s,"na":%d}`, joined(path), g.IntN(20)-10)
	case string:
		n := wtf8.Len16(v)
		if len(path) == 0 {
			return ""
		}
		if n == 0 || g.chance(0.6) {
			return fmt.Sprintf(`{"p":%s,"si":%s}`, joined(path, fmt.Sprint(g.IntN(n+1))), quote(g.word()))
		}
		i := g.IntN(n)
		return fmt.Sprintf(`{"p":%s,"sd":%s}`, joined(path, fmt.Sprint(i)), quote(wtf8.Slice16(v, i, min(n, i+1+g.IntN(4)))))
	case *jsonval.List:
		n := v.Len()
		if n == 0 || g.chance(0.3) {
			return fmt.Sprintf(`{"p":%s,"li":%s}`, joined(path, fmt.Sprint(g.IntN(n+1))), g.value(0))
		}
		i := g.IntN(n)
		at := joined(path, fmt.Sprint(i))
		return pick(g, fmt.Sprintf(`{"p":%s,"ld":%s}`, at, str(v.At(i))), fmt.Sprintf(`{"p":%s,"lm":%d}`, at, g.IntN(n)),
			fmt.Sprintf(`{"p":%s,"ld":%s,"li":%s}`, at, str(v.At(i)), g.value(0)))
	case *jsonval.Object:
		k := pick(g, "x", "y", "z", "w")
		at := joined(path, quote(k))
		old := v.Lookup(k)
		if jsonval.IsUndefined(old) {
			return fmt.Sprintf(`{"p":%s,"oi":%s}`, at, g.value(0))
		}
		return pick(g, fmt.Sprintf(`{"p":%s,"od":%s}`, at, str(old)), fmt.Sprintf(`{"p":%s,"od":%s,"oi":%s}`, at, str(old), g.value(0)))
	}
	return ""
}

func (g gen) json1Op(typ ot.Type, d ot.Doc) ot.Op {
	cur := d.Clone()
	op, err := typ.ParseOp([]byte("null"))
	if err != nil {
		panic(err)
	}
	for range 1 + g.many(4, 16) {
		part := g.json1Part(contents(cur))
		if part == "" || cur.(*json1.Doc).Empty() {
			continue
		}
		p, err := typ.ParseOp([]byte(part))
		if err != nil {
			panic(fmt.Sprintf("%s: %v", part, err))
		}
		if err := cur.Apply(p); err != nil {
			// Such as moving something into itself.
			continue
		}
		if op, err = typ.Compose(op, p); err != nil {
			panic(fmt.Sprintf("compose with %s: %v", part, err))
		}
	}
	return op
}

// json1Part returns a simple operation. A move may be one that cannot be done.
func (g gen) json1Part(doc any) string {
	path, v := g.walk(doc, 0.75)
	with := func(path []string, c string) string { return joined(path, c) }
	switch g.IntN(5) {
	case 0:
		if len(path) == 0 && !g.chance(0.1) {
			return ""
		}
		return with(path, pick(g, `{"r":true}`, fmt.Sprintf(`{"r":true,"i":%s}`, g.value(1))))
	case 1:
		switch v := v.(type) {
		case float64:
			return with(path, fmt.Sprintf(`{"ena":%d}`, 1+g.IntN(9)))
		case string:
			points, _ := wtf8.Count(v)
			if op := g.textOp(points); op != "[]" {
				return with(path, fmt.Sprintf(`{"es":%s}`, op))
			}
		}
		return ""
	case 2:
		to, ok := g.room(doc)
		if !ok {
			return ""
		}
		return with(to, fmt.Sprintf(`{"i":%s}`, g.value(1)))
	}
	if len(path) == 0 {
		return ""
	}
	to, ok := g.room(doc)
	if !ok || slices.Equal(to, path) || len(to) > len(path) && slices.Equal(to[:len(path)], path) {
		return ""
	}
	return moveOp(path, to)
}

// room returns the path to a place where something can be put.
func (g gen) room(doc any) ([]string, bool) {
	path, v := g.walk(doc, 0.6)
	switch v := v.(type) {
	case *jsonval.List:
		return append(path, fmt.Sprint(g.IntN(v.Len()+1))), true
	case *jsonval.Object:
		if k := pick(g, "a", "b", "x", "y", "t"); jsonval.IsUndefined(v.Lookup(k)) {
			return append(path, quote(k)), true
		}
	}
	return nil, false
}

// moveOp returns the json1 operation that picks up at one path and drops at another.
func moveOp(from, to []string) string {
	n := 0
	for n < len(from) && n < len(to) && from[n] == to[n] {
		n++
	}
	p, d := `{"p":0}`, `{"d":0}`
	switch {
	case n == len(from) || n == len(to):
		if n == len(from) {
			return joined(from, append(append([]string{p}, to[n:]...), d)...)
		}
		return joined(to, append(append([]string{d}, from[n:]...), p)...)
	}
	a, b := joined(from[n:], p), joined(to[n:], d)
	isName := func(s string) bool { return s[0] == '"' }
	var i, j int
	_, _ = fmt.Sscan(from[n], &i)
	_, _ = fmt.Sscan(to[n], &j)
	if isName(from[n]) && !isName(to[n]) || isName(from[n]) == isName(to[n]) && (isName(to[n]) && to[n] < from[n] || !isName(to[n]) && j < i) {
		a, b = b, a
	}
	return joined(from[:n], a, b)
}
