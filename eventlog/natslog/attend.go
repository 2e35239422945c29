package natslog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// Who is asked whether it is here answers after a moment by chance, so that many do
// not answer at once: answerEach for each that is here, answerWithin at most.
const (
	answerEach   = 5 * time.Millisecond
	answerWithin = time.Second
)

func (o *Options) beatSubject() string { return o.Prefix + ".beat" }

// Attend makes this node known to all others that attend, and them to it: told is
// called with each that comes or goes, beginning with those that are here, by one
// goroutine, in order. What happens while it takes its time is told afterwards. An
// engine attends once at a time.
//
// A node says that it lives every 2 s. The others judge it, each by its own clock: who
// was silent for 10 s is dead to them, and arrives again if it is heard again. While a
// node's own connection is away it judges nobody, and after that it gives all their full
// time again. No stream, and no election of a leader, is involved.
func (e *Engine) Attend(node string, told func(eventlog.NodeChange)) (eventlog.Attendance, error) {
	a, err := e.attend(node, told)
	if err != nil {
		return nil, fmt.Errorf("attend as node %q: %w", node, err)
	}
	return a, nil
}

func (e *Engine) attend(node string, told func(eventlog.NodeChange)) (*attendance, error) {
	if err := eventlog.CheckNode(node); err != nil {
		return nil, err
	}
	if e.closed.Load() {
		return nil, eventlog.ErrClosed
	}
	a := &attendance{
		e: e, self: eventlog.Node{Name: node, Incarnation: time.Now().UnixNano()}, told: told,
		ended: make(chan struct{}), wanted: make(chan struct{}, 1), news: make(chan struct{}, 1),
	}
	a.roll = newRoll(a.self)
	a.ctx, a.end = context.WithCancel(e.life)
	if !e.link.attending.CompareAndSwap(nil, a) {
		return nil, fmt.Errorf("the engine attends already: %w", eventlog.ErrInvalid)
	}
	if err := a.listen(); err != nil {
		a.end()
		e.link.attending.Store(nil)
		return nil, fmt.Errorf("%w: %w", err, eventlog.ErrUnavailable)
	}
	e.work.Go(func() {
		defer close(a.ended)
		var telling sync.WaitGroup
		telling.Go(a.tell)
		a.run()
		telling.Wait()
	})
	return a, nil
}

// attendance implements [eventlog.Attendance].
type attendance struct {
	// Static after Attend.
	e    *Engine
	self eventlog.Node
	told func(eventlog.NodeChange)
	sub  *nats.Subscription

	ctx   context.Context // ends with Leave, or with the engine
	end   context.CancelFunc
	leave sync.Once
	ended chan struct{} // closed when the goroutines have ended

	wanted chan struct{} // somebody wants a beat
	news   chan struct{} // there are changes to tell

	mu sync.Mutex
	// mu guards the following.
	roll    roll
	changes []eventlog.NodeChange
	twin    int64 // incarnation of another node of this name, once it was logged
}

// listen begins to hear the others, and asks who is here.
func (a *attendance) listen() (err error) {
	if a.sub, err = a.e.nc.Subscribe(a.e.opts.beatSubject(), a.heard); err != nil {
		return err
	}
	if err = a.e.nc.Publish(a.e.opts.beatSubject(), a.beat(beatAsks)); err == nil {
		err = a.e.nc.FlushTimeout(attemptTimeout)
	}
	if err != nil {
		_ = a.sub.Unsubscribe() // the connection may be closed
	}
	return err
}

func (a *attendance) beat(kind byte) []byte {
	b := beat{kind, a.self}
	return b.encode()
}

// say sends a beat, which is lost if there is no connection: the others will notice.
func (a *attendance) say(kind byte) {
	if err := a.e.nc.Publish(a.e.opts.beatSubject(), a.beat(kind)); err != nil {
		a.e.log.Debug("a heartbeat cannot be sent", "err", err)
	}
}

// run lets time pass, and beats.
func (a *attendance) run() {
	tick := time.NewTicker(a.e.opts.tick)
	defer tick.Stop()
	var answer <-chan time.Time
	for n := 1; ; {
		select {
		case <-a.ctx.Done():
			return
		case <-tick.C:
			a.mu.Lock()
			a.note(a.roll.tick()...)
			a.mu.Unlock()
			if n++; n%beatTicks == 0 {
				a.say(beatHere)
			}
		case <-a.wanted:
			if answer == nil {
				answer = time.After(a.moment())
			}
		case <-answer:
			answer = nil
			a.say(beatHere)
		}
	}
}

// moment returns how long to wait with an answer.
func (a *attendance) moment() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	most := time.Duration(1+len(a.roll.others)) * answerEach
	return rand.N(min(most, answerWithin))
}

// want asks for a beat soon.
func (a *attendance) want() {
	select {
	case a.wanted <- struct{}{}:
	default:
	}
}

// heard takes what another node says, or this one.
func (a *attendance) heard(m *nats.Msg) {
	b, err := parseBeat(m.Data)
	if err != nil {
		a.e.log.Debug("a heartbeat is not understood", "err", err)
		return
	}
	if b.kind == beatAsks && b.node != a.self {
		a.want()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note(a.roll.hear(b))
	if b.node.Name == a.self.Name && b.node.Incarnation != a.self.Incarnation && b.kind != beatLeaves && a.twin != b.node.Incarnation {
		a.twin = b.node.Incarnation
		a.e.log.Warn("another node has the name of this one: give each a name of its own", "node", a.self.Name)
	}
}

// note keeps changes until they are told. The lock is held.
func (a *attendance) note(changes ...eventlog.NodeChange) {
	for _, c := range changes {
		if c.Kind == 0 {
			continue
		}
		a.changes = append(a.changes, c)
		select {
		case a.news <- struct{}{}:
		default:
		}
	}
}

// tell tells what has changed.
func (a *attendance) tell() {
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-a.news:
		}
		a.mu.Lock()
		changes := a.changes
		a.changes = nil
		a.mu.Unlock()
		for _, c := range changes {
			if a.ctx.Err() != nil {
				return
			}
			a.told(c)
		}
	}
}

// disconnected is called when the connection is lost.
func (a *attendance) disconnected() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll.disconnected()
}

// Self implements [eventlog.Attendance].
func (a *attendance) Self() eventlog.Node { return a.self }

// Nodes implements [eventlog.Attendance].
func (a *attendance) Nodes() []eventlog.Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.roll.nodes()
}

// Leave implements [eventlog.Attendance].
func (a *attendance) Leave() {
	a.leave.Do(func() {
		_ = a.sub.Unsubscribe() // the connection may be closed
		a.end()
		<-a.ended
		a.e.link.attending.Store(nil)
		if a.e.nc.IsConnected() {
			a.say(beatLeaves) // the last that is said
			_ = a.e.nc.FlushTimeout(attemptTimeout)
		}
	})
}
