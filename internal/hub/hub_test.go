package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/protocol"
)

// sink is a listener that pulls at once what it is marked with, unless it stalls.
type sink struct {
	hub     *Hub
	worker  int
	stalled atomic.Bool

	mu    sync.Mutex // guards the following
	ready bool
	dirty Queue

	pulled // owned by who flushes
}

// pulled is an Emitter that remembers.
type pulled struct {
	got     chan sighting // if set
	n       int
	size    int
	offsets []uint64
	notices []Notice
	signals []string
	keep    bool
}

type sighting struct {
	offset uint64
	at     time.Time
}

func (p *pulled) Publication(_ *Subscription, f *Frame, _ Place) {
	p.n++
	p.size += len(f.JSON())
	if p.keep {
		p.offsets = append(p.offsets, f.offset)
	}
	if p.got != nil {
		p.got <- sighting{f.offset, time.Now()}
	}
}

func (p *pulled) Signal(_ *Subscription, f *Frame, _ Place) {
	p.size += len(f.JSON())
	var m struct {
		Conflate string          `json:"conflate"`
		Deleted  bool            `json:"deleted"`
		Data     json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(f.JSON(), &m); err != nil {
		panic(err)
	}
	p.signals = append(p.signals, fmt.Sprint(m.Conflate, "=", string(m.Data), m.Deleted))
}

func (p *pulled) Notice(_ *Subscription, n Notice, _ Place) { p.notices = append(p.notices, n) }
func (p *pulled) Len() int                                  { return p.size }

func (s *sink) Mark(sub *Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty.Push(sub)
	was := s.ready
	s.ready = true
	return !was
}

func (s *sink) Flush() {
	if s.stalled.Load() {
		return // the duty stays with it until wake
	}
	for {
		s.mu.Lock()
		sub := s.dirty.Pop()
		if sub == nil {
			s.ready = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if more, failure := sub.Pull(&s.pulled, 1<<14); more {
			s.mu.Lock()
			s.dirty.Push(sub)
			s.mu.Unlock()
		} else if failure != nil {
			s.notices = append(s.notices, Notice(255))
		}
	}
}

// wake ends a stall.
func (s *sink) wake() {
	s.stalled.Store(false)
	s.hub.Flush(s.worker, s)
}

func newHub(t testing.TB, e eventlog.Engine, o Options) (*Hub, *eventlog.Log) {
	t.Helper()
	log := eventlog.New(e)
	h := New(log, o)
	t.Cleanup(func() {
		h.Close()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, log
}

func join(t testing.TB, h *Hub, name string, s *sink, j Join) (*Subscription, bool) {
	t.Helper()
	s.hub = h
	s.worker = j.Worker
	sub, recovered, err := h.Subscribe(context.Background(), name, s, j)
	if err != nil {
		t.Fatal(err)
	}
	return sub, recovered
}

func put(t testing.TB, log *eventlog.Log, channel string, tags map[string]string) eventlog.Position {
	t.Helper()
	a, err := log.Append(context.Background(), eventlog.Append{Channel: channel, Entries: []eventlog.Entry{{Data: []byte(`"x"`), Tags: tags}}})
	if err != nil {
		t.Fatal(err)
	}
	return a.Last
}

// TestJoinMissesNothing stops the join at each of its reads, publishes meanwhile,
// and lets it go on.
func TestJoinMissesNothing(t *testing.T) {
	for _, stop := range []struct {
		name  string
		call  logtest.Call
		after bool
	}{
		{"before the head is read", logtest.CallHead, false},
		{"after the head was read", logtest.CallHead, true},
		{"before the page is read", logtest.CallRead, false},
		{"after the page was read", logtest.CallRead, true},
	} {
		t.Run(stop.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hooked := logtest.Hook(memory.New(memory.Options{}))
				h, log := newHub(t, hooked, Options{Workers: 1})
				start := put(t, log, "c", nil)
				for range 5 {
					put(t, log, "c", nil)
				}
				var at *logtest.Stop
				if stop.after {
					at = hooked.BlockAfter(stop.call, "c")
				} else {
					at = hooked.Block(stop.call, "c")
				}
				s := &sink{pulled: pulled{keep: true}}
				joined := make(chan *Subscription)
				go func() {
					sub, recovered := join(t, h, "c", s, Join{Resume: true, Since: start})
					if !recovered {
						t.Error("not recovered")
					}
					joined <- sub
				}()
				at.Wait()
				for range 3 {
					put(t, log, "c", nil)
				}
				at.Release()
				sub := <-joined
				sub.Start()
				synctest.Wait()
				if want := offsetsAfter(t, log, "c", start.Offset); !slices.Equal(s.offsets, want) {
					t.Errorf("before the next publication: got %v, want %v", s.offsets, want)
				}
				put(t, log, "c", nil)
				synctest.Wait()
				if want := offsetsAfter(t, log, "c", start.Offset); !slices.Equal(s.offsets, want) {
					t.Errorf("got %v, want %v", s.offsets, want)
				}
				sub.Close()
			})
		})
	}
}

// TestLostDeliveryIsRead loses a live record: the next one shows it.
func TestLostDeliveryIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := logtest.NewFaulty(memory.New(memory.Options{}))
		h, log := newHub(t, faulty, Options{Workers: 1})
		s := &sink{pulled: pulled{keep: true}}
		sub, _ := join(t, h, "c", s, Join{})
		sub.Start()
		defer sub.Close()
		put(t, log, "c", nil)
		faulty.Fail(logtest.CallDeliver, 1, eventlog.ErrUnavailable)
		put(t, log, "c", nil)
		put(t, log, "c", nil)
		synctest.Wait()
		if want := offsetsAfter(t, log, "c", 0); !slices.Equal(s.offsets, want) {
			t.Errorf("got %v, want %v", s.offsets, want)
		}
		if n := h.Stats().Fills; n == 0 {
			t.Error("the log was not read")
		}
	})
}

