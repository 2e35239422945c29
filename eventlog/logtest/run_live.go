package logtest

import (
	"fmt"
	"sync"

	"github.com/starling-rt/starling/eventlog"
)

var liveTests = []conformance{
	{"delivers each record once and in order", liveOnce},
	{"delivers before it acknowledges", liveBeforeDone},
	{"matches patterns", livePatterns},
	{"ends when it is stopped", liveStop},
	{"is followed without a gap from the middle of writes", liveFollow},
	{"tells the record before", livePrev},
	{"does not tell refused or repeated appends", liveOnlyStored},
}

func liveOnce(s *suite) {
	if !s.lossless() {
		s.Skip("the engine may lose deliveries")
	}
	c := &collector{}
	s.watch("c", c)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 20 {
				if i%5 == 0 {
					s.put("c", fmt.Sprint(w, i), "more")
				} else {
					s.put("c", fmt.Sprint(w, i))
				}
			}
		})
	}
	wg.Wait()
	got := c.got(eventlog.LiveRecord)
	p := s.read("c", 0, eventlog.Limit{Records: 10000})
	if len(got) != len(p.Records) || c.fault != "" {
		s.Fatalf("%d live records of %d, %s", len(got), len(p.Records), c.fault)
	}
	var prev uint64
	for i, l := range got {
		if !sameRecord(l.Record, p.Records[i]) || l.Prev != prev || l.Epoch != p.Head.Epoch || l.Channel != "c" {
			s.Fatalf("live record %d: got %+v, want %+v after %d", i, l, p.Records[i], prev)
		}
		prev = l.Record.Offset
	}
}

func liveBeforeDone(s *suite) {
	if !s.lossless() {
		s.Skip("the engine may deliver late")
	}
	c := &collector{}
	s.watch("c", c)
	for i := range 100 {
		a := s.put("c", fmt.Sprint(i))
		got := c.got(eventlog.LiveRecord)
		if len(got) != i+1 || got[i].Record.Offset != a.First {
			s.Fatalf("after append %d: %d delivered", i, len(got))
		}
	}
}

func livePatterns(s *suite) {
	if !s.lossless() {
		s.Skip("the engine may lose deliveries")
	}
	names := []string{"room", "room/1", "room/12", "roam", "*", "other"}
	want := map[string]int{"*": 6, "room*": 3, "room/*": 2, "room/1": 1, "room/1*": 2, "r*": 4, "none*": 0, "room/12*": 1}
	sinks := map[string]*collector{}
	for pattern := range want {
		sinks[pattern] = &collector{}
		s.watch(pattern, sinks[pattern])
	}
	for _, n := range names {
		s.put(n, n)
		s.ok(s.log.Signal(s.ctx(), eventlog.Signal{Channel: n, Data: []byte(n)}))
	}
	for pattern, n := range want {
		records, signals := sinks[pattern].got(eventlog.LiveRecord), sinks[pattern].got(eventlog.LiveSignal)
		if len(records) != n || len(signals) != n {
			s.Errorf("%q: got %d records and %d signals, want %d", pattern, len(records), len(signals), n)
		}
	}
}

func liveStop(s *suite) {
	a, b := &collector{}, &collector{}
	stopA := s.watch("c", a)
	stopB := s.watch("c*", b)
	stopA()
	stopA()
	stopB()
	s.put("c", "1")
	s.ok(s.log.Signal(s.ctx(), eventlog.Signal{Channel: "c"}))
	if len(a.lives)+len(b.lives) != 0 {
		s.Fatalf("got %v and %v after stop", a.lives, b.lives)
	}
}

func liveFollow(s *suite) {
	const writers, each = 4, 100
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				s.put("c", fmt.Sprint(w, "-", i))
			}
		})
	}
	var followers []*follower
	for range 5 {
		f := s.follow("c")
		f.wait(len(followers) * 50)
		followers = append(followers, f)
	}
	wg.Wait()
	want := s.all("c")
	for _, f := range followers {
		s.same("followed", f.wait(writers*each), want...)
	}
}

func livePrev(s *suite) {
	c := &collector{}
	s.put("c", "0")
	s.watch("c", c)
	a, b := s.put("c", "1", "2"), s.put("c", "3")
	s.soon("the last record is delivered, or lost", func() bool {
		return !s.lossless() || len(c.got(eventlog.LiveRecord)) == 3
	})
	before := map[uint64]uint64{a.Last.Offset: a.First, b.First: a.Last.Offset}
	for _, l := range c.got(eventlog.LiveRecord) {
		if want, ok := before[l.Record.Offset]; ok && l.Prev != want && (s.lossless() || l.Prev != 0) {
			s.Fatalf("record at %d: got prev %d, want %d", l.Record.Offset, l.Prev, want)
		}
	}
	// The head is the predecessor, kept or not.
	s.ok(s.log.Trim(s.ctx(), "c", b.First))
	next := s.put("c", "4")
	for _, l := range c.got(eventlog.LiveRecord) {
		if l.Record.Offset == next.First && l.Prev != b.First && (s.lossless() || l.Prev != 0) {
			s.Fatalf("after a trim: got prev %d, want %d", l.Prev, b.First)
		}
	}
}

func liveOnlyStored(s *suite) {
	c := &collector{}
	_, err := s.log.Append(s.ctx(), keyed("c", "k", "1"))
	s.ok(err)
	s.watch("c", c)
	_, err = s.log.Append(s.ctx(), keyed("c", "k", "1"))
	s.ok(err)
	bad := one("c", "2")
	bad.Expect = eventlog.At(0)
	_, err = s.log.Append(s.ctx(), bad)
	s.is(err, eventlog.ErrConflict)
	if got := c.got(eventlog.LiveRecord); s.lossless() && len(got) != 0 {
		s.Fatalf("got %+v", got)
	}
}
