package store

import "cmp"

// A scanner finds the place of an item among concurrent ones. Sets of items are
// numbers: every item that is passed gets the next number, so that "passed in
// this scan" and "passed since left moved" are comparisons.
//
// Where many items share one origin (two clients that type at the same place,
// backwards), each new one would pass all the others again. Memos keep what such
// a scan found, for later items of the same client with the same origin: a
// stretch of the list that moves their left neighbour to its end, and after it a
// stretch that does not move it at all. Their items carry the memo's bit.
type scanner struct {
	// MemoMin is the length of a scan that is worth a memo; 0 means 64. Tests lower it.
	MemoMin int

	seq   []uint32 // by item
	marks []uint8  // by item: the memos in whose stretch it is
	count uint32
	memos [8]*memo
	turn  int
}

// A memo is the stretch from first to last. It begins after the origin or, for
// one that stays, possibly after another that moves.
type memo struct {
	stay        bool // passing it does not move left; all its items conflict
	parent, key int32
	originC     uint32
	originK     uint32
	client      uint32
	first, last int32
	items       []int32
	rights      map[IDKey]bool // right origins of siblings in it at which an equal item would stop
	nilRight    bool
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
			case moves != nil && sc.marks[oi]&sc.bit(moves) != 0:
				passed = true
			case stays != nil && sc.marks[oi]&sc.bit(stays) != 0:
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
		sc.marks = append(sc.marks, make([]uint8, n-len(sc.marks))...)
	}
}

func (sc *scanner) bit(m *memo) uint8 {
	for i := range sc.memos {
		if sc.memos[i] == m {
			return 1 << i
		}
	}
	return 0
}

// skip goes behind the stretches that memos know. ends says that the scan would
// have ended in one of them.
func (sc *scanner) skip(s *Store, it *Item, left, o *int32) (moves, stays *memo, ends bool) {
	if m := sc.memoFor(it, *o, false); m != nil && !sc.stopsIn(m, it) {
		moves = m
		*left = m.last
		*o = s.At(m.last).Right
	}
	if *o == None || *o == it.Right {
		return moves, nil, true
	}
	if m := sc.memoFor(it, *o, true); m != nil {
		if sc.stopsIn(m, it) {
			return moves, m, true
		}
		stays = m
		*o = s.At(m.last).Right
	}
	return moves, stays, false
}

// memoFor finds the memo whose stretch begins at o.
func (sc *scanner) memoFor(it *Item, o int32, stay bool) *memo {
	for _, m := range sc.memos {
		if m != nil && m.stay == stay && m.client == it.Client && m.first == o && m.parent == it.Parent && m.key == it.Key &&
			m.originC == it.OriginC && (m.originC == NoClient || m.originK == it.OriginK) {
			return m
		}
	}
	return nil
}

// stopsIn tells whether a scan would end within a memo's stretch.
func (sc *scanner) stopsIn(m *memo, it *Item) bool {
	if it.Right != None && sc.marks[it.Right]&sc.bit(m) != 0 {
		return true
	}
	if it.RightC == NoClient {
		return m.nilRight
	}
	return m.rights[IDKey{it.RightC, it.RightK}]
}

// remember makes or extends a memo after a long scan from first to last, which
// moved left or did not.
func (sc *scanner) remember(s *Store, it *Item, moves, stays *memo, first, last, left int32, moved bool) {
	switch {
	case moved:
		if stays != nil {
			first = stays.first // what was in conflict is passed now
			sc.dropMemo(stays)
		}
		if moves == nil {
			moves = sc.add(it, first, false, nil)
		}
		sc.extend(s, moves, first, left)
	case stays != nil:
		sc.extend(s, stays, first, last)
	default:
		sc.extend(s, sc.add(it, first, true, moves), first, last)
	}
}

// add makes an empty memo in the place of another, but not of keep.
func (sc *scanner) add(it *Item, first int32, stay bool, keep *memo) *memo {
	sc.turn = (sc.turn + 1) % len(sc.memos)
	if keep != nil && sc.memos[sc.turn] == keep {
		sc.turn = (sc.turn + 1) % len(sc.memos)
	}
	sc.drop(sc.turn)
	m := &memo{
		stay: stay, parent: it.Parent, key: it.Key, originC: it.OriginC, originK: it.OriginK, client: it.Client,
		first: first, last: None,
	}
	sc.memos[sc.turn] = m
	return m
}

