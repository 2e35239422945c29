package transport_test

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
)

// What is allocated for a publication does not grow with those who hear it, from the
// log to the sockets.
func TestNoAllocationPerDelivery(t *testing.T) {
	if underRace {
		t.Skip("pools keep less under the race detector")
	}
	few, many := perPublication(t, 1), perPublication(t, 201)
	if grown := (many - few) / 200; grown > 0.02 {
		t.Errorf("%.3f allocations for a delivery (%.1f with one reader, %.1f with 201)", grown, few, many)
	}
}

// perPublication returns how many allocations a publication takes that n sockets
// hear, half of them WebSockets and half event streams.
func perPublication(t *testing.T, n int) float64 {
	b := open(t, nil)
	var bytes atomic.Int64
	for i := range n {
		conn := b.tcp()
		if i%2 == 0 {
			w := upgrade(t, conn)
			w.subscribe("hot")
		} else {
			if _, err := conn.Write([]byte("GET /sse?channel=hot HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
		}
		go count(conn, &bytes)
	}
	b.sessionsBecome(int64(n))
	publish := func() {
		before := bytes.Load()
		b.publish("hot", `"0123456789"`)
		// Each publication and each frame around it is longer than this.
		for bytes.Load() < before+int64(n)*100 {
			runtime.Gosched()
		}
	}
	for range 3 { // lists and tails grow to their size
		publish()
	}
	return testing.AllocsPerRun(50, publish)
}

// count reads a connection to its end.
func count(conn net.Conn, bytes *atomic.Int64) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		bytes.Add(int64(n))
		if err != nil {
			return
		}
	}
}
