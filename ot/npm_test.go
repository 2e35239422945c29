package ot_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/json1"
	"github.com/starling-rt/starling/ot/rich"
)

// answer is what the npm types make of two operations: see testdata/js/peer.mjs.
type answer struct {
	Type    string
	Doc     json.RawMessage
	A, B, C json.RawMessage
	Errors  map[string]string
	fields  map[string]json.RawMessage
}

func (a *answer) UnmarshalJSON(data []byte) error {
	type bare answer
	if err := json.Unmarshal(data, (*bare)(a)); err != nil {
		return err
	}
	return json.Unmarshal(data, &a.fields)
}

// peer is the child process that runs the npm types.
type peer struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// startPeer starts it, or skips the test when the npm packages are not installed.
func startPeer(t *testing.T, seed uint64) *peer {
	t.Helper()
	if _, err := os.Stat("testdata/js/node_modules"); err != nil {
		t.Skip("the npm packages are not installed: make ot-npm")
	}
	cmd := exec.Command("node", "peer.mjs")
	cmd.Dir = "testdata/js"
	cmd.Env = append(os.Environ(), fmt.Sprintf("SEED=%d", seed))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("node does not run: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("peer: %v", err)
		}
	})
	return &peer{in, bufio.NewReaderSize(out, 1<<20)}
}

func (p *peer) ask(t *testing.T, n int, request string) []answer {
	t.Helper()
	if _, err := io.WriteString(p.in, request); err != nil {
		t.Fatal(err)
	}
	out := make([]answer, n)
	for i := range out {
		line, err := p.out.ReadBytes('\n')
		if err != nil {
			t.Fatalf("peer: %v", err)
		}
		if err := json.Unmarshal(line, &out[i]); err != nil {
			t.Fatalf("peer: %v in %s", err, line)
		}
	}
	return out
}

// diff compares what the types here and there make of the same.
type diff struct {
	t     *testing.T
	seen  map[string]int
	stats map[string]int
}

// TestDifferential compares the types with those of npm, on operations that either
// side makes. OT_FUZZ=1h runs it for that long; OT_SEED chooses the first seed.
func TestDifferential(t *testing.T) {
	limit := 3 * time.Second
	if s := os.Getenv("OT_FUZZ"); s != "" {
		var err error
		if limit, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		limit = time.Second
	}
	seed := uint64(1)
	if s := os.Getenv("OT_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d for %v", seed, limit)
	p := startPeer(t, seed)
	d := &diff{t: t, seen: map[string]int{}, stats: map[string]int{}}
	names := []string{"text-unicode", "text", "rich-text", "json0", "json1"}
	start := time.Now()
	for round := uint64(0); time.Since(start) < limit && len(d.seen) < 20; round++ {
		for _, name := range names {
			for _, a := range p.ask(t, 50, fmt.Sprintf("{\"type\":%q,\"gen\":50}\n", name)) {
				d.check(a)
			}
			var q strings.Builder
			for i := range uint64(50) {
				g := newGen(seed<<32 + round*50 + i)
				doc := g.doc(types[name])
				a, b := g.op(types[name], doc), g.op(types[name], doc)
				after := doc.Clone()
				if err := after.Apply(a); err != nil {
					t.Fatalf("apply what was made for the document: %v", err)
				}
				c := g.op(types[name], after)
				fmt.Fprintf(&q, "{\"type\":%q,\"doc\":%s,\"a\":%s,\"b\":%s,\"c\":%s}\n", name, doc.AppendJSON(nil), wire(a), wire(b), wire(c))
			}
			for _, a := range p.ask(t, 50, q.String()) {
				d.check(a)
			}
		}
	}
	var lines []string
	for k, n := range d.stats {
		lines = append(lines, fmt.Sprintf("%9d %s", n, k))
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i][10:] < lines[j][10:] })
	t.Logf("in %v:\n%s", time.Since(start).Round(time.Second), strings.Join(lines, "\n"))
}

// wire is the JSON of an operation as the peer takes it.
func wire(v interface{ AppendJSON([]byte) []byte }) []byte {
	b := v.AppendJSON(nil)
	if _, ok := v.(rich.Op); ok {
		b = b[len(`{"ops":`) : len(b)-1]
	}
	return b
}

func equalJSON(a, b []byte) bool {
	x, err := jsonval.ParseDoc(a)
	if err != nil {
		return false
	}
	y, err := jsonval.ParseDoc(b)
	return err == nil && jsonval.Equal(x, y)
}

