package bench

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/internal/client"
)

// stormChannels is over how many channels the clients of a storm are spread.
const stormChannels = 100

// storm kills the server under many clients, starts it again, and has all of them
// come back at once, each with a position from before.
func storm(ctx context.Context, o Options) ([]Figure, error) {
	o.Conns = cmp.Or(o.Conns, 15_000)
	p, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { p.stop() }()
	h := &client.HTTP{URL: p.url}
	since := make([]string, stormChannels)
	for i := range since {
		page, err := h.History(ctx, stormChannel(i), "", 1)
		if err != nil {
			return nil, err
		}
		since[i] = page.Position
		for range 10 { // what each client has missed
			if _, err := h.Publish(ctx, stormChannel(i), payload(128), ""); err != nil {
				return nil, err
			}
		}
	}
	if err := p.restart(ctx); err != nil {
		return nil, err
	}
	live, quiet, err := followQuietly(ctx, p.url, o.Duration)
	if err != nil {
		return nil, err
	}
	defer live.stop()
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	took, leave, err := comeBackAll(ctx, p.url, o.Conns, since)
	defer leave()
	if err != nil {
		return nil, err
	}
	p99, err := live.p99()
	if err != nil {
		return nil, err
	}
	after, err := p.cpu()
	peak, err2 := p.peak()
	return []Figure{
		{Name: fmt.Sprintf("%d clients come back at once, until all have caught up", o.Conns), Value: took.Seconds(), Unit: "s"},
		{Name: "server CPU for each that comes back", Value: us(after-before) / float64(o.Conns), Unit: "µs"},
		{Name: "latency of live traffic before, p99", Value: us(quiet) / 1000, Unit: "ms"},
		{Name: "latency of live traffic meanwhile, p99", Value: us(p99) / 1000, Unit: "ms"},
		{Name: "memory of the server at its peak", Value: float64(peak) / (1 << 20), Unit: "MB"},
	}, errors.Join(err, err2)
}

func stormChannel(i int) string { return fmt.Sprintf("storm:%d", i) }

// comeBackAll has n clients come back at once, and returns how long it took until
// all had caught up. They stay until leave.
func comeBackAll(ctx context.Context, url string, n int, since []string) (took time.Duration, leave func(), err error) {
	begin := time.Now()
	conns := make([]*client.Conn, n)
	leave = func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close() // it is over
			}
		}
	}
	var wg sync.WaitGroup
	var failed atomic.Int64
	var fail atomic.Pointer[error]
	for i := range conns {
		wg.Go(func() {
			c, err := comeBack(ctx, url, stormChannel(i%stormChannels), since[i%stormChannels])
			if err != nil {
				failed.Add(1)
				fail.Store(&err)
				return
			}
			conns[i] = c
		})
	}
	wg.Wait()
	if failed.Load() > 0 {
		err = fmt.Errorf("%d of %d did not come back: %w", failed.Load(), n, *fail.Load())
	}
	return time.Since(begin), leave, err
}

// comeBack connects until it succeeds, and reads what was missed.
func comeBack(ctx context.Context, url, channel, since string) (*client.Conn, error) {
	for {
		c, err := client.Dial(ctx, url)
		if err == nil {
			if err = c.Write(fmt.Appendf(nil, `{"type":"subscribe","id":1,"channel":%q,"since":%q}`, channel, since)); err == nil {
				for range 11 { // the reply, and the publications
					if _, err = c.Read(); err != nil {
						break
					}
				}
			}
			if err == nil {
				return c, nil
			}
			_ = c.Close() // it is tried anew
		}
		if !pause(ctx, 100*time.Millisecond) {
			return nil, err
		}
	}
}

// liveTraffic is a publisher and a reader that go on while something else is
// measured.
type liveTraffic struct {
	*readers
	pub    *publisher
	cancel context.CancelFunc
	ended  chan struct{}
}

