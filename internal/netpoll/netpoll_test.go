//go:build linux

package netpoll

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const patience = 20 * time.Second

// pair returns both ends of a connection over loopback.
func pair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

func newPoller(t testing.TB) *Poller {
	t.Helper()
	p, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(0) })
	return p
}

// echo sends back what comes, and keeps what the socket does not take. A request
// to pause is answered by a Kick from elsewhere.
type echo struct {
	conn    *Conn
	rest    []byte
	running atomic.Int32 // how many of its methods run now
	overlap atomic.Bool
	eof     chan struct{}
}

func newEcho(t testing.TB, p *Poller, tcp *net.TCPConn) *echo {
	t.Helper()
	e := &echo{eof: make(chan struct{})}
	c, err := p.Adopt(tcp, e)
	if err != nil {
		t.Fatal(err)
	}
	e.conn = c
	return e
}

func (e *echo) alone() func() {
	if e.running.Add(1) != 1 {
		e.overlap.Store(true)
	}
	return func() { e.running.Add(-1) }
}

func (e *echo) Data(b []byte) {
	defer e.alone()()
	e.rest = append(e.rest, b...)
	e.write()
	if bytes.Contains(b, []byte("pause")) {
		e.conn.Pause()
		go e.conn.Kick()
	}
}

func (e *echo) write() {
	n, err := e.conn.TryWrite(e.rest)
	if err != nil {
		e.conn.Close()
		return
	}
	e.rest = e.rest[n:]
	if len(e.rest) > 0 {
		e.conn.WantWrite()
	} else {
		e.conn.NoWrite()
	}
}

func (e *echo) Writable() { defer e.alone()(); e.write() }

func (e *echo) Resume() { defer e.alone()(); e.conn.Unpause() }

func (e *echo) EOF() {
	defer e.alone()()
	e.conn.Close()
	close(e.eof)
}

// Many connections at once are echoed whole and in order.
func TestEcho(t *testing.T) {
	p := newPoller(t)
	var wg sync.WaitGroup
	for i := range 40 {
		client, server := pair(t)
		e := newEcho(t, p, server)
		e.conn.Start()
		want := strings.Repeat(fmt.Sprintf("%d pause;", i), 20_000)
		wg.Go(func() {
			if _, err := client.Write([]byte(want)); err != nil {
				t.Error(err)
			}
			_ = client.CloseWrite()
		})
		wg.Go(func() {
			got := make([]byte, len(want))
			if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
				t.Errorf("connection %d: %v", i, err)
			}
			<-e.eof
			if e.overlap.Load() {
				t.Error("two methods of a handler ran at once")
			}
		})
	}
	wg.Wait()
}

// What nobody reads is not read into memory, and goes on when somebody does.
func TestPausedWriter(t *testing.T) {
	p := newPoller(t)
	client, server := pair(t)
	e := newEcho(t, p, server)
	e.conn.Start()
	big := bytes.Repeat([]byte("x"), 8<<20)
	done := make(chan error, 1)
	go func() {
		_, err := client.Write(big)
		done <- err
	}()
	got, err := io.ReadAll(io.LimitReader(client, int64(len(big))))
	if err != nil || !bytes.Equal(got, big) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Connections end in every way, and each tells its handler once.
func TestEnds(t *testing.T) {
	for name, end := range map[string]func(client *net.TCPConn, e *echo){
		"the client closes":      func(c *net.TCPConn, _ *echo) { c.Close() },
		"the client half closes": func(c *net.TCPConn, _ *echo) { _ = c.CloseWrite() },
		"the client resets": func(c *net.TCPConn, _ *echo) {
			_ = c.SetLinger(0)
			c.Close()
		},
		"the client resets while it is not read": func(c *net.TCPConn, e *echo) {
			e.conn.Pause()
			_ = c.SetLinger(0)
			c.Close()
		},
		"closed from here":                func(_ *net.TCPConn, e *echo) { e.conn.Close() },
		"closed from here, while paused":  func(_ *net.TCPConn, e *echo) { e.conn.Pause(); e.conn.Close() },
		"closed from here, after a while": func(_ *net.TCPConn, e *echo) { e.conn.CloseAfter(time.Millisecond) },
		"closed twice at once": func(_ *net.TCPConn, e *echo) {
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(e.conn.Close)
			}
			wg.Wait()
		},
		"half closed from here, then by the client": func(c *net.TCPConn, e *echo) {
			_ = e.conn.CloseWrite()
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New(1)
			if err != nil {
				t.Fatal(err)
			}
			client, server := pair(t)
			e := newEcho(t, p, server)
			e.conn.Start()
			end(client, e)
			select {
			case <-e.eof:
			case <-time.After(patience):
				t.Fatal("the handler was not told")
			}
			if _, err := e.conn.TryWrite([]byte("x")); err == nil {
				// It was closed in the handler.
				t.Error("a write to a closed connection succeeded")
			}
			client.Close()
			p.Close(patience) // which waits until the descriptor is closed
		})
	}
	t.Run("closed before it is started", func(t *testing.T) {
		p := newPoller(t)
		_, server := pair(t)
		e := newEcho(t, p, server)
		e.conn.Close()
		<-e.eof
		e.conn.Start()
		if _, err := e.conn.TryWrite([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// Descriptors are given out again at once; nobody writes to another's connection.
func TestReusedDescriptors(t *testing.T) {
	p := newPoller(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				client, server := pair(t)
				e := newEcho(t, p, server)
				e.conn.Start()
				mine := fmt.Sprintf("%d/%d;", w, i)
				var writers sync.WaitGroup
				for range 3 {
					writers.Go(func() {
						for {
							if _, err := e.conn.TryWrite([]byte(mine)); err != nil {
								return
							}
							runtime.Gosched()
						}
					})
				}
				buf := make([]byte, 64)
				n, err := io.ReadAtLeast(client, buf, len(mine))
				if err != nil || !strings.HasPrefix(strings.Repeat(mine, 64), string(buf[:n])) {
					t.Errorf("got %q of somebody else's, %v", buf[:n], err)
				}
				e.conn.Close()
				writers.Wait()
				client.Close()
				<-e.eof
			}
		})
	}
	wg.Wait()
}

// What the kernel is not asked about costs nothing, whatever the other side does.
func TestNoSpinning(t *testing.T) {
	p := newPoller(t)
	client, server := pair(t)
	e := newEcho(t, p, server)
	e.conn.Start()
	e.conn.Pause()
	if _, err := client.Write([]byte("nobody reads this")); err != nil {
		t.Fatal(err)
	}
	_ = client.CloseWrite()
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		t.Fatal(err)
	}
	<-time.After(300 * time.Millisecond)
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		t.Fatal(err)
	}
	if used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()); used > 150*time.Millisecond {
		t.Errorf("%v of CPU in 300 ms of nothing", used)
	}
	e.conn.Kick()
	<-e.eof
}

func BenchmarkTryWrite(b *testing.B) {
	p := newPoller(b)
	client, server := pair(b)
	_ = client.SetDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, client) }()
	e := newEcho(b, p, server)
	e.conn.Start()
	msg := bytes.Repeat([]byte("x"), 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.conn.TryWrite(msg); err != nil {
			b.Fatal(err)
		}
	}
}
