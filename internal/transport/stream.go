package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
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

// read gives what comes to st.in until the session or the connection has ended:
// on a goroutine, or on those of the poller.
func (st *stream) read() {
	if st.polled != nil {
		st.polled.Start()
		st.polled.Kick() // for what came early
		return
	}
	// Not in the handler's goroutine: that holds on to what net/http needed for the
	// request.
	if !st.owner.spawn(st.readLoop) {
		st.session.End(nil)
	}
}

func (st *stream) readLoop() {
	if st.in.take(nil) == more {
		st.reader(func(b []byte) bool { return st.in.take(b) == more })
	}
	st.session.End(nil)
	st.discard()
}

// reader calls data with what comes, until the connection ends or data returns
// false. While nothing comes it holds no buffer, if the connection can do that.
func (st *stream) reader(data func([]byte) bool) {
	if st.raw == nil {
		buf := make([]byte, 2048)
		for {
			n, err := st.conn.Read(buf)
			if n > 0 && !data(buf[:n]) || err != nil {
				return
			}
		}
	}
	var buf *[]byte
	var n int
	var fail error
	ready := func(fd uintptr) bool {
		buf = readBuffers.Get().(*[]byte)
		for {
			n, fail = syscall.Read(int(fd), *buf)
			if !errors.Is(fail, syscall.EINTR) {
				break
			}
		}
		if errors.Is(fail, syscall.EAGAIN) {
			readBuffers.Put(buf)
			return false
		}
		return true
	}
	for {
		if err := st.raw.Read(ready); err != nil {
			return
		}
		ok := fail == nil && n > 0 && data((*buf)[:n])
		readBuffers.Put(buf)
		if !ok {
			return
		}
	}
}

// discard reads until the other side has closed too.
func (st *stream) discard() {
	_, _ = io.Copy(io.Discard, st.conn) // the end is the end
	st.conn.Close()
}

var readBuffers = sync.Pool{New: func() any { b := make([]byte, 4096); return &b }}

// writer frames what a session says. It remembers which bytes are whose, so that
// what is not sent can be given back.
type writer struct {
	st       *stream
	buf      []byte
	segments []segment

	turn     uint8 // one in sampleEvery is measured
	appended int64 // when the last publication was, in Unix milliseconds, if this turn is measured

	// For try: one closure for the life of the writer.
	n   int
	err error
	fn  func(fd uintptr) bool
}

// segment begins at a byte of the buffer. Without a subscription its bytes are
// not given back.
type segment struct {
	start  int
	sub    *hub.Subscription
	before hub.Place
}

var writers = sync.Pool{New: func() any {
	w := &writer{}
	w.fn = w.write
	return w
}}

func (w *writer) reset(st *stream) {
	w.st, w.buf = st, w.buf[:0]
	w.turn++
	w.appended = 0
	clear(w.segments)
	w.segments = w.segments[:0]
}

func (w *writer) release() {
	w.reset(nil)
	if cap(w.buf) > 4*writeBudget {
		w.buf = nil
	}
	writers.Put(w)
}

// try writes the buffer as far as the socket takes it now.
func (w *writer) try() (int, error) {
	if w.st.polled != nil {
		return w.st.polled.TryWrite(w.buf)
	}
	if w.st.trier != nil {
		return w.st.trier.TryWrite(w.buf)
	}
	w.n, w.err = 0, nil
	if err := w.st.raw.Write(w.fn); err != nil {
		return 0, err
	}
	return w.n, w.err
}

func (w *writer) write(fd uintptr) bool {
	for w.n < len(w.buf) {
		n, err := syscall.Write(int(fd), w.buf[w.n:])
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return true
		case err != nil:
			w.err = err
			return true
		default:
			w.n += n
		}
	}
	return true
}

// unsent returns a copy of what has to be sent after the first n bytes: the frame
// that was begun or is next, which the goroutine that waits for the socket has to
// have, and what cannot be given back. The rest is given back.
func (w *writer) unsent(n int) []byte {
	var rest []byte
	restored := map[*hub.Subscription]bool{}
	for i, sg := range w.segments {
		end := len(w.buf)
		if i+1 < len(w.segments) {
			end = w.segments[i+1].start
		}
		switch {
		case end <= n:
		case len(rest) == 0 || sg.sub == nil:
			rest = append(rest, w.buf[max(n, sg.start):end]...)
		case !restored[sg.sub]:
			restored[sg.sub] = true
			sg.sub.Restore(sg.before)
		}
	}
	return rest
}

// Len implements [hub.Emitter].
func (w *writer) Len() int { return len(w.buf) }

// Publication implements [hub.Emitter].
func (w *writer) Publication(s *hub.Subscription, f *hub.Frame, before hub.Place) {
	w.segments = append(w.segments, segment{len(w.buf), s, before})
	w.buf = w.st.framing.publication(w.buf, w.st, f)
	if w.turn%sampleEvery == 0 {
		w.appended = s.Appended(f)
	}
}

// Signal implements [hub.Emitter].
func (w *writer) Signal(s *hub.Subscription, f *hub.Frame, before hub.Place) {
	w.segments = append(w.segments, segment{len(w.buf), s, before})
	w.buf = w.st.framing.signal(w.buf, f)
}

// Notice implements [hub.Emitter].
func (w *writer) Notice(s *hub.Subscription, n hub.Notice, before hub.Place) {
	w.segments = append(w.segments, segment{len(w.buf), s, before})
	w.buf = w.st.framing.message(w.buf, w.st, notice(s, n))
}

// Message implements [session.Writer].
func (w *writer) Message(json []byte) {
	st := w.st
	if slices.ContainsFunc(w.segments, func(sg segment) bool { return sg.sub != nil }) {
		st = nil // a position would cover what may yet be given back
	}
	w.segments = append(w.segments, segment{start: len(w.buf)})
	w.buf = w.st.framing.message(w.buf, st, json)
}

// Ping implements [session.Writer].
func (w *writer) Ping(asMessage bool) {
	w.segments = append(w.segments, segment{start: len(w.buf)})
	w.buf = w.st.framing.ping(w.buf, asMessage)
}

// Pong implements [session.Writer].
func (w *writer) Pong(payload []byte) {
	w.segments = append(w.segments, segment{start: len(w.buf)})
	w.buf = w.st.framing.pong(w.buf, payload)
}

// Drain implements [session.Writer].
func (w *writer) Drain(afterMillis int64) {
	w.segments = append(w.segments, segment{start: len(w.buf)})
	w.buf = w.st.framing.drain(w.buf, afterMillis)
}

// notice encodes what a subscription has to tell.
func notice(s *hub.Subscription, n hub.Notice) []byte {
	switch n {
	case hub.Skipped:
		return protocol.AppendSkipped(nil, s.Channel(), s.Position())
	case hub.Moved:
		return protocol.AppendPositionMessage(nil, s.Channel(), s.Position())
	default:
		return protocol.AppendReset(nil, s.Channel(), s.Position(), n.Reason())
	}
}
