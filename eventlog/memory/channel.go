package memory

import (
	"slices"
	"sort"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// channel is the log of one channel. The engine's lock guards it.
type channel struct {
	epoch uint32
	// born is the last number that a forgotten channel may have had when this
	// one was made: positions up to it may be of an earlier life.
	born uint64

	last uint64 // offset of the last record ever
	// trimmed is the highest offset that was removed.
	trimmed uint64
	// records are what is kept. Nothing is ever written below its length, so
	// that pages can share it.
	records []eventlog.Record
	bytes   int64
	emptied time.Time // when the last record went

	keys map[string]key
	// order has the keys by their time of expiry.
	order []keyExpiry
}

// key is what is remembered of an idempotent append.
type key struct {
	hash     uint64
	appended eventlog.Appended
	expires  time.Time
}

type keyExpiry struct {
	key     string
	expires time.Time
}

func (c *channel) add(records []eventlog.Record) {
	c.records = append(c.records, records...)
	for i := range records {
		c.bytes += int64(len(records[i].Data))
	}
}

// retain removes the oldest records as long as there are too many, but never the
// last.
func (c *channel) retain(p *eventlog.Policy) {
	n, bytes := 0, c.bytes
	for kept := len(c.records); kept > 1; kept-- {
		if (p.MaxRecords < 0 || kept <= p.MaxRecords) && (p.MaxBytes < 0 || bytes <= p.MaxBytes) {
			break
		}
		bytes -= int64(len(c.records[n].Data))
		n++
	}
	c.removeOldest(n)
}

// tidy removes the records and keys that are too old, and returns how many keys.
func (c *channel) tidy(p *eventlog.Policy, now time.Time) (keys int) {
	if p.MaxAge >= 0 {
		limit := now.Add(-p.MaxAge).UnixMilli()
		n := 0
		for n < len(c.records) && c.records[n].Time < limit {
			n++
		}
		if c.removeOldest(n); n > 0 && len(c.records) == 0 {
			c.emptied = now
		}
	}
	n := 0
	for n < len(c.order) && !c.order[n].expires.After(now) {
		n++
	}
	return c.forgetKeys(n)
}

// forgetKeys removes up to n of the oldest keys, and returns how many it were.
func (c *channel) forgetKeys(n int) int {
	n = min(n, len(c.order))
	for _, o := range c.order[:n] {
		delete(c.keys, o.key)
	}
	c.order = c.order[n:]
	return n
}

func (c *channel) removeOldest(n int) {
	if n == 0 {
		return
	}
	for i := range n {
		c.bytes -= int64(len(c.records[i].Data))
	}
	c.trimmed = max(c.trimmed, c.records[n-1].Offset)
	c.records = c.records[n:]
	// What was removed is not to be held by what is left.
	if n > len(c.records) {
		c.records = slices.Clone(c.records)
	}
}

func (c *channel) trim(through uint64, now time.Time) {
	n := c.above(through)
	if c.removeOldest(n); n > 0 && len(c.records) == 0 {
		c.emptied = now
	}
}

// clear removes everything. No position before the number at is good any more.
func (c *channel) clear(at uint64, now time.Time) {
	c.records, c.bytes, c.emptied = nil, 0, now
	c.keys, c.order = nil, nil
	c.trimmed = at
}

func (c *channel) remember(name string, k key) {
	if c.keys == nil {
		c.keys = map[string]key{}
	}
	c.keys[name] = k
	c.order = append(c.order, keyExpiry{name, k.expires})
}

// complete tells whether nothing after the offset was removed.
func (c *channel) complete(after uint64) bool {
	return after >= c.trimmed && (after == 0 || after >= c.born)
}

// above returns the index of the first record whose offset is above offset.
func (c *channel) above(offset uint64) int {
	return sort.Search(len(c.records), func(i int) bool { return c.records[i].Offset > offset })
}

func (c *channel) after(after uint64, limit eventlog.Limit) (page []eventlog.Record, more bool) {
	rest := c.records[c.above(after):]
	n, bytes := 0, 0
	for n < len(rest) && n < limit.Records {
		bytes += len(rest[n].Data)
		if n > 0 && bytes > limit.Bytes {
			break
		}
		n++
	}
	return slices.Clip(rest[:n]), n < len(rest)
}

func (c *channel) before(before uint64, limit eventlog.Limit) (page []eventlog.Record, more bool) {
	rest := c.records
	if before != 0 {
		rest = rest[:c.above(before-1)]
	}
	n, bytes := 0, 0
	for n < len(rest) && n < limit.Records {
		bytes += len(rest[len(rest)-1-n].Data)
		if n > 0 && bytes > limit.Bytes {
			break
		}
		n++
	}
	return slices.Clip(rest[len(rest)-n:]), n < len(rest)
}
