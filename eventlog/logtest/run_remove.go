package logtest

import (
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/starling-rt/starling/eventlog"
)

var removeTests = []conformance{
	{"by trim keeps the head", removeTrim},
	{"by trim of everything goes on", removeTrimAll},
	{"by count", removeByCount},
	{"by bytes", removeByBytes},
	{"by age", removeByAge},
	{"by delete", removeDelete},
	{"by delete forgets keys", removeDeleteKeys},
	{"is never hidden from a reader", removeRaces},
}

func removeTrim(s *suite) {
	at := s.filled("c", 10)
	head := s.head("c")
	s.ok(s.log.Trim(s.ctx(), "c", at[3]))
	s.same("records", s.all("c"), "4", "5", "6", "7", "8", "9")
	for i, want := range []bool{false, false, false, true, true} {
		if p := s.read("c", at[i], eventlog.Limit{}); p.Complete != want || p.Head != head {
			s.Errorf("after record %d: got complete %v, head %v, want %v, %v", i, p.Complete, p.Head, want, head)
		}
	}
	if p := s.read("c", 0, eventlog.Limit{}); p.Complete {
		s.Errorf("from the start: got complete")
	}
	if p := s.readBefore("c", 0, eventlog.Limit{}); p.Complete || len(p.Records) != 6 {
		s.Errorf("before the end: got %+v", p)
	}
	s.ok(s.log.Trim(s.ctx(), "c", at[1]))
	s.same("records after a lower trim", s.all("c"), "4", "5", "6", "7", "8", "9")
	if p := s.read("c", at[3], eventlog.Limit{}); !p.Complete {
		s.Errorf("after a lower trim: got incomplete")
	}
}

func removeTrimAll(s *suite) {
	s.filled("c", 5)
	head := s.head("c")
	s.ok(s.log.Trim(s.ctx(), "c", math.MaxUint64))
	if got := s.head("c"); got != head {
		s.Fatalf("head: got %+v, want %+v", got, head)
	}
	p := s.read("c", head.Offset, eventlog.Limit{})
	if len(p.Records) != 0 || !p.Complete || p.Head != head {
		s.Fatalf("from the head: got %+v", p)
	}
	if p = s.read("c", head.Offset-1, eventlog.Limit{}); len(p.Records) != 0 || p.Complete {
		s.Fatalf("from before the head: got %+v", p)
	}
	a := one("c", "next")
	a.Expect = eventlog.At(head.Offset)
	next, err := s.log.Append(s.ctx(), a)
	s.ok(err)
	if next.First <= head.Offset || next.Last.Epoch != head.Epoch {
		s.Fatalf("next: got %+v after %+v", next, head)
	}
	p = s.read("c", head.Offset, eventlog.Limit{})
	if len(p.Records) != 1 || !p.Complete {
		s.Fatalf("from the old head: got %+v", p)
	}
}

func removeByCount(s *suite) {
	at := s.filled("few/c", 20)
	s.soon("5 records are left", func() bool { return len(s.all("few/c")) == 5 })
	s.same("records", s.all("few/c"), "15", "16", "17", "18", "19")
	if !s.read("few/c", at[14], eventlog.Limit{}).Complete || s.read("few/c", at[13], eventlog.Limit{}).Complete {
		s.Fatal("completeness is off")
	}
	if p := s.head("few/c"); p.Offset != at[19] {
		s.Fatalf("head: got %+v, want %d", p, at[19])
	}
	many := make([]string, 50)
	for i := range many {
		many[i] = fmt.Sprint("m", i)
	}
	s.put("few/d", many...)
	s.soon("5 records are left of one batch", func() bool { return len(s.all("few/d")) == 5 })
	s.same("records of one batch", s.all("few/d"), many[45:]...)
}

func removeByBytes(s *suite) {
	data := strings.Repeat("x", 100)
	for range 30 {
		s.put("small/c", data)
	}
	s.soon("1000 bytes are left", func() bool { return len(s.all("small/c")) <= 10 })
	if n := len(s.all("small/c")); n < 5 {
		s.Fatalf("%d records of 100 bytes are left, want about 10", n)
	}
	if s.read("small/c", 0, eventlog.Limit{}).Complete {
		s.Fatal("got complete from the start")
	}
}

