package starling

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// controlChannel carries what one node wants of the sessions of all.
const controlChannel = reserved + "control"

// revokedPrefix begins the keys of what is revoked.
const revokedPrefix = "revoked/"

// DefaultRevokeFor is how long a revocation is kept unless [Options.RevokeFor]
// says otherwise.
const DefaultRevokeFor = 30 * 24 * time.Hour

// Target says whose sessions are meant: one session, or all of a user. One of the
// two is set.
type Target struct {
	Session string `json:"session,omitempty"`
	User    string `json:"user,omitempty"`
}

func (t Target) check() error {
	if (t.Session == "") == (t.User == "") {
		return protocol.Errorf(protocol.InvalidField, `Give "session" or "user".`)
	}
	return auth.CheckUser(t.User)
}

// Revocation says what is not accepted any more: the token with an id (claim jti),
// or all tokens of a user that were issued before a time.
type Revocation struct {
	TokenID string
	User    string
	// Before is when the tokens of the user were issued (claim iat, whole seconds;
	// a token without one counts as old). Default: now.
	Before time.Time
}

// order is what stands on the control channel.
type order struct {
	Do      string    `json:"do"`
	Target            // of disconnect, subscribe, unsubscribe and revoke
	Channel string    `json:"channel,omitempty"`
	TokenID string    `json:"token,omitempty"`
	Before  time.Time `json:"before,omitzero"`
	Message string    `json:"message,omitempty"`
}

// Disconnect ends sessions on every node, with the code 4109 and a sentence for
// their clients, which do not come back by themselves. It returns when every node
// can be expected to hear of it, not when it has.
func (s *Server) Disconnect(ctx context.Context, t Target, message string) error {
	if err := t.check(); err != nil {
		return err
	}
	return s.command(ctx, order{Do: "disconnect", Target: t, Message: message})
}

// Unsubscribe ends the subscriptions of sessions to a channel, on every node. See
// [Server.Disconnect].
func (s *Server) Unsubscribe(ctx context.Context, t Target, channel string) error {
	if err := t.check(); err != nil {
		return err
	}
	if err := protocol.CheckPattern(channel); err != nil {
		return err
	}
	return s.command(ctx, order{Do: "unsubscribe", Target: t, Channel: channel})
}

// SubscribeTo subscribes sessions to a channel without their asking, on every node.
// See [Server.Disconnect].
func (s *Server) SubscribeTo(ctx context.Context, t Target, channel string) error {
	if err := t.check(); err != nil {
		return err
	}
	if err := protocol.CheckPattern(channel); err != nil {
		return err
	}
	return s.command(ctx, order{Do: "subscribe", Target: t, Channel: channel})
}

// Revoke ends the sessions that have such a token, on every node and with the code
// 4108, and refuses it from now on for [Options.RevokeFor]. It returns when that is
// durable.
func (s *Server) Revoke(ctx context.Context, r Revocation) error {
	if (r.TokenID == "") == (r.User == "") {
		return protocol.Errorf(protocol.InvalidField, `Give "token" or "user".`)
	}
	if err := errors.Join(auth.CheckUser(r.User), auth.CheckUser(r.TokenID)); err != nil {
		return protocol.Errorf(protocol.InvalidField, "There can be no such user or token.")
	}
	if r.Before.IsZero() {
		r.Before = time.Now()
	}
	value, err := json.Marshal(revocation{Before: r.Before, Until: time.Now().Add(s.revokeFor)})
	if err != nil {
		return err
	}
	key := revokedPrefix + "user/" + r.User
	if r.TokenID != "" {
		key = revokedPrefix + "token/" + r.TokenID
	}
	if _, err := s.log.KV().Put(ctx, key, value, eventlog.PutOptions{TTL: s.revokeFor}); err != nil {
		return s.sessions.Explain(err)
	}
	return s.command(ctx, order{Do: "revoke", Target: Target{User: r.User}, TokenID: r.TokenID, Before: r.Before})
}

func (s *Server) command(ctx context.Context, o order) error {
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if _, err = s.log.Append(ctx, eventlog.Append{Channel: controlChannel, Entries: []eventlog.Entry{{Data: raw}}}); err != nil {
		return s.sessions.Explain(err)
	}
	return nil
}

