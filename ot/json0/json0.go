package json0

import (
	"fmt"
	"math"
	"slices"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
)

// Type is the json0 type; it implements ot.Type.
type Type struct{}

// Name implements ot.Type.
func (Type) Name() string { return "json0" }

// URI implements ot.Type.
func (Type) URI() string { return "http://sharejs.org/types/JSONv0" }

// Doc is a JSON document; it implements ot.Doc.
type Doc struct {
	v any // immutable
}

// ParseDoc implements ot.Type. The result is a *Doc.
func (Type) ParseDoc(data []byte) (ot.Doc, error) {
	v, err := jsonval.ParseDoc(data)
	if err != nil {
		return nil, fmt.Errorf("parse json0 document: %w", err)
	}
	return &Doc{v}, nil
}

// AppendJSON implements ot.Doc.
func (d *Doc) AppendJSON(dst []byte) []byte { return jsonval.Append(dst, d.v) }

// Clone implements ot.Doc.
func (d *Doc) Clone() ot.Doc { return &Doc{d.v} }

func opOf(o ot.Op) (Op, error) {
	op, ok := o.(Op)
	if !ok {
		return nil, fmt.Errorf("operation is a %T, not of json0: %w", o, ot.ErrMismatch)
	}
	return op, nil
}

func twoOps(a, b ot.Op) (Op, Op, error) {
	x, err := opOf(a)
	if err != nil {
		return nil, nil, err
	}
	y, err := opOf(b)
	return x, y, err
}

// Apply implements ot.Doc.
func (d *Doc) Apply(o ot.Op) error {
	op, err := opOf(o)
	if err != nil {
		return fmt.Errorf("apply json0 operation: %w", err)
	}
	v := d.v
	for i := range op {
		if v, err = applyOne(v, &op[i]); err != nil {
			return fmt.Errorf("apply json0 operation: component %d: %w", i, err)
		}
	}
	if jsonval.Depth(v) > jsonval.MaxDocDepth {
		return fmt.Errorf("apply json0 operation: the document would nest too deep: %w", ot.ErrTooLarge)
	}
	d.v = v
	return nil
}

// Invert implements ot.Doc. What the operation removes is taken from the document,
// whatever the operation says. Numbers are subtracted again, which gives back the old
// one as long as float64 holds the sum exactly.
func (d *Doc) Invert(o ot.Op) (ot.Op, error) {
	op, err := opOf(o)
	if err != nil {
		return nil, fmt.Errorf("invert json0 operation: %w", err)
	}
	v := d.v
	out := make(Op, 0, len(op))
	for i := range op {
		c := op[i]
		before := lookup(v, c.p)
		if v, err = applyOne(v, &c); err != nil {
			return nil, fmt.Errorf("invert json0 operation: component %d: %w", i, err)
		}
		switch {
		case has(c.ld):
			c.ld = before
		case has(c.oi) || has(c.od):
			if len(c.p) == 0 && !has(c.oi) {
				before = d.v
			}
			c.od = before
		}
		if c = invert(c); has(c.oi) || has(c.od) || !(has(op[i].oi) || has(op[i].od)) {
			out = append(out, c)
		}
	}
	slices.Reverse(out)
	return out, nil
}

func invert(c Component) Component {
	out := c
	out.li, out.ld, out.oi, out.od = c.ld, c.li, c.od, c.oi
	out.na = -c.na
	if c.isText {
		out.text = invertSteps(c.text)
	}
	if c.moves() {
		out.p = c.p.set(len(c.p)-1, c.lm)
		out.lm = c.p.last().Index
	}
	return out
}

// lookup returns the value at the end of the path, or none.
func lookup(v any, p Path) any {
	for _, k := range p {
		switch c := v.(type) {
		case *jsonval.List:
			if k.Index < 0 || k.Index >= c.Len() {
				return none
			}
			v = c.At(k.Index)
		case *jsonval.Object:
			v = c.Lookup(k.name())
		default:
			return none
		}
	}
	return v
}

// edit returns root with the value at the end of path replaced by what f makes of
// it.
func edit(root any, path Path, f func(any) (any, error)) (any, error) {
	if len(path) == 0 {
		return f(root)
	}
	k := path[0]
	switch c := root.(type) {
	case *jsonval.List:
		if k.Index < 0 || k.Index >= c.Len() {
			return nil, fmt.Errorf("no %q in a list of %d: %w", k.name(), c.Len(), ot.ErrRange)
		}
		v, err := edit(c.At(k.Index), path[1:], f)
		if err != nil {
			return nil, err
		}
		return c.With(k.Index, v), nil
	case *jsonval.Object:
		old := c.Lookup(k.name())
		if !has(old) {
			return nil, fmt.Errorf("no key %q: %w", k.name(), ot.ErrRange)
		}
		v, err := edit(old, path[1:], f)
		if err != nil {
			return nil, err
		}
		return c.With(k.name(), v), nil
	}
	return nil, fmt.Errorf("the path leads into a value that is no container: %w", ot.ErrRange)
}

