package store

// A scanner finds the place of an item among concurrent ones. Sets of items are
// numbers: every item that is passed gets the next number, so that "passed in
// this scan" and "passed since left moved" are comparisons.
//
// Where many items share one origin (two clients that type at the same place,
// backwards), each new one would pass all the others again. A memo keeps what
// such a scan found: a prefix of the list after the origin that any later item
// of the same client passes to its end. Its items carry the memo's bit.
type scanner struct {
	seq   []uint32 // by item
	marks []uint8  // by item: the memos whose prefix it is in
	count uint32
	memos [8]*memo
	turn  int
}

// A memo is the prefix from first to last, after the origin, that items of one
// client with that origin pass.
type memo struct {
	parent, key int32
	originC     uint32
	originK     uint32
	client      uint32
	first, last int32
	items       []int32
	rights      map[IDKey]bool // right origins of siblings in it at which an equal item would stop
	nilRight    bool
}

// memoMin is the length of a scan that is worth a memo.
const memoMin = 64

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
	m := sc.memoFor(s, it, o)
	if m != nil {
		left = m.last
		o = s.At(left).Right
	}
	first, steps, stopped := o, 0, false
	for o != None && o != it.Right {
		steps++
		sc.count++
		sc.seq[o] = sc.count
		x := s.At(o)
		if s.sameOrigin(it, x) {
			if s.Clients[x.Client].ID < id {
				left = o
				cleared = sc.count + 1
			} else if s.sameRight(it, x) {
				stopped = true
				break
			}
		} else {
			if x.OriginC == NoClient {
				break
			}
			// Mostly the origin is what stands before.
			oi := x.Left
			if oi == None || s.At(oi).Client != x.OriginC || s.At(oi).End()-1 != x.OriginK {
				oi = s.ItemAt(x.OriginC, s.Find(x.OriginC, x.OriginK))
			}
			if q := sc.seq[oi]; q >= start {
				if q < cleared {
					left = o
					cleared = sc.count + 1
				}
			} else if m != nil && sc.marks[oi]&sc.bit(m) != 0 {
				left = o // an item of the prefix: passed, and not since left moved
				cleared = sc.count + 1
			} else {
				break
			}
		}
		o = x.Right
	}
	if steps >= memoMin && !stopped {
		sc.remember(s, it, m, first, left)
	}
	if sc.count > 1<<31 {
		clear(sc.seq)
		sc.count = 0
	}
	return left
}

func (sc *scanner) grow(s *Store) {
	n := len(s.chunks) * chunkSize
	if len(s.chunks) == 1 {
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

// memoFor finds the memo that an item may start behind.
func (sc *scanner) memoFor(s *Store, it *Item, o int32) *memo {
	for _, m := range sc.memos {
		if m == nil || m.client != it.Client || m.first != o || m.parent != it.Parent || m.key != it.Key ||
			m.originC != it.OriginC || m.originC != NoClient && m.originK != it.OriginK {
			continue
		}
		if it.Right != None && sc.marks[it.Right]&sc.bit(m) != 0 {
			return nil // its right end lies inside
		}
		if it.RightC == NoClient && m.nilRight || it.RightC != NoClient && m.rights[IDKey{it.RightC, it.RightK}] {
			return nil
		}
		return m
	}
	return nil
}

// remember makes or extends a memo after a long scan from first that moved left
// to its end.
func (sc *scanner) remember(s *Store, it *Item, m *memo, first, left int32) {
	if m == nil {
		if left == it.Left || left == None {
			return
		}
		sc.turn = (sc.turn + 1) % len(sc.memos)
		sc.drop(sc.turn)
		m = &memo{
			parent: it.Parent, key: it.Key, originC: it.OriginC, originK: it.OriginK, client: it.Client,
			first: first, last: None,
		}
		sc.memos[sc.turn] = m
	} else if left == m.last {
		return
	}
	id := s.Clients[it.Client].ID
	bit := sc.bit(m)
	for o := first; o != None; o = s.At(o).Right {
		x := s.At(o)
		sc.marks[o] |= bit
		m.items = append(m.items, o)
		if s.sameOrigin(it, x) && s.Clients[x.Client].ID >= id {
			m.stopAt(x)
		}
		if o == left {
			break
		}
	}
	m.last = left
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

// Linked keeps the memos right when item i has come into a list.
func (sc *scanner) Linked(s *Store, i int32) {
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
		sibling := it.OriginC == m.originC && (m.originC == NoClient || it.OriginK == m.originK)
		switch {
		case sibling:
			if s.Clients[it.Client].ID >= s.Clients[m.client].ID {
				m.stopAt(it)
			}
		case it.OriginC == NoClient:
			sc.drop(k)
			continue
		default:
			oi := s.ItemAt(it.OriginC, s.Find(it.OriginC, it.OriginK))
			if sc.marks[oi]&(1<<k) == 0 {
				sc.drop(k)
				continue
			}
		}
		if before {
			m.first = i
		}
		sc.marks[i] |= 1 << k
		sc.seq[i] = 0
		m.items = append(m.items, i)
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
