package natslog

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// sender sends appends and waits for their outcomes. One goroutine sends, one
// gives up; none waits for an append of its own.
//
// Each partition is a lane, in which appends are sent in the order in which they
// were handed in. Those that expect no head are gathered: when as many attempts as
// the window allows are under way, what comes meanwhile goes in one atomic batch.
// A single server syncs a batch once, where it would sync each message. If a batch
// is refused because one of its keys was used before, its members are sent one by
// one; until then nothing follows it in its lane, so that their order stays.
type sender struct {
	e      *Engine
	wake   chan struct{}
	window window // set before run

	mu sync.Mutex
	// mu guards the following and what is in the lanes and attempts.
	closed  bool
	lanes   map[*partition]*lane
	ready   []*lane // that may have something to send
	sent    map[*attempt]struct{}
	records int // without an outcome
	bytes   int64
	idle    chan struct{} // closed when sent is empty, if someone waits for that
	tasks   sync.WaitGroup
}

// lane is what waits for a partition.
type lane struct {
	queue    []*pending
	underway int  // attempts
	gathered bool // one of them is of several appends
	ready    bool // it is in the sender's list
}

// pending is an append without an outcome.
type pending struct {
	// Static.
	batch     *eventlog.Batch
	partition *partition
	done      func(eventlog.Appended, error)
	until     time.Time // when it is not tried again any more
	bytes     int64

	// The sender's mu guards the following.
	finished bool
	alone    bool // it is not gathered
	tries    int
}

// attempt is what was sent for one append, or several.
type attempt struct {
	members  []*pending
	lane     *lane
	stream   string
	id       uint64 // of its answer
	deadline time.Time
}

// window is how many attempts may be under way in a lane before what comes is
// gathered: of batches, and of appends that are one message.
type window struct{ batches, singles int }

// A single server does one batch after the other. Several gather what comes by
// themselves, as long as they get it.
var (
	windowOfOne     = window{batches: 1, singles: 16}
	windowOfSeveral = window{batches: 8, singles: 1024}
)

const (
	// hurryUp is how long the outcome of an append may take that was sent when the
	// connection was lost, or the leader changed: it was stored already, or never
	// will be, or nobody will tell.
	hurryUp = 2 * time.Second

	// How many of the appends that are one message make a batch worth while: it
	// costs a single server as much as that many messages.
	fewSingles = 16

	// What is gathered at most. A server takes 1,000 messages in a batch.
	maxGathered      = 128
	maxGatheredParts = 512
	maxGatheredBytes = 512 << 10
)

func newSender(e *Engine) *sender {
	return &sender{e: e, wake: make(chan struct{}, 1), lanes: map[*partition]*lane{}, sent: map[*attempt]struct{}{}}
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
	_, expects := p.batch.Expect.Offset()
	p.alone = expects || p.parts() > maxGatheredParts || p.bytes > maxGatheredBytes
	l := s.lanes[p.partition]
	if l == nil {
		l = &lane{}
		s.lanes[p.partition] = l
	}
	l.queue = append(l.queue, p)
	s.makeReady(l)
	return nil
}

// parts returns how many messages an append is.
func (p *pending) parts() int {
	if p.batch.DedupKey != "" {
		return len(p.batch.Records) + 1
	}
	return len(p.batch.Records)
}

// makeReady has the sender look at a lane. The lock is held.
func (s *sender) makeReady(l *lane) {
	if !l.ready {
		l.ready = true
		s.ready = append(s.ready, l)
	}
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
		p.alone = true
		l := s.lanes[p.partition]
		l.queue = append(l.queue, p)
		s.makeReady(l)
	}
	s.mu.Unlock()
	if closed {
		s.finish(p, eventlog.Appended{}, eventlog.ErrClosed)
	}
}

// run sends what waits.
func (s *sender) run() {
	for {
		select {
		case <-s.e.life.Done():
			return
		case <-s.wake:
		}
		for a, reply := s.next(); a != nil; a, reply = s.next() {
			s.publish(a, reply)
		}
	}
}

