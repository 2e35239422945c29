package rich

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Kind says what a Component does.
type Kind uint8

const (
	// Retain keeps N units, and formats them with Attributes.
	Retain Kind = iota
	// Insert inserts Text, or an embed when Text is empty, which has N units.
	Insert
	// Delete deletes N units.
	Delete
)

// Component is one step of an Op.
type Component struct {
	Kind       Kind
	N          int // UTF-16 code units, above zero
	Text       string
	Attributes *Attributes
	embed      any // a JSON value of package jsonval
}

// Embed returns the JSON text of what the component embeds, or nil.
func (c Component) Embed() []byte {
	if c.Kind != Insert || c.Text != "" {
		return nil
	}
	return jsonval.Append(nil, c.embed)
}

// Op is an operation on rich text. It must not be changed once it is in use. One that
// is put together by hand must pass Check: Apply looks, Transform and Compose do not.
// New ones are made of a nil Op by its methods:
//
//	op := rich.Op(nil).Retain(5, bold).Insert("!", nil)
type Op []Component

// Retain returns op with n units kept, and formatted unless a is nil. A retain at
// the end that formats nothing is to be left out: see Chop.
func (o Op) Retain(n int, a *Attributes) Op {
	return o.with(Component{Kind: Retain, N: n, Attributes: a})
}

// Delete returns op with n units deleted.
func (o Op) Delete(n int) Op { return o.with(Component{Kind: Delete, N: n}) }

// Insert returns op with s inserted. Bytes of s that are not UTF-8 make the
// operation malformed.
func (o Op) Insert(s string, a *Attributes) Op {
	return o.with(Component{Kind: Insert, N: wtf8.Len16(s), Text: s, Attributes: a})
}

// InsertEmbed returns op with an embed, given as JSON, inserted.
func (o Op) InsertEmbed(data []byte, a *Attributes) (Op, error) {
	v, err := jsonval.Parse(data)
	if err == nil && !isEmbed(v) {
		err = ot.ErrMalformed
	}
	if err != nil {
		return nil, fmt.Errorf("parse embed: %w", err)
	}
	return o.with(Component{Kind: Insert, N: 1, embed: v, Attributes: a}), nil
}

// Chop returns op without a retain at its end that formats nothing.
func (o Op) Chop() Op {
	if n := len(o); n > 0 && o[n-1].Kind == Retain && o[n-1].Attributes == nil {
		return o[: n-1 : n-1]
	}
	return o
}

func (o Op) with(c Component) Op {
	b := builder{op: append(make(Op, 0, len(o)+1), o...)}
	b.push(c)
	return b.done()
}

// isEmbed tells what may be embedded: an object, or as in old Deltas a number.
func isEmbed(v any) bool {
	switch v := v.(type) {
	case *jsonval.Object, *jsonval.List:
		return true
	case float64:
		return v != 0
	}
	return false
}

// AppendJSON implements ot.Op.
func (o Op) AppendJSON(dst []byte) []byte {
	return append(o.appendList(append(dst, `{"ops":`...)), '}')
}

// Noop implements ot.Op.
func (o Op) Noop() bool { return len(o) == 0 }

// String returns the wire form.
func (o Op) String() string { return string(o.AppendJSON(nil)) }

func (o Op) appendList(dst []byte) []byte {
	dst = append(dst, '[')
	for i := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = o[i].appendJSON(dst)
	}
	return append(dst, ']')
}

func (c *Component) appendJSON(dst []byte) []byte {
	switch {
	case c.Kind == Delete:
		dst = jsonval.AppendNumber(append(dst, `{"delete":`...), float64(c.N))
	case c.Kind == Retain:
		dst = jsonval.AppendNumber(append(dst, `{"retain":`...), float64(c.N))
	case c.Text != "":
		dst = jsonval.AppendString(append(dst, `{"insert":`...), c.Text)
	default:
		dst = jsonval.Append(append(dst, `{"insert":`...), c.embed)
	}
	if c.Attributes != nil {
		dst = c.Attributes.AppendJSON(append(dst, `,"attributes":`...))
	}
	return append(dst, '}')
}

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

