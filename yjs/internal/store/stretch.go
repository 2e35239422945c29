package store

// A long text of one client that has been cut in many places, by deleting single
// characters for instance, is one stretch: every item goes on where its left
// neighbour ends. Search markers stand at the start of a stretch. Runs and shelves
// of Positions note whether they belong to the stretch of what is before them.

// The states of a run or a shelf.
const (
	unsure = iota
	whole  // each item goes on from its left neighbour, the first one too
	broken
)

// The steps of a walk along a sequence after which its index is asked: to make one
// costs more than to ask it.
const (
	FarWalk  = 64
	NearWalk = 2
)

// Stretch goes from item p, which starts at index at, to the first item of its
// stretch.
func (s *Store) Stretch(t, p int32, at uint32) (first int32, start uint32) {
	for steps := 1; s.goesOn(p); steps++ {
		p = s.At(p).Left
		at -= s.At(p).Visible()
		if steps == FarWalk {
			if ps := s.Sequence(t); ps != nil {
				first, n := ps.stretch(s, p)
				return first, at - n
			}
		}
	}
	return p, at
}

// Near goes from item p, which starts at index at, to the right to the item in which
// index lies or ends, if it is behind at.
func (s *Store) Near(t, p int32, at, index uint32) (i int32, start uint32) {
	if index <= at {
		return p, at
	}
	most := FarWalk
	if s.Types[t].Indexed {
		most = NearWalk
	}
	for steps, x, start := 0, p, at; x != None; x = s.At(x).Right {
		v := s.At(x).Visible()
		if start+v >= index {
			return x, start
		}
		start += v
		if steps++; steps == most {
			if ps := s.Sequence(t); ps != nil {
				return ps.EndingAt(index)
			}
		}
	}
	return p, at
}

// goesOn tells whether an item begins where its left neighbour ends.
func (s *Store) goesOn(i int32) bool {
	it := s.At(i)
	if it.Left == None {
		return false
	}
	l := s.At(it.Left)
	return l.Client == it.Client && l.End() == it.Clock
}

func (r *run) whole(s *Store) bool {
	if r.state == unsure {
		r.state = whole
		for _, i := range r.items {
			if !s.goesOn(i) {
				r.state = broken
				break
			}
		}
	}
	return r.state == whole
}

func (sh *shelf) whole(s *Store) bool {
	if sh.state == unsure {
		sh.state = whole
		for _, r := range sh.runs {
			if !r.whole(s) {
				sh.state = broken
				break
			}
		}
	}
	return sh.state == whole
}

// doubt takes note that an item has come into a run.
func (r *run) doubt() { r.state, r.shelf.state = unsure, unsure }

// doubtNext takes note that what is left of the run after r has changed.
func (p *Positions) doubtNext(r *run) {
	if sh := r.shelf; r.pos+1 < len(sh.runs) {
		sh.runs[r.pos+1].doubt()
	} else if sh.pos+1 < len(p.shelves) {
		p.shelves[sh.pos+1].runs[0].doubt()
	}
}

// stretch gives the first item of the stretch that item i is in, and the visible
// length from there to i.
func (p *Positions) stretch(s *Store, i int32) (first int32, length uint32) {
	r, k := p.place(i)
	for {
		for ; k > 0; k-- {
			if !s.goesOn(r.items[k]) {
				return r.items[k], length
			}
			length += r.visible[k-1]
		}
		if !s.goesOn(r.items[0]) {
			return r.items[0], length
		}
		var passed uint32
		r, passed = p.firstOfWhole(s, r)
		length += passed
		// The run before r ends with the left neighbour of its first item.
		if !s.goesOn(r.items[0]) {
			return r.items[0], length
		}
		r = p.previous(r)
		k = len(r.items) - 1
		length += r.visible[k]
	}
}

// firstOfWhole goes left from run r as long as runs are whole, and gives the last of
// them, or r, and the visible length from its start to that of r.
func (p *Positions) firstOfWhole(s *Store, r *run) (*run, uint32) {
	var length uint32
	for {
		sh, k := r.shelf, r.pos
		for ; k > 0 && sh.runs[k-1].whole(s); k-- {
			length += sh.sums[k-1]
		}
		r = sh.runs[k]
		if k > 0 || sh.pos == 0 {
			return r, length
		}
		b := sh.pos
		for ; b > 0 && p.shelves[b-1].whole(s); b-- {
			length += p.totals[b-1]
		}
		r = p.shelves[b].runs[0]
		if b == 0 {
			return r, length
		}
		last := p.previous(r)
		if !last.whole(s) {
			return r, length
		}
		length += last.shelf.sums[last.pos]
		r = last
	}
}

// previous is the run before r, which is not the first.
func (p *Positions) previous(r *run) *run {
	sh := r.shelf
	if r.pos > 0 {
		return sh.runs[r.pos-1]
	}
	sh = p.shelves[sh.pos-1]
	return sh.runs[len(sh.runs)-1]
}
