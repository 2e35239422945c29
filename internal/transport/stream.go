package transport

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/netpoll"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

const (
	// writeBudget is how much is pulled for one write.
	writeBudget = 32 << 10
	// blockingBudget is the same where it is kept while the write blocks.
	blockingBudget = 8 << 10
	// lingerTime is how long a connection that we closed may take to hear it.
	lingerTime = 2 * time.Second
)

// framing is what differs between the kinds of stream.
type framing interface {
	publication(dst []byte, st *stream, f *hub.Frame) []byte
	signal(dst []byte, f *hub.Frame) []byte
	// st is nil for a message that must not carry a position.
	message(dst []byte, st *stream, json []byte) []byte
	ping(dst []byte, asMessage bool) []byte
	pong(dst, payload []byte) []byte
	drain(dst []byte, afterMillis int64) []byte
	// closing returns the last bytes: why is nil when the client went first.
	closing(dst []byte, why *protocol.Error) []byte
}

// stream is a connection that messages are written to.
type stream struct {
	// Static after it was opened.
	framing framing
	session *session.Session
	owner   *Handler
	conn    net.Conn        // nil if it is polled
	polled  *netpoll.Conn   // a connection that the poller watches
	raw     syscall.RawConn // of a TCP connection that it does not
	trier   TryWriter       // of any other that can be written to without blocking
	in      inbound
	deaf    bool // owned by the poller's loop: what comes does not count

	opened atomic.Bool            // the connection was taken over
	early  atomic.Bool            // Flush was called before that
	direct atomic.Bool            // opened, and can be written to without blocking
	stuck  atomic.Bool            // a goroutine has the write side and may block
	ended  atomic.Pointer[ending] // set when the session has ended

	mu      sync.Mutex // held by who writes; guards the following
	rest    []byte     // of what was encoded but could not be sent
	said    bool       // the last word was said
	lingers bool       // a polled connection is closed soon

	appended int64 // when the last publication of rest was, if that is to be measured
	blocked  int64 // Unix nanoseconds since when a polled connection takes nothing; 0: it does
}

// inbound is what the bytes of a connection go to. One goroutine at a time calls it.
type inbound interface {
	// early takes bytes that came with the request. They are obeyed later.
	early(b []byte)
	// take takes bytes, which it keeps no longer, and obeys what there is.
	take(b []byte) intake
}

// intake tells how to go on.
type intake uint8

const (
	more   intake = iota // read on
	full                 // read on when the session's connection is kicked
	enough               // what comes does not count any more
)

type ending struct{ why *protocol.Error }

// TryWriter is a connection that takes what it can take without blocking. It
// returns how much that is, and no error when it is full.
type TryWriter interface {
	TryWrite(b []byte) (int, error)
}

// hijack takes the connection of a request, opens a session on it, and writes the
// head of the response. It returns an error as long as the request can still be
// answered, and afterwards perhaps taken is false. Bytes that came early go to st.in.
// The session is prepared, if prepare is set, while it can still be refused.
func (h *Handler) hijack(w http.ResponseWriter, r *http.Request, st *stream, beat session.Heartbeat, head []byte, prepare func(*session.Session) *protocol.Error) (taken bool, refused *protocol.Error) {
	st.owner = h
	st.mu.Lock() // nobody writes before the head is written
	defer func() {
		there := st.conn != nil || st.polled != nil
		st.opened.Store(there)
		st.mu.Unlock()
		switch {
		case there && st.ended.Load() != nil:
			st.finish()
		case there && st.early.Load():
			st.Flush()
		}
	}()
	s, refused := h.open(r, st, beat)
	if refused != nil {
		return false, refused
	}
	st.session = s
	if prepare != nil {
		if refused := prepare(s); refused != nil {
			st.said = true
			s.End(nil)
			return false, refused
		}
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		st.said = true
		s.End(nil)
		return false, protocol.Errorf(protocol.NotSupported, "This connection cannot be taken over: HTTP/1.1 is needed.")
	}
	st.conn = conn
	_ = conn.SetDeadline(time.Time{}) // an error shows in the write
	if n := buf.Reader.Buffered(); n > 0 {
		first, _ := buf.Reader.Peek(n)
		st.in.early(append([]byte(nil), first...))
	}
	_ = conn.SetWriteDeadline(time.Now().Add(lingerTime)) // an error shows in the write
	if _, err = conn.Write(head); err != nil {
		conn.Close()
		s.End(nil)
		return false, nil
	}
	_ = conn.SetWriteDeadline(time.Time{}) // the same
	switch conn := conn.(type) {
	case *net.TCPConn:
		raw, err := conn.SyscallConn()
		if err != nil {
			break
		}
		setNotSentLowat(raw)
		st.direct.Store(true)
		if st.polled = h.watch(conn, st); st.polled != nil {
			st.conn = nil
		} else {
			st.raw = raw
		}
	case TryWriter:
		st.trier = conn
		st.direct.Store(true)
	case interface{ NetConn() net.Conn }: // TLS
		if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
			if raw, err := tcp.SyscallConn(); err == nil {
				setNotSentLowat(raw)
			}
		}
	}
	return true, nil
}

