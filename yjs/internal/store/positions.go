package store

import (
	"iter"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// Positions finds members of one sequence by their index. It exists only for
// sequences that are read or edited by index, and is kept up to date from then on.
//
// The items stand in order in runs, and the runs in shelves. Visible lengths lie
// side by side on each level, so that finding an index is three passes over small
// integers, which touch no item.
type Positions struct {
	t       int32
	shelves []*shelf
	totals  []uint32 // visible length of each shelf
	of      map[int32]*run
	where   []*run // by item, in place of the map once the sequence is long
}

const (
	runMax      = 96
	shelfMax    = 96
	denseFrom   = 1024 // items from which where is used
	indexedFrom = 48   // items from which a sequence is indexed
)

// A shelf is a piece of the sequence.
type shelf struct {
	pos  int // in Positions.shelves
	runs []*run
	sums []uint32 // visible length of each run

	state uint8 // see stretch
}

// A run is a piece of a shelf.
type run struct {
	shelf   *shelf
	pos     int // in shelf.runs
	items   []int32
	visible []uint32 // of each item
	Fold    []uint32 // formats that have the effect of all Format items in the run
	Valid   bool     // Fold is up to date
	state   uint8    // see stretch
}

// First is the run's first item.
func (r *run) First() int32 { return r.items[0] }

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
	var r *run
	for i := s.Types[t].Start; i != None; i = s.At(i).Right {
		if r == nil || len(r.items) >= runMax*3/4 {
			r = p.lastRun()
		}
		v := s.At(i).Visible()
		r.items, r.visible = append(r.items, i), append(r.visible, v)
		p.set(s, i, r)
		p.add(r, v)
	}
	if s.Positions == nil {
		s.Positions = make(map[int32]*Positions)
	}
	s.Positions[t] = p
	s.Types[t].Indexed = true
	return p
}

// lastRun adds an empty run at the end.
func (p *Positions) lastRun() *run {
	n := len(p.shelves)
	if n == 0 || len(p.shelves[n-1].runs) >= shelfMax*3/4 {
		p.shelves = append(p.shelves, &shelf{pos: n})
		p.totals = append(p.totals, 0)
		n++
	}
	sh := p.shelves[n-1]
	r := newRun(sh, len(sh.runs))
	sh.runs, sh.sums = append(sh.runs, r), append(sh.sums, 0)
	return r
}

