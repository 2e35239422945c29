package clustertest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/internal/clustertest"
)

// Three nodes that are started at the same moment on servers that have nothing yet
// all come up, agree, and are one server to clients and to a backend.
func TestAcrossNodes(t *testing.T) {
	h := newHooked(t)
	c := clustertest.Start(t, clustertest.Options{Together: true, ArgsOf: h.config})
	t.Run("who is here", func(t *testing.T) { whoIsHere(t, c) })
	first := publish(t, c.Nodes[0], "c", "1")
	for _, n := range c.Nodes {
		if again := publish(t, n, "c", "1"); !again.Duplicate || again.Position != first.Position {
			t.Errorf("node %s: got %+v, want the duplicate of %+v", n.Name, again, first)
		}
	}
	t.Run("the same key on all nodes at once", func(t *testing.T) { keysAtOnce(t, c) })
	t.Run("newest values", func(t *testing.T) { latestValues(t, c) })
	t.Run("subscriptions by the server", func(t *testing.T) { subscribedByServer(t, c) })
	t.Run("first and last subscriptions", func(t *testing.T) { occupiedAcross(t, c, h) })
	t.Run("webhooks of a node that is killed", func(t *testing.T) { webhooksOfKilled(t, c, h) })
	t.Run("an event source goes on elsewhere", func(t *testing.T) { eventSourceElsewhere(t, c) })
}

// The same key that comes to all nodes at once is stored once.
func keysAtOnce(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	for i := range 30 {
		key := fmt.Sprint("key-", i)
		done := make([]client.Published, len(c.Nodes))
		var all sync.WaitGroup
		for j, n := range c.Nodes {
			all.Go(func() {
				var err error
				if done[j], err = api(t, n).Publish(t.Context(), "keys", i, client.Publication{Key: key}); err != nil {
					t.Errorf("publish %d on %s: %v", i, n.Name, err)
				}
			})
		}
		all.Wait()
		first := 0
		for _, d := range done {
			if !d.Duplicate {
				first++
			}
			if d.Offset != done[0].Offset {
				t.Errorf("publication %d has the offsets %d and %d", i, d.Offset, done[0].Offset)
			}
		}
		if first != 1 {
			t.Errorf("publication %d was stored %d times", i, first)
		}
	}
	var refused *client.Error
	if _, err := api(t, c.Nodes[1]).Publish(t.Context(), "keys", "other", client.Publication{Key: "key-0"}); !errors.As(err, &refused) || refused.Name != "key_reused" {
		t.Errorf("other data under a key of another node: %v", err)
	}
}

// stream is an event source that stands where it was ended.
type stream struct {
	t    *testing.T
	id   string
	seen []string
}

// follow reads from a node until it has seen so many publications in all, and
// leaves.
func (s *stream) follow(n *clustertest.Node, channel string, until int, begun func()) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/sse?channel="+channel, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.id != "" {
		req.Header.Set("Last-Event-ID", s.id)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	event, id, data := "", "", ""
	for lines := bufio.NewScanner(res.Body); len(s.seen) < until && lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			event = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if id != "" {
				s.id = id
			}
			switch {
			case data == "":
			case event == "":
				var m struct{ Data json.RawMessage }
				if err := json.Unmarshal([]byte(data), &m); err != nil {
					s.t.Fatal(err)
				}
				s.seen = append(s.seen, string(m.Data))
			case event == "session":
				begun()
			case event == "reset", event == "error":
				s.t.Errorf("node %s says %s %s", n.Name, event, data)
			}
			event, id, data = "", "", ""
		}
	}
	if len(s.seen) < until {
		s.t.Errorf("the stream from node %s ended with %d seen, not %d: %v", n.Name, len(s.seen), until, ctx.Err())
	}
}

// An event source goes on at another node from its Last-Event-ID.
func eventSourceElsewhere(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	s := &stream{t: t}
	var want []string
	for round := range 6 {
		if round == 3 { // its node is gone
			c.Nodes[round%3].Kill()
			c.Nodes[round%3].Restart()
		}
		// What is published while it is away, and while it is there.
		say := func() {
			for range 3 {
				data := fmt.Sprint(len(want))
				publish(t, c.Nodes[len(want)%3], "events", data)
				want = append(want, `"`+data+`"`)
			}
		}
		if round > 0 {
			say()
		}
		s.follow(c.Nodes[round%3], "events", len(want)+3, say)
	}
	if !slices.Equal(s.seen, want) {
		t.Errorf("seen %v, want %v", s.seen, want)
	}
}

