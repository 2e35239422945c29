package yjs

import (
	"math"

	"github.com/starling-rt/starling/yjs/internal/store"
)

// Yjs finds the place of an index from up to 80 remembered places ("search
// markers"). Where deleted items lie at the index, which neighbour a new item
// gets depends on the marker that was used. Local edits are to give the same
// bytes as in Yjs, so the markers are kept here as they are there; long ways
// between a marker and the index are cut short by positions.

const (
	maxMarkers = 80
	farWalk    = store.FarWalk  // steps after which positions is asked
	nearWalk   = store.NearWalk // and after which, when the sequence has an index already
)

// A marker is a place: an item and the index at which it starts.
type marker struct {
	item  int32
	index uint32
}

// markers are those of one sequence, field by field: finding the nearest and
// moving all of them are loops over small integers.
//
// In Yjs every item has a flag that says that a marker stands on it; it decides
// which markers go when their items are deleted. Before every insertion Yjs looks
// at all markers. Here check notes those at which it would find something: whose
// item is invisible, or lacks the flag.
type markers struct {
	t       int32
	items   []int32
	indexes []uint32
	used    []uint32
	check   []bool
	checks  int  // how many of check may be set: none if 0
	off     bool // the text has had formatting: Yjs walks from the start
}

func (ms *markers) clear() {
	ms.items, ms.indexes, ms.used, ms.check, ms.checks = ms.items[:0], ms.indexes[:0], ms.used[:0], ms.check[:0], 0
}

func (ms *markers) remove(k int) {
	ms.items = append(ms.items[:k], ms.items[k+1:]...)
	ms.indexes = append(ms.indexes[:k], ms.indexes[k+1:]...)
	ms.used = append(ms.used[:k], ms.used[k+1:]...)
	ms.check = append(ms.check[:k], ms.check[k+1:]...)
}

// nearest is the marker that is nearest to index, of several the last; -1 for none.
func (ms *markers) nearest(index uint32) int {
	best, least := -1, uint32(math.MaxUint32)
	for k, x := range ms.indexes {
		if far := absDiff(x, index); far <= least {
			best, least = k, far
		}
	}
	return best
}

// look has all markers on an item looked at before the next insertion.
func (ms *markers) look(item int32) {
	for k, x := range ms.items {
		if x == item {
			ms.check[k] = true
			ms.checks++
		}
	}
}

// place puts marker k onto an item.
func (ms *markers) place(s *store.Store, k int, p int32, at, clock uint32) {
	if old := ms.items[k]; old != p {
		s.At(old).Flags &^= store.FlagMarker
		ms.look(old) // others there have lost their flag
	}
	it := s.At(p)
	it.Flags |= store.FlagMarker
	ms.items[k], ms.indexes[k], ms.used[k] = p, at, clock
	if ms.check[k] = it.Visible() == 0; ms.check[k] {
		ms.checks++
	}
}

// settle moves the markers that stand on invisible items to the left, and drops
// those that come to another.
func (ms *markers) settle(s *store.Store) {
	for k := len(ms.items) - 1; k >= 0; k-- {
		if !ms.check[k] {
			continue
		}
		p := ms.items[k]
		s.At(p).Flags &^= store.FlagMarker
		for p != store.None && s.At(p).Visible() == 0 {
			if p = s.At(p).Left; p != store.None {
				ms.indexes[k] -= s.At(p).Visible()
			}
		}
		if p == store.None || s.At(p).Flags&store.FlagMarker != 0 {
			ms.remove(k)
			continue
		}
		ms.items[k], ms.check[k] = p, false
		s.At(p).Flags |= store.FlagMarker
	}
	ms.checks = 0
}

// marksOf gives the markers that there are of a sequence, or nil.
func (d *Doc) marksOf(t int32) *markers {
	if m := d.lastMarks; m != nil && m.t == t {
		return m
	}
	m := d.marks[t]
	if m != nil {
		d.lastMarks = m
	}
	return m
}

// dropMarks forgets the markers of a sequence that is collected.
func (d *Doc) dropMarks(t int32) {
	delete(d.marks, t)
	d.lastMarks = nil
}

// markersOf gives the markers of an Array or Text, or nil.
func (d *Doc) markersOf(t int32) *markers {
	if k := d.s.Types[t].Kind; k != store.KindArray && k != store.KindText && k != store.KindXMLText {
		return nil
	}
	m := d.marksOf(t)
	if m == nil {
		if d.marks == nil {
			d.marks = make(map[int32]*markers)
		}
		m = &markers{t: t}
		d.marks[t] = m
	}
	if m.off || d.s.Types[t].Formats {
		*m = markers{t: t, off: true}
		return nil
	}
	return m
}

