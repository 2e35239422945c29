// Package starling is a real-time server for web applications: channels over
// WebSocket, Server-Sent Events and long polling, with history and recovery.
//
// A [Server] is an [http.Handler] to mount in a program of one's own; the binary
// in cmd/starling serves the same. What clients and server say to each other is
// specified in docs/protocol.md.
package starling

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/api"
	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/transport"
	"github.com/starling-rt/starling/protocol"
)

// Options are the settings of a Server. The zero value is usable: it keeps
// everything in memory and lets nobody in but the program itself.
type Options struct {
	// Data is the directory in which channels are kept. Default: none, they
	// are kept in memory.
	Data string
	// Engine keeps the channels instead, opened with Namespaces.Policies; the
	// server closes it.
	Engine eventlog.Engine
	// Backups is the directory in which the HTTP API makes backups of Data.
	// Default: it makes none.
	Backups string

	// Namespaces are the settings of channels.
	Namespaces Namespaces

	// Tokens say which tokens of clients are accepted. Without a key none is, but
	// for those that POST /dev/token makes with Dev.
	Tokens auth.Options
	// TokenCookie is the name of the cookie that may carry a token. It counts for
	// pages of the server's own origin and of AllowedOrigins. Default: none.
	TokenCookie string
	// Authorize, if set, has the last word on what a client may do: nil lets it,
	// [ErrUndecided] leaves it to the client's token and the channel's namespace,
	// any other error refuses; see [Refuse]. It may take a while.
	Authorize func(ctx context.Context, who *Identity, verb Verb, channel string) error
	// Hooks are asked before something happens.
	Hooks Hooks
	// Backend is asked instead of hooks, and told what happens, over HTTP.
	Backend Backend
	// HookTimeout is how long Authorize, a hook and a [Kind] may take. Default 10 s.
	HookTimeout time.Duration
	// RevokeFor is how long a revocation is kept, at least as long as a token lives.
	// Default: [DefaultRevokeFor].
	RevokeFor time.Duration

	// APIKeys open the HTTP API.
	APIKeys []string
	// Dev is for development: clients may do everything on every channel unless
	// their token says what they may, the API needs no key, pages of this machine
	// may connect from any port, and POST /dev/token makes tokens.
	Dev bool
	// AllowedOrigins are the origins of pages that may connect, beside the
	// server's own: "https://example.com", "https://*.example.com" for what is
	// below it, or "*" for all.
	AllowedOrigins []string
	// Proxies are believed who a request is from. Default: none is.
	Proxies Proxies

	// Limits of clients; see [Limits].
	Limits Limits
	// Hub is the memory and the pace of fan-out. Default: see [Tuning].
	Hub Tuning

	// Node is the name of this node, the beginning of its session ids: 1 to 64 bytes
	// without dots and spaces. Default "n1".
	Node string
	// Logger hears what operators should know. Default: slog.Default().
	Logger *slog.Logger
	// Observer hears what happens, for metrics. Default: nobody does.
	Observer Observer
}

// Limits bound what one client can ask for. A zero value stands for the default,
// a negative one for no limit; MaxMessage is then as high as it can be.
type Limits struct {
	MaxMessage      int           // bytes of a message; default 64 KiB, at most 1 MiB
	MaxChannels     int           // subscriptions of a session; default 128
	MaxWildcards    int           // of these, wildcards; default 16
	MaxSessions     int           // of this server; default: no limit
	UserSessions    int           // of one user on this server; default: no limit
	AddressSessions int           // of one address on this server; default: no limit
	CommandRate     float32       // commands a second of a session; default 100
	CommandBurst    float32       // commands at once of a session; default 200
	AddressRate     float32       // commands a second of an address; default 2,000
	AddressBurst    float32       // commands at once of an address; default 4,000
	PingInterval    time.Duration // between heartbeats; default 25 s
	PongWait        time.Duration // for the answer to one; default 10 s
	NoCompression   bool          // no permessage-deflate
}

