package rich

import (
	"fmt"
	"slices"
	"strings"

	"github.com/starling-rt/starling/ot/internal/jsonval"
)

// Attributes is a set of formatting attributes, such as {"bold":true}. It is
// immutable. Nil is the empty set.
type Attributes struct {
	kv []attribute // sorted by key, not empty
}

type attribute struct {
	key string
	v   any // a JSON value of package jsonval
}

// ParseAttributes reads a JSON object. An empty one, or null, gives nil.
func ParseAttributes(data []byte) (*Attributes, error) {
	r, err := jsonval.NewReader(data)
	if err != nil {
		return nil, fmt.Errorf("parse attributes: %w", err)
	}
	a, err := readAttributes(r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parse attributes: %w", err)
	}
	return a, nil
}

func readAttributes(r *jsonval.Reader) (*Attributes, error) {
	if r.Peek() == 'n' {
		_, err := r.Value()
		return nil, err
	}
	var kv []attribute
	err := r.Object(func(key string) error {
		v, err := r.Value()
		kv = append(kv, attribute{key, v})
		return err
	})
	if err != nil {
		return nil, err
	}
	// Of a key that stands twice the last one counts.
	slices.SortStableFunc(kv, func(a, b attribute) int { return strings.Compare(a.key, b.key) })
	for i := 0; i+1 < len(kv); {
		if kv[i].key == kv[i+1].key {
			kv = slices.Delete(kv, i, i+1)
		} else {
			i++
		}
	}
	return attributesOf(kv), nil
}

func attributesOf(kv []attribute) *Attributes {
	if len(kv) == 0 {
		return nil
	}
	return &Attributes{kv}
}

func (a *Attributes) pairs() []attribute {
	if a == nil {
		return nil
	}
	return a.kv
}

// AppendJSON appends the set as a JSON object.
func (a *Attributes) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, p := range a.pairs() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonval.AppendString(dst, p.key), ':')
		dst = jsonval.Append(dst, p.v)
	}
	return append(dst, '}')
}

func (a *Attributes) has(key string) (any, bool) {
	kv := a.pairs()
	i, found := slices.BinarySearchFunc(kv, key, func(p attribute, key string) int { return strings.Compare(p.key, key) })
	if !found {
		return nil, false
	}
	return kv[i].v, true
}

func (a *Attributes) equal(b *Attributes) bool {
	if a == b {
		return true
	}
	x, y := a.pairs(), b.pairs()
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i].key != y[i].key || !jsonval.Equal(x[i].v, y[i].v) {
			return false
		}
	}
	return true
}

// compose returns the attributes of something that has a, after it is formatted
// with b. Those that b removes are kept as null only if keepNull.
func (a *Attributes) compose(b *Attributes, keepNull bool) *Attributes {
	if b == nil {
		return a
	}
	x, y := a.pairs(), b.pairs()
	out := make([]attribute, 0, len(x)+len(y))
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].key < y[0].key:
			out = append(out, x[0])
			x = x[1:]
			continue
		case len(x) > 0 && x[0].key == y[0].key:
			x = x[1:]
		}
		if y[0].v != nil || keepNull {
			out = append(out, y[0])
		}
		y = y[1:]
	}
	return attributesOf(out)
}

// transform returns what is left of formatting with b when a was done meanwhile,
// and priority tells that a wins.
func (a *Attributes) transform(b *Attributes, priority bool) *Attributes {
	if a == nil || b == nil || !priority {
		return b
	}
	out := make([]attribute, 0, len(b.kv))
	for _, p := range b.kv {
		if _, taken := a.has(p.key); !taken {
			out = append(out, p)
		}
	}
	return attributesOf(out)
}

// invert returns what undoes formatting with a of something that has base.
func (a *Attributes) invert(base *Attributes) *Attributes {
	var out []attribute
	for _, p := range base.pairs() {
		if v, set := a.has(p.key); set && !identical(v, p.v) {
			out = append(out, p)
		}
	}
	for _, p := range a.pairs() {
		if _, had := base.has(p.key); !had {
			out = append(out, attribute{p.key, nil})
		}
	}
	slices.SortFunc(out, func(a, b attribute) int { return strings.Compare(a.key, b.key) })
	return attributesOf(out)
}

// identical is === of JavaScript for values that came from different texts: two
// containers are never the same.
func identical(a, b any) bool {
	switch a.(type) {
	case *jsonval.List, *jsonval.Object:
		return false
	}
	return jsonval.Equal(a, b)
}
