package logtest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

var kvTests = []conformance{
	{"puts, gets and deletes", kvBasics},
	{"sets only what is as expected", kvExpect},
	{"has growing revisions", kvRevisions},
	{"lets values expire", kvExpire},
	{"lists in order", kvList},
	{"refuses what is too large", kvLimits},
	{"is won by one of many", kvRace},
	{"keeps leases", kvLeases},
	{"keeps snapshots", kvSnapshots},
}

func kvBasics(s *suite) {
	kv := s.log.KV()
	_, err := kv.Get(s.ctx(), "k")
	s.is(err, eventlog.ErrNotFound)
	s.ok(kv.Delete(s.ctx(), "k", 0))
	value := []byte("value\x00\xff")
	rev, err := kv.Put(s.ctx(), "k", value, eventlog.PutOptions{})
	s.ok(err)
	value[0] = 'X'
	it, err := kv.Get(s.ctx(), "k")
	s.ok(err)
	if it.Key != "k" || string(it.Value) != "value\x00\xff" || it.Revision != rev || rev == 0 {
		s.Fatalf("got %+v, want revision %d", it, rev)
	}
	_, err = kv.Put(s.ctx(), "k", nil, eventlog.PutOptions{})
	s.ok(err)
	it, err = kv.Get(s.ctx(), "k")
	s.ok(err)
	if len(it.Value) != 0 {
		s.Fatalf("got %+v, want an empty value", it)
	}
	s.ok(kv.Delete(s.ctx(), "k", 0))
	_, err = kv.Get(s.ctx(), "k")
	s.is(err, eventlog.ErrNotFound)
}

func kvExpect(s *suite) {
	kv := s.log.KV()
	put := func(value string, e eventlog.RevisionExpectation) (uint64, error) {
		return kv.Put(s.ctx(), "k", []byte(value), eventlog.PutOptions{Expect: e})
	}
	_, err := put("0", eventlog.AtRevision(7))
	s.is(err, eventlog.ErrRevision)
	s.is(kv.Delete(s.ctx(), "k", eventlog.AtRevision(7)), eventlog.ErrRevision)
	first, err := put("1", eventlog.Absent)
	s.ok(err)
	_, err = put("2", eventlog.Absent)
	s.is(err, eventlog.ErrRevision)
	second, err := put("2", eventlog.AtRevision(first))
	s.ok(err)
	_, err = put("3", eventlog.AtRevision(first))
	s.is(err, eventlog.ErrRevision)
	s.is(kv.Delete(s.ctx(), "k", eventlog.AtRevision(first)), eventlog.ErrRevision)
	s.is(kv.Delete(s.ctx(), "k", eventlog.Absent), eventlog.ErrRevision)
	s.ok(kv.Delete(s.ctx(), "k", eventlog.AtRevision(second)))
	_, err = put("4", eventlog.AtRevision(second))
	s.is(err, eventlog.ErrRevision)
	_, err = put("4", eventlog.Absent)
	s.ok(err)
}

func kvRevisions(s *suite) {
	kv := s.log.KV()
	var last uint64
	for i := range 10 {
		rev, err := kv.Put(s.ctx(), "k", fmt.Append(nil, i), eventlog.PutOptions{})
		s.ok(err)
		if rev <= last {
			s.Fatalf("revision %d after %d", rev, last)
		}
		last = rev
		if i%3 == 0 {
			s.ok(kv.Delete(s.ctx(), "k", 0))
		}
	}
}

func kvExpire(s *suite) {
	kv := s.log.KV()
	start := time.Now()
	rev, err := kv.Put(s.ctx(), "k", []byte("v"), eventlog.PutOptions{TTL: time.Second})
	s.ok(err)
	_, err = kv.Put(s.ctx(), "kept", []byte("v"), eventlog.PutOptions{TTL: time.Second})
	s.ok(err)
	_, err = kv.Put(s.ctx(), "kept", []byte("v"), eventlog.PutOptions{})
	s.ok(err)
	s.soon("the value expires", func() bool {
		_, err := kv.Get(s.ctx(), "k")
		return err != nil
	})
	if took := time.Since(start); took < 900*time.Millisecond {
		s.Fatalf("it expired after %v", took)
	}
	if items, err := kv.List(s.ctx(), "", "", 10); err != nil || len(items) != 1 || items[0].Key != "kept" {
		s.Fatalf("list: got %v, %v", items, err)
	}
	again, err := kv.Put(s.ctx(), "k", []byte("w"), eventlog.PutOptions{Expect: eventlog.Absent})
	s.ok(err)
	if again <= rev {
		s.Fatalf("revision %d after %d", again, rev)
	}
}

