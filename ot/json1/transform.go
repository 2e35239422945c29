package json1

import (
	"errors"
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
)

// ConflictKind says why two operations cannot both be kept.
type ConflictKind uint8

const (
	// RemovedContent means that one operation puts or edits something within what
	// the other removes.
	RemovedContent ConflictKind = iota + 1
	// DropCollision means that both put something at the same place.
	DropCollision
	// BlackHole means that each moves something into what the other moves.
	BlackHole
)

// ConflictError tells the parts of the two operations that are in conflict. It wraps
// ot.ErrConflict.
type ConflictError struct {
	Kind     ConflictKind
	Op, Over Op
}

// Error implements error.
func (e *ConflictError) Error() string {
	what := map[ConflictKind]string{RemovedContent: "change in what is removed", DropCollision: "drops at one place", BlackHole: "moves into each other"}
	return fmt.Sprintf("%s: %s and %s: %v", what[e.Kind], e.Op, e.Over, ot.ErrConflict)
}

// Unwrap makes errors.Is find ot.ErrConflict.
func (e *ConflictError) Unwrap() error { return ot.ErrConflict }

// maxConflicts is how many conflicts of two operations are settled.
const maxConflicts = 1000

// Transform implements ot.Type. A conflict is a *ConflictError unless Type.Resolve
// is set.
func (t Type) Transform(op, over ot.Op, side ot.Side) (ot.Op, error) {
	a, b, err := twoOps(op, over)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	var settled Op
	for range maxConflicts {
		out, err := transform(a, b, side)
		var conflict *ConflictError
		switch {
		case err == nil:
			out, err = compose(settled, out)
			if err != nil {
				return nil, fmt.Errorf("transform: %w", err)
			}
			return out, nil
		case !t.Resolve || !errors.As(err, &conflict):
			return nil, fmt.Errorf("transform: %w", err)
		}
		ra, rb := conflict.settle(side)
		if a, err = compose(a.normal(), ra); err == nil {
			if b, err = compose(b.normal(), rb); err == nil {
				settled, err = compose(settled, rb)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("transform: settle a conflict: %w", err)
		}
	}
	return nil, fmt.Errorf("transform: more than %d conflicts: %w", maxConflicts, ot.ErrTooComplex)
}

// normal returns op with its slots in the order of the picks and without edits that
// change nothing.
func (o Op) normal() Op {
	slots := make([]int, o.moves)
	for i := range slots {
		slots[i] = -1
	}
	next := 0
	slot := func(s int) int {
		if slots[s] < 0 {
			slots[s] = next
			next++
		}
		return slots[s]
	}
	w := newWriter()
	w.along(o.root, func(n *node) {
		w.edit(n.c.edit)
		if has(n.c.rm) {
			w.remove(n.c.rm)
		}
		if n.c.pick >= 0 {
			w.pick(slot(n.c.pick))
		}
		if has(n.c.ins) {
			w.insert(n.c.ins)
		}
		if n.c.drop >= 0 {
			w.drop(slot(n.c.drop))
		}
	})
	return opOfTree(w.root)
}

// settle returns what is to be done after each of the two operations so that they do
// not conflict any more.
func (e *ConflictError) settle(side ot.Side) (afterOp, afterOver Op) {
	switch e.Kind {
	case DropCollision:
		if side == ot.Left {
			return Op{}, e.Over.removeResults()
		}
		return e.Op.removeResults(), Op{}
	case RemovedContent:
		removes := false
		e.Op.root.walk(func(n *node) { removes = removes || has(n.c.rm) })
		if removes {
			return Op{}, e.Over.removeResults()
		}
		return e.Op.removeResults(), Op{}
	}
	return e.Op.removeResults(), e.Over.removeResults()
}

// removeResults returns the operation that removes what op drops, inserts or edits.
func (o Op) removeResults() Op {
	w := newWriter()
	w.along(o.root, func(n *node) {
		if n.c.drops() || n.c.edit.kind != 0 {
			w.remove(true)
		}
	})
	return opOfTree(w.root)
}

// move1 is what is known of a move of the operation that is transformed.
type move1 struct {
	pick, drop   *node      // its ends
	pick2, drop2 *node      // what the other operation does at its source: picks, and drops after its own moves
	removed2     *node      // the removal of the other operation that takes its source
	out          *component // where the output picks it up; nil when the move is cancelled
	drops2       []int      // moves of the other operation that end inside of it
	shared       bool       // the other operation moves the same thing
}

// move2 is what is known of a move of the operation that was done meanwhile.
type move2 struct {
	pick, drop *node   // its ends
	pick1      *node   // what the first operation does at its source
	removed1   *node   // the removal of the first operation that takes its source
	cancelled  bool    // there is one
	discarded  bool    // the first operation removes its target as well
	with       int     // the move of the first operation that moves the same thing, or -1
	picks      *writer // picks of the output inside of what it moves
	drops      *writer // drops of the output inside of what it moves
}

// transformer transforms one operation over another.
//
// The output has picks, which are those of the first operation moved by the picks and
// drops of the second; and drops, which stand behind the picks of their operation and
// therefore are brought back to the original document first, then moved by the second
// operation, and then by the picks of the output. Content that the second operation
// moves has a writer of its own, which is merged into the output at the new place.
type transformer struct {
	side     ot.Side
	m1       []move1
	m2       []move2
	conflict *ConflictError
	// kept are removals of the first operation that the output does not have, because
	// the second did the same or moved the thing.
	kept map[*component]bool
	next int   // slot of the output
	from []int // slot of the first operation, by slot of the output
	err  error
}

func transform(a, b Op, side ot.Side) (Op, error) {
	if b.root == nil || a.root == nil {
		return a, nil
	}
	t := &transformer{side: side, m1: make([]move1, a.moves), m2: make([]move2, b.moves), kept: map[*component]bool{}}
	for i := range t.m2 {
		t.m2[i].with = -1
	}
	w := newWriter()
	t.scanPicks(b.root, a.root, nil)
	t.scanDrops(a.root, b.root, b.root, -1, nil)
	if t.conflict == nil {
		t.writePicks(a.root, b.root, b.root, w, nil)
		w.top()
		t.writeDrops(places{a.root, a.root, b.root, b.root}, w, nil)
	}
	if t.conflict == nil && t.err == nil {
		t.mergeHeld(b, w)
	}
	if t.err == nil {
		t.err = w.err
	}
	for i := range t.m2 {
		for _, h := range []*writer{t.m2[i].picks, t.m2[i].drops} {
			if h != nil && t.err == nil {
				t.err = h.err
			}
		}
	}
	switch {
	case t.conflict != nil:
		return Op{}, t.conflict
	case t.err != nil:
		return Op{}, t.err
	}
	return opOfTree(w.root), nil
}

// report notes a conflict, if it is the first.
func (t *transformer) report(kind ConflictKind, op, over *node) {
	if t.conflict == nil {
		t.conflict = &ConflictError{kind, opOfTree(op), opOfTree(over)}
	}
}

// wins2 tells whether the second operation has its way with its move s: it was not
// picked up by the first one too, or that one is Right.
func (t *transformer) wins2(s int) bool { return t.side == ot.Right || t.m2[s].with < 0 }

// scanPicks notes, for the picks of the second operation, what the first does there.
// Removed1 is the removal of the first operation that holds for the place.
func (t *transformer) scanPicks(pick2, pick1, removed1 *node) {
	c1 := pick1.comp()
	switch {
	case c1.removes():
		removed1 = pick1
	case c1.pickSlot() >= 0:
		removed1 = nil
		t.m1[c1.pick].pick2 = pick2
	}
	if s := pick2.c.pickSlot(); s >= 0 {
		m := &t.m2[s]
		m.pick1, m.pick = pick1, pick2
		if removed1 != nil {
			m.cancelled, m.removed1 = true, removed1
		}
		if c1.pickSlot() >= 0 {
			m.with = c1.pick
			t.m1[c1.pick].shared = true
		}
	}
	picks1 := byKey(pick1, nil)
	for _, k := range pick2.kids {
		t.scanPicks(k, picks1.to(k.key), removed1)
	}
}

// scanDrops notes where the drops of the second operation are, and finds those that
// the first removes. It tells whether something is dropped here.
func (t *transformer) scanDrops(pick1, pick2, drop2 *node, inMove1 int, removed1 *node) (dropped bool) {
	c2 := drop2.c
	if s := c2.dropSlot(); s >= 0 {
		dropped = true
		m := &t.m2[s]
		m.drop = drop2
		if inMove1 >= 0 {
			t.m1[inMove1].drops2 = append(t.m1[inMove1].drops2, s)
		}
		pick1, pick2 = m.pick1, m.pick
		if m.cancelled {
			m.discarded = m.discarded || removed1 != nil
			removed1 = m.removed1
		} else if removed1 != nil && t.wins2(s) {
			t.report(RemovedContent, removeAt(removed1.path()), moveTo(pick2.path(), drop2.path()))
		}
	} else if c2.inserts() {
		dropped = true
		pick1, pick2 = nil, nil
		if removed1 != nil {
			t.report(RemovedContent, removeAt(removed1.path()), insertAt(drop2.path(), c2.ins))
		}
	}
	switch c1 := pick1.comp(); {
	case c1.removes():
		removed1 = pick1
	case c1.pickSlot() >= 0:
		inMove1, removed1 = c1.pick, nil
	}
	if e := c2.editOf(); e.kind != 0 && removed1 != nil {
		t.report(RemovedContent, removeAt(removed1.path()), editAt(drop2.path(), e))
	}
	pickOff, dropOff := 0, 0
	picks2, picks1 := overPicks(pick2, &pickOff), byKey(pick1, nil)
	for _, k := range drop2.kids {
		at := k.key
		if at.isIndex() {
			at.Index -= dropOff
		}
		p2 := picks2.to(at)
		if at.isIndex() {
			at.Index += pickOff
		}
		d := t.scanDrops(picks1.to(at), p2, k, inMove1, removed1)
		dropOff += count(d && at.isIndex())
	}
	return dropped
}

// writePicks writes the picks and removals of the first operation. Removed2 is the
// removal of the second operation that holds for the place.
func (t *transformer) writePicks(pick1, pick2, drop2 *node, w *writer, removed2 *node) {
	moved := false
	if c2 := pick2.comp(); c2.picks() {
		if s := c2.pick; s >= 0 {
			drop2 = t.m2[s].drop
			w = newWriter()
			t.m2[s].picks = w
			moved = true
			removed2 = nil
		} else {
			drop2, removed2 = nil, pick2
		}
	} else if drop2.comp().drops() {
		drop2 = nil
	}
	if c1 := pick1.c; c1.pickSlot() >= 0 {
		m := &t.m1[c1.pick]
		if removed2 != nil {
			m.removed2 = removed2
		}
		if removed2 == nil && (t.side == ot.Left || !moved) {
			m.out = w.component()
		}
		m.pick = pick1
		if drop2 != nil {
			m.drop2 = drop2
		}
	} else if c1.removes() {
		if removed2 == nil {
			w.remove(true)
		}
		if removed2 != nil || moved {
			t.kept[c1] = true
		}
	}
	pickOff, dropOff := 0, 0
	picks2, drops2 := byKey(pick2, &pickOff), overDrops(drop2, &dropOff)
	for _, k := range pick1.kids {
		at := k.key
		p2 := picks2.to(at)
		var d2 *node
		if at.isIndex() {
			at.Index -= pickOff
			if !p2.comp().picks() {
				d2 = drops2.to(at)
			}
			at.Index += dropOff
		} else {
			d2 = drops2.to(at)
		}
		w.descend(at)
		t.writePicks(k, p2, d2, w, removed2)
		w.ascend()
	}
}

// identical tells whether both operations drop the same thing here.
func (t *transformer) identical(c1, c2 *component) bool {
	if s := c2.drop; s >= 0 {
		return c1.drop >= 0 && c1.drop == t.m2[s].with
	}
	return jsonval.Equal(c1.ins, c2.ins)
}
