package ot_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/json0"
	"github.com/starling-rt/starling/ot/json1"
	"github.com/starling-rt/starling/ot/rich"
	"github.com/starling-rt/starling/ot/text"
)

func textServer(s string, opt ot.ServerOptions) *ot.Server {
	return ot.NewServer(text.Unicode, text.Unicode.New(s), 10, opt)
}

func textOf(d ot.Doc) string { return d.(*text.Doc).String() }

func TestSubmit(t *testing.T) {
	s := textServer("hello", ot.ServerOptions{Keep: 2})
	type want struct {
		text      string
		op        string
		revision  uint64
		duplicate bool
		err       error
	}
	ins := text.Unicode.NewInsert
	for _, c := range []struct {
		name string
		sub  ot.Submission
		want want
	}{
		{"at the present revision", ot.Submission{"a", 1, 10, ins(5, "!")}, want{"hello!", `[5,"!"]`, 10, false, nil}},
		{"transformed over the one before", ot.Submission{"b", 1, 10, ins(5, "?")}, want{"hello?!", `[5,"?"]`, 11, false, nil}},
		{"the same again", ot.Submission{"b", 1, 10, ins(5, "?")}, want{"hello?!", `[5,"?"]`, 11, true, nil}},
		{"the same again for another revision", ot.Submission{"a", 1, 12, ins(0, "X")}, want{"hello?!", `[5,"!"]`, 10, true, nil}},
		{"a revision that does not exist", ot.Submission{"c", 1, 13, ins(0, "X")}, want{"hello?!", "", 0, false, ot.ErrAhead}},
		{"beyond the end", ot.Submission{"c", 1, 12, ins(99, "X")}, want{"hello?!", "", 0, false, ot.ErrRange}},
		{"of another type", ot.Submission{"c", 1, 12, rich.Op{}}, want{"hello?!", "", 0, false, ot.ErrMismatch}},
		{"a number that was refused before", ot.Submission{"c", 1, 11, ins(0, ">")}, want{">hello?!", `[">"]`, 12, false, nil}},
		{"a revision that is not kept", ot.Submission{"d", 1, 10, ins(0, "X")}, want{">hello?!", "", 0, false, ot.ErrTooOld}},
		{"a duplicate that is not kept", ot.Submission{"a", 1, 10, ins(5, "!")}, want{">hello?!", "", 10, true, nil}},
		{"numbers may be left out", ot.Submission{"a", 7, 13, ins(0, "1")}, want{"1>hello?!", `["1"]`, 13, false, nil}},
		{"older than the last and not known", ot.Submission{"a", 3, 13, ins(0, "X")}, want{"1>hello?!", "", 0, false, ot.ErrStale}},
	} {
		e, err := s.Submit(c.sub)
		got := want{textOf(s.Snapshot()), "", e.Revision, e.Duplicate, c.want.err}
		if e.Op != nil {
			got.op = string(e.Op.AppendJSON(nil))
		}
		if got != c.want || !errors.Is(err, c.want.err) || (err != nil) != (c.want.err != nil) {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestReplayAndSourcesMakeTheSameServer(t *testing.T) {
	a := textServer("", ot.ServerOptions{})
	b := textServer("", ot.ServerOptions{})
	for i := range uint64(20) {
		e, err := a.Submit(ot.Submission{Src: fmt.Sprint("s", i%3), Seq: i + 1, Base: 10, Op: text.Unicode.NewInsert(0, fmt.Sprint(i, " "))})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Replay(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Replay(ot.Entry{Revision: 3}); !errors.Is(err, ot.ErrAhead) {
		t.Errorf("replay of an old revision: %v", err)
	}
	next := ot.NewServer(text.Unicode, b.Snapshot(), b.Revision(), ot.ServerOptions{Sources: b.Sources()})
	if textOf(next.Snapshot()) != textOf(a.Snapshot()) {
		t.Errorf("got %q, want %q", textOf(next.Snapshot()), textOf(a.Snapshot()))
	}
	e, err := next.Submit(ot.Submission{Src: "s1", Seq: 20, Base: 10, Op: text.Unicode.NewInsert(0, "x")})
	if err != nil || !e.Duplicate || e.Revision != 29 {
		t.Errorf("what the former server ordered: %+v, %v", e, err)
	}
	next.Forget(30)
	e, err = next.Submit(ot.Submission{Src: "s1", Seq: 20, Base: 30, Op: text.Unicode.NewInsert(0, "x")})
	if err != nil || e.Duplicate {
		t.Errorf("after Forget: %+v, %v", e, err)
	}
}

func TestKeepBytes(t *testing.T) {
	s := textServer("", ot.ServerOptions{KeepBytes: 1000})
	for i := range uint64(50) {
		if _, err := s.Submit(ot.Submission{Src: "a", Seq: i + 1, Base: 10 + i, Op: text.Unicode.NewInsert(0, strings.Repeat("x", 96))}); err != nil {
			t.Fatal(err)
		}
	}
	if kept := s.Revision() - s.Oldest(); kept != 10 {
		t.Errorf("%d operations of 100 bytes are kept, want 10", kept)
	}
}

func TestPositionsFollowOperations(t *testing.T) {
	s := textServer("hello world", ot.ServerOptions{})
	at := func(focus int) ot.Position { return text.Selection{Anchor: focus, Focus: focus} }
	submit := func(src string, seq uint64, op text.Op) {
		t.Helper()
		if _, err := s.Submit(ot.Submission{Src: src, Seq: seq, Base: s.Revision(), Op: op}); err != nil {
			t.Fatal(err)
		}
	}
	submit("a", 1, text.Unicode.NewInsert(0, ">> "))
	p, err := s.SetPosition("b", 10, at(6))
	if err != nil || p != at(9) {
		t.Errorf("a position of an older revision: %v, %v", p, err)
	}
	if _, err := s.SetPosition("a", 11, at(0)); err != nil {
		t.Error(err)
	}
	submit("a", 2, text.Unicode.NewInsert(0, "x"))
	submit("b", 1, text.Unicode.NewInsert(10, "y"))
	submit("a", 3, text.Unicode.NewDelete(5, 20-5-6))
	want := map[string]ot.Position{"a": at(1), "b": at(5)}
	for src, p := range s.Positions() {
		if p != want[src] {
			t.Errorf("%s is at %v, want %v", src, p, want[src])
		}
	}
	if _, err := s.SetPosition("b", 99, at(0)); !errors.Is(err, ot.ErrAhead) {
		t.Errorf("a revision that does not exist: %v", err)
	}
	if _, err := s.SetPosition("b", 0, nil); err != nil || len(s.Positions()) != 1 {
		t.Errorf("leaving: %v, %v", err, s.Positions())
	}
	j := ot.NewServer(json0.Type{}, parseDoc(t, json0.Type{}, `{"a":[1,2]}`), 0, ot.ServerOptions{})
	path, err := json0.Type{}.ParsePosition([]byte(`["a",1]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.SetPosition("a", 0, path); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Submit(ot.Submission{Src: "b", Seq: 1, Op: parseOp(t, json0.Type{}, `[{"p":["a"],"od":[1,2]}]`)}); err != nil {
		t.Fatal(err)
	}
	if len(j.Positions()) != 0 {
		t.Errorf("a place that was removed: %v", j.Positions())
	}
}

func parseDoc(t testing.TB, typ ot.Type, s string) ot.Doc {
	t.Helper()
	d, err := typ.ParseDoc([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func parseOp(t testing.TB, typ ot.Type, s string) ot.Op {
	t.Helper()
	op, err := typ.ParseOp([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func TestRefusedTakesBackTheFlightAlone(t *testing.T) {
	for _, typ := range []ot.Type{text.Unicode, text.UTF16, rich.Type{}} {
		for seed := range uint64(300) {
			g := newGen(seed)
			doc := g.doc(typ)
			c := ot.NewClient(typ, "a", doc.Clone(), 0)
			first, others, second := g.op(typ, doc), g.op(typ, doc), ot.Op(nil)
			if err := c.Edit(first); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.Next(); !ok {
				t.Fatal("nothing to send")
			}
			second = g.op(typ, c.Doc())
			if err := c.Edit(second); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Receive(ot.Entry{Src: "b", Seq: 1, Op: others}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Refused(); err != nil {
				t.Fatal(err)
			}
			// What is left must be the server's document and what is still to be sent.
			server := doc.Clone()
			if err := server.Apply(others); err != nil {
				t.Fatal(err)
			}
			if sub, ok := c.Next(); ok {
				if sub.Seq != 2 || sub.Base != 1 {
					t.Fatalf("next submission is %+v", sub)
				}
				if err := server.Apply(sub.Op); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := c.Doc().AppendJSON(nil), server.AppendJSON(nil); string(got) != string(want) {
				t.Fatalf("%s seed %d: got %s, want %s", typ.Name(), seed, got, want)
			}
		}
	}
}

func TestReceiveLeavesNoGap(t *testing.T) {
	c := ot.NewClient(text.Unicode, "a", text.Unicode.New("x"), 5)
	e := ot.Entry{Revision: 6, Src: "b", Seq: 1, Op: text.Unicode.NewInsert(0, "y")}
	if _, err := c.Receive(e); !errors.Is(err, ot.ErrAhead) {
		t.Errorf("a gap: %v", err)
	}
	e.Revision = 5
	for range 2 {
		if _, err := c.Receive(e); err != nil {
			t.Error(err)
		}
	}
	if textOf(c.Doc()) != "yx" || c.Revision() != 6 {
		t.Errorf("got %q at %d", textOf(c.Doc()), c.Revision())
	}
	e = ot.Entry{Revision: 6, Src: "b", Seq: 2, Op: text.Unicode.NewInsert(7, "z")}
	if _, err := c.Receive(e); !errors.Is(err, ot.ErrRange) || textOf(c.Doc()) != "yx" || c.Revision() != 6 {
		t.Errorf("an entry that does not fit: %v, %q at %d", err, textOf(c.Doc()), c.Revision())
	}
}

func TestPlaceIsBehindOwnEdits(t *testing.T) {
	c := ot.NewClient(text.Unicode, "a", text.Unicode.New("hello"), 0)
	for i := range 2 {
		if err := c.Edit(text.Unicode.NewInsert(0, "abc")); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			c.Next()
		}
	}
	if p, err := c.Place(text.Selection{Anchor: 2, Focus: 3}); err != nil || p != (text.Selection{Anchor: 8, Focus: 9}) {
		t.Errorf("got %v, %v", p, err)
	}
}

// TestUndoAndRedoAll undoes all edits of a single user and does them again.
func TestUndoAndRedoAll(t *testing.T) {
	for name, typ := range map[string]ot.Type{"text": text.Unicode, "utf16": text.UTF16, "rich": rich.Type{}, "json0": json0.Type{}, "json1": json1.Type{}} {
		for seed := range uint64(300) {
			g := newGen(seed)
			doc := g.doc(typ)
			if strings.Contains(string(doc.AppendJSON(nil)), ":null") {
				continue // a null attribute of rich text cannot be restored
			}
			c := ot.NewClient(typ, "a", doc.Clone(), 0)
			states := []string{string(doc.AppendJSON(nil))}
			for range 1 + g.IntN(8) {
				op := g.op(typ, c.Doc())
				if strings.Contains(string(op.AppendJSON(nil)), ":null") && name == "rich" {
					continue
				}
				edit := c.Edit
				if g.chance(0.3) && len(states) > 1 {
					edit = c.EditMore
					states = states[:len(states)-1]
				}
				if err := edit(op); err != nil {
					t.Fatal(err)
				}
				if now := string(c.Doc().AppendJSON(nil)); len(states) == 0 || now != states[len(states)-1] {
					states = append(states, now)
				}
				if len(states) == 0 {
					t.Fatal("no state")
				}
			}
			for range 20 {
				if _, err := c.Undo(); err != nil {
					t.Fatal(err)
				}
			}
			if got := string(c.Doc().AppendJSON(nil)); got != states[0] {
				t.Fatalf("%s seed %d: all undone gives %s, want %s", name, seed, got, states[0])
			}
			for range 20 {
				if _, err := c.Redo(); err != nil {
					t.Fatal(err)
				}
			}
			if got := string(c.Doc().AppendJSON(nil)); got != states[len(states)-1] {
				t.Fatalf("%s seed %d: all done again gives %s, want %s", name, seed, got, states[len(states)-1])
			}
		}
	}
}

// TestUndoKeepsWhatOthersDid has one user write capitals and the other the rest, and
// both delete: undoing the capitals must leave the rest as it is.
func TestUndoKeepsWhatOthersDid(t *testing.T) {
	lower := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsUpper(r) {
				return -1
			}
			return r
		}, s)
	}
	for seed := range uint64(500) {
		g := newGen(seed)
		c := ot.NewClient(text.Unicode, "a", text.Unicode.New("base"), 0)
		revision := uint64(0)
		receive := func(src string, seq uint64, op ot.Op) {
			if _, err := c.Receive(ot.Entry{Revision: revision, Src: src, Seq: seq, Op: op}); err != nil {
				t.Fatal(err)
			}
			revision++
		}
		n := 1 + g.IntN(600)
		if seed%10 > 0 {
			n = 1 + g.IntN(30)
		}
		for i := range n {
			size := c.Doc().(*text.Doc).Len()
			if g.chance(0.4) {
				if err := c.Edit(text.Unicode.NewInsert(g.IntN(size+1), "ABC"[:1+g.IntN(3)])); err != nil {
					t.Fatal(err)
				}
				sub, _ := c.Next()
				receive("a", sub.Seq, sub.Op)
				continue
			}
			op := text.Unicode.NewInsert(g.IntN(size+1), "xyz"[:1+g.IntN(3)])
			if size > 3 && g.chance(0.3) {
				at := g.IntN(size - 2)
				op = text.Unicode.NewDelete(at, 1+g.IntN(2))
			}
			receive("b", uint64(i+1), op)
		}
		want := lower(textOf(c.Doc()))
		for range n {
			if _, err := c.Undo(); err != nil {
				t.Fatal(err)
			}
		}
		if got := textOf(c.Doc()); got != want {
			t.Fatalf("seed %d: got %q, want %q", seed, got, want)
		}
	}
}

// TestSnapshotsMayBeReadElsewhere edits a document while copies of it are read; the
// race detector watches.
func TestSnapshotsMayBeReadElsewhere(t *testing.T) {
	for _, typ := range []ot.Type{text.Unicode, rich.Type{}, json0.Type{}, json1.Type{}} {
		g := newGen(3)
		doc := parseDoc(t, typ, map[string]string{"text-unicode": quote(strings.Repeat("text ", 500)), "rich-text": `[{"insert":"` + strings.Repeat("text ", 500) + `"}]`}[typ.Name()]+
			map[string]string{"json0": `{"a":[1,2,3],"t":"` + strings.Repeat("text ", 500) + `"}`, "json1": `{"a":[1,2,3],"t":"text"}`}[typ.Name()])
		var done sync.WaitGroup
		for range 50 {
			snapshot := doc.Clone()
			want := string(snapshot.AppendJSON(nil))
			done.Go(func() {
				for range 3 {
					if got := string(snapshot.AppendJSON(nil)); got != want {
						t.Errorf("a copy changed to %s", got)
					}
				}
			})
			for range 5 {
				if err := doc.Apply(g.op(typ, doc)); err != nil {
					t.Fatal(err)
				}
			}
		}
		done.Wait()
	}
}

// TestDocumentsStayReadable moves values into each other until the document would be
// deeper than can be read.
func TestDocumentsStayReadable(t *testing.T) {
	typ := json1.Type{}
	deep := strings.Repeat("[", 400) + strings.Repeat("]", 400)
	doc := parseDoc(t, typ, `{"a":[],"b":0}`)
	var err error
	n := 0
	for ; n < 400 && err == nil; n++ {
		if err = doc.Apply(parseOp(t, typ, `["b",{"r":true,"i":`+deep+`}]`)); err != nil {
			break
		}
		inner := strings.TrimSuffix(strings.Repeat("0,", 400), ",")
		if err = doc.Apply(parseOp(t, typ, `[["a",{"p":0}],["b",`+inner+`,{"d":0}]]`)); err == nil {
			err = doc.Apply(parseOp(t, typ, `[["a",{"d":0}],["b",{"p":0}]]`))
		}
		if err == nil {
			err = doc.Apply(parseOp(t, typ, `["b",{"i":0}]`))
		}
	}
	if !errors.Is(err, ot.ErrTooLarge) || n < 100 {
		t.Errorf("after %d rounds: %v, want ErrTooLarge", n, err)
	}
	if _, err := typ.ParseDoc(doc.AppendJSON(nil)); err != nil {
		t.Errorf("the document cannot be read again: %v", err)
	}
}

// TestForeignValuesAreRefused hands every type the operations and positions of the
// others.
func TestForeignValuesAreRefused(t *testing.T) {
	for name, typ := range types {
		for other, from := range types {
			if strings.HasPrefix(name, "text") && strings.HasPrefix(other, "text") || name == other {
				continue // the two text types have the same operations
			}
			g := newGen(1)
			doc, foreign := g.doc(typ), g.doc(from)
			own, op := g.op(typ, doc), g.op(from, foreign)
			pos := parsePosition(t, from)
			errs := map[string]error{"apply": doc.Apply(op)}
			_, errs["invert"] = doc.Invert(op)
			_, errs["transform"] = typ.Transform(own, op, ot.Left)
			_, errs["transform it"] = typ.Transform(op, own, ot.Left)
			_, errs["compose"] = typ.Compose(own, op)
			_, errs["compose nil"] = typ.Compose(nil, own)
			_, errs["move by it"] = typ.TransformPosition(parsePosition(t, typ), op, false)
			if fmt.Sprintf("%T", pos) != fmt.Sprintf("%T", parsePosition(t, typ)) {
				_, errs["move it"] = typ.TransformPosition(pos, own, false)
			}
			for what, err := range errs {
				if !errors.Is(err, ot.ErrMismatch) {
					t.Errorf("%s: %s of %s: %v, want ErrMismatch", name, what, other, err)
				}
			}
		}
	}
}

func parsePosition(t *testing.T, typ ot.Type) ot.Position {
	t.Helper()
	p, err := typ.ParsePosition([]byte(map[string]string{"text-unicode": "1", "text": "1", "rich-text": `{"index":1}`, "json0": `["a"]`, "json1": `["a"]`}[typ.Name()]))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestLateAndLarge has operations transformed over many others that would take minutes
// together.
func TestLateAndLarge(t *testing.T) {
	comma := func(n int, part string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(part+",", n), ",") + "]"
	}
	for _, c := range []struct {
		name               string
		typ                ot.Type
		doc, backlog, late string
		n                  int
	}{
		{"text", text.Unicode, `""`, `["x"]`, comma(100000, `1,"b"`), 2000},
		{"rich text", rich.Type{}, `[]`, `[{"insert":"x"}]`, comma(30000, `{"insert":"b"},{"retain":1}`), 2000},
		{"json0", json0.Type{}, `[]`, comma(100, `{"p":[0],"li":1}`), comma(1000, `{"p":[0],"li":1}`), 300},
		{"json1", json1.Type{}, `[]`, `[0,{"i":1}]`, "[" + wide(50000, `{"i":2}`) + "]", 2000},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := ot.NewServer(c.typ, parseDoc(t, c.typ, c.doc), 0, ot.ServerOptions{})
			op, late := parseOp(t, c.typ, c.backlog), parseOp(t, c.typ, c.late)
			for i := range c.n {
				if _, err := server.Submit(ot.Submission{Src: "a", Seq: uint64(i + 1), Base: uint64(i), Op: op}); err != nil {
					t.Fatal(err)
				}
			}
			before := server.Snapshot().AppendJSON(nil)
			start := time.Now()
			if _, err := server.Submit(ot.Submission{Src: "b", Seq: 1, Op: late}); !errors.Is(err, ot.ErrTooComplex) {
				t.Errorf("error %v, want ErrTooComplex", err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			if string(server.Snapshot().AppendJSON(nil)) != string(before) || server.Revision() != uint64(c.n) {
				t.Error("the document was changed")
			}
		})
	}
}