// Tuning is how much memory fan-out may use.
type Tuning struct {
	TailRecords    int   // newest publications of a channel in memory; default 1,024
	TailBytes      int64 // the same in bytes; default 1 MiB
	TotalTailBytes int64 // of all channels; default 256 MiB
	PageCacheBytes int64 // older publications, read for who is behind; default 64 MiB
	Workers        int   // goroutines that fan out; default: one for each core
	NoPoller       bool  // each connection has a goroutine, also where a poller can watch it
}

// Server is a Starling server. Its methods are safe for concurrent use.
type Server struct {
	log        *eventlog.Log
	hub        *hub.Hub
	sessions   *session.Server
	transports *transport.Handler
	api        *api.Handler
	cluster    *cluster
	mux        *http.ServeMux
	logger     *slog.Logger

	live      atomic.Pointer[live]
	reloading sync.Mutex // held by Reload

	policy    *policy
	callbacks *callbacks // nil: there are none
	webhooks  *webhooks  // nil: there are none
	devSecret string     // of tokens made in development
	revokeFor time.Duration
	revoking  sync.Mutex // held by who changes what is revoked

	cancel context.CancelFunc // ends listen
	wg     sync.WaitGroup
}

// New returns a running server.
func New(o Options) (*Server, error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	hooks, err := newWebhooks(o.Backend.Webhooks)
	if err != nil {
		return nil, fmt.Errorf("starling: %w", err)
	}
	engine := o.Engine
	if engine == nil {
		if engine, err = openEngine(&o); err != nil {
			return nil, fmt.Errorf("starling: %w", err)
		}
	}
	s := &Server{log: eventlog.New(hooks.wrap(engine)), webhooks: hooks, mux: http.NewServeMux(), logger: o.Logger, revokeFor: o.RevokeFor}
	if s.revokeFor <= 0 {
		s.revokeFor = DefaultRevokeFor
	}
	if err := s.open(&o, engine); err != nil {
		return nil, errors.Join(fmt.Errorf("starling: %w", err), s.log.Close())
	}
	return s, nil
}

// open makes the parts of the server, on its log.
func (s *Server) open(o *Options, engine eventlog.Engine) error {
	s.live.Store(&live{*o, o.Proxies.trust()})
	s.callbacks = o.Backend.Callbacks.install(o)
	dev, err := s.newPolicy(o)
	if err != nil {
		return err
	}
	s.hub = hub.New(s.log, hub.Options{
		Workers: o.Hub.Workers, TailRecords: o.Hub.TailRecords, TailBytes: o.Hub.TailBytes,
		TotalTailBytes: o.Hub.TotalTailBytes, PageCacheBytes: o.Hub.PageCacheBytes,
		Interval:  func(channel string) time.Duration { return o.Namespaces.of(channel).Interval },
		Occupancy: s.webhooks.watch(s, o.Node, o.Logger),
	})
	l := o.Limits
	s.sessions = session.NewServer(session.Config{
		Hub: s.hub, Log: s.log, Node: o.Node, Logger: o.Logger,
		Policy: s.policy, Hooks: s.policy.sessionHooks(o.Hooks), HookTimeout: o.HookTimeout,
		Kind: kinds(o.Namespaces, s.log, s.policy), ExpiryGrace: max(o.Tokens.Leeway, 0),
		MaxMessage: l.MaxMessage, Limits: l.session(),
		Ping: l.PingInterval, PongWait: l.PongWait, Observer: o.Observer.session(),
	})
	origins, err := transport.ParseOrigins(o.AllowedOrigins)
	if err != nil {
		return err // check has seen them
	}
	s.transports = transport.New(transport.Config{
		Sessions: s.sessions, Cookie: o.TokenCookie, Origins: origins, LocalOrigins: o.Dev,
		NoDeflate: l.NoCompression, NoPoller: o.Hub.NoPoller, Hooks: o.Observer.transport(), Logger: o.Logger,
	})
	if err := s.join(o, engine); err != nil {
		s.sessions.Close()
		s.transports.Wait()
		s.hub.Close()
		return err
	}
	s.policy.explain = s.sessions.Explain
	s.transports.Register(s.mux)
	s.api = s.newAPI(o, engine)
	if dev != nil {
		s.mux.HandleFunc("POST /dev/token", s.api.Guard(dev.serve))
	}
	s.start(o)
	return nil
}