func removeByAge(s *suite) {
	at := s.filled("young/c", 3)
	head := s.head("young/c")
	s.soon("the records are too old", func() bool { return len(s.all("young/c")) == 0 })
	if got := s.head("young/c"); got != head {
		s.Fatalf("head: got %+v, want %+v", got, head)
	}
	if s.read("young/c", at[0], eventlog.Limit{}).Complete || !s.read("young/c", at[2], eventlog.Limit{}).Complete {
		s.Fatal("completeness is off")
	}
	if next := s.put("young/c", "next"); next.First <= head.Offset {
		s.Fatalf("next: got %+v after %+v", next, head)
	}
}

func removeDelete(s *suite) {
	at := s.filled("c", 5)
	head := s.head("c")
	s.ok(s.log.Signal(s.ctx(), eventlog.Signal{Channel: "c", Key: "k", Data: []byte("v")}))
	s.ok(s.log.Delete(s.ctx(), "c"))
	if got := s.all("c"); len(got) != 0 {
		s.Fatalf("records: got %q", got)
	}
	for _, after := range append(at, 0) {
		if p := s.read("c", after, eventlog.Limit{}); p.Complete && p.Head.Epoch == head.Epoch {
			s.Fatalf("after %d: got complete", after)
		}
	}
	if slots, err := s.log.Slots(s.ctx(), "c"); err != nil || len(slots) != 0 {
		s.Fatalf("slots: got %v, %v", slots, err)
	}
	next := s.put("c", "next")
	if next.First <= head.Offset {
		s.Fatalf("next: got %+v after %+v", next, head)
	}
	for _, after := range append(at, 0) {
		if p := s.read("c", after, eventlog.Limit{}); p.Complete && p.Head.Epoch == head.Epoch {
			s.Fatalf("after %d and an append: got complete", after)
		}
	}
	s.put("c", "last")
	if p := s.read("c", next.First, eventlog.Limit{}); !p.Complete || len(p.Records) != 1 {
		s.Fatalf("after the deletion: got %+v", p)
	}
	if len(s.all("beside")) != 5 {
		s.Fatal("another channel lost records")
	}
}

func removeDeleteKeys(s *suite) {
	_, err := s.log.Append(s.ctx(), keyed("c", "k", "1"))
	s.ok(err)
	s.ok(s.log.Delete(s.ctx(), "c"))
	again, err := s.log.Append(s.ctx(), keyed("c", "k", "1"))
	s.ok(err)
	if again.Duplicate {
		s.Fatalf("got %+v, want a new record", again)
	}
}

// removeRaces reads a channel again and again while it is appended to and
// trimmed by count: a page that claims to be complete has no hole.
func removeRaces(s *suite) {
	const n = 500
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := map[uint64]uint64{} // the offset after an offset
	wg.Go(func() {
		var last uint64
		for i := range n {
			a, err := s.log.Append(s.ctx(), one("few/c", fmt.Sprint(i)))
			if err != nil {
				s.Errorf("append: %v", err)
				return
			}
			mu.Lock()
			next[last] = a.First
			mu.Unlock()
			last = a.First
		}
	})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	type seen struct{ after, first uint64 }
	claims := map[seen]bool{}
	readers.Go(func() {
		var after uint64
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			p, err := s.log.Read(s.ctx(), "few/c", after, eventlog.Limit{Records: 1 + i%3})
			if err != nil {
				s.Errorf("read: %v", err)
				return
			}
			for j, r := range p.Records {
				if j > 0 || p.Complete {
					claims[seen{after, r.Offset}] = true
				}
				after = r.Offset
			}
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	for c := range claims {
		if next[c.after] != c.first {
			s.Fatalf("a complete page after %d began at %d, want %d", c.after, c.first, next[c.after])
		}
	}
}
