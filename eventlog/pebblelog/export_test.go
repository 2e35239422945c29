package pebblelog

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Evict makes the engine forget all channels that it can look up again.
func (e *Engine) Evict() {
	e.channels.evict(0)
	e.channels.evict(0)
}

// HoldLoad holds up the next who has read a channel from the store.
func (e *Engine) HoldLoad() (wait, release func()) { return hold(&e.hooks.loaded) }

// HoldScan holds up the next who is about to look at records.
func (e *Engine) HoldScan() (wait, release func()) { return hold(&e.hooks.scanning) }

func hold(hook *func()) (wait, release func()) {
	reached, released := make(chan struct{}), make(chan struct{})
	var came atomic.Bool
	*hook = func() {
		if came.CompareAndSwap(false, true) {
			close(reached)
			<-released
		}
	}
	return func() { <-reached }, func() { close(released) }
}

// Sweep does what the janitor does, once, over all channels.
func (e *Engine) Sweep() error {
	for cursor := []byte(nil); ; {
		var err error
		if cursor, err = e.sweepChannels(cursor); err != nil || cursor == nil {
			return err
		}
	}
}

// SweepDedup removes the idempotency keys that are past.
func (e *Engine) SweepDedup() error { return e.sweepDedup() }

// CheckDisk looks how much of the disk is free.
func (e *Engine) CheckDisk() { e.checkDisk() }

// Rows returns how many rows of each kind there are.
func (e *Engine) Rows() (map[byte]int, error) {
	it, err := e.db.NewIter(nil)
	if err != nil {
		return nil, err
	}
	n := map[byte]int{}
	for ok := it.First(); ok; ok = it.Next() {
		n[it.Key()[0]]++
	}
	return n, it.Close()
}

const SlowSync = slowSync

// Age makes the oldest unsynced group that much older. The disk may have been asked to
// sync it before that is noted.
func (e *Engine) Age(d time.Duration) {
	for e.health.waiting.Load() == 0 {
		runtime.Gosched()
	}
	e.health.waiting.Add(-int64(d))
}

// Flush begins to write what is in memory as a table.
func (e *Engine) Flush() <-chan error {
	done := make(chan error, 1)
	go func() { done <- e.db.Flush() }()
	return done
}
