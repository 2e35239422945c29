package logtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// Harness is how [Run] gets engines to test.
type Harness struct {
	// Open returns a new engine on an empty store. Run closes it.
	Open func(t testing.TB, policies eventlog.Policies) eventlog.Engine

	// Reopen closes an engine and opens another on the same store. nil: the
	// store ends with the engine.
	Reopen func(t testing.TB, e eventlog.Engine) eventlog.Engine

	// Crash ends an engine as a power cut does, at any moment, and opens
	// another on what was on stable storage. nil: it cannot be tested.
	Crash func(t testing.TB, e eventlog.Engine) eventlog.Engine

	// KeepsUnsynced tells that the engine keeps channels that need not be synced
	// like the others: a crash takes nothing from them.
	KeepsUnsynced bool
}

// Policies are what Run keeps channels by: a channel is kept as the part of its
// name before "/" says.
func Policies(channel string) eventlog.Policy {
	kind, _, _ := strings.Cut(channel, "/")
	switch kind {
	case "few":
		return eventlog.Policy{MaxRecords: 5}
	case "small":
		return eventlog.Policy{MaxBytes: 1000}
	case "young":
		return eventlog.Policy{MaxAge: time.Second}
	case "forgetful":
		return eventlog.Policy{KeyWindow: time.Second}
	case "unsynced":
		return eventlog.Policy{Durability: eventlog.Unsynced}
	case "slots":
		return eventlog.Policy{MaxSlots: 3, SlotTTL: time.Second}
	}
	return eventlog.Policy{}
}

// Run tests that an engine keeps the contract of eventlog.Engine.
func Run(t *testing.T, h Harness) {
	groups := []struct {
		name  string
		tests []conformance
	}{
		{"Append", appendTests},
		{"Read", readTests},
		{"Remove", removeTests},
		{"Live", liveTests},
		{"Signal", signalTests},
		{"KV", kvTests},
		{"Keep", keepTests},
		{"Model", modelTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					e := h.Open(t, Policies)
					s := &suite{T: t, harness: h, engine: e, log: eventlog.New(e)}
					t.Cleanup(func() { s.close() })
					c.run(s)
				})
			}
		})
	}
}

// conformance is one test of the suite.
type conformance struct {
	name string
	run  func(*suite)
}

// suite is what a test of the suite works with.
type suite struct {
	*testing.T
	harness Harness
	engine  eventlog.Engine
	log     *eventlog.Log
}

func (s *suite) close() {
	if err := s.engine.Close(); err != nil {
		s.Errorf("Close: %v", err)
	}
}

// reopen closes the engine and opens it again, or skips the test.
func (s *suite) reopen() {
	s.Helper()
	if s.harness.Reopen == nil {
		s.Skip("nothing survives the engine")
	}
	s.engine = s.harness.Reopen(s, s.engine)
	s.log = eventlog.New(s.engine)
}

func (s *suite) lossless() bool { return s.engine.Info().Lossless }

func (s *suite) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.Cleanup(cancel)
	return ctx
}

// ok fails the test if err is not nil.
func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("got error %v, want none", err)
	}
}

// is fails the test if err is not target.
func (s *suite) is(err, target error) {
	s.Helper()
	if !errors.Is(err, target) {
		s.Fatalf("got error %v, want %v", err, target)
	}
}

// put appends a record for each string.
func (s *suite) put(channel string, data ...string) eventlog.Appended {
	s.Helper()
	got, err := s.log.Append(s.ctx(), one(channel, data...))
	s.ok(err)
	return got
}

// one returns the append of a record for each string.
func one(channel string, data ...string) eventlog.Append {
	a := eventlog.Append{Channel: channel}
	for _, d := range data {
		a.Entries = append(a.Entries, eventlog.Entry{Data: []byte(d)})
	}
	return a
}

func (s *suite) head(channel string) eventlog.Position {
	s.Helper()
	p, err := s.log.Head(s.ctx(), channel)
	s.ok(err)
	return p
}

