package starling

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/internal/callback"
	"github.com/starling-rt/starling/internal/signed"
	"github.com/starling-rt/starling/protocol"
)

// Backend is an application's backend in any language.
type Backend struct {
	// Callbacks ask it before something happens.
	Callbacks Callbacks
	// Webhooks tell it what has happened.
	Webhooks []Webhook
}

func (b *Backend) check(o *Options) error {
	_, err := newWebhooks(b.Webhooks)
	return errors.Join(b.Callbacks.check(o), err)
}

// Callbacks are [Options.Authorize] and [Hooks] for a backend in any language: each
// field is the URL that is asked, by a signed POST of JSON. Those that are empty are
// not asked. When a backend is down, slow or answers nonsense, clients are refused
// with the code 4300 and may try again.
//
// A URL and a hook of the same name exclude each other.
type Callbacks struct {
	Authorize string
	Connect   string
	Subscribe string
	Publish   string
	Call      string

	// Secrets sign the questions, each of them, so that they can be rotated: one to
	// four, of at least 16 bytes.
	Secrets []string
	// Timeout is how long an answer may take. Default 2 s.
	Timeout time.Duration
	// CacheAllowed and CacheRefused are how long answers of Authorize are
	// remembered, unless an answer says otherwise. Default 5 s and 1 s; negative:
	// not at all.
	CacheAllowed, CacheRefused time.Duration
	// MaxConcurrent is how many questions are asked at once. Default 64.
	MaxConcurrent int
}

// CallbackStats is what callbacks did, for metrics.
type CallbackStats = callback.Stats

// urls returns those that are set, by name.
func (c *Callbacks) urls() map[string]string {
	all := map[string]string{"authorize": c.Authorize, "connect": c.Connect, "subscribe": c.Subscribe, "publish": c.Publish, "call": c.Call}
	for name, url := range all {
		if url == "" {
			delete(all, name)
		}
	}
	return all
}

func (c *Callbacks) check(o *Options) error {
	urls := c.urls()
	if len(urls) == 0 {
		return nil
	}
	if err := signed.CheckSecrets(c.Secrets); err != nil {
		return fmt.Errorf("callbacks: %w", err)
	}
	hooks := map[string]bool{
		"authorize": o.Authorize != nil, "connect": o.Hooks.Connect != nil, "subscribe": o.Hooks.Subscribe != nil,
		"publish": o.Hooks.Publish != nil, "call": o.Hooks.Call != nil,
	}
	for name, url := range urls {
		if err := signed.CheckURL(url); err != nil {
			return fmt.Errorf("callbacks: %s: %w", name, err)
		}
		if hooks[name] {
			return fmt.Errorf("callbacks: %s: there is a hook of that name already", name)
		}
	}
	return nil
}

// callbacks asks a backend.
type callbacks struct {
	conf    Callbacks
	client  *callback.Client
	decider *callback.Decider // nil: authorize is not asked
}

// install makes the hooks that ask a backend, and puts them into o. It returns nil if
// there is nothing to ask.
func (c *Callbacks) install(o *Options) *callbacks {
	if len(c.urls()) == 0 {
		return nil
	}
	a := &callbacks{conf: *c, client: callback.New(callback.Config{
		Secrets: c.Secrets, Timeout: c.Timeout, MaxConcurrent: c.MaxConcurrent, Logger: o.Logger,
	})}
	if c.Authorize != "" {
		allowed, refused := c.CacheAllowed, c.CacheRefused
		if allowed == 0 {
			allowed = 5 * time.Second
		}
		if refused == 0 {
			refused = time.Second
		}
		a.decider = callback.NewDecider(a.client, c.Authorize, allowed, refused)
		o.Authorize = a.authorize
	}
	if c.Connect != "" {
		o.Hooks.Connect = a.connect
	}
	if c.Subscribe != "" {
		o.Hooks.Subscribe = a.subscribe
	}
	if c.Publish != "" {
		o.Hooks.Publish = a.publish
	}
	if c.Call != "" {
		o.Hooks.Call = a.call
	}
	return a
}

