package ot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/json0"
	"github.com/starling-rt/starling/ot/json1"
	"github.com/starling-rt/starling/ot/rich"
	"github.com/starling-rt/starling/ot/text"
)

// row is one thing that is measured here and with the npm packages: testdata/js/
// bench.mjs does the same for the name npm.
type row struct {
	npm, title string
	// make returns what is measured; i counts the calls.
	make func(tb testing.TB) func(i int)
}

var big = strings.Repeat("abcdefghi ", 10000)

func rows() []row {
	return []row{
		{"sharedb 1", "ShareDB submit, text of 100,000, 1 client", func(tb testing.TB) func(int) { return ordered(tb, 1, true) }},
		{"sharedb 10", "the same, 10 clients on one document", func(tb testing.TB) func(int) { return ordered(tb, 10, true) }},
		{"sharedb 1", "the same, 1 client, server alone", func(tb testing.TB) func(int) { return ordered(tb, 1, false) }},
		{"sharedb 10", "the same, 10 clients, server alone", func(tb testing.TB) func(int) { return ordered(tb, 10, false) }},
		{"sharedb backlog", "ShareDB submit, 1,000 versions behind", late},
		{"text backlog", "text: transform over a backlog of 1,000", backlog},
		{"text transform", "text: transform, one character", pairs(text.Unicode, textPool, transformPair)},
		{"text compose", "text: compose, one character", pairs(text.Unicode, textPool, composePair)},
		{"text apply", "text: apply to 100,000 characters", applyText},
		{"rich onto document", "rich text: compose onto 100,000 characters in 1,000 spans", applyRich},
		{"rich backlog", "rich text: transform over a backlog of 1,000", richBacklog},
		{"rich transform", "rich text: transform, small", pairs(rich.Type{}, richPool, transformPair)},
		{"rich compose", "rich text: compose, small", pairs(rich.Type{}, richPool, composePair)},
		{"rich position", "rich text: transform a position", richPosition},
		{"json0 transform", "json0: transform, list insert over delete", json0Transform},
		{"json0 apply", "json0: apply to a list of 1,000", json0Apply},
		{"json0 apply big", "json0: apply to a list of 100,000", json0ApplyBig},
		{"json1 transform", "json1: transform, replace over insert", json1Pair(`["a","b",{"r":true,"i":5}]`, `["a","c",{"i":6}]`, transformPair)},
		{"json1 moves", "json1: transform, move over move", json1Pair(`[["a",{"p":0}],["x",{"d":0}]]`, `[["b",{"p":0}],["y",{"d":0}]]`, transformPair)},
		{"json1 text", "json1: transform, text in JSON", json1Pair(`["t",{"es":[5,"abc"]}]`, `["t",{"es":[2,"xy"]}]`, transformPair)},
		{"json1 compose", "json1: compose", json1Pair(`["a","b",{"r":true,"i":5}]`, `["a","c",{"i":6}]`, composePair)},
		{"json1 apply", "json1: apply to a list of 1,000", json1Apply},
		{"json1 apply big", "json1: apply to a list of 100,000", json1ApplyBig},
	}
}

func check(tb testing.TB, err error) {
	if err != nil {
		tb.Helper()
		tb.Fatal(err)
	}
}

