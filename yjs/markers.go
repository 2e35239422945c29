package yjs

import "github.com/starling-rt/starling/yjs/internal/store"

// Yjs finds the place of an index from up to 80 remembered places ("search
// markers"). Where deleted items lie at the index, which neighbour a new item
// gets depends on the marker that was used. Local edits are to give the same
// bytes as in Yjs, so the markers are kept here as they are there; long ways
// between a marker and the index are cut short by positions.

const (
	maxMarkers = 80
	farWalk    = 64 // steps after which positions is asked
)

type marker struct {
	item  int32
	index uint32
	used  uint32
}

// markers are those of one sequence.
type markers struct {
	list []marker
	off  bool // the text has had formatting: Yjs walks from the start
	// stale says that a marker may stand on an invisible item, or on one whose flag
	// is not set; otherwise moving is nothing but arithmetic.
	stale bool
}

// markersOf gives the markers of an Array or Text, or nil.
func (d *Doc) markersOf(t int32) *markers {
	if k := d.s.Types[t].Kind; k != store.KindArray && k != store.KindText && k != store.KindXMLText {
		return nil
	}
	m := d.marks[t]
	if m == nil {
		if d.marks == nil {
			d.marks = make(map[int32]*markers)
		}
		m = &markers{}
		d.marks[t] = m
	}
	if m.off || d.s.Types[t].Formats {
		m.off, m.list = true, nil
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
	best := -1
	var dist uint32
	for k := range ms.list {
		if x := absDiff(index, ms.list[k].index); best < 0 || x <= dist {
			best, dist = k, x
		}
	}
	p, at := s.Types[t].Start, uint32(0)
	d.markClock++
	if best >= 0 {
		p, at = ms.list[best].item, ms.list[best].index
		ms.list[best].used = d.markClock
	}
	p, at = d.walk(t, p, at, index)
	for {
		l := s.At(p).Left
		if l == store.None || s.At(l).Client != s.At(p).Client || s.At(l).End() != s.At(p).Clock {
			break
		}
		p = l
		at -= s.At(p).Visible()
	}
	d.markClock++
	if best >= 0 && absDiff(ms.list[best].index, at)*maxMarkers < s.Types[t].Length {
		m := &ms.list[best]
		s.At(m.item).Flags &^= store.FlagMarker
		*m = marker{p, at, d.markClock}
		s.At(p).Flags |= store.FlagMarker
		ms.stale = true
		return *m, true
	}
	return d.mark(ms, p, at), true
}

func (d *Doc) mark(ms *markers, p int32, at uint32) marker {
	s := &d.s
	m := marker{p, at, d.markClock}
	ms.stale = true
	if len(ms.list) < maxMarkers {
		ms.list = append(ms.list, m)
		s.At(p).Flags |= store.FlagMarker
		return m
	}
	old := 0
	for k := range ms.list {
		if ms.list[k].used < ms.list[old].used {
			old = k
		}
	}
	s.At(ms.list[old].item).Flags &^= store.FlagMarker
	s.At(p).Flags |= store.FlagMarker
	ms.list[old] = m
	return m
}

// walk goes from item p, which starts at index at, to the item at index.
func (d *Doc) walk(t, p int32, at, index uint32) (int32, uint32) {
	s := &d.s
	steps := 0
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
		if steps++; steps == farWalk && at < index {
			if ps := d.s.Sequence(t); ps != nil {
				return d.jumpRight(ps, index)
			}
		}
	}
	for at > index && s.At(p).Left != store.None {
		p = s.At(p).Left
		at -= s.At(p).Visible()
		if steps++; steps == farWalk && at > index {
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
	i, start := ps.EndingAt(s, index)
	if n := s.At(i).Visible(); index < start+n || s.At(i).Right == store.None {
		return i, start
	}
	return s.At(i).Right, index
}

// jumpLeft is where a walk from the right to index ends: in the visible item
// that holds the unit after index.
func (d *Doc) jumpLeft(ps *store.Positions, index uint32) (int32, uint32) {
	return ps.EndingAt(&d.s, index+1)
}

// moveMarkers keeps the markers right after n units were put in or, when n is
// negative, taken out at index.
func (d *Doc) moveMarkers(t int32, index uint32, n int) {
	ms := d.marks[t]
	if ms == nil || ms.off || d.s.Types[t].Formats {
		return
	}
	s := &d.s
	check := n > 0 && ms.stale
	for k := len(ms.list) - 1; k >= 0; k-- {
		m := &ms.list[k]
		if check {
			p := m.item
			s.At(p).Flags &^= store.FlagMarker
			for p != store.None && s.At(p).Visible() == 0 {
				if p = s.At(p).Left; p != store.None {
					m.index -= s.At(p).Visible()
				}
			}
			if p == store.None || s.At(p).Flags&store.FlagMarker != 0 {
				ms.list = append(ms.list[:k], ms.list[k+1:]...)
				continue
			}
			m.item = p
			s.At(p).Flags |= store.FlagMarker
		}
		if index < m.index || n > 0 && index == m.index {
			m.index = uint32(max(int64(index), int64(m.index)+int64(n)))
		}
	}
	if check {
		ms.stale = false
	}
}

// mergedMarkers keeps the markers right when r is about to become part of l.
func (d *Doc) mergedMarkers(t, l, r int32) {
	ms := d.marks[t]
	if ms == nil {
		return
	}
	v := d.s.At(l).Visible()
	for k := range ms.list {
		if m := &ms.list[k]; m.item == r {
			m.item = l
			m.index -= v
			ms.stale = true
		}
	}
}

func absDiff(a, b uint32) uint32 {
	if a > b {
		return a - b
	}
	return b - a
}
