package logtest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/starling-rt/starling/eventlog"
)

var appendTests = []conformance{
	{"gives growing offsets", appendGrows},
	{"keeps every field of a record", appendKeepsFields},
	{"of one goroutine keeps its order", appendKeepsOrder},
	{"of several records is all or none", appendBatch},
	{"takes the largest record and the oddest name", appendExtremes},
	{"by many gives each offset once", appendByMany},
	{"expecting the head is won by one", appendExpect},
	{"expecting what is not the head tells the head", appendConflict},
	{"with a key stores once", appendKey},
	{"with a key stores once when sent twice at once", appendKeyTwiceAtOnce},
	{"with a key of other data is refused", appendKeyReused},
	{"with a key is known before the head is judged", appendKeyBeforeExpect},
	{"with a key means one channel and one scope", appendKeyScopes},
	{"with a key that is forgotten stores again", appendKeyForgotten},
	{"after close is refused", appendClosed},
	{"under close answers every caller", appendUnderClose},
}

func appendGrows(s *suite) {
	if p := s.head("c"); p.Epoch == 0 || p.Offset != 0 {
		s.Fatalf("head of a new channel: got %+v, want an epoch and offset 0", p)
	}
	var last uint64
	for i := range 10 {
		a := s.put("c", fmt.Sprint(i))
		if a.First <= last || a.Last.Offset != a.First || a.Duplicate {
			s.Fatalf("append %d: got %+v after offset %d", i, a, last)
		}
		last = a.Last.Offset
		if p := s.head("c"); p != a.Last {
			s.Fatalf("head after append: got %+v, want %+v", p, a.Last)
		}
	}
	if last > eventlog.MaxOffset {
		s.Fatalf("offset %d is above the highest", last)
	}
}

func appendKeepsFields(s *suite) {
	want := eventlog.Record{
		ID: "id-1", Key: "key-1", User: "zoë", Time: nowMilli() - 1234,
		Tags: map[string]string{"a": "1", "": "empty", "ü": ""}, Data: []byte("\x00data\xff"),
	}
	live := &collector{}
	s.watch("c", live)
	a, err := s.log.Append(s.ctx(), eventlog.Append{
		Channel: "c", User: want.User, Key: want.Key,
		Entries: []eventlog.Entry{{ID: want.ID, Time: want.Time, Tags: want.Tags, Data: want.Data}},
	})
	s.ok(err)
	want.Offset = a.First
	p := s.read("c", 0, eventlog.Limit{})
	if len(p.Records) != 1 || !sameRecord(p.Records[0], want) {
		s.Fatalf("read: got %+v, want %+v", p.Records, want)
	}
	if s.lossless() {
		if got := live.got(eventlog.LiveRecord); len(got) != 1 || !sameRecord(got[0].Record, want) {
			s.Fatalf("live: got %+v, want %+v", got, want)
		}
	}
	s.put("bare", "")
	if r := s.read("bare", 0, eventlog.Limit{}).Records; len(r) != 1 || len(r[0].Data) != 0 || r[0].Tags != nil {
		s.Fatalf("empty record: got %+v", r)
	}
}

func sameRecord(a, b eventlog.Record) bool {
	if len(a.Tags) != len(b.Tags) {
		return false
	}
	for k, v := range a.Tags {
		if w, ok := b.Tags[k]; !ok || v != w {
			return false
		}
	}
	return a.Offset == b.Offset && a.ID == b.ID && a.Key == b.Key && a.User == b.User &&
		a.Time == b.Time && bytes.Equal(a.Data, b.Data)
}

