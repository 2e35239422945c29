package logtest

import (
	"fmt"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

func nowMilli() int64 { return time.Now().UnixMilli() }

func keyed(channel, key string, data ...string) eventlog.Append {
	a := one(channel, data...)
	a.Key, a.User = key, "u"
	return a
}

func appendKey(s *suite) {
	first, err := s.log.Append(s.ctx(), keyed("c", "k", "1", "2"))
	s.ok(err)
	s.put("c", "3")
	again, err := s.log.Append(s.ctx(), keyed("c", "k", "1", "2"))
	s.ok(err)
	if !again.Duplicate || again.First != first.First || again.Last != first.Last {
		s.Fatalf("got %+v, want a duplicate of %+v", again, first)
	}
	s.same("records", s.all("c"), "1", "2", "3")
}

func appendKeyTwiceAtOnce(s *suite) {
	live := &collector{}
	s.watch("c", live)
	for round := range 20 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var results []eventlog.Appended
		for range 8 {
			wg.Go(func() {
				a, err := s.log.Append(s.ctx(), keyed("c", fmt.Sprint("k", round), fmt.Sprint(round)))
				if err != nil {
					s.Errorf("append: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				results = append(results, a)
			})
		}
		wg.Wait()
		stored := 0
		for _, r := range results {
			if !r.Duplicate {
				stored++
			}
			if r.Last != results[0].Last || r.First != results[0].First {
				s.Fatalf("round %d: got %+v and %+v", round, r, results[0])
			}
		}
		if stored != 1 {
			s.Fatalf("round %d: %d stored, want 1", round, stored)
		}
	}
	if got := s.all("c"); len(got) != 20 {
		s.Fatalf("%d records, want 20", len(got))
	}
	if got := live.got(eventlog.LiveRecord); s.lossless() && len(got) != 20 {
		s.Fatalf("%d live records, want 20", len(got))
	}
}

func appendKeyReused(s *suite) {
	_, err := s.log.Append(s.ctx(), keyed("c", "k", "1"))
	s.ok(err)
	_, err = s.log.Append(s.ctx(), keyed("c", "k", "2"))
	s.is(err, eventlog.ErrKeyReused)
	_, err = s.log.Append(s.ctx(), keyed("c", "k", "1", "2"))
	s.is(err, eventlog.ErrKeyReused)
	s.same("records", s.all("c"), "1")
}

func appendKeyBeforeExpect(s *suite) {
	a := keyed("c", "k", "1")
	a.Expect = eventlog.At(0)
	first, err := s.log.Append(s.ctx(), a)
	s.ok(err)
	again, err := s.log.Append(s.ctx(), a)
	s.ok(err)
	if !again.Duplicate || again.Last != first.Last {
		s.Fatalf("got %+v, want a duplicate of %+v", again, first)
	}
}

func appendKeyScopes(s *suite) {
	a, b, c := keyed("c", "k", "1"), keyed("c", "k", "1"), keyed("d", "k", "1")
	b.Scope = "other"
	for _, x := range []eventlog.Append{a, b, c} {
		got, err := s.log.Append(s.ctx(), x)
		s.ok(err)
		if got.Duplicate {
			s.Fatalf("%+v is a duplicate", x)
		}
	}
	s.same("records", s.all("c"), "1", "1")
	// Keys may be of any bytes.
	for _, key := range []string{"\x00", "\x00\x00", "\xff", "k\x00"} {
		got, err := s.log.Append(s.ctx(), keyed("odd", key, "1"))
		s.ok(err)
		if got.Duplicate {
			s.Fatalf("key %q is a duplicate", key)
		}
	}
}

func appendKeyForgotten(s *suite) {
	first, err := s.log.Append(s.ctx(), keyed("forgetful/c", "k", "1"))
	s.ok(err)
	s.soon("the key is forgotten", func() bool {
		again, err := s.log.Append(s.ctx(), keyed("forgetful/c", "k", "1"))
		s.ok(err)
		return !again.Duplicate && again.First > first.First
	})
}
