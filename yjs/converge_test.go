package yjs

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// TestConvergence lets many clients write at few places of one text, with little
// exchange, so that nearly every insertion has a conflict to solve. All must come
// to one text, in whatever order the updates arrive. Every scan leaves a memo in
// half of the documents, which puts those to the test.
func TestConvergence(t *testing.T) {
	rounds := uint64(1500)
	if testing.Short() {
		rounds = 200
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(seed, 9))
		docs := make([]*Doc, 3+r.IntN(4))
		got := make([]int, len(docs)) // updates of the log that each has been offered
		var log [][]byte
		for i := range docs {
			docs[i] = New(Options{ClientID: uint64(1 + r.IntN(1000) + i*1000)})
			docs[i].s.Scan.MemoMin = i & 1
			docs[i].OnUpdate(func(u *Update) {
				if u.Local {
					log = append(log, u.V1())
				}
			})
		}
		for range 30 + r.IntN(60) {
			k := r.IntN(len(docs))
			d := docs[k]
			x := d.Text("t")
			switch r.IntN(8) {
			case 0:
				for ; got[k] < len(log); got[k]++ {
					mustApply(t, d, log[got[k]], false)
				}
			case 1, 2:
				if len(log) > 0 {
					mustApply(t, d, log[r.IntN(len(log))], false)
				}
			case 3:
				if n := x.Len(); n > 0 {
					x.Delete(r.IntN(n), 1)
				}
			default:
				x.Insert(min(x.Len(), r.IntN(3)), string(rune('a'+r.IntN(26))))
			}
		}
		for i := range 2 { // two that get everything shuffled
			d := New(Options{ClientID: uint64(100000 + i)})
			d.s.Scan.MemoMin = i
			for _, k := range r.Perm(len(log)) {
				mustApply(t, d, log[k], false)
			}
			docs = append(docs, d)
		}
		for _, d := range docs {
			for _, u := range log {
				mustApply(t, d, u, false)
			}
			checkStore(t, d)
			if a, b := d.Text("t").String(), docs[0].Text("t").String(); a != b {
				t.Fatalf("seed %d: %q and %q", seed, a, b)
			}
		}
	}
}

// TestForgedPlaces places items with random origins, as no honest client would
// write them, in a document that remembers its scans and in one that forgets them
// before each item: the lists must be the same.
func TestForgedPlaces(t *testing.T) {
	rounds := uint64(1500)
	if testing.Short() {
		rounds = 500
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(seed, 11))
		a, b := New(Options{ClientID: 1000}), New(Options{ClientID: 1000})
		a.s.Scan.MemoMin = 1
		clients := 2 + r.IntN(4)
		clocks := make([]uint64, clients)
		known := func() codec.ID {
			for {
				if c := r.IntN(clients); clocks[c] > 0 {
					return codec.ID{Client: uint64(10 + c), Clock: clocks[c] - 1 - uint64(r.IntN(int(min(clocks[c], 12))))}
				}
			}
		}
		for i := range 120 {
			c := r.IntN(clients)
			x := codec.Block{ID: codec.ID{Client: uint64(10 + c), Clock: clocks[c]}, Len: 1 + uint64(r.IntN(2)), Ref: codec.Deleted}
			if i == 0 || r.IntN(20) == 0 {
				x.Parented, x.Root = codec.ParentRoot, []byte("t")
			} else {
				if r.IntN(3) == 0 {
					x.HasOrigin, x.Origin = true, known()
				}
				if !x.HasOrigin || r.IntN(2) == 0 {
					x.HasRight, x.Right = true, known()
				}
			}
			clocks[c] += x.Len
			w := codec.NewWriter(false, 0)
			w.Block(&x, 0)
			u := w.Finish(nil)
			b.s.Scan.Forget()
			mustApply(t, a, u, false)
			mustApply(t, b, u, false)
			if x, y := order(a), order(b); !slices.Equal(x, y) {
				t.Fatalf("seed %d, item %d:\n%v\n%v", seed, i, x, y)
			}
		}
		checkStore(t, a)
	}
}

// order lists the units of a text, deleted ones too.
func order(d *Doc) (ids []ID) {
	s := &d.s
	for i := s.Types[d.Text("t").t].Start; i != store.None; i = s.At(i).Right {
		it := s.At(i)
		for k := range it.N {
			ids = append(ids, ID{s.Clients[it.Client].ID, uint64(it.Clock + k)})
		}
	}
	return ids
}