// ordered returns one submission: made and written as JSON by a client, read, ordered
// and written by the server, and with clients set read and taken in by all of them.
// Of ten clients, all make their edit before the server sees the first one.
func ordered(tb testing.TB, n int, clients bool) func(int) {
	g := newGen(1)
	typ := text.Unicode
	server := ot.NewServer(typ, typ.New(big), 0, ot.ServerOptions{})
	copies := make([]*ot.Client, n)
	for i := range copies {
		copies[i] = ot.NewClient(typ, fmt.Sprint("client", i), typ.New(big), 0)
	}
	type packet struct {
		sub  ot.Submission
		data []byte
	}
	var waiting []packet
	seq, base := make([]uint64, n), uint64(0)
	var buf []byte
	edit := func(i, k int) text.Op {
		if k%2 == 0 {
			return typ.NewInsert(1+g.IntN(90000), "x")
		}
		return typ.NewDelete(1+g.IntN(90000), 1)
	}
	return func(k int) {
		if len(waiting) == 0 {
			base = server.Revision()
			for i, c := range copies {
				sub := ot.Submission{Src: fmt.Sprint("client", i), Base: base}
				if clients {
					check(tb, c.Edit(edit(i, k+i)))
					sub, _ = c.Next()
				} else {
					seq[i]++
					sub.Seq, sub.Op = seq[i], edit(i, k+i)
				}
				waiting = append(waiting, packet{sub, sub.Op.AppendJSON(nil)})
			}
		}
		p := waiting[0]
		waiting = waiting[1:]
		op, err := typ.ParseOp(p.data)
		check(tb, err)
		p.sub.Op = op
		e, err := server.Submit(p.sub)
		check(tb, err)
		buf = e.Op.AppendJSON(buf[:0])
		if !clients {
			return
		}
		for _, c := range copies {
			if e.Op, err = typ.ParseOp(buf); err == nil {
				_, err = c.Receive(e)
			}
			check(tb, err)
		}
	}
}

func late(tb testing.TB) func(int) {
	g := newGen(1)
	typ := text.Unicode
	server := ot.NewServer(typ, typ.New(big), 0, ot.ServerOptions{})
	for i := range uint64(1000) {
		op := typ.NewInsert(1+g.IntN(90000), "x")
		if i%2 > 0 {
			op = typ.NewDelete(1+g.IntN(90000), 1)
		}
		_, err := server.Submit(ot.Submission{Src: "a", Seq: i + 1, Base: i, Op: op})
		check(tb, err)
	}
	return func(i int) {
		_, err := server.Submit(ot.Submission{Src: "b", Seq: uint64(i) + 1, Base: server.Revision() - 1000, Op: typ.NewInsert(1+g.IntN(90000), "y")})
		check(tb, err)
	}
}

func textPool(g gen) []ot.Op {
	out := make([]ot.Op, 1000)
	for i := range out {
		out[i] = text.Unicode.NewDelete(1+g.IntN(99000), 1)
		if i%2 > 0 {
			out[i] = text.Unicode.NewInsert(1+g.IntN(99000), "x")
		}
	}
	return out
}

func attrs(s string) *rich.Attributes {
	a, err := rich.ParseAttributes([]byte(s))
	if err != nil {
		panic(err)
	}
	return a
}

func richPool(g gen) []ot.Op {
	italic := attrs(`{"italic":true}`)
	out := make([]ot.Op, 1000)
	for i := range out {
		op := rich.Op(nil).Retain(1+g.IntN(99000), nil)
		switch i % 3 {
		case 0:
			op = op.Insert("x", nil)
		case 1:
			op = op.Delete(1)
		case 2:
			op = op.Retain(2, italic)
		}
		out[i] = op
	}
	return out
}

func transformPair(typ ot.Type, a, b ot.Op) (ot.Op, error) { return typ.Transform(a, b, ot.Left) }

func composePair(typ ot.Type, a, b ot.Op) (ot.Op, error) { return typ.Compose(a, b) }

func pairs(typ ot.Type, pool func(gen) []ot.Op, do func(ot.Type, ot.Op, ot.Op) (ot.Op, error)) func(testing.TB) func(int) {
	return func(tb testing.TB) func(int) {
		ops := pool(newGen(2))
		return func(i int) {
			_, err := do(typ, ops[i%1000], ops[(i*7+1)%1000])
			check(tb, err)
		}
	}
}

func backlog(tb testing.TB) func(int) {
	ops := textPool(newGen(2))
	return func(i int) {
		_, err := text.Unicode.TransformAll(text.Unicode.NewInsert(1+i%99000, "y"), ops, ot.Left)
		check(tb, err)
	}
}

func richBacklog(tb testing.TB) func(int) {
	ops := richPool(newGen(2))
	return func(i int) {
		_, err := rich.Type{}.TransformAll(rich.Op(nil).Retain(1+i%99000, nil).Insert("y", nil), ops, ot.Left)
		check(tb, err)
	}
}

