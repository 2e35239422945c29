package yjs

import (
	"strings"
	"unicode/utf8"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// A Value is what a document holds besides shared types: JSON, and what
// JavaScript has beyond it. Make one with Null, Undefined, Bool, Int, Number,
// BigInt, String, Bytes, Array or Object; look into it with Kind and the method
// of the same name as the kind. The zero Value is undefined.
type Value = lib0.Value

// A Field is a name and a value of an Object.
type Field = lib0.Field

// A Kind says what a Value holds.
type Kind = lib0.Kind

// The kinds of Value.
const (
	KindUndefined = lib0.KindUndefined
	KindNull      = lib0.KindNull
	KindBool      = lib0.KindBool
	KindNumber    = lib0.KindNumber
	KindBigInt    = lib0.KindBigInt
	KindString    = lib0.KindString
	KindBytes     = lib0.KindBytes
	KindArray     = lib0.KindArray
	KindObject    = lib0.KindObject
)

// Null is JSON's null.
func Null() Value { return lib0.Null() }

// Undefined is JavaScript's undefined.
func Undefined() Value { return Value{} }

// Bool makes a boolean.
func Bool(b bool) Value { return lib0.Bool(b) }

// Int makes a number from an integer; beyond 2^53 it is rounded.
func Int(i int) Value { return lib0.Int(i) }

// Number makes a number.
func Number(f float64) Value { return lib0.Number(f) }

// BigInt makes a 64-bit integer, which JavaScript sees as a bigint. Only maps hold it.
func BigInt(i int64) Value { return lib0.BigInt(i) }

// String makes a string; what is not UTF-8 becomes U+FFFD.
func String(s string) Value { return lib0.String(s) }

// Bytes makes a byte string, which JavaScript sees as a Uint8Array. b is copied.
func Bytes(b []byte) Value { return lib0.Bytes(b) }

// List makes a JSON array. It is a value as a whole; for an array that several
// can edit use NewArray.
func List(v ...Value) Value { return lib0.Array(v...) }

// Object makes a JSON object whose fields keep their order. It is a value as a
// whole; for an object that several can edit use NewMap.
func Object(f ...Field) Value { return lib0.Object(f...) }

// ParseJSON makes a Value from JSON.
func ParseJSON(text []byte) (Value, error) { return lib0.ParseJSON(text) }

// Content is what an Array, a Map or the children of XML hold: a Value, one of
// the shared types (*Text, *Array, *Map, *XMLFragment, *XMLElement, *XMLText,
// *XMLHook), or a *Subdoc.
type Content interface{ String() string }

// An ID names one unit of one client's work.
type ID struct{ Client, Clock uint64 }

// A handle is the part that all shared types have in common.
type handle struct {
	d    *Doc
	t    int32
	kind uint8
	pre  *prelim // what a type that is not yet in a document will hold
}

type prelim struct {
	name     string
	text     string
	children []Content
	entries  []Entry
}

// shared is implemented by all shared types.
type shared interface {
	Content
	base() *handle
}

func (h *handle) base() *handle { return h }

// alive tells whether the type is part of a document.
func (h *handle) alive() bool {
	if h.d == nil {
		return false
	}
	return h.d.stands(h.t)
}

// Doc is the document of which the type is part, or nil.
func (h *handle) Doc() *Doc { return h.d }

// ID is the ID of the item that holds the type; ok is false for root types.
func (h *handle) ID() (id ID, ok bool) {
	if h.d == nil || h.d.s.Types[h.t].Item == store.None {
		return ID{}, false
	}
	it := h.d.s.At(h.d.s.Types[h.t].Item)
	return ID{h.d.s.Clients[it.Client].ID, uint64(it.Clock)}, true
}

// Parent is the shared type that holds this one, or nil for root types.
func (h *handle) Parent() Content {
	if !h.alive() || h.d.s.Types[h.t].Item == store.None {
		return nil
	}
	return h.d.wrap(h.d.s.At(h.d.s.Types[h.t].Item).Parent)
}

// Len is the number of units of text, or of elements.
func (h *handle) Len() int {
	if h.d == nil {
		return 0
	}
	return int(h.d.s.Types[h.t].Length)
}

// edit runs f in a transaction.
func (h *handle) edit(f func() error) error {
	if !h.alive() {
		return ErrDetached
	}
	opened := h.d.begin(nil, true)
	h.d.tx.single = opened
	err := f()
	if opened {
		h.d.commit()
	}
	return err
}

// wrap makes a handle of a type's own kind.
func (d *Doc) wrap(t int32) Content {
	ty := &d.s.Types[t]
	h := handle{d: d, t: t, kind: ty.Kind}
	switch ty.Kind {
	case store.KindArray:
		return &Array{h}
	case store.KindMap:
		return &Map{h}
	case store.KindText:
		return &Text{h}
	case store.KindXML:
		return &XMLElement{XMLFragment{h}}
	case store.KindHook:
		return &XMLHook{Map{h}}
	case store.KindXMLText:
		return &XMLText{Text{h}}
	}
	return &XMLFragment{h}
}

// Text gives the root text of that name; every name exists.
func (d *Doc) Text(name string) *Text { return &Text{d.rootHandle(name, store.KindText)} }

// Array gives the root array of that name; every name exists.
func (d *Doc) Array(name string) *Array { return &Array{d.rootHandle(name, store.KindArray)} }

// Map gives the root map of that name; every name exists.
func (d *Doc) Map(name string) *Map { return &Map{d.rootHandle(name, store.KindMap)} }

// XML gives the root XML fragment of that name; every name exists.
func (d *Doc) XML(name string) *XMLFragment {
	return &XMLFragment{d.rootHandle(name, store.KindFragment)}
}

func (d *Doc) rootHandle(name string, kind uint8) handle {
	name = strings.ToValidUTF8(name, lib0.Replacement)
	return handle{d: d, t: d.s.Root(d.s.Key(name), kind), kind: kind}
}

// Roots are the names of the root types that the document knows of, in the
// order in which they appeared.
func (d *Doc) Roots() []string {
	names := make([]string, len(d.s.Roots))
	for i, t := range d.s.Roots {
		names[i] = d.s.Keys[d.s.Types[t].Name]
	}
	return names
}

// newItem makes a local item between two neighbours.
func (d *Doc) newItem(t, key, left, right int32, it store.Item) int32 {
	s := &d.s
	c := s.ClientIndex(d.clientID)
	it.Client, it.Clock = c, s.Clients[c].State
	it.OriginC, it.RightC = store.NoClient, store.NoClient
	it.Left, it.Right, it.Parent, it.Key = left, right, t, key
	if left != store.None {
		l := s.At(left)
		it.OriginC, it.OriginK = l.Client, l.End()-1
	}
	if right != store.None {
		r := s.At(right)
		it.RightC, it.RightK = r.Client, r.Clock
	}
	return d.integrate(it)
}

// room tells whether a local item of n units may be made.
func (d *Doc) room(n int) error {
	if uint64(d.s.StateOf(d.clientID))+uint64(n) > store.MaxClock || len(d.s.Arena)+4*n > maxArena {
		return ErrLimit
	}
	return nil
}

// textItem makes the content of a run of text.
func (d *Doc) textItem(text string) store.Item {
	off := uint32(len(d.s.Arena))
	d.s.Arena = append(d.s.Arena, text...)
	body := d.s.Arena[off:]
	it := store.Item{Ref: codec.String, A: off, B: uint32(len(body)), N: uint32(lib0.UTF16Len(body))}
	d.s.Wide = d.s.Wide || it.B != it.N
	return it
}

// valueItem makes the content of JSON-like values.
func (d *Doc) valueItem(v ...Value) store.Item {
	it := store.Item{Ref: codec.Any, A: uint32(len(d.s.Arena)), N: uint32(len(v))}
	for _, x := range v {
		d.s.Arena = x.AppendAny(d.s.Arena)
	}
	it.B = uint32(len(d.s.Arena)) - it.A
	return it
}

// contentItem makes the content of anything but a run of values. inMap allows
// what only maps hold.
func (d *Doc) contentItem(c Content) (it store.Item, err error) {
	switch c := c.(type) {
	case Value:
		if c.Kind() == KindBytes {
			it = store.Item{Ref: codec.Binary, N: 1}
			it.A, it.B = d.s.Put(c.Bytes())
			return it, nil
		}
		return d.valueItem(c), nil
	case *Subdoc:
		it = store.Item{Ref: codec.Doc, N: 1, A: uint32(len(d.s.Arena))}
		d.s.Arena = lib0.AppendString(d.s.Arena, c.GUID)
		d.s.Arena = c.options().AppendAny(d.s.Arena)
		it.B = uint32(len(d.s.Arena)) - it.A
		return it, nil
	case shared:
		h := c.base()
		if h.d != nil || h.pre == nil {
			return it, ErrValue // part of a document already
		}
		name := store.None
		if h.kind == store.KindXML || h.kind == store.KindHook {
			name = d.s.Key(h.pre.name)
		}
		return store.Item{Ref: codec.Type, N: 1, A: uint32(d.s.NewType(store.None, h.kind, name))}, nil
	}
	return it, ErrValue
}

// check tells whether content can be stored, before anything is changed.
func check(c Content, inMap bool, depth int) error {
	switch c := c.(type) {
	case Value:
		if !inMap && (c.Kind() == KindUndefined || c.Kind() == KindBigInt) {
			return ErrValue
		}
		return nil
	case *Subdoc:
		if c == nil || !utf8.ValidString(c.GUID) {
			return ErrValue
		}
		return nil
	case shared:
		h := c.base()
		if h.d != nil || h.pre == nil || depth > 256 {
			return ErrValue
		}
		for _, x := range h.pre.children {
			if err := check(x, false, depth+1); err != nil {
				return err
			}
		}
		for _, e := range h.pre.entries {
			if err := check(e.Value, true, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return ErrValue
}

// adopt makes c, whose item has just been integrated, part of the document, and
// writes what it was made with.
func (d *Doc) adopt(c Content, i int32) {
	sh, ok := c.(shared)
	if !ok {
		return
	}
	h := sh.base()
	pre := h.pre
	h.d, h.t, h.pre = d, int32(d.s.At(i).A), nil
	if pre.text != "" {
		p := d.textStart(h.t)
		d.insertText(h.t, &p, textPart{text: pre.text}, nil)
	}
	for _, e := range pre.entries {
		d.setKey(h.t, e.Key, e.Value)
	}
	if len(pre.children) > 0 {
		d.insertAfter(h.t, store.None, pre.children)
	}
}

// content reads element k of an item.
func (d *Doc) content(it *store.Item, k uint32) Content {
	s := &d.s
	switch it.Ref {
	case codec.Any:
		r := lib0.Reader{Buf: s.Bytes(it)}
		r.Pos = s.Offset(it, k)
		return r.Any()
	case codec.JSON:
		r := lib0.Reader{Buf: s.Bytes(it)}
		r.Pos = s.Offset(it, k)
		return jsonValue(r.Bytes())
	case codec.Binary:
		return Bytes(s.Bytes(it))
	case codec.String:
		off, _ := lib0.UTF16Offset(s.Bytes(it), int(it.N), int(k))
		_, size := utf8.DecodeRune(s.Bytes(it)[off:])
		return String(string(s.Bytes(it)[off : off+size]))
	case codec.Embed:
		return d.embed(it)
	case codec.Type:
		return d.wrap(int32(it.A))
	case codec.Doc:
		return d.subdoc(it)
	}
	return Value{}
}

// eachContent calls f with every element of an item.
func (d *Doc) eachContent(it *store.Item, f func(Content) bool) bool {
	s := &d.s
	switch it.Ref {
	case codec.Any:
		r := lib0.Reader{Buf: s.Bytes(it)}
		for range it.N {
			if !f(r.Any()) {
				return false
			}
		}
		return true
	case codec.JSON:
		r := lib0.Reader{Buf: s.Bytes(it)}
		for range it.N {
			if !f(jsonValue(r.Bytes())) {
				return false
			}
		}
		return true
	case codec.String:
		for _, c := range string(s.Bytes(it)) {
			if !f(String(string(c))) {
				return false
			}
		}
		return true
	}
	return f(d.content(it, 0))
}

func jsonValue(text []byte) Value {
	v, _ := lib0.ParseJSON(text) // "undefined", the one that is no JSON, gives undefined
	return v
}

// embed is the value of an Embed.
func (d *Doc) embed(it *store.Item) Value {
	s := &d.s
	if it.Flags&store.FlagJSON != 0 {
		v, _ := lib0.ParseJSON(s.Bytes(it)) // checked by the decoder
		return v
	}
	r := lib0.Reader{Buf: s.Bytes(it)}
	return r.Any()
}

// A Subdoc is a document inside a document. Only its name and options are part of
// the outer one; its content is a Doc of its own that is exchanged under its GUID.
type Subdoc struct {
	GUID     string
	AutoLoad bool  // whoever has the outer document should load it
	KeepAll  bool  // it keeps what was deleted (gc false)
	Meta     Value // null or undefined for none
}

func (s *Subdoc) options() Value {
	var f []Field
	if s.KeepAll {
		f = append(f, Field{Key: "gc", Value: Bool(false)})
	}
	if s.AutoLoad {
		f = append(f, Field{Key: "autoLoad", Value: Bool(true)})
	}
	if !s.Meta.IsNull() {
		f = append(f, Field{Key: "meta", Value: s.Meta})
	}
	return Object(f...)
}

// String is the GUID.
func (s *Subdoc) String() string { return s.GUID }

func (d *Doc) subdoc(it *store.Item) *Subdoc {
	r := lib0.Reader{Buf: d.s.Bytes(it)}
	sub := &Subdoc{GUID: string(r.Bytes())}
	opts := r.Any()
	sub.KeepAll = opts.Field("gc").Kind() == KindBool && !opts.Field("gc").Bool()
	sub.AutoLoad = opts.Field("autoLoad").Bool()
	sub.Meta = opts.Field("meta")
	return sub
}
