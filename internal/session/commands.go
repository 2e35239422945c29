package session

import (
	"context"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/protocol"
)

// signalTimeout bounds how long a signal may wait for the engine.
const signalTimeout = 5 * time.Second

// drowned is how far a client may exceed its rate, in bursts, before its session
// is ended.
const drowned = 5

// Receive takes a message of the client. What it refuses it answers; what it
// cannot bear ends the session. The answers go the way of everything that Next
// puts out. Receive does not keep msg.
func (s *Session) Receive(msg []byte) {
	s.Alive()
	cmd, err := protocol.Parse(msg)
	s.handle(cmd, err, false, s.push)
}

// ReceiveCBOR is Receive for a message in CBOR. The answers are JSON all the same.
func (s *Session) ReceiveCBOR(msg []byte) {
	s.Alive()
	cmd, err := protocol.ParseCBOR(msg)
	s.handle(cmd, err, false, s.push)
}

// Request is Receive for transports that carry commands apart: the answer is
// returned, with the id null if the command has none.
func (s *Session) Request(ctx context.Context, msg []byte) []byte {
	answer := make(chan []byte, 1)
	cmd, err := protocol.Parse(msg)
	s.handle(cmd, err, true, func(json []byte) { answer <- json })
	select {
	case json := <-answer:
		return json
	case <-ctx.Done():
		return protocol.AppendRefusal(nil, nil, "", protocol.Errorf(protocol.UnknownResult, "The request ended before the answer came. Retry with the same key."))
	}
}

// command is one on its way to an answer.
type command struct {
	protocol.Command
	session *Session
	answer  func(json []byte)
	span    Span // of a publication
}

// handle obeys a command, unless err says why it cannot be obeyed. The answer may
// come before handle returns, or later. A command that has no id and succeeds is
// answered only if always is set.
func (s *Session) handle(cmd protocol.Command, err *protocol.Error, always bool, answer func(json []byte)) {
	s.server.stats.commands.Add(1)
	c := &command{Command: cmd, session: s, answer: answer}
	if always && c.ID == nil {
		c.ID = []byte("null")
	}
	// What cannot be obeyed counts as well: it costs no less.
	if limited := s.limit(); limited != nil {
		err = limited
	}
	if err != nil {
		c.refuse(err)
		return
	}
	if c.Type != protocol.Connect && s.owesGreeting() {
		s.background(c, maxInFlight, func(c *command) {
			if err := s.Greet(protocol.Position{}); err != nil {
				c.refuse(err)
				s.End(err)
				return
			}
			s.obey(c, always)
		})
		return
	}
	s.obey(c, always)
}

// obey does what a command asks for.
func (s *Session) obey(c *command, always bool) {
	switch c.Type {
	case protocol.Connect:
		s.background(c, maxInFlight, s.connect) // what follows is said by whom the token names
	case protocol.Refresh:
		s.background(c, maxInFlight, s.refresh)
	case protocol.Call:
		s.background(c, maxInFlight, s.call)
	case protocol.Subscribe:
		s.subscribe(c)
	case protocol.Unsubscribe:
		s.unsubscribe(c)
	case protocol.Publish, protocol.SignalType:
		if !s.hold(c) {
			s.say(c, s.background)
		}
	case protocol.History:
		s.background(c, maxInFlight, s.history) // its reply may be large: one at a time
	case protocol.Ping:
		if c.ID == nil {
			c.answer(protocol.AppendPong(nil))
		} else {
			c.reply([]byte("{}"))
		}
	case protocol.Pong:
		if always {
			c.reply([]byte("{}"))
		}
	}
}

// limit takes a command off the session's and the address's rate.
func (s *Session) limit() *protocol.Error {
	l, now := s.server.limits.Load(), time.Now()
	ok, over := s.bucket.Take(now, l.Rate, l.Burst)
	if ok {
		// Nobody is ended for it: others behind the same address may be to blame.
		ok, _ = s.addr.Take(now, l.AddrRate, l.AddrBurst)
	}
	if ok {
		return nil
	}
	s.server.stats.limited.Add(1)
	err := protocol.Errorf(protocol.RateLimited, "Too many commands. At most %v a second are obeyed, %v at once.", l.Rate, l.Burst)
	if over > drowned {
		s.End(err)
	}
	return err
}

// reply answers a command that succeeded; a command without an id hears nothing.
func (c *command) reply(result []byte) {
	if c.ID != nil {
		c.answer(protocol.AppendReply(nil, c.ID, result))
	}
}

