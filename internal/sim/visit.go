package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/starling-rt/starling/protocol"
)

// visit is one connection of a client, or one session on long polling.
type visit struct {
	client *client
	node   *node
	until  time.Time
	over   chan struct{} // closed when the visit ends
	once   sync.Once
	cbor   bool // messages are CBOR; owned by webSocket

	// Guarded by the client's lock.
	asked map[int]string // subscribe commands, by id
	left  map[string]bool
}

func (v *visit) end() { v.once.Do(func() { close(v.over) }) }

// watch ends a connection when its time is over, politely or not.
func (v *visit) watch(c *conn) {
	for {
		select {
		case <-v.over:
			return
		case <-time.After(250 * time.Millisecond):
		}
		if time.Now().After(v.until) || v.client.isQuiet() && v.client.atRest() {
			break
		}
	}
	if v.client.isQuiet() && v.client.atRest() {
		// Signals are not counted; give the last ones the time to come.
		wait(15 * time.Second)
		v.client.settle()
	}
	if v.client.roll(2) == 0 {
		c.snap()
	} else {
		_ = c.Close() // never fails
	}
}

// settle notes that what the client knows now has to be right.
func (c *client) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tracks {
		t.fresh = true
	}
}

// forget is for a new subscription, which brings the values anew.
func (t *track) forget() {
	t.slots = map[string]string{}
	t.fresh = false
}

// stall waits a while now and then, before the client reads on.
func (v *visit) stall() {
	switch {
	case v.client.isQuiet():
	case v.client.roll(60) == 0:
		wait(v.client.upTo(6 * time.Second))
	case v.client.roll(10) == 0:
		wait(v.client.upTo(50 * time.Millisecond))
	}
}

// speak publishes and signals at times, until the visit ends.
func (v *visit) speak(send func(cmd []byte) bool) {
	c := v.client
	for {
		select {
		case <-v.over:
			return
		case <-time.After(c.upTo(1500 * time.Millisecond)):
		}
		c.mu.Lock()
		fresh := !c.isQuiet()
		var cmd []byte
		switch {
		case fresh && c.rand.IntN(4) == 0:
			cmd = c.signalCommand()
		case fresh && (len(c.pending) == 0 || c.rand.IntN(3) > 0):
			cmd = c.next(true)
		case len(c.pending) > 0:
			cmd = c.next(false)
		}
		c.mu.Unlock()
		if cmd != nil && !send(cmd) {
			return
		}
	}
}

func (c *client) signalCommand() []byte {
	c.seq++
	m := map[string]any{"type": "signal", "channel": channels[c.rand.IntN(len(channels))], "conflate": fmt.Sprintf("k%d", c.rand.IntN(4)), "data": c.seq*100 + c.index}
	if c.rand.IntN(6) == 0 {
		m["delete"] = true
	}
	cmd, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return cmd
}

// subscribe makes the command that subscribes to a channel. The lock is held.
func (v *visit) subscribe(name string) []byte {
	c := v.client
	c.seq++
	v.asked[c.seq] = name
	delete(v.left, name)
	t := c.tracks[name]
	m := map[string]any{"type": "subscribe", "id": c.seq, "channel": name, "since": c.since(name)}
	if t.filter != nil {
		m["filter"] = t.filter
	}
	if t.slow == protocol.Latest {
		m["slow"] = "latest"
	}
	cmd, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return cmd
}

// hear takes a message on a WebSocket, and returns commands to send. The lock is
// held.
func (v *visit) hear(m *message) (next [][]byte) {
	c := v.client
	switch m.Type {
	case "reply":
		name, ok := v.asked[m.id()]
		if !ok {
			c.answered(m)
			return nil
		}
		delete(v.asked, m.id())
		if v.left[name] { // it was an unsubscribe
			return [][]byte{v.subscribe(name)}
		}
		if m.Error != nil {
			if m.Error.Code == protocol.AlreadyThere {
				c.failf("subscribe to %s: %s", name, m.Error.Message)
			}
			if !c.isQuiet() {
				return nil
			}
			return [][]byte{v.subscribe(name)}
		}
		t := c.tracks[name]
		t.forget()
		c.note("subscribed %s, recovered %v", name, m.Result.Recovered)
		switch {
		case t.wildcard: // its reset comes
		case t.begun && m.Result.Recovered:
			t.reach(m.Result.Position)
		default:
			c.begin(t, m.Result.Position)
		}
	case "publication", "reset", "skipped", "position", "signal":
		if v.left[m.Channel] {
			break // until the reply it may go on
		}
		c.take(m)
		if m.Type == "publication" && !c.isQuiet() && c.rand.IntN(50) == 0 && c.tracks[m.Channel] != nil {
			c.seq++
			v.asked[c.seq], v.left[m.Channel] = m.Channel, true
			return [][]byte{fmt.Appendf(nil, `{"type":"unsubscribe","id":%d,"channel":%q}`, c.seq, m.Channel)}
		}
	}
	return nil
}

// request makes an HTTP request on a connection of its own.
func (v *visit) request(method, path string, body []byte) (*conn, *http.Response, error) {
	conn, err := v.node.dial()
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequest(method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Close = true
	if err := req.Write(conn); err != nil {
		_ = conn.Close() // never fails
		return nil, nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		_ = conn.Close() // never fails
		return nil, nil, err
	}
	return conn, res, nil
}

// query is the channels of the client and where it stands. The lock is held.
func (v *visit) query() url.Values {
	c := v.client
	q := url.Values{}
	for _, name := range c.names() {
		t := c.tracks[name]
		q.Add("channel", name)
		if t.filter != nil { // one for all of the request
			q.Set("filter", string(t.filter.AppendJSON(nil)))
		}
	}
	if s := c.since(c.names()...); s != "" {
		q.Set("since", s)
	}
	return q
}

// post sends a command by /send.
func (v *visit) post(session string, cmd []byte) bool {
	conn, res, err := v.request(http.MethodPost, "/send?session="+url.QueryEscape(session), cmd)
	if err != nil {
		return v.alive()
	}
	defer conn.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return v.alive()
	}
	var m message
	if json.Unmarshal(raw, &m) == nil && m.Type == "reply" {
		v.client.mu.Lock()
		v.client.answered(&m)
		v.client.mu.Unlock()
	}
	return v.alive()
}

func (v *visit) alive() bool {
	select {
	case <-v.over:
		return false
	default:
		return true
	}
}

// mixed tells whether the tracks do not all want the same publications.
func (c *client) mixed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tracks {
		if len(c.tracks) > 1 && t.filter != nil {
			return true
		}
	}
	return false
}

func (c *client) hasWildcard() bool {
	for _, t := range c.tracks {
		if t.wildcard {
			return true
		}
	}
	return false
}

// started begins the tracks that begin with this connection, at the position that
// it starts from. The lock is held.
func (v *visit) started(position string) {
	for _, t := range v.client.tracks {
		t.forget()
		if !t.begun && !t.wildcard {
			v.client.begin(t, position)
		}
	}
}
