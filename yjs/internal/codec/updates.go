package codec

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// Convert rewrites an update in the other encoding, or in the same one as Yjs
// would have written it.
func Convert(update []byte, fromV2, toV2 bool, maxBlocks int) ([]byte, error) {
	var r Reader
	r.Reset(update, fromV2, maxBlocks)
	w := NewWriter(toV2, len(update))
	for b := (Block{}); r.Next(&b); {
		w.Block(&b, 0)
	}
	ds, err := r.DeleteSet(nil)
	if err != nil {
		return nil, err
	}
	return w.Finish(ds), nil
}

// Diff is the part of an update that a holder of sv lacks, with the whole delete set.
func Diff(update []byte, sv StateVector, v2 bool, maxBlocks int) ([]byte, error) {
	var r Reader
	r.Reset(update, v2, maxBlocks)
	w := NewWriter(v2, len(update))
	var b Block
	for ok := r.Next(&b); ok; {
		client, known := b.ID.Client, sv[b.ID.Client]
		switch {
		case b.Ref == Skip:
			ok = r.Next(&b)
		case b.End() > known:
			var cut uint64
			if known > b.ID.Clock {
				cut = known - b.ID.Clock
			}
			w.Block(&b, cut)
			for ok = r.Next(&b); ok && b.ID.Client == client; ok = r.Next(&b) {
				w.Block(&b, 0)
			}
		default:
			for ok && b.ID.Client == client && b.End() <= known {
				ok = r.Next(&b)
			}
		}
	}
	ds, err := r.DeleteSet(nil)
	if err != nil {
		return nil, err
	}
	return w.Finish(ds), nil
}

// StateVectorOf is the state of a document that holds nothing but the update:
// per client what is there from clock 0 without a gap. Clients stand in the
// order of the update.
func StateVectorOf(update []byte, v2 bool, maxBlocks int) ([]byte, error) {
	var r Reader
	r.Reset(update, v2, maxBlocks)
	var body []byte
	var clients, client, end uint64
	stop, first := false, true
	flush := func() {
		if end > 0 {
			clients++
			body = lib0.AppendUint(lib0.AppendUint(body, client), end)
		}
	}
	for b := (Block{}); r.Next(&b); {
		if first || b.ID.Client != client {
			flush()
			client, end, stop, first = b.ID.Client, 0, b.ID.Clock != 0, false
		}
		stop = stop || b.Ref == Skip
		if !stop {
			end = b.End()
		}
	}
	flush()
	if r.Err() != nil {
		return nil, r.Err()
	}
	return append(lib0.AppendUint(nil, clients), body...), nil
}

// A stream is an update whose blocks are being merged.
type stream struct {
	r   Reader
	cur Block
	seq int
}

// next goes to the next block that is no Skip.
func (s *stream) next() bool {
	for s.r.Next(&s.cur) {
		if s.cur.Ref != Skip {
			return true
		}
	}
	return false
}

// A head is the first block of an update that has not been opened yet.
type head struct {
	client, clock uint64
	update        int32
}

// streams is a heap of the opened updates. Where Yjs sorts all readers anew for
// each block, only the front one has moved, so that it goes before its equals:
// seq counts down.
type streams []*stream

func (h streams) Len() int { return len(h) }
func (h streams) Less(i, j int) bool {
	a, b := h[i].cur.ID, h[j].cur.ID
	if a.Client != b.Client {
		return a.Client > b.Client
	}
	if a.Clock != b.Clock {
		return a.Clock < b.Clock
	}
	return h[i].seq < h[j].seq
}
func (h streams) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *streams) Push(x any) { *h = append(*h, x.(*stream)) }

// Pop implements heap.Interface.
func (h *streams) Pop() any {
	s := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return s
}

type merger struct {
	updates [][]byte
	v2      bool
	max     int
	heads   []head
	open    streams
	spare   []*stream
	seq     int
	out     *Writer
	cur     Block // the block to be written next
	have    bool
	ds      DeleteSet
}

