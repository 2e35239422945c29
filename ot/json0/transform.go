package json0

import (
	"fmt"
	"slices"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
)

// maxSteps is how many pairs of components one Transform may look at; long strings
// count for more. Each costs up to some microseconds, so that a hostile pair of
// operations is given up after a few seconds at most. TransformAll may look at
// maxStepsAll.
const (
	maxSteps    = 1 << 18
	maxStepsAll = 1 << 21
)

// Transform implements ot.Type.
func (Type) Transform(op, over ot.Op, side ot.Side) (ot.Op, error) {
	a, b, err := twoOps(op, over)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	t := transformer{left: maxSteps}
	if a, err = t.transform(a, b, side); err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	return a, nil
}

// TransformAll implements ot.Rebaser.
func (Type) TransformAll(op ot.Op, over []ot.Op, side ot.Side) (ot.Op, error) {
	a, err := opOf(op)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	all := transformer{left: maxStepsAll}
	for _, o := range over {
		b, err := opOf(o)
		if err != nil {
			return nil, fmt.Errorf("transform: %w", err)
		}
		t := transformer{left: min(all.left, maxSteps)}
		if a, err = t.transform(a, b, side); err != nil {
			return nil, fmt.Errorf("transform: %w", err)
		}
		all.left -= min(all.left, maxSteps) - t.left
	}
	return a, nil
}

type transformer struct{ left int }

func (t *transformer) transform(a, b Op, side ot.Side) (out Op, err error) {
	switch {
	case len(b) == 0 || len(a) == 0:
		return a, nil
	case len(a) == 1 && len(b) == 1:
		return t.one(nil, a[0], b[0], side)
	case side == ot.Left:
		out, _, err = t.both(a, b)
	default:
		_, out, err = t.both(b, a)
	}
	return out, err
}

func (t *transformer) spend(n int) error {
	if t.left -= n; t.left < 0 {
		return fmt.Errorf("too many pairs of components: %w", ot.ErrTooComplex)
	}
	return nil
}

// both transforms two operations over each other. It walks through the grid of
// their components; a component that falls into several is handled by recursion.
func (t *transformer) both(left, right Op) (Op, Op, error) {
	var newRight Op
	for i := range right {
		rs := Op{right[i]}
		var newLeft Op
		k := 0
		for ; k < len(left) && len(rs) == 1; k++ {
			l, r := left[k], rs[0]
			var err error
			if newLeft, err = t.one(newLeft, l, r, ot.Left); err != nil {
				return nil, nil, err
			}
			if rs, err = t.one(nil, r, l, ot.Right); err != nil {
				return nil, nil, err
			}
		}
		rest := left[k:]
		if len(rs) > 1 {
			var err error
			if rest, rs, err = t.both(rest, rs); err != nil {
				return nil, nil, err
			}
		}
		for j := range rest {
			newLeft = push(newLeft, rest[j])
		}
		for j := range rs {
			newRight = push(newRight, rs[j])
		}
		left = newLeft
	}
	return left, newRight, nil
}

// common returns the index in the path of b at which a acts, when a can affect the
// place of b: a acts on the container that the first so many keys of b lead to.
func common(a, b *Component) (int, bool) {
	n, m := a.depth(), b.depth()
	if n == 0 {
		return -1, true
	}
	if m == 0 || n-1 > m-1 {
		return 0, false
	}
	n--
	for i := range n {
		if i >= len(a.p) || i >= len(b.p) || a.p[i] != b.p[i] {
			return 0, false
		}
	}
	return n, true
}

// key returns element i of the path, if there is one.
func (c *Component) key(i int) (Key, bool) {
	if i < 0 || i >= len(c.p) {
		return Key{Index: -2}, false
	}
	return c.p[i], true
}

// one appends c, transformed over o, to op.
func (t *transformer) one(op Op, c, o Component, side ot.Side) (Op, error) {
	if err := t.spend(1); err != nil {
		return nil, err
	}
	if err := keepContent(&c, &o); err != nil {
		return nil, err
	}
	at, affects := common(&o, &c)
	if !affects {
		return push(op, c), nil
	}
	if o.isText {
		return t.overText(op, c, o, side)
	}
	alike := c.depth() == o.depth()
	ck, _ := c.key(at)
	k, _ := o.key(at)
	gone := false
	switch {
	case o.add:
	case has(o.li) && has(o.ld):
		gone = overReplace(&c, &o, ck == k, alike, side)
	case has(o.li):
		overListInsert(&c, at, k.Index, alike, side)
	case has(o.ld):
		gone = overListDelete(&c, &o, at, k.Index, alike)
	case o.moves():
		gone = overMove(&c, &o, at, alike, side)
	case has(o.oi) && has(o.od):
		if ck == k {
			gone = !has(c.oi) || !alike || side == ot.Right
			c.od = o.oi
		}
	case has(o.oi):
		if has(c.oi) && ck == k {
			if side == ot.Right {
				return op, nil
			}
			clear := blank(c.p)
			clear.od = o.oi
			op = push(op, clear)
		}
	case has(o.od):
		if ck.same(k) {
			gone = !alike || !has(c.oi)
			c.od = none
		}
	}
	if gone {
		return op, nil
	}
	return push(op, c), nil
}