// refuse answers a command that is not obeyed.
func (c *command) refuse(err *protocol.Error) {
	c.session.server.stats.refused.Add(1)
	c.session.server.conf.Observer.refuse(err)
	if c.span != nil {
		c.span.End(err)
	}
	c.answer(protocol.AppendRefusal(nil, c.ID, c.Channel, err))
}

// fail refuses a command because of an error of ours.
func (c *command) fail(err error) { c.refuse(c.session.server.Explain(err)) }

// verdict refuses the command if the client may not do it, as far as that is known
// at once.
func (c *command) verdict(verb auth.Verb) Verdict {
	v, err := c.session.server.judge(c.session.Identity(), verb, c.Channel)
	if v == Refused {
		c.refuse(err)
	}
	return v
}

// allowed is verdict for who can wait.
func (c *command) allowed(verb auth.Verb) bool {
	sv := c.session.server
	if err := sv.allow(sv.ctx, c.session.Identity(), verb, c.Channel); err != nil {
		c.refuse(err)
		return false
	}
	return true
}

// background runs what may take a while without holding up the next command,
// unless weight, of maxInFlight at once, is more than there is room for.
func (s *Session) background(c *command, weight int16, f func(*command)) {
	s.begin(weight)
	if !s.server.spawn(func() { f(c); s.done(weight) }) {
		s.done(weight)
		c.refuse(goingAway())
	}
}

func (s *Session) begin(weight int16) {
	s.mu.Lock()
	s.pending.inFlight += weight
	s.mu.Unlock()
}

func (s *Session) done(weight int16) {
	s.mu.Lock()
	s.pending.inFlight -= weight
	s.makeRoom()
	s.mu.Unlock()
}

func (s *Session) subscribe(c *command) {
	join, err := joinOf(&c.Command)
	if err != nil {
		c.refuse(err)
		return
	}
	if c.verdict(auth.Subscribe) == Refused {
		return
	}
	// Now, so that an unsubscribe that comes next finds it.
	e, err := s.reserve(c.Channel, false)
	if err != nil {
		c.refuse(err)
		return
	}
	s.background(c, 1, func(c *command) {
		defer s.release()
		sub, recovered, err := s.makeAsked(e, join)
		if err != nil {
			c.refuse(err)
			return
		}
		if c.ID != nil {
			c.reply(protocol.AppendSubscribeResult(nil, sub.Position(), recovered))
		} else {
			c.answer(protocol.AppendSubscribed(nil, c.Channel, sub.Position(), recovered))
		}
		sub.Start()
	})
}

// joinOf reads where a subscription shall begin.
func joinOf(c *protocol.Command) (hub.Join, *protocol.Error) {
	p, err := protocol.ParseSince(c.Since)
	if err != nil {
		return hub.Join{}, err
	}
	j := joinSince(c.Channel, p)
	j.Filter, j.Slow = c.Filter, c.Slow
	j.Since.Offset = max(j.Since.Offset, c.Offset) // what the client has seen since it was given the position
	return j, nil
}

// Join subscribes the session to a channel that its client asked for otherwise than
// by a command, if it may. The subscription is silent until Start.
func (s *Session) Join(channel string, since protocol.Position, filter protocol.Filter, slow protocol.SlowPolicy) (sub *hub.Subscription, recovered bool, err *protocol.Error) {
	j := joinSince(channel, since)
	j.Filter, j.Slow = filter, slow
	e, err := s.reserve(channel, false)
	if err != nil {
		return nil, false, err
	}
	defer s.release()
	return s.makeAsked(e, j)
}

// joinSince returns a join that resumes from since if that knows the channel.
func joinSince(channel string, since protocol.Position) hub.Join {
	epoch, offset, known := since.In(channel)
	return hub.Join{Resume: known, Since: eventlog.Position{Epoch: epoch, Offset: offset}}
}

// makeAsked makes a subscription that was reserved for the client, if it may have
// it.
func (s *Session) makeAsked(e *entry, j hub.Join) (*hub.Subscription, bool, *protocol.Error) {
	if err := s.admit(e.ctx, e.channel, &j); err != nil {
		e.cancel()
		s.mu.Lock()
		s.pending.making--
		if s.find(e.channel) == e {
			s.drop(e)
		}
		s.mu.Unlock()
		return nil, false, err
	}
	return s.make(e, j)
}