func offsetsAfter(t *testing.T, log *eventlog.Log, channel string, after uint64) (offsets []uint64) {
	t.Helper()
	page, err := log.Read(context.Background(), channel, after, eventlog.Limit{Records: 10_000, Bytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		offsets = append(offsets, r.Offset)
	}
	return offsets
}

// TestLiveJoinMissesNothing is the same for one who does not resume: nothing after
// the position that it was given is missing.
func TestLiveJoinMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooked := logtest.Hook(memory.New(memory.Options{}))
		h, log := newHub(t, hooked, Options{Workers: 1})
		put(t, log, "c", nil)
		at := hooked.BlockAfter(logtest.CallHead, "c")
		s := &sink{pulled: pulled{keep: true}}
		joined := make(chan *Subscription)
		go func() {
			sub, _ := join(t, h, "c", s, Join{})
			joined <- sub
		}()
		at.Wait()
		put(t, log, "c", nil)
		at.Release()
		sub := <-joined
		from := sub.pos
		sub.Start()
		defer sub.Close()
		synctest.Wait()
		if want := offsetsAfter(t, log, "c", from); !slices.Equal(s.offsets, want) {
			t.Errorf("after %d got %v, want %v", from, s.offsets, want)
		}
	})
}

func TestRecoveryTellsTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := func(string) eventlog.Policy { return eventlog.Policy{MaxRecords: 10} }
		h, log := newHub(t, memory.New(memory.Options{Policies: policy}), Options{Workers: 1, TailRecords: 4})
		var at []eventlog.Position
		for range 30 {
			at = append(at, put(t, log, "c", nil))
		}
		for _, row := range []struct {
			name      string
			since     eventlog.Position
			recovered bool
			want      int
		}{
			{"at the head", at[29], true, 0},
			{"within what is kept", at[22], true, 7},
			{"just before what is kept", at[19], true, 10},
			{"before that", at[18], false, 0},
			{"beyond the head", eventlog.Position{Epoch: at[0].Epoch, Offset: at[29].Offset + 5}, false, 0},
			{"another epoch", eventlog.Position{Epoch: at[0].Epoch + 1, Offset: at[25].Offset}, false, 0},
		} {
			s := &sink{pulled: pulled{keep: true}}
			sub, recovered := join(t, h, "c", s, Join{Resume: true, Since: row.since})
			sub.Start()
			synctest.Wait()
			if recovered != row.recovered || len(s.offsets) != row.want {
				t.Errorf("%s: recovered %v, %d publications", row.name, recovered, len(s.offsets))
			}
			sub.Close()
		}
	})
}

func TestSlowPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, log := newHub(t, memory.New(memory.Options{}), Options{Workers: 1, TailRecords: 4, PageRecords: 3})
		sinks := map[protocol.SlowPolicy]*sink{}
		for _, p := range []protocol.SlowPolicy{protocol.CatchUp, protocol.Latest, protocol.Disconnect} {
			s := &sink{pulled: pulled{keep: true}}
			s.stalled.Store(true)
			sub, _ := join(t, h, "c", s, Join{Slow: p})
			sub.Start()
			defer sub.Close()
			sinks[p] = s
		}
		var last eventlog.Position
		for range 20 {
			last = put(t, log, "c", nil)
		}
		for _, s := range sinks {
			s.wake()
		}
		synctest.Wait()
		if got := sinks[protocol.CatchUp].offsets; !slices.Equal(got, offsetsAfter(t, log, "c", 0)) {
			t.Errorf("catchup: got %v", got)
		}
		if s := sinks[protocol.Latest]; !slices.Equal(s.offsets, []uint64{last.Offset}) || !slices.Contains(s.notices, Skipped) {
			t.Errorf("latest: got %v, notices %v", s.offsets, s.notices)
		}
		if s := sinks[protocol.Disconnect]; !slices.Contains(s.notices, Notice(255)) {
			t.Errorf("disconnect: got %v, notices %v", s.offsets, s.notices)
		}
	})
}

func TestFilterMovesThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, log := newHub(t, memory.New(memory.Options{}), Options{Workers: 1})
		s := &sink{pulled: pulled{keep: true}}
		sub, _ := join(t, h, "c", s, Join{Filter: protocol.Filter{"lang": {"en"}}})
		sub.Start()
		defer sub.Close()
		wanted := put(t, log, "c", map[string]string{"lang": "en"})
		put(t, log, "c", map[string]string{"lang": "de"})
		last := put(t, log, "c", nil)
		synctest.Wait()
		if !slices.Equal(s.offsets, []uint64{wanted.Offset}) || !slices.Equal(s.notices, []Notice{Moved}) {
			t.Errorf("got %v, notices %v", s.offsets, s.notices)
		}
		if want := protocol.EncodePosition("c", last.Epoch, last.Offset); sub.Position() != want {
			t.Errorf("position is not that of the last publication")
		}
	})
}

func TestConflation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, log := newHub(t, memory.New(memory.Options{}), Options{Workers: 1})
		s := &sink{}
		sub, _ := join(t, h, "c", s, Join{})
		sub.Start()
		defer sub.Close()
		synctest.Wait()
		for i := range 100 {
			for _, key := range []string{"a", "b"} {
				if err := log.Signal(context.Background(), eventlog.Signal{Channel: "c", Key: key, Data: fmt.Append(nil, i)}); err != nil {
					t.Fatal(err)
				}
			}
			<-time.After(10 * time.Millisecond)
		}
		synctest.Wait()
		// A second of changes in intervals of 100 ms: the first at once, then ten.
		if n := len(s.signals); n > 25 || s.signals[n-2] != "a=99false" || s.signals[n-1] != "b=99false" {
			t.Errorf("got %d signals, the last %v", n, s.signals[max(0, n-2):])
		}
		late := &sink{}
		other, _ := join(t, h, "c", late, Join{})
		other.Start()
		defer other.Close()
		synctest.Wait()
		if !slices.Equal(late.signals, []string{"a=99false", "b=99false"}) {
			t.Errorf("who comes later gets %v", late.signals)
		}
	})
}

