package json1

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
)

// Compose implements ot.Type.
func (Type) Compose(first, second ot.Op) (ot.Op, error) {
	a, b, err := twoOps(first, second)
	if err == nil {
		a, err = compose(a, b)
	}
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	return a, nil
}

// composer composes two operations. There are three states of the document: before
// the first, between the two, and after the second. Picks of the first and drops of
// the second stand in the outer two and are taken over; drops of the first and picks
// of the second stand in between, and are carried out to either side, or cancel.
type composer struct {
	slots1, slots2 []composedSlot
	next           int                 // slot of the output
	done           map[*component]bool // components of the second whose edit is written
	err            error
}

// composedSlot is what becomes of a move.
type composedSlot struct {
	at     *node   // the pick of the first operation, or the drop of the second
	out    int     // its slot in the output, or -1
	writes *writer // what is to be written at the place at
}

func compose(a, b Op) (Op, error) {
	if a.root == nil {
		return b, nil
	}
	if b.root == nil {
		return a, nil
	}
	c := &composer{slots1: make([]composedSlot, a.moves), slots2: make([]composedSlot, b.moves), done: map[*component]bool{}}
	for i := range c.slots1 {
		c.slots1[i].out = -1
	}
	for i := range c.slots2 {
		c.slots2[i].out = -1
	}
	a.root.walk(func(n *node) {
		if n.c.pick >= 0 {
			c.slots1[n.c.pick].at = n
		}
	})
	b.root.walk(func(n *node) {
		if n.c.drop >= 0 {
			c.slots2[n.c.drop].at = n
		}
	})
	w, picks := newWriter(), newWriter()
	c.boundary(between{a.root, a.root, b.root, b.root}, none, false, w, picks)
	w.top()
	w.merge(picks.root)
	c.outer(a, b, w)
	if c.err == nil {
		c.err = w.err
	}
	for _, s := range append(c.slots1, c.slots2...) {
		if s.writes != nil && c.err == nil {
			c.err = s.writes.err
		}
	}
	if c.err == nil {
		c.err = picks.err
	}
	if c.err != nil {
		return Op{}, c.err
	}
	return opOfTree(w.root), nil
}

// outer writes the picks of a and the drops of b.
func (c *composer) outer(a, b Op, w *writer) {
	w.top()
	w.along(a.root, func(n *node) {
		if s := n.c.pick; s >= 0 {
			if out := c.slots1[s].out; out >= 0 {
				w.pick(out)
			}
			w.merge(c.slots1[s].writes.tree())
		} else if has(n.c.rm) {
			w.remove(n.c.rm)
		}
	})
	w.top()
	w.along(b.root, func(n *node) {
		if s := n.c.drop; s >= 0 {
			if out := c.slots2[s].out; out >= 0 {
				w.drop(out)
			}
			w.merge(c.slots2[s].writes.tree())
		} else if has(n.c.ins) {
			w.insert(n.c.ins)
		}
		if !c.done[n.c] {
			w.edit(n.c.edit)
		}
	})
}

// between is a place in the state between the operations, as seen by the four halves
// of them. Any but one of drop1 and pick2 may be nil.
type between struct{ pick1, drop1, pick2, drop2 *node }

// boundary carries what happens at a place, and below it, to the outside: drops of
// the first operation to wd, which is in the state after the second, picks of the
// second to wp, in the state before the first. Lit is the value inserted by the first
// operation that is here, or none; what is left of it in the end is returned.
// UnderRemoved tells that the second operation removes a parent.
func (c *composer) boundary(at between, lit any, underRemoved bool, wd, wp *writer) any {
	d1, p2 := at.drop1.comp(), at.pick2.comp()
	slotD, slotP := d1.dropSlot(), p2.pickSlot()
	removedHere, insertedHere := p2.removes(), d1.inserts()
	removeChildren := (underRemoved || removedHere) && slotP < 0
	switch {
	case slotP >= 0:
		at.drop2 = c.slots2[slotP].at
		wd = newWriter()
		c.slots2[slotP].writes = wd
	case removedHere || at.drop2.comp().dropSlot() >= 0:
		at.drop2 = nil
	}
	switch {
	case slotD >= 0:
		at.pick1 = c.slots1[slotD].at
		wp = newWriter()
		c.slots1[slotD].writes = wp
		if !removeChildren {
			c.slots1[slotD].out = c.next
			wd.drop(c.next)
			c.next++
		} else if underRemoved && !removedHere {
			wp.remove(true)
		}
	case insertedHere || at.pick1.comp().pickSlot() >= 0:
		at.pick1 = nil
	}
	litOut := lit
	if insertedHere {
		litOut = d1.ins
	}
	var ins *component
	if slotP < 0 && insertedHere && !underRemoved && !removedHere || slotP >= 0 && has(litOut) {
		ins = wd.component()
	}
	if !has(lit) && !insertedHere {
		if slotP >= 0 {
			// What is moved twice is moved once, from where the first picks it up.
			out := c.next
			if slotD >= 0 {
				out = c.slots1[slotD].out
			} else {
				c.next++
			}
			c.slots2[slotP].out = out
			wp.pick(out)
		} else if removedHere {
			wp.remove(p2.rm)
		}
	}
	c.edits(d1, at.drop2.comp(), removeChildren, wd)
	litOut = c.children(at, litOut, removeChildren, wd, wp)
	if ins != nil {
		ins.ins = litOut
	} else if !underRemoved && !removedHere && slotP < 0 {
		return litOut
	}
	return none
}

