package transport

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// taker is a connection that takes everything.
type taker struct {
	net.Conn
	took   []byte
	closed bool
}

func (c *taker) TryWrite(b []byte) (int, error) {
	c.took = append(c.took, b...)
	return len(b), nil
}

func (c *taker) Close() error {
	c.closed = true
	return nil
}

// A session that ends between a write that was cut short and the goroutine that
// goes on with it says nothing more: it would stand within a message.
func TestNoLastWordWithinAMessage(t *testing.T) {
	for _, f := range []framing{wsFraming{}, sseFraming{}} {
		conn := &taker{}
		st := &stream{framing: f, conn: conn, trier: conn, rest: []byte("the other half")}
		st.direct.Store(true)
		st.End(protocol.Errorf(protocol.RateLimited, "Too many commands."))
		if len(conn.took) > 0 || !conn.closed {
			t.Errorf("%T: %q was sent within a message, and closed is %v", f, conn.took, conn.closed)
		}
	}
}

// gate is a connection whose writes wait until the gate opens, or their deadline
// is set.
type gate struct {
	net.Conn
	writing  chan struct{}  // a write has come
	deadline chan time.Time // of a write, as it is set
	open     chan struct{}
	took     bytes.Buffer
}

func (c *gate) Write(b []byte) (int, error) {
	c.writing <- struct{}{}
	<-c.open
	return c.took.Write(b)
}

func (c *gate) SetWriteDeadline(at time.Time) error {
	c.deadline <- at
	return nil
}

func (c *gate) Close() error { return nil }

// gated returns a stream that has something to write to a gate, and begins to.
func gated(t *testing.T) (*stream, *gate) {
	t.Helper()
	conn := &gate{writing: make(chan struct{}), deadline: make(chan time.Time, 9), open: make(chan struct{})}
	log := eventlog.New(memory.New(memory.Options{}))
	h := hub.New(log, hub.Options{})
	sessions := session.NewServer(session.Config{Hub: h, Log: log})
	st := &stream{framing: wsFraming{}, owner: New(Config{Sessions: sessions}), conn: conn, rest: []byte("hello")}
	st.opened.Store(true)
	s, refused := sessions.Open(session.Options{Outlet: st})
	if refused != nil {
		t.Fatal(refused)
	}
	st.session = s
	t.Cleanup(func() {
		sessions.Close()
		st.owner.Wait()
		h.Close()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	st.handOver()
	<-conn.writing
	if in := time.Until(<-conn.deadline); in <= lingerTime || in > DefaultWriteTimeout {
		t.Errorf("the write may take %v, want at most %v", in, DefaultWriteTimeout)
	}
	return st, conn
}

// A session that ends while somebody writes says its last word behind what is
// written, and that write has an end.
func TestLastWordBehindAWrite(t *testing.T) {
	st, conn := gated(t)
	st.session.End(protocol.Errorf(protocol.RateLimited, "Too many commands."))
	if in := time.Until(<-conn.deadline); in <= 0 || in > lingerTime {
		t.Errorf("the write may take %v, want at most %v", in, lingerTime)
	}
	close(conn.open)
	<-conn.writing // the last word
	st.owner.Wait()
	if got := conn.took.String(); !strings.HasPrefix(got, "hello\x88") || !strings.Contains(got, "rate_limited") {
		t.Errorf("got %q, want a close frame behind what was written", got)
	}
}

// A reader that stalled once, and then took everything, is not cut off later.
func TestReaderThatStalledOnce(t *testing.T) {
	st, conn := gated(t)
	close(conn.open)
	if at := <-conn.deadline; !at.IsZero() {
		t.Errorf("a later write has to end by %v, though nobody stalls", at)
	}
	st.session.End(nil)
	<-conn.writing
}

// A message that stays when publications before it are given back does not carry
// a position after them: an EventSource that lost the connection would never ask
// for them again.
func TestPositionOfWhatWasGivenBack(t *testing.T) {
	log := eventlog.New(memory.New(memory.Options{}))
	h := hub.New(log, hub.Options{})
	sessions := session.NewServer(session.Config{Hub: h, Log: log})
	s, err := sessions.Open(session.Options{Outlet: &signalOutlet{ready: make(chan struct{}, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	sub, _, err := s.Join("c", protocol.Position{}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := log.Append(t.Context(), eventlog.Append{Channel: "c", Entries: []eventlog.Entry{{Data: []byte("1")}}}); err != nil {
			t.Fatal(err)
		}
	}
	sub.Start()
	w := &writer{}
	w.reset(&stream{framing: sseFraming{}, session: s})
	s.Next(w, writeBudget)
	w.Message([]byte(`{"type":"unsubscribed","channel":"d"}`))
	rest := w.unsent(len("id: "))
	if n := bytes.Count(rest, []byte(`"type":"publication"`)); n != 1 {
		t.Fatalf("%d publications are left, want the first: %q", n, rest)
	}
	if bytes.Contains(rest, []byte("\nid: ")) {
		t.Errorf("a position stands behind what was given back: %q", rest)
	}
	sessions.Close()
	h.Close()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
