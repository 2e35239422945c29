package yjs

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/yjs/internal/codec"
)

// What a client can provoke must not take the square of what it sends. Without the
// memos of scans, 100,000 items at one place take a minute; with them, tenths of
// a second. The limit is far from both, as machines are loaded.

// quick runs f and fails when it takes very long.
func quick(t *testing.T, f func()) {
	t.Helper()
	if took := threadTime(f); took > 20*time.Second {
		t.Errorf("takes %v", took)
	}
}

// less returns a part of n in short runs, as those under the race detector, which
// only look for what is wrong and not for what takes long.
func less(n int) int {
	if testing.Short() {
		return n / 5
	}
	return n
}

func TestManyPrepends(t *testing.T) {
	a, b := prepends(t, 100000)
	quick(t, func() {
		d, e := loaded(t, a, b), loaded(t, b, a)
		if d.Text("text").String() != e.Text("text").String() || d.Text("text").Len() != 200004 {
			t.Error("the texts differ")
		}
	})
}

// TestForgedOrigins sends items that all begin at the same place and pass ever
// more of another client's, without landing behind them.
func TestForgedOrigins(t *testing.T) {
	const n = 100000
	base := New(Options{ClientID: 50})
	for i := range n {
		base.Text("t").Insert(0, string(rune('a'+i%26)))
	}
	for name, low := range map[string]bool{"all higher": false, "one lower first": true} {
		t.Run(name, func(t *testing.T) {
			d := New(Options{ClientID: 1})
			mustApply(t, d, base.Encode(nil), false)
			if low {
				mustApply(t, d, forged(20, 1, func(i uint64) uint64 { return 0 }), false)
			}
			u := forged(30, n, func(i uint64) uint64 { return n - 1 - i })
			quick(t, func() { mustApply(t, d, u, false) })
			checkStore(t, d)
		})
	}
}

// forged is n one-unit items of a client without origin, whose right origin is
// the given clock of client 50.
func forged(client uint64, n int, right func(i uint64) uint64) []byte {
	w := codec.NewWriter(false, 0)
	for i := range uint64(n) {
		w.Block(&codec.Block{
			ID: codec.ID{Client: client, Clock: i}, Len: 1, HasRight: true,
			Right: codec.ID{Client: 50, Clock: right(i)}, Ref: codec.Deleted,
		}, 0)
	}
	return w.Finish(nil)
}

// TestPendingBackwards delivers a long chain of updates from its end.
func TestPendingBackwards(t *testing.T) {
	a, b := New(Options{ClientID: 1}), New(Options{ClientID: 2})
	var log [][]byte
	keep := func(u *Update) { log = append(log, u.V1()) }
	a.OnUpdate(func(u *Update) {
		if u.Local {
			keep(u)
		}
	})
	b.OnUpdate(func(u *Update) {
		if u.Local {
			keep(u)
		}
	})
	for i := range 20000 {
		d, o := a, b
		if i%3 == 0 {
			d, o = b, a
		}
		d.Text("t").Insert(d.Text("t").Len(), "x")
		mustApply(t, o, log[len(log)-1], false)
	}
	d := New(Options{})
	quick(t, func() {
		for i := len(log) - 1; i >= 0; i-- {
			mustApply(t, d, log[i], false)
		}
	})
	if d.Text("t").Len() != 20000 || !d.pend.Empty() {
		t.Errorf("%d units, pending %v", d.Text("t").Len(), !d.pend.Empty())
	}
	same(t, "state", d.Encode(nil), a.Encode(nil))
}

// TestPendingDeadlock is the delivery with which Yjs stays at "0".
func TestPendingDeadlock(t *testing.T) {
	x, y := New(Options{ClientID: 1}), New(Options{ClientID: 2})
	var ups [][]byte
	for i, d := range []*Doc{x, y, x, x} {
		for _, u := range ups {
			mustApply(t, d, u, false)
		}
		sv := d.StateVector()
		d.Text("t").Insert(i, string(rune('0'+i)))
		ups = append(ups, d.Encode(sv))
	}
	late, err := MergeUpdates([][]byte{ups[3], ups[1]})
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{})
	for _, u := range [][]byte{late, ups[0], ups[2]} {
		mustApply(t, d, u, false)
	}
	if s := d.Text("t").String(); s != "0123" || !d.pend.Empty() {
		t.Errorf("got %q, pending %v", s, !d.pend.Empty())
	}
}

