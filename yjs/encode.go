package yjs

import (
	"cmp"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// A StateVector gives, per client, the clock that comes next: what a document
// holds of each client's work.
type StateVector map[uint64]uint64

// DecodeStateVector reads a state vector.
func DecodeStateVector(b []byte) (StateVector, error) {
	r := lib0.Reader{Buf: b}
	sv := codec.ReadStateVector(&r)
	if r.Bad {
		return nil, ErrMalformed
	}
	return StateVector(sv), nil
}

// Encode writes the state vector as Yjs does.
func (sv StateVector) Encode() []byte { return codec.StateVector(sv).Append(nil) }

// StateVector is the document's state. Pending updates do not count.
func (d *Doc) StateVector() StateVector {
	sv := make(StateVector, len(d.s.Clients))
	for i := range d.s.Clients {
		if c := &d.s.Clients[i]; c.State > 0 {
			sv[c.ID] = uint64(c.State)
		}
	}
	return sv
}

// Encode writes as an update, in encoding v1, what a holder of since lacks; all
// of the document when since is nil. Pending updates are part of it.
func (d *Doc) Encode(since StateVector) []byte { return d.encode(since, false) }

// EncodeV2 is Encode in encoding v2.
func (d *Doc) EncodeV2(since StateVector) []byte { return d.encode(since, true) }

func (d *Doc) encode(since StateVector, v2 bool) []byte {
	s := &d.s
	size := 64
	if since == nil && !v2 {
		size = s.Size()
	}
	w := codec.NewWriter(v2, size)
	for _, c := range s.Descending() {
		cl := &s.Clients[c]
		if from := since[cl.ID]; from < uint64(cl.State) {
			s.WriteFrom(w, c, uint32(from))
		}
	}
	out := w.Finish(s.DeleteSet())
	if d.pend.Empty() {
		return out
	}
	parts := [][]byte{out}
	for _, u := range d.pend.Updates(v2) {
		if u, err := codec.Diff(u, codec.StateVector(since), v2, 0); err == nil {
			parts = append(parts, u)
		}
	}
	if out, err := codec.Merge(parts, v2, 0); err == nil {
		return out
	}
	return out // our own bytes: they can be read
}

// An Update is what one transaction changed. It is valid during the call of the
// observer that gets it.
type Update struct {
	// Origin is what the transaction was started with.
	Origin any
	// Local tells changes made here from those that were applied.
	Local bool

	doc *Doc
	t   *txn
}

// V1 encodes the update for others, in encoding v1.
func (u *Update) V1() []byte { return u.doc.encodeTxn(u.t, false) }

// V2 encodes the update for others, in encoding v2.
func (u *Update) V2() []byte { return u.doc.encodeTxn(u.t, true) }

func (d *Doc) encodeTxn(t *txn, v2 bool) []byte {
	s := &d.s
	if len(t.touched) > 1 {
		slices.SortFunc(t.touched, func(a, b touch) int {
			return cmp.Compare(s.Clients[b.client].ID, s.Clients[a.client].ID)
		})
	}
	w := &d.writer
	w.Reset(v2)
	for _, x := range t.touched {
		s.WriteFrom(w, x.client, x.before)
	}
	ds := d.ranges[:0]
	for _, r := range t.deleted {
		ds = append(ds, codec.Range{Client: s.Clients[r.client].ID, Clock: uint64(r.clock), Len: uint64(r.n)})
	}
	d.ranges = ds
	return w.Finish(ds)
}

// emit tells the observers of updates about a transaction.
func (d *Doc) emit(t *txn) {
	if len(t.touched) == 0 && len(t.deleted) == 0 {
		return
	}
	if d.want {
		d.want = false
		d.wanted = d.encodeTxn(t, false)
	}
	d.update = Update{Origin: t.origin, Local: t.local, doc: d, t: t}
	d.onUpdate.each(func(f func(*Update)) { f(&d.update) })
}
