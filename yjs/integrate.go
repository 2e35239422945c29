package yjs

import (
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// split divides item i after k units, notes the right half for re-merging, and
// gives its place. p is the place of i.
func (d *Doc) split(i int32, p store.Place, k uint32) store.Place {
	s := &d.s
	it := s.At(i)
	r := store.Item{
		Client: it.Client, Clock: it.Clock + k, N: it.N - k,
		OriginC: it.Client, OriginK: it.Clock + k - 1, RightC: it.RightC, RightK: it.RightK,
		Left: i, Right: it.Right, Parent: it.Parent, Key: it.Key, Ref: it.Ref, Flags: it.Flags &^ store.FlagMarker,
	}
	s.CutContent(it, &r, k)
	it.N = k
	j := s.Alloc(r)
	it = s.At(i)
	it.Right = j
	if r.Right != store.None {
		s.At(r.Right).Left = j
	} else if r.Key != store.None {
		if e := s.EntryFor(r.Parent, r.Key); e != store.None {
			s.Entries[e].Last = j
		}
	}
	if r.Flags&store.FlagRedone != 0 {
		to := s.Redone[store.IDKey{Client: r.Client, Clock: it.Clock}]
		s.Redone[store.IDKey{Client: r.Client, Clock: r.Clock}] = store.IDKey{Client: to.Client, Clock: to.Clock + k}
	}
	p = s.InsertAfter(r.Client, p, j)
	s.RoomTo(i, j)
	s.Scan.Split(i, j)
	if r.Key == store.None && r.Parent != store.None && s.Types[r.Parent].Indexed {
		s.Positions[r.Parent].Split(s, i, j)
	}
	if d.tx != nil {
		d.tx.halves = append(d.tx.halves, store.IDKey{Client: r.Client, Clock: r.Clock})
	}
	return p
}

// cleanStart gives the item that starts at a clock, splitting one if need be. A
// GC struct is given as it is.
func (d *Doc) cleanStart(c, clock uint32) int32 {
	p := d.s.Find(c, clock)
	i := d.s.ItemAt(c, p)
	if it := d.s.At(i); it.Clock < clock && it.Ref != codec.GC {
		return d.s.ItemAt(c, d.split(i, p, clock-it.Clock))
	}
	return i
}

// startRight is cleanStart for what is likely to follow item left, which may be none.
func (d *Doc) startRight(left int32, c, clock uint32) int32 {
	if left != store.None {
		if r := d.s.At(left).Right; r != store.None {
			if it := d.s.At(r); it.Clock == clock && it.Client == c {
				return r
			}
		}
	}
	return d.cleanStart(c, clock)
}

// cleanEnd gives the item that ends with a clock, splitting one if need be.
func (d *Doc) cleanEnd(c, clock uint32) int32 {
	p := d.s.Find(c, clock)
	i := d.s.ItemAt(c, p)
	if it := d.s.At(i); it.End()-1 != clock && it.Ref != codec.GC {
		d.split(i, p, clock-it.Clock+1)
	}
	return i
}

// integrate places a new item between its neighbours as YATA demands, stores it,
// and does what its content does. it.left and it.right are the items that its
// origins name; it.parent must be set.
func (d *Doc) integrate(it store.Item) int32 {
	s := &d.s
	odd := it.Left != store.None && (s.At(it.Left).Client != it.OriginC || s.At(it.Left).End()-1 != it.OriginK)
	if it.Left == store.None && (it.Right == store.None || s.At(it.Right).Left != store.None) ||
		it.Left != store.None && s.At(it.Left).Right != it.Right {
		it.Left = s.Place(&it)
	}
	c := it.Client
	d.touch(c)
	i := s.Alloc(it)
	d.link(i, odd)
	s.Push(c, i)
	return i
}

// link puts item i after its left neighbour and lets its content take effect.
func (d *Doc) link(i int32, odd bool) {
	s := &d.s
	it := s.At(i)
	t, key := it.Parent, it.Key
	if it.Left != store.None {
		l := s.At(it.Left)
		it.Right = l.Right
		l.Right = i
	} else {
		it.Right = s.Head(t, key)
		if key == store.None {
			s.Types[t].Start = i
		} else if e := s.EntryFor(t, key); e != store.None {
			s.Entries[e].First = i
		} else {
			s.AddEntry(t, key, i)
		}
	}
	s.Scan.Linked(s, i, odd)
	if it.Right != store.None {
		s.At(it.Right).Left = i
	} else if key != store.None {
		s.Entries[s.EntryFor(t, key)].Last = i
		if it.Left != store.None {
			d.deleteItem(it.Left)
		}
	}
	if it.Ref == codec.Deleted {
		it.Flags |= store.FlagDeleted
		d.tx.noteDeleted(it)
	}
	if key == store.None {
		s.Types[t].Length += it.Visible()
		if s.Types[t].Indexed {
			s.Positions[t].Linked(s, i)
		}
	}
	switch it.Ref {
	case codec.Type:
		s.Types[it.A].Item = i
	case codec.Format:
		s.Types[t].Formats = true
	case codec.Doc:
		d.tx.subdocs.added = append(d.tx.subdocs.added, i)
	}
	d.change(t, key)
	if h := s.Types[t].Item; h != store.None && s.At(h).Deleted() || key != store.None && it.Right != store.None {
		d.deleteItem(i)
	}
}

// deleteItem marks an item and all below it as deleted.
func (d *Doc) deleteItem(i int32) {
	s := &d.s
	if s.At(i).Deleted() {
		return
	}
	todo := append(d.todo[:0], i)
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		it := s.At(i)
		if it.Deleted() {
			// Below a deleted type: what was deleted before may merge with what is now.
			if it.Clock < d.before(d.tx, it.Client) {
				d.tx.halves = append(d.tx.halves, store.IDKey{Client: it.Client, Clock: it.Clock})
			}
			continue
		}
		if it.Key == store.None {
			ty := &s.Types[it.Parent]
			ty.Length -= it.Visible()
			if ty.Indexed {
				s.Positions[it.Parent].Deleted(s, i)
			}
		}
		it.Flags |= store.FlagDeleted
		d.tx.buried = true
		if it.Flags&store.FlagMarker != 0 {
			if ms := d.marksOf(it.Parent); ms != nil {
				ms.look(i)
			}
		}
		d.tx.noteDeleted(it)
		d.change(it.Parent, it.Key)
		switch it.Ref {
		case codec.Type:
			todo = d.pushChildren(int32(it.A), todo)
		case codec.Doc:
			d.tx.subdocs.removed = append(d.tx.subdocs.removed, i)
		}
	}
	d.todo = todo
}

// pushChildren puts what is in a type onto the stack, so that it comes off in
// order: what is merged afterwards depends on it.
func (d *Doc) pushChildren(t int32, todo []int32) []int32 {
	s := &d.s
	ty := &s.Types[t]
	from := len(todo)
	for i := ty.Start; i != store.None; i = s.At(i).Right {
		todo = append(todo, i)
	}
	for e := ty.Entry; e != store.None; e = s.Entries[e].Next {
		todo = append(todo, s.Entries[e].Last)
	}
	slices.Reverse(todo[from:])
	return todo
}
