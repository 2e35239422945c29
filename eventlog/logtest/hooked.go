package logtest

import (
	"context"
	"slices"
	"sync"

	"github.com/starling-rt/starling/eventlog"
)

// Hooked is an engine that stops at chosen calls until it is released, so that
// a test can force a schedule. A call that is not stopped goes straight to the
// engine inside.
//
// Append and Deliver must not block, so they do not: an append that is stopped
// waits inside, and later ones of its channel queue up behind it; so do the
// deliveries of its channel to its sink. A delivery that is stopped does not
// hold up the append: as in a cluster, the acknowledgment may come first.
type Hooked struct {
	inner eventlog.Engine

	mu sync.Mutex
	// mu guards the following.
	stops   []*Stop
	appends map[string]*lane
}

// Stop is a place where a Hooked engine stops one call.
type Stop struct {
	call     Call
	after    bool
	channels []string // nil: any

	reached  chan struct{}
	released chan struct{}
	once     sync.Once
}

// Hook returns an engine that stops where it is told, around another.
func Hook(inner eventlog.Engine) *Hooked {
	return &Hooked{inner: inner, appends: map[string]*lane{}}
}

// Block makes the next call of a kind stop before it does anything: the next on
// one of the channels if any are named (for a key-value call: keys). Several
// stops of one kind stop one call each, in their order.
func (h *Hooked) Block(call Call, channels ...string) *Stop { return h.block(call, false, channels) }

// BlockAfter makes the next call of a kind stop when it has done its work in the
// engine inside and before its result is told. For CallDeliver: when the sink
// has got it.
func (h *Hooked) BlockAfter(call Call, channels ...string) *Stop {
	return h.block(call, true, channels)
}

func (h *Hooked) block(call Call, after bool, channels []string) *Stop {
	s := &Stop{
		call: call, after: after, channels: channels,
		reached: make(chan struct{}), released: make(chan struct{}),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stops = append(h.stops, s)
	return s
}

// Wait returns when a call has reached the stop.
func (s *Stop) Wait() { <-s.reached }

// Reached returns a channel that is closed when a call has reached the stop.
func (s *Stop) Reached() <-chan struct{} { return s.reached }

// Release lets the call go on, or come through if it has not come yet.
func (s *Stop) Release() { s.once.Do(func() { close(s.released) }) }

// take returns the stop that a call has reached, or nil.
func (h *Hooked) take(call Call, after bool, channel string) *Stop {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, s := range h.stops {
		if s.call != call || s.after != after || len(s.channels) > 0 && !slices.Contains(s.channels, channel) {
			continue
		}
		h.stops = slices.Delete(h.stops, i, i+1)
		close(s.reached)
		return s
	}
	return nil
}

// stop stops a call that may block.
func (h *Hooked) stop(ctx context.Context, call Call, after bool, channel string) error {
	s := h.take(call, after, channel)
	if s == nil {
		return nil
	}
	select {
	case <-s.released:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// around stops a call before and after its work.
func (h *Hooked) around(ctx context.Context, call Call, channel string, work func() error) error {
	if err := h.stop(ctx, call, false, channel); err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	return h.stop(ctx, call, true, channel)
}

// lane runs functions one after the other, without ever making the caller wait:
// one that is held up holds up those behind it.
type lane struct {
	mu    sync.Mutex
	queue []func(next func())
	busy  bool
}

// do runs f when all before it have called next. f calls its next once.
func (l *lane) do(f func(next func())) {
	l.mu.Lock()
	l.queue = append(l.queue, f)
	if l.busy {
		l.mu.Unlock()
		return
	}
	l.busy = true
	l.mu.Unlock()
	l.run()
}

func (l *lane) run() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.busy = false
			l.mu.Unlock()
			return
		}
		f := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()

		var mu sync.Mutex
		returned, called := false, false
		f(func() {
			mu.Lock()
			called = true
			resume := returned
			mu.Unlock()
			if resume {
				l.run()
			}
		})
		mu.Lock()
		returned = true
		goOn := called
		mu.Unlock()
		if !goOn {
			return
		}
	}
}

// then calls f now, or in a goroutine when the stop is released.
func (s *Stop) then(f func()) {
	if s == nil {
		f()
		return
	}
	go func() {
		<-s.released
		f()
	}()
}

// Append passes a batch on.
func (h *Hooked) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	h.mu.Lock()
	l := h.appends[b.Channel]
	if l == nil {
		l = &lane{}
		h.appends[b.Channel] = l
	}
	h.mu.Unlock()
	channel := b.Channel
	l.do(func(next func()) {
		h.take(CallAppend, false, channel).then(func() {
			h.inner.Append(b, func(a eventlog.Appended, err error) {
				h.take(CallAppend, true, channel).then(func() { done(a, err) })
			})
			next()
		})
	})
}

