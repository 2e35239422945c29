package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/wheel"
	"github.com/starling-rt/starling/protocol"
)

// DefaultNode is the name of a node that was given none.
const DefaultNode = "n1"

// Config is what all sessions of a server share. It is not changed after New.
type Config struct {
	Hub  *hub.Hub
	Log  *eventlog.Log
	Node string // the beginning of session ids; default "n1"

	// Policy says who clients are and what they may do. Nil: all may do
	// everything, and no token is accepted.
	Policy Policy
	// Hooks are asked before something happens.
	Hooks Hooks
	// HookTimeout bounds what a policy or a hook waits for. Default 10 s.
	HookTimeout time.Duration
	// Kind returns what publications on a channel mean; nil is what they are.
	Kind func(channel string) Kind
	// ExpiryGrace is how long a session outlives its token. Default: not at all.
	ExpiryGrace time.Duration

	Limits                   // until SetLimits
	MaxMessage int           // bytes of a message from a client; default 64 KiB
	Ping       time.Duration // between heartbeats; default 25 s
	PongWait   time.Duration // for the answer; default 10 s
	Observer   Observer
	Logger     *slog.Logger // default: none
}

// Server makes sessions and knows them. Its methods are safe for concurrent use.
type Server struct {
	conf   Config
	wheel  *wheel.Wheel // of heartbeats
	expiry *wheel.Wheel // of tokens
	limits atomic.Pointer[Limits]
	addrs  Buckets
	users  users

	ctx    context.Context // ends with Close; bounds what sessions wait for
	cancel context.CancelFunc

	mu       sync.Mutex // guards the following
	sessions map[string]*Session
	next     uint64
	draining bool
	closed   bool
	wg       sync.WaitGroup

	stats counters
}

type counters struct {
	opened, commands, refused, published, limited, pongless, slow atomic.Int64
}

// Stats is what the sessions do, for metrics.
type Stats struct {
	Sessions  int64 // now
	Opened    int64
	Commands  int64
	Refused   int64 // commands that got an error
	Published int64 // acknowledged to clients
	Limited   int64 // commands over a rate
	Pongless  int64 // sessions ended for want of a pong
	Slow      int64 // sessions ended by the policy of a subscription
}