func newRun(sh *shelf, pos int) *run {
	return &run{shelf: sh, pos: pos, items: make([]int32, 0, runMax), visible: make([]uint32, 0, runMax)}
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

// place gives the run of an item and where it stands in it.
func (p *Positions) place(i int32) (*run, int) {
	r := p.runOf(i)
	for k, x := range r.items {
		if x == i {
			return r, k
		}
	}
	return r, -1
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
	r.shelf.sums[r.pos] += delta
	p.totals[r.shelf.pos] += delta
}

// insertAt puts item i, which its run has not counted yet, at k of it.
func (p *Positions) insertAt(s *Store, r *run, k int, i int32) {
	r.items = slices.Insert(r.items, k, i)
	r.visible = slices.Insert(r.visible, k, s.At(i).Visible())
	p.set(s, i, r)
	if s.At(i).Ref == codec.Format {
		r.Valid = false
	}
	if len(r.items) >= runMax {
		p.halve(s, r)
	}
}

func (p *Positions) halve(s *Store, r *run) {
	half := len(r.items) / 2
	sh := r.shelf
	n := newRun(sh, r.pos+1)
	n.items, n.visible = append(n.items, r.items[half:]...), append(n.visible, r.visible[half:]...)
	r.items, r.visible = r.items[:half], r.visible[:half]
	r.Valid = false
	if r.state == broken {
		r.doubt()
	}
	n.state = r.state
	var sum uint32
	for k, i := range n.items {
		p.set(s, i, n)
		sum += n.visible[k]
	}
	sh.sums[r.pos] -= sum
	sh.runs, sh.sums = slices.Insert(sh.runs, n.pos, n), slices.Insert(sh.sums, n.pos, sum)
	sh.number(n.pos)
	if len(sh.runs) >= shelfMax {
		p.halveShelf(sh)
	}
}

// number gives the runs from k on their positions.
func (sh *shelf) number(k int) {
	for ; k < len(sh.runs); k++ {
		sh.runs[k].pos = k
	}
}

func (p *Positions) halveShelf(sh *shelf) {
	half := len(sh.runs) / 2
	n := &shelf{pos: sh.pos + 1, runs: slices.Clone(sh.runs[half:]), sums: slices.Clone(sh.sums[half:])}
	clear(sh.runs[half:])
	sh.runs, sh.sums = sh.runs[:half], sh.sums[:half]
	if sh.state == broken {
		sh.state = unsure
	}
	n.state = sh.state
	n.number(0)
	var sum uint32
	for k, r := range n.runs {
		r.shelf = n
		sum += n.sums[k]
	}
	p.totals[sh.pos] -= sum
	p.shelves, p.totals = slices.Insert(p.shelves, n.pos, n), slices.Insert(p.totals, n.pos, sum)
	p.number(n.pos)
}

func (p *Positions) number(k int) {
	for ; k < len(p.shelves); k++ {
		p.shelves[k].pos = k
	}
}

// Linked takes in item i, which has been put into the list.
func (p *Positions) Linked(s *Store, i int32) {
	it := s.At(i)
	r, k := p.shelves[0].runs[0], 0
	if it.Left != None {
		r, k = p.place(it.Left)
		k++
	}
	r.doubt()
	p.doubtNext(r)
	// The length first: insertAt may halve the run.
	p.add(r, it.Visible())
	p.insertAt(s, r, k, i)
}

// Split takes in j, which was the right part of i.
func (p *Positions) Split(s *Store, i, j int32) {
	r, k := p.place(i)
	r.visible[k] = s.At(i).Visible()
	p.insertAt(s, r, k+1, j)
}

// Deleted takes note that i, still visible, is about to be deleted.
func (p *Positions) Deleted(s *Store, i int32) {
	r, k := p.place(i)
	p.add(r, -r.visible[k])
	r.visible[k] = 0
	if s.At(i).Ref == codec.Format {
		r.Valid = false
	}
}

// Extended takes note that i has become longer by n visible units.
func (p *Positions) Extended(i int32, n uint32) {
	r, k := p.place(i)
	r.visible[k] += n
	p.add(r, n)
}

// Merged takes out ri, which is about to become part of l.
func (p *Positions) Merged(l, ri int32) {
	r, k := p.place(ri)
	lr, lk := r, k-1
	if k == 0 {
		lr, lk = p.place(l)
	}
	v := r.visible[k]
	lr.visible[lk] += v
	if lr != r {
		p.add(r, -v)
		p.add(lr, v)
	}
	r.items, r.visible = slices.Delete(r.items, k, k+1), slices.Delete(r.visible, k, k+1)
	p.unset(ri)
	if len(r.items) == 0 {
		p.dropRun(r)
	}
}

// dropRun takes out a run that has become empty; it is never the only one.
func (p *Positions) dropRun(r *run) {
	sh := r.shelf
	sh.runs, sh.sums = slices.Delete(sh.runs, r.pos, r.pos+1), slices.Delete(sh.sums, r.pos, r.pos+1)
	sh.number(r.pos)
	if len(sh.runs) == 0 {
		p.shelves, p.totals = slices.Delete(p.shelves, sh.pos, sh.pos+1), slices.Delete(p.totals, sh.pos, sh.pos+1)
		p.number(sh.pos)
	}
}

// Find gives the run in which the unit before index ends, that is the first run
// with index <= end, or the last run, and the index at which it starts.
func (p *Positions) Find(index uint32) (r *run, start uint32) {
	k, start := reach(p.totals, 0, index)
	sh := p.shelves[k]
	k, start = reach(sh.sums, start, index)
	return sh.runs[k], start
}

// reach gives the first of several lengths that lie one after the other from start
// on whose end reaches index, or the last, and its start.
func reach(lengths []uint32, start, index uint32) (int, uint32) {
	last := len(lengths) - 1
	for k, n := range lengths[:last] {
		if start+n >= index {
			return k, start
		}
		start += n
	}
	return last, start
}

// Before gives the runs before r, in order.
func (p *Positions) Before(r *run) iter.Seq[*run] {
	return func(yield func(*run) bool) {
		for _, sh := range p.shelves {
			for _, x := range sh.runs {
				if x == r || !yield(x) {
					return
				}
			}
		}
	}
}

// Last is the last item of the sequence.
func (p *Positions) Last() int32 {
	sh := p.shelves[len(p.shelves)-1]
	r := sh.runs[len(sh.runs)-1]
	return r.items[len(r.items)-1]
}

// IndexOf is the index of the first unit of item i.
func (p *Positions) IndexOf(i int32) (index uint32) {
	r, k := p.place(i)
	for _, n := range p.totals[:r.shelf.pos] {
		index += n
	}
	for _, n := range r.shelf.sums[:r.pos] {
		index += n
	}
	for _, n := range r.visible[:k] {
		index += n
	}
	return index
}

// Refold computes the effect of the run's Format items: first the keys that are
// ended, then those that are set, in the order in which a map that forgets
// ended keys would hold them.
func (r *run) Refold(s *Store) {
	r.Fold, r.Valid = r.Fold[:0], true
	var sets []uint32
	for _, i := range r.items {
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
func (p *Positions) EndingAt(index uint32) (int32, uint32) {
	r, start := p.Find(index)
	k, start := reach(r.visible, start, index)
	return r.items[k], start
}
