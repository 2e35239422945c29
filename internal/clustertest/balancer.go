package clustertest

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Balancer is a load balancer for TCP connections, without sticky sessions.
type Balancer struct {
	// URL is where clients connect.
	URL string

	listener net.Listener
	work     sync.WaitGroup
	done     chan struct{} // closed by close

	mu sync.Mutex
	// mu guards the following.
	nodes  []*Node
	out    map[*Node]bool // that are not ready
	turn   int
	conns  map[net.Conn]*Node
	closed bool
}

const (
	dialTimeout = 2 * time.Second
	// How often a node is asked, how long it has to answer, and how often it may
	// fail to.
	checkEvery   = 500 * time.Millisecond
	checkTimeout = 3 * time.Second
	maxSilence   = 2
)

// NewBalancer returns a balancer before nodes. It ends with the test.
func NewBalancer(tb testing.TB, nodes []*Node) *Balancer {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	b := &Balancer{
		URL: "http://" + l.Addr().String(), listener: l, nodes: slices.Clone(nodes),
		out: map[*Node]bool{}, conns: map[net.Conn]*Node{}, done: make(chan struct{}),
	}
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

// Check asks every node again and again whether it is ready, as load balancers do:
// one that is not gets no new connections, and one that does not say anything loses
// those that it has.
func (b *Balancer) Check() {
	b.mu.Lock()
	nodes := slices.Clone(b.nodes)
	b.mu.Unlock()
	for _, n := range nodes {
		b.work.Go(func() { b.check(n) })
	}
}

func (b *Balancer) check(n *Node) {
	c := http.Client{Timeout: checkTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for silent := 0; ; {
		res, err := c.Get(n.URL + "/readyz")
		if err == nil {
			_ = res.Body.Close() // its status is enough
			silent = 0
		} else {
			silent++
		}
		b.mu.Lock()
		b.out[n] = err != nil || res.StatusCode != http.StatusOK
		if silent >= maxSilence {
			for conn, of := range b.conns {
				if of == n {
					_ = conn.Close() // it ends
				}
			}
		}
		b.mu.Unlock()
		select {
		case <-tick.C:
		case <-b.done:
			return
		}
	}
}

// Ready returns the nodes that get new connections.
func (b *Balancer) Ready() (nodes []*Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.nodes {
		if !b.out[n] {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (b *Balancer) close() {
	close(b.done)
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
	ready := b.Ready()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(ready) == 0 {
		return nil
	}
	b.turn++
	return ready[b.turn%len(ready)]
}

// keep notes a connection to a node, unless the balancer is closed.
func (b *Balancer) keep(c net.Conn, n *Node) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.conns[c] = n
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
	if n == nil || !b.keep(c, n) {
		return
	}
	s, err := net.DialTimeout("tcp", strings.TrimPrefix(n.URL, "http://"), dialTimeout)
	if err != nil {
		return
	}
	defer b.drop(s)
	if !b.keep(s, n) {
		return
	}
	b.work.Go(func() {
		_, _ = io.Copy(s, c) // whichever side ends first ends both
		_ = s.Close()
	})
	_, _ = io.Copy(c, s)
	_ = c.Close()
}
