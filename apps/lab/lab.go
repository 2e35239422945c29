// Package lab is the server's side of the Lab, pages that show what real-time is:
// workspaces of visitors with simulated traffic, and a network between a page and the
// server that can be cut, slowed, delayed and blocked on purpose.
//
// It is made of what any program may use: a namespace with a [starling.Kind], tokens,
// publications and signals, the log's key-values, and the server as an
// [http.Handler], which the Lab's network stands before.
//
// A workspace and the faults of its network are known to one node. Behind a balancer
// of several, keep a visitor's requests to /lab/ on one of them.
package lab

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
)

// Namespace is that of all channels of the Lab.
const Namespace = "lab"

// Options are the settings of a Lab. The zero value is usable.
type Options struct {
	// Lifetime is how long a workspace lives after it was last used. Default 1 h.
	Lifetime time.Duration
	// Most is how many workspaces there may be. Default 1,000.
	Most int
	// Logger hears what operators should know. Default: slog.Default().
	Logger *slog.Logger
}

// Lab serves /lab/api/ and /lab/link/. Its methods are safe for concurrent use.
type Lab struct {
	// Static after Start.
	opts      Options
	secret    string
	signer    *auth.Signer
	scenarios map[string]*scenario
	mux       *http.ServeMux
	server    *starling.Server

	ctx    context.Context // the life of what it starts
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex // guards the following
	closed bool
	tokens auth.Options // that the server goes by
	count  int          // workspaces, as of the last sweep, and those made since
	spaces map[string]*space
	runs   map[string]*run // by channel
}

// New returns a Lab. A server is made with what Extend adds to its options, and then
// given to Start.
func New(o Options) (*Lab, error) {
	o.Lifetime, o.Most = cmp.Or(o.Lifetime, time.Hour), cmp.Or(o.Most, 1000)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	l := &Lab{opts: o, secret: rand.Text() + rand.Text(), scenarios: scenarios(), mux: http.NewServeMux(), spaces: map[string]*space{}, runs: map[string]*run{}}
	var err error
	if l.signer, err = auth.NewSigner(auth.SignerOptions{Secret: l.secret}); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.register()
	return l, nil
}

// Extend adds to the options of a server what the Lab needs: its namespace, unless
// there is one of that name, and the secret of its tokens. They name no user, so that
// they open nothing but channels of the Lab. Issuer and audience must be left open,
// or visitors are refused.
func (l *Lab) Extend(o *starling.Options) {
	all := starling.Namespaces{Namespace: {MaxRecords: 10_000, MaxBytes: 8 << 20, MaxAge: 2 * time.Hour, MaxSlots: 2 * symbols, Kind: signature{}}}
	for name, ns := range o.Namespaces {
		all[name] = ns
	}
	o.Namespaces = all
	l.mu.Lock()
	l.tokens = o.Tokens
	l.mu.Unlock()
	o.Tokens.Secrets = append(o.Tokens.Secrets[:len(o.Tokens.Secrets):len(o.Tokens.Secrets)], l.secret)
}

// Start begins to serve, and to sweep out workspaces that have expired. The server
// is closed after Close.
func (l *Lab) Start(server *starling.Server) {
	l.server = server
	l.wg.Go(l.sweepAlways)
}

// Close ends all traffic and all connections that go through the Lab's network, and
// returns when they have ended.
func (l *Lab) Close() {
	l.mu.Lock()
	l.closed = true
	for _, s := range l.spaces {
		s.cut()
	}
	l.mu.Unlock()
	l.cancel()
	l.wg.Wait()
}

// spawn runs f unless the Lab is closed, which waits for it.
func (l *Lab) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.wg.Go(f)
	return true
}
