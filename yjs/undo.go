package yjs

import (
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// UndoOptions configure an Undo. The zero value is usable.
type UndoOptions struct {
	// Origins are the origins of transactions that can be undone. Default: nil
	// alone, that is local changes outside Transact, and Transact(nil, …).
	Origins []any
	// Clock gives the time in milliseconds, since any moment. Changes that follow
	// one another within CaptureTimeout are undone together. Default: no clock,
	// each transaction is undone by itself.
	Clock func() int64
	// CaptureTimeout in milliseconds. Default: 500.
	CaptureTimeout int64
	// DeleteFilter, if set, tells whether undoing may delete what was inserted at ID.
	DeleteFilter func(ID) bool
	// IgnoreRemoteMapChanges lets undo set a key back even when others have set it since.
	IgnoreRemoteMapChanges bool
}

// Undo undoes and redoes the changes that one author made to some shared types,
// and leaves those of others alone. What could be undone keeps its content in
// the document until it is dropped from the stacks.
type Undo struct {
	d       *Doc
	opts    UndoOptions
	scope   []int32 // types; empty for the whole document
	undos   []undoStep
	redos   []undoStep
	undoing bool
	redoing bool
	last    int64
	fresh   bool // the next change begins a step
	stop    func()
}

// An undoStep is what one or several transactions inserted and deleted.
type undoStep struct{ inserted, deleted []span }

// NewUndo makes an Undo for the given types and what is in them; without any, for
// the whole document. Close ends it.
func NewUndo(d *Doc, opts UndoOptions, scope ...Content) (*Undo, error) {
	if opts.CaptureTimeout <= 0 {
		opts.CaptureTimeout = 500
	}
	if opts.Origins == nil {
		opts.Origins = []any{nil}
	}
	u := &Undo{d: d, opts: opts, fresh: true}
	for _, c := range scope {
		sh, ok := c.(shared)
		if !ok || sh.base().d != d {
			return nil, ErrDetached
		}
		u.scope = append(u.scope, sh.base().t)
	}
	u.stop = d.watch(d.observers().onTxn.add(u.record))
	return u, nil
}

// Close drops both stacks and stops recording.
func (u *Undo) Close() {
	u.Clear()
	u.stop()
}

// CanUndo tells whether there is something to undo.
func (u *Undo) CanUndo() bool { return len(u.undos) > 0 }

// CanRedo tells whether there is something to redo.
func (u *Undo) CanRedo() bool { return len(u.redos) > 0 }

// Cut makes the next change begin a step of its own.
func (u *Undo) Cut() { u.fresh = true }

// Undo takes the newest step back and tells whether it changed something. The
// origin of its transaction is the Undo.
func (u *Undo) Undo() bool {
	u.undoing = true
	defer func() { u.undoing = false }()
	return u.pop(&u.undos)
}

// Redo takes the newest undo back and tells whether it changed something.
func (u *Undo) Redo() bool {
	u.redoing = true
	defer func() { u.redoing = false }()
	return u.pop(&u.redos)
}

// Clear drops both stacks; the content kept for them is free to go with later changes.
func (u *Undo) Clear() {
	opened := u.d.begin(nil, true)
	u.drop(&u.undos)
	u.drop(&u.redos)
	if opened {
		u.d.commit()
	}
}

func (u *Undo) drop(stack *[]undoStep) {
	for _, st := range *stack {
		u.d.eachIn(st.deleted, func(i int32) {
			if u.covers(i) {
				u.d.keep(i, false)
			}
		})
	}
	*stack = nil
}

// covers tells whether an item lies in the scope.
func (u *Undo) covers(i int32) bool {
	s := &u.d.s
	if s.At(i).Ref == codec.GC {
		return false
	}
	if len(u.scope) == 0 {
		return true
	}
	for i != store.None {
		t := s.At(i).Parent
		if slices.Contains(u.scope, t) {
			return true
		}
		i = s.Types[t].Item
	}
	return false
}

// touches tells whether a transaction changed something in the scope.
func (u *Undo) touches(t *txn) bool {
	s := &u.d.s
	for _, ty := range t.order {
		if s.Types[ty].Kind == store.KindDead {
			continue
		}
		if h := s.Types[ty].Item; h != store.None && s.At(h).Deleted() {
			continue
		}
		if len(u.scope) == 0 || slices.Contains(u.scope, ty) || s.Types[ty].Item != store.None && u.covers(s.Types[ty].Item) {
			return true
		}
	}
	return len(u.scope) == 0
}

// record takes a finished transaction onto a stack.
func (u *Undo) record(t *txn) {
	own := t.origin == any(u)
	if !u.touches(t) || !own && !slices.Contains(u.opts.Origins, t.origin) {
		return
	}
	d := u.d
	d.tx = t // splits belong to it
	defer func() { d.tx = nil }()
	stack := &u.undos
	switch {
	case u.undoing:
		stack = &u.redos
		u.fresh = true
	case !u.redoing:
		u.drop(&u.redos)
	}
	st := undoStep{deleted: d.inOrder(t)}
	for _, x := range t.touched {
		st.inserted = append(st.inserted, span{x.client, x.before, d.s.Clients[x.client].State - x.before})
	}
	now := int64(0)
	if u.opts.Clock != nil {
		now = u.opts.Clock()
	}
	n := len(*stack)
	if u.opts.Clock != nil && !u.fresh && now-u.last < u.opts.CaptureTimeout && n > 0 && !u.undoing && !u.redoing {
		top := &(*stack)[n-1]
		top.deleted = mergeSpans(top.deleted, st.deleted)
		top.inserted = mergeSpans(top.inserted, st.inserted)
	} else {
		*stack = append(*stack, st)
	}
	if !u.undoing && !u.redoing {
		u.last, u.fresh = now, false
	}
	d.eachIn(t.deleted, func(i int32) {
		if u.covers(i) {
			d.keep(i, true)
		}
	})
}

// inOrder is what a transaction deleted, the clients in the order of their first
// deletion, in which undoing restores.
func (d *Doc) inOrder(t *txn) []span {
	var out []span
	for _, c := range t.firsts {
		for _, r := range t.deleted {
			if r.client == c {
				out = append(out, r)
			}
		}
	}
	return out
}

// mergeSpans joins two lists; clients keep the order of their first appearance.
func mergeSpans(a, b []span) []span {
	all := append(slices.Clone(a), b...)
	var order []uint32
	for _, r := range all {
		if !slices.Contains(order, r.client) {
			order = append(order, r.client)
		}
	}
	all = joinSpans(all)
	var out []span
	for _, c := range order {
		for _, r := range all {
			if r.client == c {
				out = append(out, r)
			}
		}
	}
	return out
}

func inSpans(list []span, c, clock uint32) bool {
	return slices.ContainsFunc(list, func(r span) bool { return r.client == c && clock >= r.clock && clock-r.clock < r.n })
}

// eachIn calls f for the items of spans, split at their borders.
func (d *Doc) eachIn(spans []span, f func(i int32)) {
	s := &d.s
	for _, r := range spans {
		end := min(r.clock+r.n, s.Clients[r.client].State)
		for clock := r.clock; clock < end; {
			i := d.cleanStart(r.client, clock)
			if it := s.At(i); it.Ref != codec.GC && it.End() > end {
				d.cleanStart(r.client, end)
			}
			clock = s.At(i).End()
			f(i)
		}
	}
}

// keep sets or clears the mark that protects an item, and the types above it,
// from being collected.
func (d *Doc) keep(i int32, on bool) {
	s := &d.s
	for i != store.None {
		it := s.At(i)
		if it.Flags&store.FlagKeep != 0 == on || it.Ref == codec.GC {
			return
		}
		it.Flags ^= store.FlagKeep
		i = s.Types[it.Parent].Item
	}
}

// pop undoes steps until one has an effect.
func (u *Undo) pop(stack *[]undoStep) (changed bool) {
	d := u.d
	opened := d.begin(u, true)
	for len(*stack) > 0 && !changed {
		st := (*stack)[len(*stack)-1]
		*stack = (*stack)[:len(*stack)-1]
		changed = u.apply(st)
	}
	for _, x := range d.tx.noted {
		if m := d.marksOf(x.t); m != nil && x.key == store.None {
			m.clear()
		}
	}
	if opened {
		d.commit()
	}
	return changed
}

func (u *Undo) apply(st undoStep) (changed bool) {
	d, s := u.d, &u.d.s
	var remove []int32
	d.eachIn(st.inserted, func(i int32) {
		it := s.At(i)
		if it.Ref == codec.GC {
			return
		}
		if it.Flags&store.FlagRedone != 0 {
			j, diff, ok := d.follow(ID{s.Clients[it.Client].ID, uint64(it.Clock)})
			if !ok {
				return
			}
			if i = j; diff > 0 {
				i = d.cleanStart(s.At(j).Client, s.At(j).Clock+diff)
			}
			if s.At(i).Ref == codec.GC {
				return
			}
		}
		if !s.At(i).Deleted() && u.covers(i) {
			remove = append(remove, i)
		}
	})
	var redo []int32
	again := make(map[int32]bool)
	d.eachIn(st.deleted, func(i int32) {
		if it := s.At(i); it.Ref != codec.GC && u.covers(i) && !inSpans(st.inserted, it.Client, it.Clock) && !again[i] {
			again[i] = true
			redo = append(redo, i)
		}
	})
	for _, i := range redo {
		changed = u.restore(i, again, st.inserted) != store.None || changed
	}
	for _, i := range slices.Backward(remove) {
		it := s.At(i)
		if u.opts.DeleteFilter == nil || u.opts.DeleteFilter(ID{s.Clients[it.Client].ID, uint64(it.Clock)}) {
			d.deleteItem(i)
			changed = true
		}
	}
	return changed
}

// redone is what was made in the place of an item.
func (d *Doc) redone(it *store.Item) int32 {
	to := d.s.Redone[store.IDKey{Client: it.Client, Clock: it.Clock}]
	return d.cleanStart(to.Client, to.Clock)
}

func isRedone(it *store.Item) bool { return it.Flags&store.FlagRedone != 0 }

// restore makes an item again that was deleted, and gives the new one, or none.
func (u *Undo) restore(i int32, again map[int32]bool, inserted []span) int32 {
	d, s := u.d, &u.d.s
	if isRedone(s.At(i)) {
		return d.redone(s.At(i))
	}
	t := s.At(i).Parent
	holder := s.Types[t].Item
	if holder != store.None && s.At(holder).Deleted() {
		if !isRedone(s.At(holder)) && (!again[holder] || u.restore(holder, again, inserted) == store.None) {
			return store.None
		}
		for isRedone(s.At(holder)) {
			holder = d.redone(s.At(holder))
		}
	}
	if holder != store.None {
		if s.At(holder).Ref != codec.Type {
			return store.None
		}
		t = int32(s.At(holder).A)
	}
	left, right, ok := u.place(i, t, holder, inserted)
	if !ok {
		return store.None
	}
	key := s.At(i).Key
	c := s.ClientIndex(d.clientID)
	next := store.IDKey{Client: c, Clock: s.Clients[c].State}
	it := s.At(i)
	if s.Redone == nil {
		s.Redone = make(map[store.IDKey]store.IDKey)
	}
	s.Redone[store.IDKey{Client: it.Client, Clock: it.Clock}] = next
	it.Flags |= store.FlagRedone
	n := d.copyContent(i)
	n.Flags |= store.FlagKeep
	if holder != store.None {
		d.keep(holder, true)
	}
	return d.newItem(t, key, left, right, n)
}

// place finds the neighbours for what is made in the place of item i.
func (u *Undo) place(i, t, holder int32, inserted []span) (left, right int32, ok bool) {
	d, s := u.d, &u.d.s
	// trace finds what stands for a neighbour in the restored parent.
	trace := func(x int32) int32 {
		for x != store.None && (s.At(x).Ref == codec.GC || s.Types[s.At(x).Parent].Item != holder) {
			if !isRedone(s.At(x)) {
				return store.None
			}
			x = d.redone(s.At(x))
		}
		return x
	}
	key := s.At(i).Key
	if key == store.None {
		for left = s.At(i).Left; left != store.None; left = s.At(left).Left {
			if x := trace(left); x != store.None {
				left = x
				break
			}
		}
		for right = i; right != store.None; right = s.At(right).Right {
			if x := trace(right); x != store.None {
				right = x
				break
			}
		}
		return left, right, true
	}
	if s.At(i).Right != store.None && !u.opts.IgnoreRemoteMapChanges {
		left = i
		for s.At(left).Right != store.None && u.ours(s.At(s.At(left).Right), inserted) {
			left = s.At(left).Right
			for isRedone(s.At(left)) {
				left = d.redone(s.At(left))
			}
		}
		if s.At(left).Right != store.None {
			return store.None, store.None, false // somebody else has set the key since
		}
	} else {
		left = s.Value(t, key)
	}
	if left != store.None && s.Types[s.At(left).Parent].Item != holder {
		left = s.Value(t, key)
	}
	return left, store.None, true
}

// ours tells whether a later value of a key is no obstacle to setting it back.
func (u *Undo) ours(it *store.Item, inserted []span) bool {
	if isRedone(it) || inSpans(inserted, it.Client, it.Clock) {
		return true
	}
	for _, stack := range [][]undoStep{u.undos, u.redos} {
		for _, st := range stack {
			if inSpans(st.deleted, it.Client, it.Clock) {
				return true
			}
		}
	}
	return false
}

// copyContent makes the content of item i once more.
func (d *Doc) copyContent(i int32) store.Item {
	s := &d.s
	it := s.At(i)
	n := store.Item{Ref: it.Ref, N: it.N, Flags: it.Flags & store.FlagJSON}
	switch {
	case it.InArena():
		n.A, n.B = uint32(len(s.Arena)), it.B
		s.Arena = append(s.Arena, s.Arena[it.A:it.A+it.B]...)
	case it.Ref == codec.Format:
		n.A = it.A
		s.Formats.All[it.A].Refs++
	case it.Ref == codec.Type:
		ty := s.Types[it.A]
		n.A = uint32(s.NewType(store.None, ty.Kind, ty.Name))
	}
	return n
}
