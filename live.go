package starling

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/proxies"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/transport"
	"github.com/starling-rt/starling/protocol"
)

// Proxies are the proxies that stand before a server, and what they say of the
// clients for whom they ask. Of anybody else it is not believed.
type Proxies struct {
	// Trusted are the addresses of the proxies. Default: none.
	Trusted []netip.Prefix
	// Forwarded has the header of RFC 7239 read; otherwise X-Forwarded-For,
	// X-Forwarded-Proto and X-Forwarded-Host are.
	Forwarded bool
}

// ParseProxies reads addresses and ranges such as "10.0.0.0/8" for
// [Proxies.Trusted].
func ParseProxies(list []string) ([]netip.Prefix, error) { return proxies.Parse(list) }

func (p *Proxies) trust() *proxies.Trust {
	t := &proxies.Trust{Proxies: p.Trusted}
	if p.Forwarded {
		t.Headers = proxies.Forwarded
	}
	return t
}

// live is what Reload replaces, as a whole.
type live struct {
	opts Options
	back *proxies.Trust
}

// Reload has a running server go by other options. What can change are APIKeys,
// Tokens, AllowedOrigins, Proxies, Limits but for MaxMessage, the heartbeats and
// compression, and of the namespaces whom they let do what. Logger, Engine,
// Observer, Authorize and Hooks stay those that the server was made with. If
// anything else differs, the error names it and nothing changes. Sessions that are
// open stay, and are held to what is new from their next command on.
func (s *Server) Reload(o Options) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	old := &s.live.Load().opts
	o.setDefaults()
	if err := o.check(); err != nil {
		return err
	}
	if err := errors.Join(old.fixed(&o)...); err != nil {
		return err
	}
	origins, err := transport.ParseOrigins(o.AllowedOrigins)
	if err != nil {
		return fmt.Errorf("starling: AllowedOrigins: %w", err)
	}
	verifier, held := s.policy.rules.Load().verifier, s.policy.rules.Load().verifier
	if !equal(reflect.ValueOf(old.Tokens), reflect.ValueOf(o.Tokens)) {
		if verifier, err = s.verifier(o.Tokens); err != nil {
			return fmt.Errorf("starling: %w", err)
		}
	}
	s.live.Store(&live{o, o.Proxies.trust()})
	s.policy.rules.Store(&rules{dev: o.Dev, namespaces: o.Namespaces, verifier: verifier})
	if held != nil && held != verifier {
		held.Close()
	}
	s.transports.SetOrigins(origins)
	s.sessions.SetLimits(o.Limits.session())
	s.api.SetKeys(o.APIKeys)
	return nil
}

// fixed returns an error for each thing that cannot change while a server runs.
func (o *Options) fixed(next *Options) (errs []error) {
	a, b := *o, *next
	for _, one := range []*Options{&a, &b} {
		one.APIKeys, one.Tokens, one.AllowedOrigins, one.Proxies = nil, auth.Options{}, nil, Proxies{}
		// A program gives these once.
		one.Engine, one.Observer, one.Logger, one.Authorize, one.Hooks = nil, Observer{}, nil, nil, Hooks{}
		one.Limits = Limits{
			MaxMessage: one.Limits.MaxMessage, PingInterval: one.Limits.PingInterval,
			PongWait: one.Limits.PongWait, NoCompression: one.Limits.NoCompression,
		}
		kept := Namespaces{}
		for name, ns := range one.Namespaces {
			ns.Anonymous, ns.Users = nil, nil
			kept[name] = ns
		}
		one.Namespaces = kept
	}
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if f := va.Type().Field(i); !equal(va.Field(i), vb.Field(i)) {
			errs = append(errs, fmt.Errorf("starling: %s cannot change while the server runs: restart it", f.Name))
		}
	}
	return errs
}

// equal is DeepEqual, but what is empty is what is nil, and functions are not
// looked at.
func equal(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Func:
		return a.IsNil() == b.IsNil()
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type().Field(i).IsExported() && !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Map, reflect.Slice:
		return a.Len() == 0 && b.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface())
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func (o *Options) check() error {
	if o.Limits.MaxMessage > protocol.MaxMessageBytes {
		return fmt.Errorf("starling: MaxMessage is %d, more than %d", o.Limits.MaxMessage, protocol.MaxMessageBytes)
	}
	if o.Node != "" {
		if err := eventlog.CheckNode(o.Node); err != nil {
			return fmt.Errorf("starling: Node: %w", err)
		}
	}
	if err := o.Namespaces.check(); err != nil {
		return fmt.Errorf("starling: %w", err)
	}
	if err := o.Backend.check(o); err != nil {
		return fmt.Errorf("starling: %w", err)
	}
	if slices.Contains(o.APIKeys, "") {
		return errors.New("starling: an API key is empty")
	}
	if _, err := transport.ParseOrigins(o.AllowedOrigins); err != nil {
		return fmt.Errorf("starling: AllowedOrigins: %w", err)
	}
	return nil
}

// Check returns what is wrong with options without making a server of them.
func (o Options) Check() error { return o.check() }

func (l *Limits) session() session.Limits {
	return session.Limits{
		MaxChannels: l.MaxChannels, MaxWildcards: l.MaxWildcards, MaxSessions: l.MaxSessions,
		MaxUserSessions: l.UserSessions, MaxAddrSessions: l.AddressSessions,
		Rate: l.CommandRate, Burst: l.CommandBurst, AddrRate: l.AddressRate, AddrBurst: l.AddressBurst,
	}
}

// ServeHTTP serves /ws, /sse, /poll, /send and /api/v1/, in development /dev/token
// too.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, s.live.Load().back.Request(r))
}
