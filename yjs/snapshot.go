package yjs

import (
	"maps"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// A Snapshot names a state of a document: what had been written and what had
// been deleted. To look at the state again, the document must keep what is
// deleted (Options.KeepDeleted).
type Snapshot struct {
	sv codec.StateVector
	ds codec.DeleteSet // canonical
}

// Snapshot names the present state.
func (d *Doc) Snapshot() Snapshot {
	return Snapshot{codec.StateVector(d.StateVector()), d.s.DeleteSet()}
}

// DecodeSnapshot reads a snapshot in encoding v1.
func DecodeSnapshot(b []byte) (Snapshot, error) { return decodeSnapshot(b, false) }

// DecodeSnapshotV2 reads a snapshot in encoding v2.
func DecodeSnapshotV2(b []byte) (Snapshot, error) { return decodeSnapshot(b, true) }

func decodeSnapshot(b []byte, v2 bool) (Snapshot, error) {
	r := lib0.Reader{Buf: b}
	ds := codec.ReadDeleteSet(&r, v2)
	sv := codec.ReadStateVector(&r)
	if r.Bad {
		return Snapshot{}, ErrMalformed
	}
	return Snapshot{sv, ds.Canonical()}, nil
}

// Encode writes the snapshot in encoding v1.
func (s Snapshot) Encode() []byte { return s.sv.Append(s.ds.Append(nil, false)) }

// EncodeV2 writes the snapshot in encoding v2.
func (s Snapshot) EncodeV2() []byte { return s.sv.Append(s.ds.Append(nil, true)) }

// Equal tells whether two snapshots name the same state.
func (s Snapshot) Equal(o Snapshot) bool {
	return maps.Equal(s.sv, o.sv) && slices.Equal(s.ds, o.ds)
}

// Contains tells whether an update in encoding v1 brings nothing new to a holder
// of the state.
func (s Snapshot) Contains(update []byte) (bool, error) { return s.contains(update, false) }

// ContainsV2 is Contains for encoding v2.
func (s Snapshot) ContainsV2(update []byte) (bool, error) { return s.contains(update, true) }

func (s Snapshot) contains(update []byte, v2 bool) (bool, error) {
	var r codec.Reader
	r.Reset(update, v2, 0)
	for b := (codec.Block{}); r.Next(&b); {
		if s.sv[b.ID.Client] < b.End() {
			return false, nil
		}
	}
	ds, err := r.DeleteSet(nil)
	if err != nil {
		return false, err
	}
	all := append(slices.Clone(s.ds), ds...)
	return slices.Equal(all.Canonical(), s.ds), nil
}

// At gives the document as it was when the snapshot was taken, as a new
// document. ErrKept says that this one frees what is deleted; ErrRange that the
// snapshot is not of this document, or of a later state.
func (d *Doc) At(s Snapshot, opts Options) (*Doc, error) {
	if !d.opts.KeepDeleted {
		return nil, ErrKept
	}
	w := codec.NewWriter(false, 256)
	for c := range d.s.Clients {
		if end := s.sv[d.s.Clients[c].ID]; end > 0 {
			if end > uint64(d.s.Clients[c].State) {
				return nil, ErrRange
			}
			d.s.WriteTo(w, uint32(c), uint32(end))
		}
	}
	for id := range s.sv {
		if s.sv[id] > uint64(d.s.StateOf(id)) {
			return nil, ErrRange
		}
	}
	n := New(opts)
	if _, err := n.Apply(w.Finish(s.ds), nil); err != nil {
		return nil, err
	}
	return n, nil
}

// DeltaAt is the text as it was when the snapshot was taken. The document must
// keep what is deleted, or deleted text is missing.
func (t *Text) DeltaAt(s Snapshot) Delta { return t.DeltaBetween(s, s) }

// DeltaBetween is the text of two states at once: what came after before has the
// attribute ychange {type: added}, what was gone in now {type: removed}.
func (t *Text) DeltaBetween(before, now Snapshot) (ops Delta) {
	if t.d == nil {
		return nil
	}
	s := &t.d.s
	var attrs attrList
	put := func(op Op, change string) {
		op.Attrs = t.d.attrs(attrs)
		if change != "" {
			op.Attrs = append(op.Attrs, Attr{"ychange", Object(Field{Key: "type", Value: String(change)})})
		}
		if n := len(ops); n > 0 && op.Embed == nil && ops[n-1].Embed == nil && sameAttrs(ops[n-1].Attrs, op.Attrs) {
			ops[n-1].Insert += op.Insert
			return
		}
		ops = append(ops, op)
	}
	for i := s.Types[t.t].Start; i != store.None; i = s.At(i).Right {
		it := *s.At(i)
		if it.Ref == codec.Format {
			if now.visible(s, &it, it.Clock) {
				attrs.update(&s.Formats.All[it.A])
			}
			continue
		}
		if it.Ref != codec.String && it.Ref != codec.Type && it.Ref != codec.Embed {
			continue
		}
		for _, p := range pieces(s, &it, before, now) {
			if it.Ref == codec.String {
				put(Op{Insert: unitsOf(s, &it, p.from, p.to)}, p.change)
			} else {
				put(Op{Embed: t.d.content(&it, 0)}, p.change)
			}
		}
	}
	return ops
}

func sameAttrs(a, b Attrs) bool {
	return slices.EqualFunc(a, b, func(x, y Attr) bool { return x.Key == y.Key && x.Value.Equal(y.Value) })
}

// visible tells whether a unit of an item was there.
func (s Snapshot) visible(st *store.Store, it *store.Item, clock uint32) bool {
	id := st.Clients[it.Client].ID
	return uint64(clock) < s.sv[id] && !s.ds.Has(id, uint64(clock))
}

// A piece is a run of units with the same fate.
type piece struct {
	from, to uint32 // offsets in the item
	change   string
}

func pieces(st *store.Store, it *store.Item, before, now Snapshot) (out []piece) {
	id := st.Clients[it.Client].ID
	borders := []uint32{0, it.N}
	add := func(clock uint64) {
		if clock > uint64(it.Clock) && clock < uint64(it.End()) {
			borders = append(borders, uint32(clock)-it.Clock)
		}
	}
	for _, s := range []Snapshot{before, now} {
		add(s.sv[id])
		for k := s.ds.From(id, uint64(it.Clock)); k < len(s.ds) && s.ds[k].Client == id && s.ds[k].Clock < uint64(it.End()); k++ {
			add(s.ds[k].Clock)
			add(s.ds[k].Clock + s.ds[k].Len)
		}
	}
	slices.Sort(borders)
	for k := 1; k < len(borders); k++ {
		from, to := borders[k-1], borders[k]
		if from == to {
			continue
		}
		was, is := before.visible(st, it, it.Clock+from), now.visible(st, it, it.Clock+from)
		switch {
		case was && is:
			out = append(out, piece{from, to, ""})
		case was:
			out = append(out, piece{from, to, "removed"})
		case is:
			out = append(out, piece{from, to, "added"})
		}
	}
	return out
}

// unitsOf is a part of an item's text; half a surrogate pair becomes U+FFFD.
func unitsOf(s *store.Store, it *store.Item, from, to uint32) string {
	b := codec.Block{Ref: codec.String, Len: uint64(it.N), Body: s.Bytes(it)}
	b.Keep(uint64(to))
	b.Cut(uint64(from))
	return string(b.Body)
}
