package text

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/rope"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Type is a plain text type; it implements ot.Type and ot.Rebaser. Its values are
// Unicode and UTF16.
type Type uint8

const (
	// Unicode counts in code points. It is "text-unicode" of ShareDB, and refuses
	// texts with surrogates that have no partner.
	Unicode Type = iota
	// UTF16 counts in UTF-16 code units. It is "text" of npm ot-text, and lets an
	// operation tear a surrogate pair as JavaScript does.
	UTF16
)

// Name implements ot.Type.
func (t Type) Name() string {
	if t == Unicode {
		return "text-unicode"
	}
	return "text"
}

// URI implements ot.Type.
func (t Type) URI() string {
	if t == Unicode {
		return "http://sharejs.org/types/text-unicode"
	}
	return "http://sharejs.org/types/textv1"
}

func (t Type) unit() rope.Unit {
	if t == Unicode {
		return rope.Points
	}
	return rope.Units16
}

func (t Type) length(s string) int {
	points, units := wtf8.Count(s)
	if t == Unicode {
		return points
	}
	return units
}

// cut cuts s after n units.
func (t Type) cut(s string, n int) (head, tail string) {
	if t == Unicode {
		return wtf8.Cut(s, n)
	}
	return wtf8.Cut16(s, n)
}

func opOf(o ot.Op) (Op, error) {
	op, ok := o.(Op)
	if !ok {
		return nil, fmt.Errorf("operation is a %T, not a text operation: %w", o, ot.ErrMismatch)
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

// Transform implements ot.Type.
func (t Type) Transform(op, over ot.Op, side ot.Side) (ot.Op, error) {
	a, b, err := twoOps(op, over)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	if out, ok := shift(nil, a, b, side); ok {
		return out, nil
	}
	return t.transform(make(Op, 0, len(a)+2), a, b, side), nil
}

// TransformAll implements ot.Rebaser.
func (t Type) TransformAll(op ot.Op, over []ot.Op, side ot.Side) (ot.Op, error) {
	a, err := opOf(op)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	// Two buffers take turns; the last one written is what is returned.
	cur := append(make(Op, 0, len(a)+4), a...)
	spare := make(Op, 0, len(a)+4)
	for _, o := range over {
		b, err := opOf(o)
		if err != nil {
			return nil, fmt.Errorf("transform: %w", err)
		}
		if next, ok := shift(cur, cur, b, side); ok {
			cur = next
			continue
		}
		next := t.transform(spare[:0], cur, b, side)
		spare, cur = cur, next
	}
	return cur, nil
}

// shift is Transform for the common case that b changes the document only before
// the first change of a, or only after its last. It writes to into, which may be
// a itself or nil.
func shift(into, a, b Op, side ot.Side) (Op, bool) {
	if len(a) == 0 || len(b) == 0 {
		return a, true
	}
	delta, end := 0, 0
	for i := range b {
		switch c := &b[i]; c.Kind {
		case Skip:
			end += c.N
		case Insert:
			delta += c.N
		case Delete:
			delta -= c.N
			end += c.N
		}
	}
	if a[0].Kind == Skip && end < a[0].N {
		if into == nil {
			into = make(Op, len(a))
			copy(into, a)
		}
		// The skip stays above zero: it reaches past the end of all of b.
		into[0].N += delta
		return into, true
	}
	if b[0].Kind == Skip {
		if last := a.span(); last < b[0].N || side == ot.Left && last == b[0].N {
			return a, true
		}
	}
	return nil, false
}

// transform appends a, transformed over b, to out, whose memory must be neither
// that of a nor that of b.
func (t Type) transform(out, a, b Op, side ot.Side) Op {
	tk := taker{typ: t, op: a}
	to := builder{op: out}
	for i := range b {
		c := &b[i]
		if c.Kind == Insert {
			if side == ot.Left && tk.peek() == Insert {
				to.push(tk.takeAll())
			}
			to.push(Component{Skip, c.N, ""})
			continue
		}
		for left := c.N; left > 0; {
			got := tk.take(left, Insert)
			if got.Kind != Insert {
				left -= got.N
			}
			if got.Kind == Insert || c.Kind == Skip {
				to.push(got)
			}
		}
	}
	for tk.more() {
		to.push(tk.takeAll())
	}
	return to.done()
}

// Compose implements ot.Type.
func (t Type) Compose(first, second ot.Op) (ot.Op, error) {
	a, b, err := twoOps(first, second)
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	tk := taker{typ: t, op: a}
	to := builder{op: make(Op, 0, len(a)+len(b))}
	for _, c := range b {
		if c.Kind == Insert {
			to.push(c)
			continue
		}
		rest := c.Text
		for left := c.N; left > 0; {
			got := tk.take(left, Delete)
			var text string
			if got.Kind != Delete {
				left -= got.N
				if rest != "" {
					text, rest = t.cut(rest, got.N)
				}
			}
			switch {
			case c.Kind == Skip || got.Kind == Delete:
				to.push(got)
			case got.Kind == Skip:
				to.push(Component{Delete, got.N, text})
			}
		}
	}
	for tk.more() {
		to.push(tk.takeAll())
	}
	return to.done(), nil
}

// taker reads an operation piece by piece.
type taker struct {
	typ Type
	op  Op
	i   int
	off int // units of op[i] that have been taken
	// rest is the text that is left of op[i] once some has been taken.
	rest string
}

func (t *taker) more() bool { return t.i < len(t.op) }

// peek returns the kind of the next component; an operation ends in an endless skip.
func (t *taker) peek() Kind {
	if t.i == len(t.op) {
		return Skip
	}
	return t.op[t.i].Kind
}

// takeAll returns the rest of the next component.
func (t *taker) takeAll() Component {
	c := t.op[t.i]
	if t.off > 0 {
		c.N -= t.off
		c.Text = t.rest
	}
	t.i++
	t.off = 0
	return c
}

// take returns at most n units of the next component, or all of it when it is of
// the kind whole.
func (t *taker) take(n int, whole Kind) Component {
	if t.i == len(t.op) {
		return Component{Skip, n, ""}
	}
	c := t.op[t.i]
	if c.Kind == whole || c.N-t.off <= n {
		return t.takeAll()
	}
	if c.Text != "" {
		if t.off == 0 {
			t.rest = c.Text
		}
		c.Text, t.rest = t.typ.cut(t.rest, n)
	} else {
		t.rest = ""
	}
	c.N = n
	t.off += n
	return c
}

// TransformPosition implements ot.Type. Positions are of type Selection. An
// insertion right at a position leaves it where it is, whoever made it, unless
// own is set.
func (t Type) TransformPosition(p ot.Position, over ot.Op, own bool) (ot.Position, error) {
	sel, ok := p.(Selection)
	if !ok {
		return nil, fmt.Errorf("position is a %T, not a text selection: %w", p, ot.ErrMismatch)
	}
	op, err := opOf(over)
	if err != nil {
		return nil, fmt.Errorf("transform position: %w", err)
	}
	sel.Anchor = op.MapPosition(sel.Anchor, own)
	sel.Focus = op.MapPosition(sel.Focus, own)
	return sel, nil
}

// MapPosition returns where pos is after the operation. An insertion right at pos
// moves it only if after is set.
func (o Op) MapPosition(pos int, after bool) int {
	at := 0
	for i := range o {
		if at > pos || at == pos && (!after || o[i].Kind == Skip) {
			break
		}
		switch c := &o[i]; c.Kind {
		case Skip:
			at += c.N
		case Insert:
			at += c.N
			pos += c.N
		case Delete:
			pos -= min(c.N, pos-at)
		}
	}
	return pos
}

// Selection is what is selected in a text, in the unit of its type: the wire form
// is [anchor,focus], or one number when both are the same. The focus is the end
// that moves with the keyboard, and may be before the anchor.
type Selection struct{ Anchor, Focus int }

// AppendJSON implements ot.Position.
func (s Selection) AppendJSON(dst []byte) []byte {
	if s.Anchor == s.Focus {
		return jsonval.AppendNumber(dst, float64(s.Anchor))
	}
	dst = jsonval.AppendNumber(append(dst, '['), float64(s.Anchor))
	return append(jsonval.AppendNumber(append(dst, ','), float64(s.Focus)), ']')
}

// ParsePosition implements ot.Type. The result is a Selection.
func (t Type) ParsePosition(data []byte) (ot.Position, error) {
	r, err := jsonval.NewReader(data)
	if err != nil {
		return nil, fmt.Errorf("parse text selection: %w", err)
	}
	var s Selection
	if r.Peek() == '[' {
		n := 0
		err = r.Array(func() (err error) {
			n++
			s.Anchor = s.Focus
			s.Focus, err = r.Int(0)
			return err
		})
		if err == nil && n != 2 {
			err = r.Fail("a selection has two ends")
		}
	} else {
		s.Anchor, err = r.Int(0)
		s.Focus = s.Anchor
	}
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parse text selection: %w", err)
	}
	return s, nil
}
