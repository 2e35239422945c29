package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
)

// soak tells whether tests may take long: see make soak.
var soak = os.Getenv("STARLING_SOAK") != ""

// eventually waits until a condition holds.
func eventually(t testing.TB, within time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// lives is a sink that keeps what it gets, and can be blocked.
type lives struct {
	mu   sync.Mutex
	got  []eventlog.Live
	gate chan struct{} // Deliver waits until it is closed, if there is one
}

func (l *lives) Deliver(live *eventlog.Live) {
	if l.gate != nil {
		<-l.gate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, *live)
}

func (l *lives) count(kind eventlog.LiveKind) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.got {
		if l.got[i].Kind == kind {
			n++
		}
	}
	return n
}

func watch(t testing.TB, e *natslog.Engine, pattern string, sink eventlog.Sink) {
	t.Helper()
	stop, err := e.Watch(pattern, sink)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
}

func entry(channel, key, data string) eventlog.Append {
	return eventlog.Append{Channel: channel, Key: key, User: "u", Entries: []eventlog.Entry{{Data: []byte(data)}}}
}

func put(t testing.TB, l *eventlog.Log, channel, key, data string) eventlog.Appended {
	t.Helper()
	a, err := l.Append(t.Context(), entry(channel, key, data))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func all(t testing.TB, l *eventlog.Log, channel string) (records []eventlog.Record) {
	t.Helper()
	for after := uint64(0); ; {
		p, err := l.Read(t.Context(), channel, after, eventlog.Limit{Records: 1000})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, p.Records...)
		if !p.More {
			return records
		}
		after = p.Records[len(p.Records)-1].Offset
	}
}

// writers append with keys, each one after the other, and try again with the same
// key for as long as the outcome is not known.
type writers struct {
	log     *eventlog.Log
	channel string
	stop    chan struct{}
	wg      sync.WaitGroup

	mu    sync.Mutex
	acked map[string]uint64 // by key
	tries int               // that came to nothing, or are not known to
	worst time.Duration     // the longest append
}

func startWriters(t testing.TB, l *eventlog.Log, channel string, n int) *writers {
	w := &writers{log: l, channel: channel, stop: make(chan struct{}), acked: map[string]uint64{}}
	for i := range n {
		w.wg.Go(func() {
			for j := 0; ; j++ {
				select {
				case <-w.stop:
					return
				default:
					w.append(t, fmt.Sprintf("%d-%d", i, j))
				}
			}
		})
	}
	return w
}

func (w *writers) append(t testing.TB, key string) {
	start := time.Now()
	for {
		a, err := w.log.Append(context.Background(), entry(w.channel, key, key))
		w.mu.Lock()
		switch {
		case err == nil:
			w.acked[key] = a.First
			w.worst = max(w.worst, time.Since(start))
			w.mu.Unlock()
			return
		case !errors.Is(err, eventlog.ErrUnknown) && !errors.Is(err, eventlog.ErrUnavailable):
			t.Errorf("append %s: %v", key, err)
			w.mu.Unlock()
			return
		}
		w.tries++
		w.mu.Unlock()
		<-time.After(50 * time.Millisecond)
	}
}