func (s *suite) read(channel string, after uint64, limit eventlog.Limit) eventlog.Page {
	s.Helper()
	p, err := s.log.Read(s.ctx(), channel, after, limit)
	s.ok(err)
	return p
}

func (s *suite) readBefore(channel string, before uint64, limit eventlog.Limit) eventlog.Page {
	s.Helper()
	p, err := s.log.ReadBefore(s.ctx(), channel, before, limit)
	s.ok(err)
	return p
}

// all returns the data of all records of a channel, oldest first.
func (s *suite) all(channel string) []string {
	s.Helper()
	var out []string
	for after := uint64(0); ; {
		p := s.read(channel, after, eventlog.Limit{})
		for _, r := range p.Records {
			if r.Offset <= after {
				s.Fatalf("record at %d after %d", r.Offset, after)
			}
			after = r.Offset
			out = append(out, string(r.Data))
		}
		if !p.More {
			return out
		}
	}
}

// same compares lists of data.
func (s *suite) same(what string, got []string, want ...string) {
	s.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
		s.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

func texts(records []eventlog.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Data))
	}
	return out
}

// soon waits until a condition holds.
func (s *suite) soon(what string, cond func() bool) {
	s.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			s.Fatalf("not within 30 s: %s", what)
		}
	}
}

// collector is a sink that keeps what it gets.
type collector struct {
	mu     sync.Mutex
	lives  []eventlog.Live
	inside map[string]bool // channels of which a delivery is under way
	fault  string
}

func (c *collector) Deliver(l *eventlog.Live) {
	c.mu.Lock()
	if c.inside == nil {
		c.inside = map[string]bool{}
	}
	if c.inside[l.Channel] {
		c.fault = fmt.Sprintf("deliveries of %q overlap", l.Channel)
	}
	c.inside[l.Channel] = true
	c.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lives = append(c.lives, *l)
	c.inside[l.Channel] = false
}

// got returns what came of one kind so far.
func (c *collector) got(kind eventlog.LiveKind) []eventlog.Live {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []eventlog.Live
	for _, l := range c.lives {
		if l.Kind == kind {
			out = append(out, l)
		}
	}
	return out
}

func (s *suite) watch(pattern string, sink eventlog.Sink) (stop func()) {
	s.Helper()
	stop, err := s.log.Watch(pattern, sink)
	s.ok(err)
	s.Cleanup(stop)
	return stop
}

// follower follows a channel as the rest of the server does: it takes a live
// record if its predecessor is what it has, and reads otherwise.
type follower struct {
	s       *suite
	channel string

	mu    sync.Mutex
	head  uint64
	data  []string
	dirty bool
}

func (s *suite) follow(channel string) *follower {
	s.Helper()
	f := &follower{s: s, channel: channel, dirty: true}
	s.watch(channel, f)
	return f
}

func (f *follower) Deliver(l *eventlog.Live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case l.Kind == eventlog.LiveResync:
		f.dirty = true
	case l.Kind != eventlog.LiveRecord || l.Record.Offset <= f.head:
	case l.Prev == f.head && f.head != 0:
		f.take(l.Record)
	default:
		f.dirty = true
	}
}

func (f *follower) take(r eventlog.Record) {
	f.head = r.Offset
	f.data = append(f.data, string(r.Data))
}

// step reads if there is a reason to, and returns how much the follower has.
func (f *follower) step(look bool) int {
	f.mu.Lock()
	head, dirty := f.head, f.dirty || look
	f.dirty = false
	f.mu.Unlock()
	if dirty {
		p := f.s.read(f.channel, head, eventlog.Limit{})
		f.mu.Lock()
		for _, r := range p.Records {
			if r.Offset > f.head {
				f.take(r)
			}
		}
		f.dirty = f.dirty || p.More
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.data)
}

// wait waits until the follower has n records and returns their data.
func (f *follower) wait(n int) []string {
	f.s.Helper()
	calls := 0
	f.s.soon(fmt.Sprintf("%d records", n), func() bool {
		calls++
		return f.step(calls%100 == 0) >= n
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.data
}
