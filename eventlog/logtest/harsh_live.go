package logtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// recent is what was stored in a channel within the last second.
type recent struct {
	entries []storedAt
	// acknowledged is the newest record that came through this Harsh: reads
	// through it do not miss that.
	acknowledged uint64
}

type storedAt struct {
	at           time.Time
	offset, prev uint64
}

// storedSink notes when records are stored.
type storedSink struct{ harsh *Harsh }

func (s storedSink) Deliver(l *eventlog.Live) {
	if l.Kind != eventlog.LiveRecord {
		return
	}
	h := s.harsh
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.recent(l.Channel)
	now := time.Now()
	r.forget(now)
	r.entries = append(r.entries, storedAt{at: now, offset: l.Record.Offset, prev: l.Prev})
}

func (h *Harsh) recent(channel string) *recent {
	r := h.stored[channel]
	if r == nil {
		r = &recent{}
		h.stored[channel] = r
	}
	return r
}

func (r *recent) forget(now time.Time) {
	for len(r.entries) > 0 && now.Sub(r.entries[0].at) > harshStale {
		r.entries = r.entries[1:]
	}
}

func (h *Harsh) acknowledged(channel string, offset uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.recent(channel)
	r.acknowledged = max(r.acknowledged, offset)
}

// seen returns the offset of the newest record that a read sees now.
func (h *Harsh) seen(channel string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.chanceLocked(h.rates.Stale) {
		return eventlog.MaxOffset
	}
	now := time.Now()
	r := h.recent(channel)
	r.forget(now)
	then := now.Add(-time.Duration(h.rand.Int64N(int64(harshStale))))
	for _, e := range r.entries {
		if e.at.After(then) && e.offset > r.acknowledged {
			return max(e.prev, r.acknowledged)
		}
	}
	return eventlog.MaxOffset
}

// harshWatch is a sink for which deliveries go wrong.
type harshWatch struct {
	harsh *Harsh

	// mu is held while the sink is called, so that deliveries do not overlap.
	mu   sync.Mutex
	sink eventlog.Sink
}

// Watch delivers what is stored and signalled, as well as it does.
func (h *Harsh) Watch(pattern string, sink eventlog.Sink) (stop func(), err error) {
	w := &harshWatch{harsh: h, sink: sink}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, fmt.Errorf("watch %q: %w", pattern, eventlog.ErrClosed)
	}
	h.watches[w] = true
	h.mu.Unlock()
	unwatch, err := h.inner.Watch(pattern, w)
	if err != nil {
		return nil, err
	}
	return func() {
		unwatch()
		h.mu.Lock()
		delete(h.watches, w)
		h.mu.Unlock()
	}, nil
}

// Deliver takes what the engine inside delivers.
func (w *harshWatch) Deliver(l *eventlog.Live) {
	h := w.harsh
	kept := *l
	if kept.Kind == eventlog.LiveRecord {
		kept.Record.Offset, kept.Prev = spread(kept.Record.Offset), spread(kept.Prev)
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	if kept.Kind == eventlog.LiveRecord && h.chanceLocked(h.rates.NoPrev) {
		kept.Prev = 0
	}
	lost, doubled := h.chanceLocked(h.rates.Lose), h.chanceLocked(h.rates.Double)
	late := h.stalled != nil || h.chanceLocked(h.rates.Reorder)
	switch {
	case lost:
		h.resyncLocked()
	case late:
		h.laterLocked(harshReorder, func() { w.pass(&kept) })
	}
	if doubled && !lost {
		h.laterLocked(harshReorder, func() { again := kept; w.pass(&again) })
	}
	h.mu.Unlock()
	if !lost && !late {
		w.pass(&kept)
	}
}

// resyncLocked makes a resync come, if none is about to.
func (h *Harsh) resyncLocked() {
	if h.resync == nil {
		h.resync = h.laterLocked(harshResync, h.deliverResync)
	}
}

func (h *Harsh) deliverResync() {
	h.mu.Lock()
	h.resync = nil
	list := make([]*harshWatch, 0, len(h.watches))
	for w := range h.watches {
		list = append(list, w)
	}
	h.mu.Unlock()
	for _, w := range list {
		w.pass(&eventlog.Live{Kind: eventlog.LiveResync})
	}
}

// pass delivers to the sink.
func (w *harshWatch) pass(l *eventlog.Live) {
	w.harsh.mu.Lock()
	watched := w.harsh.watches[w]
	w.harsh.mu.Unlock()
	if !watched {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sink.Deliver(l)
}

// harshKV is the key-values of a Harsh.
type harshKV struct {
	harsh *Harsh
	inner eventlog.KV
}

// Get returns an item.
func (k harshKV) Get(ctx context.Context, key string) (eventlog.Item, error) {
	if err := k.harsh.pass(ctx); err != nil {
		return eventlog.Item{}, fmt.Errorf("get key %q: %w", key, err)
	}
	return k.inner.Get(ctx, key)
}

// Put sets a value, perhaps without telling the outcome.
func (k harshKV) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (rev uint64, err error) {
	err = k.change(ctx, "put", key, func() error {
		rev, err = k.inner.Put(ctx, key, value, o)
		return err
	})
	return rev, err
}

// Delete removes a key, perhaps without telling the outcome.
func (k harshKV) Delete(ctx context.Context, key string, expect eventlog.RevisionExpectation) error {
	return k.change(ctx, "delete", key, func() error { return k.inner.Delete(ctx, key, expect) })
}

// List returns items in the order of their keys.
func (k harshKV) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Item, error) {
	if err := k.harsh.pass(ctx); err != nil {
		return nil, fmt.Errorf("list keys %q: %w", prefix, err)
	}
	return k.inner.List(ctx, prefix, after, limit)
}

func (k harshKV) change(ctx context.Context, verb, key string, do func() error) error {
	if err := k.harsh.pass(ctx); err != nil {
		return fmt.Errorf("%s key %q: %w", verb, key, err)
	}
	if !k.harsh.chance(func(r *Harshness) float64 { return r.Unknown }) {
		return do()
	}
	if k.harsh.chance(func(*Harshness) float64 { return 0.5 }) {
		_ = do() // Its outcome is what is not told.
	}
	return fmt.Errorf("%s key %q: %w", verb, key, eventlog.ErrUnknown)
}