// edits writes what the edits of both operations at a place do together.
func (c *composer) edits(d1, d2 *component, removed bool, wd *writer) {
	e1, e2 := d1.editOf(), d2.editOf()
	if removed {
		e1 = edit{}
	}
	if e2.kind != 0 {
		c.done[d2] = true
	}
	if e1.kind == 0 {
		wd.edit(e2)
		return
	}
	if e2.kind != 0 {
		var err error
		if e1, err = e1.compose(e2); err != nil && c.err == nil {
			c.err = err
		}
	}
	wd.edit(e1)
}

// children is boundary for all places below at. It returns what is left of lit.
func (c *composer) children(at between, lit any, removed bool, wd, wp *writer) any {
	container := isContainer(lit)
	var pick1Off, drop1Off, pick2Off, drop2Off, litOff int
	drops2, picks1 := overDrops(at.drop2, &drop2Off), overPicks(at.pick1, &pick1Off)
	eachKey(at.drop1, at.pick2, func(k Key, drop1, pick2 *node) {
		outer, inner, litKey := k, k, k
		kid := between{drop1: drop1, pick2: pick2}
		if k.isIndex() {
			mid2 := k.Index + pick2Off
			kid.drop2 = drops2.to(index(mid2))
			outer.Index = mid2 + drop2Off
			mid1 := k.Index + drop1Off
			kid.pick1 = picks1.to(index(mid1))
			if kid.drop2.comp().drops() {
				kid.pick1 = nil
			}
			inner.Index = mid1 + pick1Off
			litKey.Index = k.Index + litOff
			hd1, hp2 := drop1.comp().drops(), pick2.comp().picks()
			litOff -= count(hd1 || hp2 && !removed)
			drop1Off -= count(hd1)
			pick2Off -= count(hp2)
			if inner.Index < 0 || outer.Index < 0 || litKey.Index < 0 {
				c.fail()
				return
			}
		} else {
			kid.pick1, kid.drop2 = picks1.to(k), drops2.to(k)
		}
		was := none
		if container && !drop1.comp().drops() {
			was = child(lit, litKey)
		}
		wp.descend(inner)
		wd.descend(outer)
		now := c.boundary(kid, was, removed, wd, wp)
		wd.ascend()
		wp.ascend()
		switch {
		case now == was || removed:
		case !container || !has(was):
			c.fail()
		default:
			lit = replace(lit, litKey, now)
		}
	})
	return lit
}

// fail notes that the two operations do not follow each other.
func (c *composer) fail() {
	if c.err == nil {
		c.err = fmt.Errorf("the second operation does not fit what the first leaves: %w", ot.ErrRange)
	}
}

func isContainer(v any) bool {
	switch v.(type) {
	case *jsonval.List, *jsonval.Object:
		return true
	}
	return false
}

// eachKey calls visit for each key that a child of a or of b has, in order, with
// those children.
func eachKey(a, b *node, visit func(k Key, a, b *node)) {
	x, y := a.children(), b.children()
	for len(x) > 0 || len(y) > 0 {
		c := 0
		switch {
		case len(y) == 0:
			c = -1
		case len(x) == 0:
			c = 1
		default:
			c = x[0].key.compare(y[0].key)
		}
		switch {
		case c < 0:
			k := x[0]
			x = x[1:]
			visit(k.key, k, nil)
		case c > 0:
			k := y[0]
			y = y[1:]
			visit(k.key, nil, k)
		default:
			k, l := x[0], y[0]
			x, y = x[1:], y[1:]
			visit(k.key, k, l)
		}
	}
}