// next returns what is to be sent now, or nil.
func (s *sender) next() (a *attempt, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) > 0 && !s.closed {
		l := s.ready[0]
		members := l.take(s.window)
		if len(members) == 0 {
			l.ready = false
			s.ready = s.ready[1:]
			continue
		}
		a = &attempt{members: members, lane: l, stream: members[0].partition.log}
		for _, p := range members {
			p.tries++
			if a.deadline.IsZero() || p.until.Before(a.deadline) {
				a.deadline = p.until
			}
		}
		l.underway++
		l.gathered = len(members) > 1
		s.sent[a] = struct{}{}
		a.id, reply = s.e.mux.expect(func(m *nats.Msg) bool { s.answered(a, m); return false })
		return a, reply
	}
	return nil, ""
}

// take takes from the queue what can be sent in one attempt now.
func (l *lane) take(w window) (members []*pending) {
	if l.gathered || len(l.queue) == 0 {
		return nil
	}
	first, most, underway := l.queue[0], maxGathered, w.batches
	if first.parts() == 1 {
		underway = w.singles
		if len(l.queue) < fewSingles || l.underway < underway/2 {
			most = 1
		}
	}
	if !first.alone && l.underway >= underway {
		return nil
	}
	n, parts, bytes := 0, 0, int64(0)
	keys := map[string]bool{}
	for ; n < len(l.queue) && n < most; n++ {
		p := l.queue[n]
		if n > 0 && (p.alone || first.alone) {
			break
		}
		parts += p.parts()
		bytes += p.bytes
		key := p.batch.Channel + "\x00" + p.batch.DedupKey
		if n > 0 && (parts > maxGatheredParts || bytes > maxGatheredBytes || p.batch.DedupKey != "" && keys[key]) {
			break
		}
		keys[key] = true
	}
	members = append(members, l.queue[:n]...)
	clear(l.queue[:n])
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	return members
}

func (s *sender) publish(a *attempt, reply string) {
	for _, m := range s.messages(a.members, reply) {
		err := s.e.nc.PublishMsg(m)
		switch {
		case err == nil:
			continue
		case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrMaxPayload):
			// Not sent, and half of a batch is never stored.
			s.fail(a, fmt.Errorf("%w: %w", err, eventlog.ErrUnavailable))
		default: // the connection broke while it was written
			s.shorten(func(b *attempt) bool { return b == a })
		}
		return
	}
}

// answered takes the outcome of an attempt.
func (s *sender) answered(a *attempt, m *nats.Msg) {
	seq, refused, err := published(m)
	if err != nil || refused != nil && refused.Code >= 500 {
		a.members[0].partition.doubted.Store(true)
	}
	switch {
	case err != nil:
		s.fail(a, err)
	case refused != nil && !refused.wrongLast():
		s.fail(a, fmt.Errorf("%w: %w", refused, s.e.meaning(refused)))
	case refused == nil:
		s.stored(a, seq)
	case len(a.members) > 1:
		s.split(a)
	default:
		// Whether it is a conflict or a duplicate has to be read.
		p := a.members[0]
		s.landed(a)
		if !s.spawn(func() { s.resolve(p) }) {
			s.finish(p, eventlog.Appended{}, eventlog.ErrClosed)
		}
	}
}

// meaning returns what a refusal says of an append.
func (e *Engine) meaning(refused *apiError) error {
	if refused.Code >= 500 {
		return e.trouble()
	}
	return eventlog.ErrUnavailable
}

// trouble is what is known of an append that a server refused because it cannot do
// it: of several, it may be one that was the leader, while the one that is stores it.
func (e *Engine) trouble() error {
	if e.copies > 1 {
		return eventlog.ErrUnknown
	}
	return eventlog.ErrUnavailable
}