// make makes a subscription that was reserved.
func (s *Session) make(e *entry, j hub.Join) (*hub.Subscription, bool, *protocol.Error) {
	j.Worker = int(s.worker)
	sub, recovered, err := s.server.conf.Hub.Subscribe(e.ctx, e.channel, s, j)
	cancelled := e.ctx.Err() != nil
	e.cancel()
	s.mu.Lock()
	s.pending.making--
	there := s.find(e.channel) == e
	switch {
	case err != nil && there:
		s.drop(e)
	case there:
		e.sub, e.ctx, e.cancel = sub, nil, func() {} // a subscription holds no more than it has to
	}
	s.mu.Unlock()
	if err == nil && !there {
		sub.Close()
	}
	switch {
	case !there || cancelled:
		return nil, false, protocol.Errorf(protocol.NotThere, "The subscription to %s was ended before it began.", e.channel)
	case err != nil:
		return nil, false, s.server.Explain(err)
	}
	return sub, recovered, nil
}

// reserve notes a subscription in the making.
func (s *Session) reserve(channel string, given bool) (*entry, *protocol.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, protocol.Errorf(protocol.SessionGone, "The session has ended.")
	case s.find(channel) != nil:
		return nil, protocol.Errorf(protocol.AlreadyThere, "The session is subscribed to %s already.", channel)
	case len(s.entries) >= s.maxChannels():
		return nil, protocol.Errorf(protocol.LimitReached, "This session has at most %d subscriptions.", s.maxChannels())
	case s.tooManyWildcards(channel):
		return nil, protocol.Errorf(protocol.LimitReached, "This session has at most %d wildcards.", s.server.limits.Load().MaxWildcards)
	}
	e := &entry{channel: channel, given: given}
	e.ctx, e.cancel = context.WithCancel(s.server.ctx)
	s.entries = append(s.entries, e)
	s.pending.making++
	return e, nil
}

// maxChannels is how many subscriptions the session can have: where its position
// stands for all of them, no more than a position covers.
func (s *Session) maxChannels() int {
	most := s.server.limits.Load().MaxChannels
	if s.heartbeat == Answered {
		return most
	}
	return min(most, protocol.MaxPositionChannels)
}

func (s *Session) find(channel string) *entry {
	for _, e := range s.entries {
		if e.channel == channel {
			return e
		}
	}
	return nil
}

// drop takes an entry off the list. The lock is held.
func (s *Session) drop(e *entry) {
	for i, f := range s.entries {
		if f == e {
			s.entries = append(s.entries[:i:i], s.entries[i+1:]...)
			return
		}
	}
}

func (s *Session) unsubscribe(c *command) {
	if !s.leave(c.Channel) {
		c.refuse(protocol.Errorf(protocol.NotThere, "The session is not subscribed to %s.", c.Channel))
		return
	}
	c.reply([]byte("{}"))
}

// leave ends a subscription, and tells whether there was one.
func (s *Session) leave(channel string) bool {
	s.mu.Lock()
	e := s.find(channel)
	if e != nil {
		s.drop(e)
	}
	s.mu.Unlock()
	if e == nil {
		return false
	}
	e.end()
	return true
}

// Subscribe subscribes the session by the server's will, and tells the client.
func (s *Session) Subscribe(channel string) *protocol.Error {
	return s.give(channel, protocol.Position{})
}

// give is Subscribe for a client that resumes from since, if that knows the
// channel.
func (s *Session) give(channel string, since protocol.Position) *protocol.Error {
	e, err := s.reserve(channel, true)
	if err != nil {
		return err
	}
	defer s.release()
	j := joinSince(channel, since)
	sub, recovered, err := s.make(e, j)
	if err != nil {
		return err
	}
	s.push(protocol.AppendSubscribed(nil, channel, sub.Position(), recovered))
	if j.Resume && !recovered && !sub.Wildcard() {
		s.push(protocol.AppendReset(nil, channel, sub.Position(), hub.ResetGone.Reason()))
	}
	sub.Start()
	return nil
}

// Unsubscribe ends a subscription by the server's will, tells the client why, and
// tells the caller whether there was one.
func (s *Session) Unsubscribe(channel string, why *protocol.Error) bool {
	if !s.leave(channel) {
		return false
	}
	s.push(protocol.AppendUnsubscribed(nil, channel, why))
	return true
}

func (s *Session) history(c *command) {
	if !c.allowed(auth.History) {
		return
	}
	h, err := s.server.History(s.server.ctx, HistoryQuery{Channel: c.Channel, Since: c.Since, Before: c.Before, Newest: c.Newest, Limit: c.Limit, Filter: c.Filter})
	if err != nil {
		c.refuse(err)
		return
	}
	c.reply(protocol.AppendHistoryResult(nil, h.Position, h.Publications, h.Complete, h.More))
}
