// Package jsonval is JSON values as immutable trees with O(log n) edits, and their
// text form.
//
// A value is one of
//
//	nil, bool, float64, string   as in encoding/json
//	*Text                        a long string, as a rope
//	*List, *Object               containers, as counted trees
//	Undefined                    no value at all
//
// Edits return a new container that shares all but O(log n) of the old one, so a
// value may be kept, shared and read by any number of goroutines. Strings are
// WTF-8 (package wtf8), for JavaScript lets a surrogate stand alone. Objects keep
// their keys sorted by code point.
package jsonval

import (
	"sort"

	"github.com/starling-rt/starling/ot/internal/rope"
	"github.com/starling-rt/starling/ot/internal/tree"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Undefined is the content of a document, or of a place in one, where there is
// nothing. It is not part of JSON.
type Undefined struct{}

// IsUndefined reports whether v is Undefined.
func IsUndefined(v any) bool { _, ok := v.(Undefined); return ok }

// List is an array.
type List struct {
	t     tree.Tree[element]
	depth int // see Depth
}

type element struct{ v any }

func (element) Extent() tree.Extent { return tree.Extent{} }

// ListOf returns the list of the values.
func ListOf(vs ...any) *List {
	es := make([]element, len(vs))
	for i, v := range vs {
		es[i].v = v
	}
	return newList(es)
}

func newList(es []element) *List {
	depth := 0
	for i := range es {
		depth = max(depth, Depth(es[i].v))
	}
	return &List{tree.Of(es), depth + 1}
}

// Depth returns how deep v nests, or sometimes more: what is removed from a container
// still counts in it. A scalar has depth 0.
func Depth(v any) int {
	switch v := v.(type) {
	case *List:
		return v.depth
	case *Object:
		return v.depth
	}
	return 0
}

// Len returns the number of elements.
func (l *List) Len() int { return l.t.Len() }

// At returns element i, which must be within the list.
func (l *List) At(i int) any { return l.t.At(i).v }

// Each calls visit for each element until it returns false.
func (l *List) Each(visit func(v any) bool) {
	l.t.Each(0, func(e element) bool { return visit(e.v) })
}

// With returns the list with v at i.
func (l *List) With(i int, v any) *List { return l.splice(i, i+1, element{v}) }

// Insert returns the list with v put before element i.
func (l *List) Insert(i int, v any) *List { return l.splice(i, i, element{v}) }

// Remove returns the list without element i.
func (l *List) Remove(i int) *List { return l.splice(i, i+1) }

func (l *List) splice(i, j int, with ...element) *List {
	out := &List{l.t.Fork(), l.depth}
	for i := range with {
		out.depth = max(out.depth, Depth(with[i].v)+1)
	}
	out.t.Splice(i, j, with...)
	return out
}

// Object is a set of keys with their values.
type Object struct {
	t     tree.Tree[entry]
	depth int // see Depth
}

type entry struct {
	key string
	v   any
}

func (entry) Extent() tree.Extent { return tree.Extent{} }

// ObjectOf returns the object of the keys and values of m.
func ObjectOf(m map[string]any) *Object {
	es := make([]entry, 0, len(m))
	depth := 0
	for k, v := range m {
		es = append(es, entry{k, v})
		depth = max(depth, Depth(v))
	}
	sort.Slice(es, func(i, j int) bool { return es[i].key < es[j].key })
	return &Object{tree.Of(es), depth + 1}
}

// Len returns the number of keys.
func (o *Object) Len() int { return o.t.Len() }

func (o *Object) find(key string) (i int, found bool) {
	n := o.t.Len()
	i = sort.Search(n, func(i int) bool { return o.t.At(i).key >= key })
	return i, i < n && o.t.At(i).key == key
}

// Lookup returns the value of key, or Undefined.
func (o *Object) Lookup(key string) any {
	if i, ok := o.find(key); ok {
		return o.t.At(i).v
	}
	return Undefined{}
}

// Each calls visit for each key in order until it returns false.
func (o *Object) Each(visit func(key string, v any) bool) {
	o.t.Each(0, func(e entry) bool { return visit(e.key, e.v) })
}

// With returns the object with key set to v.
func (o *Object) With(key string, v any) *Object {
	i, found := o.find(key)
	j := i
	if found {
		j++
	}
	out := &Object{o.t.Fork(), max(o.depth, Depth(v)+1)}
	out.t.Splice(i, j, entry{key, v})
	return out
}

// Without returns the object without key.
func (o *Object) Without(key string) *Object {
	i, found := o.find(key)
	if !found {
		return o
	}
	out := &Object{o.t.Fork(), o.depth}
	out.t.Splice(i, i+1)
	return out
}

// Text is a string as a rope, for strings that are edited.
type Text struct{ r rope.Rope }

// longText is the number of bytes from which an edited string becomes a rope.
const longText = 1024

// TextOf returns the string v as a rope that the caller may change, and whether v
// is a string.
func TextOf(v any) (rope.Rope, bool) {
	switch v := v.(type) {
	case string:
		return rope.Of(v), true
	case *Text:
		return v.r.Fork(), true
	}
	return rope.Rope{}, false
}

// FromText returns the value of the text r, which the caller gives away.
func FromText(r rope.Rope) any {
	if r.Len(rope.Points) < longText {
		return r.String()
	}
	return &Text{r}
}

// String returns the string of v, which is a string or a *Text.
func String(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case *Text:
		return v.r.String(), true
	}
	return "", false
}

// Equal reports whether a and b are the same JSON value.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case *Text, string:
		sa, _ := String(a)
		sb, ok := String(b)
		return ok && sa == sb
	case *List:
		b, ok := b.(*List)
		if !ok || a.Len() != b.Len() {
			return false
		}
		if a == b {
			return true
		}
		i, same := 0, true
		a.Each(func(v any) bool { same = Equal(v, b.At(i)); i++; return same })
		return same
	case *Object:
		b, ok := b.(*Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		if a == b {
			return true
		}
		i, same := 0, true
		a.Each(func(k string, v any) bool {
			e := b.t.At(i)
			i++
			same = e.key == k && Equal(v, e.v)
			return same
		})
		return same
	case float64, bool, nil, Undefined:
		return a == b
	}
	return false
}

// Len16 returns the length of a string in UTF-16 code units.
func Len16(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return wtf8.Len16(v), true
	case *Text:
		return v.r.Len(rope.Units16), true
	}
	return 0, false
}
