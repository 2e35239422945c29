package hub

import (
	"sort"
	"time"
)

// How much of its signals a channel keeps for who reads slowly.
const (
	maxRing      = 64
	maxRingBytes = 256 << 10

	// A slot that was emptied is remembered for as long as a session may be
	// silent before it is ended, so that none keeps a value that is gone.
	tombstoneLife = 2 * time.Minute
)

// ring holds the newest signals without a key. Number n of all that ever passed
// is at n-first. It is guarded by its channel's lock.
type ring struct {
	frames []*Frame
	first  uint64 // number of frames[0]
	bytes  int
}

func (r *ring) push(f *Frame) {
	r.frames = append(r.frames, f)
	r.bytes += len(f.wire)
	drop := 0
	for len(r.frames)-drop > maxRing || r.bytes > maxRingBytes && len(r.frames)-drop > 1 {
		r.bytes -= len(r.frames[drop].wire)
		r.frames[drop] = nil
		drop++
	}
	r.frames = r.frames[drop:]
	r.first += uint64(drop)
}

func (r *ring) end() uint64 { return r.first + uint64(len(r.frames)) }

// slot is the newest value of a conflation key.
type slot struct {
	version uint64 // of this node, given when the value came
	engine  uint64 // of the engine, to drop what comes late
	frame   *Frame
	deleted time.Time // when it was emptied, or zero
}

// slots is a channel's table of conflated values, with the order in which they
// changed. It is guarded by its channel's lock.
type slots struct {
	byKey   map[string]*slot
	order   []change // by version; a change whose slot has moved on is void
	version uint64
	limit   int // length of order from which to compact

	ticking bool // a tick of conflation is to come
	ticked  time.Time
}

type change struct {
	version uint64
	slot    *slot
}

// set takes a value of a key, unless a newer one is known, and tells whether it
// did.
func (t *slots) set(key string, engine uint64, f *Frame, deleted bool, now time.Time) bool {
	s := t.byKey[key]
	switch {
	case s == nil && deleted:
		return false // nobody was told of it
	case s == nil:
		if t.byKey == nil {
			t.byKey = map[string]*slot{}
		}
		s = &slot{}
		t.byKey[key] = s
	case engine <= s.engine:
		return false
	}
	t.version++
	s.version, s.engine, s.frame = t.version, engine, f
	s.deleted = time.Time{}
	if deleted {
		s.deleted = now
	}
	t.order = append(t.order, change{t.version, s})
	if len(t.order) > t.limit {
		t.compact(now)
		t.limit = 2*len(t.order) + 32
	}
	return true
}

// compact removes void changes and old tombstones.
func (t *slots) compact(now time.Time) {
	for key, s := range t.byKey {
		if !s.deleted.IsZero() && now.Sub(s.deleted) > tombstoneLife {
			delete(t.byKey, key)
			s.version = 0
		}
	}
	kept := t.order[:0]
	for _, c := range t.order {
		if c.slot.version == c.version {
			kept = append(kept, c)
		}
	}
	clear(t.order[len(kept):])
	t.order = kept
}

// since returns the changes after a version.
func (t *slots) since(version uint64) []change {
	if version >= t.version {
		return nil
	}
	return t.order[sort.Search(len(t.order), func(i int) bool { return t.order[i].version > version }):]
}