// stored tells the appends of an attempt where they are: the messages follow each
// other in the stream.
func (s *sender) stored(a *attempt, last uint64) {
	if !s.landed(a) {
		return
	}
	a.members[0].partition.doubted.Store(false)
	at := last + 1
	for _, p := range a.members {
		at -= uint64(p.parts())
	}
	for _, p := range a.members {
		end := at + uint64(p.parts())
		s.finish(p, appendedAt(p, end-uint64(len(p.batch.Records)), end-1), nil)
		at = end
	}
}

// fail tells the appends of an attempt an error.
func (s *sender) fail(a *attempt, err error) {
	if s.landed(a) {
		for _, p := range a.members {
			s.finish(p, eventlog.Appended{}, err)
		}
	}
}

// split sends the members of an attempt one by one, before all else in the lane.
func (s *sender) split(a *attempt) {
	s.mu.Lock()
	closed := s.closed
	if _, ok := s.sent[a]; ok && !closed {
		for _, p := range a.members {
			p.alone = true
		}
		a.lane.queue = append(a.members, a.lane.queue...)
	}
	s.mu.Unlock()
	if closed {
		s.fail(a, eventlog.ErrClosed)
		return
	}
	s.landed(a)
}

// landed ends an attempt, and tells whether it was under way.
func (s *sender) landed(a *attempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.sent[a]; !ok {
		return false
	}
	delete(s.sent, a)
	s.e.mux.forget(a.id)
	a.lane.underway--
	if len(a.members) > 1 {
		a.lane.gathered = false
	}
	if len(a.lane.queue) > 0 {
		s.makeReady(a.lane)
	}
	if s.idle != nil && len(s.sent) == 0 {
		close(s.idle)
		s.idle = nil
	}
	return true
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
	s.records -= len(p.batch.Records)
	s.bytes -= p.bytes
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
	s.shorten(func(a *attempt) bool { return stream == "" || a.stream == stream })
}

func (s *sender) shorten(which func(*attempt) bool) {
	soon := time.Now().Add(hurryUp)
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.sent {
		if which(a) && a.deadline.After(soon) {
			a.deadline = soon
		}
	}
}

// expire gives up the attempts that have had no outcome for too long, and what has
// waited too long behind them.
func (s *sender) expire() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.e.life.Done():
			return
		case now := <-tick.C:
			s.giveUp(func(a *attempt) bool { return now.After(a.deadline) })
			for _, p := range s.dropQueued(func(p *pending) bool { return now.After(p.until) }) {
				s.finish(p, eventlog.Appended{}, fmt.Errorf("it waited too long: %w", s.waited(p)))
			}
		}
	}
}

// waited returns what is known of an append that waited to be sent, perhaps again.
func (s *sender) waited(p *pending) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.tries > 0 {
		return s.e.trouble()
	}
	return eventlog.ErrUnavailable
}

func (s *sender) giveUp(which func(*attempt) bool) {
	var late []*attempt
	s.mu.Lock()
	for a := range s.sent {
		if which(a) {
			late = append(late, a)
		}
	}
	s.mu.Unlock()
	for _, a := range late {
		a.members[0].partition.doubted.Store(true)
		s.fail(a, eventlog.ErrUnknown)
	}
}

// dropQueued takes appends out of the queues that were not sent.
func (s *sender) dropQueued(which func(*pending) bool) (dropped []*pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		// They are in the order of their deadlines, but for a few.
		for len(l.queue) > 0 && which(l.queue[0]) {
			dropped = append(dropped, l.queue[0])
			l.queue = l.queue[1:]
		}
	}
	return dropped
}

// lastAnswers is how long Close waits for the outcomes of what was sent.
const lastAnswers = time.Second

// close refuses what was not sent, and waits a little for the outcomes of what
// was.
func (s *sender) close() {
	s.mu.Lock()
	s.closed = true
	var idle chan struct{}
	if len(s.sent) > 0 {
		idle = make(chan struct{})
		s.idle = idle
	}
	s.mu.Unlock()
	for _, p := range s.dropQueued(func(*pending) bool { return true }) {
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
	s.giveUp(func(*attempt) bool { return true })
}
