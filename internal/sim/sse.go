package sim

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/starling-rt/starling/protocol"
)

func (v *visit) sse() {
	defer v.end()
	c := v.client
	if c.mixed() {
		return // one filter is for all channels of a stream
	}
	c.mu.Lock()
	q := v.query()
	c.mu.Unlock()
	conn, res, err := v.request(http.MethodGet, "/sse?"+q.Encode(), nil)
	if err != nil {
		return
	}
	defer conn.Close()
	go v.watch(conn)
	var speaking sync.WaitGroup
	defer speaking.Wait()
	defer v.end()
	lines := bufio.NewReaderSize(res.Body, 600)
	var ev event
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if line != "\n" {
			ev.field(strings.TrimSuffix(line, "\n"))
			continue
		}
		v.stall()
		session, ok := v.event(&ev, q.Get("since") != "")
		if !ok {
			return
		}
		if session != "" {
			speaking.Go(func() { v.speak(func(cmd []byte) bool { return v.post(session, cmd) }) })
		}
		ev = event{}
	}
}

// event is a server-sent event in the making.
type event struct{ id, name, data string }

func (e *event) field(line string) {
	name, value, _ := strings.Cut(line, ": ")
	switch name {
	case "id":
		e.id = value
	case "event":
		e.name = value
	case "data":
		e.data += value
	}
}

// event takes an event, and returns the session that it names, if it does.
func (v *visit) event(e *event, resumed bool) (session string, ok bool) {
	if e.data == "" || e.name == "error" {
		return "", e.name != "error"
	}
	c := v.client
	var m message
	if err := json.Unmarshal([]byte(e.data), &m); err != nil {
		c.world.failf("client %d: not JSON: %s", c.index, e.data)
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Type == "session" {
		v.started(e.id)
		return m.Session, true
	}
	if m.Type == "publication" && e.name != "" {
		c.failf("a publication is an event %q", e.name)
	}
	c.take(&m)
	if t := c.tracks[m.Channel]; m.Type == "publication" && t != nil {
		p, err := protocol.ParsePosition(e.id)
		if err != nil {
			c.failf("id %q: %v", e.id, err)
			return "", false
		}
		if _, offset, _ := p.In(m.Channel); offset != m.Offset {
			c.failf("the id of %d of %s stands at %d", m.Offset, m.Channel, offset)
		}
	}
	return "", true
}
