package session

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/protocol"
)

const (
	// maxOutbox bounds the replies that wait to be sent: a client that does
	// not read them is not read.
	maxOutbox = 64 << 10
	// maxInFlight bounds the publications that wait for the log.
	maxInFlight = 64
	// quantum is how much one subscription may say before the next has its
	// turn.
	quantum = 16 << 10
)

// Outlet is where a session's transport hears of news. See the package comment
// for who calls Next when.
type Outlet interface {
	// Flush is called by a worker of the hub when the session becomes ready.
	// It must not block.
	Flush()
	// End is called once, when the session has ended, perhaps by the
	// transport itself. It must not block and must not call the session. why
	// is nil if the client went.
	End(why *protocol.Error)
}

// Writer is how a transport frames what a session says.
type Writer interface {
	hub.Emitter
	// Message takes a message that is for this client alone.
	Message(json []byte)
	// Ping takes a heartbeat. asMessage says that the client wants it as a
	// message.
	Ping(asMessage bool)
	// Pong takes the answer to a ping of the client's transport.
	Pong(payload []byte)
	// Drain takes the advice to come back after so many milliseconds.
	Drain(afterMillis int64)
}

// Session is a client's logical connection. Next is for one goroutine at a time;
// everything else is safe for concurrent use.
type Session struct {
	// Static after Open.
	server    *Server
	id        string
	outlet    Outlet
	addr      *Bucket // of the client's address; nil if it is the program itself
	worker    uint16
	heartbeat Heartbeat

	bucket Bucket

	mu        sync.Mutex // guards the following
	client    client
	ready     bool
	closed    bool
	waiting   bool // for the answer to a heartbeat
	requested bool // a request that carries a command is in progress
	pending   pending
	heard     int64 // Unix milliseconds of the last sign of life
	entries   []*entry
	dirty     hub.Queue
	out       *said // to be said; nil if nothing is
	outBytes  int
	room      func() // called when there is room again; nil when nobody waits
}

// pending is what a session has begun and not ended.
type pending struct {
	inFlight int16 // commands, some of them weighing as many
	making   int16 // subscriptions
	held     *held // commands that wait for those; nil if none does
}

// entry is a subscription, or one in the making.
type entry struct {
	channel string
	sub     *hub.Subscription // nil until the hub has made it
	ctx     context.Context   // bounds the making
	cancel  func()            // ends it
	given   bool              // by the server's will
}

// ID returns the session's id, which is a secret of its client.
func (s *Session) ID() string { return s.id }

// Mark implements [hub.Listener].
func (s *Session) Mark(sub *hub.Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.dirty.Push(sub)
	return s.becomeReady()
}

// Flush implements [hub.Listener].
func (s *Session) Flush() { s.outlet.Flush() }

// becomeReady tells whether the outlet has to be flushed. The lock is held.
func (s *Session) becomeReady() bool {
	was := s.ready
	s.ready = true
	return !was && !s.closed
}

// push puts a message into the outbox.
func (s *Session) push(json []byte) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	o := s.outbox()
	o.messages = append(o.messages, json)
	s.outBytes += len(json)
	ready := s.becomeReady()
	s.mu.Unlock()
	if ready {
		s.server.conf.Hub.Flush(int(s.worker), s)
	}
}

// Say sends the client a message that is for it alone.
func (s *Session) Say(json []byte) { s.push(json) }

// Pong answers a ping of the transport with its payload. Only the newest counts.
func (s *Session) Pong(payload []byte) {
	s.mu.Lock()
	s.outbox().pong = append([]byte{}, payload...)
	ready := s.becomeReady()
	s.mu.Unlock()
	if ready {
		s.server.conf.Hub.Flush(int(s.worker), s)
	}
}

// Acquire claims the session for a request that carries a command, of which there
// is one at a time; ReleaseRequest gives it back.
func (s *Session) Acquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requested || s.pending.inFlight >= 4*maxInFlight {
		return false // or requests that were given up have left that much behind
	}
	s.requested = true
	return true
}

