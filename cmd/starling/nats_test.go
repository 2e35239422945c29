package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/client"
	"github.com/starling-rt/starling/internal/natstest"
)

// subscriber is a WebSocket client of one channel, which may go on elsewhere.
type subscriber struct {
	t     *testing.T
	conn  *client.Conn
	since string
	seen  []string
	last  uint64 // offset of the last that was seen since since
}

// subscribe connects to a node and goes on where it was.
func (s *subscriber) subscribe(p *process) {
	s.t.Helper()
	conn, err := client.Dial(s.t.Context(), p.url())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	s.conn = conn
	if err := conn.Write(fmt.Appendf(nil, `{"type":"subscribe","id":1,"channel":"c","since":%q,"offset":%d}`, s.since, s.last)); err != nil {
		s.t.Fatal(err)
	}
	m := s.next(func(m *message) bool { return m.Type == "reply" })
	if m.Error != nil {
		s.t.Fatalf("subscribe: %v", m.Error)
	}
	if s.since != "" && !m.Result.Recovered {
		s.t.Fatal("it was not recovered")
	}
	s.since, s.last = m.Result.Position, 0
}

// message is what a server sends.
type message struct {
	Type   string
	Result struct {
		Position  string
		Recovered bool
	}
	Error  *client.Error
	Offset uint64
	Data   json.RawMessage
}

// next reads until a message is the one that is wanted.
func (s *subscriber) next(wanted func(*message) bool) *message {
	s.t.Helper()
	for {
		raw, err := s.conn.Read()
		if err != nil {
			s.t.Fatalf("read: %v, after %q", err, s.seen)
		}
		m := &message{}
		if err := json.Unmarshal(raw, m); err != nil {
			s.t.Fatal(err)
		}
		switch m.Type {
		case "publication":
			s.seen = append(s.seen, strings.Trim(string(m.Data), `"`))
			s.last = m.Offset
		case "reset":
			s.t.Fatal("it was reset")
		}
		if wanted(m) {
			return m
		}
	}
}

// until reads until some data has come.
func (s *subscriber) until(data string) {
	s.t.Helper()
	if !slices.Contains(s.seen, data) {
		s.next(func(m *message) bool { return m.Type == "publication" && string(m.Data) == fmt.Sprintf("%q", data) })
	}
}

func publish(p *process, data string) (duplicate bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	h := &client.HTTP{URL: p.url()}
	raw, err := h.Publish(ctx, "c", json.RawMessage(fmt.Sprintf("%q", data)), data)
	if err != nil {
		return false, err
	}
	var r struct{ Duplicate bool }
	return r.Duplicate, json.Unmarshal(raw, &r)
}

func onNATS(t *testing.T, c *natstest.Cluster, node string) *process {
	t.Helper()
	p := newProcess(t)
	for _, m := range c.Members {
		p.args = append(p.args, "--nats", m.URL)
	}
	p.args = append(p.args, "--node", node, "--nats-cache", p.dir+"-cache")
	p.start()
	t.Cleanup(p.kill)
	return p
}

