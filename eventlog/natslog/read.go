package natslog

import (
	"context"
	"fmt"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/recordcache"
)

// Head returns the position of the last record ever stored in a channel, as the
// leader knows it.
func (e *Engine) Head(ctx context.Context, channel string) (eventlog.Position, error) {
	if err := e.check(ctx, "head of", channel); err != nil {
		return eventlog.Position{}, err
	}
	p, err := e.head(ctx, channel)
	if err != nil {
		return p, fmt.Errorf("head of %q: %w", channel, err)
	}
	return p, nil
}

func (e *Engine) head(ctx context.Context, channel string) (eventlog.Position, error) {
	p := e.partition(channel)
	pos := eventlog.Position{Epoch: p.epoch.Load()}
	m, err := e.leaderGet(ctx, p.log, getRequest{LastFor: p.records + subjectOf(channel)})
	if m != nil {
		pos.Offset = m.seq
	}
	return pos, err
}

// mark returns what was taken from a channel, as the leader knows it.
func (e *Engine) mark(ctx context.Context, channel string) (mark, error) {
	p := e.partition(channel)
	m, err := e.leaderGet(ctx, p.log, getRequest{LastFor: p.marks + subjectOf(channel)})
	if err != nil || m == nil {
		return mark{}, err
	}
	return decodeMark(m.data, m.seq)
}

// oldest returns the time before which records of a channel are hidden.
func (e *Engine) oldest(channel string) int64 {
	age := e.policies.Of(channel).MaxAge
	if age < 0 {
		return 0
	}
	return time.Now().Add(-age).UnixMilli()
}

// decode returns the record of a message.
func decode(m *stored) (eventlog.Record, error) {
	r := eventlog.Record{Offset: m.seq, Data: m.data}
	return r, decodeMeta(meta(m.header), &r)
}

// Read returns records with offsets above after, oldest first.
func (e *Engine) Read(ctx context.Context, channel string, after uint64, limit eventlog.Limit) (eventlog.Page, error) {
	if err := e.check(ctx, "read", channel); err != nil {
		return eventlog.Page{}, err
	}
	page, err := e.read(ctx, channel, after, limit.WithDefaults())
	if err != nil {
		return eventlog.Page{}, fmt.Errorf("read %q: %w", channel, err)
	}
	return page, nil
}

func (e *Engine) read(ctx context.Context, channel string, after uint64, limit eventlog.Limit) (eventlog.Page, error) {
	for {
		head, err := e.head(ctx, channel)
		if err != nil {
			return eventlog.Page{}, err
		}
		if head.Offset == 0 {
			return eventlog.Page{Head: head, Complete: after == 0}, nil
		}
		page, cached, err := e.readFrom(ctx, channel, head, after, limit)
		if err != nil || !cached {
			return page, err
		}
		if same, err := e.stillIn(ctx, e.partition(channel), head.Epoch); err != nil || same {
			return page, err
		}
	}
}

// readFrom reads a channel with a head, and tells whether some was in the cache.
func (e *Engine) readFrom(ctx context.Context, channel string, head eventlog.Position, after uint64, limit eventlog.Limit) (page eventlog.Page, cached bool, err error) {
	f := forward{limit: limit, oldest: e.oldest(channel)}
	for start := after; ; {
		some, err := e.fill(ctx, &f, channel, start, head)
		cached = cached || some
		if err != nil {
			return eventlog.Page{}, cached, err
		}
		// The mark is read after the records: what it does not tell of was there
		// while they were read, or when they were put into the cache.
		m, err := e.mark(ctx, channel)
		if err != nil {
			return eventlog.Page{}, cached, err
		}
		if len(f.records) > 0 && f.records[0].Offset <= m.trimmed {
			// Hidden, but not gone yet.
			f = forward{limit: limit, oldest: f.oldest}
			start = m.trimmed
			continue
		}
		page := eventlog.Page{Records: f.records, Head: head, Complete: after >= m.lost && !f.aged}
		if f.last > head.Offset {
			page.Head.Offset = f.last
		}
		page.More = f.full && f.last < page.Head.Offset
		return page, cached, nil
	}
}

// forward gathers the records of a page, oldest first.
type forward struct {
	limit  eventlog.Limit
	oldest int64 // records before this time are hidden

	records []eventlog.Record
	bytes   int
	last    uint64 // offset of the last record that was seen
	aged    bool   // some were hidden
	full    bool   // a limit was reached
}

func (f *forward) take(r *eventlog.Record) bool {
	if len(f.records) == 0 && r.Time < f.oldest {
		f.aged, f.last = true, r.Offset
		return true
	}
	if len(f.records) > 0 && f.bytes+len(r.Data) > f.limit.Bytes {
		f.full = true
		return false
	}
	f.records = append(f.records, *r)
	f.bytes += len(r.Data)
	f.last = r.Offset
	f.full = len(f.records) >= f.limit.Records
	return !f.full
}

// ReadBefore returns the newest records with offsets below before, oldest first;
// before 0 stands for the end of the log.
func (e *Engine) ReadBefore(ctx context.Context, channel string, before uint64, limit eventlog.Limit) (eventlog.Page, error) {
	if err := e.check(ctx, "read", channel); err != nil {
		return eventlog.Page{}, err
	}
	page, err := e.readBefore(ctx, channel, before, limit.WithDefaults())
	if err != nil {
		return eventlog.Page{}, fmt.Errorf("read %q: %w", channel, err)
	}
	return page, nil
}

