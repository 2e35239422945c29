package logtest_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

// A harsh engine that neither refuses nor forgets to tell keeps the contract.
func TestHarshConformance(t *testing.T) {
	logtest.Run(t, logtest.Harness{
		Open: func(t testing.TB, p eventlog.Policies) eventlog.Engine {
			inner := memory.New(memory.Options{Policies: p})
			t.Cleanup(func() { inner.Close() })
			h := logtest.NewHarsh(1, inner)
			r := logtest.Rough()
			r.Stall, r.Unknown, r.Refuse = 0, 0, 0
			h.SetRates(r)
			return h
		},
	})
}

// locked is a sink for several goroutines.
type locked struct {
	mu sync.Mutex
	sink
}

func (s *locked) Deliver(l *eventlog.Live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sink.Deliver(l)
}

func TestHarshLosesAndResyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := logtest.NewHarsh(1, nil)
		h.SetRates(logtest.Harshness{Lose: 1})
		l := eventlog.New(h)
		defer l.Close()
		var s locked
		if _, err := l.Watch("c", &s); err != nil {
			t.Fatal(err)
		}
		put(t, l, "c", "1")
		put(t, l, "c", "2")
		<-time.After(10 * time.Second)
		synctest.Wait()
		if len(s.got) != 1 || s.got[0] != "resync" {
			t.Fatalf("got %q, want one resync", s.got)
		}
	})
}

func TestHarshStaleReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New(memory.Options{})
		defer inner.Close()
		a, b := logtest.NewHarsh(1, inner), logtest.NewHarsh(2, inner)
		defer a.Close()
		defer b.Close()
		a.SetRates(logtest.Harshness{})
		b.SetRates(logtest.Harshness{Stale: 1})
		la, lb := eventlog.New(a), eventlog.New(b)
		stored := put(t, la, "c", "1")
		if p, err := lb.Head(t.Context(), "c"); err != nil || p.Offset != 0 {
			t.Fatalf("stale head: got %+v, %v, want 0", p, err)
		}
		if p, err := lb.Read(t.Context(), "c", 0, eventlog.Limit{}); err != nil || len(p.Records) != 0 || p.Head.Offset != 0 {
			t.Fatalf("stale read: got %+v, %v, want nothing", p, err)
		}
		if p, err := la.Head(t.Context(), "c"); err != nil || p != stored.Last {
			t.Fatalf("head where it was stored: got %+v, %v, want %+v", p, err, stored.Last)
		}
		<-time.After(time.Second + time.Millisecond)
		if p, err := lb.Head(t.Context(), "c"); err != nil || p != stored.Last {
			t.Fatalf("head a second later: got %+v, %v, want %+v", p, err, stored.Last)
		}
	})
}

// What ends in ErrUnknown can be sent again with its key, whatever became of it.
func TestHarshRetries(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			h := logtest.NewHarsh(seed, nil)
			r := logtest.Rough()
			r.Unknown, r.Refuse, r.Stall = 0.3, 0.2, 0.05
			h.SetRates(r)
			l := eventlog.New(h)
			defer l.Close()
			for i := range 50 {
				a := text("c", fmt.Sprint(i))
				a.Key = fmt.Sprint("k", i)
				for {
					_, err := l.Append(t.Context(), a)
					if err == nil {
						break
					}
					if !errors.Is(err, eventlog.ErrUnknown) && !errors.Is(err, eventlog.ErrUnavailable) {
						t.Fatalf("seed %d: append: %v", seed, err)
					}
				}
			}
			h.Calm()
			p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{})
			if err != nil || len(p.Records) != 50 {
				t.Fatalf("seed %d: got %d records, %v, want 50", seed, len(p.Records), err)
			}
		})
	}
}

