package faulttest

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/clustertest"
	"github.com/starling-rt/starling/internal/natstest"
	"github.com/starling-rt/starling/internal/netlab"
)

var (
	seeds  = flag.Int("seeds", 1, "how many seeds to run")
	from   = flag.Uint64("seed", 1, "the first seed")
	faults = flag.Int("faults", 2, "how many faults a seed has")
	race   = flag.Bool("nodes-race", false, "build the nodes with the race detector")
	only   = flag.Int("kind", -1, "the one kind of fault to have, by its number")
)

// binaryVariable names what the nodes run, to the process with the network.
const binaryVariable = "STARLING_FAULTTEST_BINARY"

// TestFaults has a cluster suffer. It prints the seeds: the same seed chooses the
// same faults, though not the same moments.
func TestFaults(t *testing.T) {
	binary := sync.OnceValue(func() string {
		if err := natstest.Build(); err != nil {
			t.Fatal(err)
		}
		if *race {
			return clustertest.Build(t, "-race")
		}
		return clustertest.Build(t)
	})
	for i := range *seeds {
		seed := *from + uint64(i)
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			before := func() []string { return []string{binaryVariable + "=" + binary()} }
			netlab.Run(t, before, func(t *testing.T, n *netlab.Network) { run(t, n, seed) })
		})
	}
}

// run has a new cluster suffer what a seed chooses.
func run(t *testing.T, n *netlab.Network, seed uint64) {
	w := newWorld(t, n, seed)
	clients := w.start()
	order := w.rng.Perm(len(kinds))
	if *only >= 0 {
		order = []int{*only}
	}
	for i := range *faults {
		w.suffer(kinds[order[i%len(order)]](w))
	}
	clients.stop()
	problems := w.r.h.check()
	for _, problem := range problems[:min(len(problems), 20)] {
		t.Errorf("seed %d: %s", seed, problem)
	}
	if len(problems) > 20 {
		t.Errorf("seed %d: and %d more", seed, len(problems)-20)
	}
	w.summary()
}

// clients are all clients of a world.
type clients struct {
	w                   *world
	stopWriting         context.CancelFunc
	stopFollowing       context.CancelFunc
	writing, followings sync.WaitGroup
	followers           []*follower
}

// start has followers subscribe, and then everybody else begin.
func (w *world) start() *clients {
	c := &clients{w: w}
	ctx, cancel := context.WithCancel(w.t.Context())
	c.stopFollowing = cancel
	var begun sync.WaitGroup
	follow := func(kind, channel string, run func(f *follower)) {
		begun.Add(1)
		f := w.newFollower(kind, len(c.followers), channel, begun.Done)
		c.followers = append(c.followers, f)
		c.followings.Go(func() { run(f) })
	}
	for i, channel := range published {
		node := w.c.Nodes[i]
		follow("socket", channel, func(f *follower) { f.socket(ctx, w.lb.URL, "") })
		follow("socket-of-"+node.Name, channel, func(f *follower) { f.socket(ctx, node.URL, node.Name) })
		follow("events", channel, func(f *follower) { f.events(ctx, w.lb.URL) })
		follow("polls", channel, func(f *follower) { f.polls(ctx, false) })
		follow("session-of-polls", channel, func(f *follower) { f.polls(ctx, true) })
	}
	for _, channel := range compared {
		follow("socket", channel, func(f *follower) { f.socket(ctx, w.lb.URL, "") })
	}
	begun.Wait()
	ctx, c.stopWriting = context.WithCancel(w.t.Context())
	for i := range 9 {
		url := w.lb.URL
		if i%3 == 2 {
			url = w.c.Nodes[i/3].URL
		}
		if i%3 == 1 {
			p := &socketPublisher{publisher: w.newPublisher(i, url, true)}
			c.writing.Go(func() { p.run(ctx) })
			continue
		}
		p := w.newPublisher(i, url, i < 6)
		c.writing.Go(func() { p.run(ctx) })
	}
	for i := range zones {
		for j, channel := range compared {
			k := w.newComparer(i, channel, (i+j)%2 == 0)
			c.writing.Go(func() { k.run(ctx) })
		}
	}
	return c
}

// stop ends all clients when the followers have seen everything, and reads the logs.
func (c *clients) stop() {
	c.stopWriting()
	c.writing.Wait()
	c.w.logsOf()
	for _, f := range c.followers {
		log := c.w.r.h.logs[f.channel][c.w.c.Nodes[0].Name]
		if len(log) > 0 && !c.w.becomes(time.Minute, func() bool { return f.has(log[len(log)-1].offset) }) {
			c.w.r.wrong("%s does not see the end of %s", f.name, f.channel)
		}
	}
	c.stopFollowing()
	c.followings.Wait()
	for _, f := range c.followers {
		if resets := f.record(); resets > 0 {
			c.w.t.Logf("  %s was told of %d resets", f.name, resets)
		}
	}
}

// summary tells how much happened.
func (w *world) summary() {
	var outcomes [conflict + 1]int
	var ends []time.Duration
	for _, t := range w.r.h.tries {
		outcomes[t.outcome]++
		if t.outcome == stored {
			ends = append(ends, t.end)
		}
	}
	slices.Sort(ends)
	gap := time.Duration(0)
	for i := range ends[1:] {
		gap = max(gap, ends[i+1]-ends[i])
	}
	var compares [conflict + 1]int
	for _, k := range w.r.h.compares {
		compares[k.outcome]++
	}
	seen := 0
	for _, f := range w.r.h.followings {
		seen += len(f.sights)
	}
	w.t.Logf("  %d publications acknowledged, %d tries refused, %d without an outcome, at most %v between two acknowledgements", outcomes[stored], outcomes[refused], outcomes[unknown], gap.Round(10*time.Millisecond))
	w.t.Logf("  %d compare-and-appends stored, %d in conflict, %d refused, %d without an outcome; %d seen by %d followers",
		compares[stored], compares[conflict], compares[refused], compares[unknown], seen, len(w.r.h.followings))
}
