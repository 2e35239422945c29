package logtest

import (
	"fmt"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

var signalTests = []conformance{
	{"are not stored", signalNotStored},
	{"with a key keep the newest", signalSlots},
	{"are emptied by a delete", signalDelete},
	{"expire, and say so", signalExpire},
	{"that are renewed do not expire", signalRenew},
	{"have a most number of keys", signalFull},
	{"have growing versions", signalVersions},
}

func (s *suite) signal(sig eventlog.Signal) {
	s.Helper()
	s.ok(s.log.Signal(s.ctx(), sig))
}

func (s *suite) slots(channel string) map[string]string {
	s.Helper()
	slots, err := s.log.Slots(s.ctx(), channel)
	s.ok(err)
	out := map[string]string{}
	var version uint64
	for _, sig := range slots {
		if sig.Version <= version || sig.Channel != channel || sig.Delete {
			s.Fatalf("slot %+v after version %d", sig, version)
		}
		version = sig.Version
		out[sig.Key] = string(sig.Data)
	}
	return out
}

func signalNotStored(s *suite) {
	c := &collector{}
	s.watch("c", c)
	s.signal(eventlog.Signal{Channel: "c", User: "u", Data: []byte("hello")})
	if p := s.head("c"); p.Offset != 0 || len(s.all("c")) != 0 || len(s.slots("c")) != 0 {
		s.Fatalf("head %+v, records %q, slots %q", p, s.all("c"), s.slots("c"))
	}
	if !s.lossless() {
		return
	}
	got := c.got(eventlog.LiveSignal)
	if len(got) != 1 || got[0].Channel != "c" || got[0].Signal.User != "u" || string(got[0].Signal.Data) != "hello" || got[0].Signal.Time == 0 {
		s.Fatalf("got %+v", got)
	}
}

func signalSlots(s *suite) {
	for i := range 3 {
		for _, key := range []string{"a", "b", "\x00"} {
			s.signal(eventlog.Signal{Channel: "c", Key: key, Data: fmt.Append(nil, key, i)})
		}
	}
	got := s.slots("c")
	if len(got) != 3 || got["a"] != "a2" || got["b"] != "b2" || got["\x00"] != "\x002" {
		s.Fatalf("got %q", got)
	}
	if len(s.slots("d")) != 0 {
		s.Fatal("another channel has slots")
	}
}

func signalDelete(s *suite) {
	c := &collector{}
	s.signal(eventlog.Signal{Channel: "c", Key: "a", Data: []byte("1")})
	s.signal(eventlog.Signal{Channel: "c", Key: "b", Data: []byte("1")})
	s.watch("c", c)
	s.signal(eventlog.Signal{Channel: "c", Key: "a", Delete: true})
	if got := s.slots("c"); len(got) != 1 || got["b"] != "1" {
		s.Fatalf("got %q", got)
	}
	if got := c.got(eventlog.LiveSignal); s.lossless() && (len(got) != 1 || !got[0].Signal.Delete || got[0].Signal.Key != "a") {
		s.Fatalf("got %+v", got)
	}
}

func signalExpire(s *suite) {
	c := &collector{}
	s.watch("slots/c", c)
	start := time.Now()
	s.signal(eventlog.Signal{Channel: "slots/c", Key: "policy", Data: []byte("1")})
	s.signal(eventlog.Signal{Channel: "slots/c", Key: "own", Data: []byte("1"), TTL: 2 * time.Second})
	s.signal(eventlog.Signal{Channel: "slots/c", Key: "long", Data: []byte("1"), TTL: time.Hour})
	s.soon("two slots expire", func() bool { return len(s.slots("slots/c")) == 1 })
	if took := time.Since(start); took < 2*time.Second {
		s.Fatalf("they expired after %v", took)
	}
	if got := s.slots("slots/c"); got["long"] != "1" {
		s.Fatalf("got %q", got)
	}
	if !s.lossless() {
		return
	}
	s.soon("the expiry is told", func() bool {
		gone := map[string]bool{}
		for _, l := range c.got(eventlog.LiveSignal) {
			if l.Signal.Delete {
				gone[l.Signal.Key] = true
			}
		}
		return len(gone) == 2 && gone["policy"] && gone["own"]
	})
}

func signalRenew(s *suite) {
	c := &collector{}
	s.watch("slots/c", c)
	end := time.Now().Add(2500 * time.Millisecond)
	renewed := time.Time{}
	s.soon("it was renewed for a while", func() bool {
		if now := time.Now(); now.Sub(renewed) > 200*time.Millisecond {
			renewed = now
			s.signal(eventlog.Signal{Channel: "slots/c", Key: "k", Data: []byte("1"), TTL: 2 * time.Second})
		}
		return time.Now().After(end)
	})
	if got := s.slots("slots/c"); len(got) != 1 {
		s.Fatalf("got %q", got)
	}
	for _, l := range c.got(eventlog.LiveSignal) {
		if l.Signal.Delete {
			s.Fatalf("it expired: %+v", l)
		}
	}
}

func signalFull(s *suite) {
	for i := range 3 {
		s.signal(eventlog.Signal{Channel: "slots/c", Key: fmt.Sprint(i), TTL: time.Hour})
	}
	err := s.log.Signal(s.ctx(), eventlog.Signal{Channel: "slots/c", Key: "4", TTL: time.Hour})
	s.is(err, eventlog.ErrSlotsFull)
	s.signal(eventlog.Signal{Channel: "slots/c", Key: "1", TTL: time.Hour, Data: []byte("again")})
	s.signal(eventlog.Signal{Channel: "slots/c", Key: "2", Delete: true})
	s.signal(eventlog.Signal{Channel: "slots/c", Key: "4", TTL: time.Hour})
	if got := s.slots("slots/c"); len(got) != 3 || got["1"] != "again" {
		s.Fatalf("got %q", got)
	}
}

func signalVersions(s *suite) {
	c := &collector{}
	s.watch("c", c)
	for i := range 20 {
		s.signal(eventlog.Signal{Channel: "c", Key: fmt.Sprint(i % 3), Delete: i%5 == 4})
	}
	if !s.lossless() {
		return
	}
	var version uint64
	for i, l := range c.got(eventlog.LiveSignal) {
		if l.Signal.Version <= version {
			s.Fatalf("signal %d has version %d after %d", i, l.Signal.Version, version)
		}
		version = l.Signal.Version
	}
}
