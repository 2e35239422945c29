package transport

import (
	"bytes"
	"net"
	"testing"

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
