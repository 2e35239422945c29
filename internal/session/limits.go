package session

import (
	"sync"
	"time"
)

// Bucket limits a rate: it holds up to burst tokens, and refills at rate tokens
// a second. The zero Bucket is full.
type Bucket struct {
	mu    sync.Mutex
	used  float32 // tokens that are not there
	since int64   // Unix milliseconds when used was right

	users int // sessions that have it; guarded by the lock of its Buckets
}

// Take takes a token, and tells whether there was one. A rate of 0 does not
// limit. overdrawn counts how far the bucket is below empty, in bursts: a client
// that goes on regardless.
func (b *Bucket) Take(now time.Time, rate, burst float32) (ok bool, overdrawn float32) {
	if rate <= 0 {
		return true, 0
	}
	ms := now.UnixMilli()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = max(0, b.used-float32(ms-b.since)/1000*rate)
	b.since = ms
	b.used++
	return b.used <= burst, max(0, b.used-burst) / burst
}

// full tells whether the bucket has all its tokens.
func (b *Bucket) full(now time.Time, rate float32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return rate <= 0 || b.used <= float32(now.UnixMilli()-b.since)/1000*rate
}

// Buckets are a bucket for each address.
type Buckets struct {
	mu     sync.Mutex
	byAddr map[string]*Bucket
	swept  time.Time
}

// Of returns the bucket of an address, for a session that gives it back with
// Release. It is nil if as many sessions have it as may, of which 0 stands for any
// number. rate is that at which it refills.
func (bs *Buckets) Of(addr string, rate float32, most int) *Bucket {
	now := time.Now()
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if bs.byAddr == nil {
		bs.byAddr = map[string]*Bucket{}
	}
	if now.Sub(bs.swept) > time.Minute {
		bs.swept = now
		for a, b := range bs.byAddr {
			if b.users == 0 && b.full(now, rate) {
				delete(bs.byAddr, a)
			}
		}
	}
	b := bs.byAddr[addr]
	if b == nil {
		b = &Bucket{}
		bs.byAddr[addr] = b
	}
	if most > 0 && b.users >= most {
		return nil
	}
	b.users++
	return b
}

// Release gives a bucket back.
func (bs *Buckets) Release(b *Bucket) {
	bs.mu.Lock()
	b.users--
	bs.mu.Unlock()
}
