package json0

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
)

// Key is one element of a path: a name in an object, or an index in a list.
type Key struct {
	Name  string
	Index int // -1 for a name
}

// same is the == of JavaScript, to which 1 and "1" are equal.
func (k Key) same(o Key) bool { return k == o || k.name() == o.name() }

// name is the key as that of an object, for a number too may name a member.
func (k Key) name() string {
	if k.Index < 0 {
		return k.Name
	}
	return strconv.Itoa(k.Index)
}

// Path leads from the root of a document to a value, or a place between values. It
// implements ot.Position, and must not be changed once it is in use.
type Path []Key

// AppendJSON implements ot.Position.
func (p Path) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, k := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		if k.Index < 0 {
			dst = jsonval.AppendString(dst, k.Name)
		} else {
			dst = strconv.AppendInt(dst, int64(k.Index), 10)
		}
	}
	return append(dst, ']')
}

// set returns a copy of the path with index i in place of element at.
func (p Path) set(at, i int) Path {
	p = slices.Clone(p)
	p[at].Index = i
	return p
}

func (p Path) last() Key { return p[len(p)-1] }

func readPath(r *jsonval.Reader) (Path, error) {
	p := Path{}
	err := r.Array(func() error {
		if len(p) >= ot.MaxDepth {
			return fmt.Errorf("a path longer than %d: %w", ot.MaxDepth, ot.ErrTooLarge)
		}
		if r.Peek() == '"' {
			s, err := r.String()
			if s == "__proto__" {
				err = r.Fail("a key that would change the prototype of objects in JavaScript")
			}
			p = append(p, Key{s, -1})
			return err
		}
		i, err := r.Int(0)
		p = append(p, Key{Index: i})
		return err
	})
	return p, err
}

// none is the value of what a component does not have.
var none any = jsonval.Undefined{}

func has(v any) bool { return !jsonval.IsUndefined(v) }

// Component is one step of an Op. It is made by ParseOp.
type Component struct {
	p              Path
	li, ld, oi, od any // none when absent
	lm             int // -1 when absent
	na             float64
	add            bool // has na
	// text is what is done to a string, when isText: one step when it is written
	// with si or sd, whose offset then is the last element of p as well, and any
	// number when sub tells that it is written with t and o.
	text        []textStep
	isText, sub bool
}

func blank(p Path) Component { return Component{p: p, li: none, ld: none, oi: none, od: none, lm: -1} }

func (c *Component) moves() bool { return c.lm >= 0 }

// inline tells a component that is written with si or sd.
func (c *Component) inline() bool { return c.isText && !c.sub }

// depth is the length of the path to what the component changes inside of the
// container that its path ends in.
func (c *Component) depth() int {
	if c.add || c.sub {
		return len(c.p) + 1
	}
	return len(c.p)
}

// Op is an operation on a JSON document. It must not be changed once it is in use.
type Op []Component

// Noop implements ot.Op.
func (o Op) Noop() bool { return len(o) == 0 }

// String returns the wire form.
func (o Op) String() string { return string(o.AppendJSON(nil)) }

// AppendJSON implements ot.Op.
func (o Op) AppendJSON(dst []byte) []byte {
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
	dst = c.p.AppendJSON(append(dst, `{"p":`...))
	for _, m := range []struct {
		name string
		v    any
	}{{"li", c.li}, {"ld", c.ld}, {"oi", c.oi}, {"od", c.od}} {
		if has(m.v) {
			dst = append(append(append(dst, `,"`...), m.name...), `":`...)
			dst = jsonval.Append(dst, m.v)
		}
	}
	switch {
	case c.moves():
		dst = strconv.AppendInt(append(dst, `,"lm":`...), int64(c.lm), 10)
	case c.add:
		dst = jsonval.AppendNumber(append(dst, `,"na":`...), c.na)
	case c.inline() && c.text[0].ins:
		dst = jsonval.AppendString(append(dst, `,"si":`...), c.text[0].s)
	case c.inline():
		dst = jsonval.AppendString(append(dst, `,"sd":`...), c.text[0].s)
	case c.sub:
		dst = append(dst, `,"t":"text0","o":[`...)
		for i, s := range c.text {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(append(dst, `{"p":`...), int64(s.p), 10)
			if s.ins {
				dst = jsonval.AppendString(append(dst, `,"i":`...), s.s)
			} else {
				dst = jsonval.AppendString(append(dst, `,"d":`...), s.s)
			}
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// ParseOp implements ot.Type. The result is an Op.
func (Type) ParseOp(data []byte) (ot.Op, error) {
	r, err := jsonval.NewReader(data)
	if err != nil {
		return nil, fmt.Errorf("parse json0 operation: %w", err)
	}
	op := make(Op, 0, 2)
	err = r.Array(func() error {
		c, err := readComponent(r)
		op = append(op, c)
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parse json0 operation: %w", err)
	}
	return op, nil
}

func readComponent(r *jsonval.Reader) (Component, error) {
	c := blank(nil)
	t := ""
	err := r.Object(func(key string) (err error) {
		switch key {
		case "p":
			c.p, err = readPath(r)
		case "li":
			c.li, err = r.Value()
		case "ld":
			c.ld, err = r.Value()
		case "oi":
			c.oi, err = r.Value()
		case "od":
			c.od, err = r.Value()
		case "lm":
			c.lm, err = r.Int(0)
		case "na":
			c.na, err = r.Number()
			c.add = true
		case "si", "sd":
			var s string
			s, err = r.String()
			c.text = append(c.text, textStep{s: s, ins: key == "si"})
			c.isText = true
		case "t":
			t, err = r.String()
		case "o":
			c.text, err = readText(r)
			c.sub, c.isText = true, true
		default:
			_, err = r.Value()
		}
		return err
	})
	if err != nil {
		return c, err
	}
	return c, c.check(r, t)
}

func readText(r *jsonval.Reader) ([]textStep, error) {
	var out []textStep
	err := r.Array(func() error {
		s := textStep{p: -1}
		kinds := 0
		err := r.Object(func(key string) (err error) {
			switch key {
			case "p":
				s.p, err = r.Int(0)
			case "i", "d":
				s.s, err = r.String()
				s.ins = key == "i"
				kinds++
			default:
				_, err = r.Value()
			}
			return err
		})
		if err == nil && (kinds != 1 || s.p < 0) {
			err = r.Fail("a step on a string needs p, and i or d")
		}
		out = append(out, s)
		return err
	})
	return out, err
}

// check tells whether the component does just one thing, and has the path for it.
func (c *Component) check(r *jsonval.Reader, t string) error {
	kinds := 0
	list := c.moves() || has(c.li) || has(c.ld)
	object := has(c.oi) || has(c.od)
	for _, b := range []bool{c.isText, c.add, c.moves(), has(c.li) || has(c.ld), object} {
		if b {
			kinds++
		}
	}
	switch {
	case c.p == nil:
		return r.Fail("a component needs a path")
	case kinds != 1 || c.inline() && len(c.text) != 1:
		return r.Fail("a component must do just one thing")
	case c.sub != (t != "") || c.sub && t != "text0":
		return r.Fail("unknown type %q of a part", t)
	case (list || c.inline()) && (len(c.p) == 0 || c.p.last().Index < 0):
		return r.Fail("the path must end in an index")
	}
	if c.inline() {
		c.text[0].p = c.p.last().Index
	}
	return nil
}