func appendKeepsOrder(s *suite) {
	const n = 500
	var wg sync.WaitGroup
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
		wg.Add(1)
		s.log.AppendAsync(one("c", want[i]), func(_ eventlog.Appended, err error) {
			defer wg.Done()
			if err != nil {
				s.Errorf("append %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	s.same("records", s.all("c"), want...)
}

func appendBatch(s *suite) {
	many := make([]string, eventlog.MaxBatch)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	a := s.put("c", many...)
	s.same("records", s.all("c"), many...)
	p := s.read("c", 0, eventlog.Limit{Records: 1000})
	if p.Records[0].Offset != a.First || p.Records[len(many)-1].Offset != a.Last.Offset {
		s.Fatalf("offsets %d to %d, want %+v", p.Records[0].Offset, p.Records[len(many)-1].Offset, a)
	}
	bad := one("c", "x", "y")
	bad.Expect = eventlog.At(a.First)
	_, err := s.log.Append(s.ctx(), bad)
	s.is(err, eventlog.ErrConflict)
	if got := s.all("c"); len(got) != len(many) {
		s.Fatalf("%d records after a refused batch, want %d", len(got), len(many))
	}
}

func appendExtremes(s *suite) {
	big := strings.Repeat("x", eventlog.MaxDataBytes)
	odd := "a.b*c> d/\x00\n%é\U0001F426" + strings.Repeat("n", eventlog.MaxChannelBytes-20)
	s.put("big", big)
	s.same("largest record", s.all("big"), big)
	s.put(odd, "1")
	s.put(odd+"2", "2")
	s.same("odd name", s.all(odd), "1")
	s.same("other odd name", s.all(odd+"2"), "2")
}

func appendByMany(s *suite) {
	const writers, each = 64, 10
	var wg sync.WaitGroup
	var mu sync.Mutex
	offsets := map[uint64]string{}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				data := fmt.Sprintf("%d-%d", w, i)
				a, err := s.log.Append(s.ctx(), one("c", data))
				if err != nil {
					s.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				offsets[a.First] = data
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	p := s.read("c", 0, eventlog.Limit{Records: 10000})
	if len(offsets) != writers*each || len(p.Records) != writers*each {
		s.Fatalf("%d offsets and %d records, want %d", len(offsets), len(p.Records), writers*each)
	}
	for _, r := range p.Records {
		if offsets[r.Offset] != string(r.Data) {
			s.Fatalf("at %d: got %q, acknowledged %q", r.Offset, r.Data, offsets[r.Offset])
		}
	}
}

func appendExpect(s *suite) {
	base := s.put("c", "base").Last
	var wg sync.WaitGroup
	var won atomic.Int32
	for i := range 64 {
		wg.Go(func() {
			a := one("c", fmt.Sprint(i))
			a.Expect = eventlog.At(base.Offset)
			_, err := s.log.Append(s.ctx(), a)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, eventlog.ErrConflict) {
				s.Errorf("got %v, want a conflict", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		s.Fatalf("%d won, want 1", won.Load())
	}
	if got := s.all("c"); len(got) != 2 {
		s.Fatalf("records %q, want 2", got)
	}
}

func appendConflict(s *suite) {
	first := one("c", "1")
	first.Expect = eventlog.At(0)
	a, err := s.log.Append(s.ctx(), first)
	s.ok(err)
	for _, at := range []uint64{0, a.Last.Offset - 1, a.Last.Offset + 1, eventlog.MaxOffset} {
		again := one("c", "2")
		again.Expect = eventlog.At(at)
		_, err = s.log.Append(s.ctx(), again)
		var conflict *eventlog.ConflictError
		if !errors.As(err, &conflict) || !errors.Is(err, eventlog.ErrConflict) {
			s.Fatalf("at %d: got %v, want a conflict", at, err)
		}
		if conflict.Head != a.Last || conflict.Channel != "c" {
			s.Fatalf("at %d: got %+v, want head %+v", at, conflict, a.Last)
		}
	}
	s.same("records", s.all("c"), "1")
}

func appendClosed(s *suite) {
	s.put("c", "1")
	s.ok(s.engine.Close())
	_, err := s.log.Append(s.ctx(), one("c", "2"))
	s.is(err, eventlog.ErrClosed)
	_, err = s.log.Read(s.ctx(), "c", 0, eventlog.Limit{})
	s.is(err, eventlog.ErrClosed)
	_, err = s.log.Head(s.ctx(), "c")
	s.is(err, eventlog.ErrClosed)
	_, err = s.log.Watch("c", &collector{})
	s.is(err, eventlog.ErrClosed)
	s.is(s.log.Signal(s.ctx(), eventlog.Signal{Channel: "c"}), eventlog.ErrClosed)
	_, err = s.log.KV().Get(s.ctx(), "k")
	s.is(err, eventlog.ErrClosed)
	if s.log.Health(s.ctx()) == nil {
		s.Fatal("a closed engine is healthy")
	}
}

func appendUnderClose(s *suite) {
	const n = 200
	var answered sync.WaitGroup
	var started sync.WaitGroup
	for i := range 8 {
		started.Go(func() {
			for j := range n {
				answered.Add(1)
				s.log.AppendAsync(one(fmt.Sprint("c", i), fmt.Sprint(j)), func(_ eventlog.Appended, err error) {
					if err != nil && !errors.Is(err, eventlog.ErrClosed) && !errors.Is(err, eventlog.ErrUnknown) {
						s.Errorf("got %v, want closed", err)
					}
					answered.Done()
				})
			}
		})
	}
	s.ok(s.engine.Close())
	started.Wait()
	answered.Wait()
}
