package hub

import (
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/protocol"
)

// movedEvery is how often a subscription whose filter leaves publications out
// tells its client how far it has come.
const movedEvery = 5 * time.Second

// Emitter takes what a subscription has, in order. The position of s is then the
// one after what is emitted; before is where the subscription stood, to go back
// to with Restore if what was emitted was not sent. An Emitter does not keep
// frames.
type Emitter interface {
	Publication(s *Subscription, f *Frame, before Place)
	Signal(s *Subscription, f *Frame, before Place)
	Notice(s *Subscription, n Notice, before Place)

	// Len returns how many bytes were emitted so far.
	Len() int
}

// Notice tells of a change of a subscription's position that no publication
// explains.
type Notice uint8

const (
	// ResetGone: publications were missed; they are no longer kept.
	ResetGone Notice = iota + 1
	// ResetEpoch: the channel's log has begun anew.
	ResetEpoch
	// ResetWildcard: a wildcard starts, or publications were missed.
	ResetWildcard
	// Skipped: a subscription that wants the latest left publications out.
	Skipped
	// Moved: the filter left publications out.
	Moved
)

// Reason names the reason of a reset.
func (n Notice) Reason() string {
	switch n {
	case ResetGone:
		return "gone"
	case ResetEpoch:
		return "epoch"
	case ResetWildcard:
		return "wildcard"
	default:
		return ""
	}
}

// Subscription is one listener's place in one channel.
type Subscription struct {
	// Static after Subscribe.
	channel  *channel
	listener Listener
	filter   protocol.Filter
	worker   uint16
	slow     protocol.SlowPolicy

	closed atomic.Bool
	dirty  atomic.Bool // there may be something to pull; the listener knows
	lost   atomic.Bool // what comes after pos is no longer in the log

	index   int  // in the channel's roster; guarded by its lock
	waiting bool // for a page; guarded by the pages' lock

	joined uint64 // the head when it was made; static after Subscribe

	next *Subscription // in its listener's queue; guarded as that is

	// Owned by who pulls.
	Place
	movedAt int64 // Unix seconds of the last Moved
}

// Queue is the subscriptions that a listener was marked with and has not pulled, in
// that order. It is linked through them, so that marking allocates nothing: marked
// means that it is in the queue, and so it is there once at most. Its listener
// guards it. The zero value is empty.
type Queue struct{ first, last *Subscription }

// Push adds a subscription that was marked, or of which Pull said that there is more.
func (q *Queue) Push(s *Subscription) {
	if q.last == nil {
		q.first = s
	} else {
		q.last.next = s
	}
	q.last = s
}

// Pop takes the first one out; nil if there is none.
func (q *Queue) Pop() *Subscription {
	s := q.first
	if s != nil {
		if q.first, s.next = s.next, nil; q.first == nil {
			q.last = nil
		}
	}
	return s
}

// Empty tells whether there is none.
func (q *Queue) Empty() bool { return q.first == nil }

// Place is all that a subscription knows of how far its client has come.
type Place struct {
	pos      uint64
	signals  uint64 // number of the first signal not seen
	slots    uint64 // version of the slots seen
	epoch    uint32
	moved    bool   // pos has passed something that was left out
	greeting Notice // to be told first
}

// Channel returns the channel's name, or the wildcard.
func (s *Subscription) Channel() string { return s.channel.name }

// Wildcard tells whether it is a subscription to a wildcard, which has no
// position.
func (s *Subscription) Wildcard() bool { return s.channel.wildcard }

// Position returns the position as clients know it; "" for a wildcard. It is for
// who pulls.
func (s *Subscription) Position() string { return s.channel.position(s.epoch, s.pos) }

// AppendPlace appends the subscription's place in a position that covers several
// channels. It is for who pulls.
func (s *Subscription) AppendPlace(dst []byte) []byte {
	if s.channel.wildcard {
		return dst
	}
	return protocol.AppendPlace(dst, s.channel.name, s.epoch, s.pos)
}

// Appended returns when a publication was appended, in Unix milliseconds, if it is
// one that came live while the subscription was there; otherwise 0.
func (s *Subscription) Appended(f *Frame) int64 {
	if f.offset <= s.joined {
		return 0
	}
	return f.time
}

// Behind tells whether there are publications after the position. It is for who
// pulls.
func (s *Subscription) Behind() bool {
	s.channel.mu.RLock()
	defer s.channel.mu.RUnlock()
	return s.pos < s.channel.tail.head
}

// Seek moves the subscription to a place that its client has told, which it was
// given by this or another subscription. It is for who pulls.
func (s *Subscription) Seek(epoch uint32, offset uint64) {
	if s.channel.wildcard || epoch != s.epoch || offset == s.pos {
		return
	}
	s.pos = offset
	s.lost.Store(false)
	s.Touch()
}

// Restore goes back to a place where the subscription stood, because what was
// emitted since was not sent. It is for who pulls.
func (s *Subscription) Restore(p Place) {
	s.Place = p
	s.Touch()
}

// Slots returns the version of the conflated values that were pulled, to go back
// to with SeekSlots when they did not arrive. It is for who pulls.
func (s *Subscription) Slots() uint64 { return s.slots }

// SeekSlots goes back to a version that Slots returned.
func (s *Subscription) SeekSlots(version uint64) {
	if version < s.slots {
		s.slots = version
		s.Touch()
	}
}

// Doubt has a wildcard's client told that it may have missed something. It is for
// who pulls.
func (s *Subscription) Doubt() {
	if s.channel.wildcard {
		s.greeting = ResetWildcard
		s.Touch()
	}
}

// Start makes the subscription live: from now on its listener is marked.
func (s *Subscription) Start() {
	s.channel.rosters[s.worker].add(s)
	s.Touch()
}

