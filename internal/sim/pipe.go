package sim

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBytes is how much a direction of a connection holds: little, so that stalled
// readers are felt soon.
const pipeBytes = 2048

// half is one direction of a connection.
type half struct {
	mu   sync.Mutex
	cond sync.Cond
	buf  []byte
	eof  bool // the writer has closed
	dead bool // the connection broke

	readBy, writeBy     time.Time
	readTimer, writeTmr *time.Timer
}

func newHalf() *half {
	h := &half{}
	h.cond.L = &h.mu
	return h
}

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) == 0 {
		switch {
		case h.dead:
			return 0, net.ErrClosed
		case h.eof:
			return 0, io.EOF
		case past(h.readBy):
			return 0, os.ErrDeadlineExceeded
		}
		h.cond.Wait()
	}
	n := copy(b, h.buf)
	h.buf = append(h.buf[:0], h.buf[n:]...)
	h.cond.Broadcast()
	return n, nil
}

// write writes what fits, and all of it if it may wait.
func (h *half) write(b []byte, wait bool) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.dead, h.eof:
			return n, errors.New("broken pipe")
		case wait && past(h.writeBy):
			return n, os.ErrDeadlineExceeded
		}
		k := min(len(b)-n, pipeBytes-len(h.buf))
		h.buf = append(h.buf, b[n:n+k]...)
		n += k
		h.cond.Broadcast()
		if n == len(b) || !wait {
			return n, nil
		}
		h.cond.Wait()
	}
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (h *half) close(dead bool) {
	h.mu.Lock()
	h.eof = true
	h.dead = h.dead || dead
	h.cond.Broadcast()
	h.mu.Unlock()
}

// wakeAt has those who wait look at the time again.
func (h *half) wakeAt(timer **time.Timer, t time.Time) {
	if *timer != nil {
		(*timer).Stop()
		*timer = nil
	}
	if !t.IsZero() {
		*timer = time.AfterFunc(time.Until(t), func() {
			h.mu.Lock()
			h.cond.Broadcast()
			h.mu.Unlock()
		})
	}
	h.cond.Broadcast()
}

// conn is one end of a connection.
type conn struct{ in, out *half }

func newConn() (a, b *conn) {
	x, y := newHalf(), newHalf()
	return &conn{x, y}, &conn{y, x}
}

func (c *conn) Read(b []byte) (int, error)     { return c.in.read(b) }
func (c *conn) Write(b []byte) (int, error)    { return c.out.write(b, true) }
func (c *conn) TryWrite(b []byte) (int, error) { return c.out.write(b, false) }
func (c *conn) CloseWrite() error              { c.out.close(false); return nil }

func (c *conn) Close() error {
	c.out.close(false)
	c.in.close(true)
	_ = c.SetDeadline(time.Time{}) // never fails
	return nil
}

// snap breaks the connection: what was on its way is lost.
func (c *conn) snap() {
	for _, h := range []*half{c.in, c.out} {
		h.mu.Lock()
		h.buf = nil
		h.mu.Unlock()
		h.close(true)
	}
}

func (c *conn) LocalAddr() net.Addr  { return addr{} }
func (c *conn) RemoteAddr() net.Addr { return addr{} }

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)  // never fails
	_ = c.SetWriteDeadline(t) // never fails
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.readBy = t
	c.in.wakeAt(&c.in.readTimer, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.writeBy = t
	c.out.wakeAt(&c.out.writeTmr, t)
	return nil
}

type addr struct{}

func (addr) Network() string { return "sim" }
func (addr) String() string  { return "10.0.0.1:1" }

// listener hands connections to an HTTP server.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	open map[*conn]bool // the server's ends
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{}), open: map[*conn]bool{}}
}

func (l *listener) dial() (*conn, error) {
	client, server := newConn()
	select {
	case l.conns <- server:
		l.mu.Lock()
		l.open[server] = true
		l.mu.Unlock()
		return client, nil
	case <-l.closed:
		return nil, errors.New("connection refused")
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return addr{} }

// snap breaks every connection.
func (l *listener) snap() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.snap()
	}
	l.open = map[*conn]bool{}
}
