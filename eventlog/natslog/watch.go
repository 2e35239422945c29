package natslog

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// The last token of a live subject.
const (
	liveRecord = "r"
	liveSignal = "s"
)

// live returns the subject on which what two tokens stand for is live.
func (e *Engine) live(where, kind string) string {
	return e.opts.Prefix + ".live." + where + "." + kind
}

// Deliveries are queued in a few channels, and a goroutine for each hands them to
// the sinks. A queue that was full has perhaps lost some: when it is empty again,
// everybody is told to look.
const (
	liveQueues     = 4
	liveQueueDepth = 8192
)

// watches knows who watches what.
type watches struct {
	e    *Engine
	seed maphash.Seed
	news chan struct{} // a resync is wanted

	queues [liveQueues]chan *nats.Msg

	mu sync.RWMutex
	// mu guards the following.
	closed    bool
	bySubject map[string]*listening
	bySub     map[*nats.Subscription]*listening
}

// listening is a subscription with those who want what comes on it.
type listening struct {
	subject string
	sub     *nats.Subscription

	// all is replaced under the mutex of watches, not changed.
	all atomic.Pointer[[]*watcher]
}

// watcher is one call of Watch.
type watcher struct {
	sink    eventlog.Sink
	channel string // the one that is watched, or
	prefix  string // what the names begin with
	pattern bool
	stopped atomic.Bool
	mu      sync.Mutex // held while the sink is called
}

func newWatches(e *Engine) *watches {
	w := &watches{
		e: e, seed: maphash.MakeSeed(), news: make(chan struct{}, 1),
		bySubject: map[string]*listening{}, bySub: map[*nats.Subscription]*listening{},
	}
	for i := range w.queues {
		w.queues[i] = make(chan *nats.Msg, liveQueueDepth)
	}
	return w
}

func (w *watches) start() {
	for _, q := range w.queues {
		w.e.work.Go(func() { w.dispatch(q) })
	}
	w.e.work.Go(w.tellResyncs)
}

func (w *watches) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// Watch delivers what is stored and signalled on the channels that a pattern
// matches, until stop is called.
func (e *Engine) Watch(pattern string, sink eventlog.Sink) (stop func(), err error) {
	if e.closed.Load() {
		return nil, fmt.Errorf("watch %q: %w", pattern, eventlog.ErrClosed)
	}
	if !e.nc.IsConnected() {
		return nil, fmt.Errorf("watch %q: no connection to NATS: %w", pattern, eventlog.ErrUnavailable)
	}
	n := &watcher{sink: sink, channel: pattern}
	where := subjectOf(pattern)
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		n.pattern, n.prefix = true, prefix
		where = patternOf(prefix)
	}
	subject := e.live(where, "*")
	if err := e.watch.add(subject, n); err != nil {
		return nil, fmt.Errorf("watch %q: %w", pattern, err)
	}
	stop = func() {
		if n.stopped.CompareAndSwap(false, true) {
			e.watch.remove(subject, n)
		}
	}
	// Once the server has answered it knows of the subscription, and whatever is
	// asked of a leader from now on is answered after that.
	ctx, cancel := context.WithTimeout(e.life, attemptTimeout)
	defer cancel()
	if err := e.nc.FlushWithContext(ctx); err != nil {
		stop()
		return nil, fmt.Errorf("watch %q: %w: %w", pattern, err, eventlog.ErrUnavailable)
	}
	return stop, nil
}

func (w *watches) add(subject string, n *watcher) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return eventlog.ErrClosed
	}
	l := w.bySubject[subject]
	if l == nil {
		q := w.queues[maphash.String(w.seed, subject)%liveQueues]
		sub, err := w.e.nc.ChanSubscribe(subject, q)
		if err != nil {
			return fmt.Errorf("%w: %w", err, eventlog.ErrUnavailable)
		}
		l = &listening{subject: subject, sub: sub}
		l.all.Store(&[]*watcher{})
		w.bySubject[subject], w.bySub[sub] = l, l
	}
	all := append(slices.Clone(*l.all.Load()), n)
	l.all.Store(&all)
	return nil
}

