package text

import (
	"fmt"
	"strings"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/rope"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Doc is a text; it implements ot.Doc. It is a rope: an edit costs O(log n).
type Doc struct {
	typ Type
	r   rope.Rope
}

// New returns a document with the text s. For Unicode, bytes that are not UTF-8
// become U+FFFD.
func (t Type) New(s string) *Doc {
	if !wtf8.WellFormed(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return &Doc{typ: t, r: rope.Of(s)}
}

// ParseDoc implements ot.Type. The wire form of a text is a JSON string; null is
// the empty text. The result is a *Doc.
func (t Type) ParseDoc(data []byte) (ot.Doc, error) {
	v, err := jsonval.ParseDoc(data)
	if err != nil {
		return nil, fmt.Errorf("parse text: %w", err)
	}
	s, ok := v.(string)
	if !ok && v != nil {
		return nil, fmt.Errorf("parse text: not a string: %w", ot.ErrMalformed)
	}
	if t == Unicode && !wtf8.WellFormed(s) {
		return nil, fmt.Errorf("parse text: a surrogate without its partner: %w", ot.ErrMalformed)
	}
	return &Doc{typ: t, r: rope.Of(s)}, nil
}

// Len returns the length of the text in the unit of its type.
func (d *Doc) Len() int { return d.r.Len(d.typ.unit()) }

// String returns the text. Surrogates without a partner become U+FFFD.
func (d *Doc) String() string {
	s := d.r.String()
	if d.typ == UTF16 && !wtf8.WellFormed(s) {
		var b strings.Builder
		for _, r := range string16(s) {
			b.WriteRune(r)
		}
		return b.String()
	}
	return s
}

// string16 decodes WTF-8 with U+FFFD for each lone surrogate.
func string16(s string) []rune {
	var out []rune
	for i := 0; i < len(s); {
		n := 1
		if _, ok := wtf8.Surrogate(s[i:]); ok {
			n = 3
			out = append(out, '\uFFFD')
		} else {
			n = wtf8.Index(s[i:], 1)
			out = append(out, []rune(s[i:i+n])...)
		}
		i += n
	}
	return out
}

// Slice returns the text from start to end, in the unit of the type.
func (d *Doc) Slice(start, end int) (string, error) {
	if start < 0 || start > end || end > d.Len() {
		return "", fmt.Errorf("slice %d to %d of %d: %w", start, end, d.Len(), ot.ErrRange)
	}
	return d.r.Slice(d.typ.unit(), start, end), nil
}

// AppendJSON implements ot.Doc.
func (d *Doc) AppendJSON(dst []byte) []byte {
	dst = append(dst, '"')
	d.r.Chunks(func(s string) { dst = jsonval.AppendEscaped(dst, s) })
	return append(dst, '"')
}

// Clone implements ot.Doc.
func (d *Doc) Clone() ot.Doc { return &Doc{typ: d.typ, r: d.r.Clone()} }

// Fits implements ot.Fitter.
func (d *Doc) Fits(o ot.Op) error {
	if _, err := d.fits(o); err != nil {
		return fmt.Errorf("apply text operation: %w", err)
	}
	return nil
}

// fits returns op when it can be applied to the document.
func (d *Doc) fits(o ot.Op) (Op, error) {
	op, err := opOf(o)
	if err != nil {
		return nil, err
	}
	if err := d.typ.Check(op); err != nil {
		return nil, err
	}
	if n := op.span(); n > d.Len() {
		return nil, fmt.Errorf("it walks over %d of %d: %w", n, d.Len(), ot.ErrRange)
	}
	return op, nil
}

// Apply implements ot.Doc.
func (d *Doc) Apply(o ot.Op) error {
	op, err := d.fits(o)
	if err != nil {
		return fmt.Errorf("apply text operation: %w", err)
	}
	applyTo(&d.r, d.typ.unit(), op)
	return nil
}

func applyTo(r *rope.Rope, unit rope.Unit, op Op) {
	pos := 0
	for i := 0; i < len(op); i++ {
		c := op[i]
		switch {
		case c.Kind == Skip:
		case i+1 < len(op) && op[i+1].Kind != Skip && op[i+1].Kind != c.Kind:
			// An insertion and a deletion at one place are one edit.
			ins, del := c, op[i+1]
			if ins.Kind == Delete {
				ins, del = del, ins
			}
			r.Replace(unit, pos, del.N, ins.Text)
			c = ins
			i++
		case c.Kind == Insert:
			r.Replace(unit, pos, 0, c.Text)
		default:
			r.Replace(unit, pos, c.N, "")
			continue
		}
		pos += c.N
	}
}

// ApplyValue applies an operation to a string inside of a JSON document, and
// returns the new one.
func (t Type) ApplyValue(v any, op Op) (any, error) {
	r, ok := jsonval.TextOf(v)
	if !ok {
		return nil, fmt.Errorf("apply text operation: not a string: %w", ot.ErrMismatch)
	}
	if n := op.span(); n > r.Len(t.unit()) {
		return nil, fmt.Errorf("apply text operation: it walks over %d of %d: %w", n, r.Len(t.unit()), ot.ErrRange)
	}
	applyTo(&r, t.unit(), op)
	return jsonval.FromText(r), nil
}

// Invert implements ot.Doc.
func (d *Doc) Invert(o ot.Op) (ot.Op, error) {
	op, err := d.fits(o)
	if err != nil {
		return nil, fmt.Errorf("invert text operation: %w", err)
	}
	return invertOn(&d.r, d.typ.unit(), op), nil
}

func invertOn(r *rope.Rope, unit rope.Unit, op Op) Op {
	out := builder{op: make(Op, 0, len(op))}
	pos := 0
	for _, c := range op {
		switch c.Kind {
		case Skip:
			out.push(c)
			pos += c.N
		case Insert:
			out.push(Component{Delete, c.N, c.Text})
		case Delete:
			out.push(Component{Insert, c.N, r.Slice(unit, pos, pos+c.N)})
			pos += c.N
		}
	}
	return out.done()
}

// InvertValue is Invert for an operation on a string inside of a JSON document.
func (t Type) InvertValue(v any, op Op) (Op, error) {
	r, ok := jsonval.TextOf(v)
	if !ok {
		return nil, fmt.Errorf("invert text operation: not a string: %w", ot.ErrMismatch)
	}
	if n := op.span(); n > r.Len(t.unit()) {
		return nil, fmt.Errorf("invert text operation: it walks over %d of %d: %w", n, r.Len(t.unit()), ot.ErrRange)
	}
	return invertOn(&r, t.unit(), op), nil
}