// keepContent brings what c removes up to date with o, which changes something
// inside of it, so that c can still be inverted.
func keepContent(c, o *Component) error {
	at, affects := common(c, o)
	if !affects || o.depth() <= c.depth() {
		return nil
	}
	ck, _ := c.key(at)
	if k, _ := o.key(at); !ck.same(k) {
		return nil
	}
	inner := *o
	inner.p = o.p[len(c.p):]
	var err error
	switch {
	case has(c.ld):
		c.ld, err = applyOne(c.ld, &inner)
	case has(c.od):
		c.od, err = applyOne(c.od, &inner)
	}
	return err
}

func (t *transformer) overText(op Op, c, o Component, side ot.Side) (Op, error) {
	if !c.isText || c.sub != o.sub {
		return push(op, c), nil
	}
	steps, err := t.steps(c.text, o.text, side)
	if err != nil {
		return nil, err
	}
	if c.inline() {
		for _, s := range steps {
			op = push(op, inlineOf(c.p, s))
		}
		return op, nil
	}
	if len(steps) > 0 {
		c.text = steps
		op = push(op, c)
	}
	return op, nil
}

// steps transforms steps on a string over others.
func (t *transformer) steps(a, b []textStep, side ot.Side) ([]textStep, error) {
	if len(b) == 0 || len(a) == 0 {
		return a, nil
	}
	if len(a) == 1 && len(b) == 1 {
		if err := t.spend((len(a[0].s) + len(b[0].s)) / 512); err != nil {
			return nil, err
		}
		return transformStep(nil, a[0], b[0], side)
	}
	var err error
	if side == ot.Left {
		a, _, err = t.bothSteps(a, b)
	} else {
		_, a, err = t.bothSteps(b, a)
	}
	return a, err
}

func (t *transformer) bothSteps(left, right []textStep) (l, r []textStep, err error) {
	var newRight []textStep
	for _, s := range right {
		rs := []textStep{s}
		var newLeft []textStep
		k := 0
		for ; k < len(left) && len(rs) == 1; k++ {
			one := rs[0]
			if err := t.spend(1 + (len(one.s)+len(left[k].s))/512); err != nil {
				return nil, nil, err
			}
			if newLeft, err = transformStep(newLeft, left[k], one, ot.Left); err != nil {
				return nil, nil, err
			}
			if rs, err = transformStep(nil, one, left[k], ot.Right); err != nil {
				return nil, nil, err
			}
		}
		rest := slices.Clone(left[k:])
		if len(rs) > 1 {
			if rest, rs, err = t.bothSteps(rest, rs); err != nil {
				return nil, nil, err
			}
		}
		for _, s := range rest {
			newLeft = appendStep(newLeft, s)
		}
		for _, s := range rs {
			newRight = appendStep(newRight, s)
		}
		left = newLeft
	}
	return left, newRight, nil
}

// overReplace transforms c over the replacement of an element, and tells whether
// nothing is left of it.
func overReplace(c, o *Component, here, alike bool, side ot.Side) (gone bool) {
	if !here {
		return false
	}
	if !alike {
		return true
	}
	if !has(c.ld) {
		return false
	}
	if !has(c.li) || side == ot.Right {
		return true
	}
	// Both replace the element; the one that wins replaces what the other put.
	c.ld = o.li
	return false
}

func overListInsert(c *Component, at, i int, alike bool, side ot.Side) {
	if k, ok := c.key(at); ok {
		switch {
		case has(c.li) && !has(c.ld) && alike && k.Index == i:
			if side == ot.Right {
				c.p = c.p.set(at, k.Index+1)
			}
		case k.Index >= i:
			c.p = c.p.set(at, k.Index+1)
		}
	}
	if c.moves() && alike && i <= c.lm {
		c.lm++
	}
}