func (w *writers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

// check ends the writers and fails the test unless every acknowledged append is in
// the log once, where it was said to be, and each writer's in order.
func (w *writers) check(t testing.TB) {
	t.Helper()
	close(w.stop)
	w.wg.Wait()
	found := map[string]uint64{}
	last := map[int]int{}
	for _, r := range all(t, w.log, w.channel) {
		key := string(r.Data)
		if at, ok := found[key]; ok {
			t.Fatalf("%s is there twice, at %d and %d", key, at, r.Offset)
		}
		found[key] = r.Offset
		var writer, i int
		if _, err := fmt.Sscanf(key, "%d-%d", &writer, &i); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[writer]; ok && i != before+1 {
			t.Fatalf("writer %d: %d follows %d", writer, i, before)
		}
		last[writer] = i
	}
	for key, at := range w.acked {
		if found[key] != at {
			t.Fatalf("%s was acknowledged at %d, and is at %d", key, at, found[key])
		}
	}
	t.Logf("%d acknowledged, %d tries more, the longest took %v", len(w.acked), w.tries, w.worst)
}

// follow keeps up with a channel as the rest of the server does, and fails the
// test if what it has is not what the log has.
type tailer struct {
	mu      sync.Mutex
	records []string
	head    uint64
	dirty   bool
}

func (f *tailer) Deliver(l *eventlog.Live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case l.Kind == eventlog.LiveResync:
		f.dirty = true
	case l.Kind != eventlog.LiveRecord || l.Record.Offset <= f.head:
	case l.Prev == f.head && f.head != 0:
		f.take(&l.Record)
	default:
		f.dirty = true
	}
}

func (f *tailer) take(r *eventlog.Record) {
	f.head = r.Offset
	f.records = append(f.records, string(r.Data))
}

// catchUp reads if there is a reason to.
func (f *tailer) catchUp(l *eventlog.Log, channel string) error {
	f.mu.Lock()
	after, dirty := f.head, f.dirty
	f.dirty = false
	f.mu.Unlock()
	if !dirty {
		return nil
	}
	p, err := l.Read(context.Background(), channel, after, eventlog.Limit{Records: 1000})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dirty = f.dirty || err != nil || p.More
	for i := range p.Records {
		if p.Records[i].Offset > f.head {
			f.take(&p.Records[i])
		}
	}
	return err
}

// leader returns the server that leads a stream.
func leader(t testing.TB, c *natstest.Cluster, stream string) *natstest.Member {
	t.Helper()
	nc, err := c.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	eventually(t, time.Minute, stream+" has a leader", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return false
		}
		if info := s.CachedInfo(); info.Cluster != nil {
			name = info.Cluster.Leader
		}
		return name != ""
	})
	return c.Member(name)
}

// A cluster loses the leader under load, in every way that soak has time for.
func TestClusterFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("elections take seconds")
	}
	c := natstest.Start(t, 3, natstest.Options{})
	faults := []struct {
		name   string
		breaks func(leader, other *natstest.Member)
		mends  func(leader *natstest.Member)
	}{
		{"leader killed", func(m, _ *natstest.Member) { m.Kill() }, (*natstest.Member).Restart},
		{"leader frozen", func(m, _ *natstest.Member) { m.Freeze() }, (*natstest.Member).Thaw},
		{"leader restarted", func(m, _ *natstest.Member) { m.Restart() }, func(*natstest.Member) {}},
		{"two of three killed and started", func(m, other *natstest.Member) {
			m.Kill()
			other.Kill()
			m.Restart()
			other.Restart()
		}, func(*natstest.Member) {}},
	}
	if !soak {
		faults = faults[:1]
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) { leaderFault(t, c, f.breaks, f.mends) })
	}
	t.Run("all restarted", func(t *testing.T) { restarted(t, c) })
}

func leaderFault(t *testing.T, c *natstest.Cluster, breaks func(leader, other *natstest.Member), mends func(leader *natstest.Member)) {
	o := fresh(c)
	o.Partitions = 1
	l := eventlog.New(open(t, o))
	stream := o.Prefix + "-log-0"
	follower := open(t, o)
	f := &tailer{dirty: true}
	watch(t, follower, "c", f)
	w := startWriters(t, l, "c", 8)
	eventually(t, 30*time.Second, "appends before", func() bool { return w.count() > 100 })
	m := leader(t, c, stream)
	other := c.Members[0]
	if other == m {
		other = c.Members[1]
	}
	breaks(m, other)
	before := w.count()
	eventually(t, 90*time.Second, "appends after", func() bool {
		_ = f.catchUp(eventlog.New(follower), "c") // it is tried again
		return w.count() > before+100
	})
	mends(m)
	if err := c.WaitReady(time.Minute); err != nil {
		t.Fatal(err)
	}
	before = w.count()
	eventually(t, 90*time.Second, "appends at the end", func() bool { return w.count() > before+100 })
	w.check(t)
	want := all(t, l, "c")
	eventually(t, 30*time.Second, "the follower has all", func() bool {
		_ = f.catchUp(eventlog.New(follower), "c") // it is tried again
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.records) == len(want)
	})
	for i, r := range want {
		if f.records[i] != string(r.Data) {
			t.Fatalf("the follower has %q where the log has %q", f.records[i], r.Data)
		}
	}
}