// newPolicy makes what decides about clients, and in development what makes tokens
// for them.
func (s *Server) newPolicy(o *Options) (*devTokens, error) {
	s.policy = &policy{authorize: o.Authorize}
	var dev *devTokens
	if o.Dev {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		secret := rand.Text() + rand.Text()
		if o.Data != "" || o.Engine != nil {
			var err error
			if secret, err = devSecret(ctx, s.log.KV(), secret); err != nil {
				return nil, err
			}
		}
		s.devSecret = secret
		// Who signs with a secret of one's own says what these must have as well.
		signer, err := auth.NewSigner(auth.SignerOptions{Secret: secret})
		if err != nil {
			return nil, err
		}
		dev = &devTokens{signer: signer, issuer: o.Tokens.Issuer, audience: o.Tokens.Audience}
	}
	v, err := s.verifier(o.Tokens)
	if err != nil {
		return nil, err
	}
	s.policy.rules.Store(&rules{dev: o.Dev, namespaces: o.Namespaces, verifier: v})
	return dev, nil
}

// verifier makes what checks tokens; nil if there is no key.
func (s *Server) verifier(tokens auth.Options) (*auth.Verifier, error) {
	if s.devSecret != "" {
		tokens.Secrets = append(slices.Clone(tokens.Secrets), s.devSecret)
	}
	if len(tokens.Secrets)+len(tokens.Keys)+len(tokens.JWKS) == 0 {
		return nil, nil
	}
	return auth.New(tokens)
}

// startTimeout bounds what a start waits for the log.
const startTimeout = 15 * time.Second

// start begins what runs beside the clients.
func (s *Server) start(o *Options) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	// What is ordered from here on concerns the sessions that are to come, some of which
	// may be there before the control channel is followed.
	var since protocol.Position
	head, err := s.log.Head(ctx, controlChannel)
	if err == nil {
		since, _ = protocol.ParseSince(protocol.EncodePosition(controlChannel, head.Epoch, head.Offset))
		err = s.loadRevocations(ctx)
	}
	if err != nil {
		// Whoever listens tries again; until then no token is accepted.
		s.logger.Warn("it is not known yet what is revoked", "err", err)
	}
	ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(func() { s.listen(ctx, since) })
	s.webhooks.start(s, o)
}

// defaultLeeway is by how much clocks may differ.
const defaultLeeway = 30 * time.Second

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Tokens.Leeway == 0 {
		o.Tokens.Leeway = defaultLeeway
	}
}

func openEngine(o *Options) (eventlog.Engine, error) {
	if o.Data == "" {
		return memory.New(memory.Options{Policies: o.Namespaces.Policies()}), nil
	}
	return pebblelog.Open(o.Data, pebblelog.Options{Policies: o.Namespaces.Policies(), Logger: o.Logger, Committed: o.Observer.Committed})
}

// Publication says how to publish, beyond the data.
type Publication struct {
	// Key makes the publication idempotent: a second one with the same key on
	// the same channel, within the namespace's window, stores nothing.
	Key string
	// User is who it is from.
	User string
	// Tags are what filters of subscriptions look at.
	Tags map[string]string
}

// Published is where a publication stands.
type Published struct {
	Offset    uint64
	Position  string // to resume from
	Duplicate bool   // it was published before, with the same key
}

