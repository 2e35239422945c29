package store

import "slices"

// memos keep what long scans found, for later items of the same client with the
// same origin: a stretch of the list that moves their left neighbour to its end,
// and after it a stretch that does not move it at all.
//
// An item may be in the stretches of several memos. They lie in layers, in each of
// which it is in one at most.
type memos struct {
	all    []*memo    // by number; number 0 is none
	layers [][]uint16 // by item: the number of its memo
	turn   int
}

const (
	maxMemos  = 1024
	maxLayers = 8
)

// A memo is the stretch from first to last. It begins after the origin or, for
// one that stays, possibly after another that moves.
type memo struct {
	number      uint16
	layer       uint8
	stay        bool // passing it does not move left; all its items conflict
	nilRight    bool // as rights, for none
	parent, key int32
	originC     uint32
	originK     uint32
	client      uint32
	first, last int32
	rights      map[IDKey]bool // right origins of siblings in it at which an equal item would stop
	items       []int32        // all in the stretch, and some that have left it
	live        int            // how many are in it
}

// at is the memo in whose stretch an item is, or nil.
func (ms *memos) at(layer int, i int32) *memo {
	if l := ms.layers[layer]; i != None && int(i) < len(l) {
		return ms.all[l[i]]
	}
	return nil
}

func (ms *memos) has(m *memo, i int32) bool { return ms.at(int(m.layer), i) == m }

// put takes an item into a memo's stretch, and out of that of another in its layer.
func (ms *memos) put(m *memo, i int32) {
	l := ms.layers[m.layer]
	if n := int(i) + 1 - len(l); n > 0 {
		l = append(l, make([]uint16, n)...)
		ms.layers[m.layer] = l
	}
	if l[i] != 0 && l[i] != m.number {
		ms.drop(ms.all[l[i]])
	}
	l[i] = m.number
	m.items = append(m.items, i)
	m.live++
}

// take takes an item out of a memo's stretch.
func (ms *memos) take(m *memo, i int32) {
	ms.layers[m.layer][i] = 0
	if m.live--; len(m.items) > 2*m.live+1024 {
		ms.drop(m) // items come and go: to find it out again costs less than to keep it
	}
}

// drop forgets a memo.
func (ms *memos) drop(m *memo) {
	l := ms.layers[m.layer]
	for _, i := range m.items {
		if l[i] == m.number {
			l[i] = 0
		}
	}
	ms.all[m.number] = nil
}

// Forget drops all memos.
func (ms *memos) Forget() { *ms = memos{} }

// find gives the memo for an item whose stretch begins at o, or nil.
func (ms *memos) find(it *Item, o int32, stay bool) *memo {
	for l := range ms.layers {
		m := ms.at(l, o)
		if m != nil && m.first == o && m.stay == stay && m.client == it.Client && m.parent == it.Parent && m.key == it.Key && m.sibling(it) {
			return m
		}
	}
	return nil
}

// add makes a memo whose stretch, still empty, begins at first. The memo keep, whose
// stretch ends before, is not given up for it.
func (ms *memos) add(it *Item, first int32, stay bool, keep *memo) *memo {
	if len(ms.all) == 0 {
		ms.all = []*memo{nil}
	}
	layer := 0
	for layer < len(ms.layers) && ms.at(layer, first) != nil {
		layer++
	}
	ms.turn++
	switch {
	case layer == maxLayers:
		layer = ms.turn % maxLayers
	case layer == len(ms.layers):
		ms.layers = append(ms.layers, nil)
	}
	number := len(ms.all)
	if number < maxMemos {
		ms.all = append(ms.all, nil)
	} else {
		number = 1 + ms.turn%(maxMemos-1)
		if keep != nil && number == int(keep.number) {
			number = 1 + number%(maxMemos-1)
		}
		if m := ms.all[number]; m != nil {
			ms.drop(m)
		}
	}
	m := &memo{
		number: uint16(number), layer: uint8(layer), stay: stay, parent: it.Parent, key: it.Key,
		originC: it.OriginC, originK: it.OriginK, client: it.Client, first: first, last: None,
	}
	ms.all[number] = m
	return m
}