func TestHarshIsTheSameForASeed(t *testing.T) {
	play := func(seed uint64) (out []string) {
		synctest.Test(t, func(t *testing.T) {
			h := logtest.NewHarsh(seed, nil)
			l := eventlog.New(h)
			defer l.Close()
			var s locked
			if _, err := l.Watch("c", &s); err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				a, err := l.Append(t.Context(), text("c", fmt.Sprint(i)))
				out = append(out, fmt.Sprint(a.First, err))
			}
			h.Calm()
			out = append(out, s.got...)
		})
		return out
	}
	if a, b := fmt.Sprint(play(7)), fmt.Sprint(play(7)); a != b {
		t.Fatalf("got\n%s\nand\n%s", a, b)
	}
}

// tailer follows a channel by the rules: it takes a live record that follows
// what it has, and reads when anything else comes, for as long as a read may be
// stale.
type tailer struct {
	log  *eventlog.Log
	wake chan struct{}

	mu    sync.Mutex
	head  uint64
	data  []string
	until time.Time // until when there is a reason to read
}

func (f *tailer) Deliver(l *eventlog.Live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case l.Kind == eventlog.LiveRecord && l.Record.Offset <= f.head:
		return
	case l.Kind == eventlog.LiveRecord && l.Prev == f.head && f.head != 0:
		f.head, f.data = l.Record.Offset, append(f.data, string(l.Record.Data))
		return
	}
	f.look()
}

// look notes that there is a reason to read: now, and at a tick at least a second
// from now.
func (f *tailer) look() {
	f.until = time.Now().Add(2100 * time.Millisecond)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run reads whenever there is a reason to.
func (f *tailer) run(t *testing.T, stop chan struct{}) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		select {
		case <-stop:
			return
		case <-f.wake:
		case <-again.C:
		}
		f.mu.Lock()
		head, reason := f.head, time.Now().Before(f.until)
		f.mu.Unlock()
		if !reason {
			continue
		}
		p, err := f.log.Read(t.Context(), "c", head, eventlog.Limit{Records: 10})
		f.mu.Lock()
		for _, r := range p.Records {
			if r.Offset > f.head {
				f.head, f.data = r.Offset, append(f.data, string(r.Data))
			}
		}
		if p.More {
			f.look()
		}
		if err != nil { // It is tried again at a tick.
			f.until = time.Now().Add(2100 * time.Millisecond)
		}
		f.mu.Unlock()
	}
}

// Whoever keeps to the rules has everything in the end, once and in order.
func TestHarshCanBeFollowed(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			inner := memory.New(memory.Options{})
			defer inner.Close()
			nodes := []*logtest.Harsh{logtest.NewHarsh(seed, inner), logtest.NewHarsh(seed+100, inner)}
			var wg sync.WaitGroup
			for n, h := range nodes {
				for w := range 3 {
					wg.Go(func() {
						l := eventlog.New(h)
						for i := range 40 {
							a := text("c", fmt.Sprint(n, "-", w, "-", i))
							a.Key = string(a.Entries[0].Data)
							for {
								if _, err := l.Append(t.Context(), a); err == nil {
									break
								}
							}
							<-time.After(100 * time.Millisecond)
						}
					})
				}
			}
			tail := &tailer{log: eventlog.New(nodes[0]), wake: make(chan struct{}, 1)}
			if _, err := tail.log.Watch("c", tail); err != nil {
				t.Fatal(err)
			}
			tail.mu.Lock()
			tail.look()
			tail.mu.Unlock()
			stop := make(chan struct{})
			var reader sync.WaitGroup
			reader.Go(func() { tail.run(t, stop) })
			wg.Wait()
			for _, h := range nodes {
				h.Calm()
			}
			<-time.After(5 * time.Second)
			close(stop)
			reader.Wait()
			p, err := inner.Read(t.Context(), "c", 0, eventlog.Limit{Records: 1000})
			if err != nil || len(p.Records) != 240 || len(tail.data) != 240 {
				t.Fatalf("seed %d: %d stored, %d followed, %v, want 240", seed, len(p.Records), len(tail.data), err)
			}
			for i, r := range p.Records {
				if tail.data[i] != string(r.Data) {
					t.Fatalf("seed %d: record %d is %q, followed %q", seed, i, r.Data, tail.data[i])
				}
			}
			for _, h := range nodes {
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
