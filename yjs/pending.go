package yjs

import (
	"cmp"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
)

// pendings keeps what cannot be applied yet: blocks that depend on others that
// have not come, and deletions of units that have not come.
//
// Each client's blocks are a heap by clock. Only the first of them can become
// applicable; it waits for its own client's state or, on the list of another
// client, for that client's. So every arrival costs a logarithm, whatever the
// order, and nothing that could be applied is left (Yjs remembers the first
// obstacle it meets and may stay stuck).
type pendings struct {
	data    []byte // the blocks, in encoding v1
	live    int    // bytes of data that are still wanted
	blocks  int
	queues  map[uint64]*queue
	waiting map[uint64][]waiter
	deletes map[uint64][]later
	nDelete int
}

// A later is a pending block or deletion.
type later struct {
	clock, end uint64
	off, n     uint32
}

type queue struct {
	heap    []later
	waitFor codec.ID // what the first block was last found to wait for
}

// A waiter is a client whose first block needs clock of another client.
type waiter struct{ client, clock uint64 }

func laterLess(a, b later) bool { return a.clock < b.clock }

func pushLater(h []later, x later) []later {
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

func popLater(h []later) []later {
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

func (p *pendings) empty() bool { return p.blocks == 0 && p.nDelete == 0 }

// add keeps a block for later.
func (p *pendings) add(b *codec.Block, limit int) error {
	before := len(p.data)
	if before+p.blocks*24 > limit {
		p.dedupe()
		if before = len(p.data); before+p.blocks*24 > limit*3/4 {
			return ErrPending
		}
	}
	p.data = b.Append(p.data)
	n := len(p.data) - before
	if p.queues == nil {
		p.queues = make(map[uint64]*queue)
		p.waiting = make(map[uint64][]waiter)
	}
	q := p.queues[b.ID.Client]
	if q == nil {
		q = &queue{}
		p.queues[b.ID.Client] = q
	}
	q.heap = pushLater(q.heap, later{b.ID.Clock, b.End(), uint32(before), uint32(n)})
	p.live += n
	p.blocks++
	return nil
}

// pop removes the first block of a queue.
func (p *pendings) pop(client uint64, q *queue) {
	p.live -= int(q.heap[0].n)
	q.heap = popLater(q.heap)
	p.blocks--
	if len(q.heap) == 0 {
		delete(p.queues, client)
	}
	switch {
	case p.blocks == 0:
		p.data, p.live, p.queues, p.waiting = nil, 0, nil, nil
	case len(p.data) > 1<<16 && p.live < len(p.data)/4:
		p.rewrite()
	}
}

// dedupe drops blocks that others cover.
func (p *pendings) dedupe() {
	for _, q := range p.queues {
		slices.SortFunc(q.heap, func(a, b later) int {
			if c := cmp.Compare(a.clock, b.clock); c != 0 {
				return c
			}
			return cmp.Compare(b.end, a.end)
		})
		n, end := 0, uint64(0)
		for _, x := range q.heap {
			if n > 0 && x.end <= end {
				p.blocks--
				p.live -= int(x.n)
				continue
			}
			q.heap[n] = x
			n++
			end = x.end
		}
		q.heap = q.heap[:n] // a sorted slice is a heap
	}
	p.rewrite()
}

// rewrite moves the data of live blocks together.
func (p *pendings) rewrite() {
	data := make([]byte, 0, p.live)
	for _, q := range p.queues {
		for i := range q.heap {
			x := &q.heap[i]
			off := uint32(len(data))
			data = append(data, p.data[x.off:x.off+x.n]...)
			x.off = off
		}
	}
	p.data = data
}

// addDelete keeps a deletion for later.
func (p *pendings) addDelete(client, clock, end uint64, limit int) error {
	if p.nDelete*24 > limit {
		p.joinDeletes()
		if p.nDelete*24 > limit*3/4 {
			return ErrPending
		}
	}
	if p.deletes == nil {
		p.deletes = make(map[uint64][]later)
	}
	p.deletes[client] = pushLater(p.deletes[client], later{clock: clock, end: end})
	p.nDelete++
	return nil
}

func (p *pendings) joinDeletes() {
	p.nDelete = 0
	for c, h := range p.deletes {
		slices.SortFunc(h, func(a, b later) int { return cmp.Compare(a.clock, b.clock) })
		n := 0
		for _, x := range h {
			if n > 0 && h[n-1].end >= x.clock {
				h[n-1].end = max(h[n-1].end, x.end)
				continue
			}
			h[n] = x
			n++
		}
		p.deletes[c] = h[:n]
		p.nDelete += n
	}
}

// block reads a pending block.
func (p *pendings) block(client uint64, x later, b *codec.Block) error {
	return codec.ReadBlock(p.data[x.off:x.off+x.n], codec.ID{Client: client, Clock: x.clock}, b)
}

// updates gives what is pending as updates in the asked encoding: the deletions,
// and the blocks in clock order with Skips between.
func (p *pendings) updates(v2 bool) (out [][]byte) {
	if p.nDelete > 0 {
		var ds codec.DeleteSet
		for c, h := range p.deletes {
			for _, x := range h {
				ds = append(ds, codec.Range{Client: c, Clock: x.clock, Len: x.end - x.clock})
			}
		}
		out = append(out, codec.NewWriter(v2, 0).Finish(ds.Canonical()))
	}
	if p.blocks == 0 {
		return out
	}
	clients := make([]uint64, 0, len(p.queues))
	for c := range p.queues {
		clients = append(clients, c)
	}
	slices.SortFunc(clients, func(a, b uint64) int { return cmp.Compare(b, a) })
	w := codec.NewWriter(v2, p.live)
	for _, c := range clients {
		heap := slices.Clone(p.queues[c].heap)
		slices.SortFunc(heap, func(a, b later) int {
			if c := cmp.Compare(a.clock, b.clock); c != 0 {
				return c
			}
			return cmp.Compare(b.end, a.end)
		})
		end := uint64(0)
		for i, x := range heap {
			if i > 0 && x.end <= end {
				continue
			}
			var b codec.Block
			if p.block(c, x, &b) != nil {
				continue // it was read from good bytes
			}
			switch {
			case i > 0 && x.clock > end:
				w.Block(&codec.Block{ID: codec.ID{Client: c, Clock: end}, Len: x.clock - end, Ref: codec.Skip}, 0)
			case i > 0 && x.clock < end:
				b.Cut(end - x.clock)
			}
			w.Block(&b, 0)
			end = x.end
		}
	}
	return append(out, w.Finish(nil))
}
