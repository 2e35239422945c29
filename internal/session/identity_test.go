package session

import (
	"testing"
	"time"

	"github.com/starling-rt/starling/auth"
)

// A wheel is exact to a step only, and so may turn before the second in which a token
// ends: then it has to be looked at again.
func TestAnExpiryThatIsLookedAtEarly(t *testing.T) {
	now := time.Unix(1000, 900e6)
	s := &Session{server: &Server{}}
	s.client.who = &auth.Identity{User: "ann", Expires: now.Add(800 * time.Millisecond)}
	s.client.checkAt = s.client.who.Expires.Unix()
	if wait := (*expiring)(s).Tick(now); wait <= 0 || wait > time.Second {
		t.Errorf("0.8 s before the end: got %v until the next look, want at most a second", wait)
	}

	s.client.checkAt = now.Add(time.Minute).Unix()
	if wait := (*expiring)(s).Tick(now); wait != 0 {
		t.Errorf("a minute before it is to be looked at: got %v, want nothing, for another entry is there", wait)
	}
}

// A client that gives up requests, whose commands are still being asked about, does
// not get to make ever more.
func TestRequestsThatWereGivenUp(t *testing.T) {
	s := &Session{}
	for range 4 {
		if !s.Acquire() {
			t.Fatal("a request was refused, although little is in flight")
		}
		s.begin(maxInFlight)
		s.ReleaseRequest()
	}
	if s.Acquire() {
		t.Error("another request was let in")
	}
	s.done(maxInFlight)
	if !s.Acquire() {
		t.Error("a request was refused, although there is room again")
	}
}
