package session

import (
	"context"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/protocol"
)

// expirySpan is how far ahead the expiry of tokens is looked at.
const expirySpan = 10 * time.Minute

// client is who a session's client is. The session's lock guards it.
type client struct {
	who     *auth.Identity // nil if anonymous
	door    *Door          // nil if nobody asks
	greeted bool           // the hook Connect was asked
	pings   bool           // wants heartbeats as messages
	checkAt int64          // Unix seconds when the expiry is looked at; 0: never
}

// Identity returns who the client is; nil is anonymous. It must not be changed.
func (s *Session) Identity() *auth.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client.who
}

// user returns the user of an identity, "" if it is anonymous.
func user(who *auth.Identity) string {
	if who == nil {
		return ""
	}
	return who.User
}

// identify sets who the client is, and sees that it ends with its token; unless the
// user has as many sessions as may be.
func (s *Session) identify(who *auth.Identity) *protocol.Error {
	s.mu.Lock()
	if err := s.become(who); err != nil {
		s.mu.Unlock()
		return err
	}
	wait := s.untilExpiry(time.Now())
	if wait > 0 {
		at := time.Now().Add(wait).Unix()
		if s.client.checkAt != 0 && s.client.checkAt <= at {
			wait = 0 // it is looked at early enough
		} else {
			s.client.checkAt = at
		}
	}
	s.mu.Unlock()
	if wait > 0 {
		s.server.expiry.Add((*expiring)(s), wait)
	}
	return nil
}

// untilExpiry returns in how long the session ends or is to be looked at again, 0
// for never. The lock is held.
func (s *Session) untilExpiry(now time.Time) time.Duration {
	if s.client.who == nil || s.client.who.Expires.IsZero() {
		return 0
	}
	left := s.client.who.Expires.Add(s.server.conf.ExpiryGrace).Sub(now)
	return min(max(left, time.Millisecond), expirySpan)
}

// expiring is a session on the wheel of expiries.
type expiring Session

// Tick implements [wheel.Entry].
func (e *expiring) Tick(now time.Time) time.Duration {
	s := (*Session)(e)
	s.mu.Lock()
	// The wheel may turn up to a step early: that is not yet another entry's turn.
	if s.closed || now.Unix()+1 < s.client.checkAt {
		s.mu.Unlock()
		return 0 // or another entry will do it
	}
	wait := s.untilExpiry(now)
	over := wait == time.Millisecond
	s.client.checkAt = 0
	if wait > 0 {
		s.client.checkAt = now.Add(wait).Unix()
	}
	s.mu.Unlock()
	if over {
		s.End(protocol.Errorf(protocol.TokenExpired, "The token has expired. Get a new one, and resume from your positions."))
		return 0
	}
	return wait
}

// expires returns in how many milliseconds a token expires, at least 1, or 0 if it
// does not.
func expires(who *auth.Identity) int64 {
	if who == nil || who.Expires.IsZero() {
		return 0
	}
	return max(time.Until(who.Expires).Milliseconds(), 1)
}

// Authenticate returns whom a token names.
func (sv *Server) Authenticate(token string) (*auth.Identity, *protocol.Error) {
	if sv.conf.Policy == nil {
		return nil, protocol.Errorf(protocol.Unauthorized, "This server was given no keys to check tokens with.")
	}
	ctx, cancel := context.WithTimeout(sv.ctx, sv.conf.HookTimeout)
	defer cancel()
	return sv.conf.Policy.Authenticate(ctx, token)
}

// TokenRevoked returns what the client is told whose token was revoked.
func TokenRevoked() *protocol.Error {
	return protocol.Errorf(protocol.Revoked, "The token was revoked.")
}

// revoked tells whether a token was revoked after it was looked at. Who revokes ends
// the sessions that have it, so it is asked when the session has it as well.
func (sv *Server) revoked(who *auth.Identity) bool {
	return who != nil && sv.conf.Policy != nil && sv.conf.Policy.Revoked(who)
}

