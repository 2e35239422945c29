//go:build !smallchunks

package yjs

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
)

// overwritten is an update of n values of keys, nearly all of which have been
// overwritten. Value i is set by the author of that number.
func overwritten(tb testing.TB, n int, author, key func(i int) int, value func(i int) Content) []byte {
	tb.Helper()
	docs := map[int]*Doc{}
	last := -1
	for i := 0; i < n; {
		c := author(i)
		if docs[c] == nil {
			docs[c] = New(Options{ClientID: uint64(c + 1)})
			if last >= 0 {
				mustApply(tb, docs[c], docs[last].Encode(nil), false)
			}
			docs[c].OnUpdate(func(u *Update) {
				for o, d := range docs {
					if o != c && u.Local {
						mustApply(tb, d, u.V1(), false)
					}
				}
			})
		}
		m := docs[c].Map("m")
		docs[c].Transact(nil, func() {
			for ; i < n && author(i) == c; i++ {
				if err := m.Set("key"+strconv.Itoa(key(i)), value(i)); err != nil {
					tb.Fatal(err)
				}
			}
		})
		last = c
	}
	return docs[last].Encode(nil)
}

// held is the memory that a document takes, for each of n values in it.
func held(n int, make func() *Doc) float64 {
	var with, without runtime.MemStats
	d := make()
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&with)
	runtime.KeepAlive(d)
	d = nil
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&without)
	return (float64(with.HeapAlloc) - float64(without.HeapAlloc)) / float64(n)
}

// TestTombstoneMemory measures what overwritten values of a map cost: the format
// keeps each of them for ever.
func TestTombstoneMemory(t *testing.T) {
	const n = 400000 // fewer would have a larger part in what a document has anyway
	r := rand.New(rand.NewPCG(1, 1))
	one := func(int) int { return 0 }
	inTurn := func(i int) int { return i & 1 }
	number := func(i int) Content { return Int(i) }
	for _, row := range []struct {
		what        string
		n           int
		author, key func(i int) int
		value       func(i int) Content
		most        float64 // bytes for a value
	}{
		{"two keys in turn", n, one, inTurn, number, 9},
		{"a thousand keys in turn", n, one, func(i int) int { return i % 1000 }, number, 12},
		{"ten keys at random", n, one, func(int) int { return r.IntN(10) }, number, 14},
		{"a thousand keys at random", n, one, func(int) int { return r.IntN(1000) }, number, 20},
		{"two authors in turn", 30000, inTurn, one, number, 25},
		{"maps under two keys", n / 4, one, inTurn, func(i int) Content { return NewMap(Entry{"x", Int(i)}) }, 30},
	} {
		t.Run(row.what, func(t *testing.T) {
			u := overwritten(t, row.n, row.author, row.key, row.value)
			each := held(row.n, func() *Doc { return loaded(t, u) })
			t.Logf("%.1f bytes for each value", each)
			if each < 1 || each > row.most {
				t.Errorf("%.1f bytes for each value, more than %.0f", each, row.most)
			}
		})
	}
}

// TestTombstonePeak loads a document of tombstones: before the transaction is
// finished, too, it must not take what they would take as items of full size.
func TestTombstonePeak(t *testing.T) {
	const n = 400000
	u := overwritten(t, n, func(int) int { return 0 }, func(i int) int { return i & 1 }, func(i int) Content { return Int(i) })
	var before, at runtime.MemStats
	d := New(Options{ClientID: 9})
	d.OnUpdate(func(*Update) {
		runtime.GC()
		runtime.ReadMemStats(&at)
	})
	runtime.GC()
	runtime.ReadMemStats(&before)
	mustApply(t, d, u, false)
	each := float64(at.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.1f bytes for each value", each)
	if each > 30 {
		t.Errorf("%.1f bytes for each value", each)
	}
	if v := d.Map("m").Value("key1"); v.String() != "399999" {
		t.Errorf("the last value is %s", v)
	}
}

// TestFewBytes loads updates in encoding v2 that name tens of thousands of structs in
// few bytes. Deleted values of keys are kept in few bytes, too; others are refused.
func TestFewBytes(t *testing.T) {
	const n = 50000
	m, a := New(Options{ClientID: 1}), New(Options{ClientID: 1})
	m.Transact(nil, func() {
		for i := range n {
			must(t, m.Map("m").Set([]string{"b", "a"}[i&1], Int(i)))
		}
	})
	a.Transact(nil, func() {
		for i := range n {
			must(t, a.Array("a").Insert(0, Int(i)))
		}
		must(t, a.Array("a").Delete(0, n))
	})
	for _, row := range []struct {
		what string
		from *Doc
		max  int
		want error
	}{
		{"deleted values", m, 0, nil},
		{"deleted elements", a, 0, ErrLimit},
		{"deleted elements, when they are expected", a, n, nil},
	} {
		t.Run(row.what, func(t *testing.T) {
			u := row.from.EncodeV2(nil)
			if len(u) > 100 {
				t.Fatalf("%d bytes", len(u))
			}
			var before, after runtime.MemStats
			d := New(Options{ClientID: 2, MaxBlocks: row.max})
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err := d.ApplyV2(u, nil)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			checkStore(t, d)
			if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); row.max == 0 && kept > 3<<19 {
				t.Errorf("%d bytes are kept", kept)
			}
			if err == nil {
				same(t, "encoded again", d.EncodeV2(nil), u)
			}
		})
	}
}
