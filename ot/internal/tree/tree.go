// Package tree is a counted B+tree: a sequence of items in which reaching,
// replacing and counting cost O(log n), and a copy of the whole costs O(1).
//
// Each item has an extent along two axes, such as code points and UTF-16 code
// units of a piece of text; the tree adds them up, and finds the item at a
// position of either axis. Copies share nodes: a node belongs to the tree whose
// token it carries, and a tree that meets a node of another token copies it
// before it writes. So edits are made in place as long as nobody else looks.
package tree

import "slices"

// Extent is the size of an item, or of many, along both axes.
type Extent struct{ A, B int }

// Axis chooses one of the two sizes of an Extent.
type Axis uint8

const (
	// AxisA chooses Extent.A.
	AxisA Axis = iota
	// AxisB chooses Extent.B.
	AxisB
)

// On returns the size along axis.
func (e Extent) On(axis Axis) int {
	if axis == AxisA {
		return e.A
	}
	return e.B
}

// Item is what a tree holds: an immutable value that knows its size.
type Item interface{ Extent() Extent }

// Tree is a sequence of items. The zero value is empty. It is not safe for
// concurrent use, but trees that Clone made may be used by different goroutines.
type Tree[T Item] struct {
	root *node[T]
	own  *token
}

// token tells whose a node is. It has a size so that each has its own address.
type token struct{ _ byte }

type sum struct {
	count int
	ext   Extent
}

// node is a leaf, with items, or an inner node, with kids and their sums.
type node[T Item] struct {
	own   *token
	items []T
	kids  []*node[T]
	sums  []sum
}

// A node has at most maxFan entries, and unless it is the root at least minFan.
const (
	maxFan = 32
	minFan = maxFan / 4
)

// Of returns a tree of the items.
func Of[T Item](items []T) Tree[T] {
	t := Tree[T]{own: new(token)}
	if len(items) == 0 {
		return t
	}
	level := t.leaves(slices.Clone(items))
	for len(level) > 1 {
		level = t.inners(level)
	}
	t.root = level[0]
	return t
}

// Clone returns a copy that shares its nodes with t until either is changed.
func (t *Tree[T]) Clone() Tree[T] {
	t.own = new(token)
	return Tree[T]{root: t.root, own: new(token)}
}

// Fork is Clone for a tree that nobody will change any more: it does not write to
// t, so that any number of goroutines may fork the same tree.
func (t *Tree[T]) Fork() Tree[T] { return Tree[T]{root: t.root, own: new(token)} }

// Len returns the number of items.
func (t *Tree[T]) Len() int {
	if t.root == nil {
		return 0
	}
	return t.root.sum().count
}

// Extent returns the size of all items together.
func (t *Tree[T]) Extent() Extent {
	if t.root == nil {
		return Extent{}
	}
	return t.root.sum().ext
}

// At returns item i.
func (t *Tree[T]) At(i int) T {
	n := t.root
	for n.kids != nil {
		k := 0
		for i >= n.sums[k].count {
			i -= n.sums[k].count
			k++
		}
		n = n.kids[k]
	}
	return n.items[i]
}

// Find returns the index of the item that holds the position pos on the axis, and
// the extent of all items before it. A position between two items belongs to the
// second. At the end of the sequence the index is Len().
func (t *Tree[T]) Find(axis Axis, pos int) (i int, before Extent) {
	n := t.root
	if n == nil {
		return 0, before
	}
	left := pos
	for n.kids != nil {
		k := 0
		for k < len(n.kids)-1 && left >= n.sums[k].ext.On(axis) {
			left -= n.sums[k].ext.On(axis)
			i += n.sums[k].count
			before.A += n.sums[k].ext.A
			before.B += n.sums[k].ext.B
			k++
		}
		n = n.kids[k]
	}
	for k := range n.items {
		e := n.items[k].Extent()
		if left < e.On(axis) {
			return i, before
		}
		left -= e.On(axis)
		before.A += e.A
		before.B += e.B
		i++
	}
	return i, before
}

// Each calls visit for the items from index i on, until it returns false.
func (t *Tree[T]) Each(i int, visit func(T) bool) {
	if t.root != nil {
		t.root.each(i, visit)
	}
}

func (n *node[T]) each(i int, visit func(T) bool) bool {
	if n.kids == nil {
		for ; i < len(n.items); i++ {
			if !visit(n.items[i]) {
				return false
			}
		}
		return true
	}
	for k, kid := range n.kids {
		if i >= n.sums[k].count {
			i -= n.sums[k].count
			continue
		}
		if !kid.each(i, visit) {
			return false
		}
		i = 0
	}
	return true
}

// Splice replaces the items from i to before j by with.
func (t *Tree[T]) Splice(i, j int, with ...T) {
	if t.own == nil {
		t.own = new(token)
	}
	if t.root == nil {
		*t = Of(with)
		return
	}
	first, rest := t.splice(t.root, i, j, with)
	for len(rest) > 0 {
		level := t.inners(append([]*node[T]{first}, rest...))
		first, rest = level[0], level[1:]
	}
	for first != nil && len(first.kids) == 1 {
		first = first.kids[0]
	}
	if first != nil && first.size() == 0 {
		first = nil
	}
	t.root = first
}

