package yjs

import (
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// A txn collects what one transaction does.
type txn struct {
	origin   any
	local    bool
	stamp    uint32
	touched  []touch                  // clients with new structs
	deleted  []span                   // in the order of deletion; sorted and joined by commit
	halves   []store.IDKey            // right sides of splits, to be joined again if nothing came between
	noted    []place                  // what changed, with repetitions
	changed  map[int32]map[int32]bool // by changedTypes
	firsts   []uint32                 // clients in the order of their first deletion, when tracking
	order    []int32                  // types in the order of their first change
	subdocs  struct{ added, removed []int32 }
	clean    bool // formatting may need a clean-up
	tracking bool // changed types are noted: somebody wants to know
	single   bool // it is one call of a type's method
	buried   bool // something that lived has been deleted: there may be content to free
}

// A place is the sequence of a type (key none) or one of its keys.
type place struct{ t, key int32 }

// A touch is a client's state before a transaction added to it.
type touch struct{ client, before uint32 }

// A span is a run of deleted units.
type span struct{ client, clock, n uint32 }

// begin starts a transaction unless one is open, and tells whether it did.
func (d *Doc) begin(origin any, local bool) bool {
	if d.tx != nil {
		return false
	}
	d.stamp++
	t := &d.spareTxn
	if d.inCommit {
		t = &txn{} // opened by an observer: the spare one is still in use
	}
	*t = txn{
		origin: origin, local: local, stamp: d.stamp,
		touched: t.touched[:0], deleted: t.deleted[:0], halves: t.halves[:0], order: t.order[:0], noted: t.noted[:0],
		tracking: d.tracking || len(d.marks) > 0,
	}
	d.tx = t
	return true
}

// touch notes the state of a client before its first new struct.
func (d *Doc) touch(c uint32) {
	cl := &d.s.Clients[c]
	if cl.Stamp != d.tx.stamp {
		cl.Stamp = d.tx.stamp
		cl.Before = cl.State
		d.tx.touched = append(d.tx.touched, touch{c, cl.State})
	}
}

// before is a client's state before transaction t.
func (d *Doc) before(t *txn, c uint32) uint32 {
	cl := &d.s.Clients[c]
	if cl.Stamp == t.stamp {
		return cl.Before
	}
	for _, x := range t.touched { // a transaction opened by an observer has touched it since
		if x.client == c {
			return x.before
		}
	}
	return cl.State
}

// change notes for the observers that a type changed, in its sequence (key none)
// or at a key. Types that are new or deleted are not noted.
func (d *Doc) change(t, key int32) {
	if !d.tx.tracking {
		return
	}
	if h := d.s.Types[t].Item; h != store.None {
		it := d.s.At(h)
		if it.Deleted() || it.Clock >= d.before(d.tx, it.Client) {
			return
		}
	}
	// Consecutive changes of one place are noted once; see changedTypes for the rest.
	x := place{t, key}
	if n := len(d.tx.noted); n == 0 || d.tx.noted[n-1] != x {
		d.tx.noted = append(d.tx.noted, x)
	}
}

// noteDeleted takes the units of an item into deleted.
func (t *txn) noteDeleted(it *store.Item) {
	if n := len(t.deleted); n > 0 {
		if last := &t.deleted[n-1]; last.client == it.Client && last.clock+last.n == it.Clock {
			last.n += it.N
			return
		}
	}
	t.deleted = append(t.deleted, span{it.Client, it.Clock, it.N})
}

// changedTypes sorts out what change has noted: per type its keys, and the types
// in the order of their first change.
func (t *txn) changedTypes() {
	t.changed = make(map[int32]map[int32]bool)
	t.order = t.order[:0]
	for _, x := range t.noted {
		keys := t.changed[x.t]
		if keys == nil {
			keys = make(map[int32]bool, 1)
			t.changed[x.t] = keys
			t.order = append(t.order, x.t)
		}
		keys[x.key] = true
	}
}

// commit ends the open transaction: observers, collection, merging, update events.
func (d *Doc) commit() {
	t := d.tx
	d.tx = nil
	d.queue = append(d.queue, t)
	if d.inCommit {
		return // the commit that is under way will come to it
	}
	d.inCommit = true
	for i := 0; i < len(d.queue); i++ {
		d.finish(d.queue[i])
	}
	clear(d.queue)
	d.queue = d.queue[:0]
	d.inCommit = false
	d.s.Pack()
	d.trim()
}

// trim gives up scratch memory that a large transaction has made large.
func (d *Doc) trim() {
	const most = 256
	t := &d.spareTxn
	if cap(t.deleted) > most || cap(t.halves) > most || cap(t.noted) > most || cap(t.touched) > most {
		*t = txn{}
	}
	if cap(d.ranges) > most {
		d.ranges = nil
	}
	if cap(d.todo) > most {
		d.todo = nil
	}
	d.writer.Trim(64 * most)
	d.update = Update{}
}

func (d *Doc) finish(t *txn) {
	s := &d.s
	if len(d.onTxn) > 0 || d.opts.CleanFormats {
		for _, r := range t.deleted {
			if n := len(t.firsts); (n == 0 || t.firsts[n-1] != r.client) && !slices.Contains(t.firsts, r.client) {
				t.firsts = append(t.firsts, r.client)
			}
		}
	}
	t.deleted = joinSpans(t.deleted)
	switch {
	case d.tracking:
		t.changedTypes()
		d.observe(t)
	case t.tracking && !t.local:
		d.forgetMarkers(t)
	}
	if t.buried && !d.opts.KeepDeleted {
		d.collect(t.deleted)
	}
	d.mergeDeleted(t.deleted)
	for _, x := range t.touched {
		d.mergeNew(x.client, x.before)
	}
	for i := len(t.halves) - 1; i >= 0; i-- {
		d.mergeAround(t.halves[i])
	}
	s.Compact()
	if !t.local {
		d.checkOwnID(t)
	}
	d.emit(t)
}

func joinSpans(spans []span) []span {
	if len(spans) < 2 {
		return spans
	}
	slices.SortFunc(spans, func(a, b span) int {
		if a.client != b.client {
			return int(int64(a.client) - int64(b.client))
		}
		return int(int64(a.clock) - int64(b.clock))
	})
	n := 0
	for _, r := range spans {
		if n > 0 && spans[n-1].client == r.client && spans[n-1].clock+spans[n-1].n >= r.clock {
			spans[n-1].n = max(spans[n-1].n, r.clock+r.n-spans[n-1].clock)
			continue
		}
		spans[n] = r
		n++
	}
	return spans[:n]
}

// collect frees the content of what was deleted.
func (d *Doc) collect(spans []span) {
	s := &d.s
	for _, r := range spans {
		for p, ok := s.Find(r.client, r.clock), true; ok; p, ok = s.Next(r.client, p) {
			i := s.ItemAt(r.client, p)
			if s.ClockAt(r.client, p) >= r.clock+r.n {
				break
			}
			if s.IsTomb(i) {
				continue
			}
			if it := s.At(i); it.Deleted() && it.Ref != codec.Deleted && it.Flags&store.FlagKeep == 0 {
				d.collectItem(i)
			}
		}
	}
}

// collectItem turns a deleted item into Item(Deleted), and what is below it into GC.
func (d *Doc) collectItem(i int32) {
	s := &d.s
	var below []int32
	if s.At(i).Ref == codec.Type {
		below = d.takeChildren(int32(s.At(i).A), nil)
	}
	s.DropContent(s.At(i))
	s.Bury(i)
	for len(below) > 0 {
		c := below[len(below)-1]
		below = below[:len(below)-1]
		it := s.At(c)
		if it.Ref == codec.Type {
			below = d.takeChildren(int32(it.A), below)
		}
		s.DropContent(it)
		s.DropRedone(it)
		s.BuryGC(c)
	}
}

// takeChildren empties a type and appends its items to list.
func (d *Doc) takeChildren(t int32, list []int32) []int32 {
	s := &d.s
	s.Scan.Forget()
	ty := &s.Types[t]
	for i := ty.Start; i != store.None; i = s.At(i).Right {
		list = append(list, i)
	}
	for e := ty.Entry; e != store.None; e = s.Entries[e].Next {
		for i := s.Entries[e].Last; i != store.None; i = s.At(i).Left {
			list = append(list, i)
		}
	}
	d.s.DropPositions(t)
	d.dropMarks(t)
	s.DropEntries(t)
	ty.Start, ty.Length, ty.Item = store.None, 0, store.None
	ty.Kind = store.KindDead
	return list
}

func (d *Doc) mergeDeleted(spans []span) {
	s := &d.s
	for i := len(spans) - 1; i >= 0; i-- {
		r := spans[i]
		p := s.Find(r.client, r.clock+r.n-1)
		if q, ok := s.Next(r.client, p); ok {
			p = q
		}
		d.mergeBack(r.client, p, r.clock)
	}
}

// mergeLefts merges the item at p into its left neighbours as far as that goes,
// and gives the place of what became of it and how many were merged.
func (d *Doc) mergeLefts(c uint32, p store.Place) (store.Place, int) {
	for n := 0; ; n++ {
		q, ok := d.s.Prev(c, p)
		if !ok || !d.tryMerge(c, q, p) {
			return p, n
		}
		p = q
	}
}

// mergeBack tries to merge every item from p back to the one that starts at or
// after clock with its left neighbours.
func (d *Doc) mergeBack(c uint32, p store.Place, clock uint32) {
	for ok := true; ok && d.s.ClockAt(c, p) >= clock; {
		p, _ = d.mergeLefts(c, p)
		p, ok = d.s.Prev(c, p)
	}
}

// mergeNew merges the structs that a transaction added.
func (d *Doc) mergeNew(c, before uint32) {
	s := &d.s
	first := s.ClockAt(c, s.Find(c, before))
	d.mergeBack(c, s.LastPlace(c), first)
}

// mergeAround tries to undo a split.
func (d *Doc) mergeAround(id store.IDKey) {
	s := &d.s
	p := s.Find(id.Client, id.Clock)
	if next, ok := s.Next(id.Client, p); ok {
		q, merged := d.mergeLefts(id.Client, next)
		if merged > 1 {
			return
		}
		if merged == 1 {
			p = q
		}
	}
	d.mergeLefts(id.Client, p)
}

// tryMerge joins the item at rp into the one at lp, its left neighbour in the
// index, if they may be one.
func (d *Doc) tryMerge(c uint32, lp, rp store.Place) bool {
	s := &d.s
	li, ri := s.ItemAt(c, lp), s.ItemAt(c, rp)
	if s.Apart(li, ri) {
		return false
	}
	l, r := s.At(li), s.At(ri)
	if l.Ref != r.Ref || (l.Flags^r.Flags)&store.FlagDeleted != 0 {
		return false
	}
	switch l.Ref {
	case codec.GC:
		l.N += r.N
		s.RemoveAt(c, rp)
		s.Release(ri)
		return true
	case codec.Deleted, codec.JSON, codec.Any, codec.String:
	default:
		return false
	}
	if l.Right != ri || r.OriginC != c || r.OriginK != l.Clock+l.N-1 || l.RightC != r.RightC ||
		l.RightC != store.NoClient && l.RightK != r.RightK || (l.Flags|r.Flags)&store.FlagRedone != 0 {
		return false
	}
	s.Scan.Merged(li, ri)
	s.JoinContent(li, ri)
	l.Flags |= r.Flags & store.FlagKeep
	l.Right = r.Right
	if r.Right != store.None {
		s.At(r.Right).Left = li
	}
	if l.Key != store.None && l.Right == store.None {
		if e := s.EntryFor(l.Parent, l.Key); e != store.None && s.Entries[e].Last == ri {
			s.Entries[e].Last = li
		}
	} else if l.Key == store.None {
		if s.Types[l.Parent].Indexed {
			s.Positions[l.Parent].Merged(li, ri)
		}
		if len(d.marks) > 0 {
			d.mergedMarkers(l.Parent, li, ri)
		}
	}
	l.N += r.N
	s.RemoveAt(c, rp)
	s.Release(ri)
	return true
}
