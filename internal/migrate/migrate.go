// Package migrate copies a data directory into another engine.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
)

// ErrDiffers says that the target has what is not from the source.
var ErrDiffers = errors.New("the target has other records")

const (
	atOnce     = 16 // channels
	page       = 64 // records
	pageBytes  = 512 << 10
	channels   = 256 // names in a list
	unknownFor = time.Minute
)

// Keep is the policy that both engines are opened with, so that neither removes
// anything meanwhile.
func Keep(string) eventlog.Policy {
	return eventlog.Policy{MaxRecords: -1, MaxBytes: -1, MaxAge: -1}
}

// Result is what was done.
type Result struct {
	Channels, Records, Keys, Snapshots int64 // that the target now has of the source

	Copied int64 // records that were not there before
	Left   int64 // leases, and snapshots that cannot be gone on from
}

// Run copies all channels with their records, idempotency keys and key-values, and
// then reads each record again to compare it. A Run that was cut short is gone on
// with by another one. Ids, users, times and tags stay; offsets and the epoch are
// the target's. Positions of webhooks and snapshots become those of the same records
// there. Leases are not copied, for nobody holds one; newest values of signals are in
// the memory of a server alone. Nobody else may use either engine meanwhile.
func Run(ctx context.Context, from *pebblelog.Engine, to eventlog.Engine, done func(channel string, records int64)) (Result, error) {
	m := &migration{from: from, to: to, done: done}
	var r Result
	if err := m.allChannels(ctx); err != nil {
		return r, err
	}
	if err := m.keyValues(ctx, &r); err != nil {
		return r, err
	}
	r.Channels, r.Records, r.Copied = m.channels.Load(), m.records.Load(), m.copied.Load()
	return r, nil
}

type migration struct {
	from *pebblelog.Engine
	to   eventlog.Engine
	done func(channel string, records int64)

	channels, records, copied atomic.Int64
}

// allChannels copies the channels, several at once.
func (m *migration) allChannels(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, atOnce)
	wait := func() {
		for range atOnce {
			slots <- struct{}{}
		}
	}
	for after := ""; ; {
		names, err := m.from.Channels(ctx, after, channels)
		if err != nil || len(names) == 0 {
			wait()
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		after = names[len(names)-1]
		for _, name := range names {
			slots <- struct{}{}
			go func() { // wait waits for it
				defer func() { <-slots }()
				if err := m.channel(ctx, name); err != nil {
					cancel(fmt.Errorf("channel %q: %w", name, err))
				}
			}()
		}
	}
}

// channel copies a channel, and reads it again.
func (m *migration) channel(ctx context.Context, name string) error {
	used, err := m.from.UsedKeys(ctx, name)
	if err != nil {
		return err
	}
	keys := map[uint64]pebblelog.UsedKey{} // by the first offset of their appends
	for _, k := range used {
		keys[k.First] = k
	}
	for deadline := time.Now().Add(unknownFor); ; {
		err := m.copy(ctx, name, keys)
		if err == nil {
			break
		}
		temporary := errors.Is(err, eventlog.ErrUnknown) || errors.Is(err, eventlog.ErrUnavailable)
		if !temporary || time.Now().After(deadline) || !pause(ctx) {
			return err
		}
	}
	n, err := m.compare(ctx, name)
	if err != nil {
		return err
	}
	m.records.Add(n)
	if n > 0 {
		m.channels.Add(1)
	}
	if m.done != nil {
		m.done(name, n)
	}
	return nil
}