func overListDelete(c, o *Component, at, i int, alike bool) (gone bool) {
	k, _ := c.key(at)
	if c.moves() && alike {
		if i == k.Index {
			return true
		}
		if i < c.lm || i == c.lm && k.Index < c.lm {
			c.lm--
		}
	}
	switch {
	case k.Index > i:
		c.p = c.p.set(at, k.Index-1)
	case k.Index == i:
		if o.depth() < c.depth() || has(c.ld) && !has(c.li) {
			return true
		}
		// What would be replaced is gone, so only the insertion is left.
		c.ld = none
	}
	return false
}

// overMove transforms c over the move of an element from one index to another.
func overMove(c, o *Component, at int, alike bool, side ot.Side) (gone bool) {
	from, to := o.p[at].Index, o.lm
	k, ok := c.key(at)
	if !ok || k.Index < 0 {
		return false
	}
	i := k.Index
	switch {
	case c.moves() && alike:
		return overMoveMove(c, at, i, from, to, side)
	case has(c.li) && !has(c.ld) && alike:
		if i > from {
			i--
		}
		// The index as it was before the move decides, as in ot-json0.
		if k.Index > to {
			i++
		}
	case i == from:
		i = to
	default:
		i = around(i, from, to)
	}
	c.p = c.p.set(at, i)
	return false
}

// around returns where the element at i is after that at from moved to to.
func around(i, from, to int) int {
	out := i
	if i > from {
		out--
	}
	if i > to || i == to && from > to {
		out++
	}
	return out
}

// overMoveMove transforms a move over another one in the same list.
func overMoveMove(c *Component, at, from, oFrom, oTo int, side ot.Side) (gone bool) {
	to := c.lm
	if oFrom == oTo {
		return false
	}
	if from == oFrom {
		if side == ot.Right {
			return true
		}
		c.p = c.p.set(at, oTo)
		if from == to {
			c.lm = oTo
		}
		return false
	}
	c.p = c.p.set(at, around(from, oFrom, oTo))
	if from == oTo && oFrom > oTo && from == to {
		c.lm++
	}
	if to > oFrom || to == oFrom && to > from {
		c.lm--
	}
	switch {
	case to > oTo:
		c.lm++
	case to < oTo:
	case oTo > oFrom && to > from, oTo < oFrom && to < from:
		if side == ot.Right {
			c.lm++
		}
	case to > from:
		c.lm++
	case to == oFrom:
		c.lm--
	}
	return false
}

// ParsePosition implements ot.Type. The result is a Path. A path into a string ends
// in an offset.
func (Type) ParsePosition(data []byte) (ot.Position, error) {
	r, err := jsonval.NewReader(data)
	if err != nil {
		return nil, fmt.Errorf("parse path: %w", err)
	}
	p, err := readPath(r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parse path: %w", err)
	}
	return p, nil
}

// TransformPosition implements ot.Type. Positions are of type Path. What leads
// through a value that is removed or replaced is gone.
func (Type) TransformPosition(p ot.Position, over ot.Op, own bool) (ot.Position, error) {
	path, ok := p.(Path)
	if !ok {
		return nil, fmt.Errorf("position is a %T, not a path: %w", p, ot.ErrMismatch)
	}
	op, err := opOf(over)
	if err != nil {
		return nil, fmt.Errorf("transform position: %w", err)
	}
	for i := range op {
		if path, ok = op[i].mapPath(path, own); !ok {
			return nil, nil
		}
	}
	return path, nil
}

// mapPath returns where path leads after the component.
func (c *Component) mapPath(path Path, own bool) (Path, bool) {
	n := len(c.p)
	if !c.sub {
		n--
	}
	if c.add {
		return path, true
	}
	if n < 0 {
		return nil, false // the root is replaced
	}
	if len(path) <= n || !slices.Equal(path[:n], c.p[:n]) {
		return path, true
	}
	i := path[n].Index
	if c.isText {
		if i < 0 {
			return path, true
		}
		for _, s := range c.text {
			i = s.move(i, own)
		}
		return path.set(n, i), true
	}
	k := c.p[n]
	if has(c.oi) || has(c.od) {
		return path, path[n].name() != k.name() || !has(c.od)
	}
	switch {
	case i < 0:
	case c.moves() && i == k.Index:
		i = c.lm
	case c.moves():
		i = around(i, k.Index, c.lm)
	case has(c.ld) && i == k.Index:
		return nil, false
	case has(c.ld) && !has(c.li) && i > k.Index:
		i--
	case has(c.li) && !has(c.ld) && i >= k.Index:
		i++
	}
	return path.set(n, i), true
}
