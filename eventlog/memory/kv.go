package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// kv is the key-values of an engine.
type kv struct {
	engine *Engine

	mu sync.Mutex
	// mu guards the following.
	items map[string]item
	keys  []string // sorted
}

type item struct {
	value    []byte
	revision uint64
	expires  time.Time // zero: never
}

func newKV(e *Engine) *kv { return &kv{engine: e, items: map[string]item{}} }

func (it item) expired(now time.Time) bool { return !it.expires.IsZero() && !it.expires.After(now) }

// get returns what is at a key, under the lock.
func (k *kv) get(key string) (item, bool) {
	it, ok := k.items[key]
	if ok && it.expired(time.Now()) {
		k.remove(key)
		return item{}, false
	}
	return it, ok
}

func (k *kv) remove(key string) {
	delete(k.items, key)
	if i, ok := slices.BinarySearch(k.keys, key); ok {
		k.keys = slices.Delete(k.keys, i, i+1)
	}
}

// Get returns an item, or eventlog.ErrNotFound.
func (k *kv) Get(ctx context.Context, key string) (eventlog.Item, error) {
	if err := k.check(ctx, "get", key, nil); err != nil {
		return eventlog.Item{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	it, ok := k.get(key)
	if !ok {
		return eventlog.Item{}, fmt.Errorf("get key %q: %w", key, eventlog.ErrNotFound)
	}
	return eventlog.Item{Key: key, Value: it.value, Revision: it.revision}, nil
}

// Put sets a value.
func (k *kv) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (uint64, error) {
	if err := k.check(ctx, "put", key, value); err != nil {
		return 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old, ok := k.get(key)
	if want, demanded := o.Expect.Revision(); demanded && want != old.revision {
		return 0, fmt.Errorf("put key %q: %w", key, eventlog.ErrRevision)
	}
	it := item{value: bytes.Clone(value), revision: k.engine.last.Add(1)}
	if o.TTL > 0 {
		it.expires = time.Now().Add(o.TTL)
	}
	if !ok {
		i, _ := slices.BinarySearch(k.keys, key)
		k.keys = slices.Insert(k.keys, i, key)
	}
	k.items[key] = it
	return it.revision, nil
}

// Delete removes a key.
func (k *kv) Delete(ctx context.Context, key string, expect eventlog.RevisionExpectation) error {
	if err := k.check(ctx, "delete", key, nil); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old, ok := k.get(key)
	if want, demanded := expect.Revision(); demanded && want != old.revision {
		return fmt.Errorf("delete key %q: %w", key, eventlog.ErrRevision)
	}
	if ok {
		k.remove(key)
	}
	return nil
}

// List returns items in the order of their keys.
func (k *kv) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Item, error) {
	if err := k.engine.check(ctx, "list keys", prefix); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	i, _ := slices.BinarySearch(k.keys, max(prefix, after))
	var out []eventlog.Item
	for ; i < len(k.keys) && len(out) < limit; i++ {
		key := k.keys[i]
		if key <= after && after != "" {
			continue
		}
		if !strings.HasPrefix(key, prefix) {
			break
		}
		if it := k.items[key]; !it.expired(now) {
			out = append(out, eventlog.Item{Key: key, Value: it.value, Revision: it.revision})
		}
	}
	return out, nil
}

func (k *kv) check(ctx context.Context, verb, key string, value []byte) error {
	if err := k.engine.check(ctx, verb+" key", key); err != nil {
		return err
	}
	if err := errKey(key, value); err != nil {
		return fmt.Errorf("%s key %q: %w", verb, key, err)
	}
	return nil
}

// tidy removes what has expired.
func (k *kv) tidy(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = slices.DeleteFunc(k.keys, func(key string) bool {
		if !k.items[key].expired(now) {
			return false
		}
		delete(k.items, key)
		return true
	})
}
