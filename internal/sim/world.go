package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
)

// Config says what to simulate.
type Config struct {
	Seed     uint64
	Clients  int           // default 8
	Duration time.Duration // of misbehaviour, in fake time; default 60 s

	// Open opens the engine of a node; node -1 is an observer's, which must be
	// truthful. It is called again after a restart.
	Open func(node int) eventlog.Engine
	// Nodes is how many nodes share the engine. Default 1.
	Nodes int
	// Reopen has a restart close and reopen the engine.
	Reopen bool
	// Slots checks conflated values too.
	Slots bool
}

var (
	channels  = []string{"a:1", "a:2", "a:3", "b:1"}
	wildcards = []string{"a:*", "b:*"}
)

// policies keeps little, so that who stays away for long is reset.
func policies(string) eventlog.Policy {
	return eventlog.Policy{MaxRecords: 60, MaxAge: -1, SlotTTL: time.Hour}
}

// Policies are how engines of a simulation keep channels.
func Policies() eventlog.Policies { return policies }

// world is a running simulation.
type world struct {
	conf  Config
	rand  *rand.Rand // of the world's own goroutine
	nodes []*node
	truth *truth

	quiet   chan struct{} // closed when misbehaviour ends
	talkers atomic.Int64  // clients that may still publish
	hushed  atomic.Int64  // Unix milliseconds when the last fell silent
	end     time.Time     // when every client must have come to rest

	mu    sync.Mutex
	fails []string
}

// node is a server, which may be down.
type node struct {
	world *world
	index int

	mu       sync.Mutex
	engine   eventlog.Engine
	server   *starling.Server
	http     *http.Server
	listener *listener
}

// keepOpen is an engine that its server does not close.
type keepOpen struct{ eventlog.Engine }

func (keepOpen) Close() error { return nil }

// Run simulates, within a synctest bubble, and returns what was wrong.
func Run(conf Config) (fails []string, summary string) {
	if conf.Clients == 0 {
		conf.Clients = 8
	}
	if conf.Duration == 0 {
		conf.Duration = time.Minute
	}
	if conf.Nodes == 0 {
		conf.Nodes = 1
	}
	w := &world{conf: conf, rand: rand.New(rand.NewPCG(conf.Seed, 1)), quiet: make(chan struct{})}
	for i := range conf.Nodes {
		n := &node{world: w, index: i, engine: conf.Open(i)}
		w.nodes = append(w.nodes, n)
		n.start()
	}
	w.truth = newTruth(w)
	w.talkers.Store(int64(conf.Clients))
	var clients []*client
	var wg sync.WaitGroup
	for i := range conf.Clients {
		c := newClient(w, i)
		clients = append(clients, c)
		wg.Go(c.run)
	}
	w.disturb()
	w.calm()
	wg.Wait()
	w.truth.finish()
	for _, c := range clients {
		c.check()
	}
	w.truth.check()
	for _, n := range w.nodes {
		n.stop(false)
		_ = n.engine.Close() // what it holds was read
	}
	w.truth.close()
	return w.fails, w.summary(clients)
}

func (w *world) summary(clients []*client) string {
	var acked, seen, resets, skips int
	for _, c := range clients {
		acked += len(c.acked)
		for _, t := range c.tracks {
			seen += t.count()
			resets += t.resets
			skips += t.skips
		}
	}
	return fmt.Sprintf("%d acknowledged, %d seen, %d resets, %d skips", acked, seen, resets, skips)
}

// silent tells whether nobody publishes any more, and the truth is known.
func (w *world) silent() bool {
	if w.talkers.Load() > 0 {
		return false
	}
	now := time.Now().UnixMilli()
	w.hushed.CompareAndSwap(0, now)
	return now-w.hushed.Load() > 1000
}

func (w *world) failf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.fails) < 20 {
		w.fails = append(w.fails, fmt.Sprintf(format, args...))
	}
}

// disturb restarts nodes now and then, for as long as misbehaviour lasts.
func (w *world) disturb() {
	over := time.Now().Add(w.conf.Duration)
	for time.Now().Before(over) {
		wait(time.Duration(w.rand.Int64N(int64(w.conf.Duration / 3))))
		if time.Now().After(over) {
			return
		}
		n := w.nodes[w.rand.IntN(len(w.nodes))]
		graceful := w.rand.IntN(2) == 0
		n.stop(graceful)
		if w.conf.Reopen {
			w.truth.pause()
			_ = n.engine.Close() // its promise is what it acknowledged
			n.engine = w.conf.Open(n.index)
			w.truth.resume()
		}
		wait(time.Duration(w.rand.Int64N(int64(3 * time.Second))))
		n.start()
	}
}

// calm ends all misbehaviour.
func (w *world) calm() {
	for _, n := range w.nodes {
		if h, ok := n.engine.(*logtest.Harsh); ok {
			h.Calm()
		}
	}
	w.end = time.Now().Add(5 * time.Minute)
	close(w.quiet)
}

// wait lets fake time pass.
func wait(d time.Duration) { <-time.After(d) }

// start starts a server. The lock is held while no time passes, as in stop.
func (n *node) start() {
	s, err := starling.New(starling.Options{
		Engine: keepOpen{n.engine}, Dev: true, Logger: slog.New(slog.DiscardHandler), Node: fmt.Sprintf("n%d", n.index),
		Limits: starling.Limits{CommandRate: -1, AddressRate: -1},
		Hub:    starling.Tuning{TailRecords: 16, TailBytes: 8 << 10, TotalTailBytes: 16 << 10, PageCacheBytes: 8 << 10, Workers: 2},
	})
	if err != nil {
		n.world.failf("start: %v", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.server, n.listener = s, newListener()
	n.http = &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	l, hs := n.listener, n.http
	go func() { _ = hs.Serve(l) }() // ends with the listener
}

// stop ends the server: politely, or with all its connections broken first. The
// lock is not held while time passes: a goroutine that waits for a mutex keeps
// fake time from passing.
func (n *node) stop(graceful bool) {
	n.mu.Lock()
	l, server, hs := n.listener, n.server, n.http
	n.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if !graceful {
		l.snap()
		cancel()
	}
	_ = l.Close() // never fails
	if err := server.Shutdown(ctx, time.Second); err != nil {
		n.world.failf("shutdown: %v", err)
	}
	l.snap()
	_ = hs.Close() // there is nothing left
}

func (n *node) dial() (*conn, error) {
	n.mu.Lock()
	l := n.listener
	n.mu.Unlock()
	return l.dial()
}
