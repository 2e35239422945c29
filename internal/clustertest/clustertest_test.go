package clustertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/internal/clustertest"
)

// answer is what a node says to a request.
type answer struct {
	status int
	body   string

	Position, Session string
	Ack               uint64
	Publications      []struct {
		Data json.RawMessage
	}
	Signals []struct{ Data json.RawMessage }
	Reset   []string
	Result  struct{ Offset uint64 }
	Error   struct{ Name string }
}

func do(t *testing.T, method, url, body string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, body: string(raw)}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("%s %s: %s: %v", method, url, raw, err)
	}
	return a
}

// poller is a client on long polling, each of whose requests goes to another node.
type poller struct {
	t     *testing.T
	nodes []*clustertest.Node
	turn  int

	session, position string
	ack               uint64
	seen, signals     []string
}

func (p *poller) node() *clustertest.Node {
	p.turn++
	return p.nodes[p.turn%len(p.nodes)]
}

// poll polls, and returns the status.
func (p *poller) poll(more url.Values) int {
	p.t.Helper()
	q := url.Values{"since": {p.position}, "keep": {"1"}, "wait": {"1s"}, "session": {p.session}, "ack": {fmt.Sprint(p.ack)}}
	for k, v := range more {
		q[k] = v
	}
	a := do(p.t, "GET", p.node().URL+"/poll?"+q.Encode(), "")
	if a.status != http.StatusOK {
		return a.status
	}
	if len(a.Reset) > 0 {
		p.t.Errorf("it was reset: %s", a.body)
	}
	p.session, p.position, p.ack = a.Session, a.Position, a.Ack
	for _, pub := range a.Publications {
		p.seen = append(p.seen, string(pub.Data))
	}
	for _, s := range a.Signals {
		p.signals = append(p.signals, string(s.Data))
	}
	return a.status
}

func (p *poller) send(command string) answer {
	p.t.Helper()
	return do(p.t, "POST", p.node().URL+"/send?session="+p.session, command)
}

// api returns a client of the server API of a node.
func api(t *testing.T, n *clustertest.Node) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URL: n.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func publish(t *testing.T, n *clustertest.Node, channel, data string) client.Published {
	t.Helper()
	done, err := api(t, n).Publish(t.Context(), channel, data, client.Publication{Key: data})
	if err != nil {
		t.Fatalf("publish %q on %s: %v", data, n.Name, err)
	}
	return done
}

// A session on long polling lives on one node, and its polls and commands come to
// all of them. When its node is killed, it is gone, and a new one goes on.
func TestPollsOnAllNodes(t *testing.T) {
	c := clustertest.Start(t, clustertest.Options{Servers: 1})
	p := &poller{t: t, nodes: c.Nodes}
	if status := p.poll(url.Values{"channel": {"polled"}}); status != http.StatusOK {
		t.Fatalf("the first poll: %d", status)
	}
	owner, _, _ := strings.Cut(p.session, ".")
	var want []string
	for i := range 6 {
		data := fmt.Sprint(i)
		a := p.send(fmt.Sprintf(`{"type":"publish","channel":"polled","data":%s,"key":"k%s"}`, data, data))
		if a.status != http.StatusOK || a.Result.Offset == 0 {
			t.Fatalf("publish: %d %s", a.status, a.body)
		}
		want = append(want, data)
		for len(p.seen) < len(want) {
			if status := p.poll(nil); status != http.StatusOK {
				t.Fatalf("poll: %d", status)
			}
		}
	}
	if a := p.send(`{"type":"publish","channel":"polled","data":7`); a.status != http.StatusBadRequest || a.Error.Name != "malformed" {
		t.Errorf("what is not JSON: got %d %s", a.status, a.body)
	}
	// A subscription that is made through another node, and its signals.
	if a := p.send(`{"type":"subscribe","id":1,"channel":"later"}`); a.status != http.StatusOK {
		t.Fatalf("subscribe: %d %s", a.status, a.body)
	}
	if err := api(t, c.Nodes[1]).Signal(t.Context(), "later", "hello", "slot"); err != nil {
		t.Fatal(err)
	}
	clustertest.Eventually(t, "the signal comes", func() bool {
		return p.poll(nil) != http.StatusOK || slices.Contains(p.signals, `"hello"`)
	})
	i := slices.IndexFunc(c.Nodes, func(n *clustertest.Node) bool { return n.Name == owner })
	c.Nodes[i].Kill()
	p.nodes = slices.Delete(slices.Clone(c.Nodes), i, i+1)
	clustertest.Eventually(t, "the session is gone", func() bool { return p.poll(nil) == http.StatusGone })
	if a := p.send(`{"type":"publish","channel":"polled","data":8}`); a.status != http.StatusGone || a.Error.Name != "session_gone" {
		t.Errorf("send: got %d %s, want 410", a.status, a.body)
	}
	publish(t, p.nodes[0], "polled", "after")
	p.session = ""
	if status := p.poll(url.Values{"channel": {"polled"}}); status != http.StatusOK {
		t.Fatalf("a new session: %d", status)
	}
	for want = append(want, `"after"`); len(p.seen) < len(want); {
		if status := p.poll(nil); status != http.StatusOK {
			t.Fatalf("poll: %d", status)
		}
	}
	if !slices.Equal(p.seen, want) {
		t.Errorf("seen %v, want %v", p.seen, want)
	}
}