// Check tells whether op is made as the package comment describes.
func (o Op) Check() error {
	total := 0
	for i := range o {
		c := &o[i]
		isText := c.Kind == Insert && c.Text != ""
		switch {
		case c.Kind > Delete || c.N <= 0:
			return fmt.Errorf("component %d is empty: %w", i, ot.ErrMalformed)
		case isText && c.N != wtf8.Len16(c.Text), c.Kind == Insert && !isText && (c.N != 1 || !isEmbed(c.embed)):
			return fmt.Errorf("component %d inserts nothing, or something of another length: %w", i, ot.ErrMalformed)
		case c.Kind != Insert && (c.Text != "" || c.embed != nil), c.Kind == Delete && c.Attributes != nil:
			return fmt.Errorf("component %d does two things: %w", i, ot.ErrMalformed)
		}
		if total += c.N; total >= 1<<53 {
			return fmt.Errorf("component %d reaches too far: %w", i, ot.ErrMalformed)
		}
	}
	return nil
}

// ParseOp implements ot.Type. The result is an Op.
func (Type) ParseOp(data []byte) (ot.Op, error) {
	r, err := jsonval.NewReader(data)
	var op Op
	if err == nil {
		op, err = read(r)
	}
	if err != nil {
		return nil, fmt.Errorf("parse rich text operation: %w", err)
	}
	return op, nil
}

// read reads a Delta in either form, and that the text ends behind it.
func read(r *jsonval.Reader) (op Op, err error) {
	found := false
	if r.Peek() == '{' {
		err = r.Object(func(key string) error {
			if key != "ops" {
				_, err := r.Value()
				return err
			}
			found = true
			op, err = readList(r)
			return err
		})
		if err == nil && !found {
			err = r.Fail("no ops")
		}
	} else {
		op, err = readList(r)
	}
	if err == nil {
		err = r.End()
	}
	return op, err
}

func readList(r *jsonval.Reader) (Op, error) {
	op := make(Op, 0, 4)
	err := r.Array(func() error {
		c, err := readComponent(r)
		op = append(op, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return op, op.Check()
}

func readComponent(r *jsonval.Reader) (Component, error) {
	var c Component
	actions := 0
	err := r.Object(func(key string) (err error) {
		switch key {
		case "insert":
			actions++
			c.Kind, c.N = Insert, 1
			if r.Peek() == '"' {
				c.Text, err = r.String()
				c.N = wtf8.Len16(c.Text)
			} else {
				c.embed, err = r.Value()
			}
		case "retain", "delete":
			actions++
			c.Kind = Retain
			if key == "delete" {
				c.Kind = Delete
			}
			c.N, err = r.Int(1)
		case "attributes":
			c.Attributes, err = readAttributes(r)
		default:
			_, err = r.Value()
		}
		return err
	})
	if err == nil && actions != 1 {
		err = r.Fail("a component must insert, retain or delete")
	}
	if c.Kind == Delete {
		c.Attributes = nil
	}
	return c, err
}

// builder makes an operation of pieces as Delta.push of quill-delta does: it joins
// neighbours of one kind with the same attributes, and puts an insertion before
// the deletion that it follows.
type builder struct {
	op      Op
	buf     []byte
	growing int // one more than the index of the component whose text is in buf
}

// push reports whether c became a component of its own at the end.
func (b *builder) push(c Component) bool {
	if c.N == 0 {
		return false
	}
	n := len(b.op)
	at := n - 1
	if n > 0 && b.op[at].Kind == Delete {
		if c.Kind == Delete {
			b.op[at].N += c.N
			return false
		}
		if c.Kind == Insert {
			at--
		}
	}
	if at >= 0 && b.joined(at, c) {
		return false
	}
	if at == n-1 {
		b.op = append(b.op, c)
		return true
	}
	b.op = append(b.op, b.op[n-1])
	b.op[n-1] = c
	return false
}

func (b *builder) joined(at int, c Component) bool {
	last := &b.op[at]
	if last.Kind != c.Kind || c.Kind == Insert && (last.Text == "" || c.Text == "") || !last.Attributes.equal(c.Attributes) {
		return false
	}
	if c.Kind == Insert {
		if b.growing != at+1 {
			b.settle()
			b.buf = append(b.buf[:0], last.Text...)
			b.growing = at + 1
		}
		b.buf = wtf8.AppendJoin(b.buf, c.Text)
	}
	last.N += c.N
	return true
}

func (b *builder) settle() {
	if b.growing > 0 {
		b.op[b.growing-1].Text = string(b.buf)
		b.growing = 0
	}
}

func (b *builder) done() Op {
	b.settle()
	return b.op
}
