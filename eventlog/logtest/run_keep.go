package logtest

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/starling-rt/starling/eventlog"
)

var keepTests = []conformance{
	{"everything over a restart", keepRestart},
	{"epochs over a restart", keepEpochs},
	{"what was acknowledged over a crash", keepCrash},
	{"keys over a crash", keepCrashKeys},
	{"unsynced channels honest over a crash", keepCrashUnsynced},
}

func keepRestart(s *suite) {
	if s.harness.Reopen == nil {
		s.Skip("nothing survives the engine")
	}
	at := s.filled("c", 10)
	s.filled("few/c", 12)
	s.ok(s.log.Trim(s.ctx(), "c", at[2]))
	s.put("trimmed", "1")
	s.ok(s.log.Trim(s.ctx(), "trimmed", eventlog.MaxOffset))
	s.put("deleted", "1")
	s.ok(s.log.Delete(s.ctx(), "deleted"))
	keyedFirst, err := s.log.Append(s.ctx(), keyed("keyed", "k", "1"))
	s.ok(err)
	rev, err := s.log.KV().Put(s.ctx(), "k", []byte("v"), eventlog.PutOptions{})
	s.ok(err)
	heads := map[string]eventlog.Position{}
	channels := []string{"c", "few/c", "trimmed", "deleted", "keyed", "unknown"}
	for _, c := range channels {
		heads[c] = s.head(c)
	}
	s.reopen()
	for _, c := range channels {
		if got := s.head(c); got != heads[c] {
			s.Errorf("head of %q: got %+v, want %+v", c, got, heads[c])
		}
	}
	s.same("records", s.all("c"), "3", "4", "5", "6", "7", "8", "9")
	s.soon("5 records are left", func() bool { return len(s.all("few/c")) == 5 })
	s.same("kept by count", s.all("few/c"), "7", "8", "9", "10", "11")
	for i, want := range []bool{false, false, true, true} {
		if p := s.read("c", at[i], eventlog.Limit{}); p.Complete != want {
			s.Errorf("after record %d: got complete %v", i, p.Complete)
		}
	}
	if s.read("deleted", heads["deleted"].Offset, eventlog.Limit{}).Complete {
		s.Error("a position in a deleted channel is complete")
	}
	again, err := s.log.Append(s.ctx(), keyed("keyed", "k", "1"))
	s.ok(err)
	if !again.Duplicate || again.Last != keyedFirst.Last {
		s.Errorf("keyed: got %+v, want a duplicate of %+v", again, keyedFirst)
	}
	it, err := s.log.KV().Get(s.ctx(), "k")
	s.ok(err)
	if it.Revision != rev || string(it.Value) != "v" {
		s.Errorf("key-value: got %+v, want revision %d", it, rev)
	}
	highest := uint64(0)
	for _, p := range heads {
		highest = max(highest, p.Offset)
	}
	if next := s.put("trimmed", "2"); next.First <= heads["trimmed"].Offset {
		s.Errorf("next: got %+v after %d", next, highest)
	}
	if rev2, err := s.log.KV().Put(s.ctx(), "k", nil, eventlog.PutOptions{}); err != nil || rev2 <= rev {
		s.Errorf("next revision: got %d, %v, after %d", rev2, err, rev)
	}
}

func keepEpochs(s *suite) {
	synced, unsynced := s.put("c", "1").Last, s.put("unsynced/c", "1").Last
	s.reopen()
	if got := s.head("c"); got != synced {
		s.Errorf("synced: got %+v, want %+v", got, synced)
	}
	if got := s.head("unsynced/c"); got != unsynced {
		s.Errorf("unsynced, after a clean stop: got %+v, want %+v", got, unsynced)
	}
	s.same("unsynced records", s.all("unsynced/c"), "1")
}

func (s *suite) crash() {
	s.Helper()
	s.engine = s.harness.Crash(s, s.engine)
	s.log = eventlog.New(s.engine)
}

// crashChannels is how many channels there are appends to.
const crashChannels = 5

// load is a crowd of appenders.
type load struct {
	wg sync.WaitGroup

	mu sync.Mutex
	// acknowledged has what was stored, by channel and offset.
	acknowledged map[string]map[uint64]string
	sent         int
}

// start appends from many goroutines until the engine is gone. The data of a
// keyed append is its key.
func (s *suite) start(l *eventlog.Log, round int) *load {
	ld := &load{acknowledged: map[string]map[uint64]string{}}
	for w := range 16 {
		channel := fmt.Sprint("c", w%crashChannels)
		ld.wg.Go(func() {
			for i := 0; ; i++ {
				data := fmt.Sprint(round, "-", w, "-", i)
				a := keyed(channel, data, data)
				if w%3 == 0 {
					a.Key = ""
				}
				got, err := l.Append(s.ctx(), a)
				if err != nil {
					return // The crash.
				}
				ld.mu.Lock()
				if ld.acknowledged[channel] == nil {
					ld.acknowledged[channel] = map[uint64]string{}
				}
				ld.acknowledged[channel][got.First] = data
				ld.sent++
				ld.mu.Unlock()
			}
		})
	}
	return ld
}

