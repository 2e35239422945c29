package json1

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/wtf8"
	"github.com/starling-rt/starling/ot/text"
)

// Key is one element of a path: a name in an object, or an index in a list.
type Key struct {
	Name  string
	Index int // -1 for a name
}

func (k Key) isIndex() bool { return k.Index >= 0 }

// compare orders keys as ot-json1 does: indices before names, and these by their
// UTF-16 code units.
func (k Key) compare(o Key) int {
	if k.isIndex() || o.isIndex() {
		switch {
		case !o.isIndex():
			return -1
		case !k.isIndex():
			return 1
		}
		return cmp.Compare(k.Index, o.Index)
	}
	high := func(r byte) bool { return r >= 0xED }
	if c := strings.Compare(k.Name, o.Name); c == 0 || !slices.ContainsFunc([]byte(k.Name), high) || !slices.ContainsFunc([]byte(o.Name), high) {
		return c
	}
	return slices.Compare(wtf8.Units(k.Name), wtf8.Units(o.Name))
}

// none is the value of what a component does not have.
var none any = jsonval.Undefined{}

func has(v any) bool { return !jsonval.IsUndefined(v) }

// component is what an operation does at one place.
type component struct {
	pick, drop int // slots, or -1
	rm, ins    any // none when absent
	edit       edit
}

func newComponent() *component { return &component{pick: -1, drop: -1, rm: none, ins: none} }

func (c *component) empty() bool { return !c.picks() && !c.drops() && c.edit.kind == 0 }

// picks reports whether what is here is taken away.
func (c *component) picks() bool { return c != nil && (c.pick >= 0 || has(c.rm)) }

// drops reports whether something is put here.
func (c *component) drops() bool { return c != nil && (c.drop >= 0 || has(c.ins)) }

func (c *component) removes() bool { return c != nil && has(c.rm) }

func (c *component) inserts() bool { return c != nil && has(c.ins) }

// pickSlot returns the slot of a component that may be nil, or -1.
func (c *component) pickSlot() int {
	if c == nil {
		return -1
	}
	return c.pick
}

func (c *component) dropSlot() int {
	if c == nil {
		return -1
	}
	return c.drop
}

// editOf returns the edit of a component that may be nil.
func (c *component) editOf() edit {
	if c == nil {
		return edit{}
	}
	return c.edit
}

type editKind uint8

const (
	textEdit editKind = iota + 1
	numberEdit
)

// edit is a change of a string or a number. The zero value is none.
type edit struct {
	kind editKind
	text text.Op
	num  float64
}

// node is a place in an operation.
type node struct {
	key    Key
	parent *node
	c      *component // may be nil
	kids   []*node    // in the order of their keys
}

// comp returns the component of a node, each of which may be nil.
func (n *node) comp() *component {
	if n == nil {
		return nil
	}
	return n.c
}

func (n *node) children() []*node {
	if n == nil {
		return nil
	}
	return n.kids
}

// path returns the keys that lead to the node.
func (n *node) path() Path {
	var p Path
	for ; n.parent != nil; n = n.parent {
		p = append(p, n.key)
	}
	slices.Reverse(p)
	return p
}

// walk calls visit for the node and all below it that have a component.
func (n *node) walk(visit func(*node)) {
	if n == nil {
		return
	}
	if n.c != nil {
		visit(n)
	}
	for _, k := range n.kids {
		k.walk(visit)
	}
}

// Op is an operation on a JSON document. It is immutable; the zero value does
// nothing.
type Op struct {
	root  *node
	moves int
}

// opOfTree makes an operation of a tree that nobody changes any more, and drops the
// parts of it that do nothing. Fresh trees from writers may have such parts.
func opOfTree(root *node) Op {
	op := Op{root: prune(root)}
	op.root.walk(func(n *node) { op.moves = max(op.moves, n.c.pick+1, n.c.drop+1) })
	return op
}

