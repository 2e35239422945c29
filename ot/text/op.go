package text

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Kind says what a Component does.
type Kind uint8

const (
	// Skip moves on over N units.
	Skip Kind = iota
	// Insert inserts Text, which has N units.
	Insert
	// Delete deletes N units, which are Text unless that is empty.
	Delete
)

// Component is one step of an Op.
type Component struct {
	Kind Kind
	N    int    // in the unit of the type, above zero
	Text string // what is inserted, or if known deleted
}

// Op is an operation on a text. It must not be changed once it is in use. One that is
// put together by hand must pass Type.Check: Apply looks, Transform and Compose do not.
type Op []Component

// AppendJSON implements ot.Op.
func (o Op) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, c := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch {
		case c.Kind == Insert:
			dst = jsonval.AppendString(dst, c.Text)
		case c.Kind == Skip:
			dst = jsonval.AppendNumber(dst, float64(c.N))
		case c.Text != "":
			dst = append(jsonval.AppendString(append(dst, `{"d":`...), c.Text), '}')
		default:
			dst = append(jsonval.AppendNumber(append(dst, `{"d":`...), float64(c.N)), '}')
		}
	}
	return append(dst, ']')
}

// Noop implements ot.Op.
func (o Op) Noop() bool { return len(o) == 0 }

// String returns the wire form.
func (o Op) String() string { return string(o.AppendJSON(nil)) }

// span returns how many units of the document the operation walks over.
func (o Op) span() int {
	n := 0
	for i := range o {
		if o[i].Kind != Insert {
			n += o[i].N
		}
	}
	return n
}

// NewInsert returns the operation that inserts s, which must not be empty, at pos.
func (t Type) NewInsert(pos int, s string) Op {
	return build(Component{Skip, pos, ""}, Component{Insert, t.length(s), s})
}

// NewDelete returns the operation that deletes n units at pos.
func (t Type) NewDelete(pos, n int) Op {
	return build(Component{Skip, pos, ""}, Component{Delete, n, ""})
}

// NewReplace returns the operation that deletes n units at pos and inserts s.
func (t Type) NewReplace(pos, n int, s string) Op {
	return build(Component{Skip, pos, ""}, Component{Delete, n, ""}, Component{Insert, t.length(s), s})
}

func build(cs ...Component) Op {
	b := builder{op: make(Op, 0, len(cs))}
	for _, c := range cs {
		b.push(c)
	}
	return b.done()
}

// Check tells whether op has the form that the package comment describes, and
// whether the lengths of its texts are right for the unit.
func (t Type) Check(op Op) error {
	total := 0
	for i, c := range op {
		switch {
		case c.Kind > Delete || c.N <= 0:
			return fmt.Errorf("component %d is empty: %w", i, ot.ErrMalformed)
		case i > 0 && op[i-1].Kind == c.Kind || c.Kind == Skip && c.Text != "":
			return fmt.Errorf("component %d is of the same kind as the one before: %w", i, ot.ErrMalformed)
		case c.Kind == Skip && i == len(op)-1:
			return fmt.Errorf("a skip at the end: %w", ot.ErrMalformed)
		case c.Kind != Skip && (c.Text != "" || c.Kind == Insert) && c.N != t.length(c.Text):
			return fmt.Errorf("component %d has another length than its text: %w", i, ot.ErrMalformed)
		case t == Unicode && !wtf8.WellFormed(c.Text):
			return fmt.Errorf("component %d has a surrogate without its partner: %w", i, ot.ErrMalformed)
		}
		if total += c.N; total >= 1<<53 {
			return fmt.Errorf("component %d reaches too far: %w", i, ot.ErrMalformed)
		}
	}
	return nil
}

// ParseOp implements ot.Type. The result is an Op.
func (t Type) ParseOp(data []byte) (ot.Op, error) {
	r, err := jsonval.NewReader(data)
	if err != nil {
		return nil, fmt.Errorf("parse text operation: %w", err)
	}
	op, err := t.ReadOp(r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parse text operation: %w", err)
	}
	return op, nil
}

// ReadOp reads an operation that is part of a larger JSON text. Insertions that
// stand side by side become one, and so do deletions, as npm clients do before they
// send: otherwise of two such operations the insertions would mix in another order
// on either side.
func (t Type) ReadOp(r *jsonval.Reader) (Op, error) {
	b := builder{op: make(Op, 0, 4)}
	last := Insert
	err := r.Array(func() (err error) {
		c := Component{}
		switch r.Peek() {
		case '"':
			c.Kind = Insert
			c.Text, err = r.String()
			c.N = t.length(c.Text)
		case '{':
			c, err = t.readDelete(r)
		default:
			c.N, err = r.Int(1)
		}
		switch {
		case err != nil:
			return err
		case c.N == 0:
			return r.Fail("an empty component")
		case c.Kind == Skip && last == Skip && len(b.op) > 0:
			return r.Fail("two skips side by side")
		}
		last = c.Kind
		b.push(c)
		return nil
	})
	if err == nil && last == Skip && len(b.op) > 0 {
		err = r.Fail("a skip at the end")
	}
	if err != nil {
		return nil, err
	}
	op := b.done()
	return op, t.Check(op)
}

func (t Type) readDelete(r *jsonval.Reader) (Component, error) {
	c := Component{Kind: Delete}
	err := r.Object(func(key string) (err error) {
		switch {
		case key != "d":
			_, err = r.Value()
		case r.Peek() == '"':
			c.Text, err = r.String()
			c.N = t.length(c.Text)
		default:
			c.Text = ""
			c.N, err = r.Int(1)
		}
		return err
	})
	return c, err
}

// builder makes an operation of pieces, and joins neighbours of one kind. Its text
// is gathered in a buffer, so that many small pieces cost no more than few long.
type builder struct {
	op      Op
	buf     []byte
	growing bool // the text of the last component is in buf
}

func (b *builder) push(c Component) {
	if c.N == 0 {
		return
	}
	n := len(b.op)
	if n == 0 || b.op[n-1].Kind != c.Kind {
		b.settle()
		b.op = append(b.op, c)
		return
	}
	last := &b.op[n-1]
	last.N += c.N
	switch {
	case c.Kind == Skip:
	case last.Text != "" && c.Text != "":
		if !b.growing {
			b.buf = append(b.buf[:0], last.Text...)
			b.growing = true
		}
		b.buf = wtf8.AppendJoin(b.buf, c.Text)
	default:
		last.Text = ""
		b.growing = false
	}
}

func (b *builder) settle() {
	if b.growing {
		b.op[len(b.op)-1].Text = string(b.buf)
		b.growing = false
	}
}

// done returns the operation without a skip at its end.
func (b *builder) done() Op {
	b.settle()
	if n := len(b.op); n > 0 && b.op[n-1].Kind == Skip {
		return b.op[:n-1]
	}
	return b.op
}