func applyText(tb testing.TB) func(int) {
	ops := textPool(newGen(2))
	doc := text.Unicode.New(big)
	return func(i int) { check(tb, doc.Apply(ops[i%1000])) }
}

func applyRich(tb testing.TB) func(int) {
	spans := rich.New()
	var op rich.Op
	for i := range 1000 {
		a := attrs(fmt.Sprintf(`{"color":"c%d"}`, i%7))
		if i%2 > 0 {
			a = attrs(`{"bold":true}`)
		}
		op = op.Insert(strings.Repeat("abcdefghij", 10), a)
	}
	check(tb, spans.Apply(op))
	ops := richPool(newGen(2))
	var doc ot.Doc
	return func(i int) {
		if doc == nil || i%1000 == 0 {
			doc = spans.Clone()
		}
		check(tb, doc.Apply(ops[i%1000]))
	}
}

func richPosition(tb testing.TB) func(int) {
	ops := richPool(newGen(2))
	return func(i int) {
		_, err := rich.Type{}.TransformPosition(rich.Range{Index: i % 99000}, ops[i%1000], false)
		check(tb, err)
	}
}

// listOf is a document with a list of n small objects.
func listOf(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`{"id":%d}`, i))
	}
	return `{"l":[` + strings.Join(parts, ",") + `]}`
}

func json0Transform(tb testing.TB) func(int) {
	var a, b []ot.Op
	for i := range 900 {
		a = append(a, parseOp(tb, json0.Type{}, fmt.Sprintf(`[{"p":["l",%d],"li":1}]`, i)))
		b = append(b, parseOp(tb, json0.Type{}, fmt.Sprintf(`[{"p":["l",%d],"ld":2}]`, i)))
	}
	return func(i int) {
		_, err := json0.Type{}.Transform(a[i%900], b[i*7%900], ot.Left)
		check(tb, err)
	}
}

func json0Apply(tb testing.TB) func(int) {
	return applyList(tb, json0.Type{}, 1000, `[{"p":["l",%d],"li":{"id":1}}]`, `[{"p":["l",%d],"ld":1}]`)
}

func json0ApplyBig(tb testing.TB) func(int) {
	return applyList(tb, json0.Type{}, 100000, `[{"p":["l",%d],"li":{"id":1}}]`, `[{"p":["l",%d],"ld":1}]`)
}

func json1Apply(tb testing.TB) func(int) {
	return applyList(tb, json1.Type{}, 1000, `["l",%d,{"i":{"id":1}}]`, `["l",%d,{"r":true}]`)
}

func json1ApplyBig(tb testing.TB) func(int) {
	return applyList(tb, json1.Type{}, 100000, `["l",%d,{"i":{"id":1}}]`, `["l",%d,{"r":true}]`)
}

// applyList inserts into a list and deletes from it in turn.
func applyList(tb testing.TB, typ ot.Type, n int, insert, remove string) func(int) {
	doc := parseDoc(tb, typ, listOf(n))
	var ops []ot.Op
	for i := range 900 {
		ops = append(ops, parseOp(tb, typ, fmt.Sprintf([]string{insert, remove}[i%2], i*n/1000)))
	}
	return func(i int) { check(tb, doc.Apply(ops[i%900])) }
}

func json1Pair(x, y string, do func(ot.Type, ot.Op, ot.Op) (ot.Op, error)) func(testing.TB) func(int) {
	return func(tb testing.TB) func(int) {
		a, b := parseOp(tb, json1.Type{}, x), parseOp(tb, json1.Type{}, y)
		return func(int) {
			_, err := do(json1.Type{}, a, b)
			check(tb, err)
		}
	}
}

func BenchmarkOT(b *testing.B) {
	for _, r := range rows() {
		b.Run(strings.ReplaceAll(r.title, " ", "_"), func(b *testing.B) {
			f := r.make(b)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				f(i)
				i++
			}
		})
	}
}
