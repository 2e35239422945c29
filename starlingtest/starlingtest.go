// Package starlingtest runs a Starling server for the tests of programs that use one.
//
// A test gets a server of its own, on a free port of this machine, in memory and
// ready when New returns; it ends with the test. For tests with fake time (package
// testing/synctest), which cannot wait for sockets, make a [starling.Server] with
// [starling.New] and use its own methods.
package starlingtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/protocol"
)

// Timeout is how long a test waits for something to come.
const Timeout = 10 * time.Second

// Server is a server of a test.
type Server struct {
	// URL is where it is.
	URL string
	// APIKey is a key of its server API.
	APIKey string

	t       testing.TB
	options starling.Options
	signer  *auth.Signer
	now     atomic.Pointer[starling.Server]
}

// kept is an engine that outlives the servers that use it.
type kept struct{ eventlog.Engine }

// Close leaves the engine open.
func (kept) Close() error { return nil }

// New runs a server. change may change its options, which let in whoever has a token
// of [Server.Token], and keep everything in memory. It fails the test if it cannot.
func New(t testing.TB, change ...func(*starling.Options)) *Server {
	t.Helper()
	secret := rand.Text() + rand.Text()
	s := &Server{APIKey: rand.Text(), t: t}
	s.options = starling.Options{Logger: slog.New(slog.DiscardHandler)}
	s.options.Tokens.Secrets = []string{secret}
	s.options.APIKeys = []string{s.APIKey}
	for _, f := range change {
		f(&s.options)
	}
	var err error
	if s.signer, err = auth.NewSigner(auth.SignerOptions{Secret: secret}); err != nil {
		t.Fatalf("starlingtest: %v", err)
	}
	var inner eventlog.Engine
	if s.options.Engine == nil && s.options.Data == "" {
		inner = memory.New(memory.Options{Policies: s.options.Namespaces.Policies()})
		s.options.Engine = kept{inner}
	}
	s.start()
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.now.Load().ServeHTTP(w, r) }))
	s.URL = hs.URL
	t.Cleanup(func() {
		s.stop()
		hs.Close()
		if inner != nil {
			if err := inner.Close(); err != nil {
				t.Errorf("starlingtest: %v", err)
			}
		}
	})
	return s
}

func (s *Server) start() {
	s.t.Helper()
	server, err := starling.New(s.options)
	if err != nil {
		s.t.Fatalf("starlingtest: %v", err)
	}
	s.now.Store(server)
}

func (s *Server) stop() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // clients are not asked to leave, but sent away
	if err := s.now.Load().Shutdown(ctx, 0); err != nil {
		s.t.Errorf("starlingtest: %v", err)
	}
}

// Server returns the server itself, to mount nothing but call its methods. After
// Restart it is another.
func (s *Server) Server() *starling.Server { return s.now.Load() }

// Restart ends the server and starts another at the same address, with what the
// channels hold, as after a deployment. Clients lose their connections.
func (s *Server) Restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

// Token returns a token of a user that holds for an hour and grants verbs by pattern of
// channel; without any, what the namespaces let users do.
func (s *Server) Token(user string, channels map[string][]auth.Verb) string {
	s.t.Helper()
	text, err := s.signer.Sign(auth.Claims{User: user, Channels: channels, IssuedAt: time.Now(), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		s.t.Fatalf("starlingtest: make a token: %v", err)
	}
	return text
}

// Client returns a client of the server API.
func (s *Server) Client() *client.Client {
	s.t.Helper()
	c, err := client.New(client.Options{URL: s.URL, APIKey: s.APIKey})
	if err != nil {
		s.t.Fatalf("starlingtest: %v", err)
	}
	return c
}

// Publish publishes data, as JSON, or fails the test.
func (s *Server) Publish(channel string, data any) starling.Published {
	s.t.Helper()
	p, err := s.Server().Publish(s.t.Context(), channel, data, starling.Publication{})
	if err != nil {
		s.t.Fatalf("starlingtest: publish to %s: %v", channel, err)
	}
	return p
}

// Subscription is one of a client.
type Subscription struct {
	t       testing.TB
	channel string
	events  chan client.Event
	err     error // set when events is closed
}

// Subscribe subscribes to a channel as a client with a token, or an anonymous one if it
// is "". When it returns, nothing that is published is missed. The subscription goes on
// over [Server.Restart], and ends with the test.
func (s *Server) Subscribe(channel, token string) *Subscription {
	s.t.Helper()
	sub := &Subscription{t: s.t, channel: channel, events: make(chan client.Event, 1024)}
	o := client.Subscription{}
	if token != "" {
		o.Token = func(context.Context) (string, error) { return token, nil }
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	s.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	wg.Go(func() {
		defer close(sub.events)
		for e, err := range client.Subscribe(ctx, s.URL, channel, o) {
			if err != nil {
				sub.err = err
				return
			}
			select {
			case sub.events <- e:
			case <-ctx.Done():
				return
			}
		}
	})
	if e := sub.Next(); e.Type != client.EventStarted {
		s.t.Fatalf("starlingtest: subscribe to %s: the first event is %q", channel, e.Type)
	}
	return sub
}

// Next returns the next event, whatever it is. It fails the test if none comes.
func (s *Subscription) Next() client.Event {
	s.t.Helper()
	select {
	case e, ok := <-s.events:
		if !ok {
			s.t.Fatalf("starlingtest: the subscription to %s has ended: %v", s.channel, s.err)
		}
		return e
	case <-time.After(Timeout):
		s.t.Fatalf("starlingtest: nothing comes on %s", s.channel)
	}
	return client.Event{}
}

// Publication returns the next publication, and leaves out what else comes before.
func (s *Subscription) Publication() protocol.Publication {
	s.t.Helper()
	for {
		if e := s.Next(); e.Type == client.EventPublication {
			return e.Publication
		}
	}
}

// Expect fails the test unless the data of the next publication is want, as JSON.
func (s *Subscription) Expect(want any) protocol.Publication {
	s.t.Helper()
	raw, err := json.Marshal(want)
	if err != nil {
		s.t.Fatalf("starlingtest: %v", err)
	}
	p := s.Publication()
	var got, wanted any
	if err := json.Unmarshal(p.Data, &got); err != nil {
		s.t.Fatalf("starlingtest: %v", err)
	}
	if err := json.Unmarshal(raw, &wanted); err != nil {
		s.t.Fatalf("starlingtest: %v", err)
	}
	if !reflect.DeepEqual(got, wanted) {
		s.t.Fatalf("starlingtest: the next publication on %s is %s, want %s", s.channel, p.Data, raw)
	}
	return p
}