// NewServer returns a server of sessions.
func NewServer(conf Config) *Server {
	setDefault(&conf.Node, DefaultNode)
	setDefault(&conf.MaxMessage, protocol.DefaultMaxMessageBytes)
	if conf.MaxMessage < 0 {
		conf.MaxMessage = protocol.MaxMessageBytes
	}
	conf.Ping = max(conf.Ping, 0)
	conf.PongWait = max(conf.PongWait, 0)
	setDefault(&conf.Ping, 25*time.Second)
	setDefault(&conf.PongWait, 10*time.Second)
	setDefault(&conf.HookTimeout, 10*time.Second)
	setDefault(&conf.Logger, slog.New(slog.DiscardHandler))
	s := &Server{conf: conf, sessions: map[string]*Session{}}
	s.wheel = wheel.New(time.Second, conf.Ping*2+conf.PongWait)
	s.expiry = wheel.New(time.Second, expirySpan)
	s.SetLimits(conf.Limits)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Options say what kind of session to open.
type Options struct {
	Identity *auth.Identity // nil is anonymous
	Door     Door
	Outlet   Outlet
	// Heartbeat says how the client is known to be there.
	Heartbeat Heartbeat
}

// Heartbeat is how a session is kept alive.
type Heartbeat uint8

const (
	// Answered: the client answers pings.
	Answered Heartbeat = iota
	// Unanswered: pings only keep the way open, and show a socket that is stuck.
	Unanswered
	// NoHeartbeat: the transport knows by other means.
	NoHeartbeat
)

// Open makes a session, or says why not.
func (sv *Server) Open(o Options) (*Session, *protocol.Error) {
	var secret [16]byte
	if _, err := rand.Read(secret[:]); err != nil {
		panic(err) // does not happen since Go 1.24
	}
	s := &Session{
		server: sv, id: sv.conf.Node + "." + base64.RawURLEncoding.EncodeToString(secret[:]),
		outlet: o.Outlet, heartbeat: o.Heartbeat,
	}
	if sv.conf.Hooks.Connect != nil {
		s.client.door = &o.Door
	}
	s.client.who = o.Identity
	if err := sv.count(s, o.Door.Addr); err != nil {
		sv.conf.Observer.reject(err)
		return nil, err
	}
	sv.mu.Lock()
	if err := sv.closedTo(len(sv.sessions)); err != nil {
		sv.mu.Unlock()
		sv.discharge(s)
		sv.conf.Observer.reject(err)
		return nil, err
	}
	sv.next++
	s.worker = uint16(sv.conf.Hub.WorkerOf(sv.next))
	sv.sessions[s.id] = s
	sv.mu.Unlock()
	sv.stats.opened.Add(1)
	_ = s.identify(o.Identity) // who has been counted already
	if sv.revoked(o.Identity) {
		err := TokenRevoked()
		s.End(err)
		return nil, err
	}
	if s.heartbeat != NoHeartbeat {
		sv.wheel.Add(s, s.firstPing())
	}
	return s, nil
}

// Find returns the session with an id, or nil.
func (sv *Server) Find(id string) *Session {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	return sv.sessions[id]
}

// All returns the sessions at this moment.
func (sv *Server) All() []*Session {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	all := make([]*Session, 0, len(sv.sessions))
	for _, s := range sv.sessions {
		all = append(all, s)
	}
	return all
}

// Draining tells whether the server takes no new sessions any more.
func (sv *Server) Draining() bool {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	return sv.draining
}

// Drain takes no new sessions, and asks those that are open to come back, spread
// over the time given so that they do not come all at once. Each is ended a second
// after it was asked. Drain returns when all have ended, or when ctx ends.
func (sv *Server) Drain(ctx context.Context, over time.Duration) {
	sv.mu.Lock()
	sv.draining = true
	sv.mu.Unlock()
	all := sv.All()
	if len(all) == 0 {
		return
	}
	// In steps, not one by one: a timer for each of a million would be late.
	const steps, notice = 50, time.Second
	t := time.NewTicker(max(over/steps, time.Millisecond))
	defer t.Stop()
	var asked []time.Time // when the sessions of each step were asked
	ended := 0
	for ended < steps {
		if i := len(asked); i < steps {
			for _, s := range all[len(all)*i/steps : len(all)*(i+1)/steps] {
				s.askToLeave()
			}
			asked = append(asked, time.Now())
		}
		for ; ended < len(asked) && time.Since(asked[ended]) >= notice; ended++ {
			for _, s := range all[len(all)*ended/steps : len(all)*(ended+1)/steps] {
				s.End(goingAway())
			}
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

func goingAway() *protocol.Error {
	return protocol.Errorf(protocol.Draining, "The server is going away. Come back in a moment.")
}

// Close ends all sessions and returns when nothing of them runs any more. Only
// the first call does anything.
func (sv *Server) Close() {
	sv.mu.Lock()
	was := sv.closed
	sv.draining, sv.closed = true, true
	sv.mu.Unlock()
	if was {
		return
	}
	sv.cancel()
	for _, s := range sv.All() {
		s.End(goingAway())
	}
	sv.wheel.Close()
	sv.expiry.Close()
	sv.wg.Wait()
}

// spawn runs f on a goroutine that Close waits for, unless the server is closed.
func (sv *Server) spawn(f func()) bool {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.closed {
		return false
	}
	sv.wg.Go(f)
	return true
}

func (sv *Server) remove(s *Session) {
	sv.mu.Lock()
	delete(sv.sessions, s.id)
	sv.mu.Unlock()
}

// Stats returns the counts at this moment.
func (sv *Server) Stats() Stats {
	sv.mu.Lock()
	n := int64(len(sv.sessions))
	sv.mu.Unlock()
	return Stats{
		Sessions: n, Opened: sv.stats.opened.Load(), Commands: sv.stats.commands.Load(), Refused: sv.stats.refused.Load(),
		Published: sv.stats.published.Load(), Limited: sv.stats.limited.Load(), Pongless: sv.stats.pongless.Load(), Slow: sv.stats.slow.Load(),
	}
}

// MaxMessage returns how long a message of a client may be.
func (sv *Server) MaxMessage() int { return sv.conf.MaxMessage }
