package pebblelog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/starling-rt/starling/eventlog"
)

// Channels returns up to limit names of channels that have or had records, which
// come after a name in an order of their own; there are no more when none come.
func (e *Engine) Channels(ctx context.Context, after string, limit int) (names []string, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	defer e.leave()
	lower := []byte{rowMeta}
	if after != "" {
		lower = append(metaKey(nil, after), 0)
	}
	err = e.rows(lower, []byte{rowMeta + 1}, limit, func(key, _ []byte) error {
		names = append(names, string(key[2:]))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	return names, nil
}

// UsedKey is an idempotency key whose window is not over, and the append that it
// came with.
type UsedKey struct {
	DedupKey    string // as in [eventlog.Batch]
	Hash        uint64
	First, Last uint64 // offsets
}

// UsedKeys returns the idempotency keys of a channel.
func (e *Engine) UsedKeys(ctx context.Context, channel string) (keys []UsedKey, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, fmt.Errorf("list the keys of %q: %w", channel, err)
	}
	defer e.leave()
	now := time.Now().UnixMilli()
	for window := uint64(0); ; window++ {
		found := false
		err := e.rows(dedupBucket(nil, window, 0), []byte{rowDedup + 1}, 1, func(key, _ []byte) error {
			if len(key) < 17 {
				return errCorrupt
			}
			found, window = true, binary.BigEndian.Uint64(key[1:])
			return nil
		})
		if err == nil && found && window == 0 {
			err = errCorrupt
		}
		if err != nil {
			return nil, fmt.Errorf("list the keys of %q: %w", channel, err)
		}
		if !found {
			return keys, nil
		}
		bucket := uint64(now) / window
		for _, at := range [...]uint64{bucket - 1, bucket} {
			prefix := dedupPrefix(nil, window, at, channel)
			if err := e.rows(prefix, prefixEnd(prefix), 0, func(key, value []byte) error {
				r, err := decodeRemembered(value)
				if err == nil && r.expires > now {
					keys = append(keys, UsedKey{string(key[len(prefix):]), r.hash, r.first, r.last})
				}
				return err
			}); err != nil {
				return nil, fmt.Errorf("list the keys of %q: %w", channel, err)
			}
		}
	}
}

// KeyValue is an item with the time when it expires, zero if it does not.
type KeyValue struct {
	eventlog.Item
	Expires time.Time
}

// KeyValues returns items whose keys come after one, in the order of their keys, of
// limit rows at most; there are no more when next is "". Items that have expired are
// left out.
func (e *Engine) KeyValues(ctx context.Context, after string, limit int) (items []KeyValue, next string, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, "", fmt.Errorf("list keys: %w", err)
	}
	defer e.leave()
	now := time.Now().UnixMilli()
	err = e.rows(append(kvKey(after), 0), []byte{rowKV + 1}, limit, func(key, value []byte) error {
		next = string(key[1:])
		found, err := decodeItem(value)
		if err != nil || found.expired(now) {
			return err
		}
		one := KeyValue{Item: eventlog.Item{Key: string(key[1:]), Value: bytes.Clone(found.value), Revision: found.revision}}
		if found.expires != 0 {
			one.Expires = time.UnixMilli(found.expires)
		}
		items = append(items, one)
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("list keys: %w", err)
	}
	return items, next, nil
}

// rows calls f with some of the rows between two keys; a limit of 0 is none. What f
// is given is valid until it returns.
func (e *Engine) rows(lower, upper []byte, limit int, f func(key, value []byte) error) (err error) {
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	n := 0
	for ok := it.First(); ok && (limit <= 0 || n < limit); ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := f(it.Key(), value); err != nil {
			return err
		}
		n++
	}
	return it.Error()
}
