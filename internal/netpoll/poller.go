package netpoll

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/starling-rt/starling/internal/wheel"
)

// ErrUnsupported is returned by New where there is no poller.
var ErrUnsupported = errors.New("netpoll: not supported on this system")

// ErrClosed is returned by writes to a connection that was closed.
var ErrClosed = errors.New("netpoll: the connection is closed")

// Handler takes what happens on a connection. Its methods are called by the
// connection's loop, one after the other; they must not block.
type Handler interface {
	// Data takes bytes that came; they are valid until it returns.
	Data(b []byte)
	// EOF tells that nothing more comes. It is called once at most.
	EOF()
	// Writable tells that the socket takes more, after WantWrite.
	Writable()
	// Resume is called after Kick.
	Resume()
}

// readSize is how much is read at once.
const readSize = 64 << 10

// maxReads is how often one connection is read before the next has its turn.
const maxReads = 4

// Poller watches connections. Its methods are safe for concurrent use.
type Poller struct {
	loops []*loop
	wheel *wheel.Wheel // of connections that are to be closed later
	conns sync.WaitGroup
	run   sync.WaitGroup
}

// New returns a running Poller, with so many loops; 0 stands for one for each core.
func New(loops int) (*Poller, error) {
	if loops <= 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	p := &Poller{}
	for range loops {
		l, err := newLoop(p)
		if err != nil {
			for _, made := range p.loops {
				made.close()
			}
			return nil, err
		}
		p.loops = append(p.loops, l)
	}
	p.wheel = wheel.New(250*time.Millisecond, 10*time.Second)
	for _, l := range p.loops {
		p.run.Go(l.run)
	}
	return p, nil
}

// Close gives connections so long to end, shuts down those that are left, and
// returns when all are closed and no Handler runs. No connection may be adopted any
// more.
func (p *Poller) Close(grace time.Duration) {
	none := make(chan struct{})
	go func() { // ends below, with the connections
		p.conns.Wait()
		close(none)
	}()
	select {
	case <-none:
	case <-time.After(grace):
	}
	for _, l := range p.loops {
		for _, c := range l.all() {
			c.Close()
		}
	}
	<-none
	for _, l := range p.loops {
		l.close()
	}
	p.run.Wait()
	p.wheel.Close()
}

// Adopt takes a connection over: tcp is not to be used any more, unless there is an
// error. Nothing is read before Start.
func (p *Poller) Adopt(tcp *net.TCPConn, h Handler) (*Conn, error) {
	fd, err := takeFD(tcp)
	if err != nil {
		return nil, err
	}
	c := &Conn{handler: h, loop: p.loops[fd%len(p.loops)], fd: int32(fd)}
	p.conns.Add(1)
	c.loop.put(c)
	return c, nil
}

// Conn is a connection that is watched. Its methods are safe for concurrent use.
type Conn struct {
	handler Handler
	loop    *loop
	fd      int32

	mu     sync.Mutex // guards the following; held by who writes
	state  state
	kicked bool // guarded by the loop's lock
}

// state is what is wanted of a connection, and what has happened to it.
type state uint8

const (
	started state = 1 << iota
	paused        // is not read
	writing       // wants to know when it can be written to
	ended         // nothing more comes
	closed        // was shut down: the loop is to close it
	gone          // the file descriptor is closed
)

// Start begins to read.
func (c *Conn) Start() {
	c.mu.Lock()
	if c.state&started == 0 {
		c.state |= started
		c.register()
	}
	c.mu.Unlock()
}

// Pause stops reading until Unpause.
func (c *Conn) Pause() { c.change(paused, 0) }

// Unpause goes on reading.
func (c *Conn) Unpause() { c.change(0, paused) }

// WantWrite has Writable called for as long as the socket takes something, until
// NoWrite.
func (c *Conn) WantWrite() { c.change(writing, 0) }

// NoWrite ends WantWrite.
func (c *Conn) NoWrite() { c.change(0, writing) }

func (c *Conn) change(set, clear state) {
	c.mu.Lock()
	next := c.state&^clear | set
	if next != c.state {
		c.state = next
		if next&started != 0 && next&gone == 0 {
			c.register()
		}
	}
	c.mu.Unlock()
}

// Kick has Resume called by the connection's loop.
func (c *Conn) Kick() { c.loop.kick(c) }

// CloseAfter closes the connection after a while of at most ten seconds.
func (c *Conn) CloseAfter(d time.Duration) { c.loop.poller.wheel.Add((*closing)(c), d) }

// closing is a connection on the wheel.
type closing Conn

// Tick implements [wheel.Entry].
func (c *closing) Tick(time.Time) time.Duration {
	(*Conn)(c).Close()
	return 0
}
