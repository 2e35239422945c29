package json1

import (
	"fmt"
	"math"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/text"
)

// Type is the json1 type; it implements ot.Type.
type Type struct {
	// Resolve has Transform settle conflicts by itself, at the cost of content that
	// is removed, instead of returning a *ConflictError. All who take part must
	// agree on it.
	Resolve bool
}

// Name implements ot.Type.
func (Type) Name() string { return "json1" }

// URI implements ot.Type.
func (Type) URI() string { return "http://sharejs.org/types/JSONv1" }

// Doc is a JSON document; it implements ot.Doc.
type Doc struct {
	v any // immutable; none is an empty document
}

// ParseDoc implements ot.Type. The result is a *Doc. No data at all is the document
// that is nothing, as is what an operation leaves that removes the root.
func (Type) ParseDoc(data []byte) (ot.Doc, error) {
	if len(data) == 0 {
		return &Doc{none}, nil
	}
	v, err := jsonval.ParseDoc(data)
	if err != nil {
		return nil, fmt.Errorf("parse json1 document: %w", err)
	}
	return &Doc{v}, nil
}

// AppendJSON implements ot.Doc.
func (d *Doc) AppendJSON(dst []byte) []byte { return jsonval.Append(dst, d.v) }

// Empty reports whether the document is nothing, which is not the same as null.
func (d *Doc) Empty() bool { return !has(d.v) }

// Clone implements ot.Doc.
func (d *Doc) Clone() ot.Doc { return &Doc{d.v} }

func opOf(o ot.Op) (Op, error) {
	op, ok := o.(Op)
	if !ok {
		return Op{}, fmt.Errorf("operation is a %T, not of json1: %w", o, ot.ErrMismatch)
	}
	return op, nil
}

func twoOps(a, b ot.Op) (Op, Op, error) {
	x, err := opOf(a)
	if err != nil {
		return x, x, err
	}
	y, err := opOf(b)
	return x, y, err
}

// Apply implements ot.Doc.
func (d *Doc) Apply(o ot.Op) error {
	op, err := opOf(o)
	if err != nil {
		return fmt.Errorf("apply json1 operation: %w", err)
	}
	v, err := (&applier{held: make([]any, op.moves)}).apply(d.v, op)
	if err != nil {
		return fmt.Errorf("apply json1 operation: %w", err)
	}
	d.v = v
	return nil
}

// applier applies one operation.
type applier struct {
	held []any // what was picked up, by slot
	// What Invert needs to know of the document, when these are not nil.
	removed map[*component]any
	edited  map[*component]edit // the edit that undoes that of the component
}

func (a *applier) apply(v any, op Op) (any, error) {
	if op.root == nil {
		return v, nil
	}
	v, err := a.pick(v, op.root)
	if err != nil {
		return nil, err
	}
	if op.root.c.drops() {
		if has(v) {
			return nil, fmt.Errorf("drop where something is: %w", ot.ErrRange)
		}
	}
	if v, err = a.drop(v, op.root); err != nil {
		return nil, err
	}
	if jsonval.Depth(v) > jsonval.MaxDocDepth {
		return nil, fmt.Errorf("the document would nest too deep: %w", ot.ErrTooLarge)
	}
	return v, nil
}

// child returns what stands at k in v, or none.
func child(v any, k Key) any {
	switch c := v.(type) {
	case *jsonval.List:
		if k.isIndex() && k.Index < c.Len() {
			return c.At(k.Index)
		}
	case *jsonval.Object:
		if !k.isIndex() {
			return c.Lookup(k.Name)
		}
	}
	return none
}

// replace returns v with w in the place of its child at k; none removes it.
func replace(v any, k Key, w any) any {
	switch c := v.(type) {
	case *jsonval.List:
		if has(w) {
			return c.With(k.Index, w)
		}
		return c.Remove(k.Index)
	case *jsonval.Object:
		if has(w) {
			return c.With(k.Name, w)
		}
		return c.Without(k.Name)
	}
	return v
}

// pick returns what is left of v when everything below n has been picked up.
func (a *applier) pick(v any, n *node) (any, error) {
	for i := len(n.kids) - 1; i >= 0; i-- {
		k := n.kids[i]
		old := child(v, k.key)
		now, err := a.pick(old, k)
		if err != nil {
			return nil, err
		}
		if now != old {
			v = replace(v, k.key, now)
		}
	}
	if !n.c.picks() {
		return v, nil
	}
	if !has(v) {
		return nil, fmt.Errorf("pick up at %s, where nothing is: %w", n.path().AppendJSON(nil), ot.ErrRange)
	}
	if n.c.pick >= 0 {
		a.held[n.c.pick] = v
	} else if a.removed != nil {
		a.removed[n.c] = v
	}
	return none, nil
}

