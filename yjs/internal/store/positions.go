package store

import (
	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// Positions finds members of one sequence by their index. It exists only for
// sequences that are read or edited by index, and is kept up to date from then on.
//
// The items stand in order in blocks of at most runMax; the visible lengths of
// the blocks lie side by side, so that finding an index is one pass over small
// integers from where the last one ended, and then over one block.
type Positions struct {
	t         int32
	Runs      []*run
	sums      []uint32 // visible length of each run
	last      int      // where the last look-up ended, and the index at which that run starts
	lastStart uint32
	of        map[int32]*run
	where     []*run // by item, in place of the map once the sequence is long
}

const (
	runMax      = 128
	denseFrom   = 1024 // items from which where is used
	indexedFrom = 48   // items from which a sequence is indexed
)

// A run is a piece of the sequence.
type run struct {
	pos   int // in positions.runs
	Items []int32
	Fold  []uint32 // formats that have the effect of all Format items in the run
	Valid bool     // fold is up to date
}

// Sequence gives the index of a type's sequence, or nil for a short one.
func (s *Store) Sequence(t int32) *Positions {
	if s.Types[t].Indexed {
		return s.Positions[t]
	}
	n := 0
	for i := s.Types[t].Start; i != None && n < indexedFrom; i = s.At(i).Right {
		n++
	}
	if n < indexedFrom {
		return nil
	}
	p := &Positions{t: t, of: make(map[int32]*run)}
	for i := s.Types[t].Start; i != None; i = s.At(i).Right {
		if len(p.Runs) == 0 || len(p.Runs[len(p.Runs)-1].Items) >= runMax*3/4 {
			p.Runs = append(p.Runs, &run{pos: len(p.Runs), Items: make([]int32, 0, runMax)})
			p.sums = append(p.sums, 0)
		}
		r := p.Runs[len(p.Runs)-1]
		r.Items = append(r.Items, i)
		p.set(s, i, r)
		p.sums[r.pos] += s.At(i).Visible()
	}
	if s.Positions == nil {
		s.Positions = make(map[int32]*Positions)
	}
	s.Positions[t] = p
	s.Types[t].Indexed = true
	return p
}

func (s *Store) DropPositions(t int32) {
	if s.Types[t].Indexed {
		s.Types[t].Indexed = false
		delete(s.Positions, t)
	}
}

func (p *Positions) set(s *Store, i int32, r *run) {
	if p.where == nil {
		p.of[i] = r
		if len(p.of) >= denseFrom {
			p.where = make([]*run, len(s.chunks)*chunkSize)
			for i, r := range p.of {
				p.where[i] = r
			}
			p.of = nil
		}
		return
	}
	if int(i) >= len(p.where) {
		p.where = append(p.where, make([]*run, len(s.chunks)*chunkSize-len(p.where)+chunkSize)...)
	}
	p.where[i] = r
}

func (p *Positions) runOf(i int32) *run {
	if p.where != nil {
		return p.where[i]
	}
	return p.of[i]
}

func (p *Positions) unset(i int32) {
	if p.where != nil {
		p.where[i] = nil
	} else {
		delete(p.of, i)
	}
}

// add changes the visible length of a run.
func (p *Positions) add(r *run, delta uint32) {
	p.sums[r.pos] += delta
	if r.pos < p.last {
		p.lastStart += delta
	}
}

func (r *run) indexOf(i int32) int {
	for k, x := range r.Items {
		if x == i {
			return k
		}
	}
	return -1
}

// insert puts item i into the sequence after l, or first.
func (p *Positions) insert(s *Store, i, l int32) {
	var r *run
	at := 0
	if l == None {
		r = p.Runs[0]
	} else {
		r = p.runOf(l)
		at = r.indexOf(l) + 1
	}
	r.Items = append(r.Items, 0)
	copy(r.Items[at+1:], r.Items[at:])
	r.Items[at] = i
	p.set(s, i, r)
	if s.At(i).Ref == codec.Format {
		r.Valid = false
	}
	if len(r.Items) >= runMax {
		p.halve(s, r)
	}
}

func (p *Positions) halve(s *Store, r *run) {
	half := len(r.Items) / 2
	n := &run{pos: r.pos + 1, Items: make([]int32, len(r.Items)-half, runMax)}
	copy(n.Items, r.Items[half:])
	r.Items = r.Items[:half]
	r.Valid = false
	var sum uint32
	for _, i := range n.Items {
		p.set(s, i, n)
		sum += s.At(i).Visible()
	}
	p.Runs = append(p.Runs, nil)
	copy(p.Runs[n.pos+1:], p.Runs[n.pos:])
	p.Runs[n.pos] = n
	p.sums = append(p.sums, 0)
	copy(p.sums[n.pos+1:], p.sums[n.pos:])
	p.sums[n.pos] = sum
	p.sums[r.pos] -= sum
	for k := n.pos + 1; k < len(p.Runs); k++ {
		p.Runs[k].pos = k
	}
	if p.last > r.pos {
		p.last, p.lastStart = 0, 0
	}
}

// Linked takes in item i, which has been put into the list.
func (p *Positions) Linked(s *Store, i int32) {
	it := s.At(i)
	// The length first: insert may halve the run and then counts it anew.
	l := it.Left
	r := p.Runs[0]
	if l != None {
		r = p.runOf(l)
	}
	p.add(r, it.Visible())
	p.insert(s, i, l)
}

// Split takes in j, which was the right part of i.
func (p *Positions) Split(s *Store, i, j int32) { p.insert(s, j, i) }

// Deleted takes note that i, still visible, is about to be deleted.
func (p *Positions) Deleted(s *Store, i int32) {
	r := p.runOf(i)
	it := s.At(i)
	p.add(r, -it.Visible())
	if it.Ref == codec.Format {
		r.Valid = false
	}
}

// Extended takes note that i has become longer by n visible units.
func (p *Positions) Extended(i int32, n uint32) { p.add(p.runOf(i), n) }

// Merged takes out r, which is about to become part of l.
func (p *Positions) Merged(s *Store, l, ri int32) {
	r := p.runOf(ri)
	if lr := p.runOf(l); lr != r {
		v := s.At(ri).Visible()
		p.add(r, -v)
		p.add(lr, v)
	}
	k := r.indexOf(ri)
	r.Items = append(r.Items[:k], r.Items[k+1:]...)
	p.unset(ri)
	if len(r.Items) == 0 && len(p.Runs) > 1 {
		p.Runs = append(p.Runs[:r.pos], p.Runs[r.pos+1:]...)
		p.sums = append(p.sums[:r.pos], p.sums[r.pos+1:]...)
		for k := r.pos; k < len(p.Runs); k++ {
			p.Runs[k].pos = k
		}
		p.last, p.lastStart = 0, 0
	}
}

// Find gives the run in which the unit before index ends, that is the first run
// with index <= end, and the index at which it starts.
func (p *Positions) Find(index uint32) (k int, start uint32) {
	k, start = p.last, p.lastStart
	if k >= len(p.Runs) {
		k, start = 0, 0
	}
	for k > 0 && start >= index {
		k--
		start -= p.sums[k]
	}
	for k+1 < len(p.Runs) && start+p.sums[k] < index {
		start += p.sums[k]
		k++
	}
	p.last, p.lastStart = k, start
	return k, start
}

// IndexOf is the index of the first unit of item i.
func (p *Positions) IndexOf(s *Store, i int32) uint32 {
	r := p.runOf(i)
	k, start := p.last, p.lastStart
	if k >= len(p.Runs) {
		k, start = 0, 0
	}
	for k > r.pos {
		k--
		start -= p.sums[k]
	}
	for k < r.pos {
		start += p.sums[k]
		k++
	}
	p.last, p.lastStart = k, start
	for _, x := range r.Items {
		if x == i {
			break
		}
		start += s.At(x).Visible()
	}
	return start
}

// Refold computes the effect of the run's Format items: first the keys that are
// ended, then those that are set, in the order in which a map that forgets
// ended keys would hold them.
func (r *run) Refold(s *Store) {
	r.Fold, r.Valid = r.Fold[:0], true
	var sets []uint32
	for _, i := range r.Items {
		it := s.At(i)
		if it.Ref != codec.Format || it.Deleted() {
			continue
		}
		f := &s.Formats.All[it.A]
		at := -1
		for k, x := range sets {
			if s.Formats.All[x].Key == f.Key {
				at = k
			}
		}
		switch {
		case f.Value.Kind() == lib0.KindNull:
			if at >= 0 {
				sets = append(sets[:at], sets[at+1:]...)
			}
			r.Fold = append(r.Fold, it.A)
		case at >= 0:
			sets[at] = it.A
		default:
			sets = append(sets, it.A)
		}
	}
	r.Fold = append(r.Fold, sets...)
}

// EndingAt gives the visible item with start < index <= end, and its start. index
// must be above 0 and not beyond the length.
func (p *Positions) EndingAt(s *Store, index uint32) (int32, uint32) {
	k, start := p.Find(index)
	for _, i := range p.Runs[k].Items {
		n := s.At(i).Visible()
		if n > 0 && index <= start+n {
			return i, start
		}
		start += n
	}
	return p.Runs[k].Items[len(p.Runs[k].Items)-1], start // not reached within the length
}
