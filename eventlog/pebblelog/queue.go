package pebblelog

import (
	"fmt"
	"sync"

	"github.com/starling-rt/starling/eventlog"
)

// How much may wait for the committer.
const (
	maxWaitingOps   = 1 << 16
	maxWaitingBytes = 256 << 20
)

// op is an append or another change, on its way through the committer.
type op struct {
	// Of an append.
	batch *eventlog.Batch
	done  func(eventlog.Appended, error)

	// Of another change: change is called by the committer, finished when what
	// it changed is on stable storage.
	change   func(*group) error
	finished func(error)

	size int

	// The result.
	err      error
	appended eventlog.Appended
	ch       *channel
	prev     uint64
	stored   bool // its records are in the group
	early    bool // answered without waiting for the sync
}

// queue is what waits for the committer.
type queue struct {
	mu sync.Mutex
	// mu guards the following.
	ready  sync.Cond
	ops    []op
	spare  []op
	bytes  int
	closed bool
	err    error // why nothing is taken any more
}

func (q *queue) init() { q.ready.L = &q.mu }

// put adds an operation, or returns why it cannot.
func (q *queue) put(o op) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return eventlog.ErrClosed
	case q.err != nil:
		return q.err
	case len(q.ops) > 0 && (len(q.ops) >= maxWaitingOps || q.bytes+o.size > maxWaitingBytes):
		return fmt.Errorf("%w: %d appends wait for the disk", eventlog.ErrUnavailable, len(q.ops))
	}
	q.ops = append(q.ops, o)
	q.bytes += o.size
	if len(q.ops) == 1 {
		q.ready.Signal()
	}
	return nil
}

// take waits for operations and returns all there are, or nil when the queue is
// closed. They are the caller's until it calls take again.
func (q *queue) take() []op {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ops) == 0 {
		if q.closed {
			return nil
		}
		q.ready.Wait()
	}
	ops := q.ops
	clear(q.spare)
	q.ops, q.spare, q.bytes = q.spare[:0], ops, 0
	return ops
}

// close lets nothing more in. It returns false if that was so already.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	q.ready.Signal()
	return true
}

// fail lets nothing more in and returns what waits.
func (q *queue) fail(err error) []op {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	ops := q.ops
	q.ops, q.bytes = nil, 0
	return ops
}

// refuse answers an operation that was not begun.
func (o *op) refuse(err error) {
	if o.batch != nil {
		o.done(eventlog.Appended{}, fmt.Errorf("append to %q: %w", o.batch.Channel, err))
		return
	}
	o.finished(err)
}
