package natslog

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// keeper removes what the policies do not keep. It looks at a channel when this
// node has appended a tenth of what may be kept, when the channel is then quiet,
// and when its oldest record is too old. Once a day one of the nodes looks at all
// channels.
type keeper struct {
	e    *Engine
	wake chan struct{}

	mu sync.Mutex
	// mu guards the following.
	used  map[string]*usage
	queue []string // channels to look at
}

// usage is what the keeper knows of a channel.
type usage struct {
	// What this node has appended since the channel was looked at.
	records int
	bytes   int64
	last    time.Time // of the last append

	// What there was then, as far as it is known.
	known      bool
	kept       int
	keptBytes  int64
	sized      bool      // keptBytes is known
	oldestAges time.Time // when the oldest record is too old; zero: never
	queued     bool
}

const (
	keepTick   = time.Second
	keepIdle   = time.Second
	maxUsed    = 200_000
	sweepTick  = 10 * time.Minute
	sweepEvery = 24 * time.Hour
	sweepPause = time.Millisecond
)

func newKeeper(e *Engine) *keeper {
	return &keeper{e: e, wake: make(chan struct{}, 1), used: map[string]*usage{}}
}

// appended notes an append.
func (k *keeper) appended(b *eventlog.Batch) {
	policy := k.e.policies.Of(b.Channel)
	k.mu.Lock()
	defer k.mu.Unlock()
	u := k.used[b.Channel]
	if u == nil {
		if len(k.used) >= maxUsed {
			clear(k.used) // the daily look finds what is forgotten
		}
		u = &usage{}
		k.used[b.Channel] = u
	}
	u.records += len(b.Records)
	for i := range b.Records {
		u.bytes += int64(len(b.Records[i].Data))
	}
	u.last = time.Now()
	if policy.MaxRecords > 0 && u.records > policy.MaxRecords/10 && u.over(&policy) || policy.MaxBytes > 0 && u.bytes > policy.MaxBytes/10 && u.over(&policy) {
		k.enqueue(b.Channel, u)
	}
}

// over tells whether there may be more than the policy keeps.
func (u *usage) over(p *eventlog.Policy) bool {
	if !u.known {
		return true
	}
	if p.MaxRecords > 0 && (u.kept+u.records > p.MaxRecords || u.records > p.MaxRecords/10) {
		return true
	}
	return p.MaxBytes > 0 && (u.keptBytes+u.bytes > p.MaxBytes || u.bytes > p.MaxBytes/10)
}

// enqueue makes the keeper look at a channel. The lock is held.
func (k *keeper) enqueue(channel string, u *usage) {
	if u.queued {
		return
	}
	u.queued = true
	k.queue = append(k.queue, channel)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) run() {
	tick := time.NewTicker(keepTick)
	defer tick.Stop()
	for {
		select {
		case <-k.e.life.Done():
			return
		case now := <-tick.C:
			k.findDue(now)
		case <-k.wake:
			k.work()
		}
	}
}

// runSweeps looks at all channels now and then.
func (k *keeper) runSweeps() {
	tick := time.NewTicker(sweepTick)
	defer tick.Stop()
	for {
		select {
		case <-k.e.life.Done():
			return
		case <-tick.C:
			k.sweepAll(k.e.life)
		}
	}
}

// findDue looks for channels that are quiet after appends, or whose oldest record
// is too old.
func (k *keeper) findDue(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for channel, u := range k.used {
		policy := k.e.policies.Of(channel)
		quiet := u.records > 0 && now.Sub(u.last) > keepIdle && u.over(&policy)
		aged := !u.oldestAges.IsZero() && now.After(u.oldestAges)
		if quiet || aged {
			k.enqueue(channel, u)
		}
	}
}

// work looks at the channels that are queued.
func (k *keeper) work() {
	k.mu.Lock()
	queue := k.queue
	k.queue = nil
	k.mu.Unlock()
	for _, channel := range queue {
		if k.e.life.Err() != nil {
			return
		}
		k.look(channel)
	}
}

