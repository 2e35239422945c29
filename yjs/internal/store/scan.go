package store

import "cmp"

// A scanner finds the place of an item among concurrent ones. Sets of items are
// numbers: every item that is passed gets the next number, so that "passed in
// this scan" and "passed since left moved" are comparisons.
//
// Where many items share one origin (two clients that type at the same place,
// backwards), each new one would pass all the others again: see memos.
type scanner struct {
	// MemoMin is the length of a scan that is worth a memo; 0 means 64. Tests lower it.
	MemoMin int

	seq   []uint32 // by item
	count uint32
	memos
}

func (s *Store) sameOrigin(a, b *Item) bool {
	return a.OriginC == b.OriginC && (a.OriginC == NoClient || a.OriginK == b.OriginK)
}

func (s *Store) sameRight(a, b *Item) bool {
	return a.RightC == b.RightC && (a.RightC == NoClient || a.RightK == b.RightK)
}

// Place finds the left neighbour of an item that is not in the list yet.
func (s *Store) Place(it *Item) int32 {
	sc := &s.Scan
	left := it.Left
	o := s.Head(it.Parent, it.Key)
	if left != None {
		o = s.At(left).Right
	}
	if o == None || o == it.Right {
		return left
	}
	sc.grow(s)
	id := s.Clients[it.Client].ID
	start := sc.count + 1
	cleared := start
	moves, stays, ends := sc.skip(s, it, &left, &o)
	if ends {
		return left
	}
	first, last, steps := o, None, 0
scan:
	for o != None && o != it.Right {
		x := s.At(o)
		sc.count++
		sc.seq[o] = sc.count
		if s.sameOrigin(it, x) {
			if s.Clients[x.Client].ID < id {
				left = o
				cleared = sc.count + 1
			} else if s.sameRight(it, x) {
				break
			}
		} else {
			if x.OriginC == NoClient {
				break
			}
			oi := s.originOf(x)
			passed := false // and not in conflict
			switch q := sc.seq[oi]; {
			case q >= start:
				passed = q < cleared
			case moves != nil && sc.has(moves, oi):
				passed = true
			case stays != nil && sc.has(stays, oi):
				passed = cleared > start
			default:
				break scan
			}
			if passed {
				left = o
				cleared = sc.count + 1
			}
		}
		steps++
		last = o
		o = x.Right
	}
	if steps >= cmp.Or(sc.MemoMin, 64) {
		sc.remember(s, it, moves, stays, first, last, left, cleared > start)
	}
	if sc.count > 1<<31 {
		clear(sc.seq)
		sc.count = 0
	}
	return left
}

// originOf is the item that holds an item's origin; mostly it stands before.
func (s *Store) originOf(x *Item) int32 {
	if l := x.Left; l != None && s.At(l).Client == x.OriginC && s.At(l).End()-1 == x.OriginK {
		return l
	}
	return s.ItemAt(x.OriginC, s.Find(x.OriginC, x.OriginK))
}

func (sc *scanner) grow(s *Store) {
	n := len(s.chunks) * chunkSize
	if len(s.chunks) == 1 && s.chunks[0] != nil {
		n = cap(s.chunks[0])
	}
	if len(sc.seq) < n {
		sc.seq = append(sc.seq, make([]uint32, n-len(sc.seq))...)
	}
}
