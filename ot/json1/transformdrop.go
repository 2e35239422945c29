package json1

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
)

// places is one place of the document as the four halves of two operations see it.
type places struct{ pick1, drop1, pick2, drop2 *node }

// writeDrops writes the drops, insertions and edits of the first operation. It tells
// whether something is dropped here.
func (t *transformer) writeDrops(at places, w *writer, removed2 *node) (dropped bool) {
	c1 := at.drop1.c
	if c1.drops() {
		dropped, removed2 = t.writeDrop(&at, w, removed2)
	} else if at.pick1.comp().picks() {
		at.pick1, at.pick2, at.drop2 = nil, nil, nil
	}
	if c2 := at.pick2.comp(); c2.picks() {
		s := c2.pick
		switch {
		case c2.removes() && !at.pick1.comp().removes() || s >= 0 && t.m2[s].cancelled:
			at.drop2, removed2 = nil, at.pick2
		case s >= 0:
			at.drop2 = t.m2[s].drop
			if t.wins2(s) {
				if t.m2[s].drops == nil {
					t.m2[s].drops = newWriter()
				}
				w = t.m2[s].drops
				w.top()
				removed2 = nil
			}
		}
	} else if !c1.drops() && at.drop2.comp().drops() {
		at.drop2 = nil
	}
	if e := c1.editOf(); e.kind != 0 {
		if removed2 != nil {
			t.report(RemovedContent, editAt(at.drop1.path(), e), removeAt(removed2.path()))
		} else {
			out, err := e.transform(at.drop2.comp().editOf(), t.side)
			if err != nil && t.err == nil {
				t.err = err
			}
			w.edit(out)
		}
	}
	t.dropChildren(at, w, removed2)
	return dropped
}

// writeDrop writes the drop or insertion of the first operation at a place, unless it
// is cancelled, and brings at to where what is dropped comes from.
func (t *transformer) writeDrop(at *places, w *writer, removed2 *node) (dropped bool, removed *node) {
	c1, c2 := at.drop1.c, at.drop2.comp()
	var m *move1
	if c1.drop >= 0 {
		m = &t.m1[c1.drop]
		m.drop = at.drop1
	}
	part := func(pick, drop *node, c *component) *node {
		if pick != nil {
			return moveTo(pick.path(), drop.path())
		}
		return insertAt(drop.path(), c.ins)
	}
	mine := func() *node {
		if m != nil {
			return part(m.pick, at.drop1, c1)
		}
		return part(nil, at.drop1, c1)
	}
	same := false
	if has(c1.ins) || m.out != nil {
		if s := c2.dropSlot(); c2.inserts() || s >= 0 && !t.m2[s].cancelled {
			same = t.identical(c1, c2)
			if !same && (s < 0 || t.wins2(s)) {
				var pick *node
				if s >= 0 {
					pick = t.m2[s].pick
				}
				t.report(DropCollision, mine(), part(pick, at.drop2, c2))
			}
		}
		switch {
		case same:
		case removed2 != nil:
			t.report(RemovedContent, mine(), removeAt(removed2.path()))
		default:
			if m != nil {
				t.from = append(t.from, c1.drop)
				m.out.pick = t.next
				w.drop(t.next)
				t.next++
			} else {
				w.insert(c1.ins)
			}
			dropped = true
		}
	} else if m.removed2 != nil {
		removed2 = m.removed2
	}
	if m != nil {
		at.pick1, at.pick2, at.drop2 = m.pick, m.pick2, m.drop2
	} else {
		at.pick1, at.pick2 = nil, nil
		if !same {
			at.drop2 = nil
		}
	}
	return dropped, removed2
}

// dropWalk goes through the children of a place in the numberings of all halves.
type dropWalk struct {
	t            *transformer
	kids1, kids2 []*node // of the picks of the first and the drops of the second
	picks2       advancer
	// How many were passed of each half, and by how much the output differs.
	pick1, drop1, pick2, drop2, outPick, outDrop int
}

