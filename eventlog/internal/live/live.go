// Package live is the live half of an engine that lives in one process: it
// hands records and signals to those who watch, and keeps the slots of
// conflated signals.
//
// Channels are spread over stripes. What is said on a channel is delivered under
// the lock of its stripe, so deliveries of one channel have one order and do not
// overlap; an engine that stores a record takes the same lock around making it
// visible and delivering it. Watch and stop never take that lock: they can be
// called while a sink is slow, and from within it.
package live

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

const stripes = 64

// Hub knows who watches what. Its methods are safe for concurrent use.
type Hub struct {
	// Static after New.
	policies eventlog.Policies
	seed     maphash.Seed
	stripes  [stripes]Stripe

	version  atomic.Uint64
	patterns atomic.Pointer[patterns]
	// patternMu serializes the changes of patterns.
	patternMu sync.Mutex

	sweeper sweeper
}

// Stripe is the part of a hub to which a channel belongs. Whoever holds its lock
// delivers on its channels.
type Stripe struct {
	hub *Hub

	mu sync.Mutex
	// mu guards the following.
	live  eventlog.Live // reused: sinks do not keep it
	slots map[string]*table
	kept  int // slots in all tables
	due   dueHeap

	watchMu sync.RWMutex
	// watchMu guards the following. The slices are replaced, not changed.
	exact map[string][]*watch
}

// watch is one call of Watch.
type watch struct {
	sink    eventlog.Sink
	stopped atomic.Bool
}

// patterns are the watched prefixes. It is replaced, not changed.
type patterns struct {
	lengths  []int // of the prefixes, each once
	byPrefix map[string][]*watch
}

// New returns a hub. Close ends it.
func New(policies eventlog.Policies) *Hub {
	h := &Hub{policies: policies, seed: maphash.MakeSeed()}
	// Versions grow across restarts too, as far as the clock does.
	h.version.Store(uint64(time.Now().UnixMicro()))
	h.patterns.Store(&patterns{})
	for i := range h.stripes {
		h.stripes[i].hub = h
		h.stripes[i].slots = map[string]*table{}
		h.stripes[i].exact = map[string][]*watch{}
	}
	h.sweeper.start(h)
	return h
}

// Close ends the expiry of slots. It returns when no sink is called any more by
// the hub itself.
func (h *Hub) Close() { h.sweeper.stop() }

// Stripe returns the stripe of a channel.
func (h *Hub) Stripe(channel string) *Stripe {
	return &h.stripes[maphash.String(h.seed, channel)%stripes]
}

// Lock makes the caller the only one who delivers on the stripe's channels.
func (s *Stripe) Lock() { s.mu.Lock() }

// Unlock is the counterpart of Lock.
func (s *Stripe) Unlock() { s.mu.Unlock() }

// Records delivers records that were stored, in their order, under the lock of
// the stripe. prev is the offset of the record before the first.
func (s *Stripe) Records(channel string, records []eventlog.Record, epoch uint32, prev uint64) {
	exact, pats := s.watchers(channel)
	if len(exact) == 0 && len(pats.lengths) == 0 {
		return
	}
	for i := range records {
		s.live = eventlog.Live{Kind: eventlog.LiveRecord, Channel: channel, Record: records[i], Epoch: epoch, Prev: prev}
		prev = records[i].Offset
		s.deliver(exact, pats)
	}
	s.live = eventlog.Live{}
}

// signal delivers a signal under the lock of the stripe.
func (s *Stripe) signal(sig *eventlog.Signal) {
	exact, pats := s.watchers(sig.Channel)
	s.live = eventlog.Live{Kind: eventlog.LiveSignal, Channel: sig.Channel, Signal: *sig}
	s.deliver(exact, pats)
	s.live = eventlog.Live{}
}

// watchers returns who watches a channel: who was there before it was called.
func (s *Stripe) watchers(channel string) ([]*watch, *patterns) {
	s.watchMu.RLock()
	exact := s.exact[channel]
	s.watchMu.RUnlock()
	return exact, s.hub.patterns.Load()
}

func (s *Stripe) deliver(exact []*watch, pats *patterns) {
	for _, w := range exact {
		w.deliver(&s.live)
	}
	for _, n := range pats.lengths {
		if n > len(s.live.Channel) {
			break
		}
		for _, w := range pats.byPrefix[s.live.Channel[:n]] {
			w.deliver(&s.live)
		}
	}
}

func (w *watch) deliver(l *eventlog.Live) {
	if !w.stopped.Load() {
		w.sink.Deliver(l)
	}
}

// Watch delivers what is said on a channel, or on those whose names match a
// pattern that ends in "*", until stop is called.
func (h *Hub) Watch(pattern string, sink eventlog.Sink) (stop func()) {
	w := &watch{sink: sink}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		h.changePattern(prefix, func(list []*watch) []*watch { return with(list, w) })
		return func() {
			if w.stopped.CompareAndSwap(false, true) {
				h.changePattern(prefix, func(list []*watch) []*watch { return without(list, w) })
			}
		}
	}
	s := h.Stripe(pattern)
	s.watchMu.Lock()
	s.exact[pattern] = with(s.exact[pattern], w)
	s.watchMu.Unlock()
	return func() {
		if !w.stopped.CompareAndSwap(false, true) {
			return
		}
		s.watchMu.Lock()
		defer s.watchMu.Unlock()
		if rest := without(s.exact[pattern], w); len(rest) > 0 {
			s.exact[pattern] = rest
		} else {
			delete(s.exact, pattern)
		}
	}
}

func (h *Hub) changePattern(prefix string, change func([]*watch) []*watch) {
	h.patternMu.Lock()
	defer h.patternMu.Unlock()
	next := &patterns{byPrefix: maps.Clone(h.patterns.Load().byPrefix)}
	if next.byPrefix == nil {
		next.byPrefix = map[string][]*watch{}
	}
	if list := change(next.byPrefix[prefix]); len(list) > 0 {
		next.byPrefix[prefix] = list
	} else {
		delete(next.byPrefix, prefix)
	}
	for p := range next.byPrefix {
		next.lengths = append(next.lengths, len(p))
	}
	slices.Sort(next.lengths)
	next.lengths = slices.Compact(next.lengths)
	h.patterns.Store(next)
}

func with(list []*watch, w *watch) []*watch { return append(slices.Clone(list), w) }

func without(list []*watch, w *watch) []*watch {
	return slices.DeleteFunc(slices.Clone(list), func(x *watch) bool { return x == w })
}
