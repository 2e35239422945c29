package transport_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/websocket"
)

// Clients that close their half, or vanish, end their session and nothing else.
func TestConnectionsThatEndBadly(t *testing.T) {
	b := open(t, nil)
	others := b.witness()
	reset := func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	half := func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }
	for name, end := range map[string]func(net.Conn){"half closed": half, "reset": reset, "closed": func(c net.Conn) { c.Close() }} {
		t.Run("WebSocket "+name, func(t *testing.T) {
			w := b.ws()
			w.t = t
			w.subscribe("witness")
			w.raw(text("{}")[:3]) // within a frame
			end(w.conn)
			b.sessionsBecome(1)
			if name == "half closed" {
				w.eof() // with a close frame, unless a worker was writing just then
			}
			others.fine()
		})
		t.Run("SSE "+name, func(t *testing.T) {
			w := &ws{t: t, conn: b.tcp()}
			w.raw([]byte("GET /sse?channel=witness HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			b.sessionsBecome(2)
			end(w.conn)
			b.sessionsBecome(1)
			others.fine()
		})
		t.Run("poll "+name, func(t *testing.T) {
			w := &ws{t: t, conn: b.tcp()}
			w.raw([]byte("GET /poll?channel=quiet&since=" + b.position("quiet") + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			b.sessionsBecome(2)
			end(w.conn)
			b.sessionsBecome(1)
			others.fine()
		})
	}
}

// Connections that come and go leave nothing.
func TestConnectionsThatComeAndGo(t *testing.T) {
	b := open(t, nil)
	others := b.witness()
	count := func() int { return strings.Count(goroutines(), "\n\n") }
	before := count()
	for i := range 200 {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		w := &ws{t: t, conn: conn}
		switch i % 4 {
		case 0:
			w = upgrade(t, conn)
			w.subscribe("witness")
		case 1:
			w.raw([]byte("GET /sse?channel=witness HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		case 2:
			w.raw([]byte("GET /poll?channel=witness HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		case 3:
			w.raw([]byte("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgr"))
		}
		conn.Close()
	}
	b.ws().conn.Close() // it comes after them, so they have all been accepted
	eventually(t, "the sessions, subscriptions and goroutines end", func() bool {
		return b.sessions.Stats().Sessions == 1 && b.hub.Stats().Subscriptions == 1 && count() <= before
	})
	others.fine()
}

func heartbeats(s *settings) { s.session.Ping, s.session.PongWait = time.Second, time.Second }

// A client that answers heartbeats stays, one that does not is ended with 4106;
// as control frames and as messages.
func TestHeartbeats(t *testing.T) {
	b := open(t, heartbeats)
	t.Run("control frames", func(t *testing.T) {
		t.Parallel()
		w := b.ws()
		w.t = t
		for range 3 {
			m, err := w.next()
			if err != nil || m.Opcode != websocket.PingFrame {
				t.Fatalf("got %v %q, %v", m.Opcode, m.Payload, err)
			}
			w.raw(frame(websocket.Header{Fin: true, Opcode: websocket.PongFrame}, ""))
		}
		if code, reason := w.ends(); code != 4106 || !strings.HasPrefix(reason, "no_pong: ") || !strings.Contains(reason, "Resume") {
			t.Errorf("closed with %d %q", code, reason)
		}
	})
	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		w := b.ws()
		w.t = t
		w.say(`{"type":"connect","id":1,"pings":true}`)
		if got := w.hear(); !strings.Contains(got, `"ping":1000`) {
			t.Errorf("got %s", got)
		}
		for range 3 {
			if got := w.hear(); got != `{"type":"ping"}` {
				t.Fatalf("got %s", got)
			}
			w.say(`{"type":"pong"}`)
		}
		if code, _ := w.ends(); code != 4106 {
			t.Errorf("closed with %d", code)
		}
	})
	t.Run("a client's ping", func(t *testing.T) {
		t.Parallel()
		w := b.ws()
		w.t = t
		w.raw(frame(websocket.Header{Fin: true, Opcode: websocket.PingFrame}, "hello"))
		for {
			m, err := w.next()
			if err != nil {
				t.Fatal(err)
			}
			if m.Opcode == websocket.PongFrame {
				if string(m.Payload) != "hello" {
					t.Errorf("got %q", m.Payload)
				}
				return
			}
		}
	})
	t.Run("SSE", func(t *testing.T) {
		t.Parallel()
		s := b.sse("/sse?channel=quiet")
		s.t = t
		s.hears(":\n")
		s.hears(":\n")
	})
}

// Readers that stall are ended by the heartbeat, cost the server next to nothing
// meanwhile, and nobody waits for them.
func TestReadersThatStall(t *testing.T) {
	b := open(t, func(s *settings) {
		heartbeats(s)
		s.session.PongWait = 3 * time.Second // the witness answers no sooner than it is looked at
	})
	others := b.witness()
	const each = 8
	for range each {
		conn := b.tcp()
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		upgrade(t, conn).subscribe("flood")
		conn = b.tcp()
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		w := &ws{t: t, conn: conn}
		w.raw([]byte("GET /sse?channel=flood HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	}
	b.sessionsBecome(2*each + 1)
	before := heap()
	data := `"` + strings.Repeat("x", 16<<10) + `"`
	slowest := time.Duration(0)
	for i := range 600 {
		b.publish("flood", data)
		if i%50 == 0 {
			began := time.Now()
			others.fine()
			slowest = max(slowest, time.Since(began))
		}
	}
	// A tail of 1 MiB, the log's newest 100, and pages; not 600 × 16 KiB for each.
	if grown := heap() - before; grown > 12<<20 {
		t.Errorf("the heap grew by %d bytes for %d stalled readers", grown, 2*each)
	}
	if slowest > 5*time.Second {
		t.Errorf("others waited %v", slowest)
	}
	eventually(t, "the stalled are ended", func() bool {
		others.fine()
		return b.sessions.Stats().Sessions == 1
	})
	if n := b.sessions.Stats().Pongless; n != 2*each {
		t.Errorf("%d were ended by the heartbeat, want %d", n, 2*each)
	}
}

// A poll whose answer nobody takes, and an event stream over HTTP/2 that nobody
// reads, hold nothing for longer than the timeout.
func TestAnswersThatNobodyTakes(t *testing.T) {
	t.Run("poll", func(t *testing.T) {
		b := open(t, func(s *settings) {
			s.transport.WriteTimeout, s.api.WriteTimeout, s.api.Open = 3*time.Second, 3*time.Second, true // for as long they are seen to be stuck
		})
		for range 100 {
			b.publish("long", `"`+strings.Repeat("x", 60<<10)+`"`)
		}
		for range 5 {
			conn := b.tcp()
			_ = conn.(*net.TCPConn).SetReadBuffer(4096)
			w := &ws{t: t, conn: conn}
			w.raw([]byte(strings.Repeat("GET /api/v1/channels/long/history?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n", 20)))
		}
		busy := func() bool { return strings.Contains(goroutines(), "transport.WriteJSON") }
		eventually(t, "answers are stuck", busy)
		eventually(t, "they are given up", func() bool { return !busy() })
	})
	t.Run("SSE over HTTP/2", func(t *testing.T) {
		b := open(t, func(s *settings) { s.tls = true; s.transport.WriteTimeout = time.Second })
		s := b.sse("/sse?channel=flood")
		if s.res.ProtoMajor != 2 {
			t.Fatalf("got %s", s.res.Proto)
		}
		data := `"` + strings.Repeat("x", 60<<10) + `"`
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for b.sessions.Stats().Sessions > 0 && ctx.Err() == nil {
			b.publish("flood", data)
		}
		b.sessionsBecome(0)
	})
}

// Drain tells the sessions of each transport, ends them, and takes no new ones.
func TestDrain(t *testing.T) {
	b := open(t, nil)
	w := b.ws()
	w.subscribe("c")
	s := b.sse("/sse?channel=c")
	s.hears("session")
	polled := make(chan refusal, 1)
	position := b.position("c")
	go func() { polled <- b.do("GET", "/poll?channel=c&keep=1&since="+position, "") }()
	b.sessionsBecome(3)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		b.sessions.Drain(t.Context(), 100*time.Millisecond)
	}()
	if got := w.hear(); !strings.HasPrefix(got, `{"type":"drain","after":`) {
		t.Errorf("WebSocket: got %s", got)
	}
	for _, row := range []struct{ name, path, want string }{
		{"poll", "/poll?channel=c", `"code":4302`},
		{"SSE", "/sse?channel=c", "retry: 1000\nevent: error\ndata: {\"code\":4302"},
	} {
		got := b.do("GET", row.path, "")
		if want := map[string]int{"poll": 503, "SSE": 200}[row.name]; got.status != want || !strings.Contains(got.body, row.want) {
			t.Errorf("a new %s: got %d %s", row.name, got.status, got.body)
		}
	}
	late := &ws{t: t, conn: b.tcp()}
	late.br = nil
	late.raw([]byte("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	if got := late.answer(); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("a new WebSocket: got %s %v", got.Status, got.Header)
	}
	if got := <-polled; got.status != 200 || !strings.Contains(got.body, `"messages":[{"type":"drain","after":`) {
		t.Errorf("poll: got %d %s", got.status, got.body)
	}
	if got := s.hears("event: error"); !strings.Contains(got, `"code":4302`) || !strings.HasPrefix(got, "retry: ") {
		t.Errorf("SSE: got %s", got)
	}
	s.ends()
	if code, reason := w.ends(); code != 4302 || !strings.HasPrefix(reason, "draining: The server is going away") {
		t.Errorf("WebSocket: closed with %d %q", code, reason)
	}
	<-drained
	b.sessionsBecome(0)
}

// The same over connections that cannot be written to without blocking.
func TestOverTLS(t *testing.T) {
	b := open(t, func(s *settings) { s.tls = true })
	conn, err := tls.Dial("tcp", b.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	w := upgrade(t, conn, deflate)
	w.subscribe("c")
	s := b.sse("/sse?channel=c")
	s.hears("session")
	one, err := tls.Dial("tcp", b.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	_ = one.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(one, "GET /sse?channel=c HTTP/1.1\r\nHost: localhost\r\n\r\n")
	b.sessionsBecome(3)
	early := &ws{t: t, conn: one}
	var all []byte
	for i := range 200 {
		b.publish("c", fmt.Sprintf(`"%d %s"`, i, strings.Repeat("long ", 200)))
	}
	for i := range 200 {
		want := fmt.Sprintf(`"data":"%d `, i)
		if got := w.hear(); !strings.Contains(got, want) {
			t.Fatalf("WebSocket: got %.120s, want %s", got, want)
		}
		if got, err := s.event(); err != nil || !strings.Contains(got, want) {
			t.Fatalf("HTTP/2: got %.120s, want %s", got, want)
		}
	}
	buf := make([]byte, 32<<10)
	for !strings.Contains(string(all), `"data":"199 `) {
		n, err := early.conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, buf[:n]...)
	}
	w.raw(frame(websocket.Header{Fin: true, Opcode: websocket.Binary}, "x"))
	if code, _ := w.ends(); code != 1003 {
		t.Errorf("closed with %d", code)
	}
	one.Close()
	b.sessionsBecome(1)
}

// What goes to many is compressed once.
func TestBroadcastsAreCompressedOnce(t *testing.T) {
	b := open(t, nil)
	data := `"` + strings.Repeat("a broadcast ", 2000) + `"`
	const n = 20
	var all []*ws
	for range n {
		w := b.ws(deflate)
		if !w.r.Deflate {
			t.Fatal("permessage-deflate was not granted")
		}
		w.subscribe("c")
		all = append(all, w)
	}
	seen := []*frames{{}, {}}
	for _, f := range seen {
		sub, _, err := b.hub.Subscribe(t.Context(), "c", f, hub.Join{})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		sub.Start()
		f.sub = sub
	}
	plain := b.ws()
	plain.subscribe("c")
	b.publish("c", data)
	if got := plain.hear(); !strings.Contains(got, data) {
		t.Errorf("uncompressed: got %.100s", got)
	}
	for _, w := range all {
		if got := w.hear(); !strings.Contains(got, data) {
			t.Errorf("compressed: got %.100s", got)
		}
	}
	for _, f := range seen {
		f.sub.Pull(f, 1<<20)
	}
	first, second := seen[0].last, seen[1].last
	if first == nil || first != second || &first.WebSocket(true)[0] != &second.WebSocket(true)[0] {
		t.Errorf("the frame is not shared: %p and %p", first, second)
	}
	if got := len(first.WebSocket(true)); got > len(data)/10 {
		t.Errorf("compressed to %d bytes", got)
	}
}

// frames is a listener that keeps the last frame.
type frames struct {
	sub  *hub.Subscription
	last *hub.Frame
}

func (f *frames) Mark(*hub.Subscription) bool                                 { return false }
func (f *frames) Flush()                                                      {}
func (f *frames) Len() int                                                    { return 0 }
func (f *frames) Publication(_ *hub.Subscription, fr *hub.Frame, _ hub.Place) { f.last = fr }
func (f *frames) Signal(*hub.Subscription, *hub.Frame, hub.Place)             {}
func (f *frames) Notice(*hub.Subscription, hub.Notice, hub.Place)             {}
