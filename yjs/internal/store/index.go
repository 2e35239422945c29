package store

import "slices"

// An index lists the items of a client in order of clock, in blocks.
type index struct {
	blocks []block
	starts []uint32 // the clock at which each block starts
	hit    Place    // where a search ended
}

// A block is a piece of an index.
type block struct {
	items  []int32
	clocks []uint32 // where each item starts; nil while item k starts at start+k
}

const blockMax = 512

// A Place is where an item stands in its client's index.
type Place struct{ b, o int32 }

// Find gives the place of the item that holds a clock, which must be below the
// client's state.
func (s *Store) Find(c, clock uint32) Place {
	x := &s.Clients[c].index
	if p := x.hit; int(p.b) < len(x.blocks) {
		// One place is often wanted several times in a row.
		if l := x.blocks[p.b].clocks; int(p.o)+1 < len(l) && l[p.o] <= clock && clock < l[p.o+1] {
			return p
		}
	}
	b := len(x.starts) - 1
	if x.starts[b] > clock {
		b = x.block(clock, s.Clients[c].State)
	}
	p := Place{int32(b), int32(x.blocks[b].find(clock, x.starts[b]))}
	x.hit = p
	return p
}

// block gives the block that holds a clock, which is not in the last one; end is
// where that ends.
func (x *index) block(clock, end uint32) int {
	// Clocks are spread evenly, more or less: guess first, and search around there.
	lo, hi := 0, len(x.starts)-1 // starts[lo] <= clock < starts[hi]
	b := int(uint64(clock) * uint64(hi+1) / uint64(end))
	for step := 1; hi-lo > 1; step *= 2 {
		if x.starts[b] <= clock {
			lo = b
			b = min(b+step, hi-1)
		} else {
			hi = b
			b = max(b-step, lo)
		}
		if b == lo {
			break
		}
	}
	for hi-lo > 1 {
		mid := int(uint(lo+hi) >> 1)
		if x.starts[mid] <= clock {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// find gives the item that holds a clock, in a block that starts at start.
func (b *block) find(clock, start uint32) int {
	last := len(b.items) - 1
	if b.clocks == nil {
		return min(int(clock-start), last)
	}
	if b.clocks[last] <= clock {
		return last
	}
	clocks, k := b.clocks, 0
	for n := len(clocks); n > 1; {
		half := n >> 1
		above := (int64(clock) - int64(clocks[k+half])) >> 63 // no branch: it could not be foreseen
		k += half &^ int(above)
		n -= half
	}
	return k
}

// clock is where item k of a block that starts at start begins.
func (b *block) clock(k int, start uint32) uint32 {
	if b.clocks == nil {
		return start + uint32(k)
	}
	return b.clocks[k]
}

// spell lists the clocks of a block that starts at start.
func (b *block) spell(start uint32) {
	if b.clocks != nil {
		return
	}
	b.clocks = make([]uint32, len(b.items), cap(b.items))
	for k := range b.clocks {
		b.clocks[k] = start + uint32(k)
	}
}

// ItemAt is the item at a place.
func (s *Store) ItemAt(c uint32, p Place) int32 { return s.Clients[c].blocks[p.b].items[p.o] }

// ClockAt is the clock of the item at a place.
func (s *Store) ClockAt(c uint32, p Place) uint32 {
	x := &s.Clients[c].index
	return x.blocks[p.b].clock(int(p.o), x.starts[p.b])
}

// Next gives the place after p; ok is false at the end.
func (s *Store) Next(c uint32, p Place) (Place, bool) {
	blocks := s.Clients[c].blocks
	if int(p.o)+1 < len(blocks[p.b].items) {
		return Place{p.b, p.o + 1}, true
	}
	return Place{p.b + 1, 0}, int(p.b)+1 < len(blocks)
}

// Prev gives the place before p; ok is false at the start.
func (s *Store) Prev(c uint32, p Place) (Place, bool) {
	if p.o > 0 {
		return Place{p.b, p.o - 1}, true
	}
	if p.b == 0 {
		return p, false
	}
	return Place{p.b - 1, int32(len(s.Clients[c].blocks[p.b-1].items)) - 1}, true
}

// LastPlace is the place of a client's newest item.
func (s *Store) LastPlace(c uint32) Place {
	blocks := s.Clients[c].blocks
	b := len(blocks) - 1
	return Place{int32(b), int32(len(blocks[b].items)) - 1}
}

// Push appends the client's newest item.
func (s *Store) Push(c uint32, i int32) {
	cl := &s.Clients[c]
	it := s.At(i)
	n := len(cl.blocks)
	if n == 0 || len(cl.blocks[n-1].items) >= blockMax {
		var b block
		if n > 0 {
			b.items = make([]int32, 0, blockMax)
		}
		cl.blocks, cl.starts = append(cl.blocks, b), append(cl.starts, it.Clock)
		n++
	}
	b, start := &cl.blocks[n-1], cl.starts[n-1]
	if b.clocks != nil || it.Clock != start+uint32(len(b.items)) {
		b.spell(start)
		b.clocks = append(b.clocks, it.Clock)
	}
	b.items = append(b.items, i)
	cl.State = it.End()
}

// InsertAfter puts an item into the index after p and gives its place.
func (s *Store) InsertAfter(c uint32, p Place, i int32) Place {
	x := &s.Clients[c].index
	if len(x.blocks[p.b].items) >= blockMax {
		x.halve(int(p.b))
		if n := int32(len(x.blocks[p.b].items)); p.o >= n {
			p = Place{p.b + 1, p.o - n}
		}
	}
	p.o++
	b := &x.blocks[p.b]
	b.spell(x.starts[p.b])
	b.items, b.clocks = slices.Insert(b.items, int(p.o), i), slices.Insert(b.clocks, int(p.o), s.At(i).Clock)
	return p
}

func (x *index) halve(b int) {
	l := &x.blocks[b]
	half := len(l.items) / 2
	r := block{items: append(make([]int32, 0, blockMax), l.items[half:]...)}
	start := l.clock(half, x.starts[b])
	if l.clocks != nil {
		r.clocks = append(make([]uint32, 0, blockMax), l.clocks[half:]...)
		l.clocks = l.clocks[:half]
	}
	l.items = l.items[:half]
	x.blocks, x.starts = slices.Insert(x.blocks, b+1, r), slices.Insert(x.starts, b+1, start)
}

// RemoveAt takes the item at p out of the index.
func (s *Store) RemoveAt(c uint32, p Place) {
	x := &s.Clients[c].index
	b := &x.blocks[p.b]
	if len(b.items) == 1 {
		k := int(p.b)
		x.blocks, x.starts = slices.Delete(x.blocks, k, k+1), slices.Delete(x.starts, k, k+1)
		return
	}
	k := int(p.o)
	if k+1 < len(b.items) {
		b.spell(x.starts[p.b])
	}
	b.items = slices.Delete(b.items, k, k+1)
	if b.clocks != nil {
		b.clocks = slices.Delete(b.clocks, k, k+1)
		x.starts[p.b] = b.clocks[0]
	}
}

// Each calls f for every item of a client. Packed tombstones are for reading, until f
// returns.
func (s *Store) Each(c uint32, f func(i int32, it *Item)) {
	v := s.View()
	for _, b := range s.Clients[c].blocks {
		for _, i := range b.items {
			f(i, v.At(i))
		}
	}
}