// The connection is lost and comes back.
func TestConnectionLost(t *testing.T) {
	proxy := natstest.NewProxy(t, one.Members[0])
	o := fresh(one)
	other := eventlog.New(open(t, o))
	o.URLs = []string{proxy.URL}
	e := open(t, o)
	l := eventlog.New(e)
	sink := &lives{}
	watch(t, e, "c", sink)
	put(t, l, "c", "", "1")
	eventually(t, 10*time.Second, "the record is delivered", func() bool { return sink.count(eventlog.LiveRecord) == 1 })
	proxy.Cut()
	eventually(t, 10*time.Second, "the engine is not healthy", func() bool { return e.Health(t.Context()) != nil })
	start := time.Now()
	_, err := l.Append(t.Context(), entry("c", "k", "2"))
	if !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("append without a connection: got %v, want unavailable", err)
	}
	if _, err = l.Read(t.Context(), "c", 0, eventlog.Limit{}); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("read without a connection: got %v, want unavailable", err)
	}
	if _, err = l.Watch("d", sink); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("watch without a connection: got %v, want unavailable", err)
	}
	if err = l.Signal(t.Context(), eventlog.Signal{Channel: "c", Key: "k"}); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("signal without a connection: got %v, want unavailable", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the refusals took %v", took)
	}
	put(t, other, "c", "", "3")
	proxy.Heal()
	eventually(t, 10*time.Second, "the engine is healthy again", func() bool { return e.Health(t.Context()) == nil })
	eventually(t, 10*time.Second, "a resync is delivered", func() bool { return sink.count(eventlog.LiveResync) > 0 })
	put(t, l, "c", "k", "2")
	var got []string
	for _, r := range all(t, l, "c") {
		got = append(got, string(r.Data))
	}
	if want := []string{"1", "3", "2"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records: got %q, want %q", got, want)
	}
	eventually(t, 10*time.Second, "records are delivered again", func() bool { return sink.count(eventlog.LiveRecord) >= 2 })
}

// Appends whose outcome is not known are right when they are tried again.
func TestRetryOverLostConnections(t *testing.T) {
	proxy := natstest.NewProxy(t, one.Members[0])
	o := fresh(one)
	o.URLs = []string{proxy.URL}
	l := eventlog.New(open(t, o))
	w := startWriters(t, l, "c", 8)
	for range 5 {
		before := w.count()
		eventually(t, 30*time.Second, "appends", func() bool { return w.count() > before+20 })
		proxy.Cut()
		proxy.Heal()
	}
	before := w.count()
	eventually(t, 30*time.Second, "appends at the end", func() bool { return w.count() > before+20 })
	w.check(t)
}

// Servers that are all started anew have lost what was in memory; an engine that
// stays goes on.
func TestServerRestarted(t *testing.T) { restarted(t, natstest.Start(t, 1, natstest.Options{})) }