// pause waits a moment, and tells whether to go on.
func pause(ctx context.Context) bool {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reader reads the records of a channel one after the other.
type reader struct {
	engine  eventlog.Engine
	channel string
	after   uint64
	head    uint64
	page    []eventlog.Record
	end     bool
}

// next returns the next record, or nil after the last.
func (r *reader) next(ctx context.Context) (*eventlog.Record, error) {
	for len(r.page) == 0 && !r.end {
		p, err := r.engine.Read(ctx, r.channel, r.after, eventlog.Limit{Records: page, Bytes: pageBytes})
		if err != nil {
			return nil, err
		}
		r.page, r.end, r.head = p.Records, !p.More, p.Head.Offset
	}
	if len(r.page) == 0 {
		return nil, nil
	}
	one := &r.page[0]
	r.page, r.after = r.page[1:], one.Offset
	return one, nil
}

func same(a, b *eventlog.Record) bool {
	return a.ID == b.ID && a.Key == b.Key && a.User == b.User && a.Time == b.Time && maps.Equal(a.Tags, b.Tags) && string(a.Data) == string(b.Data)
}

// copy goes on behind what the target has, which has to be how the source begins.
func (m *migration) copy(ctx context.Context, name string, keys map[uint64]pebblelog.UsedKey) error {
	from, there := &reader{engine: m.from, channel: name}, &reader{engine: m.to, channel: name}
	for {
		b, err := there.next(ctx)
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		a, err := from.next(ctx)
		switch {
		case err != nil:
			return err
		case a == nil:
			return fmt.Errorf("%w: %s follows what the directory has", ErrDiffers, b.ID)
		case !same(a, b):
			return fmt.Errorf("%w: %s where the directory has %s", ErrDiffers, b.ID, a.ID)
		}
	}
	return m.rest(ctx, name, from, there.head, keys)
}

// rest appends what a reader has left to a channel of the target with a head.
func (m *migration) rest(ctx context.Context, name string, from *reader, head uint64, keys map[uint64]pebblelog.UsedKey) error {
	b := &eventlog.Batch{Channel: name}
	bytes := 0
	flush := func() (err error) {
		if len(b.Records) > 0 {
			head, err = m.append(ctx, b, head)
		}
		b, bytes = &eventlog.Batch{Channel: name}, 0
		return err
	}
	var within uint64 // the last offset of the append that is being gathered
	for {
		r, err := from.next(ctx)
		if err != nil {
			return err
		}
		if r == nil {
			return flush()
		}
		k, keyed := keys[r.Offset]
		alone := keyed || r.Offset > within && (b.DedupKey != "" || len(b.Records) == page || bytes+len(r.Data) > pageBytes)
		if alone {
			if err := flush(); err != nil {
				return err
			}
		}
		if keyed {
			b.DedupKey, b.Hash, within = k.DedupKey, k.Hash, k.Last
		}
		one := *r
		one.Offset = 0
		b.Records = append(b.Records, one)
		bytes += len(r.Data)
	}
}

// append appends a batch behind a head, and returns the new one.
func (m *migration) append(ctx context.Context, b *eventlog.Batch, head uint64) (uint64, error) {
	b.Expect = eventlog.At(head)
	type outcome struct {
		appended eventlog.Appended
		err      error
	}
	ended := make(chan outcome, 1)
	m.to.Append(b, func(a eventlog.Appended, err error) { ended <- outcome{a, err} })
	select {
	case o := <-ended:
		if o.err != nil {
			return 0, o.err
		}
		if o.appended.Duplicate {
			return 0, fmt.Errorf("%w: key of %s was used there before", ErrDiffers, b.Records[0].ID)
		}
		m.copied.Add(int64(len(b.Records)))
		return o.appended.Last.Offset, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// compare reads a channel on both sides, and returns how many records it has.
func (m *migration) compare(ctx context.Context, name string) (n int64, err error) {
	from, to := &reader{engine: m.from, channel: name}, &reader{engine: m.to, channel: name}
	for ; ; n++ {
		a, err := from.next(ctx)
		if err != nil {
			return n, err
		}
		b, err := to.next(ctx)
		switch {
		case err != nil:
			return n, err
		case a == nil && b == nil:
			return n, nil
		case a == nil || b == nil || !same(a, b):
			return n, fmt.Errorf("%w: record %d is not as it was", ErrDiffers, n+1)
		}
	}
}