func (c *callbacks) close() {
	if c == nil {
		return
	}
	if c.decider != nil {
		c.decider.Close()
	}
	c.client.Close()
}

// forget has authorize asked anew.
func (c *callbacks) forget() {
	if c != nil && c.decider != nil {
		c.decider.Forget()
	}
}

// CallbackStats returns what callbacks did so far.
func (s *Server) CallbackStats() CallbackStats {
	if s.callbacks == nil {
		return CallbackStats{}
	}
	st := s.callbacks.client.Stats()
	if d := s.callbacks.decider; d != nil {
		st.Cached = d.Cached()
	}
	return st
}

// What an answer may have.
const (
	maxAnswer     = 64 << 10
	maxDataAnswer = protocol.MaxMessageBytes + maxAnswer
)

// about is what all questions have.
type about struct {
	Type     string          `json:"type"`
	ID       string          `json:"id"` // of the question
	Session  string          `json:"session,omitempty"`
	Identity json.RawMessage `json:"identity"`
}

func newAbout(kind, session string, who *Identity) (about, error) {
	identity, err := identityJSON(who)
	return about{Type: kind, ID: rand.Text(), Session: session, Identity: identity}, err
}

// identityJSON returns an identity as callbacks are told it; null is anonymous.
func identityJSON(who *Identity) (json.RawMessage, error) {
	if who == nil {
		return json.RawMessage("null"), nil
	}
	m := struct {
		User    string          `json:"user"`
		TokenID string          `json:"tokenId,omitempty"`
		Expires int64           `json:"expires,omitempty"` // Unix seconds
		Info    json.RawMessage `json:"info,omitempty"`
	}{User: who.User, TokenID: who.TokenID, Info: who.Info}
	if !who.Expires.IsZero() {
		m.Expires = who.Expires.Unix()
	}
	return json.Marshal(m)
}

func (c *callbacks) authorize(ctx context.Context, who *Identity, verb Verb, channel string) error {
	identity, err := identityJSON(who)
	if err != nil {
		return err
	}
	d, err := c.decider.Decide(ctx, identity, string(verb), channel)
	if err != nil {
		return err
	}
	if err := d.Err(); !errors.Is(err, callback.ErrUndecided) {
		return err
	}
	return ErrUndecided
}

// connectAnswer is what connect may answer.
type connectAnswer struct {
	callback.Verdict
	Channels []string     `json:"channels"`
	Identity *newIdentity `json:"identity"`
}

// newIdentity is what connect may make of a client. What is missing stays as it is.
type newIdentity struct {
	User     *string                `json:"user"`
	Info     json.RawMessage        `json:"info"`
	Channels map[string][]auth.Verb `json:"channels"`
	Expires  *int64                 `json:"expires"` // Unix seconds
}

// apply returns who the client is then.
func (n *newIdentity) apply(who *Identity) (*Identity, error) {
	next := Identity{}
	if who != nil {
		next = *who
	}
	if n.User != nil {
		if err := auth.CheckUser(*n.User); err != nil {
			return nil, err
		}
		next.User = *n.User
	}
	if n.Info != nil {
		if len(n.Info) > auth.MaxInfoBytes {
			return nil, fmt.Errorf("info has %d bytes, and may have at most %d", len(n.Info), auth.MaxInfoBytes)
		}
		info, err := protocol.CheckData(n.Info)
		if err != nil {
			return nil, err
		}
		next.Info = info
	}
	if n.Channels != nil {
		grants, err := auth.NewGrants(n.Channels, next.User)
		if err != nil {
			return nil, err
		}
		next.Grants = grants
	}
	if n.Expires != nil {
		next.Expires = time.Unix(*n.Expires, 0)
	}
	return &next, nil
}

