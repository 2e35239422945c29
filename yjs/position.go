package yjs

import (
	"encoding/json"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// An Assoc says to which side a Position holds.
type Assoc int

// A position holds to what follows it, or to what precedes it.
const (
	After  Assoc = 0
	Before Assoc = -1
)

// A Position is a place in a sequence that stays where it is while others edit
// ("relative position" in Yjs): the unit beside it, or an end of the sequence.
type Position struct {
	Assoc Assoc
	item  *ID
	typ   *ID     // of a nested sequence
	root  *string // name of a root
}

// PositionAt makes a Position of an index, 0 ≤ index ≤ Len.
func (h *handle) PositionAt(index int, assoc Assoc) (Position, error) {
	if h.d == nil {
		return Position{}, ErrDetached
	}
	if index < 0 || index > h.Len() {
		return Position{}, ErrRange
	}
	p := Position{Assoc: assoc}
	s := &h.d.s
	if id, nested := h.ID(); nested {
		p.typ = &id
	} else {
		name := s.Keys[s.Types[h.t].Name]
		p.root = &name
	}
	if assoc < 0 {
		if index == 0 {
			return p, nil
		}
		index--
	}
	if i, off, ok := h.d.unitAt(h.t, uint32(index)); ok {
		it := s.At(i)
		p.item = &ID{s.Clients[it.Client].ID, uint64(it.Clock + off)}
	}
	return p, nil
}

// Resolve finds where a position is now: the type, and the index in it. ok is
// false when the document does not know the place, or has forgotten it.
func (d *Doc) Resolve(p Position) (c Content, index int, ok bool) {
	s := &d.s
	switch {
	case p.item != nil:
		i, diff, ok := d.follow(*p.item)
		if !ok || s.At(i).Ref == codec.GC {
			return nil, 0, false
		}
		it := s.At(i)
		t := it.Parent
		if h := s.Types[t].Item; h == store.None || !s.At(h).Deleted() {
			index = int(d.indexOf(i))
			if it.Visible() > 0 {
				index += int(diff)
				if p.Assoc < 0 {
					index++
				}
			}
		}
		return d.wrap(t), index, true
	case p.root != nil:
		t := s.Root(s.Key(*p.root), store.KindUnknown)
		return d.wrap(t), d.endOf(t, p.Assoc), true
	case p.typ != nil:
		i, _, ok := d.follow(*p.typ)
		if !ok || s.At(i).Ref != codec.Type {
			return nil, 0, false
		}
		t := int32(s.At(i).A)
		return d.wrap(t), d.endOf(t, p.Assoc), true
	}
	return nil, 0, false
}

func (d *Doc) endOf(t int32, assoc Assoc) int {
	if assoc < 0 {
		return 0
	}
	return int(d.s.Types[t].Length)
}

// follow finds the item of an ID, or what an undo manager made in its place, and
// the offset in it.
func (d *Doc) follow(id ID) (i int32, diff uint32, ok bool) {
	s := &d.s
	c, known := s.Lookup(id.Client)
	if !known || id.Clock >= uint64(s.Clients[c].State) {
		return store.None, 0, false
	}
	clock := uint32(id.Clock)
	for {
		i = s.ItemAt(c, s.Find(c, clock))
		it := s.At(i)
		diff = clock - it.Clock
		if it.Flags&store.FlagRedone == 0 {
			return i, diff, true
		}
		to := s.Redone[store.IDKey{Client: it.Client, Clock: it.Clock}]
		c, clock = to.Client, to.Clock+diff
		if clock >= s.Clients[c].State {
			return store.None, 0, false
		}
	}
}

// Encode writes the position as Yjs does. It has the unit only, and the type
// when there is none.
func (p Position) Encode() []byte {
	var b []byte
	put := func(kind byte, id *ID) {
		b = lib0.AppendUint(lib0.AppendUint(append(b, kind), id.Client), id.Clock)
	}
	switch {
	case p.item != nil:
		put(0, p.item)
	case p.root != nil:
		b = lib0.AppendString(append(b, 1), *p.root)
	case p.typ != nil:
		put(2, p.typ)
	default:
		b = append(b, 1, 0)
	}
	n := int(p.Assoc)
	return lib0.AppendInt(b, uint64(max(n, -n)), n < 0)
}

// DecodePosition reads a position.
func DecodePosition(b []byte) (Position, error) {
	var p Position
	r := lib0.Reader{Buf: b}
	switch r.Uint() {
	case 0:
		p.item = &ID{r.Uint(), r.Uint()}
	case 1:
		name := string(r.String())
		p.root = &name
	case 2:
		p.typ = &ID{r.Uint(), r.Uint()}
	default:
		r.Fail()
	}
	if r.Left() > 0 {
		n, neg := r.Int()
		if p.Assoc = Assoc(min(n, 1<<20)); neg {
			p.Assoc = -p.Assoc
		}
	}
	if r.Bad {
		return Position{}, ErrMalformed
	}
	return p, nil
}

type positionJSON struct {
	Type  *idJSON `json:"type,omitempty"`
	Root  *string `json:"tname,omitempty"`
	Item  *idJSON `json:"item,omitempty"`
	Assoc int     `json:"assoc"`
}

type idJSON struct {
	Client uint64 `json:"client"`
	Clock  uint64 `json:"clock"`
}

// MarshalJSON writes the position as Yjs's relativePositionToJSON does.
func (p Position) MarshalJSON() ([]byte, error) {
	return json.Marshal(positionJSON{(*idJSON)(p.typ), p.root, (*idJSON)(p.item), int(p.Assoc)})
}

// UnmarshalJSON reads what MarshalJSON or Yjs wrote.
func (p *Position) UnmarshalJSON(b []byte) error {
	var j positionJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return ErrMalformed
	}
	*p = Position{Assoc(j.Assoc), (*ID)(j.Item), (*ID)(j.Type), j.Root}
	return nil
}
