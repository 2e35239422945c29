package hub

import (
	"container/list"
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// page is a piece of a channel's log: all its records with offsets above from
// and up to last. It is immutable.
type page struct {
	from, last uint64
	frames     []*Frame
	bytes      int64

	channel *channel      // for eviction
	element *list.Element // in the order of use; guarded by the pages' lock
}

// after returns the index of the first frame with an offset above pos.
func (p *page) after(pos uint64) int {
	return sort.Search(len(p.frames), func(i int) bool { return p.frames[i].offset > pos })
}

// pages is what was read of the log for subscriptions that have fallen out of
// their tails: a bounded cache, in which each record stands once. There is at
// most one read at a time for a channel, and a bounded number of reads in all.
type pages struct {
	hub *Hub

	mu       sync.Mutex // guards the following
	channels map[*channel]*shelf
	use      list.List // of *page, most recently used first
	bytes    int64
}

// shelf is the pages of one channel, and who waits for one.
type shelf struct {
	pages   []*page // by from; they do not overlap
	epoch   uint32
	reading chan struct{} // closed when the read that is under way ends; nil when none is
	waiting []waiter
	serving bool // a goroutine reads for those who wait
}

// waiter is a subscription that waits, and where it stood when it began to.
type waiter struct {
	sub   *Subscription
	epoch uint32
	pos   uint64
}

func newPages(h *Hub) *pages { return &pages{hub: h, channels: map[*channel]*shelf{}} }

func (ps *pages) shelf(c *channel) *shelf {
	sh := ps.channels[c]
	if sh == nil {
		sh = &shelf{}
		ps.channels[c] = sh
	}
	return sh
}

// find returns the page that holds what comes after pos. The lock is held.
func (ps *pages) find(sh *shelf, epoch uint32, pos uint64) *page {
	if sh.epoch != epoch {
		return nil
	}
	i := sort.Search(len(sh.pages), func(i int) bool { return sh.pages[i].last > pos })
	if i == len(sh.pages) || sh.pages[i].from > pos {
		return nil
	}
	ps.use.MoveToFront(sh.pages[i].element)
	return sh.pages[i]
}

// findOrWait returns the page that holds what comes after the subscription's
// position, or has it read, and the subscription marked when it is there. The
// channel's lock is held for reading.
func (ps *pages) findOrWait(s *Subscription) *page {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	sh := ps.shelf(s.channel)
	if p := ps.find(sh, s.epoch, s.pos); p != nil {
		return p
	}
	if s.waiting {
		return nil
	}
	s.waiting = true
	sh.waiting = append(sh.waiting, waiter{s, s.epoch, s.pos})
	if !sh.serving {
		c := s.channel
		sh.serving = ps.hub.spawn(func() { ps.serve(c, sh) })
	}
	return nil
}

// serve reads pages for as long as somebody waits for one.
func (ps *pages) serve(c *channel, sh *shelf) {
	for wait := time.Duration(0); ps.hub.pause(wait); {
		ps.mu.Lock()
		sh.waiting = slices.DeleteFunc(sh.waiting, func(w waiter) bool { return w.sub.closed.Load() })
		if len(sh.waiting) == 0 {
			sh.serving, sh.waiting = false, nil
			ps.mu.Unlock()
			return
		}
		epoch, pos := sh.waiting[0].epoch, sh.waiting[0].pos
		ps.mu.Unlock()

		p, complete, err := ps.load(ps.hub.ctx, c, epoch, pos)
		if err != nil || p == nil && complete {
			// The log does not answer, or not with what the tail had. Others may
			// have more luck meanwhile.
			ps.mu.Lock()
			if n := len(sh.waiting); n > 1 {
				sh.waiting = append(sh.waiting[1:n:n], sh.waiting[0])
			}
			ps.mu.Unlock()
			wait = min(max(2*wait, 50*time.Millisecond), 5*time.Second)
			continue
		}
		wait = 0
		ps.answer(sh, func(w waiter) bool {
			switch {
			case w.epoch != epoch:
				return false // its turn comes
			case !complete && w.pos <= pos:
				w.sub.lost.Store(true)
				return true
			}
			return p != nil && p.from <= w.pos && w.pos < p.last
		})
	}
}

// answer marks those who wait and have what they waited for.
func (ps *pages) answer(sh *shelf, has func(waiter) bool) {
	ps.mu.Lock()
	var served []*Subscription
	sh.waiting = slices.DeleteFunc(sh.waiting, func(w waiter) bool {
		if !has(w) {
			return false
		}
		w.sub.waiting = false
		served = append(served, w.sub)
		return true
	})
	ps.mu.Unlock()
	for _, s := range served {
		s.Touch()
	}
}

// load returns the page that holds what comes after pos, and whether nothing
// between was removed. The page is nil when there is nothing after pos, or when
// the channel has another epoch, in which case it is not complete.
func (ps *pages) load(ctx context.Context, c *channel, epoch uint32, pos uint64) (p *page, complete bool, err error) {
	for {
		ps.mu.Lock()
		sh := ps.shelf(c)
		if p := ps.find(sh, epoch, pos); p != nil {
			ps.mu.Unlock()
			return p, true, nil
		}
		busy := sh.reading
		if busy == nil {
			sh.reading = make(chan struct{})
		}
		ps.mu.Unlock()
		if busy == nil {
			return ps.read(ctx, c, sh, epoch, pos)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

func (ps *pages) read(ctx context.Context, c *channel, sh *shelf, epoch uint32, pos uint64) (p *page, complete bool, err error) {
	defer func() {
		ps.mu.Lock()
		close(sh.reading)
		sh.reading = nil
		ps.mu.Unlock()
	}()
	if !ps.hub.acquireReader() {
		return nil, false, eventlog.ErrClosed
	}
	found, err := ps.hub.log.Read(ctx, c.name, pos, eventlog.Limit{Records: ps.hub.opts.PageRecords, Bytes: ps.hub.opts.PageBytes})
	ps.hub.releaseReader()
	switch {
	case err != nil:
		return nil, false, err
	case found.Head.Epoch != epoch || !found.Complete:
		return nil, false, nil
	case len(found.Records) == 0:
		return nil, true, nil
	}
	p = &page{from: pos, last: found.Records[len(found.Records)-1].Offset, channel: c, frames: make([]*Frame, len(found.Records))}
	for i := range found.Records {
		p.frames[i] = publicationFrame(c.name, &found.Records[i])
		p.bytes += p.frames[i].size()
	}
	return ps.insert(c, sh, epoch, p), true, nil
}

// insert puts a page on its shelf, without what stands there already.
func (ps *pages) insert(c *channel, sh *shelf, epoch uint32, p *page) *page {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.channels[c] != sh {
		return p // the channel was forgotten meanwhile
	}
	if sh.epoch != epoch {
		ps.clear(sh)
		sh.epoch = epoch
	}
	i := sort.Search(len(sh.pages), func(i int) bool { return sh.pages[i].from >= p.from })
	if i < len(sh.pages) && sh.pages[i].from < p.last {
		// The next page begins within this one: end there. What lies between
		// the last frame that is kept and that page's begin holds no record.
		next := sh.pages[i].from
		p.frames = p.frames[:p.after(next):p.after(next)]
		p.last, p.bytes = next, 0
		for _, f := range p.frames {
			p.bytes += f.size()
		}
	}
	sh.pages = slices.Insert(sh.pages, i, p)
	p.element = ps.use.PushFront(p)
	ps.bytes += p.bytes
	for ps.bytes > ps.hub.opts.PageCacheBytes && ps.use.Len() > 1 {
		ps.evict(ps.use.Back().Value.(*page))
	}
	return p
}

func (ps *pages) evict(p *page) {
	ps.use.Remove(p.element)
	ps.bytes -= p.bytes
	if sh := ps.channels[p.channel]; sh != nil {
		sh.pages = slices.DeleteFunc(sh.pages, func(q *page) bool { return q == p })
	}
}

func (ps *pages) clear(sh *shelf) {
	for _, p := range sh.pages {
		ps.use.Remove(p.element)
		ps.bytes -= p.bytes
	}
	sh.pages = nil
}

// forget drops what is kept for a channel that nobody follows any more.
func (ps *pages) forget(c *channel) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if sh := ps.channels[c]; sh != nil {
		ps.clear(sh)
		delete(ps.channels, c)
	}
}
