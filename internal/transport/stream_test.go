package transport

import (
	"net"
	"testing"

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
