package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// maxSeen bounds the channels whose heads a wildcard remembers to find gaps.
const maxSeen = 100_000

type state uint8

const (
	opening state = iota // its head is not known yet
	live                 // the tail ends at the head, as far as anyone knows
	filling              // a goroutine reads the log from the tail's head on
	failed               // it could not be opened
)

// channel is a channel, or a wildcard, that somebody on this node follows.
type channel struct {
	// Static after it was made.
	hub      *Hub
	name     string
	wildcard bool
	interval time.Duration // of conflation
	rosters  []roster      // one for each worker
	opened   chan struct{} // closed when state is no longer opening

	// Guarded by the lock of the hub's shard.
	refs int
	idle time.Time // since when refs is 0

	doubt doubt

	mu      sync.RWMutex // guards the following
	state   state
	failure error
	stop    func() // ends the watch
	epoch   uint32 // of the log; of a wildcard, a count of its resets
	base    uint64 // the head when the epoch began, or when we learnt of it
	heard   sight  // the highest offset that was delivered, in the newest epoch that was
	tail    tail
	ring    ring
	slots   slots
	seen    map[string]sight // of a wildcard
}

// doubt is whether a channel has all that it should.
type doubt struct {
	checking atomic.Bool  // a goroutine looks at the head
	slots    atomic.Int32 // how many more times it shall look at the slots too
}

// sight is the last that was seen of a channel, and in which of its epochs; for a
// wildcard, in which of its own.
type sight struct {
	offset uint64
	epoch  uint32
}

// Deliver takes what the engine delivers live.
func (c *channel) Deliver(l *eventlog.Live) {
	switch {
	case l.Kind == eventlog.LiveSignal:
		c.signal(&l.Signal)
	case l.Kind == eventlog.LiveResync && c.wildcard:
		c.mu.Lock()
		c.loseTrack()
		c.mu.Unlock()
		c.wake()
	case l.Kind == eventlog.LiveResync:
		// Twice: what is late may come after the first time.
		c.doubt.slots.Store(2)
		c.check(0)
	case l.Kind == eventlog.LiveRecord && c.wildcard:
		c.deliverWildcard(l)
	case l.Kind == eventlog.LiveRecord:
		c.deliver(l)
	}
}

func (c *channel) deliver(l *eventlog.Live) {
	f := publicationFrame(c.name, &l.Record)
	f.time = l.Record.Time
	c.mu.Lock()
	c.hear(l.Epoch, f.offset)
	news := false
	if c.state == live {
		switch {
		case l.Epoch != c.epoch:
			c.fill()
		case f.offset <= c.tail.head:
		case l.Prev == c.tail.head && (l.Prev != 0 || c.hub.lossless):
			c.push(f)
			news = true
		default:
			c.fill()
		}
	}
	c.mu.Unlock()
	if news {
		c.wake()
	}
}

// hear notes that there is an offset. The lock is held.
func (c *channel) hear(epoch uint32, offset uint64) {
	if epoch != c.heard.epoch || offset > c.heard.offset {
		c.heard = sight{offset, epoch}
	}
}

// missing tells whether there is more than the tail has. The lock is held.
func (c *channel) missing() bool { return c.heard.epoch == c.epoch && c.heard.offset > c.tail.head }

// deliverWildcard takes a record of one of the wildcard's channels. The tail
// numbers them as they come. A wildcard cannot read what it missed; when it
// learns that it missed something, its subscribers are told.
func (c *channel) deliverWildcard(l *eventlog.Live) {
	f := publicationFrame(l.Channel, &l.Record)
	f.time = l.Record.Time
	c.mu.Lock()
	defer c.wake()
	defer c.mu.Unlock()
	if !c.hub.lossless {
		last, known := c.seen[l.Channel]
		if known && f.offset <= last.offset {
			return
		}
		if known && last.epoch == c.epoch && l.Prev != last.offset {
			c.loseTrack()
		}
		if c.seen == nil || len(c.seen) >= maxSeen {
			c.seen = map[string]sight{}
		}
		c.seen[l.Channel] = sight{f.offset, c.epoch}
	}
	f.offset = c.tail.head + 1
	c.push(f)
}

// loseTrack resets a wildcard. The channel's lock is held.
func (c *channel) loseTrack() {
	c.epoch++
	c.base = c.tail.head
	c.hub.count(-c.tail.reset(c.base))
}