// look removes from a channel what its policy does not keep.
func (k *keeper) look(channel string) {
	k.mu.Lock()
	u := k.used[channel]
	if u == nil {
		u = &usage{}
	}
	was := *u
	u.records, u.bytes, u.queued = 0, 0, false
	k.mu.Unlock()
	next, err := k.keep(k.e.life, channel, was)
	if err != nil {
		if k.e.life.Err() == nil && !errors.Is(err, eventlog.ErrUnavailable) {
			k.e.log.Warn("remove old records", "channel", channel, "err", err)
		}
		k.mu.Lock()
		u.records += was.records // once more later
		u.bytes += was.bytes
		u.last = time.Now()
		k.mu.Unlock()
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	u.known, u.kept, u.keptBytes, u.sized, u.oldestAges = true, next.kept, next.keptBytes, next.sized, next.oldestAges
	if u.oldestAges.IsZero() && u.records == 0 && u.kept <= 1 {
		delete(k.used, channel)
	}
}

// keep removes from a channel what its policy does not keep, and returns what is
// then known of it.
func (k *keeper) keep(ctx context.Context, channel string, was usage) (usage, error) {
	e, p, policy := k.e, k.e.partition(channel), k.e.policies.Of(channel)
	filter := p.records + subjectOf(channel)
	head, err := e.head(ctx, channel)
	if err != nil || head.Offset == 0 {
		return usage{}, err
	}
	m, err := e.mark(ctx, channel)
	if err != nil {
		return usage{}, err
	}
	first, err := e.leaderGet(ctx, p.log, getRequest{Seq: 1, NextFor: filter})
	if err != nil {
		return usage{}, err
	}
	if first != nil && first.seq <= m.trimmed && first.seq < head.Offset {
		// Something was hidden and then not removed.
		if err := e.sweep(ctx, channel, min(m.trimmed+1, head.Offset)); err != nil {
			return usage{}, err
		}
		if first, err = e.leaderGet(ctx, p.log, getRequest{Seq: m.trimmed + 1, NextFor: filter}); err != nil {
			return usage{}, err
		}
	}
	if first == nil || first.seq <= m.trimmed {
		return usage{}, nil // all is hidden
	}
	n, _, err := e.count(ctx, p.log, filter)
	if err != nil {
		return usage{}, err
	}
	oldest, err := decode(first)
	if err != nil {
		return usage{}, err
	}
	next := usage{kept: n, keptBytes: was.guess(n), oldestAges: ages(oldest.Time, &policy)}
	tooOld := !next.oldestAges.IsZero() && time.Now().After(next.oldestAges)
	if !tooOld && (policy.MaxRecords < 0 || n <= policy.MaxRecords) && (policy.MaxBytes < 0 || next.keptBytes <= policy.MaxBytes) {
		return next, nil
	}
	return k.cut(ctx, channel, head.Offset, m.trimmed, &policy)
}

// guess returns how many bytes n records have.
func (u *usage) guess(n int) int64 {
	switch {
	case u.sized:
		return u.keptBytes + u.bytes
	case u.records > 0:
		return u.bytes / int64(u.records) * int64(n)
	}
	return 0
}

// ages returns when a record of a time is too old, or the zero time.
func ages(milli int64, p *eventlog.Policy) time.Time {
	if p.MaxAge < 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli).Add(p.MaxAge)
}

// outline is what the keeper has to know of a record.
type outline struct {
	offset uint64
	size   int
	time   int64
}

// cut reads a channel and removes its oldest records until it is as the policy
// says.
func (k *keeper) cut(ctx context.Context, channel string, head, after uint64, policy *eventlog.Policy) (usage, error) {
	p := k.e.partition(channel)
	var all []outline
	var bad error
	s := scan{stream: p.log, filter: p.records + subjectOf(channel), after: after, upTo: head, records: maxBatchRecords, bytes: 4 << 20}
	err := k.e.scan(ctx, s, func(m *stored) bool {
		var r eventlog.Record
		if r, bad = decode(m); bad == nil {
			all = append(all, outline{m.seq, len(m.data), r.Time})
		}
		return bad == nil
	})
	if err = errors.Join(err, bad); err != nil {
		return usage{}, err
	}
	n, bytes := excess(all, policy, time.Now())
	if n > 0 {
		at := all[n-1].offset
		if err := k.e.remove(ctx, channel, head, mark{trimmed: at, lost: at}); err != nil {
			return usage{}, err
		}
	}
	next := usage{kept: len(all) - n, keptBytes: bytes, sized: true}
	if n < len(all) {
		next.oldestAges = ages(all[n].time, policy)
	}
	return next, nil
}

// excess returns how many of the oldest records are too many or too old, and the
// bytes of the others. The last record is never too many.
func excess(all []outline, p *eventlog.Policy, now time.Time) (n int, bytes int64) {
	for i := range all {
		bytes += int64(all[i].size)
	}
	for ; n < len(all); n++ {
		rest := len(all) - n
		over := rest > 1 && (p.MaxRecords > 0 && rest > p.MaxRecords || p.MaxBytes > 0 && bytes > p.MaxBytes)
		aged := p.MaxAge > 0 && all[n].time < now.Add(-p.MaxAge).UnixMilli()
		if !over && !aged {
			break
		}
		bytes -= int64(all[n].size)
	}
	return n, bytes
}

// sweepAll looks at all channels of the partitions that no node has looked at for
// a day.
func (k *keeper) sweepAll(ctx context.Context) {
	for i, p := range k.e.parts {
		_, err := k.e.kv.Put(ctx, "natslog/sweep/"+strconv.Itoa(i), nil, eventlog.PutOptions{Expect: eventlog.Absent, TTL: sweepEvery})
		if err != nil {
			continue // another node does it, or the next time
		}
		if err := k.sweep(ctx, p); err != nil && ctx.Err() == nil {
			k.e.log.Warn("look at all channels", "stream", p.log, "err", err)
		}
	}
}

// sweep looks at all channels of a partition.
func (k *keeper) sweep(ctx context.Context, p *partition) error {
	for from := 0; ; {
		page, err := k.e.subjects(ctx, p.log, p.records+">", from)
		if err != nil || len(page) == 0 {
			return err
		}
		for subject := range page {
			ns, rest, _ := strings.Cut(strings.TrimPrefix(subject, p.records), ".")
			channel, err := channelOf(ns, rest)
			if err != nil {
				return err
			}
			k.look(channel)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(sweepPause):
			}
		}
		if from += len(page); len(page) < subjectsPage {
			return nil
		}
	}
}
