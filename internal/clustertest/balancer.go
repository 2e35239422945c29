package clustertest

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Balancer is a load balancer for TCP connections, without sticky sessions.
type Balancer struct {
	// URL is where clients connect.
	URL string

	listener net.Listener
	work     sync.WaitGroup

	mu sync.Mutex
	// mu guards the following.
	nodes  []*Node
	turn   int
	conns  map[net.Conn]bool
	closed bool
}

// NewBalancer returns a balancer before nodes. It ends with the test.
func NewBalancer(tb testing.TB, nodes []*Node) *Balancer {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	b := &Balancer{URL: "http://" + l.Addr().String(), listener: l, nodes: slices.Clone(nodes), conns: map[net.Conn]bool{}}
	b.work.Go(b.accept)
	tb.Cleanup(b.close)
	return b
}

// Remove takes a node out: no new connections go there, those there are stay.
func (b *Balancer) Remove(n *Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = slices.DeleteFunc(b.nodes, func(other *Node) bool { return other == n })
}

// Add puts a node in.
func (b *Balancer) Add(n *Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(b.nodes, n)
}

func (b *Balancer) close() {
	_ = b.listener.Close() // it ends
	b.mu.Lock()
	b.closed = true
	for c := range b.conns {
		_ = c.Close() // it ends
	}
	b.mu.Unlock()
	b.work.Wait()
}

func (b *Balancer) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.work.Go(func() { b.carry(c) })
	}
}

// next returns whose turn it is, or nil.
func (b *Balancer) next() *Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.nodes) == 0 {
		return nil
	}
	b.turn++
	return b.nodes[b.turn%len(b.nodes)]
}

// keep notes a connection, unless the balancer is closed.
func (b *Balancer) keep(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.conns[c] = true
	}
	return !b.closed
}

func (b *Balancer) drop(c net.Conn) {
	_ = c.Close() // one side has ended it
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

// carry passes bytes both ways until one side ends.
func (b *Balancer) carry(c net.Conn) {
	defer b.drop(c)
	n := b.next()
	if n == nil || !b.keep(c) {
		return
	}
	s, err := net.Dial("tcp", strings.TrimPrefix(n.URL, "http://"))
	if err != nil {
		return
	}
	defer b.drop(s)
	if !b.keep(s) {
		return
	}
	b.work.Go(func() {
		_, _ = io.Copy(s, c) // whichever side ends first ends both
		_ = s.Close()
	})
	_, _ = io.Copy(c, s)
	_ = c.Close()
}
