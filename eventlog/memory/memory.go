// Package memory keeps an eventlog in the memory of the process: for tests, for
// development, and for channels whose history may go with the process.
//
// It keeps the whole contract of an engine except that nothing survives it. Each
// engine has an epoch of its own.
package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/internal/live"
)

// Options are the options of an engine. The zero value is usable.
type Options struct {
	// Policies tells how each channel is kept. Default: the default policy.
	Policies eventlog.Policies

	// ForgetAfter is how long a channel that holds no record is remembered.
	// Default: 30 days.
	ForgetAfter time.Duration

	// MaxKeys bounds the idempotency keys that are remembered, whatever their
	// window: beyond it, a channel forgets an old one for each new one. Default:
	// 1,000,000, which is about 200 MB.
	MaxKeys int
}

// Engine is an eventlog.Engine in memory.
type Engine struct {
	// Static after New.
	policies    eventlog.Policies
	forgetAfter time.Duration
	maxKeys     int
	live        *live.Hub
	kv          *kv

	// last is the number that was given out last: of a record, of a deletion
	// or of a change of a key.
	last   atomic.Uint64
	closed atomic.Bool

	mu sync.RWMutex
	// mu guards the following and what the channels hold.
	channels map[string]*channel
	keys     int // remembered in all channels
	// Channels that were not known got this epoch; what was forgotten had
	// offsets up to forgotten.
	epoch     uint32
	forgotten uint64

	janitor sync.WaitGroup
	quit    chan struct{}
}

var _ eventlog.Engine = (*Engine)(nil)

// tidyEvery is how often the janitor looks for what has outlived its time. What
// is read or written is always looked at first, so this is about memory only.
const tidyEvery = time.Minute

// New returns an empty engine. Close ends it.
func New(o Options) *Engine {
	if o.ForgetAfter <= 0 {
		o.ForgetAfter = 30 * 24 * time.Hour
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = 1_000_000
	}
	e := &Engine{
		policies:    o.Policies,
		forgetAfter: o.ForgetAfter,
		maxKeys:     o.MaxKeys,
		live:        live.New(o.Policies),
		channels:    map[string]*channel{},
		epoch:       newEpoch(0),
		quit:        make(chan struct{}),
	}
	e.kv = newKV(e)
	e.janitor.Go(e.tidyUp)
	return e
}

// newEpoch returns an epoch that is not 0 and not old.
func newEpoch(old uint32) uint32 {
	for {
		if epoch := rand.Uint32(); epoch != 0 && epoch != old {
			return epoch
		}
	}
}

// Append stores a batch before it returns.
func (e *Engine) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	s := e.live.Stripe(b.Channel)
	s.Lock()
	a, epoch, prev, err := e.store(b)
	if err == nil && !a.Duplicate {
		s.Records(b.Channel, b.Records, epoch, prev)
	}
	s.Unlock()
	done(a, err)
}

func (e *Engine) store(b *eventlog.Batch) (a eventlog.Appended, epoch uint32, prev uint64, err error) {
	policy := e.policies.Of(b.Channel)
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return a, 0, 0, fmt.Errorf("append to %q: %w", b.Channel, eventlog.ErrClosed)
	}
	c := e.channels[b.Channel]
	if c == nil {
		c = &channel{epoch: e.epoch, born: e.forgotten}
	}
	e.tidy(c, &policy, now)
	if first, ok := c.keys[b.DedupKey]; ok && b.DedupKey != "" {
		if first.hash != b.Hash {
			return a, 0, 0, fmt.Errorf("append to %q: %w", b.Channel, eventlog.ErrKeyReused)
		}
		a = first.appended
		a.Duplicate = true
		return a, 0, 0, nil
	}
	if want, ok := b.Expect.Offset(); ok && want != c.last {
		return a, 0, 0, &eventlog.ConflictError{Channel: b.Channel, Head: eventlog.Position{Epoch: c.epoch, Offset: c.last}}
	}
	prev = c.last
	for i := range b.Records {
		c.last = e.last.Add(1)
		b.Records[i].Offset = c.last
	}
	c.add(b.Records)
	c.retain(&policy)
	e.channels[b.Channel] = c
	a = eventlog.Appended{
		First: b.Records[0].Offset,
		Last:  eventlog.Position{Epoch: c.epoch, Offset: c.last},
	}
	if b.DedupKey != "" && policy.KeyWindow > 0 {
		if e.keys++; e.keys > e.maxKeys {
			e.keys -= c.forgetKeys(1)
		}
		c.remember(b.DedupKey, key{hash: b.Hash, appended: a, expires: now.Add(policy.KeyWindow)})
	}
	return a, c.epoch, prev, nil
}

// tidy removes what is too old in a channel.
func (e *Engine) tidy(c *channel, p *eventlog.Policy, now time.Time) {
	e.keys -= c.tidy(p, now)
}