func (e *Engine) readBefore(ctx context.Context, channel string, before uint64, limit eventlog.Limit) (eventlog.Page, error) {
	for {
		head, err := e.head(ctx, channel)
		if err != nil {
			return eventlog.Page{}, err
		}
		page := eventlog.Page{Head: head, Complete: true}
		if head.Offset == 0 {
			return page, nil
		}
		m, err := e.mark(ctx, channel)
		if err != nil {
			return eventlog.Page{}, err
		}
		b := backward{limit: limit, oldest: e.oldest(channel), upper: head.Offset, place: e.place(channel, head.Epoch)}
		if before != 0 {
			b.upper = min(before-1, head.Offset)
		}
		if err := e.fillBack(ctx, &b, channel, m.trimmed, head.Offset); err != nil {
			return eventlog.Page{}, err
		}
		if m, err = e.mark(ctx, channel); err != nil {
			return eventlog.Page{}, err
		}
		page.Records, page.More = b.page(m.trimmed)
		page.Complete = m.lost == 0 && !b.aged
		if !b.cached {
			return page, nil
		}
		if same, err := e.stillIn(ctx, e.partition(channel), head.Epoch); err != nil || same {
			return page, err
		}
	}
}

// firstWindow is how many sequences are looked through at first, for each record
// that is wanted. Each next window is windowGrowth times as wide: a stream cannot
// be read backwards.
const (
	firstWindow  = 2
	minWindow    = 64
	windowGrowth = 8
)

// fillBack reads into b, from its upper end down to floor at most, until there is
// enough.
func (e *Engine) fillBack(ctx context.Context, b *backward, channel string, floor, head uint64) error {
	p := e.partition(channel)
	s := scan{stream: p.log, filter: p.records + subjectOf(channel), upTo: head, records: b.limit.Records + 1, bytes: b.limit.Bytes + b.limit.Bytes/4}
	hi := e.takeCached(b, b.upper)
	if b.enough() || hi <= floor {
		return nil
	}
	first, err := e.leaderGet(ctx, p.log, getRequest{Seq: floor + 1, NextFor: s.filter})
	if err != nil || first == nil || first.seq > hi {
		return err
	}
	floor = first.seq - 1
	width := uint64(max(firstWindow*b.limit.Records, minWindow))
	for !b.enough() && hi > floor {
		lo := floor
		if hi-floor > width {
			lo = hi - width
		}
		lo = e.cachedBelow(b, lo, hi)
		s.after, s.upTo = lo, head
		b.window, b.from = nil, lo
		if err := e.scan(ctx, s, func(m *stored) bool { return b.take(m, hi) }); err != nil {
			return err
		}
		if b.err != nil {
			return b.err
		}
		e.keepCached(b, hi)
		b.records = append(b.window, b.records...)
		hi, width = e.takeCached(b, lo), width*windowGrowth
	}
	return nil
}

// backward gathers the records of a page that ends at an offset.
type backward struct {
	limit  eventlog.Limit
	oldest int64
	upper  uint64             // the last offset that is wanted
	place  *recordcache.Place // where the cache has such records; nil: it is not asked

	window  []eventlog.Record
	from    uint64 // window has all that comes after this
	records []eventlog.Record
	aged    bool
	cached  bool // some was in the cache
	err     error
}

// take takes a record of the window that ends at hi. Only as many are kept as can
// be wanted.
func (b *backward) take(m *stored, hi uint64) bool {
	if m.seq > hi {
		return false
	}
	r, err := decode(m)
	if err != nil {
		b.err = err
		return false
	}
	b.window = append(b.window, r)
	if n := len(b.window) - b.limit.Records - 1; n > b.limit.Records {
		b.from = b.window[n-1].Offset
		b.window = append([]eventlog.Record(nil), b.window[n:]...)
	}
	return true
}

// enough tells whether there is more than the limits allow, or what comes before
// is too old.
func (b *backward) enough() bool {
	if len(b.records) == 0 {
		return false
	}
	bytes := 0
	for i := range b.records {
		bytes += len(b.records[i].Data)
	}
	// The newest is in the page however large it is.
	return len(b.records) > b.limit.Records || len(b.records) > 1 && bytes > b.limit.Bytes || b.records[0].Time < b.oldest
}

// page returns the newest records within the limits, without those up to trimmed
// and those that are too old.
func (b *backward) page(trimmed uint64) (page []eventlog.Record, more bool) {
	rest := b.records
	for len(rest) > 0 && rest[0].Offset <= trimmed {
		rest = rest[1:]
	}
	for len(rest) > 0 && rest[0].Time < b.oldest {
		rest, b.aged = rest[1:], true
	}
	n, bytes := 0, 0
	for n < len(rest) && n < b.limit.Records {
		bytes += len(rest[len(rest)-1-n].Data)
		if n > 0 && bytes > b.limit.Bytes {
			break
		}
		n++
	}
	if n == 0 {
		return nil, false
	}
	return rest[len(rest)-n:], n < len(rest)
}
