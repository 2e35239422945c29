package logtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
)

// Harsh is an engine that behaves as badly as a cluster may, around one that
// behaves well. Its offsets are sparse. Live records and signals get lost,
// doubled and reordered; some records do not know their predecessor; after
// something was lost a LiveResync comes within 10 s. Head and Read miss what
// others stored less than a second ago: what others stored is what did not come
// through this Harsh, so for stale reads wrap one engine twice and let each be a
// node. The engine stalls for up to 10 s. Appends and changes of keys end in
// ErrUnknown, having been stored, or not, or being stored later; and some are
// refused.
//
// The same calls in the same order meet the same misbehaviour under one seed.
// All waiting is by timers, so a Harsh works within testing/synctest.
type Harsh struct {
	inner eventlog.Engine
	own   bool // inner was made here
	stop  func()

	mu sync.Mutex
	// mu guards the following.
	rand    *rand.Rand
	rates   Harshness
	closed  bool
	watches map[*harshWatch]bool
	stored  map[string]*recent
	jobs    map[*job]bool
	jobSeq  int
	resync  *job          // the next LiveResync
	stalled chan struct{} // closed when the stall ends; nil: no stall
	waiting []func()      // appends that came in a stall
	work    sync.WaitGroup
}

// Harshness is how often each misbehaviour comes: the chance for each call or
// delivery, from 0 to 1.
type Harshness struct {
	Lose    float64 // a delivery does not come; a resync does, within 10 s
	Double  float64 // a delivery comes again
	Reorder float64 // a delivery comes up to half a second later
	NoPrev  float64 // a live record does not know its predecessor
	Stale   float64 // Head or Read miss what others stored in the last second
	Stall   float64 // everything waits for up to 10 s
	Unknown float64 // a change ends in ErrUnknown
	Refuse  float64 // a call ends in ErrUnavailable
}

// Rough returns the rates that a new Harsh has.
func Rough() Harshness {
	return Harshness{
		Lose: 0.02, Double: 0.05, Reorder: 0.05, NoPrev: 0.05,
		Stale: 0.3, Stall: 0.002, Unknown: 0.02, Refuse: 0.02,
	}
}

const (
	harshStall   = 10 * time.Second
	harshResync  = 10 * time.Second
	harshStale   = time.Second
	harshReorder = 500 * time.Millisecond
	harshLate    = 5 * time.Second
)

// NewHarsh returns a harsh engine around inner, or around a new memory engine if
// inner is nil. It misbehaves at the rates of Rough.
func NewHarsh(seed uint64, inner eventlog.Engine) *Harsh {
	h := &Harsh{
		inner:   inner,
		rand:    rand.New(rand.NewPCG(seed, 0)),
		rates:   Rough(),
		watches: map[*harshWatch]bool{},
		stored:  map[string]*recent{},
		jobs:    map[*job]bool{},
	}
	if inner == nil {
		h.inner, h.own = memory.New(memory.Options{}), true
	}
	stop, err := h.inner.Watch("*", storedSink{h})
	if err != nil {
		panic(fmt.Sprintf("watch the engine inside: %v", err))
	}
	h.stop = stop
	return h
}

// SetRates changes how often each misbehaviour comes.
func (h *Harsh) SetRates(r Harshness) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rates = r
}

// Calm ends all misbehaviour: what was held back comes now, and so does the
// resync for what was lost. It returns when all that is done.
func (h *Harsh) Calm() {
	h.SetRates(Harshness{})
	h.runJobs()
}

// Close ends the engine, and the one inside if NewHarsh made it.
func (h *Harsh) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.rates = Harshness{}
	h.mu.Unlock()
	h.runJobs()
	h.work.Wait()
	h.stop()
	if h.own {
		return h.inner.Close()
	}
	return nil
}

// job is something to be done later.
type job struct {
	at    time.Time
	seq   int
	f     func()
	timer *time.Timer
}

// later does f after up to d, or when the engine is calmed.
func (h *Harsh) later(d time.Duration, f func()) *job {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.laterLocked(d, f)
}

func (h *Harsh) laterLocked(d time.Duration, f func()) *job {
	d = time.Duration(h.rand.Int64N(int64(d))) + 1
	j := &job{at: time.Now().Add(d), seq: h.jobSeq, f: f}
	h.jobSeq++
	h.jobs[j] = true
	j.timer = time.AfterFunc(d, func() { h.run(j) })
	return j
}

