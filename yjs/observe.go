package yjs

import (
	"slices"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// An Event is what one transaction changed in one shared type. It is valid
// during the call of the observer that gets it.
type Event struct {
	Target Content // the type that changed
	Origin any     // what the transaction was started with
	Local  bool    // changed here, not applied

	d *Doc
	t *txn
	h int32
}

// A Change says what happened to a key.
type Change struct {
	Key    string
	Action Action
	Old    Content // what was there; undefined for Added
}

// An Action is what happened to a key.
type Action uint8

// The actions.
const (
	Added Action = iota + 1
	Changed
	Deleted
)

// String is the name that Yjs gives the action.
func (a Action) String() string {
	return [...]string{"", "add", "update", "delete"}[a]
}

// A ListOp is one step of a change to a sequence. Exactly one field is set.
type ListOp struct {
	Insert []Content
	Retain int
	Delete int
}

// A Step is one part of a path: a key, or an index when IsIndex.
type Step struct {
	Key     string
	Index   int
	IsIndex bool
}

// Subdocs tells which subdocuments a transaction brought and took away.
type Subdocs struct{ Added, Removed []*Subdoc }

// Observe calls f after every transaction that changed the type. The result
// stops that.
func (h *handle) Observe(f func(*Event)) (stop func()) {
	if h.d == nil {
		return func() {}
	}
	return h.d.watch(hookOf(&h.d.observers().events, h.t).add(f))
}

// hookOf gives the hooks of one type.
func hookOf[F any](all *map[int32]*hooks[F], t int32) *hooks[F] {
	if *all == nil {
		*all = make(map[int32]*hooks[F])
	}
	if (*all)[t] == nil {
		(*all)[t] = new(hooks[F])
	}
	return (*all)[t]
}

// watch has changed types noted until the hook that stop takes away is the last.
func (d *Doc) watch(stop func()) func() {
	d.tracking = true
	return func() {
		stop()
		n := len(d.onTxn) + len(d.subdocs)
		for t, h := range d.events {
			if n += len(*h); len(*h) == 0 {
				delete(d.events, t)
			}
		}
		for t, h := range d.deep {
			if n += len(*h); len(*h) == 0 {
				delete(d.deep, t)
			}
		}
		d.tracking = n > 0 || d.opts.CleanFormats
	}
}

// ObserveDeep calls f after every transaction that changed the type or something
// in it, with all such events, the outermost first. The result stops that.
func (h *handle) ObserveDeep(f func([]*Event)) (stop func()) {
	if h.d == nil {
		return func() {}
	}
	return h.d.watch(hookOf(&h.d.observers().deep, h.t).add(f))
}

// OnSubdocs calls f when subdocuments come or go. The result stops that.
func (d *Doc) OnSubdocs(f func(*Subdocs)) (stop func()) {
	return d.watch(d.observers().subdocs.add(f))
}

// observe calls the observers of a transaction.
func (d *Doc) observe(t *txn) {
	s := &d.s
	var all []*Event
	for _, ty := range t.order {
		if !d.stands(ty) {
			continue
		}
		if !t.local {
			if m := d.marksOf(ty); m != nil {
				m.clear()
			}
			if k := s.Types[ty].Kind; s.Types[ty].Formats && (k == store.KindText || k == store.KindXMLText) {
				t.clean = true
			}
		}
		if len(d.events) == 0 && len(d.deep) == 0 {
			continue
		}
		e := &Event{Target: d.wrap(ty), Origin: t.origin, Local: t.local, d: d, t: t, h: ty}
		all = append(all, e)
		if h := d.events[ty]; h != nil {
			h.each(func(f func(*Event)) { f(e) })
		}
	}
	d.observeDeep(all)
	d.observeSubdocs(t)
	d.onTxn.each(func(f func(*txn)) { f(t) })
	if t.clean && d.opts.CleanFormats {
		d.cleanFormats(t)
	}
}

// stands tells whether a type is still part of the document.
func (d *Doc) stands(t int32) bool {
	ty := &d.s.Types[t]
	return ty.Kind != store.KindDead && (ty.Item == store.None || !d.s.At(ty.Item).Deleted())
}

// forgetMarkers is what observe does when nobody observes.
func (d *Doc) forgetMarkers(t *txn) {
	for _, x := range t.noted {
		if m := d.marksOf(x.t); m != nil && d.stands(x.t) {
			m.clear()
		}
	}
}

func (d *Doc) observeDeep(all []*Event) {
	if len(d.deep) == 0 {
		return
	}
	above := make(map[int32][]*Event)
	var order []int32
	for _, e := range all {
		for t := e.h; ; {
			if d.deep[t] != nil {
				if above[t] == nil {
					order = append(order, t)
				}
				above[t] = append(above[t], e)
			}
			h := d.s.Types[t].Item
			if h == store.None {
				break
			}
			t = d.s.At(h).Parent
		}
	}
	for _, t := range order {
		events := above[t]
		slices.SortStableFunc(events, func(a, b *Event) int { return len(a.Path()) - len(b.Path()) })
		if h := d.deep[t]; h != nil {
			h.each(func(f func([]*Event)) { f(events) })
		}
	}
}

func (d *Doc) observeSubdocs(t *txn) {
	if len(d.subdocs) == 0 || len(t.subdocs.added)+len(t.subdocs.removed) == 0 {
		return
	}
	var sub Subdocs
	for _, i := range t.subdocs.added {
		if !slices.Contains(t.subdocs.removed, i) {
			sub.Added = append(sub.Added, d.subdoc(d.s.At(i)))
		}
	}
	for _, i := range t.subdocs.removed {
		if !slices.Contains(t.subdocs.added, i) {
			sub.Removed = append(sub.Removed, d.subdoc(d.s.At(i)))
		}
	}
	d.subdocs.each(func(f func(*Subdocs)) { f(&sub) })
}

// Path is the way from the root to the type.
func (e *Event) Path() []Step {
	s := &e.d.s
	var path []Step
	for t := e.h; s.Types[t].Item != store.None; {
		it := s.At(s.Types[t].Item)
		if it.Key != store.None {
			path = append(path, Step{Key: s.Keys[it.Key]})
		} else {
			path = append(path, Step{Index: int(e.d.indexOf(s.Types[t].Item)), IsIndex: true})
		}
		t = it.Parent
	}
	slices.Reverse(path)
	return path
}

// indexOf is the index of the first unit of a member of a sequence.
func (d *Doc) indexOf(i int32) (index uint32) {
	s := &d.s
	if t := s.At(i).Parent; s.Types[t].Indexed || s.Types[t].Length >= farWalk {
		if ps := d.s.Sequence(t); ps != nil {
			return ps.IndexOf(i)
		}
	}
	for l := s.At(i).Left; l != store.None; l = s.At(l).Left {
		index += s.At(l).Visible()
	}
	return index
}

func (e *Event) adds(it *store.Item) bool { return it.Clock >= e.d.before(e.t, it.Client) }

// deletes tells whether the transaction deleted the item.
func (e *Event) deletes(it *store.Item) bool {
	if !it.Deleted() {
		return false
	}
	i, found := slices.BinarySearchFunc(e.t.deleted, span{it.Client, it.Clock, 0}, func(a, b span) int {
		if a.client != b.client {
			return int(int64(a.client) - int64(b.client))
		}
		return int(int64(a.clock) - int64(b.clock))
	})
	return found || i > 0 && e.t.deleted[i-1].client == it.Client && it.Clock < e.t.deleted[i-1].clock+e.t.deleted[i-1].n
}

// Keys tells what happened to the keys of a map or the attributes of XML.
func (e *Event) Keys() []Change {
	s := &e.d.s
	var out []Change
	for m := s.Types[e.h].Entry; m != store.None; m = s.Entries[m].Next {
		key := s.Entries[m].Key
		if !e.t.changed[e.h][key] {
			continue
		}
		it := s.At(s.Entries[m].Last)
		c := Change{Key: s.Keys[key], Old: Value{}}
		if !e.adds(it) {
			if !e.deletes(it) {
				continue
			}
			c.Action, c.Old = Deleted, e.d.content(it, it.N-1)
			out = append(out, c)
			continue
		}
		prev := it.Left
		for prev != store.None && e.adds(s.At(prev)) {
			prev = s.At(prev).Left
		}
		had := prev != store.None && e.deletes(s.At(prev))
		if had {
			c.Old = e.d.content(s.At(prev), s.At(prev).N-1)
		}
		switch {
		case e.deletes(it) && !had:
			continue
		case e.deletes(it):
			c.Action = Deleted
		case had:
			c.Action = Changed
		default:
			c.Action = Added
		}
		out = append(out, c)
	}
	return out
}

// List tells what happened to the members of a sequence. For text, use Delta.
func (e *Event) List() []ListOp {
	s := &e.d.s
	var out []ListOp
	if !e.t.changed[e.h][store.None] {
		return nil
	}
	last := func() *ListOp {
		if len(out) == 0 {
			out = append(out, ListOp{})
		}
		return &out[len(out)-1]
	}
	for i := s.Types[e.h].Start; i != store.None; i = s.At(i).Right {
		it := *s.At(i)
		switch added := e.adds(&it); {
		case it.Deleted() && !added && it.Countable() && e.deletes(&it):
			if o := last(); o.Retain > 0 || o.Insert != nil {
				out = append(out, ListOp{})
			}
			last().Delete += int(it.N)
		case it.Deleted() || !it.Countable():
		case added:
			if o := last(); o.Retain > 0 || o.Delete > 0 {
				out = append(out, ListOp{})
			}
			e.d.eachContent(&it, func(c Content) bool {
				last().Insert = append(last().Insert, c)
				return true
			})
		default:
			if o := last(); o.Delete > 0 || o.Insert != nil {
				out = append(out, ListOp{})
			}
			last().Retain += int(it.N)
		}
	}
	if n := len(out); n > 0 && out[n-1].Retain > 0 {
		out = out[:n-1]
	}
	return out
}

// cleanFormats deletes Format items that a remote transaction made useless, in a
// transaction of its own, as Yjs does.
func (d *Doc) cleanFormats(t *txn) {
	s := &d.s
	var full []int32
	for _, x := range t.touched {
		for p, ok := s.Find(x.client, x.before), true; ok; p, ok = s.Next(x.client, p) {
			if it := s.At(s.ItemAt(x.client, p)); it.Ref == codec.Format && !it.Deleted() && !slices.Contains(full, it.Parent) {
				full = append(full, it.Parent)
			}
		}
	}
	opened := d.begin(nil, true)
	for _, r := range d.inOrder(t) {
		for p, ok := s.Find(r.client, r.clock), true; ok; p, ok = s.Next(r.client, p) {
			i := s.ItemAt(r.client, p)
			it := s.At(i)
			if it.Clock >= r.clock+r.n {
				break
			}
			if it.Ref == codec.GC || !s.Types[it.Parent].Formats || slices.Contains(full, it.Parent) {
				continue
			}
			if it.Ref == codec.Format {
				full = append(full, it.Parent)
			} else {
				d.cleanAround(i)
			}
		}
	}
	for _, ty := range full {
		d.cleanText(ty)
	}
	if opened {
		d.commit()
	}
}

// cleanAround deletes all but the last Format of each key in the gap at item i.
func (d *Doc) cleanAround(i int32) {
	s := &d.s
	gap := func(i int32) bool { return s.At(i).Deleted() || !s.At(i).Countable() }
	for s.At(i).Right != store.None && gap(s.At(i).Right) {
		i = s.At(i).Right
	}
	var seen []int32
	for ; i != store.None && gap(i); i = s.At(i).Left {
		if it := s.At(i); !it.Deleted() && it.Ref == codec.Format {
			if key := s.Formats.All[it.A].Key; slices.Contains(seen, key) {
				d.deleteItem(i)
			} else {
				seen = append(seen, key)
			}
		}
	}
}

// cleanText deletes all Format items of a text that have no effect.
func (d *Doc) cleanText(t int32) (cleaned int) {
	s := &d.s
	start := s.Types[t].Start
	var startAttrs, attrs attrList
	for end := start; end != store.None; end = s.At(end).Right {
		it := s.At(end)
		if it.Deleted() {
			continue
		}
		if it.Ref == codec.Format {
			attrs.update(&s.Formats.All[it.A])
			continue
		}
		cleaned += d.cleanGap(start, end, startAttrs, &attrs)
		startAttrs = attrs.clone()
		start = end
	}
	return cleaned
}