func prune(n *node) *node {
	if n == nil {
		return nil
	}
	if n.c != nil && n.c.empty() {
		n.c = nil
	}
	n.kids = slices.DeleteFunc(n.kids, func(k *node) bool { return prune(k) == nil })
	if n.c == nil && len(n.kids) == 0 {
		return nil
	}
	return n
}

// Noop implements ot.Op.
func (o Op) Noop() bool { return o.root == nil }

// String returns the wire form.
func (o Op) String() string { return string(o.AppendJSON(nil)) }

// AppendJSON implements ot.Op.
func (o Op) AppendJSON(dst []byte) []byte {
	if o.root == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	start := len(dst)
	dst = o.root.appendInner(dst, start)
	return append(dst, ']')
}

// appendInner appends what stands behind the key of a node.
func (n *node) appendInner(dst []byte, start int) []byte {
	comma := func() {
		if len(dst) > start {
			dst = append(dst, ',')
		}
	}
	if n.c != nil {
		comma()
		dst = n.c.appendJSON(dst)
	}
	if len(n.kids) == 1 {
		comma()
		dst = n.kids[0].key.append(dst)
		return n.kids[0].appendInner(dst, start)
	}
	for _, k := range n.kids {
		comma()
		dst = append(dst, '[')
		inner := len(dst)
		dst = k.key.append(dst)
		dst = append(k.appendInner(dst, inner), ']')
	}
	return dst
}

func (k Key) append(dst []byte) []byte {
	if k.isIndex() {
		return jsonval.AppendNumber(dst, float64(k.Index))
	}
	return jsonval.AppendString(dst, k.Name)
}

func (c *component) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	name := func(s string) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), s...), `":`...)
	}
	if c.pick >= 0 {
		name("p")
		dst = jsonval.AppendNumber(dst, float64(c.pick))
	}
	if has(c.rm) {
		name("r")
		dst = jsonval.Append(dst, c.rm)
	}
	if c.drop >= 0 {
		name("d")
		dst = jsonval.AppendNumber(dst, float64(c.drop))
	}
	if has(c.ins) {
		name("i")
		dst = jsonval.Append(dst, c.ins)
	}
	switch c.edit.kind {
	case textEdit:
		name("es")
		dst = c.edit.text.AppendJSON(dst)
	case numberEdit:
		name("ena")
		dst = jsonval.AppendNumber(dst, c.edit.num)
	}
	return append(dst, '}')
}

// ParseOp implements ot.Type. The result is an Op.
func (Type) ParseOp(data []byte) (ot.Op, error) {
	r, err := jsonval.NewReader(data)
	if err != nil {
		return nil, fmt.Errorf("parse json1 operation: %w", err)
	}
	op := Op{}
	if r.Peek() == 'n' {
		_, err = r.Value()
	} else {
		op.root = &node{}
		p := opReader{r: r}
		err = p.list(op.root, 0)
		if err == nil {
			op.moves, err = p.moves()
		}
	}
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parse json1 operation: %w", err)
	}
	return op, nil
}

// opReader reads an operation and notes the slots that it picks and drops.
type opReader struct {
	r            *jsonval.Reader
	picks, drops []int
}

// moves returns the number of slots, which must be 0 to n-1 in both lists.
func (p *opReader) moves() (int, error) {
	slices.Sort(p.picks)
	slices.Sort(p.drops)
	for i, s := range p.picks {
		if s != i {
			return 0, p.r.Fail("what is picked up must be numbered from 0 on")
		}
	}
	if !slices.Equal(p.picks, p.drops) {
		return 0, p.r.Fail("something is picked up and not dropped, or dropped and not picked up")
	}
	return len(p.picks), nil
}

