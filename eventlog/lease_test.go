package eventlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
)

// doubtful tells that a key has another revision though it has written it, as a
// cluster may at the end of a partition.
type doubtful struct {
	eventlog.KV
	lease bool // it does so for leases
}

func (d *doubtful) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (uint64, error) {
	rev, err := d.KV.Put(ctx, key, value, o)
	if err == nil && d.lease && strings.HasPrefix(key, "lease/") {
		return 0, eventlog.ErrRevision
	}
	return rev, err
}

// A lease that was written belongs to who took it, whatever the engine said.
func TestLeaseThatWasTakenAfterAll(t *testing.T) {
	e := memory.New(memory.Options{})
	defer e.Close()
	kv := &doubtful{KV: e.KV()}
	leases, others := eventlog.NewLeases(kv), eventlog.NewLeases(e.KV())
	if _, err := others.Acquire(t.Context(), "before", "two", time.Minute); err != nil {
		t.Fatal(err)
	}
	kv.lease = true
	held, err := leases.Acquire(t.Context(), "doc", "one", time.Minute)
	if err != nil {
		t.Fatalf("acquire what is free: %v", err)
	}
	if _, err := leases.Acquire(t.Context(), "before", "one", time.Minute); !errors.Is(err, eventlog.ErrLeaseHeld) {
		t.Errorf("acquire what another one has: %v", err)
	}
	kv.lease = false
	if held, err = leases.Renew(t.Context(), held); err != nil {
		t.Errorf("renew: %v", err)
	}
	if err := leases.Release(t.Context(), held); err != nil {
		t.Error(err)
	}
	if _, err := others.Acquire(t.Context(), "doc", "two", time.Minute); err != nil {
		t.Errorf("acquire what was released: %v", err)
	}
}

// between has something happen before a lease is written, once.
type between struct {
	eventlog.KV
	happens func()
}

func (b *between) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (uint64, error) {
	if f := b.happens; f != nil && strings.HasPrefix(key, "lease/") {
		b.happens = nil
		f()
	}
	return b.KV.Put(ctx, key, value, o)
}

// Tokens grow from owner to owner, though one was slow between its token and the
// lease.
func TestTokensOfAnOwnerThatWasSlow(t *testing.T) {
	e := memory.New(memory.Options{})
	defer e.Close()
	var fast eventlog.Lease
	slow := eventlog.NewLeases(&between{KV: e.KV(), happens: func() {
		others := eventlog.NewLeases(e.KV())
		var err error
		if fast, err = others.Acquire(t.Context(), "doc", "fast", time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := others.Release(t.Context(), fast); err != nil {
			t.Fatal(err)
		}
	}})
	held, err := slow.Acquire(t.Context(), "doc", "slow", time.Minute)
	if err != nil || held.Token <= fast.Token {
		t.Errorf("the token is %d, %v, after one of %d", held.Token, err, fast.Token)
	}
	if _, err := slow.Renew(t.Context(), held); err != nil {
		t.Errorf("renew: %v", err)
	}
}
