package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/internal/client"
)

// payload returns JSON of about so many bytes that begins with the time.
func payload(size int) []byte {
	b := fmt.Appendf(nil, `{"t":%d,"x":"`, time.Now().UnixNano())
	for len(b) < size-2 {
		b = append(b, 'x')
	}
	return append(b, '"', '}')
}

// sentAt reads the time from a publication with a payload.
func sentAt(msg []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(msg, []byte(`"data":{"t":`))
	if !ok {
		return time.Time{}, false
	}
	digits, _, _ := bytes.Cut(rest, []byte(","))
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return time.Unix(0, n), err == nil
}

// readers are connections that are subscribed to a channel and count.
type readers struct {
	conns []*client.Conn
	count atomic.Int64
	wg    sync.WaitGroup

	mu        sync.Mutex
	latencies []time.Duration
}

// subscribe opens n connections, each subscribed to channel(i).
func subscribe(ctx context.Context, url string, n int, channel func(i int) string) (*readers, error) {
	r := &readers{}
	for i := range n {
		c, err := client.Dial(ctx, url)
		if err != nil {
			r.close()
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		r.conns = append(r.conns, c)
		if err := c.Write(fmt.Appendf(nil, `{"type":"subscribe","id":1,"channel":%q}`, channel(i))); err != nil {
			r.close()
			return nil, err
		}
		if _, err := c.Read(); err != nil {
			r.close()
			return nil, err
		}
		r.wg.Go(func() { r.read(c, i%10 == 0) })
	}
	return r, nil
}

func (r *readers) read(c *client.Conn, sample bool) {
	for {
		msg, err := c.Read()
		if err != nil {
			return
		}
		r.count.Add(1)
		if t, ok := sentAt(msg); sample && ok {
			d := time.Since(t)
			r.mu.Lock()
			r.latencies = append(r.latencies, d)
			r.mu.Unlock()
		}
	}
}

func (r *readers) close() {
	for _, c := range r.conns {
		_ = c.Close() // it is over
	}
	r.wg.Wait()
}

// await waits until n messages have come, or too long.
func (r *readers) await(ctx context.Context, n int64) bool {
	for deadline := time.Now().Add(time.Minute); r.count.Load() < n; {
		if time.Now().After(deadline) || !pause(ctx, 5*time.Millisecond) {
			return false
		}
	}
	return true
}

func (r *readers) quantile(q float64) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return quantile(r.latencies, q)
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)]
}

// publisher publishes on one connection with so many in flight.
type publisher struct {
	conn     *client.Conn
	channel  func(i int) string
	size     int
	room     chan struct{}
	started  sync.Map // id → time
	mu       sync.Mutex
	acked    int
	refused  int
	lastFail string
	took     []time.Duration
}

func newPublisher(ctx context.Context, url string, inFlight, size int, channel func(i int) string) (*publisher, error) {
	c, err := client.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	p := &publisher{conn: c, channel: channel, size: size, room: make(chan struct{}, inFlight)}
	go p.read()
	return p, nil
}

func (p *publisher) read() {
	for {
		msg, err := p.conn.Read()
		if err != nil {
			return
		}
		var m struct {
			Type  string          `json:"type"`
			ID    int             `json:"id"`
			Error json.RawMessage `json:"error"`
		}
		if json.Unmarshal(msg, &m) != nil || m.Type != "reply" {
			continue
		}
		at, _ := p.started.LoadAndDelete(m.ID)
		p.mu.Lock()
		if m.Error != nil {
			p.refused++
			p.lastFail = string(m.Error)
		} else {
			p.acked++
		}
		if t, ok := at.(time.Time); ok && p.acked%16 == 0 {
			p.took = append(p.took, time.Since(t))
		}
		p.mu.Unlock()
		<-p.room
	}
}

// run publishes until ctx ends.
func (p *publisher) run(ctx context.Context) {
	for i := 0; ; i++ {
		select {
		case p.room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		p.started.Store(i, time.Now())
		if p.send(i) != nil {
			return
		}
	}
}

func (p *publisher) send(i int) error {
	return p.conn.Write(fmt.Appendf(nil, `{"type":"publish","id":%d,"channel":%q,"data":%s}`, i, p.channel(i), payload(p.size)))
}
