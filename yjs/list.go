package yjs

import (
	"iter"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// Array is a shared array.
type Array struct{ handle }

// NewArray makes an array to be put into another type. It can be edited once it
// is part of a document.
func NewArray(c ...Content) *Array {
	return &Array{handle{kind: store.KindArray, pre: &prelim{children: c}}}
}

// Insert puts content at an index, 0 ≤ index ≤ Len. Values that follow one
// another are stored as one run. Undefined and BigInt are for maps only:
// ErrValue.
func (a *Array) Insert(index int, c ...Content) error { return a.insert(index, c) }

// Append puts content at the end.
func (a *Array) Append(c ...Content) error {
	for _, x := range c {
		if err := check(x, false, 0); err != nil {
			return err
		}
	}
	return a.edit(func() error {
		if err := a.d.room(len(c)); err != nil {
			return err
		}
		last := store.None
		if ms := a.d.markersOf(a.t); ms != nil {
			best := uint32(0)
			for k, x := range ms.indexes {
				if x > best {
					last, best = ms.items[k], x
				}
			}
		}
		if last == store.None {
			last = a.d.s.Types[a.t].Start
			if ps := a.d.s.Sequence(a.t); ps != nil {
				last = ps.Last()
			}
		}
		for last != store.None && a.d.s.At(last).Right != store.None {
			last = a.d.s.At(last).Right
		}
		a.d.insertAfter(a.t, last, c)
		return nil
	})
}

// Delete removes n elements from index on.
func (a *Array) Delete(index, n int) error { return a.remove(index, n) }

// At is the element at an index, or an undefined Value.
func (a *Array) At(index int) Content { return a.element(index) }

// All gives indexes and elements.
func (a *Array) All() iter.Seq2[int, Content] { return a.elements() }

func (h *handle) insert(index int, c []Content) error {
	for _, x := range c {
		if err := check(x, false, 0); err != nil {
			return err
		}
	}
	if h.alive() && (index < 0 || index > h.Len()) {
		return ErrRange
	}
	return h.edit(func() error {
		if err := h.d.room(len(c)); err != nil {
			return err
		}
		ref := store.None
		if index > 0 {
			ref = h.d.refBefore(h.t, uint32(index))
		}
		h.d.moveMarkers(h.t, uint32(index), len(c))
		h.d.insertAfter(h.t, ref, c)
		return nil
	})
}

// refBefore finds the item after which something at index goes, split if need be.
func (d *Doc) refBefore(t int32, index uint32) int32 {
	s := &d.s
	n := s.Types[t].Start
	if m, ok := d.findMarker(t, index); ok {
		m.item, m.index = s.Near(t, m.item, m.index, index)
		n = m.item
		if index -= m.index; index == 0 {
			for n = s.At(n).Left; n != store.None && s.At(n).Deleted(); n = s.At(n).Left {
			}
			if n != store.None {
				index += s.At(n).Visible()
			}
		}
	} else if index >= farWalk {
		if ps := d.s.Sequence(t); ps != nil {
			i, start := ps.EndingAt(index)
			n, index = i, index-start
		}
	}
	for ; n != store.None; n = s.At(n).Right {
		it := s.At(n)
		if v := it.Visible(); v > 0 {
			if index <= v {
				if index < v {
					d.cleanStart(it.Client, it.Clock+index)
				}
				return n
			}
			index -= v
		}
	}
	return store.None
}

// insertAfter puts content after an item, or first.
func (d *Doc) insertAfter(t, ref int32, c []Content) {
	s := &d.s
	left, right := ref, s.Types[t].Start
	if ref != store.None {
		right = s.At(ref).Right
	}
	var run []Value
	pack := func() {
		if len(run) > 0 {
			left = d.newItem(t, store.None, left, right, d.valueItem(run...))
			run = run[:0]
		}
	}
	for _, x := range c {
		if v, ok := x.(Value); ok && v.Kind() != KindBytes {
			run = append(run, v)
			continue
		}
		pack()
		it, _ := d.contentItem(x) // checked by the caller
		left = d.newItem(t, store.None, left, right, it)
		d.adopt(x, left)
	}
	pack()
}

func (h *handle) remove(index, n int) error {
	if h.alive() && (index < 0 || n < 0 || index+n > h.Len()) {
		return ErrRange
	}
	if n == 0 {
		return nil
	}
	return h.edit(func() error {
		h.d.deleteList(h.t, uint32(index), uint32(n))
		return nil
	})
}

func (d *Doc) deleteList(t int32, index, n uint32) {
	s := &d.s
	at, total := index, n
	i := d.firstVisible(t)
	if m, ok := d.findMarker(t, index); ok {
		m.item, m.index = s.Near(t, m.item, m.index, index)
		i = m.item
		index -= m.index
	} else if index >= farWalk {
		if ps := d.s.Sequence(t); ps != nil {
			var start uint32
			i, start = ps.EndingAt(index)
			index -= start
		}
	}
	for ; i != store.None && index > 0; i = s.At(i).Right {
		it := s.At(i)
		if v := it.Visible(); v > 0 {
			if index < v {
				d.cleanStart(it.Client, it.Clock+index)
				v = index
			}
			index -= v
		}
	}
	for ; n > 0 && i != store.None; i = s.At(i).Right {
		it := s.At(i)
		if it.Deleted() {
			continue
		}
		v := it.N
		if n < v {
			d.cleanStart(it.Client, it.Clock+n)
			v = n
		}
		d.deleteItem(i)
		n -= v
	}
	d.moveMarkers(t, at, -int(total-n))
}

// firstVisible is the first item of a sequence that is visible, or one before it.
func (d *Doc) firstVisible(t int32) int32 {
	s := &d.s
	i := s.Types[t].Start
	for range farWalk {
		if i == store.None || s.At(i).Visible() > 0 {
			return i
		}
		i = s.At(i).Right
	}
	if ps := s.Sequence(t); ps != nil && s.Types[t].Length > 0 {
		i, _ = ps.EndingAt(1)
	}
	return i
}

// unitAt finds the visible item that holds the unit at index, and the offset in it.
func (d *Doc) unitAt(t int32, index uint32) (i int32, off uint32, ok bool) {
	s := &d.s
	if index >= s.Types[t].Length {
		return store.None, 0, false
	}
	if index >= farWalk {
		if ps := d.s.Sequence(t); ps != nil {
			i, start := ps.EndingAt(index + 1)
			return i, index - start, true
		}
	}
	for i := s.Types[t].Start; i != store.None; i = s.At(i).Right {
		v := s.At(i).Visible()
		if index < v {
			return i, index, true
		}
		index -= v
	}
	return store.None, 0, false
}

func (h *handle) element(index int) Content {
	if h.d == nil || index < 0 {
		return Value{}
	}
	i, off, ok := h.d.unitAt(h.t, uint32(min(index, 1<<32-1)))
	if !ok {
		return Value{}
	}
	return h.d.content(h.d.s.At(i), off)
}

// elements gives the elements of a sequence. It may be edited meanwhile; what
// is seen of that is not defined.
func (h *handle) elements() iter.Seq2[int, Content] {
	return func(yield func(int, Content) bool) {
		if h.d == nil {
			return
		}
		k := 0
		for i := h.d.s.Types[h.t].Start; i != store.None; i = h.d.s.At(i).Right {
			it := *h.d.s.At(i)
			if it.Visible() == 0 {
				continue
			}
			if !h.d.eachContent(&it, func(c Content) bool {
				k++
				return yield(k-1, c)
			}) {
				return
			}
			if it.Ref == codec.GC {
				return
			}
		}
	}
}
