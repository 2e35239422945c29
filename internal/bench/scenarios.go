package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/client"
)

// Options say how much to do.
type Options struct {
	Duration time.Duration // of each measurement; default 5 s
	Conns    int           // of the scenarios idle and storm; default 10,000 and 15,000
}

// Figure is something that was measured.
type Figure struct {
	Scenario string  `json:"scenario"`
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
}

// Scenario is something to measure.
type Scenario struct {
	Name string
	Help string
	run  func(ctx context.Context, o Options) ([]Figure, error)
}

// Scenarios are all there are.
var Scenarios = []Scenario{
	{"append", "durable appends in this process, and what the disk allows", appends},
	{"publish", "durable publications over WebSocket", publish},
	{"fanout", "server CPU per delivery: 200 readers, 50 messages a second, beside a raw write loop", fanout},
	{"saturate", "server CPU per delivery: 500 readers, 32 publishers at full speed", saturate},
	{"channels", "many channels with few readers each", channels},
	{"hot", "one channel with 18,000 readers", hot},
	{"idle", "memory of a connection at rest with an identity and one subscription", idle},
	{"recover", "recovery of 100 publications", recovery},
	{"storm", "all clients come back at once after a kill -9", storm},
	{"slow", "readers that stall beside one that does not", slowReaders},
}