// Touch marks the subscription, and has its listener flushed.
func (s *Subscription) Touch() {
	if s.dirty.CompareAndSwap(false, true) && s.listener.Mark(s) {
		s.channel.hub.workers[s.worker].flush(s.listener)
	}
}

// Close ends the subscription. A Pull that is under way may still emit.
func (s *Subscription) Close() {
	if !s.closed.CompareAndSwap(false, true) {
		return
	}
	s.channel.rosters[s.worker].remove(s)
	s.channel.hub.stats.subscriptions.Add(-1)
	s.channel.hub.release(s.channel)
}

// Pull emits what comes after the subscription's position, about budget bytes of
// it at most. If it tells that there is more, the subscription counts as marked
// again, and the caller pulls once more when it can. A failure ends the session.
// Pull is called by one goroutine at a time.
func (s *Subscription) Pull(e Emitter, budget int) (more bool, failure *protocol.Error) {
	s.dirty.Store(false)
	if s.closed.Load() {
		return false, nil
	}
	c := s.channel
	full := e.Len() + budget
	c.mu.RLock()
	defer c.mu.RUnlock()
	if before := s.Place; before.greeting != 0 {
		s.greeting = 0
		e.Notice(s, before.greeting, before)
	}
	if s.epoch != c.epoch {
		s.reset(e, ResetEpoch, c.base)
	}
	for s.pos < c.tail.floor {
		if served, failure := s.pullLog(e, full); failure != nil || !served {
			return false, failure
		}
		if e.Len() >= full {
			return s.dirty.CompareAndSwap(false, true), nil
		}
	}
	s.pullTail(e, full)
	s.pullSignals(e, full)
	if s.moved {
		s.tellMoved(e)
	}
	more = s.pos < c.tail.head || s.signals < c.ring.end() || s.slots < c.slots.version
	return more && s.dirty.CompareAndSwap(false, true), nil
}

// reset moves on to a place that the client has to be told of. A wildcard's
// epoch is its own, so it has but one reason.
func (s *Subscription) reset(e Emitter, why Notice, pos uint64) {
	before := s.Place
	s.epoch, s.pos = s.channel.epoch, pos
	s.moved = false
	s.lost.Store(false)
	if s.channel.wildcard {
		why = ResetWildcard
	}
	s.channel.hub.stats.resets.Add(1)
	e.Notice(s, why, before)
}

// pullLog serves a subscription that has fallen out of the tail. It is served
// unless it has to wait for a page.
func (s *Subscription) pullLog(e Emitter, full int) (served bool, failure *protocol.Error) {
	c := s.channel
	switch {
	case c.wildcard || s.lost.Load():
		s.reset(e, ResetGone, c.tail.head)
		return true, nil
	case s.slow == protocol.Latest:
		before := s.Place
		s.pos = c.tail.floor
		c.hub.stats.skips.Add(1)
		e.Notice(s, Skipped, before)
		return true, nil
	case s.slow == protocol.Disconnect:
		return false, protocol.Errorf(protocol.Slow, "The subscription to %s was too slow, and its policy is to disconnect. Resume from your position.", c.name)
	}
	p := c.hub.pages.findOrWait(s)
	if p == nil {
		return false, nil
	}
	c.hub.stats.misses.Add(1)
	for _, f := range p.frames[p.after(s.pos):] {
		if e.Len() >= full {
			return true, nil
		}
		s.emit(e, f)
	}
	s.pos = max(s.pos, p.last)
	return true, nil
}

func (s *Subscription) pullTail(e Emitter, full int) {
	t := &s.channel.tail
	i := t.after(s.pos)
	if s.slow == protocol.Latest && t.n-i > 1 {
		i = s.skip(e, i)
	}
	for ; i < t.n && e.Len() < full; i++ {
		s.emit(e, t.at(i))
	}
}

// skip passes over all of the tail from the frame i on but the last frame that
// the filter wants, and returns the index of that one.
func (s *Subscription) skip(e Emitter, i int) int {
	t := &s.channel.tail
	last, wanted := i, 0
	for j := i; j < t.n; j++ {
		if s.filter.Match(t.at(j).tags) {
			last = j
			wanted++
		}
	}
	if wanted > 1 {
		before := s.Place
		s.pos = t.at(last - 1).offset
		s.channel.hub.stats.skips.Add(1)
		e.Notice(s, Skipped, before)
		return last
	}
	return i
}

func (s *Subscription) emit(e Emitter, f *Frame) {
	before := s.Place
	s.pos = f.offset
	if s.filter == nil || s.filter.Match(f.tags) {
		s.moved = false
		e.Publication(s, f, before)
		return
	}
	s.moved = true
}

func (s *Subscription) pullSignals(e Emitter, full int) {
	c := s.channel
	r := &c.ring
	s.signals = max(s.signals, r.first)
	for s.signals < r.end() && e.Len() < full {
		before := s.Place
		s.signals++
		e.Signal(s, r.frames[before.signals-r.first], before)
	}
	fresh := s.slots == 0
	for _, ch := range c.slots.since(s.slots) {
		if e.Len() >= full {
			return
		}
		before := s.Place
		s.slots = ch.version
		if ch.slot.version == ch.version && !(fresh && !ch.slot.deleted.IsZero()) {
			e.Signal(s, ch.slot.frame, before)
		}
	}
	s.slots = c.slots.version
}

func (s *Subscription) tellMoved(e Emitter) {
	now := time.Now().Unix()
	if now-s.movedAt < int64(movedEvery/time.Second) {
		return
	}
	s.movedAt = now
	before := s.Place
	s.moved = false
	e.Notice(s, Moved, before)
}