// A node that hangs is taken for dead, and one that is cut off says so itself.
func TestSessionOfANodeThatHangs(t *testing.T) {
	c := clustertest.Start(t, clustertest.Options{Nodes: 2, Servers: 1})
	p := &poller{t: t, nodes: c.Nodes[:1]}
	if status := p.poll(url.Values{"channel": {"c"}}); status != http.StatusOK {
		t.Fatal(status)
	}
	p.nodes = c.Nodes[1:]
	c.Nodes[0].Freeze()
	began := time.Now()
	if a := p.send(`{"type":"ping","id":1}`); a.status != http.StatusGone || time.Since(began) > 10*time.Second {
		t.Errorf("frozen: got %d %s after %v, want 410", a.status, a.body, time.Since(began))
	}
	c.Nodes[0].Thaw()
	clustertest.Eventually(t, "the session is there again", func() bool { return p.send(`{"type":"ping","id":1}`).status == http.StatusOK })
	c.Nodes[1].Cut()
	if a := p.send(`{"type":"ping","id":1}`); a.status == http.StatusOK {
		t.Errorf("cut off: got %d %s", a.status, a.body)
	}
	c.Nodes[1].Heal()
	clustertest.Eventually(t, "the session is there again", func() bool { return p.send(`{"type":"ping","id":1}`).status == http.StatusOK })
}

// An event source is on one node, and its commands go to another.
func TestEventSourceAndItsCommands(t *testing.T) {
	c := clustertest.Start(t, clustertest.Options{Nodes: 2, Servers: 1})
	lines := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Nodes[0].URL+"/sse?channel=c&keep=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	go func() { // ends with the response
		defer close(lines)
		var kept []byte
		for b := make([]byte, 4096); ; {
			n, err := res.Body.Read(b)
			for kept = append(kept, b[:n]...); ; {
				line, rest, ok := bytes.Cut(kept, []byte("\n"))
				if !ok {
					break
				}
				lines <- string(line)
				kept = rest
			}
			if err != nil {
				return
			}
		}
	}()
	until := func(part string) string {
		t.Helper()
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					t.Fatalf("the stream ended before %q", part)
				}
				if strings.Contains(line, part) {
					return line
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("%q does not come", part)
			}
		}
	}
	_, id, _ := strings.Cut(until(`"session":"`), `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	other := c.Nodes[1].URL + "/send?session=" + id
	if a := do(t, "POST", other, `{"type":"subscribe","id":1,"channel":"d"}`); a.status != http.StatusOK {
		t.Fatalf("subscribe: %d %s", a.status, a.body)
	}
	if a := do(t, "POST", other, `{"type":"publish","channel":"d","data":"there and back"}`); a.status != http.StatusOK {
		t.Fatalf("publish: %d %s", a.status, a.body)
	}
	until("there and back")
}

// What one node is told about sessions holds on all of them within a second.
func TestControlAcrossNodes(t *testing.T) {
	c := clustertest.Start(t, clustertest.Options{Nodes: 2, Servers: 1})
	token := func() string {
		t.Helper()
		res, err := http.Post(c.Nodes[0].URL+"/dev/token", "application/json", strings.NewReader(`{"user":"eve"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var m struct{ Token string }
		if err := json.NewDecoder(res.Body).Decode(&m); err != nil || m.Token == "" {
			t.Fatalf("no token: %v", err)
		}
		return m.Token
	}()
	backend := api(t, c.Nodes[1])
	for _, row := range []struct {
		name string
		code string
		act  func() error
	}{
		{"disconnect", "disconnected", func() error {
			return backend.Disconnect(t.Context(), client.Target{User: "eve"}, "Enough.")
		}},
		{"revoke", "revoked", func() error { return backend.Revoke(t.Context(), client.Revocation{User: "eve"}) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			var acted time.Time
			o := client.Subscription{Token: func(context.Context) (string, error) { return token, nil }}
			for e, err := range client.Subscribe(t.Context(), c.Nodes[0].URL, "c", o) {
				var refused *client.Error
				if errors.As(err, &refused) {
					if took := time.Since(acted); acted.IsZero() || refused.Name != row.code || took > 5*time.Second {
						t.Errorf("ended with %v after %v, want %s at once", err, took, row.code)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if e.Type == client.EventStarted {
					acted = time.Now()
					if err := row.act(); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// Idempotency, history and newest values are those of the cluster.
func TestOneLogOfAllNodes(t *testing.T) {
	c := clustertest.Start(t, clustertest.Options{})
	first := publish(t, c.Nodes[0], "c", "1")
	if again := publish(t, c.Nodes[1], "c", "1"); !again.Duplicate || again.Offset != first.Offset {
		t.Errorf("the same key on another node: got %+v, want the duplicate of %+v", again, first)
	}
	for i := range 5 {
		if err := api(t, c.Nodes[i%3]).Signal(t.Context(), "c", i, "price"); err != nil {
			t.Fatal(err)
		}
	}
	for e, err := range client.Subscribe(t.Context(), c.Nodes[2].URL, "c", client.Subscription{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == client.EventSignal {
			if got := string(e.Signal.Data); got != "4" {
				t.Errorf("the newest value: got %s, want 4", got)
			}
			break
		}
	}
	killed := c.KillLeader(t, "starling-log-0")
	clustertest.Eventually(t, "every node takes publications without "+killed.Name, func() bool {
		for _, n := range c.Nodes {
			for i := range 8 { // channels of several partitions
				if _, err := api(t, n).Publish(t.Context(), fmt.Sprint("p", i), 1, client.Publication{}); err != nil {
					return false
				}
			}
		}
		return true
	})
}

// Two nodes of one name would answer for each other's sessions.
func TestNamesOfNodes(t *testing.T) {
	c := clustertest.Start(t, clustertest.Options{Nodes: 1, Servers: 1})
	if said := c.Nodes[0].Twin(); !strings.Contains(said, `another node is called "a"`) {
		t.Errorf("a second node of the same name says %s", said)
	}
}
