package webhook_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/internal/webhook"
)

// rooms are channels with subscriptions.
type rooms struct {
	mu sync.Mutex
	in map[string]int
	o  *webhook.Occupancy
}

func (r *rooms) occupied(channel string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.in[channel] > 0
}

func (r *rooms) add(channel string, n int) {
	r.mu.Lock()
	r.in[channel] += n
	r.mu.Unlock()
	r.o.Changed(channel)
}

func TestOccupancy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hookOf(t, func(h *webhook.Hook) { h.Channels = []string{"room:*"} })
		b := &backend{t: t}
		log := newLog(memory.New(memory.Options{}), h)
		defer closeLog(t, log)
		d := webhook.Start(webhook.Config{Log: log, Node: "n1", Transport: b}, h)
		defer d.Close()
		synctest.Wait()
		r := &rooms{in: map[string]int{}}
		start := func() {
			r.o = webhook.NewOccupancy(webhook.OccupancyConfig{Log: log, Hooks: []webhook.Hook{h}, Node: "n1", Occupied: r.occupied})
			r.o.Start()
		}
		start()
		expect := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if got := strings.Join(b.got("room:1"), " "); got != want {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
		}
		r.add("other", 1)
		r.add("room:*", 1)
		r.add("$control", 1)
		expect("nobody is there", "")
		r.add("room:1", 1)
		expect("the first comes", "occupied")
		r.add("room:1", 1)
		r.add("room:1", -2)
		expect("all have gone", "occupied")
		<-time.After(900 * time.Millisecond)
		r.add("room:1", 1)
		<-time.After(time.Hour)
		expect("a reload", "occupied")
		for range 20 {
			r.add("room:1", -1)
			<-time.After(400 * time.Millisecond)
			r.add("room:1", 1)
			<-time.After(400 * time.Millisecond)
		}
		expect("flapping", "occupied")
		r.add("room:1", -1)
		<-time.After(time.Second)
		expect("gone for good", "occupied vacated")
		r.add("room:1", 1)
		r.add("room:2", 1)
		expect("back", "occupied vacated occupied")
		// The server crashes, and of two clients one comes back.
		r.o.Close()
		r.in = map[string]int{}
		start()
		synctest.Wait()
		<-time.After(20 * time.Second)
		r.add("room:1", 1)
		<-time.After(time.Minute)
		expect("who came back", "occupied vacated occupied")
		if got := strings.Join(b.got("room:2"), " "); got != "occupied vacated" {
			t.Errorf("who did not come back: got %q", got)
		}
		if b.got("other") != nil || b.got("room:*") != nil {
			t.Error("told of what nobody wants")
		}
		r.o.Close()
	})
}

// What is written before the deliverer has begun is delivered.
func TestOccupancyBeforeTheDeliverer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := hookOf(t), &backend{t: t}
		log := newLog(memory.New(memory.Options{}), h)
		defer closeLog(t, log)
		r := &rooms{in: map[string]int{}}
		r.o = webhook.NewOccupancy(webhook.OccupancyConfig{Log: log, Hooks: []webhook.Hook{h}, Node: "n1", Occupied: r.occupied})
		r.o.Start()
		r.add("a", 1)
		<-time.After(time.Minute)
		d := webhook.Start(webhook.Config{Log: log, Node: "n1", Transport: b}, h)
		synctest.Wait()
		if got := strings.Join(b.got("a"), " "); got != "occupied" {
			t.Errorf("got %q", got)
		}
		d.Close()
		r.o.Close()
	})
}

// What cannot be written is written later.
func TestOccupancyIsWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hookOf(t)
		inner := &flaky{Engine: memory.New(memory.Options{})}
		log := eventlog.New(inner)
		defer closeLog(t, log)
		r := &rooms{in: map[string]int{}}
		r.o = webhook.NewOccupancy(webhook.OccupancyConfig{Log: log, Hooks: []webhook.Hook{h}, Node: "n1", Occupied: r.occupied})
		r.o.Start()
		defer r.o.Close()
		r.add("a", 1)
		<-time.After(3 * time.Second)
		inner.set(true)
		<-time.After(3 * time.Second)
		page, err := log.Read(t.Context(), webhook.Channel, 0, eventlog.Limit{})
		if err != nil || len(page.Records) != 1 || !strings.Contains(string(page.Records[0].Data), `"occupied"`) {
			t.Errorf("got %v, %v", page.Records, err)
		}
	})
}

// flaky is an engine that takes nothing until it is set.
type flaky struct {
	eventlog.Engine
	mu sync.Mutex
	up bool
}

func (f *flaky) set(up bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.up = up
}

func (f *flaky) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	f.mu.Lock()
	up := f.up
	f.mu.Unlock()
	if !up {
		done(eventlog.Appended{}, eventlog.ErrUnavailable)
		return
	}
	f.Engine.Append(b, done)
}