func TestAlternatingKeys(t *testing.T) {
	a, b := New(Options{ClientID: 1}), New(Options{ClientID: 2})
	last := [][]byte{}
	for _, d := range []*Doc{a, b} {
		d.OnUpdate(func(u *Update) {
			if u.Local {
				last = append(last, u.V1())
			}
		})
	}
	quick(t, func() {
		for i := range 50000 {
			d, o := a, b
			if i&1 == 1 {
				d, o = b, a
			}
			d.Map("m").Set("k", Int(i))
			mustApply(t, o, last[len(last)-1], false)
		}
	})
	quick(t, func() {
		d := New(Options{})
		mustApply(t, d, a.Encode(nil), false)
		if d.Map("m").Value("k").Int() != 49999 {
			t.Errorf("got %v", d.Map("m"))
		}
	})
	// All of them without knowing of one another: one chain of siblings.
	w := codec.NewWriter(false, 0)
	for i := range uint64(50000) {
		w.Block(&codec.Block{
			ID: codec.ID{Client: 7, Clock: i}, Len: 1, Parented: codec.ParentRoot, Root: []byte("m"),
			HasKey: true, Key: []byte("k"), Ref: codec.Any, Body: []byte{126},
		}, 0)
	}
	quick(t, func() { mustApply(t, a, w.Finish(nil), false) })
	checkStore(t, a)
}

// TestManySplits deletes every other unit of a long text, from the middle out.
func TestManySplits(t *testing.T) {
	a := New(Options{ClientID: 1})
	text := make([]byte, 0, 300000)
	for range 100000 {
		text = append(text, "中"...)
	}
	a.Text("t").Insert(0, string(text))
	var ds codec.DeleteSet
	for i := range uint64(50000) {
		ds = append(ds, codec.Range{Client: 1, Clock: i * 2, Len: 1})
	}
	u := codec.NewWriter(false, 0).Finish(ds)
	quick(t, func() { mustApply(t, a, u, false) })
	if n := a.Text("t").Len(); n != 50000 {
		t.Errorf("%d units left", n)
	}
}

// TestManyRootsAndKeys names many roots, keys and clients once each.
func TestManyRootsAndKeys(t *testing.T) {
	w := codec.NewWriter(false, 0)
	for i := range uint64(60000) {
		name := []byte{byte(i), byte(i >> 8 & 0x7f), byte(i >> 15)}
		name[0] &= 0x7f
		w.Block(&codec.Block{
			ID: codec.ID{Client: 1000000 - i, Clock: 0}, Len: 1, Parented: codec.ParentRoot, Root: name,
			HasKey: i%2 == 0, Key: name, Ref: codec.Any, Body: []byte{126},
		}, 0)
	}
	u := w.Finish(nil)
	quick(t, func() {
		d := New(Options{})
		mustApply(t, d, u, false)
		if _, err := New(Options{}).Apply(d.Encode(nil), nil); err != nil {
			t.Error(err)
		}
	})
}

// inTurn is what two clients write that type in turn, each in a text of its own.
func inTurn(t *testing.T, n int) (updates [][]byte) {
	a, b := New(Options{ClientID: 1}), New(Options{ClientID: 2})
	for _, d := range []*Doc{a, b} {
		d.OnUpdate(func(u *Update) { updates = append(updates, u.V1()) })
	}
	for i := range n {
		must(t, a.Text("a").Insert(i, "x"))
		must(t, b.Text("b").Insert(i, "é"))
	}
	return updates
}