// TestStalledReaders has 20,000 readers of a hot channel stall, and one that does
// not.
func TestStalledReaders(t *testing.T) {
	stalled, records := 20_000, 20_000
	if testing.Short() {
		stalled, records = 2_000, 2_000
	}
	h, log := newHub(t, memory.New(memory.Options{Policies: func(string) eventlog.Policy { return eventlog.Policy{MaxRecords: 2 * records} }}),
		Options{Workers: 2, TotalTailBytes: 1 << 20, PageCacheBytes: 1 << 20})
	sinks := make([]*sink, stalled)
	for i := range sinks {
		sinks[i] = &sink{}
		sinks[i].stalled.Store(true)
		sub, _ := join(t, h, "hot", sinks[i], Join{Worker: i % 2})
		sub.Start()
		defer sub.Close()
	}
	live := &sink{pulled: pulled{got: make(chan sighting, 1)}}
	sub, _ := join(t, h, "hot", live, Join{})
	sub.Start()
	defer sub.Close()

	before := heap()
	var worst time.Duration
	for range records {
		sent := time.Now()
		put(t, log, "hot", nil)
		worst = max(worst, (<-live.got).at.Sub(sent))
	}
	grown := int64(heap()) - int64(before)
	stats := h.Stats()
	if stats.TailBytes > 1<<20+4096 {
		t.Errorf("tails hold %d bytes, more than their budget", stats.TailBytes)
	}
	// The log itself is in memory here, at about 300 bytes a record.
	if perReader := (grown - int64(records)*400 - 2<<20) / int64(stalled); perReader > 128 {
		t.Errorf("a stalled reader costs %d bytes", perReader)
	}
	t.Logf("heap grew by %d KB with %d records in the log; slowest live delivery %v", grown>>10, records, worst)
	if worst > 5*time.Second {
		t.Errorf("a live reader waited for %v", worst)
	}
	// Some of them wake, and miss nothing.
	for _, s := range sinks[:20] {
		s.got = make(chan sighting, records)
		s.wake()
	}
	for _, s := range sinks[:20] {
		var last uint64
		for range records {
			g := <-s.got
			if g.offset <= last {
				t.Fatalf("%d came after %d", g.offset, last)
			}
			last = g.offset
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestHotChannelUsesEveryWorker(t *testing.T) {
	h, log := newHub(t, memory.New(memory.Options{}), Options{Workers: 2})
	var sinks []*sink
	for i := range 10 {
		s := &sink{pulled: pulled{got: make(chan sighting, 10)}}
		sub, _ := join(t, h, "hot", s, Join{Worker: i % 2})
		sub.Start()
		defer sub.Close()
		sinks = append(sinks, s)
	}
	put(t, log, "hot", nil)
	for _, s := range sinks {
		<-s.got
	}
	c := h.acquire("hot")
	defer h.release(c)
	for i := range c.rosters {
		if n := len(c.rosters[i].subs); n != 5 {
			t.Errorf("worker %d has %d of 10 subscriptions", i, n)
		}
	}
}

// BenchmarkFanout delivers one publication to many sinks in this process.
func BenchmarkFanout(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprint("sinks=", n), func(b *testing.B) {
			h, log := newHub(b, memory.New(memory.Options{}), Options{})
			var done atomic.Int64
			for i := range n {
				s := &counter{sink: sink{}, done: &done}
				sub, _, err := h.Subscribe(context.Background(), "hot", s, Join{Worker: h.WorkerOf(uint64(i))})
				if err != nil {
					b.Fatal(err)
				}
				sub.Start()
				defer sub.Close()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				put(b, log, "hot", nil)
				for done.Load() < int64((i+1)*n) {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

// counter is a sink that counts what it was served.
type counter struct {
	sink
	done *atomic.Int64
}

func (c *counter) Flush() {
	before := c.n
	c.sink.Flush()
	c.done.Add(int64(c.n - before))
}

// TestNoAllocationPerDelivery holds fan-out to its word: what is allocated for a
// publication does not grow with its readers.
func TestNoAllocationPerDelivery(t *testing.T) {
	per := func(n int) float64 {
		h, log := newHub(t, memory.New(memory.Options{}), Options{})
		var done atomic.Int64
		for i := range n {
			s := &counter{done: &done}
			sub, _, err := h.Subscribe(context.Background(), "hot", s, Join{Worker: h.WorkerOf(uint64(i))})
			if err != nil {
				t.Fatal(err)
			}
			sub.Start()
			t.Cleanup(sub.Close)
		}
		total := int64(0)
		publish := func() {
			put(t, log, "hot", nil)
			total += int64(n)
			for done.Load() < total {
				runtime.Gosched()
			}
		}
		publish() // lists grow to their size
		return testing.AllocsPerRun(50, publish)
	}
	few, many := per(1), per(2001)
	if grown := (many - few) / 2000; grown > 0.01 {
		t.Errorf("%.3f allocations for a delivery (%.1f with one reader, %.1f with 2,001)", grown, few, many)
	}
}
