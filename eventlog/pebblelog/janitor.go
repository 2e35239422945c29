package pebblelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/starling-rt/starling/eventlog"
)

const (
	// janitorEvery is how often the janitor looks for what has outlived its
	// time, and sweepRows how many rows it looks at.
	janitorEvery = time.Second
	sweepRows    = 2000
	// retainEvery is how close two rounds of removal may follow each other,
	// and dedupEvery two sweeps of idempotency keys.
	retainEvery = 50 * time.Millisecond
	dedupEvery  = time.Minute
)

// retainer knows which channels keep too much.
type retainer struct {
	wake chan struct{}

	mu    sync.Mutex
	names map[string]bool
}

func (r *retainer) add(names []string) {
	if len(names) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = map[string]bool{}
	}
	for _, n := range names {
		r.names[n] = true
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *retainer) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.Collect(maps.Keys(r.names))
	r.names = nil
	return names
}

// runRetainer removes what channels keep too much, soon after it is there.
func (e *Engine) runRetainer() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-e.quit:
			return
		case <-e.retainer.wake:
		}
		timer.Reset(retainEvery)
		select {
		case <-e.quit:
			return
		case <-timer.C:
		}
		e.tidied("remove old records", e.retain(e.retainer.take()))
	}
}

// tidied notes what went wrong in the background.
func (e *Engine) tidied(what string, err error) {
	if err == nil || errors.Is(err, eventlog.ErrClosed) || e.health.broken() != nil {
		return
	}
	e.health.backgroundError(err)
	e.opts.Logger.Error(what, "dir", e.dir, "err", err)
}

// retain removes what the policies of channels say, all in one go.
func (e *Engine) retain(names []string) error {
	if len(names) == 0 || e.health.broken() != nil {
		return nil
	}
	e.removing.Lock()
	defer e.removing.Unlock()
	now := time.Now()
	results := make(chan error, len(names))
	waiting := 0
	var failed error
	for _, name := range names {
		c, err := e.tooMuch(name, now)
		if err == nil && c.through != 0 {
			err = e.queue.put(op{
				change:   func(g *group) error { return e.remove(g, &c) },
				finished: func(err error) { results <- err },
			})
			if err == nil {
				waiting++
			}
		}
		failed = errors.Join(failed, err)
	}
	for range waiting {
		failed = errors.Join(failed, <-results)
	}
	return failed
}

// runJanitor looks after everything that depends on time.
func (e *Engine) runJanitor() {
	tick := time.NewTicker(janitorEvery)
	defer tick.Stop()
	var cursor []byte
	var dedup time.Time
	e.checkDisk()
	for {
		select {
		case <-e.quit:
			return
		case <-tick.C:
		}
		e.checkDisk()
		e.channels.evict(e.opts.CacheChannels)
		if e.health.broken() != nil {
			continue
		}
		e.tidied("remove expired key-values", e.sweepKV())
		var err error
		cursor, err = e.sweepChannels(cursor)
		e.tidied("remove old records", err)
		if time.Since(dedup) > dedupEvery {
			dedup = time.Now()
			e.tidied("remove old idempotency keys", e.sweepDedup())
		}
	}
}

// sweepChannels looks at some channels: at what they keep for too long, and
// whether they were empty for too long. It returns where to go on.
func (e *Engine) sweepChannels(cursor []byte) (next []byte, err error) {
	lower := []byte{rowMeta}
	if cursor != nil {
		lower = cursor
	}
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: []byte{rowMeta + 1}})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var old, empty []string
	rows := 0
	for ok := it.First(); ok; ok = it.Next() {
		if rows++; rows > sweepRows {
			next = bytes.Clone(it.Key())
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			break // it.Error has it as well.
		}
		m, err := decodeMeta(value)
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		name := string(it.Key()[2:])
		p := e.opts.Policies.Of(name)
		switch {
		case m.count > 0 && p.MaxAge >= 0 && m.oldest < now.Add(-p.MaxAge).UnixMilli(), over(&p, &m):
			old = append(old, name)
		case m.count == 0 && m.emptied < now.Add(-e.opts.ForgetAfter).UnixMilli():
			empty = append(empty, name)
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return nil, err
	}
	return next, errors.Join(e.retain(old), e.forget(empty))
}

// forget removes the rows of channels that have been empty for long. Their names
// begin a new life with another epoch, so that no position of the old one is
// taken for one of the new.
func (e *Engine) forget(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return e.queue.put(op{finished: func(error) {}, change: func(g *group) error {
		var list []*channel
		for _, name := range names {
			ch, err := e.acquire(g, name)
			if err != nil {
				return err
			}
			m := &ch.cur
			if m.last != 0 && m.count == 0 && m.emptied < g.now-e.opts.ForgetAfter.Milliseconds() {
				list = append(list, ch)
			}
		}
		if len(list) == 0 {
			return nil
		}
		c := &e.committer
		c.store.generation++
		c.store.forgotten = c.last
		for _, ch := range list {
			ch.cur = meta{generation: c.store.generation, born: c.store.forgotten, version: ch.cur.version + 1}
			e.delete(g, metaKey(nil, ch.name))
		}
		e.set(g, []byte{rowStore}, encodeStore(&c.store))
		after := c.store
		g.store = &after
		return nil
	}})
}

// sweepDedup removes the buckets of idempotency keys that are past.
func (e *Engine) sweepDedup() error {
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowDedup}, UpperBound: []byte{rowDedup + 1}})
	if err != nil {
		return err
	}
	now := uint64(time.Now().UnixMilli())
	type span struct{ from, to []byte }
	var past []span
	for ok := it.First(); ok; {
		key := it.Key()
		if len(key) < 17 {
			return errors.Join(errCorrupt, it.Close())
		}
		window, bucket := binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint64(key[9:])
		if window == 0 {
			return errors.Join(errCorrupt, it.Close())
		}
		if bucket+1 < now/window {
			past = append(past, span{dedupBucket(nil, window, 0), dedupBucket(nil, window, now/window-1)})
		}
		ok = it.SeekGE(dedupBucket(nil, window+1, 0))
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil || len(past) == 0 {
		return err
	}
	return e.queue.put(op{finished: func(error) {}, early: true, change: func(g *group) error {
		for _, s := range past {
			e.deleteRange(g, s.from, s.to)
		}
		return nil
	}})
}