// Merge joins updates into one, in the time of a sort. A single update is given
// back as it is.
func Merge(updates [][]byte, v2 bool, maxBlocks int) ([]byte, error) {
	if len(updates) == 1 {
		return updates[0], nil
	}
	m := &merger{updates: updates, v2: v2, max: maxBlocks}
	size, err := m.readHeads()
	if err != nil {
		return nil, err
	}
	m.out = NewWriter(v2, size)
	for {
		s := m.front()
		if s == nil {
			break
		}
		more, err := m.step(s)
		if err != nil {
			return nil, err
		}
		if err := m.putBack(s, more); err != nil {
			return nil, err
		}
	}
	if m.have {
		m.out.Block(&m.cur, 0)
	}
	return m.out.Finish(m.ds.Canonical()), nil
}

// readHeads finds where each update starts; those without blocks give their
// delete set at once.
func (m *merger) readHeads() (size int, err error) {
	m.heads = make([]head, 0, len(m.updates))
	var s stream
	for i, u := range m.updates {
		size += len(u)
		s.r.Reset(u, m.v2, m.max)
		if s.next() {
			m.heads = append(m.heads, head{s.cur.ID.Client, s.cur.ID.Clock, int32(i)})
			continue
		}
		if m.ds, err = s.r.DeleteSet(m.ds); err != nil {
			return 0, err
		}
	}
	slices.SortStableFunc(m.heads, func(a, b head) int {
		if c := cmp.Compare(b.client, a.client); c != 0 {
			return c
		}
		return cmp.Compare(a.clock, b.clock)
	})
	return size, nil
}

// front takes the stream whose block comes first.
func (m *merger) front() *stream {
	if len(m.open) > 0 {
		top := m.open[0].cur.ID
		if len(m.heads) == 0 || m.heads[0].client < top.Client || m.heads[0].client == top.Client && m.heads[0].clock >= top.Clock {
			return heap.Pop(&m.open).(*stream)
		}
	}
	if len(m.heads) == 0 {
		return nil
	}
	var s *stream
	if n := len(m.spare); n > 0 {
		s, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		s = &stream{}
	}
	s.r.Reset(m.updates[m.heads[0].update], m.v2, m.max)
	s.next()
	m.heads = m.heads[1:]
	return s
}

func (m *merger) putBack(s *stream, more bool) (err error) {
	if more {
		m.seq--
		s.seq = m.seq
		heap.Push(&m.open, s)
		return nil
	}
	m.ds, err = s.r.DeleteSet(m.ds)
	m.spare = append(m.spare, s)
	return err
}

// step writes what can be written from the front stream; more is false when the
// stream has ended.
func (m *merger) step(s *stream) (more bool, err error) {
	client := s.cur.ID.Client
	if !m.have {
		m.cur, m.have = s.cur, true
		more = s.next()
	} else {
		moved := false
		more = true
		for more && s.cur.End() <= m.cur.End() && s.cur.ID.Client >= m.cur.ID.Client {
			more = s.next()
			moved = true
		}
		if !more || s.cur.ID.Client != client || moved && s.cur.ID.Clock > m.cur.End() {
			return more, s.r.Err()
		}
		more = m.join(s)
	}
	for more && s.cur.ID.Client == client && s.cur.ID.Clock == m.cur.End() {
		m.out.Block(&m.cur, 0)
		m.cur = s.cur
		more = s.next()
	}
	return more, s.r.Err()
}

// join puts the front block of s after the current one.
func (m *merger) join(s *stream) (more bool) {
	switch {
	case s.cur.ID.Client != m.cur.ID.Client:
		m.out.Block(&m.cur, 0)
		m.cur = s.cur
		return s.next()
	case m.cur.End() < s.cur.ID.Clock:
		if m.cur.Ref == Skip {
			m.cur.Len = s.cur.End() - m.cur.ID.Clock
			return true
		}
		m.out.Block(&m.cur, 0)
		m.cur = Block{ID: ID{s.cur.ID.Client, m.cur.End()}, Len: s.cur.ID.Clock - m.cur.End(), Ref: Skip}
		return true
	}
	if over := m.cur.End() - s.cur.ID.Clock; over > 0 {
		if m.cur.Ref == Skip {
			m.cur.Len -= over
		} else {
			s.cur.Cut(over)
		}
	}
	if m.cur.Ref == GC && s.cur.Ref == GC {
		m.cur.Len += s.cur.Len // and the stream stays where it is: the next step drops the block
		return true
	}
	m.out.Block(&m.cur, 0)
	m.cur = s.cur
	return s.next()
}