// Head passes the call on.
func (h *Hooked) Head(ctx context.Context, channel string) (p eventlog.Position, err error) {
	err = h.around(ctx, CallHead, channel, func() error {
		p, err = h.inner.Head(ctx, channel)
		return err
	})
	return p, err
}

// Read passes the call on.
func (h *Hooked) Read(ctx context.Context, channel string, after uint64, limit eventlog.Limit) (p eventlog.Page, err error) {
	err = h.around(ctx, CallRead, channel, func() error {
		p, err = h.inner.Read(ctx, channel, after, limit)
		return err
	})
	return p, err
}

// ReadBefore passes the call on.
func (h *Hooked) ReadBefore(ctx context.Context, channel string, before uint64, limit eventlog.Limit) (p eventlog.Page, err error) {
	err = h.around(ctx, CallReadBefore, channel, func() error {
		p, err = h.inner.ReadBefore(ctx, channel, before, limit)
		return err
	})
	return p, err
}

// Trim passes the call on.
func (h *Hooked) Trim(ctx context.Context, channel string, through uint64) error {
	return h.around(ctx, CallTrim, channel, func() error { return h.inner.Trim(ctx, channel, through) })
}

// Delete passes the call on.
func (h *Hooked) Delete(ctx context.Context, channel string) error {
	return h.around(ctx, CallDelete, channel, func() error { return h.inner.Delete(ctx, channel) })
}

// Signal passes the call on.
func (h *Hooked) Signal(ctx context.Context, s eventlog.Signal) error {
	return h.around(ctx, CallSignal, s.Channel, func() error { return h.inner.Signal(ctx, s) })
}

// Slots passes the call on.
func (h *Hooked) Slots(ctx context.Context, channel string) (slots []eventlog.Signal, err error) {
	err = h.around(ctx, CallSlots, channel, func() error {
		slots, err = h.inner.Slots(ctx, channel)
		return err
	})
	return slots, err
}

// Watch passes the call on.
func (h *Hooked) Watch(pattern string, sink eventlog.Sink) (stop func(), err error) {
	ctx := context.Background()
	err = h.around(ctx, CallWatch, pattern, func() error {
		stop, err = h.inner.Watch(pattern, &hookedSink{hooked: h, sink: sink, lanes: map[string]*lane{}})
		return err
	})
	return stop, err
}

// KV returns the engine's key-values, which stop as well.
func (h *Hooked) KV() eventlog.KV { return hookedKV{h, h.inner.KV()} }

// Info tells what kind of engine is inside.
func (h *Hooked) Info() eventlog.Info { return h.inner.Info() }

// Health passes the call on.
func (h *Hooked) Health(ctx context.Context) error { return h.inner.Health(ctx) }

// Close closes the engine inside. Stopped calls stay stopped.
func (h *Hooked) Close() error { return h.inner.Close() }

// hookedSink is a sink whose deliveries can be stopped.
type hookedSink struct {
	hooked *Hooked
	sink   eventlog.Sink

	mu    sync.Mutex
	lanes map[string]*lane // by channel
}

func (s *hookedSink) Deliver(l *eventlog.Live) {
	s.mu.Lock()
	ln := s.lanes[l.Channel]
	if ln == nil {
		ln = &lane{}
		s.lanes[l.Channel] = ln
	}
	s.mu.Unlock()
	kept := *l
	ln.do(func(next func()) {
		s.hooked.take(CallDeliver, false, kept.Channel).then(func() {
			s.sink.Deliver(&kept)
			s.hooked.take(CallDeliver, true, kept.Channel).then(next)
		})
	})
}

// hookedKV is the key-values of a Hooked engine.
type hookedKV struct {
	hooked *Hooked
	inner  eventlog.KV
}

// Get passes the call on.
func (k hookedKV) Get(ctx context.Context, key string) (it eventlog.Item, err error) {
	err = k.hooked.around(ctx, CallGet, key, func() error {
		it, err = k.inner.Get(ctx, key)
		return err
	})
	return it, err
}

// Put passes the call on.
func (k hookedKV) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (rev uint64, err error) {
	err = k.hooked.around(ctx, CallPut, key, func() error {
		rev, err = k.inner.Put(ctx, key, value, o)
		return err
	})
	return rev, err
}

// Delete passes the call on.
func (k hookedKV) Delete(ctx context.Context, key string, expect eventlog.RevisionExpectation) error {
	return k.hooked.around(ctx, CallRemove, key, func() error { return k.inner.Delete(ctx, key, expect) })
}

// List passes the call on.
func (k hookedKV) List(ctx context.Context, prefix, after string, limit int) (items []eventlog.Item, err error) {
	err = k.hooked.around(ctx, CallList, prefix, func() error {
		items, err = k.inner.List(ctx, prefix, after, limit)
		return err
	})
	return items, err
}
