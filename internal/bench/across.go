package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Nodes are nodes that run already, and let anybody in.
type Nodes struct {
	URLs []string // publications go to the first, readers are spread over all
	// CPU returns the time that the processes have used, if that is to be measured.
	CPU func() (time.Duration, error)
}

const (
	acrossReaders = 300 // of the fan-out
	acrossFew     = 30  // of the latency
	acrossRate    = 20  // publications a second, of the latency
	acrossWriters = 32
)

// Across measures nodes: how long a publication takes to readers on all of them, at a
// low rate, and how many deliveries there are at full speed.
func Across(ctx context.Context, n Nodes, o Options) ([]Figure, error) {
	if o.Duration <= 0 {
		o.Duration = 5 * time.Second
	}
	if n.CPU == nil {
		n.CPU = func() (time.Duration, error) { return 0, nil }
	}
	channel := fmt.Sprintf("bench-across:%d", time.Now().UnixNano())
	latency, err := n.latency(ctx, o, channel+"-latency")
	if err != nil {
		return latency, err
	}
	rate, err := n.fanout(ctx, o, channel+"-fanout")
	return append(latency, rate...), err
}

// readers opens readers of a channel on all nodes.
func (n *Nodes) readers(ctx context.Context, count int, channel string) (all []*readers, closeAll func(), err error) {
	closeAll = func() {
		for _, r := range all {
			r.close()
		}
	}
	for _, url := range n.URLs {
		r, err := subscribe(ctx, url, count/len(n.URLs), func(int) string { return channel })
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		all = append(all, r)
	}
	return all, closeAll, nil
}

func (n *Nodes) latency(ctx context.Context, o Options, channel string) ([]Figure, error) {
	all, closeAll, err := n.readers(ctx, acrossFew, channel)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	pub, err := newPublisher(ctx, n.URLs[0], 1000, 128, func(int) string { return channel })
	if err != nil {
		return nil, err
	}
	defer pub.conn.Close()
	count := max(int(o.Duration.Seconds()*acrossRate), 1)
	tick := time.NewTicker(time.Second / acrossRate)
	defer tick.Stop()
	for i := range count {
		<-tick.C
		pub.room <- struct{}{}
		if err := pub.send(i); err != nil {
			return nil, err
		}
	}
	var took []time.Duration
	for i, r := range all {
		if !r.await(ctx, int64(count*len(r.conns))) {
			return nil, fmt.Errorf("%d of %d deliveries came from node %d", r.count.Load(), count*len(r.conns), i+1)
		}
		r.mu.Lock()
		took = append(took, r.latencies...)
		r.mu.Unlock()
	}
	return []Figure{
		{Name: "publication to delivery, p50", Value: us(quantile(took, .5)) / 1000, Unit: "ms"},
		{Name: "publication to delivery, p99", Value: us(quantile(took, .99)) / 1000, Unit: "ms"},
	}, nil
}

func (n *Nodes) fanout(ctx context.Context, o Options, channel string) ([]Figure, error) {
	all, closeAll, err := n.readers(ctx, acrossReaders, channel)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	before, err := n.CPU()
	if err != nil {
		return nil, err
	}
	t := time.Now()
	run, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	var wg sync.WaitGroup
	var pubs []*publisher
	for range acrossWriters {
		pub, err := newPublisher(ctx, n.URLs[0], 1, 128, func(int) string { return channel })
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
		// What is under way when the time is over is answered too.
		select {
		case pub.room <- struct{}{}:
		case <-time.After(time.Minute):
			return nil, errors.New("a publication was not answered")
		}
		pub.mu.Lock()
		acked += pub.acked
		if pub.refused > 0 {
			err = errors.Join(err, fmt.Errorf("%d refused: %s", pub.refused, pub.lastFail))
		}
		pub.mu.Unlock()
	}
	var came int64
	for i, r := range all {
		if !r.await(ctx, int64(acked*len(r.conns))) {
			return nil, fmt.Errorf("%d of %d deliveries came from node %d", r.count.Load(), acked*len(r.conns), i+1)
		}
		came += r.count.Load()
	}
	took := time.Since(t)
	after, cpuErr := n.CPU()
	figures := []Figure{
		{Name: "publications at full speed", Value: float64(acked) / took.Seconds(), Unit: "/s"},
		{Name: "deliveries meanwhile", Value: float64(came) / took.Seconds(), Unit: "/s"},
	}
	if after > before {
		figures = append(figures, Figure{Name: "CPU of nodes and servers per delivery", Value: us(after-before) / float64(max(came, 1)), Unit: "µs"})
	}
	return figures, errors.Join(err, cpuErr)
}