// latest follows the newest values of a channel on a node, until one of a key is
// what it waits for.
func latest(ctx context.Context, t *testing.T, n *clustertest.Node, channel, last string, begun func()) map[string]string {
	values := map[string]string{}
	for e, err := range client.Subscribe(ctx, n.URL, channel, client.Subscription{}) {
		if err != nil {
			t.Errorf("node %s: %v with %v", n.Name, err, values)
			break
		}
		switch {
		case e.Type == client.EventStarted:
			begun()
		case e.Type == client.EventSignal && e.Signal.Deleted:
			delete(values, e.Signal.Conflate)
		case e.Type == client.EventSignal:
			values[e.Signal.Conflate] = string(e.Signal.Data)
		}
		if _, ok := values[last]; ok {
			break
		}
	}
	return values
}

// Values that all nodes set are the same for those who were there and those who come
// later, on every node.
func latestValues(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	there := make([]map[string]string, len(c.Nodes))
	var begun, following, setting sync.WaitGroup
	for i, n := range c.Nodes {
		begun.Add(1)
		following.Go(func() { there[i] = latest(ctx, t, n, "values", "end", sync.OnceFunc(begun.Done)) })
	}
	begun.Wait()
	for i, n := range c.Nodes {
		setting.Go(func() {
			for j := range 30 {
				if err := api(t, n).Signal(ctx, "values", fmt.Sprint(n.Name, j), fmt.Sprint("key-", j%5)); err != nil {
					t.Errorf("node %s: %v", n.Name, err)
				}
			}
			if err := api(t, n).Signal(ctx, "values", i, "gone"); err != nil {
				t.Errorf("node %s: %v", n.Name, err)
			}
		})
	}
	setting.Wait()
	if err := api(t, c.Nodes[1]).DeleteSignal(ctx, "values", "gone"); err != nil {
		t.Fatal(err)
	}
	if err := api(t, c.Nodes[2]).Signal(ctx, "values", true, "end"); err != nil {
		t.Fatal(err)
	}
	following.Wait()
	want := latest(ctx, t, c.Nodes[0], "values", "end", func() {})
	if len(want) != 6 || want["gone"] != "" {
		t.Errorf("the values are %v, want 5 keys and the end", want)
	}
	for i, n := range c.Nodes {
		if fmt.Sprint(there[i]) != fmt.Sprint(want) {
			t.Errorf("who was on node %s has %v, want %v", n.Name, there[i], want)
		}
		if now := latest(ctx, t, n, "values", "end", func() {}); fmt.Sprint(now) != fmt.Sprint(want) {
			t.Errorf("who comes to node %s gets %v, want %v", n.Name, now, want)
		}
	}
}

// A session is subscribed and unsubscribed by a backend that speaks to another node.
func subscribedByServer(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	p := &poller{t: t, nodes: c.Nodes}
	if status := p.poll(map[string][]string{"channel": {"own"}}); status != http.StatusOK {
		t.Fatal(status)
	}
	owner, _, _ := strings.Cut(p.session, ".")
	i := slices.IndexFunc(c.Nodes, func(n *clustertest.Node) bool { return n.Name == owner })
	backend := api(t, c.Nodes[(i+1)%3])
	target := client.Target{Session: p.session}
	if err := backend.Subscribe(t.Context(), target, "given"); err != nil {
		t.Fatal(err)
	}
	clustertest.Eventually(t, "it is subscribed", func() bool {
		publish(t, c.Nodes[(i+2)%3], "given", fmt.Sprint("given-", time.Now().UnixNano()))
		if status := p.poll(nil); status != http.StatusOK {
			t.Fatal(status)
		}
		return strings.Contains(strings.Join(p.seen, " "), "given-")
	})
	if err := backend.Unsubscribe(t.Context(), target, "given"); err != nil {
		t.Fatal(err)
	}
	clustertest.Eventually(t, "it is unsubscribed", func() bool {
		p.seen = nil
		publish(t, c.Nodes[(i+2)%3], "given", fmt.Sprint("after-", time.Now().UnixNano()))
		publish(t, c.Nodes[(i+2)%3], "own", fmt.Sprint("own-", time.Now().UnixNano()))
		for len(p.seen) == 0 || !strings.Contains(strings.Join(p.seen, " "), "own-") {
			if status := p.poll(nil); status != http.StatusOK {
				t.Fatal(status)
			}
		}
		return !strings.Contains(strings.Join(p.seen, " "), "after-")
	})
}
