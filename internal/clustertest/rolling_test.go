package clustertest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/internal/clustertest"
)

// follower is a client that follows the advice of nodes that go, through a load
// balancer that takes it to another one.
type follower struct {
	mu       sync.Mutex
	seen     []string
	started  []time.Time // of each connection
	problems []string
}

func (f *follower) run(ctx context.Context, url string, begun func()) {
	begun = sync.OnceFunc(begun)
	for e, err := range client.Subscribe(ctx, url, "rolling", client.Subscription{}) {
		f.mu.Lock()
		switch {
		case err != nil && ctx.Err() == nil:
			f.problems = append(f.problems, err.Error())
		case e.Type == client.EventStarted:
			f.started = append(f.started, time.Now())
			begun()
		case e.Type == client.EventPublication:
			f.seen = append(f.seen, string(e.Publication.Data))
		case e.Type == client.EventReset:
			f.problems = append(f.problems, "it was reset")
		}
		f.mu.Unlock()
	}
}

// All nodes are restarted one after the other while clients publish and subscribe:
// nothing is lost or doubled, and who has to come back does not come at once with
// the others.
func TestRollingRestart(t *testing.T) {
	const followers, drain = 30, 3 * time.Second
	c := clustertest.Start(t, clustertest.Options{Args: []string{"--drain", drain.String()}})
	lb := clustertest.NewBalancer(t, c.Nodes)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all [followers]follower
	var begun, reading sync.WaitGroup
	for i := range all {
		begun.Add(1)
		reading.Go(func() { all[i].run(ctx, lb.URL, begun.Done) })
	}
	begun.Wait()
	backend, err := client.New(client.Options{URL: lb.URL, Attempts: 20})
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var want []string // by the one publisher
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := 0; !stop.Load(); i++ {
			if _, err := backend.Publish(ctx, "rolling", i, client.Publication{Key: fmt.Sprint("key-", i)}); err != nil {
				var refused *client.Error
				t.Errorf("publish %d: %v (refused: %v)", i, err, errors.As(err, &refused))
				return
			}
			want = append(want, strconv.Itoa(i))
		}
	})
	for _, n := range c.Nodes {
		lb.Remove(n) // as one does whose health checks see that it goes
		n.Stop()
		n.Restart()
		lb.Add(n)
	}
	stop.Store(true)
	publishing.Wait()
	again := 0
	for i := range all {
		f := &all[i]
		clustertest.Eventually(t, "all comes", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.seen) >= len(want) || len(f.problems) > 0
		})
		f.mu.Lock()
		if !slices.Equal(f.seen, want) || len(f.problems) > 0 {
			t.Errorf("follower %d: %d seen, %d published, problems %v; the first that differs is %d",
				i, len(f.seen), len(want), f.problems, firstDifference(f.seen, want))
		}
		again += len(f.started) - 1
		f.mu.Unlock()
	}
	cancel()
	reading.Wait()
	if again < followers {
		t.Errorf("%d reconnects of %d clients, of which each was on a node that was restarted", again, followers)
	}
	var times []time.Time
	for i := range all {
		times = append(times, all[i].started[1:]...)
	}
	if most := mostWithin(times, time.Second); most > followers*2/3 {
		t.Errorf("%d of %d reconnects came within a second", most, len(times))
	}
	t.Logf("%d publications, %d reconnects, at most %d within a second", len(want), again, mostWithin(times, time.Second))
}

func firstDifference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// mostWithin returns how many of the times lie within a span, at most.
func mostWithin(times []time.Time, span time.Duration) (most int) {
	slices.SortFunc(times, time.Time.Compare)
	for i, j := 0, 0; j < len(times); j++ {
		for times[j].Sub(times[i]) > span {
			i++
		}
		most = max(most, j-i+1)
	}
	return most
}