// extend adds the items from first to last to a memo's stretch.
func (sc *scanner) extend(s *Store, m *memo, first, last int32) {
	id := s.Clients[m.client].ID
	bit := sc.bit(m)
	for o := first; o != None; o = s.At(o).Right {
		x := s.At(o)
		sc.marks[o] |= bit
		m.items = append(m.items, o)
		if m.sibling(x) && s.Clients[x.Client].ID >= id {
			m.stopAt(x)
		}
		if o == last {
			break
		}
	}
	m.last = last
}

// sibling tells whether an item has the memo's origin.
func (m *memo) sibling(x *Item) bool {
	return x.OriginC == m.originC && (m.originC == NoClient || x.OriginK == m.originK)
}

func (m *memo) stopAt(x *Item) {
	if x.RightC == NoClient {
		m.nilRight = true
		return
	}
	if m.rights == nil {
		m.rights = make(map[IDKey]bool)
	}
	m.rights[IDKey{x.RightC, x.RightK}] = true
}

// drop forgets memo k.
func (sc *scanner) drop(k int) {
	m := sc.memos[k]
	if m == nil {
		return
	}
	for _, i := range m.items {
		sc.marks[i] &^= 1 << k
	}
	sc.memos[k] = nil
}

// Forget drops all memos.
func (sc *scanner) Forget(*Store) {
	for k := range sc.memos {
		sc.drop(k)
	}
}

// dropMemo forgets a memo.
func (sc *scanner) dropMemo(m *memo) {
	for k := range sc.memos {
		if sc.memos[k] == m {
			sc.drop(k)
		}
	}
}

// Linked keeps the memos right when item i has come into a list. odd says that
// its origin may stand after it, as a forged right origin can bring about.
func (sc *scanner) Linked(s *Store, i int32, odd bool) {
	for k, m := range sc.memos {
		if m == nil {
			continue
		}
		it := s.At(i)
		inside := it.Left != None && it.Left < int32(len(sc.marks)) && sc.marks[it.Left]&(1<<k) != 0 && it.Left != m.last
		before := it.Right != None && it.Right == m.first
		if !inside && !before {
			continue
		}
		sc.grow(s)
		fits := false
		if m.sibling(it) {
			higher := s.Clients[it.Client].ID >= s.Clients[m.client].ID
			if fits = higher || !m.stay; fits && higher {
				m.stopAt(it)
			}
		} else {
			fits = !odd && it.OriginC != NoClient && sc.marks[s.originOf(it)]&(1<<k) != 0
		}
		switch {
		case fits:
			if before {
				m.first = i
			}
			sc.marks[i] |= 1 << k
			sc.seq[i] = 0
			m.items = append(m.items, i)
		case inside:
			sc.drop(k)
		}
	}
}

// Split keeps the memos right when j has become the right half of i.
func (sc *scanner) Split(s *Store, i, j int32) {
	if int(i) >= len(sc.marks) {
		return
	}
	sc.grow(s)
	sc.seq[j] = sc.seq[i]
	if sc.marks[i] == 0 {
		return
	}
	for k, m := range sc.memos {
		if m == nil || sc.marks[i]&(1<<k) == 0 {
			continue
		}
		sc.marks[j] |= 1 << k
		m.items = append(m.items, j)
		if m.last == i {
			m.last = j
		}
	}
}

// Merged keeps the memos right when r is about to become part of l.
func (sc *scanner) Merged(s *Store, l, r int32) {
	if int(r) >= len(sc.marks) || int(l) >= len(sc.marks) {
		return
	}
	both := sc.marks[l] | sc.marks[r]
	if both == 0 {
		return
	}
	for k, m := range sc.memos {
		if m == nil || both&(1<<k) == 0 {
			continue
		}
		// One of them outside: the border of the prefix would be inside an item.
		if sc.marks[l]&sc.marks[r]&(1<<k) == 0 || m.first == r {
			sc.drop(k)
			continue
		}
		if m.last == r {
			m.last = l
		}
		sc.marks[r] &^= 1 << k
	}
}
