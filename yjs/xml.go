package yjs

import (
	"iter"
	"strings"

	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// XMLFragment is a shared list of XML nodes: *XMLElement, *XMLText, *XMLFragment
// or *XMLHook.
type XMLFragment struct{ handle }

// XMLElement is an XML element: a fragment with a name and attributes.
type XMLElement struct{ XMLFragment }

// XMLText is text among XML nodes. Its formats are shown as elements around it.
type XMLText struct{ Text }

// XMLHook is a map among XML nodes, for content that an editor renders itself.
type XMLHook struct{ Map }

// NewXMLFragment makes a fragment with the given children.
func NewXMLFragment(children ...Content) *XMLFragment {
	return &XMLFragment{handle{kind: store.KindFragment, pre: &prelim{children: children}}}
}

// NewXMLElement makes an element with the given children.
func NewXMLElement(name string, children ...Content) *XMLElement {
	pre := &prelim{name: strings.ToValidUTF8(name, lib0.Replacement), children: children}
	return &XMLElement{XMLFragment{handle{kind: store.KindXML, pre: pre}}}
}

// NewXMLText makes a text node.
func NewXMLText(text string) *XMLText {
	pre := &prelim{text: strings.ToValidUTF8(text, lib0.Replacement)}
	return &XMLText{Text{handle{kind: store.KindXMLText, pre: pre}}}
}

// NewXMLHook makes a hook.
func NewXMLHook(name string, e ...Entry) *XMLHook {
	pre := &prelim{name: strings.ToValidUTF8(name, lib0.Replacement), entries: e}
	return &XMLHook{Map{handle{kind: store.KindHook, pre: pre}}}
}

// Insert puts nodes at an index.
func (x *XMLFragment) Insert(index int, nodes ...Content) error { return x.insert(index, nodes) }

// Append puts nodes at the end.
func (x *XMLFragment) Append(nodes ...Content) error { return x.insert(x.Len(), nodes) }

// Delete removes n nodes from index on.
func (x *XMLFragment) Delete(index, n int) error { return x.remove(index, n) }

// At is the node at an index, or an undefined Value.
func (x *XMLFragment) At(index int) Content { return x.element(index) }

// All gives indexes and nodes.
func (x *XMLFragment) All() iter.Seq2[int, Content] { return x.elements() }

// String is the fragment as XML, without escaping, as Yjs writes it.
func (x *XMLFragment) String() string { return x.d.text(x) }

// String is the element as XML, without escaping, as Yjs writes it.
func (x *XMLElement) String() string { return x.d.text(x) }

// String is the text as XML: each format an element around it.
func (x *XMLText) String() string { return x.d.text(x) }

// String is the map of the hook as JSON.
func (x *XMLHook) String() string { return x.d.text(x) }

// Name is the name of the element as it was given.
func (x *XMLElement) Name() string { return x.nodeName() }

// Name is the name of the hook.
func (x *XMLHook) Name() string { return x.nodeName() }

func (h *handle) nodeName() string {
	switch {
	case h.pre != nil:
		return h.pre.name
	case h.d.s.Types[h.t].Name != store.None:
		return h.d.s.Keys[h.d.s.Types[h.t].Name]
	}
	return ""
}

// SetAttr gives an attribute a value, mostly a String.
func (x *XMLElement) SetAttr(key string, c Content) error { return x.put(key, c) }

// RemoveAttr removes an attribute.
func (x *XMLElement) RemoveAttr(key string) error { return x.drop(key) }

// Attr gives the value of an attribute; ok is false when there is none.
func (x *XMLElement) Attr(key string) (c Content, ok bool) { return x.lookup(key) }

// Attrs gives all attributes.
func (x *XMLElement) Attrs() iter.Seq2[string, Content] { return x.pairs() }

// SetAttr gives the text as a whole an attribute, which is not formatting.
func (t *Text) SetAttr(key string, c Content) error { return t.put(key, c) }

// RemoveAttr removes an attribute of the text as a whole.
func (t *Text) RemoveAttr(key string) error { return t.drop(key) }

// Attr gives an attribute of the text as a whole; ok is false when there is none.
func (t *Text) Attr(key string) (c Content, ok bool) { return t.lookup(key) }

// Attrs gives all attributes of the text as a whole.
func (t *Text) Attrs() iter.Seq2[string, Content] { return t.pairs() }
