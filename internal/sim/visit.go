package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/starling-rt/starling/internal/websocket"
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

func (v *visit) webSocket() {
	defer v.end()
	conn, err := v.node.dial()
	if err != nil {
		return
	}
	defer conn.Close()
	v.cbor = v.client.roll(3) == 0
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s%s\r\n",
		map[bool]string{true: "Sec-WebSocket-Extensions: permessage-deflate\r\n", false: ""}[v.client.roll(2) == 0],
		map[bool]string{true: "Sec-WebSocket-Protocol: starling.v1.cbor\r\n", false: ""}[v.cbor])
	br := bufio.NewReader(conn)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	go v.watch(conn)
	send := func(cmd []byte) bool {
		op := websocket.Text
		if v.cbor {
			op, cmd = websocket.Binary, protocol.AppendCBOR(nil, cmd)
		}
		_, err := conn.Write(websocket.AppendMasked(nil, op, [4]byte{1, 2, 3, 4}, cmd))
		return err == nil
	}
	v.asked, v.left = map[int]string{}, map[string]bool{}
	c := v.client
	for _, name := range c.names() {
		c.mu.Lock()
		cmd := v.subscribe(name)
		c.mu.Unlock()
		if !send(cmd) {
			return
		}
	}
	var speaking sync.WaitGroup
	speaking.Go(func() { v.speak(send) })
	defer speaking.Wait()
	defer v.end()
	r := websocket.Reader{MaxBytes: 1 << 20, Deflate: res.Header.Get("Sec-Websocket-Extensions") != ""}
	buf := make([]byte, 700)
	for {
		v.stall()
		n, err := br.Read(buf)
		if err != nil {
			return
		}
		r.Feed(buf[:n])
		if !v.frames(&r, conn, send) {
			return
		}
	}
}

// frames takes the messages that came, and tells whether to go on.
func (v *visit) frames(r *websocket.Reader, conn io.Writer, send func([]byte) bool) bool {
	c := v.client
	for {
		f, err := r.Next()
		if errors.Is(err, websocket.ErrShort) {
			return true
		}
		if err != nil {
			c.world.failf("client %d: %v", c.index, err)
			return false
		}
		switch f.Opcode {
		case websocket.PingFrame:
			if _, err := conn.Write(websocket.AppendMasked(nil, websocket.PongFrame, [4]byte{}, f.Payload)); err != nil {
				return false
			}
			continue
		case websocket.Close:
			return false
		}
		text, err := v.text(f)
		if err != nil {
			c.world.failf("client %d: %x: %v", c.index, f.Payload, err)
			return false
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			c.world.failf("client %d: not JSON: %s", c.index, text)
			return false
		}
		c.mu.Lock()
		next := v.hear(&m)
		c.mu.Unlock()
		for _, cmd := range next {
			if !send(cmd) {
				return false
			}
		}
	}
}

// text returns the JSON of a message.
func (v *visit) text(f websocket.Message) ([]byte, error) {
	switch {
	case f.Opcode == websocket.Text && !v.cbor:
		return f.Payload, nil
	case f.Opcode == websocket.Binary && v.cbor:
		text, err := protocol.AppendJSON(nil, f.Payload)
		if err != nil {
			return nil, err
		}
		return text, nil
	}
	return nil, errors.New("a frame of the other kind")
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

// pollAnswer is what a poll is answered with.
type pollAnswer struct {
	Position     string    `json:"position"`
	Publications []message `json:"publications"`
	Reset        []string  `json:"reset"`
	Signals      []message `json:"signals"`
	Messages     []message `json:"messages"`
	Session      string    `json:"session"`
	Ack          int       `json:"ack"`
}

func (v *visit) poll() {
	defer v.end()
	c := v.client
	if c.mixed() {
		return
	}
	c.mu.Lock()
	q := v.query()
	c.mu.Unlock()
	keep := c.roll(3) > 0 || c.hasWildcard()
	if keep {
		q.Set("keep", "1")
	}
	q.Set("wait", "5s")
	var speaking sync.WaitGroup
	defer speaking.Wait()
	defer v.end()
	for first := true; ; first = false {
		a, ok := v.pollOnce(q, first)
		if !ok {
			return
		}
		rest := c.isQuiet() && c.atRest()
		if time.Now().After(v.until) || rest {
			if rest && keep {
				c.settle()
			}
			return
		}
		if a == nil { // it was lost: ask again
			continue
		}
		if first && keep {
			speaking.Go(func() { v.speak(func(cmd []byte) bool { return v.post(a.Session, cmd) }) })
		}
		q.Set("since", a.Position)
		if keep {
			q = url.Values{"session": {a.Session}, "since": {a.Position}, "ack": {strconv.Itoa(a.Ack)}, "wait": {"5s"}}
		}
		v.stall()
	}
}

// pollOnce returns no answer if it was lost, and false if the session is over.
func (v *visit) pollOnce(q url.Values, first bool) (*pollAnswer, bool) {
	c := v.client
	conn, res, err := v.request(http.MethodGet, "/poll?"+q.Encode(), nil)
	if err != nil {
		return nil, false
	}
	defer conn.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, false
	}
	if !first && !c.isQuiet() && c.roll(10) == 0 {
		return nil, true
	}
	var a pollAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		c.world.failf("client %d: not JSON: %s", c.index, raw)
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first {
		for name, t := range c.tracks {
			t.forget()
			if !t.begun && !t.wildcard {
				c.begin(t, before(&a, name))
			}
		}
	}
	v.takePoll(&a)
	return &a, true
}

// takePoll takes an answer. What was reset or skipped in it has no order among the
// publications beside it.
func (v *visit) takePoll(a *pollAnswer) {
	c := v.client
	broken := map[string]bool{}
	for _, name := range a.Reset {
		broken[name] = true
		c.tracks[name].resets++
		c.note("reset %s", name)
	}
	for _, m := range a.Messages {
		if m.Type == "skipped" {
			broken[m.Channel] = true
			c.tracks[m.Channel].skips++
		}
	}
	for i := range a.Publications {
		m := &a.Publications[i]
		m.Type = "publication"
		if t := c.track(m.Channel); t != nil && broken[t.name] {
			if t.wildcard {
				t.spans = append(t.spans, &span{})
			} else {
				c.begin(t, protocol.EncodePosition(m.Channel, epochOf(a.Position, m.Channel), m.Offset-1))
			}
		}
		c.take(m)
	}
	for i := range a.Signals {
		c.take(&a.Signals[i])
	}
	for name, t := range c.tracks {
		switch {
		case broken[name]:
			c.begin(t, a.Position)
		case !t.wildcard:
			t.reach(a.Position)
		}
	}
}

// before returns the position before an answer's publications of a channel.
func before(a *pollAnswer, channel string) string {
	for _, m := range a.Publications {
		if m.Channel == channel {
			return protocol.EncodePosition(channel, epochOf(a.Position, channel), m.Offset-1)
		}
	}
	return a.Position
}

func epochOf(position, channel string) uint32 {
	p, _ := protocol.ParsePosition(position) // an empty one has no epoch
	epoch, _, _ := p.In(channel)
	return epoch
}
