package starling

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// reserved is the beginning of the names of the server's own channels.
const reserved = protocol.OwnPrefix

// ErrUndecided is what [Options.Authorize] returns to leave the decision to the
// client's token and the channel's namespace.
var ErrUndecided = errors.New("starling: undecided")

// Refuse returns an error for hooks and [Options.Authorize]: the client is refused
// with the code 4101 and this sentence. A [*protocol.Error] is passed on as it is;
// of any other error the client hears nothing but that the server has failed.
func Refuse(format string, args ...any) error {
	return protocol.Errorf(protocol.Forbidden, format, args...)
}

// rules are what a policy goes by.
type rules struct {
	dev        bool
	verifier   *auth.Verifier // nil: no token is accepted
	namespaces Namespaces
}

// policy decides who clients are and what they may do. It implements
// [session.Policy].
type policy struct {
	authorize func(ctx context.Context, who *auth.Identity, verb Verb, channel string) error
	explain   func(error) *protocol.Error
	revoked   revocations

	rules atomic.Pointer[rules]
}

// Authenticate implements [session.Policy].
func (p *policy) Authenticate(ctx context.Context, token string) (*auth.Identity, *protocol.Error) {
	r := p.rules.Load()
	if r.verifier == nil {
		return nil, protocol.Errorf(protocol.Unauthorized, "This server was given no keys to check tokens with.")
	}
	who, err := r.verifier.Verify(ctx, token)
	switch {
	case errors.Is(err, auth.ErrExpired):
		return nil, protocol.Errorf(protocol.TokenExpired, "The token has expired. Get a new one.")
	case errors.Is(err, auth.ErrUnavailable), err != nil && ctx.Err() != nil:
		return nil, protocol.Errorf(protocol.Unavailable, "The token cannot be checked now: the keys are not to be had. Try again.")
	case err == nil && !p.revoked.known():
		return nil, protocol.Errorf(protocol.Unavailable, "The token cannot be checked now: it is not known what is revoked. Try again.")
	case err != nil:
		return nil, protocol.Errorf(protocol.Unauthorized, "The token does not hold: %s.", plain(err))
	case p.revoked.has(who):
		return nil, session.TokenRevoked()
	}
	return who, nil
}

// Revoked implements [session.Policy].
func (p *policy) Revoked(who *auth.Identity) bool { return p.revoked.has(who) }

// plain returns the text of an error of package auth, to stand within a sentence.
func plain(err error) string {
	return strings.TrimSuffix(strings.TrimPrefix(err.Error(), "auth: "), ".")
}

// Judge implements [session.Policy].
func (p *policy) Judge(who *auth.Identity, verb auth.Verb, channel string) (session.Verdict, *protocol.Error) {
	if strings.HasPrefix(channel, reserved) {
		return session.Refused, protocol.Errorf(protocol.Forbidden, "Channels whose names begin with %s are the server's own.", reserved)
	}
	if p.authorize != nil {
		return session.Undecided, nil
	}
	if err := p.decide(who, verb, channel); err != nil {
		return session.Refused, err
	}
	return session.Allowed, nil
}

// Ask implements [session.Policy].
func (p *policy) Ask(ctx context.Context, who *auth.Identity, verb auth.Verb, channel string) *protocol.Error {
	err := p.authorize(ctx, who, verb, channel)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUndecided):
		return p.decide(who, verb, channel)
	default:
		return p.hookError(ctx, err)
	}
}

// decide goes by the token and the namespace.
func (p *policy) decide(who *auth.Identity, verb auth.Verb, channel string) *protocol.Error {
	r := p.rules.Load()
	switch {
	case who.Allows(verb, channel):
		return nil
	case r.dev && (who == nil || who.Grants.IsZero()):
		return nil // a token that grants something is held to it, to see what it does
	}
	return r.namespaces.authorize(who, verb, channel)
}

// hookError returns what a client is told of the error of a hook.
func (p *policy) hookError(ctx context.Context, err error) *protocol.Error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return protocol.Errorf(protocol.Unavailable, "The application did not answer in time; nothing was done. Try again.")
	}
	return p.explain(err)
}

// revocations are what is not accepted any more, though its signature holds.
type revocations struct {
	m atomic.Pointer[map[string]revocation] // by "user/NAME" or "token/ID"; replaced, not changed; nil: not known
}

// known tells whether they were read.
func (r *revocations) known() bool { return r.m.Load() != nil }

// revocation ends what was issued before a time.
type revocation struct {
	Before time.Time `json:"before"`
	Until  time.Time `json:"until"` // when it may be forgotten
}

func (r *revocations) has(who *auth.Identity) bool {
	all := r.m.Load()
	return all != nil && revokes(*all, who)
}

// revokes tells whether who came with a token that is among what is revoked.
func revokes(all map[string]revocation, who *auth.Identity) bool {
	if who == nil {
		return false
	}
	if who.TokenID != "" {
		if _, ok := all["token/"+who.TokenID]; ok {
			return true
		}
	}
	if who.User == "" {
		return false
	}
	v, ok := all["user/"+who.User]
	// A token that does not tell when it was made counts as old.
	return ok && who.IssuedAt.Before(v.Before)
}
