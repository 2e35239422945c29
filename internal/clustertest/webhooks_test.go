package clustertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/internal/clustertest"
)

const hookSecret = "the secret that signs the webhooks"

// hooked is a backend that webhooks tell, and what it has heard from which node.
type hooked struct {
	*httptest.Server
	t   *testing.T
	dir string

	mu     sync.Mutex
	events []hookEvent
	refuse bool
}

type hookEvent struct {
	Type, ID, Channel, Node string
	Publication             struct{ Data json.RawMessage }
	by                      string
}

func newHooked(t *testing.T) *hooked {
	h := &hooked{t: t, dir: t.TempDir()}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// config returns the arguments of a node that tells this backend of rooms.
func (h *hooked) config(node string) []string {
	path := filepath.Join(h.dir, node+".yaml")
	text := fmt.Sprintf("webhooks:\n  - url: %s/%s\n    secret: %q\n    channels: [\"room:*\"]\n", h.URL, node, hookSecret)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return []string{"--config", path}
}

func (h *hooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // a node that was killed
	}
	if err := client.VerifySignature(r.Header.Get(client.SignatureHeader), raw, []string{hookSecret}, time.Minute); err != nil {
		h.t.Errorf("a request of %s: %v", r.URL.Path, err)
	}
	var body struct{ Events []hookEvent }
	if err := json.Unmarshal(raw, &body); err != nil {
		h.t.Errorf("%s: %v", raw, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for _, e := range body.Events {
		e.by = strings.TrimPrefix(r.URL.Path, "/")
		h.events = append(h.events, e)
	}
}

// heard returns what was told, and the node that has told last.
func (h *hooked) heard() (events []hookEvent, last string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) > 0 {
		last = h.events[len(h.events)-1].by
	}
	return slices.Clone(h.events), last
}

// Publications are told by one node, and by another when that is killed in the
// middle: each at least once, in order, and again only what was not noted as told.
func webhooksOfKilled(t *testing.T, c *clustertest.Cluster, h *hooked) {
	t.Helper()
	const channels, each = 3, 60
	var publishing sync.WaitGroup
	half := make(chan struct{})
	for i := range channels {
		publishing.Go(func() {
			for j := range each {
				if j == each/2 {
					<-half
				}
				// Not all nodes: one of them is killed meanwhile.
				var err error
				for try := range 3 {
					n := c.Nodes[(i+j+try)%3]
					if _, err = api(t, n).Publish(t.Context(), fmt.Sprint("room:", i), j, client.Publication{Key: fmt.Sprint("k", j)}); err == nil {
						break
					}
				}
				if err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	clustertest.Eventually(t, "the first half is told", func() bool { e, _ := h.heard(); return len(e) >= channels*each/2 })
	before, teller := h.heard()
	if i := slices.IndexFunc(before, func(e hookEvent) bool { return e.by != teller }); i >= 0 {
		t.Errorf("nodes %s and %s have told at once", teller, before[i].by)
	}
	h.mu.Lock()
	h.refuse = true // so that something is under way
	h.mu.Unlock()
	close(half)
	killed := slices.IndexFunc(c.Nodes, func(n *clustertest.Node) bool { return n.Name == teller })
	c.Nodes[killed].Kill()
	h.mu.Lock()
	h.refuse = false
	h.mu.Unlock()
	publishing.Wait()
	defer c.Nodes[killed].Restart()
	began := time.Now()
	for i := range channels {
		clustertest.Eventually(t, "all is told", func() bool {
			events, _ := h.heard()
			return slices.ContainsFunc(events, func(e hookEvent) bool {
				return e.Channel == fmt.Sprint("room:", i) && string(e.Publication.Data) == fmt.Sprint(each-1)
			})
		})
	}
	events, next := h.heard()
	if next == teller {
		t.Errorf("node %s has told everything though it was killed", teller)
	}
	t.Logf("node %s told %d events until it was killed; node %s told the last of %d, %v later", teller, len(before), next, len(events), time.Since(began).Round(time.Millisecond))
	for i := range channels {
		eachInOrder(t, events, fmt.Sprint("room:", i), each)
	}
	if again := len(events) - channels*each; again > 100 {
		t.Errorf("%d were told again, more than one request", again)
	}
}

// eachInOrder checks that the publications 0, 1, … of a channel were told in their
// order, whatever was told again.
func eachInOrder(t *testing.T, events []hookEvent, channel string, n int) {
	t.Helper()
	var got []string
	seen := map[string]bool{}
	for _, e := range events {
		if e.Channel == channel && e.Type == "publication" && !seen[e.ID] {
			seen[e.ID] = true
			got = append(got, string(e.Publication.Data))
		}
	}
	for j := range n {
		if j >= len(got) || got[j] != fmt.Sprint(j) {
			t.Fatalf("%s: got %v, want each in order", channel, got)
		}
	}
}

// occupiedAcross: a channel is occupied by the first subscription on any node, and
// vacated when the last on all has gone.
func occupiedAcross(t *testing.T, c *clustertest.Cluster, h *hooked) {
	t.Helper()
	told := func() (all []string) {
		events, _ := h.heard()
		for _, e := range events {
			if e.Channel == "room:shared" {
				all = append(all, e.Type)
			}
		}
		return all
	}
	subscribe := func(n *clustertest.Node) (leave func()) {
		ctx, cancel := context.WithCancel(t.Context())
		begun, gone := make(chan struct{}), make(chan struct{})
		go func() { // ends with ctx
			defer close(gone)
			for e, err := range client.Subscribe(ctx, n.URL, "room:shared", client.Subscription{}) {
				if err == nil && e.Type == client.EventStarted {
					close(begun)
				}
			}
		}()
		<-begun
		return func() { cancel(); <-gone }
	}
	// What the nodes tell of themselves.
	nc, err := c.NATS.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var own atomic.Int64
	if _, err = nc.Subscribe("starling.live.>", func(m *nats.Msg) {
		if bytes.Contains(m.Data, []byte(`"occupied","channel":"room:shared"`)) {
			own.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	leaveFirst := subscribe(c.Nodes[0])
	clustertest.Eventually(t, "it is occupied", func() bool { return len(told()) == 1 })
	leaveSecond := subscribe(c.Nodes[1])
	clustertest.Eventually(t, "two nodes have it", func() bool { return own.Load() == 2 })
	leaveFirst()
	leaveThird := subscribe(c.Nodes[2])
	clustertest.Eventually(t, "three nodes had it", func() bool { return own.Load() == 3 })
	leaveSecond()
	leaveThird()
	clustertest.Eventually(t, "it is vacated", func() bool { return slices.Contains(told(), "vacated") })
	if got := told(); !slices.Equal(got, []string{"occupied", "vacated"}) {
		t.Errorf("told %v, want the first and the last", got)
	}
}
