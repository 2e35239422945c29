package pebblelog

import "time"

// Evict makes the engine forget all channels that it can look up again.
func (e *Engine) Evict() {
	e.channels.evict(0)
	e.channels.evict(0)
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

// Age makes the oldest unsynced group that much older.
func (e *Engine) Age(d time.Duration) { e.health.waiting.Add(-int64(d)) }