// findMarker gives a place at or before index, or false when the walk must
// begin at the start.
func (d *Doc) findMarker(t int32, index uint32) (marker, bool) {
	s := &d.s
	if s.Types[t].Start == store.None || index == 0 {
		return marker{}, false
	}
	ms := d.markersOf(t)
	if ms == nil {
		return marker{}, false
	}
	best := ms.nearest(index)
	p, at := s.Types[t].Start, uint32(0)
	d.markClock++
	if best >= 0 {
		p, at = ms.items[best], ms.indexes[best]
		ms.used[best] = d.markClock
	}
	p, at = d.walk(t, p, at, index)
	p, at = s.Stretch(t, p, at)
	d.markClock++
	switch {
	case best >= 0 && absDiff(ms.indexes[best], at)*maxMarkers < s.Types[t].Length:
		ms.place(s, best, p, at, d.markClock)
	case len(ms.items) < maxMarkers:
		k := len(ms.items)
		ms.items, ms.indexes = append(ms.items, p), append(ms.indexes, at)
		ms.used, ms.check = append(ms.used, d.markClock), append(ms.check, false)
		ms.place(s, k, p, at, d.markClock)
	default:
		old := 0
		for k, x := range ms.used {
			if x < ms.used[old] {
				old = k
			}
		}
		ms.place(s, old, p, at, d.markClock)
	}
	return marker{p, at}, true
}

// walk goes from item p, which starts at index at, to the item at index.
func (d *Doc) walk(t, p int32, at, index uint32) (int32, uint32) {
	s := &d.s
	steps, most := 0, farWalk
	if s.Types[t].Indexed {
		most = nearWalk
	}
	for at < index {
		it := s.At(p)
		if it.Right == store.None {
			return p, at
		}
		if n := it.Visible(); n > 0 {
			if index < at+n {
				return p, at
			}
			at += n
		}
		p = it.Right
		if steps++; steps == most && at < index {
			if ps := d.s.Sequence(t); ps != nil {
				return d.jumpRight(ps, index)
			}
		}
	}
	for at > index && s.At(p).Left != store.None {
		p = s.At(p).Left
		at -= s.At(p).Visible()
		if steps++; steps == most && at > index {
			if ps := d.s.Sequence(t); ps != nil {
				return d.jumpLeft(ps, index)
			}
		}
	}
	return p, at
}

// jumpRight is where a walk from the left to index ends: in the item that has
// index inside, or after the one that ends there.
func (d *Doc) jumpRight(ps *store.Positions, index uint32) (int32, uint32) {
	s := &d.s
	i, start := ps.EndingAt(index)
	if n := s.At(i).Visible(); index < start+n || s.At(i).Right == store.None {
		return i, start
	}
	return s.At(i).Right, index
}

// jumpLeft is where a walk from the right to index ends: in the visible item
// that holds the unit after index.
func (d *Doc) jumpLeft(ps *store.Positions, index uint32) (int32, uint32) {
	return ps.EndingAt(index + 1)
}

// moveMarkers keeps the markers right after n units were put in or, when n is
// negative, taken out at index.
func (d *Doc) moveMarkers(t int32, index uint32, n int) {
	ms := d.marksOf(t)
	if ms == nil || ms.off || d.s.Types[t].Formats {
		return
	}
	if n > 0 && ms.checks > 0 {
		ms.settle(&d.s)
	}
	indexes := ms.indexes // written in any case: that takes no branch, which could not be foreseen
	if n >= 0 {
		by := uint32(n)
		for k, x := range indexes {
			if x >= index {
				x += by
			}
			indexes[k] = x
		}
		return
	}
	by := uint32(-n)
	for k, x := range indexes {
		if x > index {
			x -= min(by, x-index)
		}
		indexes[k] = x
	}
}

// mergedMarkers keeps the markers right when r is about to become part of l.
func (d *Doc) mergedMarkers(t, l, r int32) {
	ms := d.marksOf(t)
	if ms == nil || ms.checks == 0 && d.s.At(r).Flags&store.FlagMarker == 0 {
		return
	}
	v := d.s.At(l).Visible()
	for k, x := range ms.items {
		if x == r {
			ms.items[k] = l
			ms.indexes[k] -= v
			ms.check[k] = true
			ms.checks++
		}
	}
}

func absDiff(a, b uint32) uint32 { return max(a, b) - min(a, b) }
