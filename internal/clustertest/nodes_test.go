package clustertest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/clustertest"
	"github.com/starling-rt/starling/internal/natstest"
)

// When a node that is silent may be taken for dead: it has beaten up to 2 s before,
// and waits less than that if the machine is busy. Package natslog tests it exactly.
const (
	deadAfter  = 7500 * time.Millisecond
	deadWithin = 15 * time.Second
)

// word is what a node says of another one.
type word struct {
	Time      time.Time
	Msg, Node string
}

// kind is what has happened to the other one.
func (w word) kind() string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(w.Msg, "node "), ":")
	return kind + " " + w.Node
}

// words returns what a node has said of others since it was started.
func words(t *testing.T, n *clustertest.Node) (all []word) {
	t.Helper()
	for lines := bufio.NewScanner(strings.NewReader(n.Log())); lines.Scan(); {
		var w word
		if err := json.Unmarshal(lines.Bytes(), &w); err == nil && strings.HasPrefix(w.Msg, "node ") && w.Node != "" {
			all = append(all, w)
		}
	}
	return all
}

func kinds(t *testing.T, n *clustertest.Node) (all []string) {
	t.Helper()
	for _, w := range words(t, n) {
		all = append(all, w.kind())
	}
	return all
}

// says waits until a node has said something of another one, and returns when it said
// that last.
func says(t *testing.T, n *clustertest.Node, kind string, times int) (last time.Time) {
	t.Helper()
	clustertest.Eventually(t, fmt.Sprintf("node %s says %q %d times", n.Name, kind, times), func() bool {
		count := 0
		for _, w := range words(t, n) {
			if w.kind() == kind {
				count++
				last = w.Time
			}
		}
		return count == times
	})
	return last
}

// wait lets time pass while something has to go on as it is.
func wait(t *testing.T, begun time.Time, d time.Duration) {
	t.Helper()
	clustertest.Eventually(t, "time passes", func() bool { return time.Since(begun) >= d })
}

// metric returns a line of a node's metrics.
func metric(t *testing.T, n *clustertest.Node, name string) string {
	t.Helper()
	res, err := http.Get(n.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			return value
		}
	}
	return "none"
}

// serverOf returns the server that a node has connected to.
func serverOf(t *testing.T, c *clustertest.Cluster, n *clustertest.Node) *natstest.Member {
	t.Helper()
	var last string
	for lines := bufio.NewScanner(strings.NewReader(n.Log())); lines.Scan(); {
		var m struct{ Server string }
		if err := json.Unmarshal(lines.Bytes(), &m); err == nil && m.Server != "" {
			last = m.Server
		}
	}
	return c.NATS.Member(last)
}

// Nodes that were just started know of each other who lives, whatever happens to the
// servers between them.
func whoIsHere(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	for _, n := range c.Nodes {
		for _, other := range c.Nodes {
			if other != n {
				says(t, n, "arrived "+other.Name, 1)
			}
		}
		if got := metric(t, n, "starling_cluster_nodes"); got != "3" {
			t.Errorf("node %s knows %s nodes, want 3", n.Name, got)
		}
	}
	serversAreLost(t, c)
	oneIsCutOffAndOneIsKilled(t, c)
	a, b, third := c.Nodes[0], c.Nodes[1], c.Nodes[2]

	third.Kill()
	third.Restart()
	says(t, a, "replaced c", 2) // the first time it was cut off
	says(t, b, "replaced c", 1)

	third.Stop()
	gone := time.Now()
	for _, n := range []*clustertest.Node{a, b} {
		if took := says(t, n, "left c", 1).Sub(gone); took > 2*time.Second {
			t.Errorf("node %s hears after %v that c has left", n.Name, took)
		}
	}
	if got, want := kinds(t, a), []string{"replaced c", "replaced c", "left c"}; !slices.Equal(got[2:], want) {
		t.Errorf("node a says %q, want %q after who was there", got, want)
	}
	for _, row := range []struct {
		node         *clustertest.Node
		name, number string
	}{
		{a, "starling_cluster_nodes", "2"},
		{a, "starling_cluster_deaths_total", "2"},
		{b, "starling_cluster_nodes", "2"},
		{b, "starling_cluster_deaths_total", "3"},
	} {
		if got := metric(t, row.node, row.name); got != row.number {
			t.Errorf("node %s: %s is %s, want %s", row.node.Name, row.name, got, row.number)
		}
	}
	third.Restart()
}

// The server that leads is killed, and one that nodes are connected to hangs: they move
// to the third, and nobody is dead.
func serversAreLost(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	killed, err := c.Leader("starling-log-0")
	if err != nil {
		t.Fatal(err)
	}
	var hangs *natstest.Member
	for _, n := range c.Nodes {
		if s := serverOf(t, c, n); s != killed {
			hangs = s
		}
	}
	begun := time.Now()
	killed.Kill()
	if hangs != nil { // or else all were on the one that is killed
		hangs.Freeze()
	}
	wait(t, begun, 13*time.Second)
	if hangs != nil {
		hangs.Thaw()
	}
	killed.Restart()
	if err := c.NATS.WaitReady(time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		n.WaitReady()
		if got := words(t, n); len(got) != 2 {
			t.Errorf("without two servers, node %s says %v", n.Name, got)
		}
	}
}

// One node is cut off for 15 s, another is killed. The one between takes both for dead,
// in time; who is cut off takes nobody for dead, and comes back.
func oneIsCutOffAndOneIsKilled(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	a, b, killed := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	begun := time.Now()
	a.Cut()
	killed.Kill()
	for _, kind := range []string{"died a", "died c"} {
		took := says(t, b, kind, 1).Sub(begun)
		t.Logf("%s after %v", kind, took)
		if took < deadAfter || took > deadWithin {
			t.Errorf("%s after %v, want %v to %v", kind, took, deadAfter, deadWithin)
		}
	}
	killed.Restart()
	says(t, b, "arrived c", 2)
	wait(t, begun, 15*time.Second)
	if got := words(t, a); len(got) != 2 {
		t.Errorf("while it is cut off, node a says %v", got)
	}
	a.Heal()
	healed := time.Now()
	if took := says(t, b, "arrived a", 2).Sub(healed); took > 5*time.Second {
		t.Errorf("node a is heard %v after it can be", took)
	}
	says(t, a, "replaced c", 1)
	says(t, killed, "arrived a", 1)
	if got := metric(t, a, "starling_cluster_nodes"); got != "3" {
		t.Errorf("node a knows %s nodes, want 3", got)
	}
}
