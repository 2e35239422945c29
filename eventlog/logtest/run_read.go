package logtest

import (
	"fmt"
	"math"
	"strings"

	"github.com/starling-rt/starling/eventlog"
)

var readTests = []conformance{
	{"of an unknown channel is empty and complete", readUnknown},
	{"goes on after an offset", readAfter},
	{"before an offset finds the newest", readBefore},
	{"keeps to its limits", readLimits},
	{"past the end is empty", readPastEnd},
	{"sees what was acknowledged", readAcknowledged},
	{"sees one channel", readOneChannel},
}

func readUnknown(s *suite) {
	p := s.read("nobody", 0, eventlog.Limit{})
	if len(p.Records) != 0 || !p.Complete || p.More || p.Head != s.head("nobody") || p.Head.Offset != 0 || p.Head.Epoch == 0 {
		s.Fatalf("read: got %+v", p)
	}
	p = s.readBefore("nobody", 0, eventlog.Limit{})
	if len(p.Records) != 0 || !p.Complete || p.More || p.Head != s.head("nobody") {
		s.Fatalf("read before: got %+v", p)
	}
	s.ok(s.log.Trim(s.ctx(), "nobody", 100))
	s.ok(s.log.Delete(s.ctx(), "nobody"))
}

// filled puts records "0" to "n-1" into a channel and returns their offsets.
func (s *suite) filled(channel string, n int) []uint64 {
	s.Helper()
	var offsets []uint64
	for i := range n {
		offsets = append(offsets, s.put(channel, fmt.Sprint(i)).First)
		s.put("beside", "x")
	}
	return offsets
}

func readAfter(s *suite) {
	at := s.filled("c", 10)
	head := s.head("c")
	for i := range at {
		p := s.read("c", at[i], eventlog.Limit{})
		if len(p.Records) != 9-i || !p.Complete || p.More || p.Head != head {
			s.Fatalf("after record %d: got %+v", i, p)
		}
		for j, r := range p.Records {
			if r.Offset != at[i+1+j] || string(r.Data) != fmt.Sprint(i+1+j) {
				s.Fatalf("after record %d: got %+v", i, r)
			}
		}
		// Offsets between records are places as well.
		p = s.read("c", at[i]-1, eventlog.Limit{Records: 1})
		if len(p.Records) != 1 || p.Records[0].Offset != at[i] || !p.Complete {
			s.Fatalf("just before record %d: got %+v", i, p)
		}
	}
}

func readBefore(s *suite) {
	at := s.filled("c", 10)
	s.same("before the end", texts(s.readBefore("c", 0, eventlog.Limit{Records: 3}).Records), "7", "8", "9")
	s.same("before a record", texts(s.readBefore("c", at[5], eventlog.Limit{Records: 3}).Records), "2", "3", "4")
	s.same("just after a record", texts(s.readBefore("c", at[5]+1, eventlog.Limit{Records: 3}).Records), "3", "4", "5")
	s.same("far beyond", texts(s.readBefore("c", math.MaxUint64, eventlog.Limit{Records: 2}).Records), "8", "9")
	p := s.readBefore("c", at[2], eventlog.Limit{Records: 3})
	s.same("before the third", texts(p.Records), "0", "1")
	if p.More || !p.Complete || p.Head != s.head("c") {
		s.Fatalf("before the third: got %+v", p)
	}
	if p = s.readBefore("c", at[3], eventlog.Limit{Records: 2}); !p.More {
		s.Fatalf("before the fourth, two: got %+v, want more", p)
	}
	if p = s.readBefore("c", at[0], eventlog.Limit{}); len(p.Records) != 0 || p.More {
		s.Fatalf("before the first: got %+v", p)
	}
}

func readLimits(s *suite) {
	data := strings.Repeat("x", 100)
	for range 10 {
		s.put("c", data)
	}
	for _, row := range []struct {
		limit eventlog.Limit
		want  int
	}{
		{eventlog.Limit{}, 10},
		{eventlog.Limit{Records: 10}, 10},
		{eventlog.Limit{Records: 9}, 9},
		{eventlog.Limit{Bytes: 1}, 1},
		{eventlog.Limit{Bytes: 299}, 2},
		{eventlog.Limit{Bytes: 300}, 3},
		{eventlog.Limit{Records: 2, Bytes: 300}, 2},
	} {
		for name, p := range map[string]eventlog.Page{
			"read":        s.read("c", 0, row.limit),
			"read before": s.readBefore("c", 0, row.limit),
		} {
			if len(p.Records) != row.want || p.More != (row.want < 10) {
				s.Errorf("%s, %+v: got %d records, more %v, want %d", name, row.limit, len(p.Records), p.More, row.want)
			}
		}
	}
	for range 95 {
		s.put("c", "y")
	}
	if p := s.read("c", 0, eventlog.Limit{}); len(p.Records) != eventlog.DefaultLimitRecords || !p.More {
		s.Fatalf("default limit: got %d records, more %v", len(p.Records), p.More)
	}
}

func readPastEnd(s *suite) {
	s.filled("c", 3)
	for _, after := range []uint64{s.head("c").Offset + 1, eventlog.MaxOffset, math.MaxUint64} {
		if p := s.read("c", after, eventlog.Limit{}); len(p.Records) != 0 || p.More || p.Head != s.head("c") {
			s.Fatalf("after %d: got %+v", after, p)
		}
	}
}

func readAcknowledged(s *suite) {
	for i := range 200 {
		a := s.put("c", fmt.Sprint(i))
		p := s.readBefore("c", 0, eventlog.Limit{Records: 1})
		if len(p.Records) != 1 || p.Records[0].Offset != a.First || p.Head != a.Last {
			s.Fatalf("after append %d: got %+v, want %+v", i, p, a)
		}
	}
}

func readOneChannel(s *suite) {
	names := []string{"a", "a\x00", "a\x00b", "a\xc3\xbf", "ab", "b", "a/b"}
	for i := range 3 {
		for _, n := range names {
			s.put(n, fmt.Sprint(n, i))
		}
	}
	for _, n := range names {
		s.same(n, s.all(n), n+"0", n+"1", n+"2")
		s.same(n, texts(s.readBefore(n, 0, eventlog.Limit{}).Records), n+"0", n+"1", n+"2")
	}
}