// ReleaseRequest ends what Acquire began.
func (s *Session) ReleaseRequest() {
	s.mu.Lock()
	s.requested = false
	s.mu.Unlock()
}

// Next puts what there is to say into w, about budget bytes of it at most. It
// returns false when there was nothing, and the session is idle again; or when
// the session has ended. As long as it puts something, whoever calls it has to
// call it again, and so has the time to send.
func (s *Session) Next(w Writer, budget int) (more bool) {
	for start := w.Len(); ; {
		t := s.next(w.Len() == start)
		if t.done {
			return w.Len() > start
		}
		if t.said != nil {
			t.said.to(w, t.pings)
		}
		if t.sub != nil {
			s.pull(t.sub, w, min(quantum, max(budget-(w.Len()-start), 1)))
		}
		// Mostly there was one thing to say. Whether there is more is seen when the
		// caller comes again.
		if n := w.Len() - start; n >= budget || t.last && n > 0 {
			return true
		}
	}
}

// said is what is said to one client alone.
type said struct {
	messages [][]byte
	pong     []byte
	ping     bool
	drain    int64 // advice to come back after so many milliseconds
}

func (m *said) to(w Writer, pings bool) {
	for _, json := range m.messages {
		w.Message(json)
	}
	if m.pong != nil {
		w.Pong(m.pong)
	}
	if m.ping {
		w.Ping(pings)
	}
	if m.drain > 0 {
		w.Drain(m.drain)
	}
}

// outbox returns what is to be said, to add to it. The lock is held.
func (s *Session) outbox() *said {
	if s.out == nil {
		s.out = &said{}
	}
	return s.out
}

// turn is a step of Next: what is to be said, then the subscription whose turn it is.
type turn struct {
	said  *said
	sub   *hub.Subscription
	pings bool
	last  bool // there was nothing else
	done  bool // there was nothing at all
}

// next takes the next turn. If there is none, the session is idle if it may be.
func (s *Session) next(mayIdle bool) (t turn) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return turn{done: true}
	}
	if t.said = s.out; t.said != nil {
		s.out, s.outBytes = nil, 0
		s.makeRoom()
	}
	t.pings = s.client.pings
	t.sub = s.dirty.Pop()
	t.last = s.dirty.Empty()
	if t.sub == nil {
		t.done = t.said == nil
		s.ready = !(t.done && mayIdle)
	}
	s.mu.Unlock()
	return t
}

func (s *Session) pull(sub *hub.Subscription, w Writer, budget int) {
	more, failure := sub.Pull(w, budget)
	if more {
		s.mu.Lock()
		s.dirty.Push(sub)
		s.mu.Unlock()
	}
	if failure != nil {
		s.server.stats.slow.Add(1)
		s.End(failure)
	}
}

// Room tells whether the client may say more: whether few enough of its commands
// wait for the log, and few enough replies for the client. If it may not, wake is
// called once when it may, or when the session has ended; it must not block and must
// not call the session. open is false when the session has ended.
func (s *Session) Room(wake func()) (room, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.hasRoom() {
		return true, !s.closed
	}
	s.room = wake
	return false, true
}

// WaitRoom waits until Room is true. It returns false when the session has ended.
func (s *Session) WaitRoom() bool {
	for {
		s.mu.Lock()
		room, open := s.closed || s.hasRoom(), !s.closed
		s.mu.Unlock()
		if room {
			return open
		}
		again := make(chan struct{})
		if room, _ := s.Room(func() { close(again) }); !room {
			<-again
		}
	}
}

func (s *Session) hasRoom() bool { return s.outBytes < maxOutbox && s.pending.inFlight < maxInFlight }

// makeRoom wakes who waits for room, if there is. The lock is held.
func (s *Session) makeRoom() {
	if s.room != nil && (s.closed || s.hasRoom()) {
		s.room()
		s.room = nil
	}
}

