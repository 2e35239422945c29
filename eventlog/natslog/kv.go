package natslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// kv is an eventlog.KV in a stream: the last message on a subject is the value of
// a key, its sequence the revision.
type kv struct{ e *Engine }

// A key that was removed leaves a note for a while, so that a removal can expect a
// revision.
const (
	kvHeader   = "Starling-KV"
	kvRemoved  = "removed"
	kvForgetIn = time.Minute
)

func (e *Engine) kvStream() string         { return e.opts.Prefix + "-kv" }
func (k *kv) subject(key string) string    { return k.e.opts.Prefix + ".kv." + kvSubject(key) }
func (k *kv) pattern(prefix string) string { return k.e.opts.Prefix + ".kv." + kvPattern(prefix) }

func (k *kv) key(subject string) (string, error) {
	return kvKey(strings.TrimPrefix(subject, k.e.opts.Prefix+".kv."))
}

func checkKV(key string, value []byte) error {
	if key == "" || len(key) > eventlog.MaxKVKeyBytes {
		return fmt.Errorf("key of %d bytes, not 1 to %d: %w", len(key), eventlog.MaxKVKeyBytes, eventlog.ErrInvalid)
	}
	if len(value) > eventlog.MaxKVValueBytes {
		return fmt.Errorf("value of %d bytes, more than %d: %w", len(value), eventlog.MaxKVValueBytes, eventlog.ErrInvalid)
	}
	return nil
}

// last returns the message of a key from the leader, or nil.
func (k *kv) last(ctx context.Context, key string) (m *stored, removed bool, err error) {
	m, err = k.e.leaderGet(ctx, k.e.kvStream(), getRequest{LastFor: k.subject(key)})
	return m, m != nil && text(m.header, kvHeader) == kvRemoved, err
}

// Get returns an item, or ErrNotFound.
func (k *kv) Get(ctx context.Context, key string) (eventlog.Item, error) {
	if err := k.e.check(ctx, "get key", key); err != nil {
		return eventlog.Item{}, err
	}
	m, removed, err := k.last(ctx, key)
	if err == nil && (m == nil || removed) {
		err = eventlog.ErrNotFound
	}
	if err != nil {
		return eventlog.Item{}, fmt.Errorf("get key %q: %w", key, err)
	}
	return eventlog.Item{Key: key, Value: m.data, Revision: m.seq}, nil
}

// Put sets a value and returns its new revision.
func (k *kv) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (uint64, error) {
	if err := k.e.check(ctx, "put key", key); err != nil {
		return 0, err
	}
	if err := checkKV(key, value); err != nil {
		return 0, fmt.Errorf("put key %q: %w", key, err)
	}
	m := &nats.Msg{Subject: k.subject(key), Data: slices.Clone(value), Header: nats.Header{kvHeader: {"value"}}}
	if o.TTL > 0 {
		m.Header[headerTTL] = []string{ttlOf(o.TTL)}
	}
	rev, err := k.change(ctx, key, m, o.Expect)
	if err != nil {
		return 0, fmt.Errorf("put key %q: %w", key, err)
	}
	return rev, nil
}

// Delete removes a key.
func (k *kv) Delete(ctx context.Context, key string, expect eventlog.RevisionExpectation) error {
	if err := k.e.check(ctx, "delete key", key); err != nil {
		return err
	}
	if err := checkKV(key, nil); err != nil {
		return fmt.Errorf("delete key %q: %w", key, err)
	}
	m, removed, err := k.last(ctx, key)
	there := m != nil && !removed
	switch want, expected := expect.Revision(); {
	case err != nil:
	case !there && (!expected || want == 0):
		return nil
	case expected && (!there || want != m.seq):
		err = eventlog.ErrRevision
	default:
		_, err = k.change(ctx, key, &nats.Msg{
			Subject: k.subject(key),
			Header:  nats.Header{kvHeader: {kvRemoved}, headerTTL: {ttlOf(kvForgetIn)}},
		}, expect)
	}
	if err != nil {
		return fmt.Errorf("delete key %q: %w", key, err)
	}
	return nil
}

// change stores a message for a key, if the key is as expected.
func (k *kv) change(ctx context.Context, key string, m *nats.Msg, expect eventlog.RevisionExpectation) (uint64, error) {
	want, expected := expect.Revision()
	for {
		if expected {
			m.Header[headerExpectLast] = []string{strconv.FormatUint(want, 10)}
		}
		rev, err := k.e.publish(ctx, m)
		var refused *apiError
		if !errors.As(err, &refused) || !refused.wrongLast() {
			return rev, err
		}
		// An absent key may have a note that it was removed.
		if known, _ := expect.Revision(); known != 0 {
			return 0, eventlog.ErrRevision
		}
		cur, removed, err := k.last(ctx, key)
		switch {
		case err != nil:
			return 0, err
		case cur != nil && !removed:
			return 0, eventlog.ErrRevision
		case cur == nil:
			want = 0
		default:
			want = cur.seq
		}
		if refused.ErrCode == codeWrongLastRacing {
			select { // another one is in flight
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(replicaPause):
			}
		}
	}
}

// List returns up to limit items whose keys begin with prefix and come after the
// key after, in the order of their keys.
func (k *kv) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Item, error) {
	if err := k.e.check(ctx, "list keys", prefix); err != nil {
		return nil, err
	}
	items, err := k.list(ctx, prefix, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list keys %q: %w", prefix, err)
	}
	return items, nil
}

func (k *kv) list(ctx context.Context, prefix, after string, limit int) ([]eventlog.Item, error) {
	keys, err := k.keys(ctx, prefix, after)
	if err != nil {
		return nil, err
	}
	var items []eventlog.Item
	for _, key := range keys {
		if len(items) >= limit {
			break
		}
		m, removed, err := k.last(ctx, key)
		if err != nil {
			return nil, err
		}
		if m != nil && !removed {
			items = append(items, eventlog.Item{Key: key, Value: m.data, Revision: m.seq})
		}
	}
	return items, nil
}

// keys returns all keys with a prefix that come after another, in order. Some may
// have been removed.
func (k *kv) keys(ctx context.Context, prefix, after string) ([]string, error) {
	var keys []string
	for from := 0; ; {
		page, err := k.e.subjects(ctx, k.e.kvStream(), k.pattern(prefix), from)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		from += len(page)
		for subject := range page {
			key, err := k.key(subject)
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(key, prefix) && key > after {
				keys = append(keys, key)
			}
		}
		if len(page) < subjectsPage {
			break
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}
