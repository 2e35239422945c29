package starling

import (
	"context"
	"net/url"
	"path/filepath"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/api"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/transport"
)

// newAPI makes the HTTP API, and serves it.
func (s *Server) newAPI(o *Options, engine eventlog.Engine) *api.Handler {
	c := api.Config{
		Log: s.log, Sessions: s.sessions, Control: control{s}, Info: func() api.Info { return s.info(o.Node) },
		Keys: o.APIKeys, Open: o.Dev, Local: localOrigin, Logger: o.Logger,
	}
	if pebble, ok := engine.(*pebblelog.Engine); ok && o.Backups != "" {
		c.Backup = func(ctx context.Context) (string, error) {
			dir := filepath.Join(o.Backups, time.Now().UTC().Format("20060102T150405.000Z"))
			return dir, pebble.Backup(ctx, dir)
		}
	}
	h := api.New(c)
	h.Register(s.mux)
	return h
}

func localOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && transport.IsLocal(u.Hostname())
}

// info returns what the API tells of the server.
func (s *Server) info(node string) api.Info {
	engine, h, st := s.log.Info(), s.hub.Stats(), s.sessions.Stats()
	if node == "" {
		node = session.DefaultNode
	}
	return api.Info{
		Node: node, Engine: engine.Name, Promise: engine.Promise,
		Sessions: st.Sessions, Subscriptions: h.Subscriptions, Channels: h.Channels,
	}
}

// control is what the HTTP API asks for. It implements [api.Control].
type control struct{ server *Server }

// Disconnect implements [api.Control].
func (c control) Disconnect(ctx context.Context, session, user, message string) error {
	return c.server.Disconnect(ctx, Target{Session: session, User: user}, message)
}

// Unsubscribe implements [api.Control].
func (c control) Unsubscribe(ctx context.Context, session, user, channel string) error {
	return c.server.Unsubscribe(ctx, Target{Session: session, User: user}, channel)
}

// Subscribe implements [api.Control].
func (c control) Subscribe(ctx context.Context, session, user, channel string) error {
	return c.server.SubscribeTo(ctx, Target{Session: session, User: user}, channel)
}

// Revoke implements [api.Control].
func (c control) Revoke(ctx context.Context, user, token string, before time.Time) error {
	return c.server.Revoke(ctx, Revocation{TokenID: token, User: user, Before: before})
}