// Run measures a scenario.
func (s Scenario) Run(ctx context.Context, o Options) ([]Figure, error) {
	if o.Duration <= 0 {
		o.Duration = 5 * time.Second
	}
	figures, err := s.run(ctx, o)
	for i := range figures {
		figures[i].Scenario = s.Name
	}
	if err != nil {
		return figures, fmt.Errorf("%s: %w", s.Name, err)
	}
	return figures, nil
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

const appendChannels = 10_000

func appends(ctx context.Context, o Options) ([]Figure, error) {
	var all []Figure
	for _, inFlight := range []int{1, 16} {
		n, err := appendFor(ctx, o.Duration, inFlight)
		if err != nil {
			return all, err
		}
		all = append(all, Figure{Name: fmt.Sprintf("appends, %d in flight", inFlight), Value: n, Unit: "/s"})
	}
	// In turn, and the middle ones count: the disk is not the same all the time.
	const inFlight, rounds = 256, 3
	var ours, bare, raw []float64
	for range rounds {
		for _, one := range []struct {
			rate *[]float64
			run  func(context.Context, time.Duration, int) (float64, error)
		}{{&ours, appendFor}, {&bare, barePebble}, {&raw, rawFile}} {
			n, err := one.run(ctx, o.Duration, inFlight)
			if err != nil {
				return all, err
			}
			*one.rate = append(*one.rate, n)
		}
	}
	mid := func(of []float64) float64 { slices.Sort(of); return of[rounds/2] }
	return append(
		all,
		Figure{Name: fmt.Sprintf("appends, %d in flight", inFlight), Value: mid(ours), Unit: "/s"},
		Figure{Name: "bare Pebble batches of the same rows", Value: mid(bare), Unit: "/s"},
		Figure{Name: "appends as a part of that", Value: 100 * mid(ours) / mid(bare), Unit: "%"},
		Figure{Name: "a raw file, synced after each 256 records", Value: mid(raw), Unit: "/s"},
	), nil
}

func appendFor(ctx context.Context, d time.Duration, inFlight int) (rate float64, err error) {
	dir, err := os.MkdirTemp("", "starling-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	e, err := pebblelog.Open(dir, pebblelog.Options{})
	if err != nil {
		return 0, err
	}
	log := eventlog.New(e)
	defer func() { err = errors.Join(err, log.Close()) }()
	data := payload(128)
	room := make(chan struct{}, inFlight)
	var done, failed atomic.Int64
	start := time.Now()
	for i := 0; time.Since(start) < d && ctx.Err() == nil; i++ {
		room <- struct{}{}
		log.AppendAsync(eventlog.Append{Channel: fmt.Sprintf("bench:%d", i*7919%appendChannels), Entries: []eventlog.Entry{{Data: data}}}, func(_ eventlog.Appended, err error) {
			if err != nil {
				failed.Add(1)
			}
			done.Add(1)
			<-room
		})
	}
	rate = float64(done.Load()) / time.Since(start).Seconds()
	for range inFlight {
		room <- struct{}{}
	}
	if failed.Load() > 0 {
		return rate, fmt.Errorf("%d appends failed", failed.Load())
	}
	return rate, nil
}

func publish(ctx context.Context, o Options) ([]Figure, error) {
	var all []Figure
	for _, inFlight := range []int{1, 16, 256} {
		figures, err := publishWith(ctx, o.Duration, inFlight)
		all = append(all, figures...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func publishWith(ctx context.Context, d time.Duration, inFlight int) ([]Figure, error) {
	p, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	conns := min(inFlight, 16)
	var pubs []*publisher
	for c := range conns {
		pub, err := newPublisher(ctx, p.url, inFlight/conns, 128, func(i int) string { return fmt.Sprintf("bench:%d", (i*conns+c)*7919%appendChannels) })
		if err != nil {
			return nil, err
		}
		defer pub.conn.Close()
		pubs = append(pubs, pub)
	}
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	t := time.Now()
	run, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var wg sync.WaitGroup
	for _, pub := range pubs {
		wg.Go(func() { pub.run(run) })
	}
	wg.Wait()
	after, err := p.cpu()
	acked := 0
	var took []time.Duration
	for _, pub := range pubs {
		pub.mu.Lock()
		acked += pub.acked
		took = append(took, pub.took...)
		if pub.refused > 0 {
			err = errors.Join(err, fmt.Errorf("%d refused: %s", pub.refused, pub.lastFail))
		}
		pub.mu.Unlock()
	}
	name := fmt.Sprintf("publications over %d sockets, %d in flight", conns, inFlight)
	return []Figure{
		{Name: name, Value: float64(acked) / time.Since(t).Seconds(), Unit: "/s"},
		{Name: name + ", p50 to the acknowledgement", Value: us(quantile(took, .5)) / 1000, Unit: "ms"},
		{Name: name + ", p99", Value: us(quantile(took, .99)) / 1000, Unit: "ms"},
		{Name: name + ", server CPU each", Value: us(after-before) / float64(max(acked, 1)), Unit: "µs"},
	}, err
}

// The scenario fanout: so many readers, messages a second, and rounds of its duration.
const (
	fanReaders = 200
	fanRate    = 50
	fanRounds  = 5
)

// fanout measures a server that keeps what is published in memory, as others do, one
// that syncs it before anybody is told, and a raw write loop, in turn: the machine is
// not the same all the time. The middle of the rounds counts.
func fanout(ctx context.Context, o Options) ([]Figure, error) {
	memory, err := newFan(ctx, "--listen", memoryListen, "--data", ":memory:")
	if err != nil {
		return nil, err
	}
	defer memory.close()
	durable, err := newFan(ctx)
	if err != nil {
		return nil, err
	}
	defer durable.close()
	var raw, inMemory, synced []time.Duration
	for range fanRounds {
		floor, err := rawWrites(ctx, o.Duration, fanReaders, fanRate)
		if err != nil {
			return nil, err
		}
		a, err := memory.round(ctx, o.Duration)
		if err != nil {
			return nil, err
		}
		b, err := durable.round(ctx, o.Duration)
		if err != nil {
			return nil, err
		}
		raw, inMemory, synced = append(raw, floor), append(inMemory, a), append(synced, b)
	}
	floor, a, b := us(quantile(raw, .5)), us(quantile(inMemory, .5)), us(quantile(synced, .5))
	latency := func(q float64) float64 { return us(durable.readers.quantile(q)) / 1000 }
	return []Figure{
		{Name: "CPU per write of a raw write loop, 10,000/s", Value: floor, Unit: "µs"},
		{Name: "server CPU per delivery at that rate, kept in memory", Value: a, Unit: "µs"},
		{Name: "the same as a multiple of the raw loop", Value: a / max(floor, .001), Unit: "×"},
		{Name: "server CPU per delivery at that rate, synced before", Value: b, Unit: "µs"},
		{Name: "the same as a multiple of the raw loop, synced before", Value: b / max(floor, .001), Unit: "×"},
		{Name: "latency p50", Value: latency(.5), Unit: "ms"},
		{Name: "latency p95", Value: latency(.95), Unit: "ms"},
		{Name: "latency p99", Value: latency(.99), Unit: "ms"},
	}, nil
}

// fan is a server with a hot channel.
type fan struct {
	p         *process
	readers   *readers
	publisher *publisher
	sent      int
}

func newFan(ctx context.Context, args ...string) (f *fan, err error) {
	f = &fan{}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.p, err = start(ctx, args...); err != nil {
		return f, err
	}
	if f.readers, err = subscribe(ctx, f.p.url, fanReaders, func(int) string { return "hot" }); err != nil {
		return f, err
	}
	f.publisher, err = newPublisher(ctx, f.p.url, 1000, 128, func(int) string { return "hot" })
	return f, err
}

// round publishes for a while, and returns the server's CPU time for a delivery.
func (f *fan) round(ctx context.Context, d time.Duration) (time.Duration, error) {
	n := int(d.Seconds() * fanRate)
	f.sent += n
	each, err := publishAt(ctx, f.p, f.publisher, f.readers, fanRate, n, f.sent*fanReaders)
	return each / fanReaders, err
}

func (f *fan) close() {
	if f.publisher != nil {
		f.publisher.conn.Close()
	}
	if f.readers != nil {
		f.readers.close()
	}
	if f.p != nil {
		f.p.stop()
	}
}

// publishAt publishes n messages at a rate, waits until so many deliveries have come
// in all, and returns the server's CPU time for a message.
func publishAt(ctx context.Context, p *process, pub *publisher, r *readers, rate, n, deliveries int) (each time.Duration, err error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for i := range n {
		<-tick.C
		pub.room <- struct{}{}
		if err := pub.send(i); err != nil {
			return 0, err
		}
	}
	if !r.await(ctx, int64(deliveries)) {
		return 0, fmt.Errorf("%d of %d deliveries came", r.count.Load(), deliveries)
	}
	after, err := p.cpu()
	return (after - before) / time.Duration(n), err
}

// channels publishes in turn on many channels, each of which has a few readers.
func channels(ctx context.Context, o Options) ([]Figure, error) {
	p, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	const many, each, rate = 200, 10, 1000
	name := func(i int) string { return fmt.Sprintf("room:%d", i%many) }
	r, err := subscribe(ctx, p.url, many*each, name)
	if err != nil {
		return nil, err
	}
	defer r.close()
	pub, err := newPublisher(ctx, p.url, 1000, 128, name)
	if err != nil {
		return nil, err
	}
	defer pub.conn.Close()
	n := int(o.Duration.Seconds() * rate)
	cpu, err := publishAt(ctx, p, pub, r, rate, n, n*each)
	return []Figure{
		{Name: fmt.Sprintf("server CPU for a publication to %d readers, %d/s over %d channels", each, rate, many), Value: us(cpu), Unit: "µs"},
		{Name: "the same for each delivery", Value: us(cpu) / each, Unit: "µs"},
		{Name: "latency p50 over many channels", Value: us(r.quantile(.5)) / 1000, Unit: "ms"},
		{Name: "latency p99 over many channels", Value: us(r.quantile(.99)) / 1000, Unit: "ms"},
	}, err
}

func saturate(ctx context.Context, o Options) ([]Figure, error) {
	p, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	const subs, publishers = 500, 32
	r, err := subscribe(ctx, p.url, subs, func(int) string { return "hot" })
	if err != nil {
		return nil, err
	}
	defer r.close()
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	t := time.Now()
	run, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	var wg sync.WaitGroup
	var pubs []*publisher
	for range publishers {
		pub, err := newPublisher(ctx, p.url, 1, 128, func(int) string { return "hot" })
		if err != nil {
			return nil, err
		}
		defer pub.conn.Close()
		pubs = append(pubs, pub)
		wg.Go(func() { pub.run(run) })
	}
	wg.Wait()
	acked := 0
	for _, pub := range pubs {
		pub.mu.Lock()
		acked += pub.acked
		pub.mu.Unlock()
	}
	if !r.await(ctx, int64(acked*subs)) {
		return nil, fmt.Errorf("%d of %d deliveries came", r.count.Load(), acked*subs)
	}
	took := time.Since(t)
	after, err := p.cpu()
	return []Figure{
		{Name: "server CPU per delivery, saturated", Value: us(after-before) / float64(r.count.Load()), Unit: "µs"},
		{Name: "deliveries, saturated", Value: float64(r.count.Load()) / took.Seconds(), Unit: "/s"},
		{Name: "publications meanwhile", Value: float64(acked) / took.Seconds(), Unit: "/s"},
	}, err
}

func recovery(ctx context.Context, o Options) ([]Figure, error) {
	p, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	h := &client.HTTP{URL: p.url}
	var all []Figure
	for _, followed := range []bool{true, false} {
		channel, name := "followed", "recovery of 100 publications from the tail"
		if !followed {
			channel, name = "forgotten", "recovery of 100 publications from pages of the log"
		}
		page, err := h.History(ctx, channel, "", 1)
		if err != nil {
			return all, err
		}
		if followed { // so that it has a tail
			keep, err := subscribe(ctx, p.url, 1, func(int) string { return channel })
			if err != nil {
				return all, err
			}
			defer keep.close()
		}
		for range 100 {
			if _, err := h.Publish(ctx, channel, payload(128), ""); err != nil {
				return all, err
			}
		}
		figures, err := recoverFrom(ctx, p, o, channel, page.Position, name)
		all = append(all, figures...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// recoverFrom connects again and again with a position 100 publications ago.
func recoverFrom(ctx context.Context, p *process, o Options, channel, since, name string) ([]Figure, error) {
	var took []time.Duration
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	for t := time.Now(); time.Since(t) < o.Duration && ctx.Err() == nil; {
		c, err := client.Dial(ctx, p.url)
		if err != nil {
			return nil, err
		}
		begin := time.Now()
		err = recoverOnce(c, channel, since)
		took = append(took, time.Since(begin))
		_ = c.Close() // it is over
		if err != nil {
			return nil, err
		}
	}
	after, err := p.cpu()
	return []Figure{
		{Name: name + ", p50", Value: us(quantile(took, .5)) / 1000, Unit: "ms"},
		{Name: name + ", p99", Value: us(quantile(took, .99)) / 1000, Unit: "ms"},
		{Name: name + ", server CPU with the handshake", Value: us(after-before) / float64(max(1, len(took))), Unit: "µs"},
	}, err
}

func recoverOnce(c *client.Conn, channel, since string) error {
	if err := c.Write(fmt.Appendf(nil, `{"type":"subscribe","id":1,"channel":%q,"since":%q}`, channel, since)); err != nil {
		return err
	}
	for range 101 { // the reply, and the publications
		if _, err := c.Read(); err != nil {
			return err
		}
	}
	return nil
}
