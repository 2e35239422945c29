package json1

import (
	"fmt"
	"slices"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/text"
)

// writer makes the tree of an operation. Going down makes no node before there is
// something to write.
type writer struct {
	root    *node
	at      *node
	pending []Key
	// err is the first contradiction that was written.
	err error
}

func newWriter() *writer { return &writer{} }

func (w *writer) descend(k Key) { w.pending = append(w.pending, k) }

func (w *writer) ascend() {
	if n := len(w.pending); n > 0 {
		w.pending = w.pending[:n-1]
		return
	}
	w.at = w.at.parent
}

// component returns that of the present place.
func (w *writer) component() *component {
	if w.root == nil {
		w.root = &node{}
		w.at = w.root
	}
	for _, k := range w.pending {
		w.at = w.at.kid(k)
	}
	w.pending = w.pending[:0]
	if w.at.c == nil {
		w.at.c = newComponent()
	}
	return w.at.c
}

// kid returns the child with that key, which it makes if need be.
func (n *node) kid(k Key) *node {
	i, found := len(n.kids), false
	if i > 0 && n.kids[i-1].key.compare(k) >= 0 {
		i, found = slices.BinarySearchFunc(n.kids, k, func(n *node, k Key) int { return n.key.compare(k) })
	}
	if !found {
		n.kids = slices.Insert(n.kids, i, &node{key: k, parent: n})
	}
	return n.kids[i]
}

// clash notes that something else was written to the same place before. It does not
// happen with operations that ot-json1 can transform.
func (w *writer) clash(what string) {
	if w.err == nil {
		w.err = fmt.Errorf("two different %s at one place: %w", what, ot.ErrConflict)
	}
}

func (w *writer) remove(v any) {
	c := w.component()
	if has(c.rm) && c.rm != nil && !jsonval.Equal(c.rm, v) {
		w.clash("removals")
	}
	c.rm = v
}

func (w *writer) insert(v any) {
	c := w.component()
	if has(c.ins) && c.ins != nil && !jsonval.Equal(c.ins, v) {
		w.clash("insertions")
	}
	c.ins = v
}

func (w *writer) pick(slot int) {
	c := w.component()
	if c.pick >= 0 && c.pick != slot {
		w.clash("picks")
	}
	c.pick = slot
}

func (w *writer) drop(slot int) {
	c := w.component()
	if c.drop >= 0 && c.drop != slot {
		w.clash("drops")
	}
	c.drop = slot
}

// edit writes e unless it changes nothing.
func (w *writer) edit(e edit) {
	if e.kind == 0 || e.kind == textEdit && e.text.Noop() {
		return
	}
	c := w.component()
	if c.edit.kind != 0 {
		w.clash("edits")
	}
	c.edit = e
}

// merge writes what the tree n does, below the present place.
func (w *writer) merge(n *node) {
	if n == nil {
		return
	}
	if c := n.c; c != nil {
		if has(c.rm) {
			w.remove(c.rm)
		}
		if has(c.ins) {
			w.insert(c.ins)
		}
		if c.pick >= 0 {
			w.pick(c.pick)
		}
		if c.drop >= 0 {
			w.drop(c.drop)
		}
		w.edit(c.edit)
	}
	for _, k := range n.kids {
		w.descend(k.key)
		w.merge(k)
		w.ascend()
	}
}

// along calls visit for each component of n, with w at the same place.
func (w *writer) along(n *node, visit func(n *node)) {
	if n == nil {
		return
	}
	if n.c != nil {
		visit(n)
	}
	for _, k := range n.kids {
		w.descend(k.key)
		w.along(k, visit)
		w.ascend()
	}
}

// goTo descends the whole path.
func (w *writer) goTo(p Path) *writer {
	w.pending = append(w.pending, p...)
	return w
}

// top goes back to the root.
func (w *writer) top() {
	w.at = w.root
	w.pending = w.pending[:0]
}

// tree returns what a writer that may be nil has written.
func (w *writer) tree() *node {
	if w == nil {
		return nil
	}
	return w.root
}