// collect adds what was acknowledged so far to all, and returns how much it is.
func (ld *load) collect(all map[string]map[uint64]string) int {
	ld.mu.Lock()
	defer ld.mu.Unlock()
	for c, m := range ld.acknowledged {
		if all[c] == nil {
			all[c] = map[uint64]string{}
		}
		maps.Copy(all[c], m)
	}
	return ld.sent
}

func keepCrash(s *suite) {
	if s.harness.Crash == nil {
		s.Skip("a crash cannot be tested")
	}
	all := map[string]map[uint64]string{}
	epochs := map[string]uint32{}
	for i := range crashChannels {
		c := fmt.Sprint("c", i)
		epochs[c] = s.head(c).Epoch
	}
	for round := range 5 {
		ld := s.start(s.log, round)
		s.soon("some are acknowledged", func() bool { return ld.collect(map[string]map[uint64]string{}) > 100 })
		// What is acknowledged from here on may be after the power went.
		ld.collect(all)
		s.crash()
		ld.wg.Wait()
		for c, m := range all {
			s.verify(c, m, epochs[c])
		}
		s.resend(all)
	}
}

// resend appends again what was appended with a key: nothing new is stored.
func (s *suite) resend(all map[string]map[uint64]string) {
	s.Helper()
	for c, m := range all {
		n := 0
		for offset, data := range m {
			var round, w, i int
			if _, err := fmt.Sscanf(data, "%d-%d-%d", &round, &w, &i); err != nil || w%3 == 0 {
				continue
			}
			got, err := s.log.Append(s.ctx(), keyed(c, data, data))
			s.ok(err)
			if !got.Duplicate || got.First != offset {
				s.Fatalf("%q again: got %+v, want a duplicate of %d", data, got, offset)
			}
			if n++; n == 20 {
				break
			}
		}
	}
}

// verify fails the test if an acknowledged record is missing, or one is there
// twice.
func (s *suite) verify(channel string, acknowledged map[uint64]string, epoch uint32) {
	s.Helper()
	found, times := map[uint64]string{}, map[string]int{}
	p := s.read(channel, 0, eventlog.Limit{Records: 1 << 20, Bytes: 1 << 30})
	for _, r := range p.Records {
		found[r.Offset] = string(r.Data)
		if times[string(r.Data)]++; times[string(r.Data)] > 1 {
			s.Fatalf("%q has %q twice", channel, r.Data)
		}
	}
	for offset, data := range acknowledged {
		if found[offset] != data {
			s.Fatalf("%q at %d: got %q, acknowledged %q", channel, offset, found[offset], data)
		}
	}
	if p.Head.Epoch != epoch || !p.Complete || p.Head != s.head(channel) {
		s.Fatalf("%q: head %+v, complete %v, want epoch %d", channel, p.Head, p.Complete, epoch)
	}
}

func keepCrashKeys(s *suite) {
	if s.harness.Crash == nil {
		s.Skip("a crash cannot be tested")
	}
	first, err := s.log.Append(s.ctx(), keyed("c", "k", "1"))
	s.ok(err)
	rev, err := s.log.KV().Put(s.ctx(), "k", []byte("v"), eventlog.PutOptions{})
	s.ok(err)
	s.crash()
	again, err := s.log.Append(s.ctx(), keyed("c", "k", "1"))
	s.ok(err)
	if !again.Duplicate || again.Last != first.Last {
		s.Fatalf("got %+v, want a duplicate of %+v", again, first)
	}
	_, err = s.log.Append(s.ctx(), keyed("c", "k", "2"))
	s.is(err, eventlog.ErrKeyReused)
	it, err := s.log.KV().Get(s.ctx(), "k")
	if err != nil || it.Revision != rev || string(it.Value) != "v" {
		s.Fatalf("key-value: got %+v, %v", it, err)
	}
}

func keepCrashUnsynced(s *suite) {
	if s.harness.Crash == nil {
		s.Skip("a crash cannot be tested")
	}
	before := s.put("unsynced/c", "1", "2").Last
	synced := s.put("c", "1").Last
	fresh := s.head("unsynced/fresh")
	s.crash()
	after := s.head("unsynced/c")
	if s.harness.KeepsUnsynced {
		if after != before || s.head("unsynced/fresh") != fresh {
			s.Fatalf("unsynced channel: got %+v, want %+v", after, before)
		}
		s.same("unsynced records", s.all("unsynced/c"), "1", "2")
		return
	}
	if after.Epoch == before.Epoch {
		s.Fatalf("unsynced channel: got %+v, want another epoch than %+v", after, before)
	}
	if got := s.head("unsynced/fresh"); got.Epoch == fresh.Epoch {
		s.Fatalf("unsynced channel that was empty: got epoch %d again", got.Epoch)
	}
	if got := s.head("c"); got != synced {
		s.Fatalf("synced channel: got %+v, want %+v", got, synced)
	}
	_, err := s.log.Read(s.ctx(), "unsynced/c", 0, eventlog.Limit{})
	if err != nil && !errors.Is(err, eventlog.ErrUnavailable) {
		s.Fatalf("read: %v", err)
	}
}