func kvList(s *suite) {
	kv := s.log.KV()
	for _, k := range []string{"b", "a/2", "a/1", "a", "a/\xff", "a/3", "c"} {
		_, err := kv.Put(s.ctx(), k, []byte("v"+k), eventlog.PutOptions{})
		s.ok(err)
	}
	for _, row := range []struct {
		prefix, after string
		limit         int
		want          string
	}{
		{"", "", 10, "a a/1 a/2 a/3 a/\xff b c"},
		{"a/", "", 10, "a/1 a/2 a/3 a/\xff"},
		{"a/", "a/1", 2, "a/2 a/3"},
		{"a/", "a/15", 1, "a/2"},
		{"a/", "a", 1, "a/1"},
		{"a/", "b", 10, ""},
		{"x", "", 10, ""},
	} {
		items, err := kv.List(s.ctx(), row.prefix, row.after, row.limit)
		s.ok(err)
		var got []string
		for _, it := range items {
			got = append(got, it.Key)
			if string(it.Value) != "v"+it.Key || it.Revision == 0 {
				s.Errorf("got %+v", it)
			}
		}
		if strings.Join(got, " ") != row.want {
			s.Errorf("list %q after %q: got %q, want %q", row.prefix, row.after, got, row.want)
		}
	}
}

func kvLimits(s *suite) {
	kv := s.log.KV()
	long := strings.Repeat("k", eventlog.MaxKVKeyBytes)
	big := make([]byte, eventlog.MaxKVValueBytes)
	_, err := kv.Put(s.ctx(), long, big, eventlog.PutOptions{})
	s.ok(err)
	if it, err := kv.Get(s.ctx(), long); err != nil || len(it.Value) != len(big) {
		s.Fatalf("got %d bytes, %v", len(it.Value), err)
	}
	_, err = kv.Put(s.ctx(), long+"k", nil, eventlog.PutOptions{})
	s.is(err, eventlog.ErrInvalid)
	_, err = kv.Put(s.ctx(), "", nil, eventlog.PutOptions{})
	s.is(err, eventlog.ErrInvalid)
	_, err = kv.Put(s.ctx(), "k", append(big, 0), eventlog.PutOptions{})
	s.is(err, eventlog.ErrInvalid)
}

func kvRace(s *suite) {
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 32 {
		wg.Go(func() {
			if _, err := s.log.KV().Put(s.ctx(), "k", nil, eventlog.PutOptions{Expect: eventlog.Absent}); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		s.Fatalf("%d won, want 1", won.Load())
	}
}

func kvLeases(s *suite) {
	l := s.log.Leases()
	held, err := l.Acquire(s.ctx(), "kept", "a", time.Minute)
	s.ok(err)
	_, err = l.Acquire(s.ctx(), "kept", "b", time.Minute)
	s.is(err, eventlog.ErrLeaseHeld)
	renewed, err := l.Renew(s.ctx(), held)
	s.ok(err)
	_, err = l.Renew(s.ctx(), held)
	s.is(err, eventlog.ErrLeaseLost)
	_, err = l.Acquire(s.ctx(), "kept", "b", time.Minute)
	s.is(err, eventlog.ErrLeaseHeld)
	s.ok(l.Release(s.ctx(), renewed))

	var ends, next eventlog.Lease
	s.soon("a short lease is renewed in time", func() bool {
		short, err := l.Acquire(s.ctx(), "doc", "a", time.Second)
		if err == nil {
			ends, err = l.Renew(s.ctx(), short)
		}
		return err == nil
	})
	s.soon("the lease ends", func() bool {
		next, err = l.Acquire(s.ctx(), "doc", "b", time.Minute)
		return err == nil
	})
	if next.Token <= ends.Token {
		s.Fatalf("token %d after %d", next.Token, ends.Token)
	}
	_, err = l.Renew(s.ctx(), ends)
	s.is(err, eventlog.ErrLeaseLost)
	s.ok(l.Release(s.ctx(), ends))
	_, err = l.Acquire(s.ctx(), "doc", "a", time.Second)
	s.is(err, eventlog.ErrLeaseHeld)
	s.ok(l.Release(s.ctx(), next))
	last, err := l.Acquire(s.ctx(), "doc", "a", time.Second)
	s.ok(err)
	if last.Token <= next.Token {
		s.Fatalf("token %d after %d", last.Token, next.Token)
	}
}

func kvSnapshots(s *suite) {
	snaps := s.log.Snapshots()
	_, err := snaps.Get(s.ctx(), "doc")
	s.is(err, eventlog.ErrNotFound)
	at := eventlog.Position{Epoch: 5, Offset: 10}
	for _, size := range []int{0, 1, 1 << 20} {
		at.Offset++
		data := []byte(strings.Repeat("x", size))
		s.ok(snaps.Put(s.ctx(), "doc", eventlog.Snapshot{At: at, Data: data}))
		got, err := snaps.Get(s.ctx(), "doc")
		s.ok(err)
		if got.At != at || len(got.Data) != size {
			s.Fatalf("got %d bytes at %+v, want %d at %+v", len(got.Data), got.At, size, at)
		}
	}
	older := eventlog.Snapshot{At: eventlog.Position{Epoch: 5, Offset: 3}, Data: []byte("old")}
	s.ok(snaps.Put(s.ctx(), "doc", older))
	if got, err := snaps.Get(s.ctx(), "doc"); err != nil || got.At != at {
		s.Fatalf("after an older one: got %+v, %v", got.At, err)
	}
	s.ok(snaps.Delete(s.ctx(), "doc"))
	_, err = snaps.Get(s.ctx(), "doc")
	s.is(err, eventlog.ErrNotFound)
	if items, err := s.log.KV().List(s.ctx(), "snapdata/", "", 10); err != nil || len(items) != 0 {
		s.Fatalf("%d chunks are left, %v", len(items), err)
	}
}