// TestTypingInTurn has two clients type in turn, each in a text of its own, with and
// without an observer. The bytes of a run may move as it grows, but not with every
// character.
func TestTypingInTurn(t *testing.T) {
	const n = 40000
	updates := inTurn(t, n)
	for _, observed := range []bool{false, true} {
		d := New(Options{ClientID: 3})
		if observed {
			d.Text("a").Observe(func(*Event) {})
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, u := range updates {
			mustApply(t, d, u, false)
		}
		runtime.ReadMemStats(&after)
		checkStore(t, d)
		if d.Text("a").String() != strings.Repeat("x", n) || d.Text("b").String() != strings.Repeat("é", n) {
			t.Error("another text")
		}
		// Each update of an observed document takes some hundreds of bytes for its event.
		if got := after.TotalAlloc - before.TotalAlloc; got > 80<<20 {
			t.Errorf("observed %v: %d MB allocated", observed, got>>20)
		}
	}
}

// TestLongRunOfValues appends to an array value by value, and has another client take
// the values away again, from the last to the first and from the middle on.
func TestLongRunOfValues(t *testing.T) {
	n := less(60000)
	a := New(Options{ClientID: 1})
	var appended, deleted [][]byte
	list := &appended
	a.OnUpdate(func(u *Update) { *list = append(*list, u.V1()) })
	quick(t, func() {
		for i := range n {
			must(t, a.Array("list").Append(Int(i)))
		}
	})
	b, c := New(Options{ClientID: 2}), New(Options{ClientID: 3})
	for _, d := range []*Doc{b, c} {
		mustApply(t, d, a.Encode(nil), false)
	}
	list = &deleted
	quick(t, func() {
		for i := range n {
			if i%100 == 0 {
				at := a.Array("list").Len() / 2
				if got := a.Array("list").At(at); got.String() != Int(at).String() && i == 0 {
					t.Errorf("value %d is %v", at, got)
				}
				must(t, a.Array("list").Delete(at, 1))
				continue
			}
			must(t, a.Array("list").Delete(a.Array("list").Len()-1, 1))
		}
	})
	quick(t, func() {
		for _, u := range deleted {
			mustApply(t, b, u, false)
		}
	})
	quick(t, func() {
		for k := range len(deleted) {
			mustApply(t, c, deleted[len(deleted)-1-k], false)
		}
	})
	want := a.Encode(nil)
	same(t, "deleted in order", b.Encode(nil), want)
	same(t, "deleted from the first on", c.Encode(nil), want)
	checkStore(t, b)
}

// TestReachValues cuts long runs of values of many sizes at random and reads them.
func TestReachValues(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var want []Content
	d, e := New(Options{ClientID: 1}), New(Options{ClientID: 2})
	list := d.Array("list")
	d.OnUpdate(func(u *Update) { mustApply(t, e, u.V1(), false) })
	for range 3000 {
		at := r.IntN(len(want) + 1)
		switch r.IntN(3) {
		case 0:
			at = len(want)
			fallthrough
		case 1:
			var values []Content
			for range 1 + r.IntN(120) {
				values = append(values, []Value{Int(r.IntN(1 << 20)), String(strings.Repeat("v", r.IntN(9))), Null(), List(Int(1))}[r.IntN(4)])
			}
			must(t, list.Insert(at, values...))
			want = slices.Insert(want, at, values...)
		default:
			n := min(len(want)-at, 1+r.IntN(100))
			must(t, list.Delete(at, n))
			want = slices.Delete(want, at, at+n)
		}
		for range 3 {
			if len(want) > 0 {
				k := r.IntN(len(want))
				if got := list.At(k).String(); got != want[k].String() {
					t.Fatalf("value %d of %d is %s, want %s", k, len(want), got, want[k])
				}
			}
		}
	}
	same(t, "the other", e.Encode(nil), d.Encode(nil))
	same(t, "loaded", loaded(t, d.Encode(nil)).Encode(nil), d.Encode(nil))
	k := 0
	for i, c := range e.Array("list").All() {
		if c.String() != want[i].String() || e.Array("list").At(i).String() != c.String() {
			t.Fatalf("value %d is %s, want %s", i, c, want[i])
		}
		k++
	}
	if k != len(want) {
		t.Errorf("%d values, want %d", k, len(want))
	}
}

// TestManyCuts deletes single characters out of one long run of text, each in a
// transaction of its own: the pieces are one stretch, at whose start the search
// markers stand.
func TestManyCuts(t *testing.T) {
	n := less(200000)
	r := rand.New(rand.NewPCG(1, 1))
	for name, at := range map[string]func(i, length int) int{
		"from the start": func(i, _ int) int { return 2 * i },
		"from the end":   func(i, length int) int { return length - 1 - i },
		"anywhere":       func(_, length int) int { return r.IntN(length) },
	} {
		t.Run(name, func(t *testing.T) {
			d := New(Options{ClientID: 1})
			x, a := d.Text("t"), d.Array("a")
			must(t, x.Insert(0, strings.Repeat("é", n)))
			must(t, a.Insert(0, slices.Repeat([]Content{Int(1)}, n)...))
			quick(t, func() {
				for i := range n / 4 {
					must(t, x.Delete(at(i, x.Len()), 1))
					must(t, a.Delete(at(i, a.Len()), 1))
				}
			})
			checkStore(t, d)
			if x.Len() != n*3/4 || a.Len() != n*3/4 {
				t.Errorf("%d and %d are left", x.Len(), a.Len())
			}
		})
	}
}
