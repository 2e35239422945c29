package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/internal/api"
	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/transport"
	"github.com/starling-rt/starling/internal/websocket"
	"github.com/starling-rt/starling/protocol"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// settings of a server under test.
type settings struct {
	session   session.Config
	transport transport.Config
	api       api.Config
	engine    eventlog.Engine
	tls       bool
}

// policy is one of functions. Those that are nil allow everything.
type policy struct {
	authenticate func(token string) (*auth.Identity, *protocol.Error)
	judge        func(who *auth.Identity, verb auth.Verb, channel string) (session.Verdict, *protocol.Error)
	ask          func(ctx context.Context, who *auth.Identity, verb auth.Verb, channel string) *protocol.Error
}

func (p *policy) Authenticate(_ context.Context, token string) (*auth.Identity, *protocol.Error) {
	return p.authenticate(token)
}

func (p *policy) Revoked(*auth.Identity) bool { return false }

func (p *policy) Judge(who *auth.Identity, verb auth.Verb, channel string) (session.Verdict, *protocol.Error) {
	if p.judge == nil {
		return session.Allowed, nil
	}
	return p.judge(who, verb, channel)
}

func (p *policy) Ask(ctx context.Context, who *auth.Identity, verb auth.Verb, channel string) *protocol.Error {
	return p.ask(ctx, who, verb, channel)
}

// box is a server on real sockets.
type box struct {
	t        *testing.T
	log      *eventlog.Log
	hub      *hub.Hub
	sessions *session.Server
	handler  *transport.Handler
	http     *httptest.Server
	addr     string
}

func open(t *testing.T, change func(*settings)) *box {
	t.Helper()
	set := &settings{transport: transport.Config{NoPoller: os.Getenv(portable) != ""}}
	if change != nil {
		change(set)
	}
	if set.engine == nil {
		set.engine = memory.New(memory.Options{Policies: func(string) eventlog.Policy { return eventlog.Policy{MaxRecords: 100} }})
	}
	b := &box{t: t, log: eventlog.New(set.engine)}
	b.hub = hub.New(b.log, hub.Options{})
	set.session.Hub, set.session.Log = b.hub, b.log
	b.sessions = session.NewServer(set.session)
	set.transport.Sessions = b.sessions
	b.handler = transport.New(set.transport)
	mux := http.NewServeMux()
	b.handler.Register(mux)
	set.api.Log, set.api.Sessions = b.log, b.sessions
	set.api.Local = func(origin string) bool { return strings.Contains(origin, "localhost") }
	api.New(set.api).Register(mux)
	b.http = httptest.NewUnstartedServer(mux)
	if set.tls {
		b.http.EnableHTTP2 = true
		b.http.StartTLS()
	} else {
		b.http.Start()
	}
	b.addr = b.http.Listener.Addr().String()
	t.Cleanup(b.close)
	return b
}

func (b *box) close() {
	b.sessions.Close()
	b.http.CloseClientConnections()
	b.http.Close()
	b.handler.Wait()
	b.hub.Close()
	if err := b.log.Close(); err != nil {
		b.t.Errorf("close the log: %v", err)
	}
}

func (b *box) publish(channel, data string) {
	b.t.Helper()
	_, err := b.log.Append(context.Background(), eventlog.Append{Channel: channel, Entries: []eventlog.Entry{{Data: []byte(data)}}})
	if err != nil {
		b.t.Errorf("publish: %v", err)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// stored returns the data of what a channel keeps.
func (b *box) stored(channel string) (data []string) {
	b.t.Helper()
	page, err := b.sessions.History(b.t.Context(), session.HistoryQuery{Channel: channel, Limit: 1000})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range page.Publications {
		data = append(data, string(p.Data))
	}
	return data
}

func (b *box) sessionsBecome(n int64) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("the sessions become %d", n), func() bool { return b.sessions.Stats().Sessions == n })
}

// tcp opens a connection, over TLS if the server speaks it.
func (b *box) tcp() net.Conn {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	return conn
}

// ws is a WebSocket client that can misbehave.
type ws struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
	r    websocket.Reader
	cbor bool // what goes over the wire is CBOR; say and hear have its JSON
}

func (b *box) ws(headers ...string) *ws {
	b.t.Helper()
	return upgrade(b.t, b.tcp(), headers...)
}

func upgrade(t *testing.T, conn net.Conn, headers ...string) *ws {
	t.Helper()
	w := &ws{t: t, conn: conn, br: bufio.NewReader(conn), r: websocket.Reader{MaxBytes: 16 << 20}}
	res := w.handshake(headers...)
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: got %s", res.Status)
	}
	w.r.Deflate = res.Header.Get("Sec-Websocket-Extensions") != ""
	w.cbor = res.Header.Get("Sec-Websocket-Protocol") == transport.SubprotocolCBOR
	return w
}

