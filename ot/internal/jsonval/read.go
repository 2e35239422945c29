package jsonval

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Reader reads JSON text from front to back. Its errors wrap ot.ErrMalformed, or
// ot.ErrTooLarge when the text nests too deep.
type Reader struct {
	data  []byte
	pos   int
	depth int // how much deeper it may nest
}

// NewReader returns a Reader of data, the text of an operation or a position, or
// ot.ErrTooLarge when it has more than ot.MaxOpSize bytes. Nothing that it returns
// refers to data.
func NewReader(data []byte) (*Reader, error) { return newReader(data, ot.MaxOpSize, ot.MaxDepth) }

// NewDocReader is NewReader for a document of at most ot.MaxDocSize bytes.
func NewDocReader(data []byte) (*Reader, error) {
	return newReader(data, ot.MaxDocSize, MaxDocDepth)
}

// MaxDocDepth is how deep documents may nest: deeper than operations, for these can
// put one value into another. Types refuse what would make a document deeper, for it
// must be readable again.
const MaxDocDepth = 1 << 16

func newReader(data []byte, limit, depth int) (*Reader, error) {
	if len(data) > limit {
		return nil, fmt.Errorf("%d bytes, more than %d: %w", len(data), limit, ot.ErrTooLarge)
	}
	return &Reader{data: data, depth: depth}, nil
}

// Fail returns an error at the present place that wraps ot.ErrMalformed.
func (r *Reader) Fail(format string, args ...any) error {
	return fmt.Errorf("%s, near byte %d: %w", fmt.Sprintf(format, args...), r.pos, ot.ErrMalformed)
}

