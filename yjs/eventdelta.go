package yjs

import (
	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// A deltaBuilder puts together what a transaction changed in a text.
type deltaBuilder struct {
	d       *Doc
	out     Delta
	op      Op       // under way; empty for none
	attrs   attrList // in force now
	old     attrList // in force before, at the same place
	changes attrList // attributes that retained text has gained, or lost (null)
}

func (b *deltaBuilder) flush() {
	switch {
	case b.op.Retain > 0:
		b.op.Attrs = b.d.attrs(b.changes)
	case b.op.Insert != "" || b.op.Embed != nil:
		b.op.Attrs = b.d.attrs(b.attrs)
	case b.op.Delete == 0:
		return
	}
	b.out = append(b.out, b.op)
	b.op = Op{}
}

// Delta tells what happened to a text: applied to the text as it was, it gives
// the text as it is. It is empty for other types; see List and Keys for those.
func (e *Event) Delta() Delta {
	s := &e.d.s
	b := &deltaBuilder{d: e.d}
	for i := s.Types[e.h].Start; i != store.None; i = s.At(i).Right {
		it := s.At(i)
		added, deleted := e.adds(it), e.deletes(it)
		if added && deleted || it.Deleted() && !deleted {
			continue // it never was, or it was gone before
		}
		switch it.Ref {
		case codec.Format:
			b.format(&s.Formats.All[it.A], added, deleted)
		case codec.String, codec.Embed, codec.Type:
			b.content(it, added, deleted)
		}
	}
	b.flush()
	for n := len(b.out); n > 0 && b.out[n-1].Retain > 0 && b.out[n-1].Attrs == nil; n-- {
		b.out = b.out[:n-1]
	}
	return b.out
}

func (b *deltaBuilder) content(it *store.Item, added, deleted bool) {
	switch {
	case added && it.Ref == codec.String:
		if b.op.Insert == "" {
			b.flush()
		}
		b.op.Insert += string(b.d.s.Bytes(it))
	case added:
		b.flush()
		b.op.Embed = b.d.content(it, 0)
		b.flush()
	case deleted:
		if b.op.Delete == 0 {
			b.flush()
		}
		b.op.Delete += int(it.N)
	default:
		if b.op.Retain == 0 {
			b.flush()
		}
		b.op.Retain += int(it.N)
	}
}

// format takes in a Format item: it belongs to the attributes before, to those
// now, or to both.
func (b *deltaBuilder) format(f *store.Format, added, deleted bool) {
	if b.op.Delete == 0 {
		b.flush()
	}
	if !added {
		b.old.update(f)
	}
	if !deleted {
		b.attrs.update(f)
	}
	was, is := b.old.get(f.Key), b.attrs.get(f.Key)
	if was.Equal(is) {
		b.changes.remove(f.Key)
	} else {
		b.changes.set(f.Key, is)
	}
}
