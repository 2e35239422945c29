package store

import (
	"cmp"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// Descending lists the clients that have structs, highest id first.
func (s *Store) Descending() []uint32 {
	order := make([]uint32, 0, len(s.Clients))
	for c := range s.Clients {
		if s.Clients[c].State > 0 {
			order = append(order, uint32(c))
		}
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(s.Clients[b].ID, s.Clients[a].ID) })
	return order
}

// Size is about how long the document is in encoding v1.
func (s *Store) Size() int {
	n := 64 + len(s.Arena)
	for c := range s.Clients {
		for _, b := range s.Clients[c].blocks {
			n += 10 * len(b.items)
		}
	}
	return n
}

// WriteFrom writes a client's structs from a clock on.
func (s *Store) WriteFrom(w *codec.Writer, c, clock uint32) {
	var b codec.Block
	v := s.View()
	for p, ok := s.Find(c, clock), true; ok; p, ok = s.Next(c, p) {
		it := v.At(s.ItemAt(c, p))
		s.fill(&b, it)
		if it.Clock < clock {
			if cut := clock - it.Clock; it.Ref == codec.Any || it.Ref == codec.JSON {
				b.CutAt(uint64(cut), s.Offset(it, cut))
			} else {
				b.Cut(uint64(cut))
			}
		}
		w.Block(&b, 0)
	}
}

func (s *Store) id(c, clock uint32) codec.ID {
	return codec.ID{Client: s.Clients[c].ID, Clock: uint64(clock)}
}

// fill describes an item as a block, but for fields that its flags say are absent.
func (s *Store) fill(b *codec.Block, it *Item) {
	b.ID, b.Len, b.Ref = s.id(it.Client, it.Clock), uint64(it.N), it.Ref
	if it.Ref == codec.GC {
		return
	}
	b.HasOrigin, b.HasRight, b.HasKey = it.OriginC != NoClient, it.RightC != NoClient, it.Key != None
	if b.HasOrigin {
		b.Origin = s.id(it.OriginC, it.OriginK)
	}
	if b.HasRight {
		b.Right = s.id(it.RightC, it.RightK)
	}
	if !b.HasOrigin && !b.HasRight {
		ty := &s.Types[it.Parent]
		if ty.Item == None {
			b.Parented, b.Root = codec.ParentRoot, bytesOf(s.Keys[ty.Name])
		} else {
			h := s.At(ty.Item)
			b.Parented, b.Parent = codec.ParentID, s.id(h.Client, h.Clock)
		}
		if b.HasKey {
			b.Key = bytesOf(s.Keys[it.Key])
		}
	}
	s.fillContent(b, it)
}

func (s *Store) fillContent(b *codec.Block, it *Item) {
	switch it.Ref {
	case codec.JSON, codec.Binary, codec.String, codec.Any:
		b.Body = s.Bytes(it)
	case codec.Embed:
		b.Body, b.BodyJSON = s.Bytes(it), it.Flags&FlagJSON != 0
	case codec.Format:
		f := &s.Formats.All[it.A]
		b.Name, b.Body, b.BodyJSON = bytesOf(s.Keys[f.Key]), bytesOf(f.raw), f.json
	case codec.Type:
		ty := &s.Types[it.A]
		b.TypeRef, b.Name = ty.Kind, nil
		if ty.Name != None {
			b.Name = bytesOf(s.Keys[ty.Name])
		}
	case codec.Doc:
		r := lib0.Reader{Buf: s.Bytes(it)}
		b.Body = r.Bytes()
		b.Name = r.Buf[r.Pos:]
	}
}

// DeleteSet lists all that is deleted, in canonical order.
func (s *Store) DeleteSet() codec.DeleteSet {
	var ds codec.DeleteSet
	for _, c := range s.Descending() {
		cl := &s.Clients[c]
		alive, from := true, uint32(0) // what is said of the items that follow from on
		border := func(clock uint32) {
			if !alive {
				ds = append(ds, codec.Range{Client: cl.ID, Clock: uint64(from), Len: uint64(clock - from)})
			}
			alive, from = !alive, clock
		}
		for k, b := range cl.blocks {
			for o, i := range b.items {
				if s.IsDeleted(i) == alive {
					border(b.clock(o, cl.starts[k]))
				}
			}
		}
		if !alive {
			border(cl.State)
		}
	}
	return ds
}

// WriteTo writes a client's structs from clock 0 up to a clock.
func (s *Store) WriteTo(w *codec.Writer, c, end uint32) {
	var b codec.Block
	s.Each(c, func(_ int32, it *Item) {
		if it.Clock < end {
			s.fill(&b, it)
			b.Keep(uint64(end - it.Clock))
			w.Block(&b, 0)
		}
	})
}