// push appends a frame to the tail, within its bounds. The lock is held.
func (c *channel) push(f *Frame) {
	c.tail.push(f)
	c.hub.count(f.size())
	h := c.hub
	for c.tail.n > h.opts.TailRecords || c.tail.bytes > h.opts.TailBytes && c.tail.n > 1 ||
		h.tailBytes.Load() > h.opts.TotalTailBytes && c.tail.n > 1 {
		h.count(-c.tail.drop())
	}
}

// wake asks the workers to look at the channel.
func (c *channel) wake() {
	for i := range c.rosters {
		l := &c.rosters[i]
		l.mu.Lock()
		ask := !l.queued && len(l.subs) > 0
		l.queued = l.queued || ask
		l.mu.Unlock()
		if ask {
			c.hub.workers[i].fan(c)
		}
	}
}

// open learns where the channel stands and starts to follow it.
func (c *channel) open() {
	stop, err := c.hub.log.Watch(c.name, c)
	var head eventlog.Position
	var values []eventlog.Signal
	if err == nil && !c.wildcard {
		ctx, cancel := context.WithTimeout(c.hub.ctx, c.hub.opts.OpenTimeout)
		defer cancel()
		if head, err = c.hub.log.Head(ctx, c.name); err == nil {
			values, err = c.hub.log.Slots(ctx, c.name)
		}
	}
	if err != nil {
		c.hub.forget(c)
	}
	c.mu.Lock()
	c.stop = stop
	if err != nil {
		c.state, c.failure = failed, err
	} else {
		c.state, c.epoch, c.base = live, max(head.Epoch, 1), head.Offset
		c.tail.reset(head.Offset)
		for i := range values {
			c.slots.set(values[i].Key, values[i].Version, signalFrame(&values[i]), false, time.Time{})
		}
		if c.missing() || c.heard.epoch != 0 && c.heard.epoch != c.epoch {
			c.fill()
		}
	}
	c.mu.Unlock()
	close(c.opened)
	switch {
	case err != nil && stop != nil:
		stop()
	case err == nil && !c.wildcard && !c.hub.lossless:
		c.doubt.slots.Store(1)
		c.check(c.hub.opts.JoinCheck)
	}
}

// close ends what open began. Nobody holds the channel any more.
func (c *channel) close() {
	<-c.opened
	c.mu.Lock()
	stop := c.stop
	c.state, c.failure = failed, eventlog.ErrClosed
	c.hub.count(-c.tail.reset(0))
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
	c.hub.pages.forget(c)
}

// fill starts to read the log from the tail's head on. The lock is held.
func (c *channel) fill() {
	c.state = filling
	if !c.hub.spawn(c.runFill) {
		c.state, c.failure = failed, eventlog.ErrClosed
	}
}

func (c *channel) runFill() {
	c.mu.RLock()
	from := c.tail.head
	c.mu.RUnlock()
	limit := eventlog.Limit{Records: c.hub.opts.PageRecords, Bytes: c.hub.opts.PageBytes}
	for wait := time.Duration(0); c.hub.pause(wait); {
		c.hub.stats.fills.Add(1)
		ctx, cancel := context.WithTimeout(c.hub.ctx, c.hub.opts.OpenTimeout)
		page, err := c.hub.log.Read(ctx, c.name, from, limit)
		cancel()
		if err != nil {
			wait = min(max(2*wait, 50*time.Millisecond), 5*time.Second)
			continue
		}
		var done bool
		if from, done = c.take(page); done {
			return
		}
		wait = 0
		if !page.More {
			wait = 50 * time.Millisecond // the read was stale: it lacks what was delivered
		}
	}
}