func (w *watches) remove(subject string, n *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.bySubject[subject]
	if l == nil {
		return
	}
	rest := slices.DeleteFunc(slices.Clone(*l.all.Load()), func(x *watcher) bool { return x == n })
	l.all.Store(&rest)
	if len(rest) > 0 {
		return
	}
	delete(w.bySubject, subject)
	delete(w.bySub, l.sub)
	_ = l.sub.Unsubscribe() // if the connection is closed, it is gone
}

// dispatch hands what comes in a queue to the sinks.
func (w *watches) dispatch(q chan *nats.Msg) {
	lost := false
	for {
		select {
		case <-w.e.life.Done():
			return
		case m := <-q:
			lost = lost || len(q) >= cap(q)-1
			w.mu.RLock()
			l := w.bySub[m.Sub]
			w.mu.RUnlock()
			if l != nil {
				w.deliver(l, m)
			}
		}
		if lost && len(q) == 0 {
			lost = false
			w.e.log.Warn("deliveries came faster than they were taken, some may be lost")
			w.tell()
		}
	}
}

func (w *watches) deliver(l *listening, m *nats.Msg) {
	live, err := w.decode(m)
	if err != nil {
		w.e.log.Warn("what came is not of this version of Starling", "subject", m.Subject, "err", err)
		return
	}
	for _, n := range *l.all.Load() {
		if !n.pattern || strings.HasPrefix(live.Channel, n.prefix) {
			n.deliver(live)
		}
	}
}

func (n *watcher) deliver(l *eventlog.Live) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.stopped.Load() {
		n.sink.Deliver(l)
	}
}

// decode returns the delivery that a message is.
func (w *watches) decode(m *nats.Msg) (*eventlog.Live, error) {
	parts := strings.Split(strings.TrimPrefix(m.Subject, w.e.opts.Prefix+".live."), ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%d tokens", len(parts))
	}
	channel, err := channelOf(parts[0], parts[1])
	if err != nil {
		return nil, err
	}
	seq := number(m.Header, headerSequence)
	if parts[2] == liveSignal {
		s, err := signalOf(channel, &stored{
			subject: text(m.Header, headerSubject), seq: seq, header: m.Header, data: m.Data,
		})
		return &eventlog.Live{Kind: eventlog.LiveSignal, Channel: channel, Signal: s}, err
	}
	r, err := decode(&stored{seq: seq, header: m.Header, data: m.Data})
	return &eventlog.Live{
		Kind: eventlog.LiveRecord, Channel: channel, Record: r,
		Epoch: w.e.partition(channel).epoch.Load(), Prev: number(m.Header, headerLastSequence),
	}, err
}

// resync tells all watchers that they may have missed something: now, and once
// more when what was under way has arrived.
func (w *watches) resync() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// resyncAgain is when the second resync follows the first. What a stream stores
// while it changes its leader may not be told to anybody.
const resyncAgain = 2 * time.Second

func (w *watches) tellResyncs() {
	again := time.NewTimer(time.Hour)
	again.Stop()
	defer again.Stop()
	for {
		select {
		case <-w.e.life.Done():
			return
		case <-w.news:
			again.Reset(resyncAgain)
		case <-again.C:
		}
		w.tell()
	}
}

// tell delivers a LiveResync to everybody.
func (w *watches) tell() {
	w.mu.RLock()
	var all []*watcher
	for _, l := range w.bySubject {
		all = append(all, *l.all.Load()...)
	}
	w.mu.RUnlock()
	for _, n := range all {
		n.deliver(&eventlog.Live{Kind: eventlog.LiveResync})
	}
}

// watchLeaders listens for changes of the streams' leaders.
func (e *Engine) watchLeaders() error {
	const elected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."
	_, err := e.nc.Subscribe(elected+"*", func(m *nats.Msg) {
		stream := strings.TrimPrefix(m.Subject, elected)
		if !strings.HasPrefix(stream, e.opts.Prefix+"-") || e.closed.Load() {
			return
		}
		e.log.Info("a stream has another leader", "stream", stream)
		e.send.hurry(stream)
		e.watch.resync()
	})
	if err != nil {
		return fmt.Errorf("listen for changes of leaders: %w", err)
	}
	return nil
}
