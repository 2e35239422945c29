package pebblelog

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/starling-rt/starling/eventlog"
)

// cut is what is to be removed from a channel: its oldest records.
type cut struct {
	name    string
	from    uint64 // what is below is gone already
	through uint64 // offset of the last that goes; 0: nothing goes
	count   int64
	bytes   int64
	next    int64 // time of the oldest that stays; 0: none was seen
}

// measure looks which of the oldest records of a channel go: as long as goes
// says so. The lock of those who remove is held, so that they stay until then.
func (e *Engine) measure(name string, goes func(c *cut, v *view, offset uint64, time int64, bytes int) bool) (cut, error) {
	v, err := e.view(name)
	if err != nil || !v.known || v.trimmed >= v.last {
		return cut{}, err
	}
	c := cut{name: name, from: v.trimmed + 1}
	err = e.scan(name, c.from, v.last, func(it *pebble.Iterator) error {
		for ok := it.First(); ok; ok = it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			t, n, err := recordStat(value)
			if err != nil {
				return err
			}
			offset := offsetOf(it.Key())
			if !goes(&c, &v, offset, t, n) {
				c.next = max(t, 1)
				return nil
			}
			c.through = offset
			c.count++
			c.bytes += int64(n)
		}
		return nil
	})
	return c, err
}

// remove carries out a cut, in the committer.
func (e *Engine) remove(g *group, c *cut) error {
	ch, err := e.acquire(g, c.name)
	if err != nil {
		return err
	}
	m := &ch.cur
	m.trimmed = max(m.trimmed, c.through)
	m.count = max(m.count-c.count, 0)
	m.bytes = max(m.bytes-c.bytes, 0)
	switch {
	case m.count == 0:
		m.oldest, m.emptied = 0, g.now
	case c.next != 0:
		m.oldest = c.next
	default: // What was appended in the meantime is not older than now.
		m.oldest = g.now
	}
	m.version++
	e.channels.announce(ch, m.trimmed)
	e.deleteRange(g, recordKey(nil, c.name, c.from), recordKey(nil, c.name, c.through+1))
	return nil
}

// Trim removes the records with offsets up to and including through.
func (e *Engine) Trim(ctx context.Context, channel string, through uint64) error {
	if err := e.trim(ctx, channel, through); err != nil {
		return fmt.Errorf("trim %q: %w", channel, err)
	}
	return nil
}

func (e *Engine) trim(ctx context.Context, channel string, through uint64) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	if err := e.health.writable(); err != nil {
		return err
	}
	e.removing.Lock()
	defer e.removing.Unlock()
	c, err := e.measure(channel, func(_ *cut, _ *view, offset uint64, _ int64, _ int) bool { return offset <= through })
	if err != nil || c.through == 0 {
		return err
	}
	// Whoever removes next has to see what this one did: no context.
	return e.submit(context.WithoutCancel(ctx), 0, func(g *group) error { return e.remove(g, &c) })
}

// Delete removes all records, keys and slots of a channel.
func (e *Engine) Delete(ctx context.Context, channel string) error {
	if err := e.deleteChannel(ctx, channel); err != nil {
		return fmt.Errorf("delete %q: %w", channel, err)
	}
	return nil
}

func (e *Engine) deleteChannel(ctx context.Context, channel string) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	if err := e.health.writable(); err != nil {
		return err
	}
	e.removing.Lock()
	defer e.removing.Unlock()
	err := e.submit(context.WithoutCancel(ctx), 0, func(g *group) error { return e.clear(g, channel) })
	if err == nil {
		e.live.Clear(channel)
	}
	return err
}

// clear removes all of a channel but its head, in the committer. It takes a
// number, so that no position from before, the head among them, is complete.
func (e *Engine) clear(g *group, name string) error {
	ch, err := e.acquire(g, name)
	if err != nil || ch.cur.last == 0 {
		return err
	}
	e.committer.last++
	m := &ch.cur
	m.trimmed = e.committer.last
	m.count, m.bytes, m.oldest, m.emptied = 0, 0, 0, g.now
	m.version++
	e.channels.announce(ch, m.trimmed)
	e.deleteRange(g, recordKey(nil, name, 0), recordKey(nil, name, math.MaxUint64))
	if window := uint64(ch.policy.KeyWindow.Milliseconds()); ch.policy.KeyWindow > 0 {
		bucket := uint64(g.now) / window
		for _, at := range [...]uint64{bucket, bucket - 1} {
			prefix := dedupPrefix(nil, window, at, name)
			e.deleteRange(g, prefix, prefixEnd(prefix))
		}
	}
	for k := range g.keys {
		if k.ch == ch {
			delete(g.keys, k)
		}
	}
	return nil
}

// over tells whether a channel keeps more than it may, by more than is worth a
// removal of its own.
func over(p *eventlog.Policy, m *meta) bool {
	return m.count > 1 &&
		(p.MaxRecords >= 0 && m.count > int64(p.MaxRecords)+int64(p.MaxRecords)/64 ||
			p.MaxBytes >= 0 && m.bytes > p.MaxBytes+p.MaxBytes/64)
}

// tooMuch returns what a policy removes from a channel.
func (e *Engine) tooMuch(name string, now time.Time) (cut, error) {
	p := e.opts.Policies.Of(name)
	old := int64(math.MinInt64)
	if p.MaxAge >= 0 {
		old = now.Add(-p.MaxAge).UnixMilli()
	}
	return e.measure(name, func(c *cut, v *view, _ uint64, time int64, _ int) bool {
		count, bytes := v.count-c.count, v.bytes-c.bytes
		return time < old ||
			count > 1 && (p.MaxRecords >= 0 && count > int64(p.MaxRecords) || p.MaxBytes >= 0 && bytes > p.MaxBytes)
	})
}