// skip goes behind the stretches that memos know. ends says that the scan would
// have ended in one of them.
func (ms *memos) skip(s *Store, it *Item, left, o *int32) (moves, stays *memo, ends bool) {
	if m := ms.find(it, *o, false); m != nil && !ms.stopsIn(m, it) {
		moves = m
		*left = m.last
		*o = s.At(m.last).Right
	}
	if *o == None || *o == it.Right {
		return moves, nil, true
	}
	if m := ms.find(it, *o, true); m != nil {
		if ms.stopsIn(m, it) {
			return moves, m, true
		}
		stays = m
		*o = s.At(m.last).Right
	}
	return moves, stays, false
}

// stopsIn tells whether a scan would end within a memo's stretch.
func (ms *memos) stopsIn(m *memo, it *Item) bool {
	if ms.has(m, it.Right) {
		return true
	}
	if it.RightC == NoClient {
		return m.nilRight
	}
	return m.rights[IDKey{it.RightC, it.RightK}]
}

// remember makes or extends a memo after a long scan from first to last, which
// moved left or did not.
func (ms *memos) remember(s *Store, it *Item, moves, stays *memo, first, last, left int32, moved bool) {
	switch {
	case moved:
		if stays != nil {
			first = stays.first // what was in conflict is passed now
			ms.drop(stays)
		}
		if moves == nil {
			moves = ms.add(it, first, false, nil)
		}
		ms.extend(s, moves, first, left)
	case stays != nil:
		ms.extend(s, stays, first, last)
	default:
		ms.extend(s, ms.add(it, first, true, moves), first, last)
	}
}

// extend adds the items from first to last to a memo's stretch.
func (ms *memos) extend(s *Store, m *memo, first, last int32) {
	id := s.Clients[m.client].ID
	for o := first; o != None; o = s.At(o).Right {
		x := s.At(o)
		ms.put(m, o)
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

// Linked keeps the memos right when item i has come into a list. odd says that
// its origin may stand after it, as a forged right origin can bring about.
func (ms *memos) Linked(s *Store, i int32, odd bool) {
	for l := range ms.layers {
		it := s.At(i)
		m := ms.at(l, it.Left)
		inside := m != nil && it.Left != m.last
		if !inside {
			if m = ms.at(l, it.Right); m == nil || it.Right != m.first {
				continue
			}
		}
		switch {
		case ms.fits(s, m, it, odd):
			if !inside {
				m.first = i
			}
			ms.put(m, i)
		case inside:
			ms.drop(m)
		}
	}
}

// fits tells whether an item that stands in a memo's stretch, or before its first, may
// be part of it.
func (ms *memos) fits(s *Store, m *memo, it *Item, odd bool) bool {
	if !m.sibling(it) {
		return !odd && it.OriginC != NoClient && ms.has(m, s.originOf(it))
	}
	higher := s.Clients[it.Client].ID >= s.Clients[m.client].ID
	if higher {
		m.stopAt(it)
	}
	return higher || !m.stay
}

// Split keeps the memos right when j has become the right half of i.
func (ms *memos) Split(i, j int32) {
	for l := range ms.layers {
		if m := ms.at(l, i); m != nil {
			ms.put(m, j)
			if m.last == i {
				m.last = j
			}
		}
	}
}

// Merged keeps the memos right when r is about to become part of l.
func (ms *memos) Merged(l, r int32) {
	for x := range ms.layers {
		a, b := ms.at(x, l), ms.at(x, r)
		switch {
		case b != nil && a == b && b.first != r:
			if b.last == r {
				b.last = l
			}
			ms.take(b, r)
		default:
			// The border of a stretch would be inside an item.
			for _, m := range slices.Compact([]*memo{a, b}) {
				if m != nil {
					ms.drop(m)
				}
			}
		}
	}
}
