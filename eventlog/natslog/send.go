package natslog

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// sender sends appends in the order in which they were handed in and waits for
// their outcomes. One goroutine sends, one gives up; none waits for an append of
// its own.
type sender struct {
	e    *Engine
	wake chan struct{}

	mu sync.Mutex
	// mu guards the following and what is not static in each pending.
	closed  bool
	queue   []*pending
	sent    map[*pending]struct{}
	records int // without an outcome
	bytes   int64
	idle    chan struct{} // closed when sent is empty, if someone waits for that
	tasks   sync.WaitGroup
}

// pending is an append without an outcome.
type pending struct {
	// Static.
	batch     *eventlog.Batch
	partition *partition
	done      func(eventlog.Appended, error)
	until     time.Time // when it may be tried again no more
	bytes     int64

	// The sender's mu guards the following.
	id       uint64 // of its answer
	deadline time.Time
	finished bool
	tries    int
}

// hurryUp is how long the outcome of an append may take that was sent when the
// connection was lost, or the leader changed: it was stored already, or never
// will be, or nobody will tell.
const hurryUp = 2 * time.Second

func newSender(e *Engine) *sender {
	return &sender{e: e, wake: make(chan struct{}, 1), sent: map[*pending]struct{}{}}
}

// add takes an append, or refuses it.
func (s *sender) add(p *pending) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return eventlog.ErrClosed
	case s.records+len(p.batch.Records) > s.e.opts.MaxInFlight || s.bytes+p.bytes > s.e.opts.MaxInFlightBytes:
		return fmt.Errorf("%d records wait for NATS: %w", s.records, eventlog.ErrUnavailable)
	}
	s.records += len(p.batch.Records)
	s.bytes += p.bytes
	s.enqueue(p)
	return nil
}

func (s *sender) enqueue(p *pending) {
	s.queue = append(s.queue, p)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// again sends an append once more that was refused because another was in flight.
func (s *sender) again(p *pending) {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.enqueue(p)
	}
	s.mu.Unlock()
	if closed {
		s.finish(p, eventlog.Appended{}, eventlog.ErrClosed)
	}
}

// run sends what is queued.
func (s *sender) run() {
	for {
		select {
		case <-s.e.life.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		queue := s.queue
		s.queue = nil
		s.mu.Unlock()
		for _, p := range queue {
			s.publish(p)
		}
	}
}

func (s *sender) publish(p *pending) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.finish(p, eventlog.Appended{}, eventlog.ErrClosed)
		return
	}
	p.tries++
	p.deadline = p.until
	s.sent[p] = struct{}{}
	id, reply := s.e.mux.expect(func(m *nats.Msg) bool { s.answered(p, m); return false })
	p.id = id
	s.mu.Unlock()
	for _, m := range s.messages(p, reply) {
		err := s.e.nc.PublishMsg(m)
		switch {
		case err == nil:
			continue
		case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrMaxPayload):
			// Not sent, and half of a batch is never stored.
			s.finish(p, eventlog.Appended{}, fmt.Errorf("%w: %w", err, eventlog.ErrUnavailable))
		default: // the connection broke while it was written
			s.shorten(func(q *pending) bool { return q == p })
		}
		return
	}
}

// answered takes the outcome of an append.
func (s *sender) answered(p *pending, m *nats.Msg) {
	a, err, why := outcome(p, m)
	if why == nil {
		s.finish(p, a, err)
		return
	}
	// It was refused; whether it is a conflict or a duplicate has to be read.
	if !s.spawn(func() { s.resolve(p) }) {
		s.finish(p, eventlog.Appended{}, eventlog.ErrClosed)
	}
}

// spawn runs f beside, unless the engine is closed.
func (s *sender) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.tasks.Go(f)
	return true
}

// finish tells the outcome of an append, once.
func (s *sender) finish(p *pending, a eventlog.Appended, err error) {
	s.mu.Lock()
	if p.finished {
		s.mu.Unlock()
		return
	}
	p.finished = true
	s.e.mux.forget(p.id)
	delete(s.sent, p)
	s.records -= len(p.batch.Records)
	s.bytes -= p.bytes
	if s.idle != nil && len(s.sent) == 0 {
		close(s.idle)
		s.idle = nil
	}
	s.mu.Unlock()
	if err == nil && !a.Duplicate || errors.Is(err, eventlog.ErrUnknown) {
		s.e.keeper.appended(p.batch)
	}
	var conflict *eventlog.ConflictError
	if err != nil && !errors.As(err, &conflict) {
		err = fmt.Errorf("append to %q: %w", p.batch.Channel, err)
	}
	p.done(a, err)
}

// hurry makes the outcomes of what was sent to a stream, or to any if it is "",
// known soon.
func (s *sender) hurry(stream string) {
	s.shorten(func(p *pending) bool { return stream == "" || p.partition.log == stream })
}

func (s *sender) shorten(which func(*pending) bool) {
	soon := time.Now().Add(hurryUp)
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.sent {
		if which(p) && p.deadline.After(soon) {
			p.deadline = soon
		}
	}
}

// expire gives up the appends that have had no outcome for too long.
func (s *sender) expire() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.e.life.Done():
			return
		case now := <-tick.C:
			s.giveUp(func(p *pending) bool { return now.After(p.deadline) })
		}
	}
}

func (s *sender) giveUp(which func(*pending) bool) {
	var late []*pending
	s.mu.Lock()
	for p := range s.sent {
		if which(p) {
			late = append(late, p)
		}
	}
	s.mu.Unlock()
	for _, p := range late {
		s.finish(p, eventlog.Appended{}, eventlog.ErrUnknown)
	}
}

// lastAnswers is how long Close waits for the outcomes of what was sent.
const lastAnswers = 1 * time.Second

// close refuses what was not sent, and waits a little for the outcomes of what
// was.
func (s *sender) close() {
	s.mu.Lock()
	s.closed = true
	queue := s.queue
	s.queue = nil
	var idle chan struct{}
	if len(s.sent) > 0 {
		idle = make(chan struct{})
		s.idle = idle
	}
	s.mu.Unlock()
	for _, p := range queue {
		s.finish(p, eventlog.Appended{}, eventlog.ErrClosed)
	}
	if idle != nil {
		timer := time.NewTimer(lastAnswers)
		select {
		case <-idle:
		case <-timer.C:
		}
		timer.Stop()
	}
	s.tasks.Wait()
	s.giveUp(func(*pending) bool { return true })
}
