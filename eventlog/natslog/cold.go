package natslog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/recordcache"
)

// JetStream has no index of the sequences of a subject, so reading a channel that has
// little in a long stream is slow. What was read once is in a cache on this node's
// disk. Only reads ask it, and only for records: the head and the mark come from the
// leader each time, and so does the epoch, if it was not heard of for a second. What
// is live does not pass here.

// openCache opens the cache, if there is to be one. One that cannot be opened is no
// reason not to start.
func (e *Engine) openCache() {
	if e.opts.CacheDir == "" {
		return
	}
	c, err := recordcache.Open(recordcache.Options{Dir: e.opts.CacheDir, MaxBytes: e.opts.CacheBytes, Logger: e.log})
	if err != nil {
		e.log.Warn("there is no cache for what is read from NATS", "err", err)
		return
	}
	e.cache = c
	e.log.Info("copies of what is read from NATS are kept", "dir", e.opts.CacheDir)
}

// CacheStats counts lookups of records in the cache since the engine was opened.
type CacheStats struct {
	Hits, Misses int64 // that found some, and that found none
	Bytes        int64 // on disk, about
}

// CacheStats tells how the cache is used; all is zero without one.
func (e *Engine) CacheStats() CacheStats { return CacheStats(e.cache.Stats()) }

// place returns where the cache has the records of a channel, or nil if there is no
// cache.
func (e *Engine) place(channel string, epoch uint32) *recordcache.Place {
	if e.cache == nil {
		return nil
	}
	return &recordcache.Place{Stream: e.partition(channel).log, Epoch: epoch, Channel: channel}
}

// maxRemembered bounds the records that one read puts into the cache.
const maxRemembered = 1024

// fill reads records after an offset into f, and tells whether some were in the
// cache.
func (e *Engine) fill(ctx context.Context, f *forward, channel string, after uint64, head eventlog.Position) (cached bool, err error) {
	p, place := e.partition(channel), e.place(channel, head.Epoch)
	for place != nil && after < head.Offset {
		through, enough := e.cache.After(*place, after, f.take)
		if enough {
			return true, nil
		}
		if through == after {
			break
		}
		after, cached = through, true
	}
	if after >= head.Offset {
		return cached, nil
	}
	s := scan{
		stream: p.log, filter: p.records + subjectOf(channel), after: after, upTo: head.Offset,
		records: f.limit.Records, bytes: f.limit.Bytes,
	}
	var seen []eventlog.Record
	var bad error
	err = e.scan(ctx, s, func(m *stored) bool {
		r, err := decode(m)
		if err != nil {
			bad = err
			return false
		}
		if place != nil && len(seen) < maxRemembered {
			seen = append(seen, r)
		}
		return f.take(&r)
	})
	if err == nil {
		err = bad
	}
	if err == nil && len(seen) > 0 {
		e.cache.Keep(*place, after, seen[len(seen)-1].Offset, seen)
	}
	return cached, err
}

// takeCached takes records up to hi into b that are in the cache, and returns down to
// where all is taken.
func (e *Engine) takeCached(b *backward, hi uint64) (down uint64) {
	if b.place == nil {
		return hi
	}
	var got []eventlog.Record
	n, bytes := len(b.records), 0
	for i := range b.records {
		bytes += len(b.records[i].Data)
	}
	down, _ = e.cache.Before(*b.place, hi, func(r *eventlog.Record) bool {
		got = append(got, *r)
		n++
		bytes += len(r.Data)
		return n <= b.limit.Records && (n == 1 || bytes <= b.limit.Bytes) && r.Time >= b.oldest
	})
	b.cached = b.cached || down < hi
	slices.Reverse(got)
	b.records = append(got, b.records...)
	return down
}

// cachedBelow returns how far down a window from lo to hi has to be read: less far if
// the cache goes on from there, to below lo.
func (e *Engine) cachedBelow(b *backward, lo, hi uint64) uint64 {
	if b.place != nil {
		if from, to := e.cache.Below(*b.place, hi); from <= lo && to > lo {
			return to
		}
	}
	return lo
}

// keepCached puts a window that ends at hi into the cache.
func (e *Engine) keepCached(b *backward, hi uint64) {
	if b.place != nil && len(b.window) > 0 {
		e.cache.Keep(*b.place, b.from, hi, slices.Clone(b.window))
	}
}

// epochAge is how long an epoch is believed.
const epochAge = time.Second

// stillIn tells whether a partition still has an epoch, as its leader says or said a
// moment ago. An operator who restores a backup changes it.
func (e *Engine) stillIn(ctx context.Context, p *partition, epoch uint32) (bool, error) {
	now := time.Now()
	if now.UnixNano()-p.epochSeen.Load() < int64(epochAge) {
		return p.epoch.Load() == epoch, nil
	}
	var out struct {
		Config struct {
			Metadata map[string]string `json:"metadata"`
		} `json:"config"`
	}
	if err := e.request(ctx, "$JS.API.STREAM.INFO."+p.log, struct{}{}, &out); err != nil {
		return false, apiFailed(err)
	}
	found, err := strconv.ParseUint(out.Config.Metadata[metaEpoch], 10, 32)
	if err != nil || found == 0 {
		return false, fmt.Errorf("stream %s has no epoch in its metadata: %w", p.log, eventlog.ErrUnavailable)
	}
	if old := p.epoch.Swap(uint32(found)); old != uint32(found) {
		e.log.Warn("a stream has another epoch: positions before it are void", "stream", p.log)
		e.watch.resync()
	}
	p.epochSeen.Store(now.UnixNano())
	return uint32(found) == epoch, nil
}
