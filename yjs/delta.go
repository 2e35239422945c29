package yjs

import (
	"strings"
	"unicode/utf8"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// An Op is one step of a Delta. Exactly one of Insert, Embed, Retain and Delete
// is set.
type Op struct {
	Insert string  // text
	Embed  Content // a Value or a shared type
	Retain int     // UTF-16 units
	Delete int     // UTF-16 units
	Attrs  Attrs   // of what is inserted, or changes to what is retained
}

// A Delta is rich text or a change to it, as in Quill.
type Delta []Op

// Insert puts text at an index, with the formatting of what stands before it.
func (t *Text) Insert(index int, text string) error {
	return t.insertAt(index, textPart{text: text}, nil, true)
}

// InsertWith puts text at an index, with exactly the given formatting.
func (t *Text) InsertWith(index int, text string, attrs Attrs) error {
	return t.insertAt(index, textPart{text: text}, attrs, false)
}

// InsertEmbed puts an object at an index; it counts as one unit. embed is a
// Value or a shared type.
func (t *Text) InsertEmbed(index int, embed Content, attrs Attrs) error {
	if err := checkEmbed(embed); err != nil {
		return err
	}
	return t.insertAt(index, textPart{embed: embed}, attrs, false)
}

func checkEmbed(c Content) error {
	if _, ok := c.(*Subdoc); ok {
		return ErrValue
	}
	if v, ok := c.(Value); ok && (v.Kind() == KindUndefined || v.Kind() == KindBigInt) {
		return ErrValue
	}
	return check(c, true, 0)
}

func (t *Text) insertAt(index int, part textPart, attrs Attrs, inherit bool) error {
	if !t.alive() {
		return ErrDetached
	}
	if index < 0 || index > t.Len() {
		return ErrRange
	}
	if part.embed == nil {
		if !utf8.ValidString(part.text) {
			part.text = strings.ToValidUTF8(part.text, lib0.Replacement)
		}
		if part.text == "" {
			return nil
		}
	}
	list, err := t.d.attrList(attrs)
	if err != nil {
		return err
	}
	return t.edit(func() error {
		if err := t.d.room(len(part.text) + 2*len(list) + 1); err != nil {
			return err
		}
		at := uint32(index)
		if !t.d.exact {
			at = t.d.border(t.t, at, false)
		}
		p := t.d.textAt(t.t, at, inherit)
		if inherit {
			list = p.attrs.clone()
		}
		t.d.insertText(t.t, &p, part, list)
		return nil
	})
}

// Delete removes n units from index on.
func (t *Text) Delete(index, n int) error {
	from, to, err := t.span(index, n)
	if err != nil || from == to {
		return err
	}
	return t.edit(func() error {
		p := t.d.textAt(t.t, from, true)
		t.d.deleteText(t.t, &p, to-from)
		return nil
	})
}

// Format gives n units from index on the attributes; a null value takes one away.
func (t *Text) Format(index, n int, attrs Attrs) error {
	from, to, err := t.span(index, n)
	if err != nil || from == to {
		return err
	}
	list, err := t.d.attrList(attrs)
	if err != nil {
		return err
	}
	return t.edit(func() error {
		if err := t.d.room(2 * len(list)); err != nil {
			return err
		}
		p := t.d.textAt(t.t, from, false)
		if p.right != store.None {
			t.d.formatText(t.t, &p, to-from, list)
		}
		return nil
	})
}

// span checks a range and moves its ends off the middle of surrogate pairs.
func (t *Text) span(index, n int) (from, to uint32, err error) {
	if !t.alive() {
		return 0, 0, ErrDetached
	}
	if index < 0 || n < 0 || index > t.Len() || n > t.Len()-index {
		return 0, 0, ErrRange
	}
	from, to = uint32(index), uint32(index+n)
	if n > 0 && !t.d.exact {
		from, to = t.d.border(t.t, from, false), t.d.border(t.t, to, true)
	}
	return from, to, nil
}

// ApplyDelta applies a change. Retaining beyond the end writes newlines, as
// Quill expects; deleting beyond the end does nothing.
func (t *Text) ApplyDelta(delta Delta) error {
	size := 0
	for _, op := range delta {
		if op.Embed != nil {
			if err := checkEmbed(op.Embed); err != nil {
				return err
			}
		}
		if op.Retain < 0 || op.Delete < 0 {
			return ErrRange
		}
		size += len(op.Insert) + op.Retain + 2*len(op.Attrs) + 1
	}
	if !t.alive() {
		return ErrDetached
	}
	return t.edit(func() error {
		if err := t.d.room(size); err != nil {
			return err
		}
		t.d.tx.single = len(delta) == 1
		p := t.d.textStart(t.t)
		for _, op := range delta {
			if err := t.applyOp(&p, op); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Text) applyOp(p *textPos, op Op) error {
	d := t.d
	attrs, err := d.attrList(op.Attrs)
	if err != nil {
		return err
	}
	// The ends of a range lie off surrogate pairs, like those of Format and Delete.
	reach := func(n int, after bool) uint32 {
		end := p.index + uint32(n)
		if !d.exact && end < d.s.Types[t.t].Length {
			end = d.border(t.t, end, after)
		}
		return end - p.index
	}
	switch {
	case op.Embed != nil:
		d.insertText(t.t, p, textPart{embed: op.Embed}, attrs)
	case op.Insert != "":
		d.insertText(t.t, p, textPart{text: strings.ToValidUTF8(op.Insert, lib0.Replacement)}, attrs)
	case op.Retain > 0:
		n := reach(op.Retain, len(attrs) > 0)
		if len(attrs) == 0 && p.left == store.None && p.index+n <= d.s.Types[t.t].Length {
			end := p.index + n
			d.skipTo(t.t, p, end)
			n = end - p.index
		}
		d.formatText(t.t, p, n, attrs)
	case op.Delete > 0:
		d.deleteText(t.t, p, reach(op.Delete, true))
	}
	return nil
}

// String is the text without formatting and embeds.
func (t *Text) String() string {
	if t.d == nil {
		if t.pre != nil {
			return t.pre.text
		}
		return ""
	}
	s := &t.d.s
	var b strings.Builder
	b.Grow(int(s.Types[t.t].Length))
	for i := s.Types[t.t].Start; i != store.None; {
		it := s.At(i)
		if it.Ref == codec.String && !it.Deleted() {
			b.Write(s.Bytes(it))
		}
		i = it.Right
	}
	return b.String()
}

// Delta is the text with its formatting and embeds.
func (t *Text) Delta() Delta {
	if t.d == nil {
		return nil
	}
	return t.d.delta(t.t, func(it *store.Item) bool { return !it.Deleted() })
}

func (d *Doc) delta(t int32, visible func(*store.Item) bool) (ops Delta) {
	s := &d.s
	var attrs attrList
	var run []byte
	pack := func() {
		if len(run) > 0 {
			ops = append(ops, Op{Insert: string(run), Attrs: d.attrs(attrs)})
			run = run[:0]
		}
	}
	for i := s.Types[t].Start; i != store.None; i = s.At(i).Right {
		it := s.At(i)
		if !visible(it) {
			continue
		}
		switch it.Ref {
		case codec.String:
			run = append(run, s.Bytes(it)...)
		case codec.Type, codec.Embed:
			pack()
			ops = append(ops, Op{Embed: d.content(it, 0), Attrs: d.attrs(attrs)})
		case codec.Format:
			pack()
			attrs.update(&s.Formats.All[it.A])
		}
	}
	pack()
	return ops
}

func (d *Doc) attrs(a attrList) Attrs {
	s := &d.s
	if len(a) == 0 {
		return nil
	}
	out := make(Attrs, len(a))
	for i, x := range a {
		out[i] = Attr{s.Keys[x.key], x.value}
	}
	return out
}
