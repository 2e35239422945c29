package session

import (
	"slices"

	"github.com/starling-rt/starling/protocol"
)

// held is what a session says on channels to which it is being subscribed. It waits
// until that is done: who subscribes and publishes at once hears of it, however
// long the engine takes to begin. A session that does not do so holds none.
type held struct {
	commands  []*command // in the order in which they came
	releasing bool       // somebody obeys them
}

// hold keeps a command that says something on a channel to which the session is
// being subscribed, or on which something is held already. It returns false if the
// command can be obeyed at once.
func (s *Session) hold(c *command) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending.making == 0 && s.pending.held == nil || !s.joining(c.Channel) && !s.holds(c.Channel) {
		return false
	}
	if s.pending.held == nil {
		s.pending.held = &held{}
	}
	s.pending.held.commands = append(s.pending.held.commands, c)
	s.pending.inFlight++
	return true
}

// joining tells whether a subscription that hears of a channel is in the making. The
// lock is held.
func (s *Session) joining(channel string) bool {
	return slices.ContainsFunc(s.entries, func(e *entry) bool { return e.sub == nil && protocol.Matches(e.channel, channel) })
}

// holds tells whether something is held that is to be said on a channel. The lock
// is held.
func (s *Session) holds(channel string) bool {
	h := s.pending.held
	return h != nil && slices.ContainsFunc(h.commands, func(c *command) bool { return c.Channel == channel })
}

// release obeys what is held for subscriptions that are there by now, or will not
// be. One goroutine does at a time, so that those of a channel keep their order:
// a command is held until it is obeyed.
func (s *Session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending.held == nil || s.pending.held.releasing {
		return
	}
	s.pending.held.releasing = true
	for c := s.nextHeld(); c != nil; c = s.nextHeld() {
		s.mu.Unlock()
		s.say(c, func(c *command, _ int16, f func(*command)) { f(c) })
		s.mu.Lock()
		s.pending.inFlight--
		s.makeRoom()
		s.pending.held.commands = slices.DeleteFunc(s.pending.held.commands, func(d *command) bool { return c == d })
	}
	s.pending.held.releasing = false
	if len(s.pending.held.commands) == 0 {
		s.pending.held = nil
	}
}

// nextHeld returns the first command that need not be held any more. The lock is
// held.
func (s *Session) nextHeld() *command {
	for _, c := range s.pending.held.commands {
		if !s.joining(c.Channel) {
			return c
		}
	}
	return nil
}
