package logtest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/starling-rt/starling/eventlog"
)

// Faulty is an engine that fails at chosen calls. A call that does not fail goes
// straight to the engine inside.
type Faulty struct {
	inner eventlog.Engine

	mu sync.Mutex
	// mu guards the following.
	faults []*fault
	counts map[Call]int
}

// fault is a call that is to fail.
type fault struct {
	call    Call
	left    int // calls until it comes; below 1: always
	err     error
	through bool
}

// NewFaulty returns an engine that fails where it is told, around another.
func NewFaulty(inner eventlog.Engine) *Faulty {
	return &Faulty{inner: inner, counts: map[Call]int{}}
}

// Fail makes the nth call of a kind from now on (1: the next, 0: every one)
// fail with err, without reaching the engine inside. For CallDeliver it makes
// the delivery get lost.
func (f *Faulty) Fail(call Call, nth int, err error) { f.add(&fault{call: call, left: nth, err: err}) }

// FailThrough makes the nth call of a kind from now on (1: the next, 0: every
// one) do its work in the engine inside and then fail with err.
func (f *Faulty) FailThrough(call Call, nth int, err error) {
	f.add(&fault{call: call, left: nth, err: err, through: true})
}

// Heal takes back all faults that have not come.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Calls returns how many calls of a kind there were.
func (f *Faulty) Calls(call Call) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[call]
}

func (f *Faulty) add(ft *fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, ft)
}

// fault returns how this call fails: before its work or after it.
func (f *Faulty) fault(call Call, channel string) (before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[call]++
	var hit *fault
	f.faults = slices.DeleteFunc(f.faults, func(ft *fault) bool {
		if ft.call != call {
			return false
		}
		ft.left--
		if ft.left < 0 { // every one
			ft.left = 0
			hit = ft
			return false
		}
		if ft.left == 0 {
			hit = ft
		}
		return ft.left == 0
	})
	if hit == nil {
		return nil, nil
	}
	err := fmt.Errorf("%s %q: %w", call, channel, hit.err)
	if hit.through {
		return nil, err
	}
	return err, nil
}

// around does the work of a call, or fails.
func (f *Faulty) around(call Call, channel string, work func() error) error {
	before, after := f.fault(call, channel)
	if before != nil {
		return before
	}
	if err := work(); err != nil {
		return err
	}
	return after
}

// Append passes a batch on, or fails.
func (f *Faulty) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	before, after := f.fault(CallAppend, b.Channel)
	switch {
	case before != nil:
		done(eventlog.Appended{}, before)
	case after != nil:
		f.inner.Append(b, func(eventlog.Appended, error) { done(eventlog.Appended{}, after) })
	default:
		f.inner.Append(b, done)
	}
}

// Head passes the call on, or fails.
func (f *Faulty) Head(ctx context.Context, channel string) (p eventlog.Position, err error) {
	err = f.around(CallHead, channel, func() error {
		p, err = f.inner.Head(ctx, channel)
		return err
	})
	return p, err
}

// Read passes the call on, or fails.
func (f *Faulty) Read(ctx context.Context, channel string, after uint64, limit eventlog.Limit) (p eventlog.Page, err error) {
	err = f.around(CallRead, channel, func() error {
		p, err = f.inner.Read(ctx, channel, after, limit)
		return err
	})
	return p, err
}

// ReadBefore passes the call on, or fails.
func (f *Faulty) ReadBefore(ctx context.Context, channel string, before uint64, limit eventlog.Limit) (p eventlog.Page, err error) {
	err = f.around(CallReadBefore, channel, func() error {
		p, err = f.inner.ReadBefore(ctx, channel, before, limit)
		return err
	})
	return p, err
}

// Trim passes the call on, or fails.
func (f *Faulty) Trim(ctx context.Context, channel string, through uint64) error {
	return f.around(CallTrim, channel, func() error { return f.inner.Trim(ctx, channel, through) })
}

// Delete passes the call on, or fails.
func (f *Faulty) Delete(ctx context.Context, channel string) error {
	return f.around(CallDelete, channel, func() error { return f.inner.Delete(ctx, channel) })
}

// Signal passes the call on, or fails.
func (f *Faulty) Signal(ctx context.Context, s eventlog.Signal) error {
	return f.around(CallSignal, s.Channel, func() error { return f.inner.Signal(ctx, s) })
}

// Slots passes the call on, or fails.
func (f *Faulty) Slots(ctx context.Context, channel string) (slots []eventlog.Signal, err error) {
	err = f.around(CallSlots, channel, func() error {
		slots, err = f.inner.Slots(ctx, channel)
		return err
	})
	return slots, err
}

// Watch passes the call on, or fails.
func (f *Faulty) Watch(pattern string, sink eventlog.Sink) (stop func(), err error) {
	err = f.around(CallWatch, pattern, func() error {
		stop, err = f.inner.Watch(pattern, faultySink{f, sink})
		return err
	})
	return stop, err
}

// KV returns the engine's key-values, which fail as well.
func (f *Faulty) KV() eventlog.KV { return faultyKV{f, f.inner.KV()} }

// Info tells what kind of engine is inside.
func (f *Faulty) Info() eventlog.Info { return f.inner.Info() }

// Health passes the call on.
func (f *Faulty) Health(ctx context.Context) error { return f.inner.Health(ctx) }

// Close closes the engine inside.
func (f *Faulty) Close() error { return f.inner.Close() }

// faultySink is a sink that may lose what is delivered.
type faultySink struct {
	faulty *Faulty
	sink   eventlog.Sink
}

func (s faultySink) Deliver(l *eventlog.Live) {
	if before, _ := s.faulty.fault(CallDeliver, l.Channel); before == nil {
		s.sink.Deliver(l)
	}
}

// faultyKV is the key-values of a Faulty engine.
type faultyKV struct {
	faulty *Faulty
	inner  eventlog.KV
}

// Get passes the call on, or fails.
func (k faultyKV) Get(ctx context.Context, key string) (it eventlog.Item, err error) {
	err = k.faulty.around(CallGet, key, func() error {
		it, err = k.inner.Get(ctx, key)
		return err
	})
	return it, err
}

// Put passes the call on, or fails.
func (k faultyKV) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (rev uint64, err error) {
	err = k.faulty.around(CallPut, key, func() error {
		rev, err = k.inner.Put(ctx, key, value, o)
		return err
	})
	return rev, err
}

// Delete passes the call on, or fails.
func (k faultyKV) Delete(ctx context.Context, key string, expect eventlog.RevisionExpectation) error {
	return k.faulty.around(CallRemove, key, func() error { return k.inner.Delete(ctx, key, expect) })
}

// List passes the call on, or fails.
func (k faultyKV) List(ctx context.Context, prefix, after string, limit int) (items []eventlog.Item, err error) {
	err = k.faulty.around(CallList, prefix, func() error {
		items, err = k.inner.List(ctx, prefix, after, limit)
		return err
	})
	return items, err
}
