package live

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// deletes is a sink that keeps which slots were emptied, and when.
type deletes struct {
	start time.Time
	at    map[string]time.Duration
}

func (d *deletes) Deliver(l *eventlog.Live) {
	if l.Kind == eventlog.LiveSignal && l.Signal.Delete {
		d.at[l.Signal.Key] = time.Since(d.start)
	}
}

func TestSlotsExpireInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(nil)
		defer h.Close()
		d := &deletes{start: time.Now(), at: map[string]time.Duration{}}
		defer h.Watch("c", d)()
		for i := range 10 {
			sig := eventlog.Signal{Channel: "c", Key: fmt.Sprint(i), TTL: time.Duration(10-i) * time.Second}
			if err := h.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		// A shorter life takes the place of a longer one, and the other way round.
		for key, ttl := range map[string]time.Duration{"0": 500 * time.Millisecond, "9": time.Hour} {
			if err := h.Signal(eventlog.Signal{Channel: "c", Key: key, TTL: ttl}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(20 * time.Second)
		synctest.Wait()
		want := map[string]time.Duration{"0": 500 * time.Millisecond}
		for i := 1; i < 9; i++ {
			want[fmt.Sprint(i)] = time.Duration(10-i) * time.Second
		}
		if len(d.at) != len(want) {
			t.Errorf("got %v, want %v", d.at, want)
		}
		for key, at := range want {
			if late := d.at[key] - at; late < 0 || late > 2*sweepEvery {
				t.Errorf("slot %s expired after %v, want %v", key, d.at[key], at)
			}
		}
		if got := h.Slots("c"); len(got) != 1 || got[0].Key != "9" {
			t.Errorf("slots: got %+v, want the one of an hour", got)
		}
	})
}

// Slots that are emptied before their time leave nothing behind.
func TestSlotsLeaveNothing(t *testing.T) {
	h := New(nil)
	defer h.Close()
	for i := range 20_000 {
		sig := eventlog.Signal{Channel: "c", Key: fmt.Sprint(i % 7), TTL: time.Hour}
		if err := h.Signal(sig); err != nil {
			t.Fatal(err)
		}
		sig.Delete = true
		if err := h.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	s := h.Stripe("c")
	s.Lock()
	defer s.Unlock()
	if len(s.due) > spareDue+16 || s.kept != 0 || len(s.slots) != 0 {
		t.Errorf("%d entries, %d slots and %d tables are left", len(s.due), s.kept, len(s.slots))
	}
}

// nothing is a sink.
type nothing struct{}

func (nothing) Deliver(*eventlog.Live) {}

func TestDeliveryDoesNotAllocate(t *testing.T) {
	h := New(nil)
	defer h.Close()
	defer h.Watch("room/1", nothing{})()
	defer h.Watch("room/*", nothing{})()
	records := make([]eventlog.Record, 10)
	s := h.Stripe("room/1")
	n := testing.AllocsPerRun(100, func() {
		s.Lock()
		s.Records("room/1", records, 1, 0)
		s.Unlock()
	})
	if n != 0 {
		t.Errorf("%v allocations for 10 records, want 0", n)
	}
}
