package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/signed"
)

const (
	maxEvents  = 100     // of a request
	maxBytes   = 1 << 20 // of a request, unless one event is larger
	maxBackoff = time.Minute
	maxAnswer  = 64 << 10 // of the backend, which nobody reads
)

// Deliverer delivers what one hook wants. On several nodes, one of them does.
type Deliverer struct {
	conf   Config
	hook   Hook
	poster *signed.Poster
	news   *news

	cancel context.CancelFunc
	wg     sync.WaitGroup

	delivered, requests, failures atomic.Int64
	disabled                      atomic.Bool
}

// Stats is what a deliverer did, for metrics.
type Stats struct {
	Name     string
	Events   int64 // that the backend has taken
	Requests int64
	Failures int64 // of these, those that it did not answer with 2xx
	Disabled bool  // it has answered 410: nothing is delivered until the next start
}

// Start returns a deliverer that runs. The hook was checked.
func Start(conf Config, hook Hook) *Deliverer {
	conf = conf.withDefaults()
	d := &Deliverer{conf: conf, hook: hook, poster: signed.NewPoster(hook.Secrets, conf.Timeout, 2, conf.Transport), news: newNews()}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.wg.Go(func() { d.run(ctx) })
	return d
}

// Close ends it, and returns when it has ended. What was posted and not answered is
// delivered again at the next start.
func (d *Deliverer) Close() {
	d.cancel()
	d.wg.Wait()
	d.poster.Close()
}

// Stats returns the counts at this moment.
func (d *Deliverer) Stats() Stats {
	return Stats{
		Name: d.hook.Name, Events: d.delivered.Load(), Requests: d.requests.Load(), Failures: d.failures.Load(), Disabled: d.disabled.Load(),
	}
}

// errGone is the end of a hook whose backend wants nothing any more.
var errGone = errors.New("the backend has answered 410")

// run delivers whenever this node holds the lease.
func (d *Deliverer) run(ctx context.Context) {
	stops, err := d.watch(ctx)
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	for err == nil && ctx.Err() == nil {
		lease, lerr := d.conf.Log.Leases().Acquire(ctx, "webhook-"+d.hook.Name, d.conf.Node, d.conf.Lease)
		if lerr != nil {
			pause(ctx, d.conf.Lease/4)
			continue
		}
		err = d.hold(ctx, lease)
	}
	if errors.Is(err, errGone) {
		d.disabled.Store(true)
		d.conf.Logger.Error("a webhook is disabled: its backend has answered 410 Gone", "webhook", d.hook.Name)
	}
}

// watch follows the channels that the hook is about, until its stops are called.
func (d *Deliverer) watch(ctx context.Context) (stops []func(), err error) {
	var patterns []string
	if slices.Contains(d.hook.Events, Publication) {
		patterns = append(patterns, d.hook.Channels...)
	}
	if d.hook.occupancy() {
		patterns = append(patterns, Channel)
	}
	for _, p := range patterns {
		for wait := d.conf.Backoff; ; wait = min(2*wait, maxBackoff) {
			stop, err := d.conf.Log.Watch(p, d)
			if err == nil {
				stops = append(stops, stop)
				break
			}
			if errors.Is(err, eventlog.ErrClosed) || !pause(ctx, wait) {
				return stops, err
			}
		}
	}
	return stops, nil
}

// Deliver implements [eventlog.Sink]: it notes that a channel has news.
func (d *Deliverer) Deliver(l *eventlog.Live) {
	switch {
	case l.Kind == eventlog.LiveResync:
		d.news.doubt()
	case l.Kind == eventlog.LiveRecord && d.hook.reads(l.Channel):
		d.news.add(l.Channel, l.Record.Offset)
	}
}

// hold delivers while the lease is held, and gives it back. An error ends the hook.
func (d *Deliverer) hold(ctx context.Context, lease eventlog.Lease) error {
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		defer cancel()
		for pause(ctx, d.conf.Lease/4) {
			next, err := d.conf.Log.Leases().Renew(ctx, lease)
			switch {
			case err == nil:
				lease = next
			case errors.Is(err, eventlog.ErrLeaseLost) || time.Now().After(lease.Until):
				d.conf.Logger.Warn("a webhook's lease is lost; another node delivers", "webhook", d.hook.Name, "err", err)
				return
			}
		}
	})
	err := d.deliver(ctx)
	cancel()
	renewing.Wait()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer done()
	if rerr := d.conf.Log.Leases().Release(last, lease); rerr != nil {
		d.conf.Logger.Warn("a webhook's lease cannot be given back; it ends by itself", "webhook", d.hook.Name, "err", rerr)
	}
	return err
}

// deliver delivers until ctx ends or the hook does.
func (d *Deliverer) deliver(ctx context.Context) error {
	r := &reader{d: d, at: map[string]eventlog.Position{}, in: map[string]crowd{}}
	d.news.doubt()
	for wait := time.Duration(0); ; {
		batch, err := r.next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			d.conf.Logger.Warn("what a webhook is to deliver cannot be read", "webhook", d.hook.Name, "err", err)
			wait = min(max(2*wait, d.conf.Backoff), maxBackoff)
			pause(ctx, wait)
			continue
		}
		wait = 0
		if len(batch.events) > 0 {
			if err := d.post(ctx, batch); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
		r.keep(ctx, batch)
	}
}

// post posts a batch until the backend has taken it.
func (d *Deliverer) post(ctx context.Context, b *batch) error {
	body := b.body(d.hook.Name)
	for wait := d.conf.Backoff; ; wait = min(2*wait, maxBackoff) {
		d.requests.Add(1)
		status, _, _, err := d.poster.Post(ctx, d.hook.URL, body, maxAnswer)
		switch {
		case status >= 200 && status < 300: // whatever the answer says, and though ctx has ended
			d.delivered.Add(int64(len(b.events)))
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case status == http.StatusGone:
			return errGone
		case err == nil:
			err = fmt.Errorf("it answered %d", status)
		}
		d.failures.Add(1)
		again := wait/2 + rand.N(wait/2+1)
		d.conf.Logger.Warn("a webhook's backend does not take events; trying again", "webhook", d.hook.Name, "events", len(b.events), "again", again, "err", err)
		if !pause(ctx, again) {
			return ctx.Err()
		}
	}
}

// pause waits, and tells whether ctx is still there after it.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// news are the channels in which there is something to deliver, in the order in
// which that was learnt.
type news struct {
	wake chan struct{}

	mu sync.Mutex
	// mu guards the following.
	first map[string]uint64 // the offset that was learnt of first
	order []string
	lost  bool // there may be something in any channel
}

func newNews() *news { return &news{wake: make(chan struct{}, 1), first: map[string]uint64{}} }

// add notes that a channel has something, at an offset or later.
func (n *news) add(channel string, offset uint64) {
	n.mu.Lock()
	if _, ok := n.first[channel]; !ok {
		n.first[channel] = offset
		n.order = append(n.order, channel)
	}
	n.mu.Unlock()
	n.nudge()
}

// doubt notes that any channel may have something.
func (n *news) doubt() {
	n.mu.Lock()
	n.lost = true
	n.mu.Unlock()
	n.nudge()
}

func (n *news) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// take returns a channel that has something.
func (n *news) take() (channel string, offset uint64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.order) == 0 {
		return "", 0, false
	}
	channel = n.order[0]
	n.order = n.order[1:]
	offset = n.first[channel]
	delete(n.first, channel)
	return channel, offset, true
}

// doubted tells whether any channel may have something, and forgets it.
func (n *news) doubted() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	was := n.lost
	n.lost = false
	return was
}