// greet asks the hook Connect about a session as who, makes the session theirs, and
// subscribes it to what the hook says, from since on where that knows the channel.
func (s *Session) greet(who *auth.Identity, since protocol.Position) *protocol.Error {
	hook := s.server.conf.Hooks.Connect
	s.mu.Lock()
	again, door := s.client.greeted, s.client.door
	s.mu.Unlock()
	var channels []string
	named := who // by the token; the hook may say otherwise
	if hook != nil {
		c := &Connecting{Session: s.id, Identity: who, Refresh: again}
		if door != nil {
			c.Door = *door
		}
		ctx, cancel := context.WithTimeout(s.server.ctx, s.server.conf.HookTimeout)
		defer cancel()
		if err := hook(ctx, c); err != nil {
			return err
		}
		who, channels = c.Identity, c.Channels
	}
	if err := s.identify(who); err != nil {
		return err
	}
	if s.server.revoked(named) {
		err := TokenRevoked() // while the hook was asked
		s.End(err)
		return err
	}
	s.mu.Lock()
	s.client.greeted = true
	s.mu.Unlock()
	for _, channel := range channels {
		if err := s.give(channel, since); err != nil && err.Code != protocol.AlreadyThere {
			return err
		}
	}
	return nil
}

// Greet asks the hook Connect, for transports whose sessions begin with a request
// and not with a command. The client resumes from since.
func (s *Session) Greet(since protocol.Position) *protocol.Error {
	return s.greet(s.Identity(), since)
}

// owesGreeting tells whether the hook Connect has to be asked before a command is
// obeyed.
func (s *Session) owesGreeting() bool {
	if s.server.conf.Hooks.Connect == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.client.greeted
}

// connect obeys the command of that name.
func (s *Session) connect(c *command) {
	since, err := protocol.ParseSince(c.Since)
	if err != nil {
		c.refuse(err)
		return
	}
	who := s.Identity()
	if c.Token != "" {
		next, err := s.replacement(c.Token)
		if err != nil {
			c.refuse(err)
			return
		}
		who = next
	}
	if c.Token != "" || s.owesGreeting() {
		if err := s.greet(who, since); err != nil {
			c.refuse(err)
			s.End(err)
			return
		}
		s.review()
	}
	s.mu.Lock()
	s.client.pings = c.Pings
	who = s.client.who
	s.mu.Unlock()
	every := s.server.conf.Ping.Milliseconds()
	if s.heartbeat == NoHeartbeat {
		every = 0
	}
	c.reply(protocol.AppendConnected(nil, &protocol.Connected{
		Session: s.id, User: user(who), Ping: every, MaxMessage: s.server.conf.MaxMessage, Expires: expires(who),
	}))
}

// refresh obeys the command of that name.
func (s *Session) refresh(c *command) {
	who, err := s.replacement(c.Token)
	if err == nil {
		err = s.greet(who, protocol.Position{})
		s.review() // what was refused may have come after the identity was replaced
	}
	if err != nil {
		c.refuse(err) // the session lives on until its token ends
		return
	}
	who = s.Identity()
	c.reply(protocol.AppendRefreshed(nil, user(who), expires(who)))
}

// replacement returns whom a new token names. A session cannot become another
// user's.
func (s *Session) replacement(token string) (*auth.Identity, *protocol.Error) {
	who, err := s.server.Authenticate(token)
	if err != nil {
		return nil, err
	}
	if had := user(s.Identity()); had != "" && had != user(who) {
		return nil, protocol.Errorf(protocol.Unauthorized, "The token is not of the user that this session belongs to. Open a new session for another user.")
	}
	return who, nil
}

// review ends the subscriptions that the client may not have any more, but for
// those by the server's will.
func (s *Session) review() {
	s.mu.Lock()
	who := s.client.who
	var asked []string
	for _, e := range s.entries {
		if !e.given {
			asked = append(asked, e.channel)
		}
	}
	s.mu.Unlock()
	for _, channel := range asked {
		if err := s.server.allow(s.server.ctx, who, auth.Subscribe, channel); err != nil {
			s.Unsubscribe(channel, err)
		}
	}
}

// admit tells whether the client may have a subscription, and what it then is.
func (s *Session) admit(ctx context.Context, channel string, j *hub.Join) *protocol.Error {
	who := s.Identity()
	if err := s.server.allow(ctx, who, auth.Subscribe, channel); err != nil {
		return err
	}
	hook := s.server.conf.Hooks.Subscribe
	if hook == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.server.conf.HookTimeout)
	defer cancel()
	asked := &Subscribing{Session: s.id, Identity: who, Channel: channel, Filter: j.Filter}
	if err := hook(ctx, asked); err != nil {
		return err
	}
	j.Filter = asked.Filter
	return nil
}
