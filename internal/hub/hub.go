package hub

import (
	"context"
	"fmt"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// Options are the settings of a Hub. The zero value is usable.
type Options struct {
	// Workers is how many goroutines fan out. Default: GOMAXPROCS.
	Workers int

	// TailRecords and TailBytes bound the tail of one channel, TotalTailBytes
	// all tails together. Defaults: 1,024; 1 MiB; 256 MiB.
	TailRecords    int
	TailBytes      int64
	TotalTailBytes int64

	// PageRecords and PageBytes bound one read of the log for subscriptions
	// that have fallen out of their tail, PageCacheBytes what is kept of such
	// reads, Readers how many run at once. Defaults: 256; 256 KiB; 64 MiB; 8.
	PageRecords    int
	PageBytes      int
	PageCacheBytes int64
	Readers        int

	// Idle is how long a channel without subscriptions is kept, so that who
	// comes back finds it. Default 45 s.
	Idle time.Duration

	// OpenTimeout bounds one call of the engine. Default 15 s.
	OpenTimeout time.Duration

	// JoinCheck is when the head of a channel is looked at again after a join,
	// CheckEvery how often that of every channel; both only on engines that
	// may lose live records. Defaults: 1 s, 10 s.
	JoinCheck  time.Duration
	CheckEvery time.Duration

	// Stale is for how long the head that such an engine tells may be an old one: a
	// position beyond it is not given up before. Default 15 s.
	Stale time.Duration

	// Interval is the interval of conflation of a channel; nil or a result of
	// 0 stands for the default, 100 ms.
	Interval func(channel string) time.Duration

	// Occupancy, if set, is told of a channel or wildcard that may have got its
	// first subscription or lost its last; see Occupied. It must not block.
	Occupancy func(name string)
}

func (o Options) withDefaults() Options {
	set(&o.Workers, runtime.GOMAXPROCS(0))
	set(&o.TailRecords, 1024)
	set(&o.TailBytes, 1<<20)
	set(&o.TotalTailBytes, 256<<20)
	set(&o.PageRecords, 256)
	set(&o.PageBytes, 256<<10)
	set(&o.PageCacheBytes, 64<<20)
	set(&o.Readers, 8)
	set(&o.Idle, 45*time.Second)
	set(&o.OpenTimeout, 15*time.Second)
	set(&o.JoinCheck, time.Second)
	set(&o.CheckEvery, 10*time.Second)
	set(&o.Stale, 15*time.Second)
	return o
}

func set[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Hub is the channels of this node. Its methods are safe for concurrent use.
type Hub struct {
	log      *eventlog.Log
	opts     Options
	lossless bool
	workers  []*worker
	pages    *pages
	seed     maphash.Seed
	shards   [64]shard

	tailBytes atomic.Int64
	stats     counters

	ctx     context.Context // ends with Close; bounds the reads of the hub itself
	cancel  context.CancelFunc
	readers chan struct{}

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

type shard struct {
	mu       sync.Mutex
	channels map[string]*channel
}

// New returns a hub on a log, which it does not close.
func New(log *eventlog.Log, opts Options) *Hub {
	opts = opts.withDefaults()
	h := &Hub{log: log, opts: opts, lossless: log.Info().Lossless, seed: maphash.MakeSeed(), readers: make(chan struct{}, opts.Readers)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.pages = newPages(h)
	for i := range h.shards {
		h.shards[i].channels = map[string]*channel{}
	}
	for i := range opts.Workers {
		w := newWorker(i)
		h.workers = append(h.workers, w)
		h.spawn(w.run)
	}
	h.spawn(h.housekeep)
	return h
}

// Close ends the hub and returns when its goroutines have ended. Subscriptions
// stay silent.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	for _, w := range h.workers {
		w.close()
	}
	h.wg.Wait()
	for _, c := range h.all() {
		c.close()
	}
}

// spawn runs f on a goroutine that Close waits for, unless the hub is closed.
func (h *Hub) spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.wg.Go(f)
	return true
}

// pause waits for a while, and tells whether the hub is still open after it.
func (h *Hub) pause(d time.Duration) bool {
	if d <= 0 {
		return h.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-h.ctx.Done():
		return false
	}
}

func (h *Hub) acquireReader() bool {
	select {
	case h.readers <- struct{}{}:
		return true
	case <-h.ctx.Done():
		return false
	}
}

func (h *Hub) releaseReader() { <-h.readers }

func (h *Hub) count(bytes int64) { h.tailBytes.Add(bytes) }

// WorkerOf returns the worker that a listener with this number belongs to.
func (h *Hub) WorkerOf(n uint64) int { return int(n % uint64(len(h.workers))) }

// Flush has a worker flush one of its listeners. The listener has noted that it
// is to be flushed, as it does in Mark.
func (h *Hub) Flush(worker int, l Listener) { h.workers[worker].flush(l) }

// Join says how to subscribe.
type Join struct {
	// Since is where the client stands, if Resume is set.
	Resume bool
	Since  eventlog.Position

	Filter protocol.Filter
	Slow   protocol.SlowPolicy
	Worker int  // the listener's
	Inside bool // it is this program itself that asks: no client is counted as recovered
}

// Subscribe makes a subscription of l to a channel or a wildcard, and tells
// whether it begins where the join said. It is silent until Start. It waits for
// the engine only if the channel is not followed yet, or if Since is not in its
// tail.
func (h *Hub) Subscribe(ctx context.Context, name string, l Listener, j Join) (s *Subscription, recovered bool, err error) {
	c := h.acquire(name)
	s = &Subscription{channel: c, listener: l, filter: j.Filter, worker: uint16(j.Worker), slow: j.Slow, index: -1}
	defer func() {
		if err != nil {
			h.release(c)
			s = nil
		} else {
			h.stats.subscriptions.Add(1)
		}
	}()
	select {
	case <-c.opened:
	case <-ctx.Done():
		return s, false, fmt.Errorf("subscribe to %q: %w", name, ctx.Err())
	}
	if j.Resume && !c.wildcard {
		recovered, err = h.recoverable(ctx, c, j.Since)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.state == failed {
		err = c.failure
	}
	if err != nil {
		return s, false, fmt.Errorf("subscribe to %q: %w", name, err)
	}
	s.epoch, s.pos, s.signals = c.epoch, c.tail.head, c.ring.end()
	s.joined = c.tail.head
	switch {
	case c.wildcard:
		s.greeting = ResetWildcard
	case recovered && j.Since.Epoch == c.epoch:
		s.pos = j.Since.Offset
	default:
		recovered = false
	}
	switch {
	case !j.Resume || c.wildcard || j.Inside:
	case recovered:
		h.stats.recovered.Add(1)
	default:
		h.stats.unrecovered.Add(1)
	}
	return s, recovered, nil
}

// recoverable tells whether everything after a position is still there. A position
// beyond the head is one that another node has told, which knows more: a server that
// is not the leader any more and does not know it yet may tell an old head for as
// long as that. Would its client be reset, it would go back, and see twice what it
// has.
func (h *Hub) recoverable(ctx context.Context, c *channel, since eventlog.Position) (bool, error) {
	began := time.Now()
	for wait := h.opts.JoinCheck; ; wait *= 2 {
		c.mu.RLock()
		epoch, floor, head := c.epoch, c.tail.floor, c.tail.head
		c.mu.RUnlock()
		switch {
		case epoch != since.Epoch:
			return false, nil
		case since.Offset >= floor && since.Offset <= head:
			return true, nil
		case since.Offset < floor:
			_, complete, err := h.pages.load(ctx, c, since.Epoch, since.Offset)
			return complete, err
		case h.lossless:
			return false, nil // nobody can have seen what was never stored
		}
		pos, err := h.log.Head(ctx, c.name)
		switch {
		case err != nil:
			return false, err
		case pos.Epoch == since.Epoch && pos.Offset >= since.Offset:
			c.check(0)
			return true, nil
		case time.Since(began) >= h.opts.Stale:
			return false, nil
		case !h.pause(wait):
			return false, eventlog.ErrClosed
		case ctx.Err() != nil:
			return false, ctx.Err()
		}
	}
}

// acquire returns the channel of a name, opened or being opened.
func (h *Hub) acquire(name string) *channel {
	c, first := h.refer(name)
	if first && h.opts.Occupancy != nil {
		h.opts.Occupancy(name)
	}
	return c
}

// refer counts a reference to a channel, and tells whether it is the first.
func (h *Hub) refer(name string) (c *channel, first bool) {
	sh := h.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c = sh.channels[name]
	if c == nil {
		_, wildcard := protocol.Wildcard(name)
		c = &channel{hub: h, name: name, wildcard: wildcard, rosters: make([]roster, len(h.workers)), opened: make(chan struct{})}
		if c.interval = 100 * time.Millisecond; h.opts.Interval != nil {
			if d := h.opts.Interval(name); d > 0 {
				c.interval = d
			}
		}
		sh.channels[name] = c
		h.stats.channels.Add(1)
		if !h.spawn(c.open) {
			c.state, c.failure = failed, eventlog.ErrClosed
			close(c.opened)
		}
	}
	c.refs++
	return c, c.refs == 1
}

func (h *Hub) release(c *channel) {
	sh := h.shard(c.name)
	sh.mu.Lock()
	c.refs--
	last := c.refs == 0
	if last {
		c.idle = time.Now()
	}
	sh.mu.Unlock()
	if last && h.opts.Occupancy != nil {
		h.opts.Occupancy(c.name)
	}
}

// Occupied tells whether a channel or wildcard has a subscription on this node.
func (h *Hub) Occupied(name string) bool {
	sh := h.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.channels[name]
	return c != nil && c.refs > 0
}

// forget drops a channel that failed to open, so that the next who comes tries
// again.
func (h *Hub) forget(c *channel) {
	sh := h.shard(c.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.channels[c.name] == c {
		delete(sh.channels, c.name)
		h.stats.channels.Add(-1)
	}
}

func (h *Hub) shard(name string) *shard {
	return &h.shards[maphash.String(h.seed, name)%uint64(len(h.shards))]
}

// all returns the channels at this moment.
func (h *Hub) all() []*channel {
	var all []*channel
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for _, c := range sh.channels {
			all = append(all, c)
		}
		sh.mu.Unlock()
	}
	return all
}

// housekeep closes idle channels, keeps the tails within their budget, and looks
// at heads.
func (h *Hub) housekeep() {
	every := min(h.opts.Idle/4, time.Second)
	var sinceCheck time.Duration
	for h.pause(every) {
		for i := range h.shards {
			h.closeIdle(&h.shards[i])
		}
		h.shrinkTails()
		if sinceCheck += every; !h.lossless && sinceCheck >= h.opts.CheckEvery {
			sinceCheck = 0
			for _, c := range h.all() {
				if !c.wildcard {
					c.check(0)
				}
			}
		}
	}
}

func (h *Hub) closeIdle(sh *shard) {
	var idle []*channel
	sh.mu.Lock()
	for name, c := range sh.channels {
		if c.refs == 0 && time.Since(c.idle) > h.opts.Idle {
			idle = append(idle, c)
			delete(sh.channels, name)
			h.stats.channels.Add(-1)
		}
	}
	sh.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

// shrinkTails halves tails, those without subscriptions first, until they are
// within nine tenths of the budget. A channel that grows keeps to the budget by
// itself; this makes room for it.
func (h *Hub) shrinkTails() {
	target := h.opts.TotalTailBytes * 9 / 10
	if h.tailBytes.Load() <= target {
		return
	}
	all := h.all()
	for _, idleOnly := range []bool{true, false} {
		for _, c := range all {
			if h.tailBytes.Load() <= target {
				return
			}
			if idleOnly && !c.unused() {
				continue
			}
			c.mu.Lock()
			for n := c.tail.n / 2; n > 0; n-- {
				h.count(-c.tail.drop())
			}
			c.mu.Unlock()
		}
	}
}

func (c *channel) unused() bool {
	sh := c.hub.shard(c.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return c.refs == 0
}

// counters are what Stats reports.
type counters struct {
	channels, subscriptions, fills, misses, resets, skips, recovered, unrecovered atomic.Int64
}

// Stats is what the hub does, for metrics.
type Stats struct {
	Channels      int64 // followed on this node
	Subscriptions int64
	TailBytes     int64
	Fills         int64 // reads of the log because a live record was missing
	Misses        int64 // pages served to subscriptions that fell out of a tail
	Resets        int64 // subscriptions that were told that they missed something
	Skips         int64 // publications left out by "latest" subscriptions, in runs
	Recovered     int64 // subscriptions that went on where they were
	Unrecovered   int64 // subscriptions that could not
}

// Stats returns the counts at this moment.
func (h *Hub) Stats() Stats {
	return Stats{
		Channels: h.stats.channels.Load(), Subscriptions: h.stats.subscriptions.Load(), TailBytes: h.tailBytes.Load(),
		Fills: h.stats.fills.Load(), Misses: h.stats.misses.Load(), Resets: h.stats.resets.Load(), Skips: h.stats.skips.Load(),
		Recovered: h.stats.recovered.Load(), Unrecovered: h.stats.unrecovered.Load(),
	}
}