// run does a job unless it was done.
func (h *Harsh) run(j *job) {
	h.mu.Lock()
	if !h.jobs[j] {
		h.mu.Unlock()
		return
	}
	delete(h.jobs, j)
	h.work.Add(1)
	h.mu.Unlock()
	defer h.work.Done()
	j.timer.Stop()
	j.f()
}

// runJobs does all jobs in the order of their times.
func (h *Harsh) runJobs() {
	for {
		h.mu.Lock()
		list := make([]*job, 0, len(h.jobs))
		for j := range h.jobs {
			list = append(list, j)
		}
		h.mu.Unlock()
		if len(list) == 0 {
			return
		}
		slices.SortFunc(list, func(a, b *job) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq))
		})
		for _, j := range list {
			h.run(j)
		}
	}
}

// chance tells whether a misbehaviour comes now.
func (h *Harsh) chance(rate func(*Harshness) float64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.chanceLocked(rate(&h.rates))
}

func (h *Harsh) chanceLocked(rate float64) bool { return rate > 0 && h.rand.Float64() < rate }

// pass lets a call in: at once, after a stall, or not at all.
func (h *Harsh) pass(ctx context.Context) error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return eventlog.ErrClosed
	}
	if h.chanceLocked(h.rates.Refuse) {
		h.mu.Unlock()
		return eventlog.ErrUnavailable
	}
	stalled := h.maybeStall()
	h.mu.Unlock()
	if stalled == nil {
		return nil
	}
	select {
	case <-stalled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maybeStall returns what is closed at the end of the stall that there is, or
// that begins now, or nil.
func (h *Harsh) maybeStall() chan struct{} {
	if h.stalled == nil && h.chanceLocked(h.rates.Stall) {
		h.stalled = make(chan struct{})
		h.laterLocked(harshStall, h.endStall)
	}
	return h.stalled
}

// endStall lets the appends go that have come in the meantime, and then all
// else.
func (h *Harsh) endStall() {
	for {
		h.mu.Lock()
		if len(h.waiting) == 0 {
			close(h.stalled)
			h.stalled = nil
			h.mu.Unlock()
			return
		}
		f := h.waiting[0]
		h.waiting = h.waiting[1:]
		h.mu.Unlock()
		f()
	}
}

// Append stores a batch, perhaps late, perhaps without telling the outcome.
func (h *Harsh) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		done(eventlog.Appended{}, fmt.Errorf("append to %q: %w", b.Channel, eventlog.ErrClosed))
		return
	}
	if h.maybeStall() != nil {
		h.waiting = append(h.waiting, func() { h.append(b, done) })
		h.mu.Unlock()
		return
	}
	h.mu.Unlock()
	h.append(b, done)
}

func (h *Harsh) append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	h.mu.Lock()
	refuse, unknown, how := h.chanceLocked(h.rates.Refuse), h.chanceLocked(h.rates.Unknown), h.rand.IntN(4)
	h.mu.Unlock()
	fail := func(err error) { done(eventlog.Appended{}, fmt.Errorf("append to %q: %w", b.Channel, err)) }
	switch {
	case refuse:
		fail(eventlog.ErrUnavailable)
	case unknown && how == 0: // not stored
		h.later(harshStall, func() { fail(eventlog.ErrUnknown) })
	case unknown && how == 1: // stored after the caller was told
		fail(eventlog.ErrUnknown)
		h.later(harshLate, func() { h.store(b, func(eventlog.Appended, error) {}) })
	case unknown:
		h.store(b, func(eventlog.Appended, error) { fail(eventlog.ErrUnknown) })
	default:
		h.store(b, done)
	}
}

// store hands a batch to the engine inside, with its offsets in place of ours.
func (h *Harsh) store(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	in := *b
	in.Records = slices.Clone(b.Records)
	if at, ok := b.Expect.Offset(); ok {
		if inner := floor(at); spread(inner) == at {
			in.Expect = eventlog.At(inner)
		} else {
			in.Expect = eventlog.At(eventlog.MaxOffset)
		}
	}
	h.inner.Append(&in, func(a eventlog.Appended, err error) {
		if err == nil {
			h.acknowledged(b.Channel, a.Last.Offset)
			a.First, a.Last.Offset = spread(a.First), spread(a.Last.Offset)
		}
		var conflict *eventlog.ConflictError
		if errors.As(err, &conflict) {
			err = &eventlog.ConflictError{Channel: conflict.Channel, Head: eventlog.Position{
				Epoch: conflict.Head.Epoch, Offset: spread(conflict.Head.Offset),
			}}
		}
		done(a, err)
	})
}