func (w *ws) handshake(headers ...string) *http.Response {
	w.t.Helper()
	head := "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, h := range headers {
		head += h + "\r\n"
	}
	if _, err := io.WriteString(w.conn, head+"\r\n"); err != nil {
		w.t.Fatal(err)
	}
	res, err := http.ReadResponse(w.br, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

const deflate = "Sec-WebSocket-Extensions: permessage-deflate"

var mask = [4]byte{7, 1, 9, 3}

// frame returns a masked frame.
func frame(h websocket.Header, payload string) []byte {
	h.Masked, h.Mask = true, mask
	if h.Length == 0 {
		h.Length = int64(len(payload))
	}
	wire := websocket.AppendHeader(nil, h)
	from := len(wire)
	wire = append(wire, payload...)
	websocket.Mask(wire[from:], mask, 0)
	return wire
}

func text(s string) []byte { return frame(websocket.Header{Fin: true, Opcode: websocket.Text}, s) }

// raw sends bytes; what the server no longer takes is of no interest.
func (w *ws) raw(wire []byte) { _, _ = w.conn.Write(wire) }

func (w *ws) say(msg string) {
	if w.cbor {
		w.raw(frame(websocket.Header{Fin: true, Opcode: websocket.Binary}, string(protocol.AppendCBOR(nil, []byte(msg)))))
		return
	}
	w.raw(text(msg))
}

// next returns the next frame.
func (w *ws) next() (websocket.Message, error) {
	for {
		m, err := w.r.Next()
		if !errors.Is(err, websocket.ErrShort) {
			return m, err
		}
		buf := make([]byte, 4096)
		n, err := w.br.Read(buf)
		if err != nil {
			return m, err
		}
		w.r.Feed(buf[:n])
	}
}

// hear returns the next message; pings are answered.
func (w *ws) hear() string {
	w.t.Helper()
	for {
		m, err := w.next()
		if err != nil {
			w.t.Fatalf("hear: %v", err)
		}
		switch m.Opcode {
		case websocket.Text:
			if w.cbor {
				w.t.Fatalf("hear: a text instead of CBOR: %s", m.Payload)
			}
			return string(m.Payload)
		case websocket.Binary:
			text, err := protocol.AppendJSON(nil, m.Payload)
			if err != nil || !w.cbor {
				w.t.Fatalf("hear: %x: %v", m.Payload, err)
			}
			return string(text)
		case websocket.PingFrame:
			w.raw(frame(websocket.Header{Fin: true, Opcode: websocket.PongFrame}, string(m.Payload)))
		case websocket.Close:
			w.t.Fatalf("hear: closed: %q", m.Payload)
		}
	}
}

// hears waits for a message that contains a text, past others.
func (w *ws) hears(want string) string {
	w.t.Helper()
	for {
		if got := w.hear(); strings.Contains(got, want) {
			return got
		}
	}
}

// ends waits for the close frame, past messages, and returns what it says.
func (w *ws) ends() (code int, reason string) {
	w.t.Helper()
	for {
		m, err := w.next()
		if err != nil {
			w.t.Fatalf("wait for the end: %v", err)
		}
		if m.Opcode == websocket.Close {
			if len(m.Payload) < 2 {
				w.t.Fatal("close without a code")
			}
			return int(binary.BigEndian.Uint16(m.Payload)), string(m.Payload[2:])
		}
	}
}

// subscribe subscribes, and waits until it is.
func (w *ws) subscribe(channel string) {
	w.t.Helper()
	w.say(`{"type":"subscribe","id":"sub","channel":"` + channel + `"}`)
	w.hears(`"recovered"`)
}

// witness is a session that must not notice what others do.
type witness struct {
	b *box
	w *ws
	n int
}

func (b *box) witness() *witness {
	b.t.Helper()
	w := b.ws()
	w.subscribe("witness")
	return &witness{b: b, w: w}
}

// fine checks that the witness is served.
func (w *witness) fine() {
	w.b.t.Helper()
	w.n++
	mark := fmt.Sprintf(`"mark %d"`, w.n)
	w.b.publish("witness", mark)
	if got := w.w.hears(`"type":"publication"`); !strings.Contains(got, mark) {
		w.b.t.Errorf("the witness got %s, want %s", got, mark)
	}
}

// refusal is what an HTTP request was refused with.
type refusal struct {
	status int
	header http.Header
	body   string
	Error  struct {
		Code    int    `json:"code"`
		Name    string `json:"name"`
		Message string `json:"message"`
		Retry   *bool  `json:"retry"`
	} `json:"error"`
}

func (b *box) do(method, path, body string, headers ...string) refusal {
	b.t.Helper()
	req, err := http.NewRequest(method, b.http.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	res, err := b.http.Client().Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	r := refusal{status: res.StatusCode, header: res.Header, body: string(raw)}
	_ = json.Unmarshal(raw, &r) // not every answer is JSON
	return r
}

// answer reads an HTTP response.
func (w *ws) answer() *http.Response {
	w.t.Helper()
	if w.br == nil {
		w.br = bufio.NewReader(w.conn)
	}
	res, err := http.ReadResponse(w.br, nil)
	if err != nil {
		w.t.Fatalf("read the answer: %v", err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res
}

// eof waits for the server to close the connection.
func (w *ws) eof() {
	w.t.Helper()
	_, err := io.Copy(io.Discard, w.br)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Errorf("the connection stays open")
	}
}

// position returns where a channel stands.
func (b *box) position(channel string) string {
	b.t.Helper()
	p, err := b.log.Head(context.Background(), channel)
	if err != nil {
		b.t.Fatal(err)
	}
	return protocol.EncodePosition(channel, p.Epoch, p.Offset)
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// dial opens a WebSocket, over TLS if the server speaks it.
func (b *box) dial(headers ...string) *ws {
	b.t.Helper()
	conn := b.tcp()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	if b.http.TLS != nil {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	return upgrade(b.t, conn, headers...)
}