func restarted(t *testing.T, c *natstest.Cluster) {
	e := open(t, fresh(c))
	l := eventlog.New(e)
	signal := func(data string) error {
		return l.Signal(t.Context(), eventlog.Signal{Channel: "c", Key: "k", Data: []byte(data), TTL: time.Hour})
	}
	a := put(t, l, "c", "k", "1")
	for range 10 {
		if err := signal("1"); err != nil {
			t.Fatal(err)
		}
	}
	slots, err := l.Slots(t.Context(), "c")
	if err != nil || len(slots) != 1 {
		t.Fatalf("slots: got %v, %v", slots, err)
	}
	for _, m := range c.Members {
		m.Kill()
	}
	for _, m := range c.Members {
		m.Restart()
	}
	if err := c.WaitReady(time.Minute); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "slots can be filled", func() bool { return signal("2") == nil })
	again, err := l.Slots(t.Context(), "c")
	if err != nil || len(again) != 1 || string(again[0].Data) != "2" || again[0].Version <= slots[0].Version {
		t.Errorf("slots: got %+v, %v, after version %d", again, err, slots[0].Version)
	}
	if got := put(t, l, "c", "k", "1"); !got.Duplicate || got.Last != a.Last {
		t.Errorf("got %+v, want a duplicate of %+v", got, a)
	}
}

// A sink that is slow does not stall appends, and is told that it may have missed
// something.
func TestSlowSink(t *testing.T) {
	e := open(t, fresh(one))
	l := eventlog.New(e)
	slow, quick := &lives{gate: make(chan struct{})}, &lives{}
	watch(t, e, "slow", slow)
	watch(t, e, "quick", quick)
	for range 3 * natslog.LiveQueueDepth {
		if err := l.Signal(t.Context(), eventlog.Signal{Channel: "slow"}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, l, "slow", "", "1")
	close(slow.gate)
	eventually(t, 20*time.Second, "a resync is delivered", func() bool {
		return slow.count(eventlog.LiveResync) > 0 && quick.count(eventlog.LiveResync) > 0
	})
	if n := slow.count(eventlog.LiveSignal); n >= 3*natslog.LiveQueueDepth {
		t.Errorf("%d signals were kept for a slow sink", n)
	}
}

// Several nodes share one log.
func TestTwoNodes(t *testing.T) {
	o := fresh(one)
	a, b := open(t, o), open(t, o)
	la, lb := eventlog.New(a), eventlog.New(b)
	sink := &lives{}
	watch(t, b, "room:*", sink)
	got := put(t, la, "room:1", "k", "1")
	eventually(t, 10*time.Second, "the record is delivered", func() bool { return sink.count(eventlog.LiveRecord) == 1 })
	if l := sink.got[0]; l.Channel != "room:1" || l.Epoch != got.Last.Epoch || l.Record.Offset != got.First || l.Record.Key != "k" {
		t.Errorf("live: got %+v, want %+v", l, got)
	}
	if head, err := lb.Head(t.Context(), "room:1"); err != nil || head != got.Last {
		t.Errorf("head: got %+v, %v, want %+v", head, err, got.Last)
	}
	if again := put(t, lb, "room:1", "k", "1"); !again.Duplicate || again.Last != got.Last {
		t.Errorf("got %+v, want a duplicate of %+v", again, got)
	}
	bad := entry("room:1", "", "2")
	bad.Expect = eventlog.At(0)
	_, err := lb.Append(t.Context(), bad)
	var conflict *eventlog.ConflictError
	if !errors.As(err, &conflict) || conflict.Head != got.Last {
		t.Errorf("got %v, want a conflict at %+v", err, got.Last)
	}
	if err := la.Signal(t.Context(), eventlog.Signal{Channel: "room:2", Key: "k", Data: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if slots, err := lb.Slots(t.Context(), "room:2"); err != nil || len(slots) != 1 || string(slots[0].Data) != "v" {
		t.Errorf("slots: got %+v, %v", slots, err)
	}
	held, err := la.Leases().Acquire(t.Context(), "doc", "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lb.Leases().Acquire(t.Context(), "doc", "b", time.Minute); !errors.Is(err, eventlog.ErrLeaseHeld) {
		t.Errorf("lease: got %v, want that it is held", err)
	}
	if err := la.Leases().Release(t.Context(), held); err != nil {
		t.Fatal(err)
	}
}
