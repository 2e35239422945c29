package store

import (
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// InArena tells whether the item's content is bytes a..a+b of the arena.
func (it *Item) InArena() bool {
	switch it.Ref {
	case codec.JSON, codec.Binary, codec.String, codec.Embed, codec.Any, codec.Doc:
		return true
	}
	return false
}

// Bytes is the content of an item that is in the arena.
func (s *Store) Bytes(it *Item) []byte { return s.Arena[it.A : it.A+it.B : it.A+it.B] }

// Put appends bytes to the arena.
func (s *Store) Put(p []byte) (off, n uint32) {
	off = uint32(len(s.Arena))
	s.Arena = append(s.Arena, p...)
	return off, uint32(len(p))
}

// Extend appends bytes to the content of item i, which is the newest of its
// client. When something else follows in the arena, the content moves to its
// end with as much room again, so that clients that type in turn copy each
// byte a constant number of times.
func (s *Store) Extend(i int32, p []byte) {
	it := s.At(i)
	r := &s.Clients[it.Client].room
	end, n := it.A+it.B, uint32(len(p))
	switch {
	case int(end) == len(s.Arena):
		s.Arena = append(s.Arena, p...)
	case r.n >= n && r.behind(i, it):
		copy(s.Arena[end:], p)
		r.at, r.n = r.at+n, r.n-n
	default:
		s.dead += int(it.B)
		s.move(i, it, p)
	}
	it.B += n
}

// move writes the content of item i and what is to follow it to the end of the
// arena, with as much room again.
func (s *Store) move(i int32, it *Item, p []byte) {
	delete(s.steps, it.A)
	r := &s.Clients[it.Client].room
	s.dead += int(r.n)
	*r = room{item: i, n: it.B + uint32(len(p))}
	off := uint32(len(s.Arena))
	s.Arena = append(s.Arena, s.Bytes(it)...)
	s.Arena = append(s.Arena, p...)
	r.at = uint32(len(s.Arena))
	s.Arena = append(s.Arena, make([]byte, r.n)...)
	it.A = off
}

// behind tells whether the room is behind the content of item i.
func (r *room) behind(i int32, it *Item) bool { return r.item == i && r.at == it.A+it.B }

// RoomTo hands the room behind item i to j, which now ends where i did.
func (s *Store) RoomTo(i, j int32) {
	it := s.At(j)
	if r := &s.Clients[it.Client].room; r.item == i && r.at == it.A+it.B {
		r.item = j
	}
}

// ExtendText is Extend with a string; n is the UTF-16 units that it has.
func (s *Store) ExtendText(i int32, text string) (n uint32) {
	s.Extend(i, bytesOf(text))
	return uint32(lib0.UTF16Len(bytesOf(text)))
}

// CutContent divides the content of it after k units: it keeps the left part,
// the right part goes to r. Surrogate pairs that are cut become two U+FFFD.
func (s *Store) CutContent(it, r *Item, k uint32) {
	if !it.InArena() {
		return
	}
	var off int
	switch it.Ref {
	case codec.String:
		body := s.Bytes(it)
		var mid bool
		off, mid = lib0.UTF16Offset(body, int(it.N), int(k))
		if mid {
			s.cutPair(it, r, off)
			return
		}
	case codec.Any, codec.JSON:
		off = s.Offset(it, k)
	}
	r.A, r.B = it.A+uint32(off), it.B-uint32(off)
	if it.Ref != codec.String {
		s.shareSteps(it, r, k)
	}
	it.B = uint32(off)
}

// cutPair divides text inside the pair at byte off. The four bytes of the pair
// have room for one U+FFFD; the shorter side moves to make room for the other.
func (s *Store) cutPair(it, r *Item, off int) {
	a, b := it.A, it.B
	rest := b - uint32(off) - 4
	if uint32(off) > rest {
		// The right side moves.
		r.A = uint32(len(s.Arena))
		s.Arena = append(s.Arena, lib0.Replacement...)
		s.Arena = append(s.Arena, s.Arena[a+uint32(off)+4:a+b]...)
		r.B = rest + 3
		copy(s.Arena[a+uint32(off):], lib0.Replacement)
		it.B = uint32(off) + 3
		s.dead += int(rest) + 1
		return
	}
	it.A = uint32(len(s.Arena))
	s.Arena = append(s.Arena, s.Arena[a:a+uint32(off)]...)
	s.Arena = append(s.Arena, lib0.Replacement...)
	it.B = uint32(off) + 3
	r.A, r.B = a+uint32(off)+1, rest+3
	copy(s.Arena[r.A:], lib0.Replacement)
	s.dead += off + 1
}

// JoinContent appends the content of item ri to that of li, for a merge.
func (s *Store) JoinContent(li, ri int32) {
	l, r := s.At(li), s.At(ri)
	if !l.InArena() {
		return
	}
	delete(s.steps, r.A)
	cl := &s.Clients[l.Client]
	end := l.A + l.B
	switch {
	case end == r.A:
		s.RoomTo(ri, li)
	case cl.room.n >= r.B && cl.room.behind(li, l):
		copy(s.Arena[end:], s.Bytes(r))
		cl.room.at, cl.room.n = cl.room.at+r.B, cl.room.n-r.B
		s.dead += int(r.B)
	case r.End() == cl.State:
		s.dead += int(l.B + r.B)
		s.move(li, l, s.Bytes(r)) // it may go on like that
	default:
		delete(s.steps, l.A)
		off := uint32(len(s.Arena))
		s.Arena = append(s.Arena, s.Bytes(l)...)
		s.Arena = append(s.Arena, s.Bytes(r)...)
		s.dead += int(l.B + r.B)
		l.A = off
	}
	l.B += r.B
}

// DropContent forgets the content of an item that is being collected.
func (s *Store) DropContent(it *Item) {
	switch {
	case it.InArena():
		s.dead += int(it.B)
		delete(s.steps, it.A)
	case it.Ref == codec.Format:
		s.Formats.drop(it.A)
	}
	it.A, it.B = 0, 0
}

// Expect makes room for the content of an update of so many bytes, as a guess, when
// it is the first and may be all of the document.
func (s *Store) Expect(n int) {
	if s.Arena == nil && n > 4096 {
		s.Arena = make([]byte, 0, n/2)
	}
}

// Compact rewrites the arena without its dead bytes, and without its free room, once
// they are much of it.
func (s *Store) Compact() {
	if s.dead < 4096 || s.dead < len(s.Arena)/2 {
		if free := cap(s.Arena) - len(s.Arena); free > 4096 && free > len(s.Arena)/2 {
			s.Arena = slices.Clone(s.Arena)
		}
		return
	}
	fresh := make([]byte, 0, len(s.Arena)-s.dead+1024)
	for c := range s.Clients {
		r := &s.Clients[c].room
		kept := room{}
		s.Each(uint32(c), func(i int32, it *Item) {
			if !it.InArena() {
				return
			}
			here := r.behind(i, it)
			off := uint32(len(fresh))
			fresh = append(fresh, s.Bytes(it)...)
			it.A = off
			if here {
				kept = room{item: i, at: off + it.B, n: min(r.n, it.B)}
				fresh = append(fresh, make([]byte, kept.n)...)
			}
		})
		*r = kept
	}
	s.Arena, s.dead, s.steps = fresh, 0, nil
}

// A Format is the content of a Format item: a key and a value.
type Format struct {
	Key   int32
	Refs  int32 // items that have it
	Value lib0.Value
	raw   string // as it came: JSON text or an any
	json  bool
}

// formatTable holds the contents of Format items. Those with plain values are
// shared; objects are kept apart, since Yjs compares objects by identity.
type formatTable struct {
	All    []Format
	shared map[formatKey]uint32
	free   []uint32
}

type formatKey struct {
	key  int32
	json bool
	raw  string
}

func composite(v lib0.Value) bool {
	return v.Kind() == lib0.KindArray || v.Kind() == lib0.KindObject || v.Kind() == lib0.KindBytes
}

// Add finds or makes the format that was received as raw.
func (t *formatTable) Add(key int32, raw []byte, json bool) uint32 {
	if i, ok := t.shared[formatKey{key, json, string(raw)}]; ok {
		t.All[i].Refs++
		return i
	}
	var v lib0.Value
	if json {
		v, _ = lib0.ParseJSON(raw) // checked by the decoder
	} else {
		r := lib0.Reader{Buf: raw}
		v = r.Any()
	}
	return t.insert(Format{Key: key, Value: v, raw: string(raw), json: json})
}

// Of finds or makes the format of a local value.
func (t *formatTable) Of(key int32, v lib0.Value) uint32 {
	raw := string(v.AppendAny(nil))
	if i, ok := t.shared[formatKey{key, false, raw}]; ok {
		t.All[i].Refs++
		return i
	}
	return t.insert(Format{Key: key, Value: v, raw: raw})
}

func (t *formatTable) insert(f Format) uint32 {
	f.Refs = 1
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
		t.All[i] = f
	} else {
		i = uint32(len(t.All))
		t.All = append(t.All, f)
	}
	if !composite(f.Value) {
		if t.shared == nil {
			t.shared = make(map[formatKey]uint32)
		}
		t.shared[formatKey{f.Key, f.json, f.raw}] = i
	}
	return i
}

func (t *formatTable) drop(i uint32) {
	f := &t.All[i]
	if f.Refs--; f.Refs > 0 {
		return
	}
	if !composite(f.Value) {
		delete(t.shared, formatKey{f.Key, f.json, f.raw})
	}
	*f = Format{}
	t.free = append(t.free, i)
}
