package bench

import (
	"context"
	"fmt"
	"time"
)

// hotReaders is how many readers the channel of the scenario hot has, where a process
// may have so many files.
const hotReaders = 18_000

// hot publishes on one channel with very many readers, each publication when all have
// the one before.
func hot(ctx context.Context, o Options) ([]Figure, error) {
	p, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	r, err := subscribe(ctx, p.url, hotReaders, func(int) string { return "hot" })
	if err != nil {
		return nil, err
	}
	defer r.close()
	pub, err := newPublisher(ctx, p.url, 1, 128, func(int) string { return "hot" })
	if err != nil {
		return nil, err
	}
	defer pub.conn.Close()
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	begin := time.Now()
	for i := 0; i < 3 || time.Since(begin) < 2*o.Duration; i++ {
		sent := time.Now()
		pub.room <- struct{}{}
		if err := pub.send(i); err != nil {
			return nil, err
		}
		if want := int64(i+1) * hotReaders; !r.await(ctx, want) {
			return nil, fmt.Errorf("%d of %d deliveries came", r.count.Load(), want)
		}
		took = append(took, time.Since(sent))
	}
	all := time.Since(begin)
	after, err := p.cpu()
	return []Figure{
		{Name: fmt.Sprintf("a publication to %d readers, until the last has it, p50", hotReaders), Value: us(quantile(took, .5)) / 1000, Unit: "ms"},
		{Name: "server CPU per delivery", Value: us(after-before) / float64(r.count.Load()), Unit: "µs"},
		{Name: "cores that the server had meanwhile", Value: (after - before).Seconds() / all.Seconds(), Unit: ""},
	}, err
}