// loadRevocations reads what is revoked.
func (s *Server) loadRevocations(ctx context.Context) error {
	all := map[string]revocation{}
	const page = 1000
	for after := ""; ; {
		items, err := s.log.KV().List(ctx, revokedPrefix, after, page)
		if err != nil {
			return err
		}
		for _, it := range items {
			var r revocation
			if err := json.Unmarshal(it.Value, &r); err != nil {
				return err
			}
			all[strings.TrimPrefix(it.Key, revokedPrefix)] = r
			after = it.Key
		}
		if len(items) < page {
			break
		}
	}
	s.revoke(all)
	return nil
}

// revoke adds to what is revoked, forgets what may be forgotten, and ends the
// sessions of this node that are revoked by what is new. Those that begin meanwhile
// see it themselves.
func (s *Server) revoke(more map[string]revocation) {
	fresh := map[string]revocation{}
	s.revoking.Lock()
	next := map[string]revocation{}
	m := s.policy.revoked.m.Load()
	if m != nil {
		maps.Copy(next, *m)
	}
	for key, r := range more {
		// What came by the control channel may be newer than what was read.
		if have, ok := next[key]; !ok || have.Before.Before(r.Before) {
			next[key], fresh[key] = r, r
		}
	}
	maps.DeleteFunc(next, func(_ string, r revocation) bool { return time.Now().After(r.Until) })
	s.policy.revoked.m.Store(&next)
	s.revoking.Unlock()
	if m == nil || len(fresh) == 0 {
		return // as long as nothing was known no token was accepted
	}
	// Not by all that is revoked: a hook may have let a user in again.
	for _, one := range s.sessions.All() {
		if revokes(fresh, one.Identity()) {
			one.End(session.TokenRevoked())
		}
	}
}

// listen obeys what comes on the control channel after a position, until the server is
// closed.
func (s *Server) listen(ctx context.Context, since protocol.Position) {
	for ctx.Err() == nil {
		err := s.sessions.Follow(ctx, session.FollowQuery{Channel: controlChannel, Since: since}, func(f *session.Followed) error {
			if at, err := protocol.ParseSince(f.Position()); err == nil {
				since = at
			}
			switch f.Kind {
			case session.FollowStarted, session.FollowReset:
				return s.loadRevocations(ctx)
			case session.FollowPublication:
				var m struct {
					Data order `json:"data"`
				}
				if err := json.Unmarshal(f.JSON, &m); err != nil {
					s.logger.Error("an order on the control channel cannot be read", "err", err)
					return nil
				}
				s.obey(&m.Data)
			default:
			}
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		s.logger.Warn("the control channel is not followed; trying again", "err", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// obey does what an order says, to the sessions of this node.
func (s *Server) obey(o *order) {
	s.callbacks.forget() // who was sent away is not let in by what was said before
	if o.Do == "revoke" {
		key := "user/" + o.User
		if o.TokenID != "" {
			key = "token/" + o.TokenID
		}
		s.revoke(map[string]revocation{key: {Before: o.Before, Until: time.Now().Add(s.revokeFor)}})
		return
	}
	for _, one := range s.meant(o.Target) {
		switch o.Do {
		case "disconnect":
			message := o.Message
			if message == "" {
				message = "The application has ended the session."
			}
			one.End(protocol.Errorf(protocol.Disconnected, "%s", message))
		case "unsubscribe":
			one.Unsubscribe(o.Channel, protocol.Errorf(protocol.Forbidden, "The application has ended the subscription."))
		case "subscribe":
			if err := one.Subscribe(o.Channel); err != nil && err.Code != protocol.AlreadyThere {
				s.logger.Warn("a session cannot be subscribed", "channel", o.Channel, "err", err)
			}
		}
	}
}

// meant returns the sessions of this node that are meant.
func (s *Server) meant(t Target) []*session.Session {
	if t.Session != "" {
		if one := s.sessions.Find(t.Session); one != nil {
			return []*session.Session{one}
		}
		return nil
	}
	var all []*session.Session
	for _, one := range s.sessions.All() {
		if who := one.Identity(); who != nil && who.User == t.User {
			all = append(all, one)
		}
	}
	return all
}