func applyOne(root any, c *Component) (any, error) {
	switch {
	case c.sub:
		return edit(root, c.p, func(v any) (any, error) { return applySteps(v, c.text) })
	case c.isText:
		return edit(root, c.p[:len(c.p)-1], func(v any) (any, error) { return applySteps(v, c.text) })
	case c.add:
		return edit(root, c.p, func(v any) (any, error) {
			n, ok := v.(float64)
			if sum := n + c.na; ok && !math.IsInf(sum, 0) {
				return sum, nil
			}
			return nil, fmt.Errorf("add to what is no number, or too large: %w", ot.ErrMismatch)
		})
	case len(c.p) == 0 && has(c.oi):
		return c.oi, nil
	case len(c.p) == 0:
		return nil, nil
	}
	k := c.p.last()
	return edit(root, c.p[:len(c.p)-1], func(v any) (any, error) {
		if has(c.oi) || has(c.od) {
			o, ok := v.(*jsonval.Object)
			if !ok {
				return nil, fmt.Errorf("set a key of what is no object: %w", ot.ErrMismatch)
			}
			if has(c.oi) {
				return o.With(k.name(), c.oi), nil
			}
			return o.Without(k.name()), nil
		}
		l, ok := v.(*jsonval.List)
		if !ok {
			return nil, fmt.Errorf("change an element of what is no list: %w", ot.ErrMismatch)
		}
		return applyList(l, k.Index, c)
	})
}

func applyList(l *jsonval.List, i int, c *Component) (any, error) {
	room := l.Len()
	if has(c.li) && !has(c.ld) {
		room++
	}
	if i >= room || c.lm >= room {
		return nil, fmt.Errorf("index %d in a list of %d: %w", max(i, c.lm), l.Len(), ot.ErrRange)
	}
	switch {
	case c.moves():
		v := l.At(i)
		return l.Remove(i).Insert(c.lm, v), nil
	case has(c.li) && has(c.ld):
		return l.With(i, c.li), nil
	case has(c.li):
		return l.Insert(i, c.li), nil
	}
	return l.Remove(i), nil
}

// Compose implements ot.Type.
func (Type) Compose(first, second ot.Op) (ot.Op, error) {
	a, b, err := twoOps(first, second)
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	out := append(make(Op, 0, len(a)+len(b)), a...)
	for i := range b {
		out = push(out, b[i])
	}
	return out, nil
}

// push appends c to op, joined with the last component when they belong together.
func push(op Op, c Component) Op {
	if len(op) == 0 {
		return append(op, c)
	}
	last := &op[len(op)-1]
	if c.inline() && last.inline() {
		return pushInline(op, last, c)
	}
	if !slices.Equal(c.p, last.p) {
		return append(op, c)
	}
	switch {
	case c.sub && last.sub:
		steps := slices.Clone(last.text)
		for _, s := range c.text {
			steps = appendStep(steps, s)
		}
		last.text = steps
	case last.add && c.add:
		last.na += c.na
	case has(last.li) && !has(c.li) && identical(c.ld, last.li):
		if has(last.ld) {
			last.li = none
		} else {
			op = op[:len(op)-1]
		}
	case has(last.od) && !has(last.oi) && has(c.oi) && !has(c.od):
		last.oi = c.oi
	case has(last.oi) && has(c.od):
		switch {
		case has(c.oi):
			last.oi = c.oi
		case has(last.od):
			last.oi = none
		default:
			op = op[:len(op)-1]
		}
	case c.moves() && c.p.last().Index == c.lm:
	default:
		op = append(op, c)
	}
	return op
}

// pushInline is push for two components on strings that are written with si or sd.
func pushInline(op Op, last *Component, c Component) Op {
	n := len(c.p)
	if n != len(last.p) || !slices.Equal(c.p[:n-1], last.p[:n-1]) {
		return append(op, c)
	}
	steps := appendStep([]textStep{last.text[0]}, c.text[0])
	*last = inlineOf(last.p, steps[0])
	if len(steps) > 1 {
		op = append(op, inlineOf(c.p, steps[1]))
	}
	return op
}

// inlineOf returns the step as a component with a path like p.
func inlineOf(p Path, s textStep) Component {
	c := blank(p.set(len(p)-1, s.p))
	c.text, c.isText = []textStep{s}, true
	return c
}

// identical is === of JavaScript for values that came from different texts.
func identical(a, b any) bool {
	switch a.(type) {
	case *jsonval.List, *jsonval.Object:
		return false
	}
	return jsonval.Equal(a, b)
}