// take puts a page that was read from the tail's head on into the tail, and tells
// whether the tail is now as far as the channel, and otherwise from where to read.
func (c *channel) take(page eventlog.Page) (from uint64, done bool) {
	frames := make([]*Frame, len(page.Records))
	for i := range page.Records {
		frames[i] = publicationFrame(c.name, &page.Records[i])
	}
	defer c.wake()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state != filling:
		return 0, true
	case page.Head.Epoch != c.epoch:
		// Everything that we have is of another life of the channel.
		c.epoch, c.base = page.Head.Epoch, page.Head.Offset
		c.hub.count(-c.tail.reset(page.Head.Offset))
		if !c.hub.lossless {
			c.check(c.hub.opts.JoinCheck)
		}
		if c.missing() {
			return c.tail.head, false // it was delivered after the read
		}
		c.state = live
		return 0, true
	case !page.Complete:
		// What stands between is gone: whoever is there reads the log, and
		// learns it. Nothing can have an offset between floor and first.
		floor := page.Head.Offset
		if len(frames) > 0 {
			floor = frames[0].offset - 1
		}
		c.hub.count(-c.tail.reset(max(floor, c.tail.head)))
	}
	for _, f := range frames {
		if f.offset > c.tail.head {
			c.push(f)
		}
	}
	if page.More || c.missing() {
		return c.tail.head, false
	}
	c.state = live
	return 0, true
}

// check looks, after a while, whether the channel has a head that was not
// delivered.
func (c *channel) check(after time.Duration) {
	if !c.doubt.checking.CompareAndSwap(false, true) {
		return
	}
	if !c.hub.spawn(func() { c.runCheck(after) }) {
		c.doubt.checking.Store(false)
	}
}

func (c *channel) runCheck(after time.Duration) {
	if !c.hub.pause(after) || !c.hub.acquireReader() {
		c.doubt.checking.Store(false)
		return
	}
	ctx, cancel := context.WithTimeout(c.hub.ctx, c.hub.opts.OpenTimeout)
	c.doubt.checking.Store(false) // whoever has doubts from here on is not answered by this
	slots := c.doubt.slots.Load()
	head, err := c.hub.log.Head(ctx, c.name)
	if err == nil && slots > 0 {
		if err = c.reloadSlots(ctx); err == nil {
			c.doubt.slots.CompareAndSwap(slots, slots-1)
		}
	}
	cancel()
	c.hub.releaseReader()
	if err != nil || c.doubt.slots.Load() > 0 {
		c.check(c.hub.opts.JoinCheck)
	}
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == live && (head.Epoch != c.epoch || head.Offset > c.tail.head) {
		c.hear(head.Epoch, head.Offset)
		c.fill()
	}
}

// reloadSlots takes the conflated values as the engine has them, after signals
// may have been lost.
func (c *channel) reloadSlots(ctx context.Context) error {
	c.mu.RLock()
	before := c.slots.version
	c.mu.RUnlock()
	values, err := c.hub.log.Slots(ctx, c.name)
	if err != nil {
		return err
	}
	defer c.wake()
	c.mu.Lock()
	defer c.mu.Unlock()
	there := map[string]bool{}
	for i := range values {
		v := &values[i]
		there[v.Key] = true
		c.slots.set(v.Key, v.Version, signalFrame(v), false, time.Time{})
	}
	now := time.Now()
	for key, s := range c.slots.byKey {
		if there[key] || s.version > before || !s.deleted.IsZero() {
			continue
		}
		gone := eventlog.Signal{Channel: c.name, Key: key, Delete: true, Time: now.UnixMilli()}
		c.slots.set(key, s.engine+1, signalFrame(&gone), true, now)
	}
	return nil
}

// signal takes a signal.
func (c *channel) signal(s *eventlog.Signal) {
	f := signalFrame(s)
	now := time.Now()
	c.mu.Lock()
	if s.Key == "" || c.wildcard {
		c.ring.push(f)
		c.mu.Unlock()
		c.wake()
		return
	}
	due := time.Duration(-1)
	if c.slots.set(s.Key, s.Version, f, s.Delete, now) && !c.slots.ticking {
		// The first change after a quiet interval goes out at once.
		if due = c.interval - now.Sub(c.slots.ticked); due <= 0 {
			due = 0
			c.slots.ticked = now
		} else {
			c.slots.ticking = true
		}
	}
	c.mu.Unlock()
	switch {
	case due == 0:
		c.wake()
	case due > 0:
		time.AfterFunc(due, c.tick)
	}
}

// tick shows what was conflated since the last tick.
func (c *channel) tick() {
	c.mu.Lock()
	c.slots.ticking = false
	c.slots.ticked = time.Now()
	c.mu.Unlock()
	c.wake()
}

// position returns the position of an offset as clients know it, or "" for a
// wildcard.
func (c *channel) position(epoch uint32, offset uint64) string {
	if c.wildcard {
		return ""
	}
	return protocol.EncodePosition(c.name, epoch, offset)
}
