package yjs

import (
	"math"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
	"github.com/starling-rt/starling/yjs/internal/pending"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// Applied says what an update did to a document.
type Applied struct {
	// Update is what the document did not know before, in encoding v1, ready to
	// be broadcast; nil when it knew all of it. It may be the very slice that was
	// applied.
	Update []byte
	// Pending tells that some of the update, or of an earlier one, waits for
	// updates that have not come: ask the sender for what is missing from
	// StateVector.
	Pending bool
}

// Apply applies an update in encoding v1. Updates may come in any order and any
// number of times. origin is handed to observers.
//
// On ErrMalformed, ErrLimit and ErrPending the document is valid and holds what
// came before the fault.
func (d *Doc) Apply(update []byte, origin any) (Applied, error) {
	return d.apply(update, origin, false)
}

// ApplyV2 is Apply for encoding v2.
func (d *Doc) ApplyV2(update []byte, origin any) (Applied, error) {
	return d.apply(update, origin, true)
}

// progress tells whether an update may be broadcast as it came.
type progress struct {
	stale bool // some of it was known, or is pending
	woken bool // something that was pending has been applied
}

func (d *Doc) apply(update []byte, origin any, v2 bool) (Applied, error) {
	if len(d.s.Arena)+len(update) > maxArena {
		return Applied{}, ErrLimit
	}
	d.s.Expect(len(update))
	opened := d.begin(origin, false)
	d.prog = progress{}
	err := d.applyBlocks(update, v2)
	d.retryDeletes()
	t := d.tx
	changed := len(t.touched) > 0 || len(t.deleted) > 0
	whole := err == nil && !d.prog.stale && !d.prog.woken
	var out Applied
	if opened {
		if changed && whole && !v2 {
			out.Update = update
		} else if changed {
			d.want = true
			if whole {
				d.writer.Grow(2 * len(update)) // v1 is longer
			}
		}
		d.commit()
		if out.Update == nil {
			out.Update, d.wanted = d.wanted, nil
		}
	}
	out.Pending = !d.pend.Empty()
	return out, err
}

// maxArena bounds the text of a document: offsets have 32 bits.
const maxArena = 1<<32 - 1<<20

func (d *Doc) applyBlocks(update []byte, v2 bool) error {
	var r codec.Reader
	r.Reset(update, v2, d.opts.MaxBlocks)
	d.s.Mark()
	most := d.pend.Blocks + d.maxFull(update, v2)
	var block codec.Block
	b := &block
	for r.Next(b) {
		if d.s.Grown()+d.pend.Blocks > most {
			return ErrLimit
		}
		if b.Ref == codec.Skip {
			d.prog.stale = true
			continue
		}
		if err := d.arrive(b); err != nil {
			return err
		}
	}
	var err error
	d.ranges, err = r.DeleteSet(d.ranges[:0])
	if err != nil {
		return err
	}
	// Joined first: ranges that name the same units again and again cost once.
	d.ranges = d.ranges.Canonical()
	for _, x := range d.ranges {
		if err := d.applyDelete(x.Client, x.Clock, x.Clock+x.Len); err != nil {
			return err
		}
	}
	return nil
}

// maxFull is how many structs in full size, or pending, an update may make. In v1 each
// takes some bytes of it.
func (d *Doc) maxFull(update []byte, v2 bool) int {
	switch {
	case !v2:
		return math.MaxInt / 2
	case d.opts.MaxBlocks > 0:
		return d.opts.MaxBlocks
	}
	return 1<<14 + len(update)
}

// arrive applies a block or keeps it for later.
func (d *Doc) arrive(b *codec.Block) error {
	if b.End() > store.MaxClock {
		return ErrLimit
	}
	future := func(id codec.ID) bool { return id.Client == b.ID.Client && id.Clock >= b.ID.Clock }
	if b.HasOrigin && future(b.Origin) || b.HasRight && future(b.Right) || b.Parented == codec.ParentID && future(b.Parent) {
		return ErrMalformed
	}
	missing, blocked := d.tryBlock(b)
	if !blocked {
		if d.pend.Blocks > 0 {
			return d.wake(b.ID.Client)
		}
		return nil
	}
	d.prog.stale = true
	if err := d.pend.Add(b, d.opts.MaxPending); err != nil {
		return err
	}
	q := d.pend.Queues[b.ID.Client]
	if q.Heap[0].Clock == b.ID.Clock {
		d.wait(b.ID.Client, q, missing)
	}
	return nil
}

// wait notes what the first block of a queue waits for.
func (d *Doc) wait(client uint64, q *pending.Queue, missing codec.ID) {
	if q.WaitFor == missing {
		return
	}
	q.WaitFor = missing
	if missing.Client != client {
		d.pend.Waiting[missing.Client] = append(d.pend.Waiting[missing.Client], pending.Waiter{Client: client, Clock: missing.Clock})
	}
}

// wake applies pending blocks after the state of a client has advanced.
func (d *Doc) wake(client uint64) error {
	todo := []uint64{client}
	for len(todo) > 0 && d.pend.Blocks > 0 {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if err := d.drain(c); err != nil {
			return err
		}
		state := uint64(d.s.StateOf(c))
		list := d.pend.Waiting[c]
		n := 0
		for _, w := range list {
			if w.Clock < state {
				todo = append(todo, w.Client)
			} else {
				list[n] = w
				n++
			}
		}
		if n == 0 {
			delete(d.pend.Waiting, c)
		} else if n < len(list) {
			d.pend.Waiting[c] = list[:n]
		}
	}
	return nil
}

// drain applies what it can of one client's queue.
func (d *Doc) drain(client uint64) error {
	for {
		q := d.pend.Queues[client]
		if q == nil {
			return nil
		}
		x := q.Heap[0]
		state := uint64(d.s.StateOf(client))
		if x.End <= state {
			d.pend.Pop(client, q)
			continue
		}
		if x.Clock > state {
			return nil
		}
		var b codec.Block
		err := d.pend.Block(client, x, &b)
		if err == nil {
			if missing, blocked := d.tryBlock(&b); blocked {
				d.wait(client, q, missing)
				return nil
			}
		}
		d.prog.woken = true
		d.pend.Pop(client, q)
		if err != nil {
			return err
		}
	}
}

// has tells whether a unit is known, and if not, what is missing.
func (d *Doc) has(c *uint32, id codec.ID) bool {
	i, ok := d.s.Lookup(id.Client)
	*c = i
	return ok && id.Clock < uint64(d.s.Clients[i].State)
}

// tryBlock applies a block if all that it refers to is there; otherwise blocked
// is true and missing names what it needs first.
func (d *Doc) tryBlock(b *codec.Block) (missing codec.ID, blocked bool) {
	s := &d.s
	state := uint64(s.StateOf(b.ID.Client))
	if b.ID.Clock > state {
		return codec.ID{Client: b.ID.Client, Clock: b.ID.Clock - 1}, true
	}
	if b.End() <= state {
		d.prog.stale = true
		return missing, false
	}
	var oc, rc, pc uint32
	if b.HasOrigin && !d.has(&oc, b.Origin) {
		return b.Origin, true
	}
	if b.HasRight && !d.has(&rc, b.Right) {
		return b.Right, true
	}
	if b.Parented == codec.ParentID && !d.has(&pc, b.Parent) {
		return b.Parent, true
	}
	c := s.ClientIndex(b.ID.Client)
	offset := uint32(state - b.ID.Clock)
	if offset > 0 {
		d.prog.stale = true
	}
	// Observers tell new from old by whole items: for them, runs merge afterwards.
	if !d.tracking && b.Ref == codec.String && offset == 0 && b.HasOrigin && oc == c && b.Origin.Clock+1 == state && d.extendRun(c, rc, b) {
		return missing, false
	}
	d.applyBlock(b, c, oc, rc, pc, offset)
	return missing, false
}

// extendRun appends text to the client's newest item, when that is what merging
// would come to.
func (d *Doc) extendRun(c, rc uint32, b *codec.Block) bool {
	s := &d.s
	i := s.ItemAt(c, s.LastPlace(c))
	it := s.At(i)
	if !growable(it) {
		return false
	}
	if b.HasRight {
		if it.Right == store.None || it.RightC != rc || it.RightK != uint32(b.Right.Clock) {
			return false
		}
		if r := s.At(it.Right); r.Client != rc || r.Clock != it.RightK {
			return false
		}
	} else if it.Right != store.None || it.RightC != store.NoClient {
		return false
	}
	s.Extend(i, b.Body)
	d.grown(i, uint32(b.Len), len(b.Body) != int(b.Len))
	return true
}

// growable tells whether an item may get more text in place.
func growable(it *store.Item) bool {
	return it.Ref == codec.String && it.Key == store.None && it.Flags&^store.FlagMarker == 0
}

// grown takes note that n units of text have been appended to item i, the newest
// of its client.
func (d *Doc) grown(i int32, n uint32, wide bool) {
	s := &d.s
	it := s.At(i)
	d.touch(it.Client)
	s.Wide = s.Wide || wide
	it.N += n
	s.Clients[it.Client].State += n
	ty := &s.Types[it.Parent]
	ty.Length += n
	if ty.Indexed {
		s.Positions[it.Parent].Extended(i, n)
	}
	d.change(it.Parent, store.None)
}

// applyBlock turns a block, whose references are all there, into an item.
func (d *Doc) applyBlock(b *codec.Block, c, oc, rc, pc, offset uint32) {
	s := &d.s
	it := store.Item{
		Client: c, Clock: uint32(b.ID.Clock), N: uint32(b.Len), OriginC: store.NoClient, RightC: store.NoClient,
		Left: store.None, Right: store.None, Parent: store.None, Key: store.None, Ref: b.Ref,
	}
	if b.Ref == codec.GC {
		d.addGC(c, it.Clock+offset, it.N-offset)
		return
	}
	if b.HasOrigin {
		it.Left = d.cleanEnd(oc, uint32(b.Origin.Clock))
		it.OriginC, it.OriginK = oc, uint32(b.Origin.Clock)
	}
	if b.HasRight {
		it.Right = d.startRight(it.Left, rc, uint32(b.Right.Clock))
		it.RightC, it.RightK = rc, uint32(b.Right.Clock)
		if r := s.At(it.Right); r.Ref == codec.GC {
			it.RightK = r.Clock
		}
	}
	switch {
	case it.Left != store.None && s.At(it.Left).Ref == codec.GC || it.Right != store.None && s.At(it.Right).Ref == codec.GC:
	case b.Parented == codec.ParentRoot:
		it.Parent = s.Root(s.KeyBytes(b.Root), store.KindUnknown)
	case b.Parented == codec.ParentID:
		if h := s.At(s.ItemAt(pc, s.Find(pc, uint32(b.Parent.Clock)))); h.Ref == codec.Type {
			it.Parent = int32(h.A)
		}
	case it.Left != store.None:
		it.Parent, it.Key = s.At(it.Left).Parent, s.At(it.Left).Key
	case it.Right != store.None:
		it.Parent, it.Key = s.At(it.Right).Parent, s.At(it.Right).Key
	}
	if b.HasKey && it.Parent != store.None {
		it.Key = s.KeyBytes(b.Key)
	}
	if offset > 0 {
		b.Cut(uint64(offset))
		it.Clock, it.N = it.Clock+offset, it.N-offset
		it.Left = d.cleanEnd(c, it.Clock-1)
		it.OriginC, it.OriginK = c, it.Clock-1
		// What is known of this block must be the rest of it, and not other content
		// under the same clocks.
		if l := s.At(it.Left); l.Parent != it.Parent || l.Key != it.Key {
			it.Parent = store.None
		}
	}
	if it.Parent == store.None {
		d.addGC(c, it.Clock, it.N)
		return
	}
	d.takeContent(&it, b)
	d.integrate(it)
}

func (d *Doc) addGC(c, clock, n uint32) {
	d.touch(c)
	if clock > 0 {
		if it := d.s.At(d.s.ItemAt(c, d.s.LastPlace(c))); it.Ref == codec.GC {
			it.N += n
			d.s.Clients[c].State += n
			return
		}
	}
	d.s.Push(c, d.s.Alloc(store.GC(c, clock, n)))
}

// takeContent stores the content of a block.
func (d *Doc) takeContent(it *store.Item, b *codec.Block) {
	s := &d.s
	switch b.Ref {
	case codec.JSON, codec.Binary, codec.String, codec.Any:
		it.A, it.B = s.Put(b.Body)
		s.Wide = s.Wide || it.Ref == codec.String && it.B != it.N
	case codec.Embed:
		it.A, it.B = s.Put(b.Body)
		if b.BodyJSON {
			it.Flags |= store.FlagJSON
		}
	case codec.Format:
		it.A = s.Formats.Add(s.KeyBytes(b.Name), b.Body, b.BodyJSON)
	case codec.Type:
		name := store.None
		if b.TypeRef == codec.TypeXMLElement || b.TypeRef == codec.TypeXMLHook {
			name = s.KeyBytes(b.Name)
		}
		it.A = uint32(s.NewType(store.None, b.TypeRef, name))
	case codec.Doc:
		// guid as a string, then the options
		it.A = uint32(len(s.Arena))
		s.Arena = lib0.AppendBytes(s.Arena, b.Body)
		s.Arena = append(s.Arena, b.Name...)
		it.B = uint32(len(s.Arena)) - it.A
	}
}

// applyDelete deletes units of a client; those that have not come are kept for later.
func (d *Doc) applyDelete(client, clock, end uint64) error {
	if end > store.MaxClock {
		return ErrLimit
	}
	state := uint64(d.s.StateOf(client))
	if end > state {
		d.prog.stale = true
		if err := d.pend.AddDelete(client, max(clock, state), end, d.opts.MaxPending); err != nil {
			return err
		}
		if end = state; clock >= end {
			return nil
		}
	}
	c, _ := d.s.Lookup(client)
	// What came with this update may have come deleted.
	if !d.deleteRange(c, uint32(clock), uint32(end)) && uint32(clock) < d.before(d.tx, c) {
		d.prog.stale = true
	}
	return nil
}

// deleteRange deletes known units, and tells whether any was alive.
func (d *Doc) deleteRange(c, clock, end uint32) (any bool) {
	s := &d.s
	p := s.Find(c, clock)
	if i, at := s.ItemAt(c, p), s.ClockAt(c, p); at < clock && !s.IsDeleted(i) {
		p = d.split(i, p, clock-at)
	}
	for ok := true; ok; p, ok = s.Next(c, p) {
		if s.ClockAt(c, p) >= end {
			break
		}
		i := s.ItemAt(c, p)
		if s.IsDeleted(i) {
			continue
		}
		any = true
		it := s.At(i)
		if end < it.End() {
			p, _ = s.Prev(c, d.split(i, p, end-it.Clock))
		}
		d.deleteItem(i)
	}
	return any
}

// retryDeletes applies pending deletions whose units have come.
func (d *Doc) retryDeletes() {
	if d.pend.NDelete == 0 {
		return
	}
	for _, x := range d.tx.touched {
		id := d.s.Clients[x.client].ID
		h := d.pend.Deletes[id]
		state := uint64(d.s.Clients[x.client].State)
		var beyond uint64
		for len(h) > 0 && h[0].Clock < state {
			r := h[0]
			h = pending.PopLater(h)
			d.pend.NDelete--
			beyond = max(beyond, r.End)
			if d.deleteRange(x.client, uint32(r.Clock), uint32(min(r.End, state))) {
				d.prog.woken = true
			}
		}
		if beyond > state {
			h = pending.PushLater(h, pending.Later{Clock: state, End: beyond})
			d.pend.NDelete++
		}
		if len(h) == 0 {
			delete(d.pend.Deletes, id)
		} else {
			d.pend.Deletes[id] = h
		}
	}
}