// Flush implements [session.Outlet].
func (st *stream) Flush() {
	if !st.opened.Load() {
		st.early.Store(true)
		if !st.opened.Load() {
			return // it is made good when the connection is there
		}
	}
	if !st.direct.Load() {
		st.handOver()
		return
	}
	// Nobody else writes: whoever does has not let the session become idle.
	st.mu.Lock()
	blocked := !st.pump()
	st.mu.Unlock()
	if blocked && st.polled != nil {
		st.polled.WantWrite()
	} else if blocked {
		st.handOver()
	} else if st.ended.Load() != nil {
		st.finish()
	}
}

// pump writes what there is without blocking, and tells whether it came to the
// end. The lock is held.
func (st *stream) pump() bool {
	w := writers.Get().(*writer)
	defer w.release()
	for more := true; more; {
		w.reset(st)
		more = st.session.Next(w, writeBudget)
		if len(w.buf) == 0 {
			continue
		}
		n, err := w.try()
		st.owner.wrote(n)
		if err != nil {
			st.close() // the reader sees it, and ends the session
			return true
		}
		if n < len(w.buf) {
			st.rest, st.appended = w.unsent(n), 0
			if st.polled != nil && st.blocked == 0 {
				st.blocked = time.Now().UnixNano()
			}
			return false
		}
		st.owner.delivered(w.appended)
	}
	return true
}

// handOver gives the write side to a goroutine that may block.
func (st *stream) handOver() {
	if !st.owner.spawn(st.drain) && st.mu.TryLock() {
		if st.conn != nil { // it is not one that is still being taken over
			st.conn.Close()
		}
		st.mu.Unlock()
	}
}

// drain writes what there is, waiting for the socket, until there is no more.
func (st *stream) drain() {
	st.mu.Lock()
	for st.ended.Load() == nil && st.drainOnce() {
	}
	st.mu.Unlock()
	if st.ended.Load() != nil {
		st.finish()
	}
}

// drainOnce tells whether there may be more. The lock is held.
func (st *stream) drainOnce() bool {
	if len(st.rest) > 0 {
		_ = st.conn.SetWriteDeadline(time.Now().Add(st.owner.conf.WriteTimeout)) // an error shows in the write
		st.stuck.Store(true)
		if st.ended.Load() != nil { // End came before it could see that
			st.stuck.Store(false)
			return false
		}
		began := time.Now()
		n, err := st.conn.Write(st.rest)
		st.stuck.Store(false)
		st.owner.wrote(n)
		st.owner.took(began)
		st.rest = nil
		if err != nil {
			st.abort()
			return false
		}
		_ = st.conn.SetWriteDeadline(time.Time{}) // it would end a later write that need not wait
		st.owner.delivered(st.appended)
	}
	if st.direct.Load() {
		return !st.pump()
	}
	w := writers.Get().(*writer)
	w.reset(st)
	more := st.session.Next(w, blockingBudget)
	st.rest, st.appended = append([]byte(nil), w.buf...), w.appended
	w.release()
	return more || len(st.rest) > 0
}

// End implements [session.Outlet].
func (st *stream) End(why *protocol.Error) {
	st.ended.Store(&ending{why})
	if st.stuck.Load() {
		// Whoever writes there now says the last word behind it, unless nobody
		// reads: then it would wait for ever.
		_ = st.conn.SetWriteDeadline(time.Now().Add(lingerTime)) // an error shows in the write
		return
	}
	st.finish()
}

// abort closes the connection without a last word: that of TLS may block for 5 s.
func (st *stream) abort() {
	if over, ok := st.conn.(interface{ NetConn() net.Conn }); ok {
		over.NetConn().Close()
	}
	st.conn.Close()
}

// finish says the last word and shuts the write side, unless somebody writes just
// now, who will then. It does not block.
func (st *stream) finish() {
	if !st.mu.TryLock() {
		return
	}
	defer st.mu.Unlock()
	e := st.ended.Load()
	if st.said || e == nil {
		return
	}
	if len(st.rest) > 0 {
		// What was begun is not finished: the last word would be taken for the
		// rest of it.
		if st.polled != nil {
			st.linger() // until it is
			return
		}
		st.said = true
		st.close()
		return
	}
	st.said = true
	last := st.framing.closing(nil, e.why)
	if !st.direct.Load() {
		if !st.owner.spawn(func() {
			_ = st.conn.SetWriteDeadline(time.Now().Add(lingerTime)) // an error shows in the write
			if _, err := st.conn.Write(last); err != nil {
				st.abort()
			}
			st.conn.Close()
		}) {
			st.conn.Close()
		}
		return
	}
	w := writers.Get().(*writer)
	defer w.release()
	w.buf = append(w.buf[:0], last...)
	w.st = st
	n, err := w.try()
	if err != nil || n < len(last) || e.why == nil || !st.closeWrite() {
		st.close()
		return
	}
	// The reader waits for the other side to hear it, but not long.
	st.linger()
}

// close ends the connection.
func (st *stream) close() {
	if st.polled != nil {
		st.polled.Close()
	} else {
		st.conn.Close()
	}
}

// closeWrite shuts the write side, and tells whether that can be done alone.
func (st *stream) closeWrite() bool {
	if st.polled != nil {
		return st.polled.CloseWrite() == nil
	}
	half, ok := st.conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// linger ends the connection soon. The lock is held.
func (st *stream) linger() {
	if st.polled == nil {
		_ = st.conn.SetReadDeadline(time.Now().Add(lingerTime)) // an error shows in the read
		return
	}
	if !st.lingers {
		st.lingers = true
		st.polled.CloseAfter(lingerTime)
	}
}