// dropChildren is writeDrops for all places below at.
func (t *transformer) dropChildren(at places, w *writer, removed2 *node) {
	d := &dropWalk{t: t, kids1: at.pick1.children(), kids2: at.drop2.children()}
	d.picks2 = byKey(at.pick2, &d.pick2)
	for _, k := range at.drop1.kids {
		kid := places{drop1: k}
		to := k.key
		drops1 := k.c.drops()
		if to.isIndex() {
			to.Index = d.index(&kid, drops1)
			if to.Index < 0 {
				if t.err == nil {
					t.err = fmt.Errorf("the operations do not fit one document: %w", ot.ErrRange)
				}
				return
			}
			if drops1 {
				kid.pick1, kid.pick2, kid.drop2 = nil, nil, nil
				d.drop1++
			}
		} else {
			kid.pick1 = nameIn(&d.kids1, to)
			kid.pick2 = d.picks2.to(to)
			kid.drop2 = nameIn(&d.kids2, to)
		}
		w.descend(to)
		dropped := t.writeDrops(kid, w, removed2)
		d.outDrop += count(dropped && to.isIndex())
		w.ascend()
	}
}

// nameIn drops the children before the name k from kids, and returns that at k.
func nameIn(kids *[]*node, k Key) *node {
	for len(*kids) > 0 {
		kid := (*kids)[0]
		if c := kid.key.compare(k); c == 0 {
			return kid
		} else if c > 0 {
			return nil
		}
		*kids = (*kids)[1:]
	}
	return nil
}

// index returns the index in the output of an element at which the first operation
// drops or edits, and fills in the other halves of the place.
func (d *dropWalk) index(kid *places, drops1 bool) int {
	mid1 := kid.drop1.key.Index - d.drop1
	kid.pick1 = d.passPicks1(mid1, drops1)
	raw := mid1 - d.pick1
	kid.pick2 = d.picks2.to(index(raw))
	mid2 := raw - d.pick2
	kid.drop2 = d.passDrops2(mid2, drops1, kid.pick2.comp().picks())
	return mid2 + d.drop2 + d.outPick + d.outDrop
}

// passPicks1 goes on through the picks of the first operation to the position mid
// behind them, and returns what it has there.
func (d *dropWalk) passPicks1(mid int, drops1 bool) *node {
	t := d.t
	for len(d.kids1) > 0 && d.kids1[0].key.isIndex() {
		kid := d.kids1[0]
		at := kid.key.Index + d.pick1
		if at > mid {
			return nil
		}
		if at == mid && (!kid.c.picks() || t.side == ot.Left && drops1) {
			return kid
		}
		if kid.c.picks() {
			d.pick1--
			s := kid.c.pick
			if kid.c.removes() && !t.kept[kid.c] || s >= 0 && t.m1[s].out != nil && (t.side == ot.Right || !t.m1[s].shared) {
				d.outPick--
			}
		}
		d.kids1 = d.kids1[1:]
	}
	return nil
}

// passDrops2 goes on through the drops of the second operation to the position mid
// before them, and returns what it has there.
func (d *dropWalk) passDrops2(mid int, drops1, picked2 bool) *node {
	t := d.t
	for len(d.kids2) > 0 && d.kids2[0].key.isIndex() {
		kid := d.kids2[0]
		at := kid.key.Index - d.drop2
		drops2 := kid.c.drops()
		if at > mid {
			return nil
		}
		if at == mid {
			switch {
			case !drops2, t.side == ot.Left && drops1:
				return kid
			case t.side == ot.Left && picked2:
				return nil
			}
		}
		if drops2 {
			s := kid.c.drop
			d.drop2++
			if s >= 0 && (t.m2[s].cancelled || !t.wins2(s)) {
				// The output has no such drop.
				d.outDrop--
			}
		}
		d.kids2 = d.kids2[1:]
	}
	return nil
}