func (d *diff) fail(a answer, field, format string, args ...any) {
	key := a.Type + " " + field
	if d.seen[key]++; d.seen[key] > 3 {
		return
	}
	d.t.Errorf("%s: %s\n doc %s\n a %s\n b %s", key, fmt.Sprintf(format, args...), a.Doc, a.A, a.B)
}

// compare compares one result with that of npm, and counts what became of it.
func (d *diff) compare(a answer, field string, got interface{ AppendJSON([]byte) []byte }, err error) bool {
	want, there := a.fields[field]
	message, failed := a.Errors[field]
	switch {
	case !there && !failed:
		return false // not asked
	case failed && err != nil:
		d.stats[a.Type+" both refuse "+field]++
		return false
	case failed:
		d.stats[a.Type+" npm alone refuses "+field]++
		_ = message
		return false
	case err != nil && (errors.Is(err, ot.ErrRange) || errors.Is(err, ot.ErrMismatch)) && strings.HasPrefix(field, "merged") && a.Type == "json0":
		// JavaScript lets indices beyond the end pass.
		d.stats[a.Type+" we alone refuse "+field]++
		return false
	case err != nil:
		d.fail(a, field, "error %v, want %s", err, want)
		return false
	}
	if g := wire(got); !equalJSON(g, want) {
		d.fail(a, field, "got %s, want %s", g, want)
		return false
	}
	d.stats[a.Type+" same "+field]++
	return true
}

func (d *diff) check(a answer) {
	typ := types[a.Type]
	parse := func(data []byte) ot.Op {
		op, err := typ.ParseOp(data)
		if err != nil {
			d.fail(a, "parse", "%s: %v", data, err)
		}
		return op
	}
	opA, opB := parse(a.A), parse(a.B)
	doc, err := typ.ParseDoc(a.Doc)
	if err != nil || opA == nil || opB == nil {
		d.fail(a, "parse", "document: %v", err)
		return
	}
	transform := func(field string, op, over ot.Op, side ot.Side) ot.Op {
		out, err := typ.Transform(op, over, side)
		if d.compare(a, field, out, err) {
			return out
		}
		return nil
	}
	apply := func(field string, ops ...ot.Op) ot.Doc {
		c := doc.Clone()
		for _, op := range ops {
			if op == nil {
				return nil
			}
			if err := c.Apply(op); err != nil {
				d.compare(a, field, nil, err)
				return nil
			}
		}
		d.compare(a, field, c, nil)
		return c
	}
	aLeft := transform("aLeft", opA, opB, ot.Left)
	transform("aRight", opA, opB, ot.Right)
	transform("bLeft", opB, opA, ot.Left)
	bRight := transform("bRight", opB, opA, ot.Right)
	apply("applyA", opA)
	apply("applyB", opB)
	x, y := apply("merged", opA, bRight), apply("mergedB", opB, aLeft)
	if x != nil && y != nil {
		if equalJSON(x.AppendJSON(nil), y.AppendJSON(nil)) {
			d.stats[a.Type+" converges"]++
		} else {
			d.stats[a.Type+" diverges, as npm does"]++
		}
	}
	if bRight != nil {
		both, err := typ.Compose(opA, bRight)
		if d.compare(a, "composed", both, err) {
			if z := apply("applyComposed", both); z != nil && x != nil && !equalJSON(z.AppendJSON(nil), x.AppendJSON(nil)) {
				d.fail(a, "compose law", "%s, want %s", z.AppendJSON(nil), x.AppendJSON(nil))
			}
		}
	}
	d.checkChain(a, doc, opA, parse(a.C))
	d.checkInverse(a, doc, opA)
	d.checkPositions(a, opA)
	if _, ok := typ.(json1.Type); ok {
		d.checkResolve(a, doc, opA, opB)
	}
	if !equalJSON(doc.AppendJSON(nil), a.Doc) {
		d.fail(a, "doc", "the document was changed: %s", doc.AppendJSON(nil))
	}
}

