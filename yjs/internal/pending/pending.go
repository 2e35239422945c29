// Package pending keeps the blocks and deletions of a document that cannot be
// applied yet, because they depend on what has not come.
package pending

import (
	"cmp"
	"errors"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
)

// ErrFull says that too much waits for updates that have not come.
var ErrFull = errors.New("yjs: too much is pending")

// Set keeps what cannot be applied yet: blocks that depend on others that
// have not come, and deletions of units that have not come.
//
// Each client's blocks are a heap by clock. Only the first of them can become
// applicable; it waits for its own client's state or, on the list of another
// client, for that client's. So every arrival costs a logarithm, whatever the
// order, and nothing that could be applied is left (Yjs remembers the first
// obstacle it meets and may stay stuck).
type Set struct {
	data    []byte // the blocks, in encoding v1
	live    int    // bytes of data that are still wanted
	Blocks  int
	Queues  map[uint64]*Queue
	Waiting map[uint64][]Waiter
	Deletes map[uint64][]Later
	NDelete int
}

// A Later is a pending block or deletion.
type Later struct {
	Clock, End uint64
	off, n     uint32
}

// A Queue is what is pending of one client.
type Queue struct {
	Heap    []Later
	WaitFor codec.ID // what the first block was last found to wait for
}

// A Waiter is a client whose first block needs clock of another client.
type Waiter struct{ Client, Clock uint64 }

func laterLess(a, b Later) bool { return a.Clock < b.Clock }

// PushLater adds to a heap.
func PushLater(h []Later, x Later) []Later {
	h = append(h, x)
	for i := len(h) - 1; i > 0; {
		p := (i - 1) / 2
		if !laterLess(h[i], h[p]) {
			break
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
	return h
}

// PopLater removes the first of a heap.
func PopLater(h []Later) []Later {
	n := len(h) - 1
	h[0] = h[n]
	h = h[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			return h
		}
		if c+1 < n && laterLess(h[c+1], h[c]) {
			c++
		}
		if !laterLess(h[c], h[i]) {
			return h
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

func (p *Set) Empty() bool { return p.Blocks == 0 && p.NDelete == 0 }

// Add keeps a block for later.
func (p *Set) Add(b *codec.Block, limit int) error {
	before := len(p.data)
	if before+p.Blocks*24 > limit {
		p.dedupe()
		if before = len(p.data); before+p.Blocks*24 > limit*3/4 {
			return ErrFull
		}
	}
	p.data = b.Append(p.data)
	n := len(p.data) - before
	if p.Queues == nil {
		p.Queues = make(map[uint64]*Queue)
		p.Waiting = make(map[uint64][]Waiter)
	}
	q := p.Queues[b.ID.Client]
	if q == nil {
		q = &Queue{}
		p.Queues[b.ID.Client] = q
	}
	q.Heap = PushLater(q.Heap, Later{b.ID.Clock, b.End(), uint32(before), uint32(n)})
	p.live += n
	p.Blocks++
	return nil
}

// Pop removes the first block of a queue.
func (p *Set) Pop(client uint64, q *Queue) {
	p.live -= int(q.Heap[0].n)
	q.Heap = PopLater(q.Heap)
	p.Blocks--
	if len(q.Heap) == 0 {
		delete(p.Queues, client)
	}
	switch {
	case p.Blocks == 0:
		p.data, p.live, p.Queues, p.Waiting = nil, 0, nil, nil
	case len(p.data) > 1<<16 && p.live < len(p.data)/4:
		p.rewrite()
	}
}

// dedupe drops blocks that others cover.
func (p *Set) dedupe() {
	for _, q := range p.Queues {
		slices.SortFunc(q.Heap, func(a, b Later) int {
			if c := cmp.Compare(a.Clock, b.Clock); c != 0 {
				return c
			}
			return cmp.Compare(b.End, a.End)
		})
		n, end := 0, uint64(0)
		for _, x := range q.Heap {
			if n > 0 && x.End <= end {
				p.Blocks--
				p.live -= int(x.n)
				continue
			}
			q.Heap[n] = x
			n++
			end = x.End
		}
		q.Heap = q.Heap[:n] // a sorted slice is a heap
	}
	p.rewrite()
}

// rewrite moves the data of live blocks together.
func (p *Set) rewrite() {
	data := make([]byte, 0, p.live)
	for _, q := range p.Queues {
		for i := range q.Heap {
			x := &q.Heap[i]
			off := uint32(len(data))
			data = append(data, p.data[x.off:x.off+x.n]...)
			x.off = off
		}
	}
	p.data = data
}

// AddDelete keeps a deletion for later.
func (p *Set) AddDelete(client, clock, end uint64, limit int) error {
	if p.NDelete*24 > limit {
		p.joinDeletes()
		if p.NDelete*24 > limit*3/4 {
			return ErrFull
		}
	}
	if p.Deletes == nil {
		p.Deletes = make(map[uint64][]Later)
	}
	p.Deletes[client] = PushLater(p.Deletes[client], Later{Clock: clock, End: end})
	p.NDelete++
	return nil
}

func (p *Set) joinDeletes() {
	p.NDelete = 0
	for c, h := range p.Deletes {
		slices.SortFunc(h, func(a, b Later) int { return cmp.Compare(a.Clock, b.Clock) })
		n := 0
		for _, x := range h {
			if n > 0 && h[n-1].End >= x.Clock {
				h[n-1].End = max(h[n-1].End, x.End)
				continue
			}
			h[n] = x
			n++
		}
		p.Deletes[c] = h[:n]
		p.NDelete += n
	}
}

// Block reads a pending block.
func (p *Set) Block(client uint64, x Later, b *codec.Block) error {
	return codec.ReadBlock(p.data[x.off:x.off+x.n], codec.ID{Client: client, Clock: x.Clock}, b)
}

// Updates gives what is pending as updates in the asked encoding: the deletions,
// and the blocks in clock order with Skips between.
func (p *Set) Updates(v2 bool) (out [][]byte) {
	if p.NDelete > 0 {
		var ds codec.DeleteSet
		for c, h := range p.Deletes {
			for _, x := range h {
				ds = append(ds, codec.Range{Client: c, Clock: x.Clock, Len: x.End - x.Clock})
			}
		}
		out = append(out, codec.NewWriter(v2, 0).Finish(ds.Canonical()))
	}
	if p.Blocks == 0 {
		return out
	}
	clients := make([]uint64, 0, len(p.Queues))
	for c := range p.Queues {
		clients = append(clients, c)
	}
	slices.SortFunc(clients, func(a, b uint64) int { return cmp.Compare(b, a) })
	w := codec.NewWriter(v2, p.live)
	for _, c := range clients {
		heap := slices.Clone(p.Queues[c].Heap)
		slices.SortFunc(heap, func(a, b Later) int {
			if c := cmp.Compare(a.Clock, b.Clock); c != 0 {
				return c
			}
			return cmp.Compare(b.End, a.End)
		})
		end := uint64(0)
		for i, x := range heap {
			if i > 0 && x.End <= end {
				continue
			}
			var b codec.Block
			if p.Block(c, x, &b) != nil {
				continue // it was read from good bytes
			}
			switch {
			case i > 0 && x.Clock > end:
				w.Block(&codec.Block{ID: codec.ID{Client: c, Clock: end}, Len: x.Clock - end, Ref: codec.Skip}, 0)
			case i > 0 && x.Clock < end:
				b.Cut(end - x.Clock)
			}
			w.Block(&b, 0)
			end = x.End
		}
	}
	return append(out, w.Finish(nil))
}