// Peek returns the first byte of the next token, or 0 at the end.
func (r *Reader) Peek() byte {
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; c {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

// End fails unless the text is at its end.
func (r *Reader) End() error {
	if c := r.Peek(); c != 0 || r.pos < len(r.data) {
		return r.Fail("unexpected %q after the value", c)
	}
	return nil
}

func (r *Reader) take(c byte) error {
	if r.Peek() != c {
		return r.Fail("expected %q", c)
	}
	r.pos++
	return nil
}

// Array reads an array and calls each before every element, which it must read.
func (r *Reader) Array(each func() error) error {
	return r.nested('[', ']', each)
}

// Object reads an object and calls each for every key; it must read the value.
func (r *Reader) Object(each func(key string) error) error {
	return r.nested('{', '}', func() error {
		key, err := r.String()
		if err != nil {
			return err
		}
		if err := r.take(':'); err != nil {
			return err
		}
		return each(key)
	})
}

func (r *Reader) nested(open, end byte, each func() error) error {
	if err := r.take(open); err != nil {
		return err
	}
	if r.depth--; r.depth < 0 {
		return fmt.Errorf("nested too deep, near byte %d: %w", r.pos, ot.ErrTooLarge)
	}
	defer func() { r.depth++ }()
	if r.Peek() == end {
		r.pos++
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		switch r.Peek() {
		case ',':
			r.pos++
		case end:
			r.pos++
			return nil
		default:
			return r.Fail("expected ',' or %q", end)
		}
	}
}

// String reads a string.
func (r *Reader) String() (string, error) {
	if err := r.take('"'); err != nil {
		return "", err
	}
	rest := r.data[r.pos:]
	for i, c := range rest {
		if c == '"' {
			r.pos += i + 1
			if !utf8.Valid(rest[:i]) {
				return "", r.Fail("a string is not UTF-8")
			}
			return string(rest[:i]), nil
		}
		if c == '\\' {
			return r.escaped(i)
		}
		if c < ' ' {
			return "", r.Fail("a control character in a string")
		}
	}
	return "", r.Fail("a string without an end")
}

// escaped reads on a string whose first plain bytes are known to be fine.
func (r *Reader) escaped(plain int) (string, error) {
	out := make([]byte, 0, 2*plain+16)
	for {
		i := bytes.IndexAny(r.data[r.pos:], "\"\\")
		if i < 0 {
			return "", r.Fail("a string without an end")
		}
		part := r.data[r.pos : r.pos+i]
		if !utf8.Valid(part) || bytes.ContainsFunc(part, func(c rune) bool { return c < ' ' }) {
			return "", r.Fail("a control character in a string, or not UTF-8")
		}
		out = append(out, part...)
		r.pos += i + 1
		if r.data[r.pos-1] == '"' {
			return string(out), nil
		}
		if r.pos >= len(r.data) {
			return "", r.Fail("a string without an end")
		}
		c := r.data[r.pos]
		r.pos++
		if c == 'u' {
			if r.pos+4 > len(r.data) {
				return "", r.Fail("a string without an end")
			}
			u, err := strconv.ParseUint(string(r.data[r.pos:r.pos+4]), 16, 16)
			if err != nil {
				return "", r.Fail("a wrong escape")
			}
			r.pos += 4
			out = wtf8.AppendUnit(out, uint16(u))
			continue
		}
		k := strings.IndexByte(`"\/bfnrt`, c)
		if k < 0 {
			return "", r.Fail("a wrong escape")
		}
		out = append(out, "\"\\/\b\f\n\r\t"[k])
	}
}

// Number reads a number. One that a float64 cannot hold is malformed.
func (r *Reader) Number() (float64, error) {
	r.Peek()
	start := r.pos
	digits := func() bool {
		from := r.pos
		for r.pos < len(r.data) && r.data[r.pos]-'0' < 10 {
			r.pos++
		}
		return r.pos > from
	}
	at := func(set string) bool {
		if r.pos < len(r.data) && strings.IndexByte(set, r.data[r.pos]) >= 0 {
			r.pos++
			return true
		}
		return false
	}
	at("-")
	first := r.pos
	if !digits() || r.data[first] == '0' && r.pos > first+1 {
		return 0, r.Fail("expected a value")
	}
	if r.pos-start < 16 && (r.pos == len(r.data) || strings.IndexByte(".eE", r.data[r.pos]) < 0) {
		n, err := strconv.Atoi(string(r.data[start:r.pos]))
		if err == nil {
			return float64(n), nil
		}
	}
	if at(".") && !digits() {
		return 0, r.Fail("a wrong number")
	}
	if at("eE") {
		at("+-")
		if !digits() {
			return 0, r.Fail("a wrong number")
		}
	}
	f, err := strconv.ParseFloat(string(r.data[start:r.pos]), 64)
	if err != nil || math.IsInf(f, 0) {
		return 0, r.Fail("a number that is too large")
	}
	return f, nil
}

// Int reads a number that must be an integer from least to 2⁵³-1.
func (r *Reader) Int(least int) (int, error) {
	f, err := r.Number()
	if err != nil {
		return 0, err
	}
	if n := int(f); float64(n) == f && n >= least && n < 1<<53 {
		return n, nil
	}
	return 0, r.Fail("%v is not an integer from %d on", f, least)
}

// Value reads any value.
func (r *Reader) Value() (any, error) {
	switch c := r.Peek(); c {
	case '"':
		return r.String()
	case '[':
		var es []element
		err := r.Array(func() error {
			v, err := r.Value()
			es = append(es, element{v})
			return err
		})
		if err != nil {
			return nil, err
		}
		return newList(es), nil
	case '{':
		m := map[string]any{}
		err := r.Object(func(key string) error {
			v, err := r.Value()
			m[key] = v
			return err
		})
		if err != nil {
			return nil, err
		}
		return ObjectOf(m), nil
	case 't', 'f', 'n':
		for _, w := range []struct {
			word string
			v    any
		}{{"true", true}, {"false", false}, {"null", nil}} {
			if bytes.HasPrefix(r.data[r.pos:], []byte(w.word)) {
				r.pos += len(w.word)
				return w.v, nil
			}
		}
		return nil, r.Fail("expected a value")
	default:
		return r.Number()
	}
}

// Parse reads one value from data with the limits of an operation.
func Parse(data []byte) (any, error) {
	r, err := NewReader(data)
	if err != nil {
		return nil, err
	}
	return r.only()
}

// ParseDoc reads one value from data with the limits of a document.
func ParseDoc(data []byte) (any, error) {
	r, err := NewDocReader(data)
	if err != nil {
		return nil, err
	}
	return r.only()
}

func (r *Reader) only() (any, error) {
	v, err := r.Value()
	if err != nil {
		return nil, err
	}
	return v, r.End()
}