// list reads a list of keys, components and lists into n, the place where it
// begins. Of one that is not the root, which has depth 0, the first key is that of n.
func (p *opReader) list(n *node, depth int) error {
	const (
		key = iota
		comp
		down
	)
	last, kids := key, 0
	first := depth > 0
	empty := true
	err := p.r.Array(func() error {
		empty = false
		switch c := p.r.Peek(); {
		case c == '[':
			if first {
				return p.r.Fail("a way down must begin with a key")
			}
			kid := &node{parent: n}
			if err := p.list(kid, depth+1); err != nil {
				return err
			}
			if k := len(n.kids); k > 0 && n.kids[k-1].key.compare(kid.key) >= 0 {
				return p.r.Fail("the ways down are not in the order of their keys")
			}
			n.kids = append(n.kids, kid)
			kids++
			last = down
			return nil
		case c == '{':
			if first || last != key {
				return p.r.Fail("a component must follow a key")
			}
			last = comp
			return p.component(n)
		}
		k, err := p.key()
		if err != nil {
			return err
		}
		if last == down {
			return p.r.Fail("a key after a way down")
		}
		last = key
		if first {
			n.key = k
			first = false
			return nil
		}
		if depth++; depth > ot.MaxDepth {
			return fmt.Errorf("a path longer than %d: %w", ot.MaxDepth, ot.ErrTooLarge)
		}
		kid := &node{key: k, parent: n}
		n.kids = append(n.kids, kid)
		n = kid
		return nil
	})
	if err == nil && (empty || last == key || kids == 1) {
		err = p.r.Fail("a list must end in a component, or in more than one way down")
	}
	return err
}

func (p *opReader) key() (Key, error) {
	if p.r.Peek() != '"' {
		i, err := p.r.Int(0)
		if err == nil && i >= 1<<31 {
			err = p.r.Fail("an index that is too large")
		}
		return Key{Index: i}, err
	}
	s, err := p.r.String()
	if err == nil && s == "__proto__" {
		err = p.r.Fail("a key that would change the prototype of objects in JavaScript")
	}
	return Key{s, -1}, err
}

func (p *opReader) component(n *node) error {
	c := newComponent()
	n.c = c
	edits := 0
	et, e := "", none
	err := p.r.Object(func(key string) (err error) {
		switch key {
		case "p":
			c.pick, err = p.r.Int(0)
			p.picks = append(p.picks, c.pick)
		case "d":
			c.drop, err = p.r.Int(0)
			p.drops = append(p.drops, c.drop)
		case "r":
			c.rm, err = p.r.Value()
		case "i":
			c.ins, err = p.r.Value()
		case "es":
			edits++
			c.edit.kind = textEdit
			c.edit.text, err = text.Unicode.ReadOp(p.r)
		case "ena":
			edits++
			c.edit.kind = numberEdit
			c.edit.num, err = p.r.Number()
		case "et":
			et, err = p.r.String()
		case "e":
			edits++
			e, err = p.r.Value()
		default:
			err = p.r.Fail("unknown member %q of a component", key)
		}
		return err
	})
	if err != nil {
		return err
	}
	if has(e) {
		if err := c.edit.read(et, e); err != nil {
			return err
		}
	} else if et != "" {
		return p.r.Fail("a type without an edit")
	}
	switch {
	case c.pick >= 0 && has(c.rm), c.drop >= 0 && has(c.ins), edits > 1:
		return p.r.Fail("a component does two things of one kind")
	case c.empty():
		return p.r.Fail("a component does nothing")
	}
	return nil
}

// read makes the edit of its long form.
func (e *edit) read(et string, v any) (err error) {
	switch et {
	case text.Unicode.Name(), text.Unicode.URI():
		e.kind = textEdit
		r, err := jsonval.NewReader(jsonval.Append(nil, v))
		if err != nil {
			return err
		}
		e.text, err = text.Unicode.ReadOp(r)
		return err
	case "number":
		n, ok := v.(float64)
		if !ok {
			return fmt.Errorf("an edit of a number that is none: %w", ot.ErrMalformed)
		}
		e.kind, e.num = numberEdit, n
		return nil
	}
	return fmt.Errorf("unknown type %q of a part: %w", et, ot.ErrMalformed)
}
