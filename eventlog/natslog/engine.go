package natslog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/recordcache"
)

// Engine is an eventlog.Engine in a NATS JetStream cluster.
type Engine struct {
	// Static after Open.
	opts     Options
	policies eventlog.Policies
	log      *slog.Logger
	nc       *nats.Conn
	js       jetstream.JetStream
	mux      *mux
	parts    []*partition
	copies   int // of each stream

	send   *sender
	watch  *watches
	kv     *kv
	keeper *keeper
	rooms  rooms
	cache  *recordcache.Cache // nil: there is none

	link link

	closed atomic.Bool
	life   context.Context // ends when the engine is closed
	end    context.CancelFunc
	work   sync.WaitGroup // all goroutines of the engine
}

// link is what goes by the connection's being lost and found.
type link struct {
	// reconnected says that there is a new connection.
	reconnected chan struct{}
	// whole is closed when the streams were looked after since the connection was
	// lost last.
	whole atomic.Pointer[chan struct{}]
	// attending is what Attend has made, nil if nothing.
	attending atomic.Pointer[attendance]
}

var _ eventlog.Engine = (*Engine)(nil)

// Open connects to a cluster, checks that it can keep a log, and makes the
// streams if there are none. ctx bounds that.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("open NATS: %w", err)
	}
	e := &Engine{opts: o, policies: o.Policies, log: o.Logger, link: link{reconnected: make(chan struct{}, 1)}}
	e.life, e.end = context.WithCancel(context.Background())
	if err := e.start(ctx); err != nil {
		e.end()
		if e.nc != nil {
			e.nc.Close()
		}
		return nil, fmt.Errorf("open NATS: %w", err)
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context) (err error) {
	e.watch = newWatches(e)
	e.send = newSender(e)
	e.markWhole(nil)
	if e.nc, err = e.opts.connect(
		nats.DisconnectErrHandler(e.disconnected),
		nats.ReconnectHandler(func(*nats.Conn) { e.connectedAgain() }),
		nats.ErrorHandler(e.asyncError),
	); err != nil {
		return err
	}
	if e.js, err = jetstream.New(e.nc); err != nil {
		return err
	}
	if err := checkServer(ctx, e.nc, e.js); err != nil {
		return err
	}
	if _, err := e.ensure(ctx, e.opts.Partitions); err != nil {
		return err
	}
	s, err := e.js.Stream(ctx, e.parts[0].log)
	if err != nil {
		return err
	}
	e.copies = s.CachedInfo().Config.Replicas
	e.send.window = windowOfSeveral
	if e.copies == 1 {
		e.send.window = windowOfOne
	}
	if e.mux, err = newMux(e.nc); err != nil {
		return err
	}
	if err := e.watchLeaders(); err != nil {
		return err
	}
	e.kv = &kv{e}
	e.keeper = newKeeper(e)
	e.rooms.known = map[string]*room{}
	e.openCache()
	e.work.Go(e.send.run)
	e.work.Go(e.send.expire)
	e.work.Go(e.keeper.run)
	e.work.Go(e.keeper.runSweeps)
	e.work.Go(e.mend)
	e.watch.start()
	e.log.Info("the log is on NATS", "server", e.nc.ConnectedServerName(), "version", e.nc.ConnectedServerVersion(),
		"partitions", len(e.parts), "replicas", e.copies)
	e.log.Info("set sync_interval: always on every nats-server, so that an acknowledged publication survives a power cut; it cannot be seen from here")
	return nil
}

// disconnected is called when the connection is lost.
func (e *Engine) disconnected(_ *nats.Conn, err error) {
	if !e.closed.Load() {
		e.log.Warn("the connection to NATS is lost", "err", err)
		e.send.hurry("")
		broken := make(chan struct{})
		e.link.whole.Store(&broken)
		if a := e.link.attending.Load(); a != nil {
			a.disconnected()
		}
	}
}

// wholeAgain waits, for a while, until the streams were looked after.
func (e *Engine) wholeAgain(ctx context.Context) error {
	whole := *e.link.whole.Load()
	select {
	case <-whole:
		return nil
	default:
	}
	if !e.nc.IsConnected() {
		return fmt.Errorf("no connection to NATS: %w", eventlog.ErrUnavailable)
	}
	timer := time.NewTimer(attemptTimeout)
	defer timer.Stop()
	select {
	case <-whole:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("the streams are not all there: %w", eventlog.ErrUnavailable)
	}
}

func (e *Engine) connectedAgain() {
	e.log.Info("connected to NATS again", "server", e.nc.ConnectedServerName())
	select {
	case e.link.reconnected <- struct{}{}:
	default:
	}
	e.watch.resync()
	if a := e.link.attending.Load(); a != nil {
		a.want() // the others hear of us, and we of ourselves
	}
}

func (e *Engine) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		// Whoever empties the queue tells.
	case sub != nil:
		e.log.Warn("NATS", "subject", sub.Subject, "err", err)
	default:
		e.log.Warn("NATS", "err", err)
	}
}