// checkChain compares what becomes of an operation and one that was made after it.
func (d *diff) checkChain(a answer, doc ot.Doc, first, second ot.Op) {
	both, err := types[a.Type].Compose(first, second)
	if !d.compare(a, "chain", both, err) {
		return
	}
	x, y := doc.Clone(), doc.Clone()
	if err := errors.Join(x.Apply(both), y.Apply(first), y.Apply(second)); err != nil {
		d.fail(a, "compose law", "%v with c %s", err, a.C)
		return
	}
	if !equalJSON(x.AppendJSON(nil), y.AppendJSON(nil)) {
		d.fail(a, "compose law", "%s, want %s, with c %s", x.AppendJSON(nil), y.AppendJSON(nil), a.C)
	}
	d.compare(a, "applyChain", x, nil)
}

func (d *diff) checkInverse(a answer, doc ot.Doc, op ot.Op) {
	inv, err := doc.Invert(op)
	if err != nil {
		d.fail(a, "inverse", "%v", err)
		return
	}
	c := doc.Clone()
	if err := c.Apply(op); err != nil {
		d.fail(a, "inverse", "%v", err)
		return
	}
	if a.Type == "rich-text" && strings.Contains(string(a.Doc), ":null") {
		// An attribute that is null in the document cannot be restored: null removes.
		d.compare(a, "inverse", inv, nil)
		return
	}
	if err := c.Apply(inv); err != nil || !equalJSON(c.AppendJSON(nil), a.Doc) {
		d.fail(a, "inverse law", "%s with error %v after %s", c.AppendJSON(nil), err, inv.AppendJSON(nil))
		return
	}
	d.stats[a.Type+" inverse undoes"]++
	if a.Type != "json1" {
		// json1 differs in what it says of content that is removed.
		d.compare(a, "inverse", inv, nil)
	}
}

func (d *diff) checkPositions(a answer, op ot.Op) {
	typ := types[a.Type]
	var want [][]json.Number
	if err := json.Unmarshal(a.fields["positions"], &want); err == nil {
		for i, pair := range want {
			p, own := string(pair[0]), false
			if a.Type == "rich-text" {
				own = i%2 == 0
				p = fmt.Sprintf(`{"index":%s,"length":0}`, p)
			}
			pos, err := typ.ParsePosition([]byte(p))
			if err != nil {
				d.t.Fatal(err)
			}
			got, err := typ.TransformPosition(pos, op, own)
			if err != nil {
				d.t.Fatal(err)
			}
			s := string(got.AppendJSON(nil))
			if r, ok := got.(rich.Range); ok {
				s = fmt.Sprint(r.Index)
			}
			if s != string(pair[1]) {
				d.fail(a, "position", "%s own %v gives %s, want %s", pair[0], own, s, pair[1])
			}
			d.stats[a.Type+" same position"]++
		}
	}
	var paths []json.RawMessage
	if json.Unmarshal(a.fields["paths"], &paths) != nil {
		return
	}
	for i, p := range []string{`["x"]`, `["y",0]`, `["a","b",1]`, `["t",2]`, `[1,"x"]`, `[0]`, `[2,0]`, `["x","y","z"]`, `["y","z"]`, `[]`} {
		if i >= len(paths) {
			break
		}
		pos, err := typ.ParsePosition([]byte(p))
		if err != nil {
			d.t.Fatal(err)
		}
		got, err := typ.TransformPosition(pos, op, false)
		s := []byte("null")
		if err == nil && got != nil {
			s = got.AppendJSON(nil)
		}
		if err != nil || !equalJSON(s, paths[i]) {
			d.fail(a, "path", "%s gives %s, %v, want %s", p, s, err, paths[i])
		}
		d.stats[a.Type+" same path"]++
	}
}

// checkResolve compares transformation that settles conflicts.
func (d *diff) checkResolve(a answer, doc ot.Doc, opA, opB ot.Op) {
	typ := json1.Type{Resolve: true}
	left, err := typ.Transform(opA, opB, ot.Left)
	okL := d.compare(a, "resolveLeft", left, err)
	right, err := typ.Transform(opB, opA, ot.Right)
	okR := d.compare(a, "resolveRight", right, err)
	if !okL || !okR {
		return
	}
	x, y := doc.Clone(), doc.Clone()
	for _, step := range []struct {
		doc ot.Doc
		op  ot.Op
	}{{x, opA}, {x, right}, {y, opB}, {y, left}} {
		if err := step.doc.Apply(step.op); err != nil {
			d.stats[a.Type+" resolved does not apply, as in npm"]++
			return
		}
	}
	if equalJSON(x.AppendJSON(nil), y.AppendJSON(nil)) {
		d.stats[a.Type+" resolved converges"]++
	} else {
		d.stats[a.Type+" resolved diverges, as npm does"]++
	}
}
