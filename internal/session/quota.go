package session

import (
	"context"
	"math"
	"net/netip"
	"sync"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/protocol"
)

// Limits are what sessions are held to. A zero value stands for the default, a
// negative one for no limit.
type Limits struct {
	MaxChannels         int     // subscriptions of a session; default 128
	MaxWildcards        int     // of these, wildcards; default 16
	MaxSessions         int     // of this server; default: no limit
	MaxUserSessions     int     // of one user on this server; default: no limit
	MaxAddrSessions     int     // of one address on this server; default: no limit
	Rate, Burst         float32 // commands of a session; default 100/s, 200
	AddrRate, AddrBurst float32 // commands of an address; default 2,000/s, 4,000
}

// SetLimits replaces the limits. Sessions that exceed them already stay, and get
// nothing more.
func (sv *Server) SetLimits(l Limits) {
	setDefault(&l.MaxChannels, 128)
	setDefault(&l.MaxWildcards, 16)
	setDefault(&l.Rate, 100)
	setDefault(&l.Burst, 200)
	setDefault(&l.AddrRate, 2000)
	setDefault(&l.AddrBurst, 4000)
	for _, most := range []*int{&l.MaxChannels, &l.MaxWildcards} {
		if *most < 0 {
			*most = math.MaxInt
		}
	}
	sv.limits.Store(&l)
}

// Observer hears what happens to sessions. Its functions must not block. A nil one
// hears nothing.
type Observer struct {
	Ended    func(why protocol.Code) // a session; 0 when its client went
	Rejected func(why protocol.Code) // a session that was not opened
	Refused  func(why protocol.Code) // a command
	// Trace begins an operation: "publish", and within it "append" and "hook".
	Trace func(ctx context.Context, operation, channel string) Span
}

func (o *Observer) end(why *protocol.Error)    { tell(o.Ended, why) }
func (o *Observer) reject(why *protocol.Error) { tell(o.Rejected, why) }
func (o *Observer) refuse(why *protocol.Error) { tell(o.Refused, why) }

func tell(who func(protocol.Code), why *protocol.Error) {
	switch {
	case who == nil:
	case why == nil:
		who(0)
	default:
		who(why.Code)
	}
}

// users counts the sessions of each user.
type users struct {
	mu       sync.Mutex
	sessions map[string]int
}

// add counts a session of a user, unless there are as many as may be, of which 0
// or less stands for any number.
func (u *users) add(user string, most int) bool {
	if user == "" {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if most > 0 && u.sessions[user] >= most {
		return false
	}
	if u.sessions == nil {
		u.sessions = map[string]int{}
	}
	u.sessions[user]++
	return true
}

func (u *users) remove(user string) {
	if user == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sessions[user]--; u.sessions[user] <= 0 {
		delete(u.sessions, user)
	}
}

// count counts a session that is being opened, or says why it may not be.
func (sv *Server) count(s *Session, addr string) *protocol.Error {
	l := sv.limits.Load()
	s.addr = sv.addrs.Of(addressKey(addr), l.AddrRate, l.MaxAddrSessions)
	if s.addr == nil {
		return protocol.Errorf(protocol.TooMany, "Your address has %d sessions, as many as it may have. Close one, or come back later.", l.MaxAddrSessions)
	}
	if !sv.users.add(user(s.client.who), l.MaxUserSessions) {
		sv.addrs.Release(s.addr)
		return tooManyOfUser(l.MaxUserSessions)
	}
	return nil
}

func tooManyOfUser(most int) *protocol.Error {
	return protocol.Errorf(protocol.TooMany, "The user has %d sessions, as many as there may be. Close one, or come back later.", most)
}

// uncount notes that a session has ended that was counted.
func (sv *Server) uncount(s *Session, why *protocol.Error) {
	if s.addr == nil {
		return
	}
	sv.discharge(s)
	sv.conf.Observer.end(why)
}

// discharge takes back what count and become have counted, when nobody changes who
// the client is any more.
func (sv *Server) discharge(s *Session) {
	sv.addrs.Release(s.addr)
	sv.users.remove(user(s.client.who))
}

// closedTo returns why no session can be added to so many. The lock is held.
func (sv *Server) closedTo(sessions int) *protocol.Error {
	most := sv.limits.Load().MaxSessions
	switch {
	case sv.draining || sv.closed:
		return goingAway()
	case most > 0 && sessions >= most:
		return protocol.Errorf(protocol.Unavailable, "The server has as many sessions as it may have. Come back later.")
	}
	return nil
}

// become makes the client another, if the user may have one more session. The
// session's lock is held.
func (s *Session) become(who *auth.Identity) *protocol.Error {
	if s.closed {
		return protocol.Errorf(protocol.SessionGone, "The session has ended.")
	}
	if had, has := user(s.client.who), user(who); had != has {
		most := s.server.limits.Load().MaxUserSessions
		if !s.server.users.add(has, most) {
			return tooManyOfUser(most)
		}
		s.server.users.remove(had)
	}
	s.client.who = who
	return nil
}

// tooManyWildcards tells whether a subscription would be a wildcard too many. The
// session's lock is held.
func (s *Session) tooManyWildcards(channel string) bool {
	if _, wildcard := protocol.Wildcard(channel); !wildcard {
		return false
	}
	n := 0
	for _, e := range s.entries {
		if _, wildcard := protocol.Wildcard(e.channel); wildcard {
			n++
		}
	}
	return n >= s.server.limits.Load().MaxWildcards
}

// addressKey returns what an address is limited by: for IPv6 the network of 64
// bits, of which one client has all.
func addressKey(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Is4() || a.Is4In6() {
		return addr
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return p.Addr().String()
}
