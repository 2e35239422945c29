package logtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

// sink keeps what it gets, as text.
type sink struct{ got []string }

func (s *sink) Deliver(l *eventlog.Live) {
	switch l.Kind {
	case eventlog.LiveRecord:
		s.got = append(s.got, string(l.Record.Data))
	case eventlog.LiveSignal:
		s.got = append(s.got, "signal "+string(l.Signal.Data))
	case eventlog.LiveResync:
		s.got = append(s.got, "resync")
	}
}

func text(channel, data string) eventlog.Append {
	return eventlog.Append{Channel: channel, Entries: []eventlog.Entry{{Data: []byte(data)}}}
}

func TestHookedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := logtest.Hook(memory.New(memory.Options{}))
		l := eventlog.New(h)
		defer l.Close()
		before, after := h.Block(logtest.CallRead, "c"), h.BlockAfter(logtest.CallRead, "c")
		pages := make(chan eventlog.Page, 1)
		go func() {
			p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{})
			if err != nil {
				t.Errorf("read: %v", err)
			}
			pages <- p
		}()
		before.Wait()
		put(t, l, "c", "1")
		before.Release()
		after.Wait()
		put(t, l, "c", "2")
		if p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{}); err != nil || len(p.Records) != 2 {
			t.Fatalf("another read: got %+v, %v", p, err)
		}
		after.Release()
		if p := <-pages; len(p.Records) != 1 {
			t.Fatalf("stopped read: got %+v, want the record stored before it was let in", p)
		}
		stop := h.Block(logtest.CallHead)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Head(ctx, "c"); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped head: got %v", err)
		}
		stop.Release()
	})
}

func put(t *testing.T, l *eventlog.Log, channel, data string) eventlog.Appended {
	t.Helper()
	a, err := l.Append(t.Context(), text(channel, data))
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return a
}

func TestHookedAppendKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := logtest.Hook(memory.New(memory.Options{}))
		l := eventlog.New(h)
		defer l.Close()
		stop := h.Block(logtest.CallAppend)
		var done []string
		for _, d := range []string{"1", "2", "3"} {
			l.AppendAsync(text("c", d), func(eventlog.Appended, error) { done = append(done, d) })
		}
		put(t, l, "other", "x")
		if p, err := l.Head(t.Context(), "c"); err != nil || p.Offset != 0 || len(done) != 0 {
			t.Fatalf("head before the release: got %+v, %v, done %q", p, err, done)
		}
		stop.Release()
		synctest.Wait()
		p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{})
		if err != nil || len(p.Records) != 3 || string(p.Records[0].Data) != "1" || len(done) != 3 {
			t.Fatalf("after the release: got %+v, %v, done %q", p, err, done)
		}
	})
}

func TestHookedDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := logtest.Hook(memory.New(memory.Options{}))
		l := eventlog.New(h)
		defer l.Close()
		var s sink
		if _, err := l.Watch("*", &s); err != nil {
			t.Fatal(err)
		}
		stop := h.Block(logtest.CallDeliver, "c")
		put(t, l, "c", "1")
		put(t, l, "c", "2")
		put(t, l, "d", "3")
		if len(s.got) != 1 || s.got[0] != "3" {
			t.Fatalf("before the release: got %q", s.got)
		}
		stop.Release()
		synctest.Wait()
		if len(s.got) != 3 || s.got[1] != "1" || s.got[2] != "2" {
			t.Fatalf("after the release: got %q", s.got)
		}
	})
}

func TestFaulty(t *testing.T) {
	broken := errors.New("broken")
	f := logtest.NewFaulty(memory.New(memory.Options{}))
	l := eventlog.New(f)
	defer l.Close()
	f.Fail(logtest.CallAppend, 2, broken)
	f.FailThrough(logtest.CallAppend, 3, eventlog.ErrUnknown)
	for i, want := range []error{nil, broken, eventlog.ErrUnknown, nil} {
		if _, err := l.Append(t.Context(), text("c", "x")); !errors.Is(err, want) {
			t.Fatalf("append %d: got %v, want %v", i, err, want)
		}
	}
	if p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{}); err != nil || len(p.Records) != 3 {
		t.Fatalf("got %d records, %v, want 3", len(p.Records), err)
	}
	f.Fail(logtest.CallHead, 0, broken)
	for range 3 {
		if _, err := l.Head(t.Context(), "c"); !errors.Is(err, broken) {
			t.Fatalf("head: got %v, want %v", err, broken)
		}
	}
	f.Heal()
	if _, err := l.Head(t.Context(), "c"); err != nil {
		t.Fatalf("head after Heal: %v", err)
	}
	var s sink
	if _, err := l.Watch("c", &s); err != nil {
		t.Fatal(err)
	}
	f.Fail(logtest.CallDeliver, 1, broken)
	put(t, l, "c", "lost")
	put(t, l, "c", "seen")
	if len(s.got) != 1 || s.got[0] != "seen" {
		t.Fatalf("delivered: got %q", s.got)
	}
	if n := f.Calls(logtest.CallAppend); n != 6 {
		t.Fatalf("%d appends, want 6", n)
	}
}

// An engine that is never stopped and never fails keeps the contract.
func TestWrappedConformance(t *testing.T) {
	logtest.Run(t, logtest.Harness{
		Open: func(_ testing.TB, p eventlog.Policies) eventlog.Engine {
			return logtest.Hook(logtest.NewFaulty(memory.New(memory.Options{Policies: p})))
		},
	})
}