// Head returns the position of the last record ever stored in a channel.
func (e *Engine) Head(ctx context.Context, name string) (eventlog.Position, error) {
	if err := e.check(ctx, "head of", name); err != nil {
		return eventlog.Position{}, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.head(e.channels[name]), nil
}

// head returns the head of a channel, which is nil if it is not known.
func (e *Engine) head(c *channel) eventlog.Position {
	if c == nil {
		return eventlog.Position{Epoch: e.epoch}
	}
	return eventlog.Position{Epoch: c.epoch, Offset: c.last}
}

// Read returns records with offsets above after, oldest first.
func (e *Engine) Read(ctx context.Context, name string, after uint64, limit eventlog.Limit) (eventlog.Page, error) {
	if err := e.check(ctx, "read", name); err != nil {
		return eventlog.Page{}, err
	}
	policy := e.policies.Of(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.channels[name]
	p := eventlog.Page{Head: e.head(c)}
	if c == nil {
		p.Complete = after == 0 || after >= e.forgotten
		return p, nil
	}
	e.tidy(c, &policy, time.Now())
	p.Complete = c.complete(after)
	p.Records, p.More = c.after(after, limit.WithDefaults())
	return p, nil
}

// ReadBefore returns the newest records with offsets below before, oldest first;
// before 0 stands for the end of the log.
func (e *Engine) ReadBefore(ctx context.Context, name string, before uint64, limit eventlog.Limit) (eventlog.Page, error) {
	if err := e.check(ctx, "read", name); err != nil {
		return eventlog.Page{}, err
	}
	policy := e.policies.Of(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.channels[name]
	p := eventlog.Page{Head: e.head(c), Complete: true}
	if c == nil {
		return p, nil
	}
	e.tidy(c, &policy, time.Now())
	p.Complete = c.complete(0)
	p.Records, p.More = c.before(before, limit.WithDefaults())
	return p, nil
}

// Trim removes the records with offsets up to and including through.
func (e *Engine) Trim(ctx context.Context, name string, through uint64) error {
	if err := e.check(ctx, "trim", name); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.channels[name]; c != nil {
		c.trim(through, time.Now())
	}
	return nil
}

// Delete removes all records, keys and slots of a channel.
func (e *Engine) Delete(ctx context.Context, name string) error {
	if err := e.check(ctx, "delete", name); err != nil {
		return err
	}
	e.mu.Lock()
	if c := e.channels[name]; c != nil {
		e.keys -= len(c.keys)
		c.clear(e.last.Add(1), time.Now())
	}
	e.mu.Unlock()
	e.live.Clear(name)
	return nil
}

// Watch delivers what is stored and signalled from now on.
func (e *Engine) Watch(pattern string, sink eventlog.Sink) (stop func(), err error) {
	if e.closed.Load() {
		return nil, fmt.Errorf("watch %q: %w", pattern, eventlog.ErrClosed)
	}
	return e.live.Watch(pattern, sink), nil
}

// Signal hands a signal to all who watch the channel.
func (e *Engine) Signal(ctx context.Context, s eventlog.Signal) error {
	if err := e.check(ctx, "signal on", s.Channel); err != nil {
		return err
	}
	return e.live.Signal(s)
}

// Slots returns the values of the channel's slots.
func (e *Engine) Slots(ctx context.Context, name string) ([]eventlog.Signal, error) {
	if err := e.check(ctx, "slots of", name); err != nil {
		return nil, err
	}
	return e.live.Slots(name), nil
}

// KV returns the engine's key-values.
func (e *Engine) KV() eventlog.KV { return e.kv }

// Info tells what kind of engine it is.
func (e *Engine) Info() eventlog.Info {
	return eventlog.Info{
		Name:     "memory",
		Lossless: true,
		Promise:  "An acknowledged publication is kept until this process ends.",
	}
}

// Health returns nil while the engine is open.
func (e *Engine) Health(ctx context.Context) error {
	if e.closed.Load() {
		return eventlog.ErrClosed
	}
	return ctx.Err()
}

// Close ends the engine and forgets everything.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed.Swap(true) {
		e.mu.Unlock()
		return nil
	}
	clear(e.channels)
	e.mu.Unlock()
	close(e.quit)
	e.janitor.Wait()
	e.live.Close()
	return nil
}

// check returns why an operation cannot be done.
func (e *Engine) check(ctx context.Context, verb, name string) error {
	err := ctx.Err()
	if e.closed.Load() {
		err = eventlog.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", verb, name, err)
	}
	return nil
}

func (e *Engine) tidyUp() {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.quit:
			return
		case now := <-tick.C:
			e.tidyChannels(now)
			e.kv.tidy(now)
		}
	}
}

// tidyChannels removes what has outlived its time, and the channels that have
// held nothing for long.
func (e *Engine) tidyChannels(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	forgotten := false
	for name, c := range e.channels {
		policy := e.policies.Of(name)
		e.tidy(c, &policy, now)
		if len(c.records) == 0 && len(c.keys) == 0 && now.Sub(c.emptied) > e.forgetAfter {
			delete(e.channels, name)
			forgotten = true
		}
	}
	if forgotten {
		e.forgotten = e.last.Load()
		e.epoch = newEpoch(e.epoch)
	}
}

// errKey says that a key or a value is out of the limits.
func errKey(k string, value []byte) error {
	if k == "" || len(k) > eventlog.MaxKVKeyBytes {
		return fmt.Errorf("key of %d bytes, not 1 to %d: %w", len(k), eventlog.MaxKVKeyBytes, eventlog.ErrInvalid)
	}
	if len(value) > eventlog.MaxKVValueBytes {
		return fmt.Errorf("value of %d bytes, more than %d: %w", len(value), eventlog.MaxKVValueBytes, eventlog.ErrInvalid)
	}
	return nil
}