// Two nodes share a NATS server: what is published on one comes on the other, and
// who was on a node that is killed goes on at the other.
func TestTwoNodesOnNATS(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{})
	a, b := onNATS(t, c, "a"), onNATS(t, c, "b")
	if _, err := os.Stat(a.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a data directory was made: %v", err)
	}
	if _, err := os.Stat(a.dir + "-cache/nats-a"); err != nil {
		t.Errorf("there is no cache: %v", err)
	}
	res, err := http.Get(a.url() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || !strings.Contains(string(metrics), "starling_nats_cache_misses_total") {
		t.Errorf("the metrics do not tell of it: %v", err)
	}
	onA, onB := &subscriber{t: t}, &subscriber{t: t}
	onA.subscribe(a)
	onB.subscribe(b)
	var want []string
	send := func(p *process, data string) {
		t.Helper()
		if duplicate, err := publish(p, data); err != nil || duplicate {
			t.Fatalf("publish %s: duplicate %v, %v", data, duplicate, err)
		}
		want = append(want, data)
	}
	for i := range 10 {
		send([]*process{a, b}[i%2], fmt.Sprint("before-", i))
	}
	onA.until("before-9")
	onB.until("before-9")
	a.kill()
	for i := range 10 {
		send(b, fmt.Sprint("after-", i))
	}
	if duplicate, err := publish(b, "before-0"); err != nil || !duplicate {
		t.Errorf("the same key on another node: duplicate %v, %v", duplicate, err)
	}
	onA.subscribe(b)
	onA.until("after-9")
	onB.until("after-9")
	for name, s := range map[string]*subscriber{"moved": onA, "stayed": onB} {
		if strings.Join(s.seen, " ") != strings.Join(want, " ") {
			t.Errorf("who %s has seen %q, want %q", name, s.seen, want)
		}
	}
}

// When NATS is away, publications are refused with a code, the load balancer is
// told, and clients stay connected and get what follows.
func TestNATSIsAway(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{})
	p := onNATS(t, c, "a")
	s := &subscriber{t: t}
	s.subscribe(p)
	if _, err := publish(p, "1"); err != nil {
		t.Fatal(err)
	}
	s.until("1")
	c.Members[0].Kill()
	soon(t, "it is not ready", func() bool {
		res, err := http.Get(p.url() + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	var refused *client.Error
	if _, err := publish(p, "2"); !errors.As(err, &refused) || refused.Name != "unavailable" || !refused.Retry {
		t.Errorf("publish: got %v, want that it is not available for now", err)
	}
	c.Members[0].Restart()
	soon(t, "publications are taken again", func() bool { _, err := publish(p, "2"); return err == nil })
	s.until("2")
	if got := strings.Join(s.seen, " "); got != "1 2" {
		t.Errorf("got %q, want each once", got)
	}
}

// soon waits until a condition holds.
func soon(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !cond() {
		if ctx.Err() != nil {
			t.Fatalf("not within 30 s: %s", what)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// monitorOf returns the URL of the monitoring port of a server, which it chose.
func monitorOf(t *testing.T, m *natstest.Member) string {
	t.Helper()
	_, rest, found := strings.Cut(m.Log(), "Starting http monitor on ")
	addr, _, _ := strings.Cut(rest, "\n")
	if !found {
		t.Fatalf("no monitoring port in\n%s", m.Log())
	}
	return "http://" + strings.TrimSpace(addr)
}

// doctor sees a server that is away, and hears nodes.
func TestDoctorLooksAtNATS(t *testing.T) {
	c := natstest.Start(t, 3, natstest.Options{Config: "http: 127.0.0.1:-1\n"})
	p := onNATS(t, c, "a")
	look := func(more ...string) (string, error) {
		out, err := exec.Command(p.bin, append([]string{"doctor", "--nats", c.URLs()}, more...)...).CombinedOutput()
		return string(out), err
	}
	soon(t, "all is well", func() bool {
		out, err := look()
		return err == nil && strings.Count(out, "JetStream is on") == 3 && strings.Contains(out, "17, of 3 replicas each") && !strings.Contains(out, "clock") &&
			strings.Contains(out, "ok    nodes: 1 heard in ") && strings.Contains(out, "s: a (since 20")
	})
	out, err := look("--nats-monitor", monitorOf(t, c.Members[0]))
	if err != nil || !strings.Contains(out, "what is acknowledged is synced") || strings.Contains(out, "sync_interval") {
		t.Errorf("with a monitoring port: got %v\n%s", err, out)
	}
	c.Members[1].Kill()
	p.kill()
	out, err = look()
	if err == nil || !strings.Contains(out, "FAIL") || strings.Count(out, "JetStream is on") != 2 || !strings.Contains(out, "skip  nodes: none was heard in ") {
		t.Errorf("a server is away, and the node: %v\n%s", err, out)
	}
}