// End ends the session: it says nothing any more, and its outlet is told. Only
// the first call counts.
func (s *Session) End(why *protocol.Error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	entries := s.entries
	s.entries, s.dirty, s.out = nil, hub.Queue{}, nil
	s.makeRoom()
	s.mu.Unlock()
	for _, e := range entries {
		e.end()
	}
	s.server.uncount(s, why)
	s.server.remove(s)
	s.outlet.End(why)
}

func (e *entry) end() {
	e.cancel()
	if e.sub != nil {
		e.sub.Close()
	}
}

// askToLeave asks the client to come back later.
func (s *Session) askToLeave() {
	s.mu.Lock()
	s.outbox().drain = 1 + rand.Int64N(2000)
	ready := s.becomeReady()
	s.mu.Unlock()
	if ready {
		s.server.conf.Hub.Flush(int(s.worker), s)
	}
}

// Alive notes a sign of life of the client.
func (s *Session) Alive() {
	now := time.Now().UnixMilli()
	s.mu.Lock()
	s.heard = now
	s.waiting = false
	s.mu.Unlock()
}

// firstPing spreads the heartbeats of clients that came all at once.
func (s *Session) firstPing() time.Duration {
	return s.server.conf.Ping/2 + time.Duration(rand.Int64N(int64(s.server.conf.Ping/2)))
}

// Tick implements [wheel.Entry]: it sends a heartbeat, or finds that the last had
// no answer.
func (s *Session) Tick(now time.Time) time.Duration {
	conf := &s.server.conf
	jittered := conf.Ping - conf.Ping/10 + time.Duration(rand.Int64N(int64(conf.Ping/5)+1))
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return 0
	case s.waiting || s.out != nil && s.out.ping:
		// The last one was not answered, or the socket does not take it.
		s.mu.Unlock()
		s.server.stats.pongless.Add(1)
		s.End(protocol.Errorf(protocol.NoPong, "There was no answer to a heartbeat within %v. Resume from your position.", conf.PongWait))
		return 0
	case s.heartbeat == Answered && now.UnixMilli()-s.heard < conf.Ping.Milliseconds()/2:
		// It has just been heard.
		quiet := now.Sub(time.UnixMilli(s.heard))
		s.mu.Unlock()
		return jittered - quiet
	}
	s.outbox().ping = true
	s.waiting = s.heartbeat == Answered
	ready := s.becomeReady()
	s.mu.Unlock()
	if ready {
		conf.Hub.Flush(int(s.worker), s)
	}
	if s.heartbeat == Answered {
		return conf.PongWait
	}
	return jittered
}

// AppendPosition appends the position of all the session's channels, as it stands
// after what Next has put out. It is for who calls Next.
func (s *Session) AppendPosition(dst []byte) []byte {
	var buf [64]byte
	places := buf[:0]
	s.mu.Lock()
	n := 0
	for _, e := range s.entries {
		if e.sub != nil && !e.sub.Wildcard() && n < protocol.MaxPositionChannels {
			places = e.sub.AppendPlace(places)
			n++
		}
	}
	s.mu.Unlock()
	if n == 0 {
		return dst
	}
	return protocol.AppendPosition(dst, places)
}

// Seek moves the session's subscriptions to where its client says it stands. It
// is for who calls Next, between two calls.
func (s *Session) Seek(p protocol.Position) {
	for _, sub := range s.Subscriptions() {
		if epoch, offset, ok := p.In(sub.Channel()); ok {
			sub.Seek(epoch, offset)
		}
	}
}

// PositionOf returns where the session stands in a channel, or "". It is for who
// calls Next.
func (s *Session) PositionOf(channel string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(channel); e != nil && e.sub != nil {
		return e.sub.Position()
	}
	return ""
}

// Subscriptions returns the live subscriptions, for transports that go back to
// what was not received.
func (s *Session) Subscriptions() []*hub.Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	var subs []*hub.Subscription
	for _, e := range s.entries {
		if e.sub != nil {
			subs = append(subs, e.sub)
		}
	}
	return subs
}

// Channels returns the names of what the session is subscribed to.
func (s *Session) Channels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.entries))
	for _, e := range s.entries {
		names = append(names, e.channel)
	}
	return names
}