func (c *callbacks) connect(ctx context.Context, r *ConnectRequest) error {
	a, err := newAbout("connect", r.Session, r.Identity)
	if err != nil {
		return err
	}
	q := struct {
		about
		Transport string   `json:"transport"`
		Addr      string   `json:"addr"`
		Origin    string   `json:"origin,omitempty"`
		UserAgent string   `json:"userAgent,omitempty"`
		Refresh   bool     `json:"refresh"`
		Channels  []string `json:"channels,omitempty"`
	}{a, r.Transport, r.Addr, r.Origin, r.UserAgent, r.Refresh, r.Channels}
	var answer connectAnswer
	if err := c.client.Ask(ctx, c.conf.Connect, &q, &answer, maxAnswer); err != nil {
		return err
	}
	if err := answer.Refusal(); err != nil {
		return err
	}
	for _, channel := range answer.Channels {
		if err := protocol.CheckPattern(channel); err != nil || strings.HasPrefix(channel, reserved) {
			return c.client.Reject(c.conf.Connect, fmt.Errorf("the channel %.100q cannot be", channel))
		}
	}
	r.Channels = append(r.Channels, answer.Channels...)
	if answer.Identity != nil {
		who, err := answer.Identity.apply(r.Identity)
		if err != nil {
			return c.client.Reject(c.conf.Connect, fmt.Errorf("the identity cannot be: %w", err))
		}
		r.Identity = who
	}
	return nil
}

func (c *callbacks) subscribe(ctx context.Context, r *SubscribeRequest) error {
	a, err := newAbout("subscribe", r.Session, r.Identity)
	if err != nil {
		return err
	}
	q := struct {
		about
		Channel string          `json:"channel"`
		Filter  protocol.Filter `json:"filter,omitempty"`
	}{a, r.Channel, r.Filter}
	var answer struct {
		callback.Verdict
		Filter json.RawMessage `json:"filter"`
	}
	if err := c.client.Ask(ctx, c.conf.Subscribe, &q, &answer, maxAnswer); err != nil {
		return err
	}
	if err := answer.Refusal(); err != nil || answer.Filter == nil {
		return err
	}
	f, bad := protocol.ParseFilter(answer.Filter)
	if bad != nil {
		return c.client.Reject(c.conf.Subscribe, fmt.Errorf("the filter cannot be: %s", bad.Message))
	}
	r.Filter = r.Filter.And(f)
	return nil
}

func (c *callbacks) publish(ctx context.Context, r *PublishRequest) error {
	a, err := newAbout("publish", r.Session, r.Identity)
	if err != nil {
		return err
	}
	q := struct {
		about
		User    string            `json:"user,omitempty"`
		Channel string            `json:"channel"`
		Key     string            `json:"key,omitempty"`
		Tags    map[string]string `json:"tags,omitempty"`
		protocol.DataFields
	}{a, r.User, r.Channel, r.Key, r.Tags, protocol.FieldsOf(r.Data)}
	var answer struct {
		callback.Verdict
		protocol.DataFields
		Tags map[string]string `json:"tags"`
	}
	if err := c.client.Ask(ctx, c.conf.Publish, &q, &answer, maxDataAnswer); err != nil {
		return err
	}
	if err := answer.Refusal(); err != nil {
		return err
	}
	data, bad := answer.Take()
	if bad != nil {
		return c.client.Reject(c.conf.Publish, fmt.Errorf("the data cannot be: %s", bad.Message))
	}
	if data != nil {
		r.Data = data
	}
	if answer.Tags != nil {
		r.Tags = answer.Tags
	}
	return nil
}

func (c *callbacks) call(ctx context.Context, r *CallRequest) (any, error) {
	a, err := newAbout("call", r.Session, r.Identity)
	if err != nil {
		return nil, err
	}
	q := struct {
		about
		Method string `json:"method"`
		protocol.DataFields
	}{a, r.Method, protocol.FieldsOf(r.Data)}
	var answer struct {
		callback.Verdict
		protocol.DataFields
	}
	if err := c.client.Ask(ctx, c.conf.Call, &q, &answer, maxDataAnswer); err != nil {
		return nil, err
	}
	if err := answer.Refusal(); err != nil {
		return nil, err
	}
	data, bad := answer.Take()
	if bad != nil {
		return nil, c.client.Reject(c.conf.Call, fmt.Errorf("the data cannot be: %s", bad.Message))
	}
	if b, ok := protocol.DataBytes(data); ok {
		return Bytes(b), nil
	}
	return json.RawMessage(data), nil
}
