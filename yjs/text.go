package yjs

import (
	"strings"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// An Attr is one formatting attribute. A null value ends it.
type Attr struct {
	Key   string
	Value Value
}

// Attrs are formatting attributes in the order in which they are written.
type Attrs []Attr

// Text is a shared text with formatting and embedded objects. XMLText is one too.
type Text struct{ handle }

// NewText makes a text to be put into an Array, a Map or XML. It can be edited
// once it is part of a document.
func NewText(text string) *Text {
	return &Text{handle{kind: store.KindText, pre: &prelim{text: strings.ToValidUTF8(text, lib0.Replacement)}}}
}

// textPos is a place in a text, and the attributes there.
type textPos struct {
	left, right int32
	index       uint32
	attrs       attrList
}

// attrList is a map of attributes that keeps the order in which they came.
type attrList []attrVal

type attrVal struct {
	key   int32
	value Value
}

func (a attrList) find(key int32) int {
	for i := range a {
		if a[i].key == key {
			return i
		}
	}
	return -1
}

// get gives the value of a key, or null.
func (a attrList) get(key int32) Value {
	if i := a.find(key); i >= 0 {
		return a[i].value
	}
	return Null()
}

func (a *attrList) set(key int32, v Value) {
	if i := a.find(key); i >= 0 {
		(*a)[i].value = v
		return
	}
	*a = append(*a, attrVal{key, v})
}

func (a *attrList) remove(key int32) {
	if i := a.find(key); i >= 0 {
		*a = append((*a)[:i], (*a)[i+1:]...)
	}
}

// update lets a Format take effect.
func (a *attrList) update(f *store.Format) {
	if f.Value.Kind() == KindNull {
		a.remove(f.Key)
	} else {
		a.set(f.Key, f.Value)
	}
}

func (a attrList) clone() attrList { return append(attrList(nil), a...) }

func (d *Doc) attrList(attrs Attrs) (attrList, error) {
	var a attrList
	for _, x := range attrs {
		if x.Value.Kind() == KindUndefined {
			return nil, ErrValue
		}
		a.set(d.s.Key(strings.ToValidUTF8(x.Key, lib0.Replacement)), x.Value)
	}
	return a, nil
}

// forward passes the item on the right.
func (d *Doc) forward(p *textPos) {
	it := d.s.At(p.right)
	if !it.Deleted() {
		if it.Ref == codec.Format {
			p.attrs.update(&d.s.Formats.All[it.A])
		} else {
			p.index += it.Visible()
		}
	}
	p.left, p.right = p.right, it.Right
}

func (d *Doc) textStart(t int32) textPos {
	return textPos{left: store.None, right: d.s.Types[t].Start}
}

// textAt finds an index. marked uses the search markers, which know no attributes.
func (d *Doc) textAt(t int32, index uint32, marked bool) (p textPos) {
	p = d.textStart(t)
	if marked {
		if m, ok := d.findMarker(t, index); ok {
			m.item, m.index = d.s.Near(t, m.item, m.index, index)
			p.left, p.right, p.index = d.s.At(m.item).Left, m.item, m.index
			d.advance(&p, index-m.index)
			return p
		}
	}
	d.skipTo(t, &p, index)
	d.advance(&p, index-p.index)
	return p
}

// advance passes n visible units.
func (d *Doc) advance(p *textPos, n uint32) {
	s := &d.s
	for p.right != store.None && n > 0 {
		if it := s.At(p.right); it.Ref != codec.Format {
			if v := it.Visible(); v > 0 {
				if n < v {
					d.cleanStart(it.Client, it.Clock+n)
					v = n
				}
				n -= v
			}
		}
		d.forward(p)
	}
}

// skipTo moves p, which is at the start, by whole runs towards index.
func (d *Doc) skipTo(t int32, p *textPos, index uint32) {
	if index < farWalk {
		return
	}
	ps := d.s.Sequence(t)
	if ps == nil {
		return
	}
	s := &d.s
	at, start := ps.Find(index)
	for r := range ps.Before(at) {
		if !r.Valid {
			r.Refold(s)
		}
		for _, f := range r.Fold {
			p.attrs.update(&s.Formats.All[f])
		}
	}
	p.right = at.First()
	p.left = s.At(p.right).Left
	p.index = start
}

func (d *Doc) newFormat(t int32, p *textPos, key int32, v Value) {
	p.right = d.newItem(t, store.None, p.left, p.right, store.Item{Ref: codec.Format, N: 1, A: d.s.Formats.Of(key, v)})
	d.forward(p)
}

// minimize passes what does not matter for the wanted attributes.
func (d *Doc) minimize(p *textPos, attrs attrList) {
	for p.right != store.None {
		it := d.s.At(p.right)
		if !it.Deleted() {
			if it.Ref != codec.Format {
				return
			}
			if f := &d.s.Formats.All[it.A]; !attrs.get(f.Key).SameFlat(f.Value) {
				return
			}
		}
		d.forward(p)
	}
}

// insertAttrs writes the Format items that make attrs true, and gives those that
// end them again.
func (d *Doc) insertAttrs(t int32, p *textPos, attrs attrList) (negated attrList) {
	for _, a := range attrs {
		if cur := p.attrs.get(a.key); !cur.SameFlat(a.value) {
			negated.set(a.key, cur)
			d.newFormat(t, p, a.key, a.value)
		}
	}
	return negated
}

func (d *Doc) insertNegated(t int32, p *textPos, negated attrList) {
	for p.right != store.None {
		it := d.s.At(p.right)
		if !it.Deleted() {
			if it.Ref != codec.Format {
				break
			}
			f := &d.s.Formats.All[it.A]
			i := negated.find(f.Key)
			if i < 0 || !negated[i].value.SameFlat(f.Value) {
				break
			}
			negated.remove(f.Key)
		}
		d.forward(p)
	}
	for _, a := range negated {
		d.newFormat(t, p, a.key, a.value)
	}
}

// A textPart is what insertText inserts: a run of text or one embed.
type textPart struct {
	text  string
	embed Content
}

func (d *Doc) partItem(part textPart) store.Item {
	switch c := part.embed.(type) {
	case nil:
		return d.textItem(part.text)
	case shared:
		it, _ := d.contentItem(c) // checked by the caller
		return it
	case Value:
		it := store.Item{Ref: codec.Embed, N: 1, A: uint32(len(d.s.Arena))}
		d.s.Arena = c.AppendAny(d.s.Arena)
		it.B = uint32(len(d.s.Arena)) - it.A
		return it
	}
	return store.Item{}
}

// insertText inserts with exactly the given attributes.
func (d *Doc) insertText(t int32, p *textPos, part textPart, attrs attrList) {
	for _, a := range p.attrs {
		if attrs.find(a.key) < 0 {
			attrs = append(attrs, attrVal{a.key, Null()})
		}
	}
	d.minimize(p, attrs)
	negated := d.insertAttrs(t, p, attrs)
	if d.tx.single && len(negated) == 0 && part.embed == nil && d.typeOn(t, p, part.text) {
		return
	}
	it := d.partItem(part)
	d.moveMarkers(t, p.index, int(it.N))
	p.right = d.newItem(t, store.None, p.left, p.right, it)
	if part.embed != nil {
		d.adopt(part.embed, p.right)
	}
	d.forward(p)
	d.insertNegated(t, p, negated)
}

// typeOn appends text to the item on the left, when that is what merging would
// come to: typing, one character after the other.
func (d *Doc) typeOn(t int32, p *textPos, text string) bool {
	s := &d.s
	if p.left == store.None || d.tracking {
		return false
	}
	it := s.At(p.left)
	if cl := &s.Clients[it.Client]; !growable(it) || cl.ID != d.clientID || it.End() != cl.State {
		return false
	}
	if p.right == store.None {
		if it.RightC != store.NoClient {
			return false
		}
	} else if r := s.At(p.right); it.RightC != r.Client || it.RightK != r.Clock {
		return false
	}
	n := s.ExtendText(p.left, text)
	d.moveMarkers(t, p.index, int(n))
	d.grown(p.left, n, int(n) != len(text))
	p.index += n
	return true
}

// formatText gives n units the attributes; beyond the end it writes newlines, as
// Quill would have it.
func (d *Doc) formatText(t int32, p *textPos, n uint32, attrs attrList) {
	s := &d.s
	d.minimize(p, attrs)
	negated := d.insertAttrs(t, p, attrs)
loop:
	for p.right != store.None {
		it := s.At(p.right)
		if n == 0 && (len(negated) == 0 || !it.Deleted() && it.Ref != codec.Format) {
			break
		}
		switch {
		case it.Deleted():
		case it.Ref == codec.Format:
			f := s.Formats.All[it.A]
			i := attrs.find(f.Key)
			if i < 0 {
				p.attrs.set(f.Key, f.Value)
				break
			}
			if attrs[i].value.SameFlat(f.Value) {
				negated.remove(f.Key)
			} else {
				if n == 0 {
					break loop
				}
				negated.set(f.Key, f.Value)
			}
			d.deleteItem(p.right)
		default:
			v := it.Visible()
			if n < v {
				d.cleanStart(it.Client, it.Clock+n)
				v = n
			}
			n -= v
		}
		d.forward(p)
	}
	if n > 0 {
		p.right = d.newItem(t, store.None, p.left, p.right, d.textItem(strings.Repeat("\n", int(n))))
		d.forward(p)
	}
	d.insertNegated(t, p, negated)
}

// deleteText deletes n visible units.
func (d *Doc) deleteText(t int32, p *textPos, n uint32) {
	s := &d.s
	total := n
	startAttrs := p.attrs.clone()
	start := p.right
	for n > 0 && p.right != store.None {
		it := s.At(p.right)
		if !it.Deleted() && (it.Ref == codec.Type || it.Ref == codec.Embed || it.Ref == codec.String) {
			v := it.N
			if n < v {
				d.cleanStart(it.Client, it.Clock+n)
				v = n
			}
			n -= v
			d.deleteItem(p.right)
		}
		d.forward(p)
	}
	if start != store.None && s.Types[t].Formats {
		d.cleanGap(start, p.right, startAttrs, &p.attrs)
	}
	d.moveMarkers(t, p.index, -int(total-n))
}

// cleanGap deletes Format items between two places that have lost their effect.
func (d *Doc) cleanGap(start, curr int32, startAttrs attrList, currAttrs *attrList) (cleaned int) {
	s := &d.s
	end := start
	last := map[int32]int32{}
	for end != store.None && (!s.At(end).Countable() || s.At(end).Deleted()) {
		if it := s.At(end); !it.Deleted() && it.Ref == codec.Format {
			last[s.Formats.All[it.A].Key] = end
		}
		end = s.At(end).Right
	}
	reached := false
	for ; start != end; start = s.At(start).Right {
		reached = reached || start == curr
		it := s.At(start)
		if it.Deleted() || it.Ref != codec.Format {
			continue
		}
		f := s.Formats.All[it.A]
		before := startAttrs.get(f.Key)
		if last[f.Key] != start || before.Same(f.Value) {
			d.deleteItem(start)
			cleaned++
			if !reached && currAttrs.get(f.Key).Same(f.Value) && !before.Same(f.Value) {
				if before.Kind() == KindNull {
					currAttrs.remove(f.Key)
				} else {
					currAttrs.set(f.Key, before)
				}
			}
		}
		if !reached && !s.At(start).Deleted() {
			currAttrs.update(&f)
		}
	}
	return cleaned
}

// border moves an index off the middle of a surrogate pair: before it, or after.
func (d *Doc) border(t int32, index uint32, after bool) uint32 {
	if !d.s.Wide {
		return index
	}
	i, off, ok := d.unitAt(t, index)
	if !ok || off == 0 || d.s.At(i).Ref != codec.String {
		return index
	}
	it := d.s.At(i)
	if _, mid := lib0.UTF16Offset(d.s.Bytes(it), int(it.N), int(off)); mid {
		if after {
			return index + 1
		}
		return index - 1
	}
	return index
}
