package natstest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Proxy stands between clients and a server, and can cut them off.
type Proxy struct {
	// URL is where clients connect.
	URL string

	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// NewProxy returns a proxy for a server. It ends with the test.
func NewProxy(tb testing.TB, m *Member) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{
		URL: "nats://" + l.Addr().String(), target: strings.TrimPrefix(m.URL, "nats://"),
		listener: l, conns: map[net.Conn]bool{},
	}
	p.work.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close() // it ends
		p.Cut()
		p.work.Wait()
	})
	return p
}

// Cut breaks all connections and lets no new ones through.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		_ = c.Close() // it is to break
	}
}

// Heal lets connections through again.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.carry(c) })
	}
}

// keep notes a connection, unless there is to be none.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cut {
		p.conns[c] = true
	}
	return !p.cut
}

func (p *Proxy) drop(c net.Conn) {
	_ = c.Close() // one side has ended it
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// carry passes bytes both ways until one side ends.
func (p *Proxy) carry(c net.Conn) {
	defer p.drop(c)
	if !p.keep(c) {
		return
	}
	s, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer p.drop(s)
	if !p.keep(s) {
		return
	}
	p.work.Go(func() {
		_, _ = io.Copy(s, c) // whichever side ends first ends both
		_ = s.Close()
	})
	_, _ = io.Copy(c, s)
	_ = c.Close()
}
