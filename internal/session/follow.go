package session

import (
	"context"
	"sync/atomic"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/protocol"
)

// FollowedKind says what a Followed is.
type FollowedKind uint8

const (
	// FollowStarted comes first: nothing after it is missed. Recovered tells
	// whether it begins where the query said.
	FollowStarted FollowedKind = iota + 1
	// FollowPublication is a publication, as its message.
	FollowPublication
	// FollowSignal is a signal, as its message.
	FollowSignal
	// FollowReset tells that publications were missed, for Reason.
	FollowReset
	// FollowSkipped tells that publications were left out, as was asked for.
	FollowSkipped
)

// Followed is what comes on a channel that this program follows.
type Followed struct {
	Kind      FollowedKind
	JSON      []byte // not to be changed
	Reason    string
	Recovered bool

	place []byte
}

// Position returns where the follower stands after it; "" on a wildcard.
func (f *Followed) Position() string {
	if len(f.place) == 0 {
		return ""
	}
	return string(protocol.AppendPosition(nil, f.place))
}

// FollowQuery says what to follow.
type FollowQuery struct {
	Channel string // or a wildcard
	Since   protocol.Position
	Filter  protocol.Filter
	Slow    protocol.SlowPolicy
}

// followBudget is how much is gathered before it is handed on.
const followBudget = 256 << 10

// Follow hands what comes on a channel to f, in the caller's goroutine, until ctx
// ends or f returns an error, which Follow returns. It goes by the same ways as a
// client's subscription, and so misses nothing without saying so. Nobody is asked
// whether it may.
func (sv *Server) Follow(ctx context.Context, q FollowQuery, f func(*Followed) error) error {
	o := &followOutlet{ready: make(chan struct{}, 1)}
	s := sv.openInside(o)
	defer s.End(nil)
	e, refused := s.reserve(q.Channel, true)
	if refused != nil {
		return refused
	}
	j := joinSince(q.Channel, q.Since)
	j.Filter, j.Slow, j.Inside = q.Filter, q.Slow, true
	sub, recovered, refused := s.make(e, j)
	if refused != nil {
		return refused
	}
	if err := f(&Followed{Kind: FollowStarted, Recovered: recovered, place: sub.AppendPlace(nil)}); err != nil {
		return err
	}
	sub.Start()
	g := &gathered{}
	for {
		for s.Next(g, followBudget) {
			for i := range g.all {
				if err := f(&g.all[i]); err != nil {
					return err
				}
			}
			*g = gathered{}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-sv.ctx.Done():
			return goingAway()
		case <-o.ready:
			if why := o.ended.Load(); why != nil {
				return why
			}
		}
	}
}

// openInside opens a session of this program, which no limit holds for and nobody
// else can find.
func (sv *Server) openInside(o Outlet) *Session {
	sv.mu.Lock()
	sv.next++
	worker := uint16(sv.conf.Hub.WorkerOf(sv.next))
	sv.mu.Unlock()
	return &Session{server: sv, id: sv.conf.Node + ".inside", outlet: o, heartbeat: NoHeartbeat, worker: worker}
}

// followOutlet wakes a follower.
type followOutlet struct {
	ready chan struct{}
	ended atomic.Pointer[protocol.Error]
}

// Flush implements [Outlet].
func (o *followOutlet) Flush() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// End implements [Outlet].
func (o *followOutlet) End(why *protocol.Error) {
	o.ended.Store(why)
	o.Flush()
}

// gathered is a [Writer] that keeps what it is given, to hand it on without the
// locks under which it comes.
type gathered struct {
	all []Followed
	n   int
}

// Len implements [hub.Emitter].
func (g *gathered) Len() int { return g.n }

func (g *gathered) add(s *hub.Subscription, f Followed) {
	f.place = s.AppendPlace(nil)
	g.all = append(g.all, f)
	g.n += len(f.JSON) + 1
}

// Publication implements [hub.Emitter].
func (g *gathered) Publication(s *hub.Subscription, f *hub.Frame, _ hub.Place) {
	g.add(s, Followed{Kind: FollowPublication, JSON: f.JSON()})
}

// Signal implements [hub.Emitter].
func (g *gathered) Signal(s *hub.Subscription, f *hub.Frame, _ hub.Place) {
	g.add(s, Followed{Kind: FollowSignal, JSON: f.JSON()})
}

// Notice implements [hub.Emitter].
func (g *gathered) Notice(s *hub.Subscription, n hub.Notice, _ hub.Place) {
	switch n {
	case hub.Moved:
	case hub.Skipped:
		g.add(s, Followed{Kind: FollowSkipped})
	default:
		g.add(s, Followed{Kind: FollowReset, Reason: n.Reason()})
	}
}

// Message implements [Writer].
func (g *gathered) Message([]byte) {}

// Ping implements [Writer].
func (g *gathered) Ping(bool) {}

// Pong implements [Writer].
func (g *gathered) Pong([]byte) {}

// Drain implements [Writer].
func (g *gathered) Drain(int64) {}
