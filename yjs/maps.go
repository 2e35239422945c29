package yjs

import (
	"iter"
	"strings"

	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// Map is a shared map with string keys. Of concurrent values for one key, that
// of the highest client id stays.
type Map struct{ handle }

// An Entry is a key and what NewMap puts there.
type Entry struct {
	Key   string
	Value Content
}

// NewMap makes a map to be put into another type. It can be edited once it is
// part of a document.
func NewMap(e ...Entry) *Map { return &Map{handle{kind: store.KindMap, pre: &prelim{entries: e}}} }

// Set gives a key a value.
func (m *Map) Set(key string, c Content) error { return m.put(key, c) }

// Delete removes a key; it need not exist.
func (m *Map) Delete(key string) error { return m.drop(key) }

// Get gives the value of a key; ok is false when there is none.
func (m *Map) Get(key string) (c Content, ok bool) { return m.lookup(key) }

// Value gives the value of a key when it is a plain Value, and undefined otherwise.
func (m *Map) Value(key string) Value {
	c, _ := m.lookup(key)
	v, _ := c.(Value)
	return v
}

// Len is the number of keys.
func (m *Map) Len() int {
	n := 0
	for range m.All() {
		n++
	}
	return n
}

// All gives keys and values, in the order in which the keys first appeared here.
func (m *Map) All() iter.Seq2[string, Content] { return m.pairs() }

func (h *handle) put(key string, c Content) error {
	if err := check(c, true, 0); err != nil {
		return err
	}
	return h.edit(func() error {
		if err := h.d.room(1); err != nil {
			return err
		}
		h.d.setKey(h.t, key, c)
		return nil
	})
}

func (d *Doc) setKey(t int32, key string, c Content) {
	k := d.s.Key(strings.ToValidUTF8(key, lib0.Replacement))
	it, _ := d.contentItem(c) // checked by the caller
	d.adopt(c, d.newItem(t, k, d.s.Value(t, k), store.None, it))
}

func (h *handle) drop(key string) error {
	return h.edit(func() error {
		k, ok := h.d.s.FindKey(key)
		if !ok {
			return nil
		}
		if i := h.d.s.Value(h.t, k); i != store.None && !h.d.s.IsDeleted(i) {
			h.d.deleteItem(i)
		}
		return nil
	})
}

func (h *handle) lookup(key string) (Content, bool) {
	if h.d == nil {
		return Value{}, false
	}
	k, ok := h.d.s.FindKey(key)
	if !ok {
		return Value{}, false
	}
	i := h.d.s.Value(h.t, k)
	if i == store.None || h.d.s.IsDeleted(i) {
		return Value{}, false
	}
	it := h.d.s.At(i)
	return h.d.content(it, it.N-1), true
}

func (h *handle) pairs() iter.Seq2[string, Content] {
	return func(yield func(string, Content) bool) {
		if h.d == nil {
			return
		}
		s := &h.d.s
		for e := s.Types[h.t].Entry; e != store.None; e = s.Entries[e].Next {
			if s.IsDeleted(s.Entries[e].Last) {
				continue
			}
			it := s.At(s.Entries[e].Last)
			if !yield(s.Keys[s.Entries[e].Key], h.d.content(it, it.N-1)) {
				return
			}
		}
	}
}