// mergeHeld merges what was held back for the places to which the second operation
// moves things.
func (t *transformer) mergeHeld(b Op, w *writer) {
	w.top()
	held, cancelled := false, false
	for i := range t.m2 {
		held = held || t.m2[i].drops != nil
		cancelled = cancelled || t.m2[i].cancelled
	}
	w.along(b.root, func(n *node) {
		s := n.c.drop
		if s < 0 {
			return
		}
		if m := &t.m2[s]; m.cancelled && !m.discarded {
			w.remove(true)
		}
		w.merge(t.m2[s].picks.tree())
	})
	if !held && !cancelled {
		return
	}
	w.top()
	h := &heldDrops{t: t, reads: make([]*node, t.next), writes: make([]*writer, t.next)}
	note := func(n *node) {
		if n.c.drop >= 0 {
			h.reads[n.c.drop] = n
		}
	}
	out := w.root.shape(nil)
	out.walk(note)
	for i := range t.m2 {
		t.m2[i].drops.tree().walk(note)
	}
	h.write(b.root, out, out, w)
	w.top()
	h.place(w)
}

// heldDrops writes what the first operation drops into things that the second moves,
// at the places where these are in the output.
type heldDrops struct {
	t *transformer
	// By slot of the output: its drop, and what is to be written below it.
	reads  []*node
	writes []*writer
}

// write goes through the drops of the second operation, and at the same time through
// the picks and drops of the output.
func (h *heldDrops) write(drop2, outPick, outDrop *node, w *writer) {
	if c := outPick.comp(); c.picks() {
		if s := c.pick; s >= 0 {
			outDrop = h.reads[s]
			w = newWriter()
			h.writes[s] = w
		} else {
			outDrop = nil
		}
	} else if outDrop.comp().drops() {
		outDrop = nil
	}
	if s := drop2.c.dropSlot(); s >= 0 && h.t.m2[s].drops != nil {
		tree := h.t.m2[s].drops.tree()
		w.merge(tree)
		outDrop = tree
	}
	pickOff, dropOff := 0, 0
	picks, drops := byKey(outPick, &pickOff), overDrops(outDrop, &dropOff)
	for _, k := range drop2.kids {
		at := k.key
		p := picks.to(at)
		if at.isIndex() {
			at.Index -= pickOff
		}
		d := drops.to(at)
		if at.isIndex() {
			at.Index += dropOff
		}
		w.descend(at)
		h.write(k, p, d, w)
		w.ascend()
	}
}

// place merges what write has held back into the output. What then has no place is
// inside of what the other operation moved into it.
func (h *heldDrops) place(w *writer) {
	found := make([]*node, len(h.writes))
	any := false
	for i, hw := range h.writes {
		if found[i] = hw.tree(); hw != nil && hw.err != nil && h.t.err == nil {
			h.t.err = hw.err
		}
		any = any || found[i] != nil
	}
	if !any {
		return
	}
	shape := w.root.shape(nil)
	w.along(shape, func(n *node) {
		if s := n.c.drop; s >= 0 {
			w.merge(found[s])
			found[s] = nil
		}
	})
	w1, w2 := newWriter(), newWriter()
	n1, n2 := 0, 0
	for _, tree := range found {
		tree.walk(func(n *node) {
			if n.c.drop < 0 {
				return
			}
			m := h.t.m1[h.t.from[n.c.drop]]
			w1.move(m.pick.path(), m.drop.path(), n1)
			n1++
			for _, s := range m.drops2 {
				if m2 := h.t.m2[s]; !m2.cancelled && h.t.wins2(s) {
					w2.move(m2.pick.path(), m2.drop.path(), n2)
					n2++
				}
			}
		})
		if tree != nil {
			any = false
		}
	}
	if !any {
		h.t.report(BlackHole, w1.root, w2.root)
	}
}
