package rich

import (
	"fmt"
	"math"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Type is the rich text type; it implements ot.Type and ot.Rebaser.
type Type struct{}

// Name implements ot.Type.
func (Type) Name() string { return "rich-text" }

// URI implements ot.Type.
func (Type) URI() string { return "http://sharejs.org/types/rich-text/v1" }

func opOf(o ot.Op) (Op, error) {
	op, ok := o.(Op)
	if !ok {
		return nil, fmt.Errorf("operation is a %T, not a rich text operation: %w", o, ot.ErrMismatch)
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

const endless = math.MaxInt

// cursor reads an operation piece by piece. Behind the end there is an endless
// retain.
type cursor struct {
	op   Op
	i    int
	off  int
	rest string // what is left of the text of op[i], once some was taken
}

func (c *cursor) more() bool { return c.i < len(c.op) }

func (c *cursor) kind() Kind {
	if !c.more() {
		return Retain
	}
	return c.op[c.i].Kind
}

func (c *cursor) left() int {
	if !c.more() {
		return endless
	}
	return c.op[c.i].N - c.off
}

// next returns at most n units of the next component.
func (c *cursor) next(n int) Component {
	if !c.more() {
		return Component{Kind: Retain, N: n}
	}
	out := c.op[c.i]
	text := out.Text
	if c.off > 0 && text != "" {
		text = c.rest
	}
	if left := out.N - c.off; n >= left {
		out.N, out.Text = left, text
		c.i++
		c.off = 0
		return out
	}
	out.N = n
	if text != "" {
		out.Text, c.rest = wtf8.Cut16(text, n)
	}
	c.off += n
	return out
}

// Compose implements ot.Type.
func (Type) Compose(first, second ot.Op) (ot.Op, error) {
	a, b, err := twoOps(first, second)
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	x, y := cursor{op: a}, cursor{op: b}
	out := builder{op: make(Op, 0, len(a)+len(b))}
	if y.more() && b[0].Kind == Retain && b[0].Attributes == nil {
		// What b keeps at its start is taken over as it is, not joined.
		left := b[0].N
		for x.more() && x.kind() == Insert && x.left() <= left {
			left -= x.left()
			out.op = append(out.op, x.next(endless))
		}
		if done := b[0].N - left; done > 0 {
			y.next(done)
		}
	}
	for x.more() || y.more() {
		if y.kind() == Insert {
			out.push(y.next(endless))
			continue
		}
		if x.kind() == Delete {
			out.push(x.next(endless))
			continue
		}
		n := min(x.left(), y.left())
		p, q := x.next(n), y.next(n)
		if q.Kind == Delete {
			if p.Kind == Retain {
				out.push(q)
			}
			continue
		}
		p.Attributes = p.Attributes.compose(q.Attributes, p.Kind == Retain)
		if alone := out.push(p); alone && !y.more() && x.more() {
			// Nothing is left to be done: the rest of a follows unchanged.
			out.push(x.next(endless))
			out.settle()
			out.op = append(out.op, a[x.i:]...)
			break
		}
	}
	return out.done().Chop(), nil
}

// Transform implements ot.Type. Mind that the npm package has the sides of rich
// text the other way round than those of text: of two insertions at one place that
// of the Right operation comes first.
func (Type) Transform(op, over ot.Op, side ot.Side) (ot.Op, error) {
	a, b, err := twoOps(op, over)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	if out, ok := shift(nil, a, b); ok {
		return out, nil
	}
	return transform(make(Op, 0, len(a)+2), a, b, side == ot.Left), nil
}

// TransformAll implements ot.Rebaser.
func (Type) TransformAll(op ot.Op, over []ot.Op, side ot.Side) (ot.Op, error) {
	a, err := opOf(op)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	cur, spare := append(make(Op, 0, len(a)+4), a...), make(Op, 0, len(a)+4)
	for _, o := range over {
		b, err := opOf(o)
		if err != nil {
			return nil, fmt.Errorf("transform: %w", err)
		}
		if next, ok := shift(cur, cur, b); ok {
			cur = next
			continue
		}
		next := transform(spare[:0], cur, b, side == ot.Left)
		spare, cur = cur, next
	}
	return cur, nil
}

// shift is transform for the common case that b does something only before the first
// thing that a does, or only behind the last. It writes to into, which may be a itself
// or nil.
func shift(into, a, b Op) (Op, bool) {
	if len(a) == 0 || len(b) == 0 || !a.tidy() {
		return nil, false
	}
	delta, end := 0, 0
	for i := range b {
		switch c := &b[i]; c.Kind {
		case Retain:
			end += c.N
		case Insert:
			delta += c.N
		case Delete:
			delta -= c.N
			end += c.N
		}
	}
	if a[0].Kind == Retain && a[0].Attributes == nil && end < a[0].N {
		if into == nil {
			into = append(make(Op, 0, len(a)), a...)
		}
		// The retain stays above zero: it reaches past the end of all of b.
		into[0].N += delta
		return into, true
	}
	if b[0].Kind == Retain && b[0].Attributes == nil && a.span() < b[0].N {
		return a, true
	}
	return nil, false
}

// tidy reports whether nothing of the operation could be joined or put in another
// order. It may miss some that are.
func (o Op) tidy() bool {
	for i := 1; i < len(o); i++ {
		if o[i].Kind == o[i-1].Kind || o[i].Kind == Insert && o[i-1].Kind == Delete {
			return false
		}
	}
	last := &o[len(o)-1]
	return last.Kind != Retain || last.Attributes != nil
}

// transform appends a, transformed over b, to into. Priority tells that b wins.
func transform(into, a, b Op, priority bool) Op {
	x, y := cursor{op: b}, cursor{op: a}
	out := builder{op: into}
	for x.more() || y.more() {
		if x.more() && x.kind() == Insert && (priority || y.kind() != Insert) {
			out.push(Component{Kind: Retain, N: x.next(endless).N})
			continue
		}
		if y.kind() == Insert {
			out.push(y.next(endless))
			continue
		}
		n := min(x.left(), y.left())
		p, q := x.next(n), y.next(n)
		switch {
		case p.Kind == Delete:
		case q.Kind == Delete:
			out.push(q)
		default:
			out.push(Component{Kind: Retain, N: n, Attributes: p.Attributes.transform(q.Attributes, priority)})
		}
	}
	return out.done().Chop()
}

// MapPosition returns where pos is after the operation. An insertion right at pos
// moves it only if after is set.
func (o Op) MapPosition(pos int, after bool) int {
	at := 0
	for i := range o {
		if at > pos {
			break
		}
		c := &o[i]
		if c.Kind == Delete {
			pos -= min(c.N, pos-at)
			continue
		}
		if c.Kind == Insert && (at < pos || after) {
			pos += c.N
		}
		at += c.N
	}
	return pos
}

// Range is what is selected in a rich text: its wire form is an object with index
// and length. Other members of that object are kept.
type Range struct {
	Index, Length int // UTF-16 code units
	rest          *jsonval.Object
}

// AppendJSON implements ot.Position.
func (r Range) AppendJSON(dst []byte) []byte {
	o := r.rest
	if o == nil {
		o = jsonval.ObjectOf(nil)
	}
	return jsonval.Append(dst, o.With("index", float64(r.Index)).With("length", float64(r.Length)))
}

// ParsePosition implements ot.Type. The result is a Range. A length that is
// missing is zero.
func (Type) ParsePosition(data []byte) (ot.Position, error) {
	v, err := jsonval.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("parse range: %w", err)
	}
	o, ok := v.(*jsonval.Object)
	if !ok {
		return nil, fmt.Errorf("parse range: not an object: %w", ot.ErrMalformed)
	}
	index, ok := wholeNumber(o.Lookup("index"))
	length, fine := wholeNumber(o.Lookup("length"))
	if !ok || !fine && !jsonval.IsUndefined(o.Lookup("length")) {
		return nil, fmt.Errorf("parse range: index and length must be whole numbers from 0 on: %w", ot.ErrMalformed)
	}
	return Range{index, length, o}, nil
}

func wholeNumber(v any) (int, bool) {
	f, ok := v.(float64)
	return int(f), ok && f >= 0 && f < 1<<52 && f == math.Trunc(f)
}

// TransformPosition implements ot.Type. Positions are of type Range.
func (Type) TransformPosition(p ot.Position, over ot.Op, own bool) (ot.Position, error) {
	r, ok := p.(Range)
	if !ok {
		return nil, fmt.Errorf("position is a %T, not a range: %w", p, ot.ErrMismatch)
	}
	op, err := opOf(over)
	if err != nil {
		return nil, fmt.Errorf("transform position: %w", err)
	}
	end := op.MapPosition(r.Index+r.Length, own)
	r.Index = op.MapPosition(r.Index, own)
	r.Length = end - r.Index
	return r, nil
}