// How long one look at the streams may take, and what lies between two.
const (
	mendTimeout  = 5 * time.Second
	mendEach     = 50 * time.Millisecond // more for each partition
	mendPause    = 250 * time.Millisecond
	maxMendPause = 10 * time.Second
)

// mend makes again, after the connection was lost, the streams that servers lose
// when they are started anew.
func (e *Engine) mend() {
	for {
		select {
		case <-e.life.Done():
			return
		case <-e.link.reconnected:
		}
		for pause := mendPause; e.life.Err() == nil; pause = min(2*pause, maxMendPause) {
			broken := e.link.whole.Load()
			// Who has no leader does not answer.
			ctx, cancel := context.WithTimeout(e.life, mendTimeout+time.Duration(len(e.parts))*mendEach)
			_, err := e.ensure(ctx, len(e.parts))
			cancel()
			if err == nil {
				e.markWhole(broken)
				break
			}
			if e.life.Err() == nil {
				e.log.Warn("look after the streams", "err", err)
			}
			select {
			case <-e.life.Done():
			case <-time.After(pause):
			}
		}
	}
}

// markWhole says that the streams were looked after, unless the connection was lost
// again meanwhile.
func (e *Engine) markWhole(broken *chan struct{}) {
	whole := make(chan struct{})
	close(whole)
	if e.link.whole.CompareAndSwap(broken, &whole) && broken != nil {
		select {
		case <-*broken: // it was
		default:
			close(*broken)
		}
	}
}

// partition returns the partition of a channel.
func (e *Engine) partition(channel string) *partition {
	return e.parts[partitionOf(channel, len(e.parts))]
}

// Info tells what kind of engine it is.
func (e *Engine) Info() eventlog.Info {
	promise := "An acknowledged publication survives the loss of a minority of the NATS servers, and a power cut of all if they run with sync_interval: always."
	if e.copies == 1 {
		promise = "An acknowledged publication is on one NATS server, and survives a power cut if that runs with sync_interval: always."
	}
	return eventlog.Info{Name: "nats", Remote: true, Promise: promise}
}

// Health returns nil if every partition has a leader that takes appends, and
// otherwise what is wrong.
func (e *Engine) Health(ctx context.Context) error {
	if e.closed.Load() {
		return eventlog.ErrClosed
	}
	if !e.nc.IsConnected() {
		return fmt.Errorf("there is no connection to NATS at %s: %w", redact(e.opts.URLs), eventlog.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	errs := make([]error, len(e.parts))
	var asked sync.WaitGroup
	for i, p := range e.parts {
		asked.Go(func() {
			if errs[i] = e.leads(ctx, p.log); errs[i] == nil {
				errs[i] = e.takes(ctx, p)
			}
		})
	}
	asked.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// leads returns nil if a stream has a leader that answers.
func (e *Engine) leads(ctx context.Context, stream string) error {
	var out struct {
		Config struct {
			Sealed bool `json:"sealed"`
		} `json:"config"`
	}
	if err := e.attempt(ctx, "$JS.API.STREAM.INFO."+stream, []byte("{}"), &out); err != nil {
		return fmt.Errorf("stream %s does not answer: %w: %w", stream, err, eventlog.ErrUnavailable)
	}
	if out.Config.Sealed {
		return fmt.Errorf("stream %s is sealed: %w", stream, eventlog.ErrUnavailable)
	}
	return nil
}

// takes returns nil if a stream takes appends, as far as is known. A leader that
// cannot store anything, because most disks are full, still answers: so when the last
// append was not stored, one that means nothing is tried.
func (e *Engine) takes(ctx context.Context, p *partition) error {
	if !p.doubted.Load() {
		return nil
	}
	m := &nats.Msg{Subject: p.probe, Header: nats.Header{headerTTL: {ttlOf(time.Second)}}}
	_, err := e.publish(ctx, m)
	var refused *apiError
	if err != nil && (!errors.As(err, &refused) || refused.Code >= 500) {
		return fmt.Errorf("stream %s takes nothing: %w: %w", p.log, err, eventlog.ErrUnavailable)
	}
	p.doubted.Store(false)
	return nil
}

// KV returns the engine's key-values.
func (e *Engine) KV() eventlog.KV { return e.kv }

// Close ends the engine. Appends that have no outcome get ErrUnknown if they were
// sent, and ErrClosed otherwise.
func (e *Engine) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	e.end()
	e.send.close()
	e.watch.close()
	e.work.Wait()
	e.nc.Close()
	if err := e.cache.Close(); err != nil {
		e.log.Warn("close the cache", "err", err) // nothing of it is needed
	}
	return nil
}

// check returns why an operation cannot be done.
func (e *Engine) check(ctx context.Context, verb, name string) error {
	err := ctx.Err()
	if e.closed.Load() {
		err = eventlog.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", verb, name, err)
	}
	return nil
}
