package pebblelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/starling-rt/starling/eventlog"
)

// kv is the key-values of an engine.
type kv struct{ e *Engine }

// kvCommit is a group that changes key-values, for those who wait for it.
type kvCommit struct {
	done chan struct{}
	err  error // set before done is closed
}

// KV returns the engine's key-values.
func (e *Engine) KV() eventlog.KV { return kv{e} }

// submit hands a change to the committer and waits until it is durable.
func (e *Engine) submit(ctx context.Context, size int, change func(*group) error) error {
	ch := make(chan error, 1)
	if err := e.queue.put(op{change: change, finished: func(err error) { ch <- err }, size: size}); err != nil {
		return err
	}
	select {
	case err := <-ch:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", eventlog.ErrUnknown, ctx.Err())
	}
}

// settled waits until what was read of the key-values is durable: what is
// applied is in the store before it is synced.
func (e *Engine) settled(ctx context.Context) error {
	w := e.kv.Load()
	if w == nil {
		return nil
	}
	select {
	case <-w.done:
		if w.err != nil {
			return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, w.err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// item returns what is in the store at a key, or the zero item.
func (e *Engine) item(key string) (item, error) {
	value, closer, err := e.db.Get(kvKey(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return item{}, nil
	}
	if err != nil {
		return item{}, err
	}
	it, err := decodeItem(value)
	return it, errors.Join(err, closer.Close())
}

// current returns what is at a key for the committer, or the zero item.
func (e *Engine) current(g *group, key string) (item, error) {
	it, ok := g.items[key]
	if !ok {
		var err error
		if it, err = e.item(key); err != nil {
			return item{}, fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
		}
	}
	if it.expired(g.now) {
		return item{}, nil
	}
	return it, nil
}

// changes notes that the group changes key-values.
func (g *group) changes(key string, it item) {
	g.items[key] = it
	if g.waiters == nil {
		g.waiters = &kvCommit{done: make(chan struct{})}
	}
}

// Get returns an item, or eventlog.ErrNotFound.
func (k kv) Get(ctx context.Context, key string) (eventlog.Item, error) {
	fail := func(err error) (eventlog.Item, error) {
		return eventlog.Item{}, fmt.Errorf("get key %q: %w", key, err)
	}
	if err := k.e.enter(ctx); err != nil {
		return fail(err)
	}
	defer k.e.leave()
	if err := checkKV(key, nil); err != nil {
		return fail(err)
	}
	it, err := k.e.item(key)
	if err == nil {
		err = k.e.settled(ctx)
	}
	if err != nil {
		return fail(err)
	}
	if it.revision == 0 || it.expired(time.Now().UnixMilli()) {
		return fail(eventlog.ErrNotFound)
	}
	return eventlog.Item{Key: key, Value: it.value, Revision: it.revision}, nil
}

// Put sets a value.
func (k kv) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (revision uint64, err error) {
	if err = ctx.Err(); err == nil {
		err = checkKV(key, value)
	}
	if err == nil {
		err = k.e.health.appendable()
	}
	if err == nil {
		next := item{value: bytes.Clone(value)}
		err = k.e.submit(ctx, len(value)+len(key), func(g *group) error {
			old, err := k.e.current(g, key)
			if err != nil {
				return err
			}
			if want, ok := o.Expect.Revision(); ok && want != old.revision {
				return eventlog.ErrRevision
			}
			k.e.committer.last++
			next.revision = k.e.committer.last
			if o.TTL > 0 {
				next.expires = g.now + max(o.TTL.Milliseconds(), 1)
				k.e.set(g, expiryKey(next.expires, key), nil)
			}
			k.e.set(g, kvKey(key), encodeItem(&next))
			g.changes(key, next)
			return nil
		})
		if err == nil {
			return next.revision, nil
		}
	}
	return 0, fmt.Errorf("put key %q: %w", key, err)
}

// Delete removes a key.
func (k kv) Delete(ctx context.Context, key string, expect eventlog.RevisionExpectation) error {
	err := ctx.Err()
	if err == nil {
		err = checkKV(key, nil)
	}
	if err == nil {
		err = k.e.health.writable()
	}
	if err == nil {
		err = k.e.submit(ctx, len(key), func(g *group) error {
			old, err := k.e.current(g, key)
			if err != nil {
				return err
			}
			if want, ok := expect.Revision(); ok && want != old.revision {
				return eventlog.ErrRevision
			}
			if old.revision != 0 {
				k.e.delete(g, kvKey(key))
				g.changes(key, item{})
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("delete key %q: %w", key, err)
	}
	return nil
}

// List returns items in the order of their keys.
func (k kv) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Item, error) {
	if err := k.e.enter(ctx); err != nil {
		return nil, fmt.Errorf("list keys %q: %w", prefix, err)
	}
	defer k.e.leave()
	items, err := k.e.list(prefix, after, limit)
	if err == nil {
		err = k.e.settled(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("list keys %q: %w", prefix, err)
	}
	return items, nil
}

func (e *Engine) list(prefix, after string, limit int) (out []eventlog.Item, err error) {
	lower := kvKey(prefix)
	upper := prefixEnd(lower)
	if after >= prefix {
		lower = append(kvKey(after), 0)
	}
	if bytes.Compare(lower, upper) >= 0 {
		return nil, nil
	}
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	now := time.Now().UnixMilli()
	for ok := it.First(); ok && len(out) < limit; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		found, err := decodeItem(value)
		if err != nil {
			return nil, err
		}
		if !found.expired(now) {
			out = append(out, eventlog.Item{Key: string(it.Key()[1:]), Value: found.value, Revision: found.revision})
		}
	}
	return out, it.Error()
}

func (e *Engine) delete(g *group, key []byte) {
	if err := g.batch.Delete(key, nil); err != nil {
		panic(fmt.Errorf("delete a row in a batch: %w", err))
	}
}

// checkKV returns why a key or a value is refused.
func checkKV(key string, value []byte) error {
	if key == "" || len(key) > eventlog.MaxKVKeyBytes {
		return fmt.Errorf("key of %d bytes, not 1 to %d: %w", len(key), eventlog.MaxKVKeyBytes, eventlog.ErrInvalid)
	}
	if len(value) > eventlog.MaxKVValueBytes {
		return fmt.Errorf("value of %d bytes, more than %d: %w", len(value), eventlog.MaxKVValueBytes, eventlog.ErrInvalid)
	}
	return nil
}

// sweepKV removes the key-values that have expired: they are absent already, so
// nobody waits for it.
func (e *Engine) sweepKV() error {
	now := time.Now().UnixMilli()
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowExpiry}, UpperBound: expiryKey(now+1, "")})
	if err != nil {
		return err
	}
	var rows [][]byte
	for ok := it.First(); ok && len(rows) < sweepRows; ok = it.Next() {
		rows = append(rows, bytes.Clone(it.Key()))
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil || len(rows) == 0 {
		return err
	}
	return e.queue.put(op{finished: func(error) {}, early: true, change: func(g *group) error {
		for _, row := range rows {
			e.delete(g, row)
			key := string(row[9:])
			it, ok := g.items[key]
			if !ok {
				var err error
				if it, err = e.item(key); err != nil {
					return err
				}
			}
			if it.revision != 0 && it.expired(now) {
				e.delete(g, kvKey(key))
				g.items[key] = item{}
			}
		}
		return nil
	}})
}