// shape returns a copy of the tree that shares its components.
func (n *node) shape(parent *node) *node {
	if n == nil {
		return nil
	}
	out := &node{key: n.key, parent: parent, c: n.c, kids: make([]*node, len(n.kids))}
	for i, k := range n.kids {
		out.kids[i] = k.shape(out)
	}
	return out
}

// advancer finds the child of a node that stands at a key of another numbering, for
// keys that ascend. Where maps the index of a child to that numbering, and tells
// whether the child does not exist in it; passed is called for each child of a list
// that is left behind.
type advancer struct {
	kids   []*node
	where  func(i int, c *component) (at int, skip bool)
	passed func(c *component)
}

func (a *advancer) to(k Key) *node {
	for len(a.kids) > 0 {
		kid := a.kids[0]
		at, skip := kid.key, false
		if a.where != nil && at.isIndex() {
			at.Index, skip = a.where(at.Index, kid.c)
		}
		c := -1
		if at.isIndex() && at.Index < 0 {
			// An offset may put a child before the start; it is passed.
		} else {
			c = at.compare(k)
		}
		if c > 0 {
			return nil
		}
		if c == 0 && !skip {
			return kid
		}
		if a.passed != nil && kid.key.isIndex() {
			a.passed(kid.c)
		}
		a.kids = a.kids[1:]
	}
	return nil
}

// overPicks returns an advancer through n by positions after its picks are done.
// Off counts the picks that were passed.
func overPicks(n *node, off *int) advancer {
	return advancer{
		kids:   n.children(),
		where:  func(i int, c *component) (int, bool) { return i - *off, c.picks() },
		passed: func(c *component) { *off += count(c.picks()) },
	}
}

// overDrops returns an advancer through n by positions before its drops are done.
// Off counts the drops that were passed.
func overDrops(n *node, off *int) advancer {
	return advancer{
		kids:   n.children(),
		where:  func(i int, c *component) (int, bool) { return i - *off, c.drops() },
		passed: func(c *component) { *off += count(c.drops()) },
	}
}

// byKey returns an advancer through n by its own keys. Off counts the picks that
// were passed, unless it is nil.
func byKey(n *node, off *int) advancer {
	a := advancer{kids: n.children()}
	if off != nil {
		a.passed = func(c *component) { *off += count(c.picks()) }
	}
	return a
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func index(i int) Key { return Key{Index: i} }

// Helpers that make small operations.

func removeAt(p Path) *node {
	w := newWriter()
	w.goTo(p).remove(true)
	return w.root
}

func insertAt(p Path, v any) *node {
	w := newWriter()
	w.goTo(p).insert(v)
	return w.root
}

func (w *writer) move(from, to Path, slot int) {
	w.top()
	w.goTo(from).pick(slot)
	w.top()
	w.goTo(to).drop(slot)
}

func moveTo(from, to Path) *node {
	w := newWriter()
	w.move(from, to, 0)
	return w.root
}

func editAt(p Path, e edit) *node {
	w := newWriter()
	w.goTo(p).component().edit = e
	return w.root
}

func (e edit) compose(f edit) (edit, error) {
	if e.kind != f.kind {
		return edit{}, fmt.Errorf("edits of different types: %w", ot.ErrMismatch)
	}
	if e.kind == numberEdit {
		e.num += f.num
		return e, nil
	}
	o, err := text.Unicode.Compose(e.text, f.text)
	if err != nil {
		return edit{}, err
	}
	return edit{kind: textEdit, text: o.(text.Op)}, nil
}

func (e edit) transform(over edit, side ot.Side) (edit, error) {
	if over.kind == 0 {
		return e, nil
	}
	if e.kind != over.kind {
		return edit{}, fmt.Errorf("edits of different types: %w", ot.ErrMismatch)
	}
	if e.kind == numberEdit {
		return e, nil
	}
	o, err := text.Unicode.Transform(e.text, over.text, side)
	if err != nil {
		return edit{}, err
	}
	return edit{kind: textEdit, text: o.(text.Op)}, nil
}