func follow(ctx context.Context, url string) (*liveTraffic, error) {
	r, err := subscribe(ctx, url, 1, func(int) string { return "live" })
	if err != nil {
		return nil, err
	}
	pub, err := newPublisher(ctx, url, 1000, 128, func(int) string { return "live" })
	if err != nil {
		r.close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &liveTraffic{readers: r, pub: pub, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		for i := 0; pause(ctx, 10*time.Millisecond); i++ {
			pub.room <- struct{}{}
			if pub.send(i) != nil {
				return
			}
		}
	}()
	return l, nil
}

func (l *liveTraffic) reset() {
	l.mu.Lock()
	l.latencies = nil
	l.mu.Unlock()
}

func (l *liveTraffic) stop() {
	l.cancel()
	<-l.ended
	_ = l.pub.conn.Close() // it is over
	l.close()
}

// Live follows a channel of its own on a server, as a process of its own, so that
// what is measured is not the load of who makes it. For each line that it is given
// it writes the 99th percentile of the latency since the last, in nanoseconds.
func Live(ctx context.Context, url string, in io.Reader, out io.Writer) error {
	l, err := follow(ctx, url)
	if err != nil {
		return err
	}
	defer l.stop()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		p99 := l.quantile(.99)
		l.reset()
		if _, err := fmt.Fprintln(out, int64(p99)); err != nil {
			return err
		}
	}
	return nil
}

// apart is a process that runs Live.
type apart struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func followApart(ctx context.Context, url string) (*apart, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &apart{cmd: exec.CommandContext(ctx, self, "bench-live", url)}
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.out = bufio.NewReader(out)
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	return a, nil
}

// followQuietly is followApart that returns the 99th percentile of the latency before
// anything else is done.
func followQuietly(ctx context.Context, url string, d time.Duration) (*apart, time.Duration, error) {
	a, err := followApart(ctx, url)
	if err != nil {
		return nil, 0, err
	}
	if !pause(ctx, d) {
		a.stop()
		return nil, 0, ctx.Err()
	}
	p99, err := a.p99()
	if err != nil {
		a.stop()
		return nil, 0, err
	}
	return a, p99, nil
}

// p99 returns the 99th percentile of the latency since it was last asked.
func (a *apart) p99() (time.Duration, error) {
	if _, err := io.WriteString(a.in, "\n"); err != nil {
		return 0, err
	}
	line, err := a.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return time.Duration(n), err
}

func (a *apart) stop() {
	_ = a.in.Close() // it ends by itself
	_ = a.cmd.Wait() // the same
}

// slowReaders has a thousand connections that read nothing while others do.
func slowReaders(ctx context.Context, o Options) ([]Figure, error) {
	p, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	const stalled = 1000
	live, alone, err := followQuietly(ctx, p.url, o.Duration)
	if err != nil {
		return nil, err
	}
	defer live.stop()
	before, err := p.rss()
	if err != nil {
		return nil, err
	}
	for range stalled {
		c, err := client.Dial(ctx, p.url)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		if err := c.Write([]byte(`{"type":"subscribe","channel":"flood"}`)); err != nil {
			return nil, err
		}
	}
	flood, err := newPublisher(ctx, p.url, 64, 4096, func(int) string { return "flood" })
	if err != nil {
		return nil, err
	}
	defer flood.conn.Close()
	if _, err := live.p99(); err != nil { // from here on
		return nil, err
	}
	run, cancel := context.WithTimeout(ctx, 2*o.Duration)
	defer cancel()
	flood.run(run)
	p99, err := live.p99()
	if err != nil {
		return nil, err
	}
	after, err := p.rss()
	flood.mu.Lock()
	defer flood.mu.Unlock()
	return []Figure{
		{Name: fmt.Sprintf("backlog of each of %d readers that stall", stalled), Value: float64(flood.acked) * 4096 / (1 << 20), Unit: "MB"},
		{Name: "growth of the server by all of them, its caches included", Value: float64(after-before) / (1 << 20), Unit: "MB"},
		{Name: "latency of a live reader without them, p99", Value: us(alone) / 1000, Unit: "ms"},
		{Name: "latency of a live reader beside them, p99", Value: us(p99) / 1000, Unit: "ms"},
	}, err
}