// splice returns what n becomes: one node as a rule, more when it overflows, and
// nil when nothing is left. They may be too small, which the caller mends.
func (t *Tree[T]) splice(n *node[T], i, j int, with []T) (*node[T], []*node[T]) {
	n = t.mine(n)
	if n.kids == nil {
		n.items = slices.Replace(n.items, i, j, with...)
		return t.fit(n)
	}
	a, offA := n.kidFor(i)
	b, offB := a, offA
	for b < len(n.kids)-1 && j-offB > n.sums[b].count {
		offB += n.sums[b].count
		b++
	}
	var first, last *node[T]
	var more, tail []*node[T]
	if a == b {
		first, more = t.splice(n.kids[a], i-offA, j-offA, with)
	} else {
		first, more = t.splice(n.kids[a], i-offA, n.sums[a].count, with)
		last, tail = t.splice(n.kids[b], 0, j-offB, nil)
	}
	if a == b && more == nil && first.size() >= minFan {
		n.kids[a], n.sums[a] = first, first.sum()
		return n, nil
	}
	news := make([]*node[T], 0, 4+len(more)+len(tail))
	for _, k := range append(append([]*node[T]{first}, more...), append([]*node[T]{last}, tail...)...) {
		if k != nil && k.size() > 0 {
			news = append(news, k)
		}
	}
	n.kids = slices.Replace(n.kids, a, b+1, news...)
	n.sums = slices.Replace(n.sums, a, b+1, make([]sum, len(news))...)
	for k := a; k < a+len(news); k++ {
		n.sums[k] = n.kids[k].sum()
	}
	t.mend(n, max(a-1, 0), a+len(news)+1)
	if len(n.kids) == 0 {
		return nil, nil
	}
	return t.fit(n)
}

// kidFor returns the kid in which an insertion before item i belongs, and the
// number of items before that kid.
func (n *node[T]) kidFor(i int) (k, off int) {
	for k < len(n.kids)-1 && i-off >= n.sums[k].count {
		off += n.sums[k].count
		k++
	}
	return k, off
}

// mend joins kids of n between from and to that are too small with a neighbour.
func (t *Tree[T]) mend(n *node[T], from, to int) {
	for k := from; k < min(to, len(n.kids)); k++ {
		if n.kids[k].size() >= minFan || len(n.kids) == 1 {
			continue
		}
		l := k
		if l == len(n.kids)-1 {
			l--
		}
		joined := t.mine(n.kids[l])
		joined.items = append(joined.items, n.kids[l+1].items...)
		joined.kids = append(joined.kids, n.kids[l+1].kids...)
		joined.sums = append(joined.sums, n.kids[l+1].sums...)
		first, rest := t.fit(joined)
		n.kids[l], n.sums[l] = first, first.sum()
		if len(rest) == 1 {
			n.kids[l+1], n.sums[l+1] = rest[0], rest[0].sum()
			continue
		}
		n.kids = slices.Delete(n.kids, l+1, l+2)
		n.sums = slices.Delete(n.sums, l+1, l+2)
		k = max(l-1, -1)
		to--
	}
}

// fit cuts a node that has too many entries into several.
func (t *Tree[T]) fit(n *node[T]) (*node[T], []*node[T]) {
	if n.size() <= maxFan {
		return n, nil
	}
	var level []*node[T]
	if n.kids == nil {
		level = t.leaves(n.items)
	} else {
		level = t.inners(n.kids)
	}
	return level[0], level[1:]
}

func (t *Tree[T]) leaves(items []T) []*node[T] {
	var out []*node[T]
	for part := range parts(items) {
		n := &node[T]{own: t.own, items: make([]T, len(part), max(len(part)+len(part)/2, 4))}
		copy(n.items, part)
		out = append(out, n)
	}
	return out
}

func (t *Tree[T]) inners(kids []*node[T]) []*node[T] {
	var out []*node[T]
	for part := range parts(kids) {
		n := &node[T]{own: t.own, kids: slices.Clone(part), sums: make([]sum, len(part))}
		for i, k := range n.kids {
			n.sums[i] = k.sum()
		}
		out = append(out, n)
	}
	return out
}

// parts cuts s into pieces of nearly the same size, none above three quarters of
// a full node when there is more than one, so that each has room to grow.
func parts[E any](s []E) func(yield func([]E) bool) {
	return func(yield func([]E) bool) {
		if len(s) <= maxFan {
			yield(s)
			return
		}
		n := (len(s) + maxFan*3/4 - 1) / (maxFan * 3 / 4)
		for i := range n {
			if !yield(s[len(s)*i/n : len(s)*(i+1)/n]) {
				return
			}
		}
	}
}

func (t *Tree[T]) mine(n *node[T]) *node[T] {
	if n.own == t.own {
		return n
	}
	out := &node[T]{own: t.own}
	if n.kids == nil {
		out.items = append(make([]T, 0, len(n.items)+2), n.items...)
		return out
	}
	out.kids = append(make([]*node[T], 0, len(n.kids)+1), n.kids...)
	out.sums = append(make([]sum, 0, len(n.sums)+1), n.sums...)
	return out
}

func (n *node[T]) size() int { return len(n.items) + len(n.kids) }

func (n *node[T]) sum() sum {
	s := sum{count: len(n.items)}
	for i := range n.items {
		e := n.items[i].Extent()
		s.ext.A += e.A
		s.ext.B += e.B
	}
	for _, k := range n.sums {
		s.count += k.count
		s.ext.A += k.ext.A
		s.ext.B += k.ext.B
	}
	return s
}
