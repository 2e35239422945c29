package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Leases are kept in a KV: an owner holds a name for a while, and each owner of
// a name has a higher token than the one before it. A lease keeps owners from
// racing; it does not decide what is right, since an owner may be paused past
// its end without knowing. What must be right is fenced by an append that
// expects the head of its channel.
type Leases struct {
	kv KV
}

// NewLeases returns the leases in kv. Its keys begin with "lease/".
func NewLeases(kv KV) *Leases { return &Leases{kv: kv} }

// Lease is a held lease. It is a value: Renew returns the next.
type Lease struct {
	Name  string
	Owner string
	// Token grows whenever the lease changes hands.
	Token uint64
	// Until is when the holder must stop, by its own clock: a little before
	// the lease ends for the others.
	Until time.Time

	ttl      time.Duration
	revision uint64
}

// Acquire takes a free lease for ttl, at least a second, or returns
// ErrLeaseHeld. An owner that holds it already gets it again, with a new token:
// it may have been another life of that owner.
func (l *Leases) Acquire(ctx context.Context, name, owner string, ttl time.Duration) (Lease, error) {
	start := time.Now()
	expect := Absent
	it, err := l.kv.Get(ctx, leaseKey(name))
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return Lease{}, fmt.Errorf("acquire lease %q: %w", name, err)
	default:
		_, holder, err := decodeLease(it.Value)
		if err != nil {
			return Lease{}, fmt.Errorf("acquire lease %q: %w", name, err)
		}
		if holder != owner {
			return Lease{}, fmt.Errorf("acquire lease %q: %w", name, ErrLeaseHeld)
		}
		expect = AtRevision(it.Revision)
	}
	token, err := l.nextToken(ctx, name)
	if err != nil {
		return Lease{}, fmt.Errorf("acquire lease %q: %w", name, err)
	}
	rev, err := l.take(ctx, name, owner, token, PutOptions{Expect: expect, TTL: ttl})
	if errors.Is(err, ErrRevision) {
		err = ErrLeaseHeld
	}
	if err != nil {
		return Lease{}, fmt.Errorf("acquire lease %q: %w", name, err)
	}
	held := Lease{Name: name, Owner: owner, Token: token, Until: start.Add(ttl * 9 / 10), ttl: ttl, revision: rev}
	return l.newest(ctx, held)
}

// newest gives a lease that was just taken a token above those of all who have had it:
// while this owner was between its token and the lease, another one can have taken a
// later token, had the lease, and released it.
func (l *Leases) newest(ctx context.Context, held Lease) (Lease, error) {
	for {
		it, err := l.kv.Get(ctx, tokenKey(held.Name))
		if err != nil {
			return Lease{}, fmt.Errorf("acquire lease %q: %w", held.Name, err)
		}
		if len(it.Value) == 8 && binary.BigEndian.Uint64(it.Value) == held.Token {
			return held, nil
		}
		if held.Token, err = l.nextToken(ctx, held.Name); err == nil {
			held, err = l.Renew(ctx, held)
		}
		if errors.Is(err, ErrLeaseLost) {
			err = ErrLeaseHeld
		}
		if err != nil {
			return Lease{}, fmt.Errorf("acquire lease %q: %w", held.Name, err)
		}
	}
}

// Renew holds a lease for another ttl, or returns ErrLeaseLost.
func (l *Leases) Renew(ctx context.Context, held Lease) (Lease, error) {
	start := time.Now()
	rev, err := l.kv.Put(ctx, leaseKey(held.Name), encodeLease(held.Token, held.Owner),
		PutOptions{Expect: AtRevision(held.revision), TTL: held.ttl})
	if errors.Is(err, ErrRevision) {
		err = ErrLeaseLost
	}
	if err != nil {
		return held, fmt.Errorf("renew lease %q: %w", held.Name, err)
	}
	held.revision = rev
	held.Until = start.Add(held.ttl * 9 / 10)
	return held, nil
}

// take writes a lease with a new token. An engine of several servers may tell of
// another revision when it has written: then what is there has this token.
func (l *Leases) take(ctx context.Context, name, owner string, token uint64, o PutOptions) (uint64, error) {
	rev, err := l.kv.Put(ctx, leaseKey(name), encodeLease(token, owner), o)
	if !errors.Is(err, ErrRevision) {
		return rev, err
	}
	it, gerr := l.kv.Get(ctx, leaseKey(name))
	if gerr != nil {
		return 0, err
	}
	if have, holder, derr := decodeLease(it.Value); derr == nil && have == token && holder == owner {
		return it.Revision, nil
	}
	return 0, err
}

// Release gives a lease back. One that was lost already is no error.
func (l *Leases) Release(ctx context.Context, held Lease) error {
	err := l.kv.Delete(ctx, leaseKey(held.Name), AtRevision(held.revision))
	if err != nil && !errors.Is(err, ErrRevision) {
		return fmt.Errorf("release lease %q: %w", held.Name, err)
	}
	return nil
}

// nextToken counts the owners of a name. The count outlives the lease, and a
// number may be skipped but is never given twice.
func (l *Leases) nextToken(ctx context.Context, name string) (uint64, error) {
	key := tokenKey(name)
	for {
		var last uint64
		expect := Absent
		it, err := l.kv.Get(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return 0, err
		case len(it.Value) != 8:
			return 0, fmt.Errorf("token of %d bytes: %w", len(it.Value), ErrInvalid)
		default:
			last = binary.BigEndian.Uint64(it.Value)
			expect = AtRevision(it.Revision)
		}
		_, err = l.kv.Put(ctx, key, binary.BigEndian.AppendUint64(nil, last+1), PutOptions{Expect: expect})
		if errors.Is(err, ErrRevision) {
			continue
		}
		return last + 1, err
	}
}

func leaseKey(name string) string { return "lease/" + name }
func tokenKey(name string) string { return "leasetoken/" + name }

func encodeLease(token uint64, owner string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, token), owner...)
}

func decodeLease(v []byte) (token uint64, owner string, err error) {
	if len(v) < 8 {
		return 0, "", fmt.Errorf("lease of %d bytes: %w", len(v), ErrInvalid)
	}
	return binary.BigEndian.Uint64(v), string(v[8:]), nil
}