// drop returns what v becomes by the drops and edits from n on.
func (a *applier) drop(v any, n *node) (any, error) {
	if c := n.c; c.drops() {
		v = c.ins
		if c.drop >= 0 {
			v = a.held[c.drop]
		}
	}
	if e := n.c.editOf(); e.kind != 0 {
		was := v
		var err error
		if v, err = e.apply(v); err != nil {
			return nil, err
		}
		if a.edited != nil {
			if a.edited[n.c], err = e.invert(was); err != nil {
				return nil, err
			}
		}
	}
	for _, k := range n.kids {
		old := none
		if k.c.drops() {
			if err := roomFor(v, k.key); err != nil {
				return nil, err
			}
		} else {
			old = child(v, k.key)
		}
		now, err := a.drop(old, k)
		if err != nil {
			return nil, err
		}
		if l, ok := v.(*jsonval.List); ok && k.c.drops() {
			v = l.Insert(k.key.Index, now)
		} else if now != old {
			v = replace(v, k.key, now)
		}
	}
	return v, nil
}

// roomFor tells whether something can be put into v at k.
func roomFor(v any, k Key) error {
	switch c := v.(type) {
	case *jsonval.List:
		if k.isIndex() && k.Index <= c.Len() {
			return nil
		}
		return fmt.Errorf("insert at %s in a list of %d: %w", k.append(nil), c.Len(), ot.ErrRange)
	case *jsonval.Object:
		if !k.isIndex() && !has(c.Lookup(k.Name)) {
			return nil
		}
		return fmt.Errorf("insert at %s in an object, where something is or which is an index: %w", k.append(nil), ot.ErrRange)
	}
	return fmt.Errorf("insert at %s in what is no container: %w", k.append(nil), ot.ErrRange)
}

func (e edit) apply(v any) (any, error) {
	if e.kind == textEdit {
		return text.Unicode.ApplyValue(v, e.text)
	}
	n, ok := v.(float64)
	if sum := n + e.num; ok && !math.IsInf(sum, 0) {
		return sum, nil
	}
	return nil, fmt.Errorf("add to what is no number, or too large: %w", ot.ErrMismatch)
}

func (e edit) invert(v any) (edit, error) {
	if e.kind == numberEdit {
		e.num = -e.num
		return e, nil
	}
	var err error
	e.text, err = text.Unicode.InvertValue(v, e.text)
	return e, err
}

// Invert implements ot.Doc. Numbers are subtracted again, which gives back the old one
// as long as float64 holds the sum exactly.
func (d *Doc) Invert(o ot.Op) (ot.Op, error) {
	op, err := opOf(o)
	if err != nil {
		return nil, fmt.Errorf("invert json1 operation: %w", err)
	}
	a := &applier{held: make([]any, op.moves), removed: map[*component]any{}, edited: map[*component]edit{}}
	if _, err := a.apply(d.v, op); err != nil {
		return nil, fmt.Errorf("invert json1 operation: %w", err)
	}
	// What was picked up is dropped in the same place and so on; the two halves of
	// an operation change roles. Only edits stand at another place then.
	in := inverter{a: a, w: newWriter(), picks: make([]*node, op.moves), held: make([]*writer, op.moves)}
	in.w.along(op.root, func(n *node) {
		c := n.c
		if c.pick >= 0 {
			in.w.drop(c.pick)
			in.picks[c.pick] = n
		}
		if has(c.rm) {
			in.w.insert(a.removed[c])
		}
		if c.drop >= 0 {
			in.w.pick(c.drop)
		}
		if has(c.ins) {
			in.w.remove(true)
		}
	})
	in.w.top()
	in.edits(op.root, op.root, in.w, false)
	in.w.top()
	in.w.along(op.root, func(n *node) {
		if n.c.pick >= 0 {
			in.w.merge(in.held[n.c.pick].tree())
		}
	})
	if in.w.err != nil {
		return nil, fmt.Errorf("invert json1 operation: %w", in.w.err)
	}
	return opOfTree(in.w.root), nil
}

type inverter struct {
	a     *applier
	w     *writer
	picks []*node   // by slot: where it was picked up
	held  []*writer // by slot: edits inside of it
}

// edits writes the edits below drop, undone, to where their place was before the
// operation. Pick is the same place there. Within an insertion there is nothing to
// undo.
func (in *inverter) edits(pick, drop *node, w *writer, inserted bool) {
	if drop == nil {
		return
	}
	if c := drop.c; c != nil {
		if c.drop >= 0 {
			pick = in.picks[c.drop]
			w = newWriter()
			in.held[c.drop] = w
			inserted = false
		} else if has(c.ins) {
			inserted = true
		}
		if c.edit.kind != 0 && !inserted {
			w.edit(in.a.edited[c])
		}
	}
	pickOff, dropOff := 0, 0
	picks := overPicks(pick, &pickOff)
	for _, k := range drop.kids {
		at := k.key
		if at.isIndex() {
			at.Index -= dropOff
		}
		p := picks.to(at)
		if at.isIndex() {
			at.Index += pickOff
			dropOff += count(k.c.drops())
		}
		w.descend(at)
		in.edits(p, k, w, inserted)
		w.ascend()
	}
}
