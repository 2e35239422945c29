package faulttest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/clustertest"
	"github.com/starling-rt/starling/internal/natstest"
	"github.com/starling-rt/starling/internal/netlab"
)

const (
	zones    = 3        // of a node and a NATS server each
	diskSize = 64 << 20 // of a NATS server
	// within bounds the time until the cluster is whole again after a fault.
	within = 90 * time.Second
)

var (
	published = []string{"p:0", "p:1", "p:2"} // what publishers publish to
	compared  = []string{"cas:0", "cas:1"}    // what is compared and appended
)

// world is a cluster, its network, and its clients.
type world struct {
	t       *testing.T
	net     *netlab.Network
	servers []*netlab.Host
	nodes   []*netlab.Host
	disks   []*netlab.Disk
	c       *clustertest.Cluster
	lb      *clustertest.Balancer
	engines []*eventlog.Log // in this process, each on one server alone
	r       *recorder
	rng     *rand.Rand

	// begun are the connections of those followers that hold to a node.
	mu    sync.Mutex
	begun map[string]int // by node
}

func newWorld(t *testing.T, n *netlab.Network, seed uint64) *world {
	t.Helper()
	w := &world{t: t, net: n, r: newRecorder(), rng: rand.New(rand.NewPCG(seed, 0)), begun: map[string]int{}}
	var serverHosts, nodeHosts []natstest.Host
	for i := range zones {
		w.servers, w.nodes = append(w.servers, n.Add(byte(11+i))), append(w.nodes, n.Add(byte(21+i)))
		w.disks = append(w.disks, n.NewDisk(diskSize))
		serverHosts = append(serverHosts, host(w.servers[i], w.disks[i].Dir+"/nats"))
		nodeHosts = append(nodeHosts, host(w.nodes[i], ""))
	}
	w.c = clustertest.Start(t, clustertest.Options{
		Binary: os.Getenv(binaryVariable), ServerHosts: serverHosts, NodeHosts: nodeHosts, Together: true,
		Args: []string{"--limit-ping", "2s", "--limit-pong", "3s"},
	})
	w.lb = clustertest.NewBalancer(t, w.c.Nodes)
	w.lb.Check()
	for _, m := range w.c.NATS.Members {
		e, err := natslog.Open(t.Context(), natslog.Options{URLs: []string{m.URL}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		log := eventlog.New(e)
		w.engines = append(w.engines, log)
		t.Cleanup(func() {
			if err := log.Close(); err != nil {
				t.Errorf("close an engine: %v", err)
			}
		})
	}
	n.Seed(seed)
	return w
}

func host(h *netlab.Host, dir string) natstest.Host {
	return natstest.Host{Addr: h.Addr.String(), Dir: dir, Start: func(cmd *exec.Cmd) error { return h.Start(cmd) }}
}

// status returns what a node answers to a load balancer, or 0 if it does not.
func (w *world) status(i int) int {
	c := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(w.c.Nodes[i].URL + "/readyz")
	if err != nil {
		return 0
	}
	_ = res.Body.Close() // its status is enough
	return res.StatusCode
}

// becomes waits until something is so, and tells whether it was in time.
func (w *world) becomes(bound time.Duration, so func() bool) bool {
	deadline := time.After(bound)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// whole waits until every node says that it is ready, and the balancer agrees.
func (w *world) whole(after string) {
	began := time.Now()
	for i, n := range w.c.Nodes {
		if !w.becomes(within, func() bool { return w.status(i) == http.StatusOK }) {
			w.r.wrong("node %s is not ready %v after %s", n.Name, within, after)
		}
	}
	if !w.becomes(within, func() bool { return len(w.lb.Ready()) == zones }) {
		w.r.wrong("the balancer does not use all nodes %v after %s", within, after)
	}
	w.t.Logf("  whole again after %v", time.Since(began).Round(10*time.Millisecond))
}

// pause waits.
func (w *world) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// leader returns the index of the server that leads one of the streams of records.
func (w *world) leader() int {
	stream := fmt.Sprint("starling-log-", w.rng.IntN(8))
	i := -1
	if !w.becomes(within, func() bool {
		m, err := w.c.Leader(stream)
		if err == nil {
			i = slices.Index(w.c.NATS.Members, m)
		}
		return err == nil
	}) {
		w.t.Fatalf("stream %s has no leader", stream)
	}
	return i
}

// logsOf reads the log of each channel from each node.
func (w *world) logsOf() {
	for _, channel := range slices.Concat(published, compared) {
		for _, n := range w.c.Nodes {
			api, err := client.New(client.Options{URL: n.URL, Attempts: 10})
			if err != nil {
				w.t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
			records := []record{}
			for p, err := range api.History(ctx, channel, "") {
				if err != nil {
					w.t.Fatalf("the history of %s from node %s: %v", channel, n.Name, err)
				}
				records = append(records, record{p.Offset, p.ID, p.Key, string(p.Data)})
			}
			cancel()
			w.r.log(channel, n.Name, records)
		}
	}
}