// Publish publishes data, as JSON or, if it is [Bytes], as it is, to a channel, and returns when it is durable.
func (s *Server) Publish(ctx context.Context, channel string, data any, p Publication) (Published, error) {
	if err := protocol.CheckChannel(channel); err != nil {
		return Published{}, err
	}
	raw, err := encode(data)
	if err != nil {
		return Published{}, fmt.Errorf("publish to %q: %w", channel, err)
	}
	done, refused := s.sessions.Publish(ctx, &session.Publishing{Channel: channel, Data: raw, Tags: p.Tags, User: p.User, Key: p.Key})
	if refused != nil {
		return Published{}, refused
	}
	position := protocol.EncodePosition(channel, done.Last.Epoch, done.Last.Offset)
	return Published{Offset: done.Last.Offset, Position: position, Duplicate: done.Duplicate}, nil
}

// SubscribeSession subscribes a session to a channel without its asking.
func (s *Server) SubscribeSession(session, channel string) error {
	if err := protocol.CheckPattern(channel); err != nil {
		return err
	}
	found := s.sessions.Find(session)
	if found == nil {
		return protocol.Errorf(protocol.SessionGone, "There is no session %q here.", session)
	}
	if err := found.Subscribe(channel); err != nil {
		return err
	}
	return nil
}

// UnsubscribeSession ends a subscription of a session.
func (s *Server) UnsubscribeSession(session, channel string) error {
	found := s.sessions.Find(session)
	if found == nil {
		return protocol.Errorf(protocol.SessionGone, "There is no session %q here.", session)
	}
	if !found.Unsubscribe(channel, nil) {
		return protocol.Errorf(protocol.NotThere, "The session is not subscribed to %s.", channel)
	}
	return nil
}

// HistoryQuery asks for what a channel keeps: what comes after Since, oldest first
// from the oldest when it is empty; or the last before Before, or the last there
// are.
type HistoryQuery struct {
	Since  string
	Before string
	Newest bool
	Limit  int // default 100, at most [protocol.MaxHistoryLimit]
	Filter protocol.Filter
}

// HistoryPage is an answer. Position is where the next query goes on; Complete tells
// that nothing between was removed.
type HistoryPage struct {
	Position     string
	Publications []protocol.Publication
	Complete     bool
	More         bool
}

// History returns what a channel keeps.
func (s *Server) History(ctx context.Context, channel string, q HistoryQuery) (HistoryPage, error) {
	if err := protocol.CheckChannel(channel); err != nil {
		return HistoryPage{}, err
	}
	page, err := s.sessions.History(ctx, session.HistoryQuery{
		Channel: channel, Since: q.Since, Before: q.Before, Newest: q.Newest, Limit: q.Limit, Filter: q.Filter,
	})
	if err != nil {
		return HistoryPage{}, err
	}
	return HistoryPage{page.Position, page.Publications, page.Complete, page.More}, nil
}

// Log returns the log that the channels are kept in.
func (s *Server) Log() *eventlog.Log { return s.log }

// Ready returns nil if the server can serve: it is not going away, and its log
// takes publications.
func (s *Server) Ready(ctx context.Context) error {
	if s.sessions.Draining() {
		return errors.New("the server is going away")
	}
	return s.log.Health(ctx)
}

// Stats returns what the server does, for metrics.
func (s *Server) Stats() (hub.Stats, session.Stats) { return s.hub.Stats(), s.sessions.Stats() }

// Shutdown asks all clients to come back later, spread over the time given, then
// ends what is left and closes the log. It takes no new sessions meanwhile. ctx
// bounds the asking.
func (s *Server) Shutdown(ctx context.Context, over time.Duration) error {
	s.webhooks.stopWatching() // that the clients go now is no news
	s.sessions.Drain(ctx, over)
	s.cancel()
	s.sessions.Close()
	s.wg.Wait()
	s.transports.Wait()
	s.cluster.leave()
	s.hub.Close()
	s.callbacks.close()
	s.webhooks.close()
	if v := s.policy.rules.Load().verifier; v != nil {
		v.Close()
	}
	return s.log.Close()
}