// Head returns the head of a channel, perhaps as it was a second ago.
func (h *Harsh) Head(ctx context.Context, channel string) (eventlog.Position, error) {
	if err := h.pass(ctx); err != nil {
		return eventlog.Position{}, fmt.Errorf("head of %q: %w", channel, err)
	}
	seen := h.seen(channel)
	p, err := h.inner.Head(ctx, channel)
	p.Offset = spread(min(p.Offset, seen))
	return p, err
}

// Read reads a channel, perhaps as it was a second ago.
func (h *Harsh) Read(ctx context.Context, channel string, after uint64, limit eventlog.Limit) (eventlog.Page, error) {
	if err := h.pass(ctx); err != nil {
		return eventlog.Page{}, fmt.Errorf("read %q: %w", channel, err)
	}
	seen := h.seen(channel)
	p, err := h.inner.Read(ctx, channel, floor(after), limit)
	if n := len(p.Records); n > 0 && p.Records[n-1].Offset >= seen {
		p.More = false
	}
	return spreadPage(p, seen), err
}

// ReadBefore reads a channel, perhaps as it was a second ago.
func (h *Harsh) ReadBefore(ctx context.Context, channel string, before uint64, limit eventlog.Limit) (eventlog.Page, error) {
	if err := h.pass(ctx); err != nil {
		return eventlog.Page{}, fmt.Errorf("read %q: %w", channel, err)
	}
	seen := h.seen(channel)
	if before != 0 {
		before = floor(before-1) + 1
	}
	if seen < eventlog.MaxOffset && (before == 0 || before > seen+1) {
		before = seen + 1
	}
	p, err := h.inner.ReadBefore(ctx, channel, before, limit)
	return spreadPage(p, seen), err
}

// Trim removes the oldest records of a channel.
func (h *Harsh) Trim(ctx context.Context, channel string, through uint64) error {
	if err := h.pass(ctx); err != nil {
		return fmt.Errorf("trim %q: %w", channel, err)
	}
	return h.inner.Trim(ctx, channel, floor(through))
}

// Delete removes all of a channel.
func (h *Harsh) Delete(ctx context.Context, channel string) error {
	if err := h.pass(ctx); err != nil {
		return fmt.Errorf("delete %q: %w", channel, err)
	}
	return h.inner.Delete(ctx, channel)
}

// Signal hands a signal to all who watch the channel, as far as it arrives.
func (h *Harsh) Signal(ctx context.Context, s eventlog.Signal) error {
	if err := h.pass(ctx); err != nil {
		return fmt.Errorf("signal on %q: %w", s.Channel, err)
	}
	return h.inner.Signal(ctx, s)
}

// Slots returns the values of the channel's slots.
func (h *Harsh) Slots(ctx context.Context, channel string) ([]eventlog.Signal, error) {
	if err := h.pass(ctx); err != nil {
		return nil, fmt.Errorf("slots of %q: %w", channel, err)
	}
	return h.inner.Slots(ctx, channel)
}

// KV returns the key-values of the engine inside, whose changes may be refused
// or end in ErrUnknown.
func (h *Harsh) KV() eventlog.KV { return harshKV{h, h.inner.KV()} }

// Info describes a cluster.
func (h *Harsh) Info() eventlog.Info {
	in := h.inner.Info()
	return eventlog.Info{Name: "harsh " + in.Name, Promise: in.Promise}
}

// Health returns nil while the engine is open and the one inside is healthy.
func (h *Harsh) Health(ctx context.Context) error {
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return eventlog.ErrClosed
	}
	return h.inner.Health(ctx)
}

// sparse is how many of our offsets stand for one of the engine inside.
const sparse = 8

// spread returns our offset for one of the engine inside. It grows with it.
func spread(inner uint64) uint64 {
	if inner == 0 || inner >= eventlog.MaxOffset/sparse {
		return inner * sparse
	}
	return inner*sparse + inner*0x9E3779B97F4A7C15>>61
}

// floor returns the highest offset of the engine inside that is not above ours.
func floor(ours uint64) uint64 {
	inner := ours / sparse
	if spread(inner) > ours {
		inner--
	}
	return inner
}

// spreadPage returns a page as it was when the head was seen.
func spreadPage(p eventlog.Page, seen uint64) eventlog.Page {
	n := len(p.Records)
	for n > 0 && p.Records[n-1].Offset > seen {
		n--
	}
	p.Records = slices.Clone(p.Records[:n])
	for i := range p.Records {
		p.Records[i].Offset = spread(p.Records[i].Offset)
	}
	p.Head.Offset = spread(min(p.Head.Offset, seen))
	return p
}
