package session

import (
	"context"
	"encoding/json"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// Verdict is what a Policy says at once.
type Verdict uint8

const (
	// Refused: the client may not.
	Refused Verdict = iota
	// Allowed: it may.
	Allowed
	// Undecided: somebody has to be asked, which may take a while.
	Undecided
)

// Policy decides who clients are and what they may do. Its methods are called by
// many goroutines at once.
type Policy interface {
	// Authenticate returns whom a token names. It may take a while.
	Authenticate(ctx context.Context, token string) (*auth.Identity, *protocol.Error)
	// Revoked tells whether who came with a token that is not accepted any more. It
	// does not wait.
	Revoked(who *auth.Identity) bool
	// Judge tells whether who, nil if anonymous, may do something on a channel,
	// or on a wildcard, and why not. It does not wait.
	Judge(who *auth.Identity, verb auth.Verb, channel string) (Verdict, *protocol.Error)
	// Ask tells the same where Judge is undecided, and may take a while.
	Ask(ctx context.Context, who *auth.Identity, verb auth.Verb, channel string) *protocol.Error
}

// Hooks are asked before something happens, and may change or refuse it. Those
// that are nil are not asked. Each is called by many goroutines: for one session
// one after the other, but Subscribe for several subscriptions at once. Their
// context ends after Config.HookTimeout.
type Hooks struct {
	// Connect is asked before the first command of a session is obeyed, and
	// again when its identity is replaced.
	Connect func(ctx context.Context, c *Connecting) *protocol.Error
	// Subscribe is asked before a subscription that the client wants.
	Subscribe func(ctx context.Context, s *Subscribing) *protocol.Error
	// Publish is asked before a publication of a client is stored.
	Publish func(ctx context.Context, p *Publishing) *protocol.Error
	// Call answers what clients call.
	Call func(ctx context.Context, c *Calling) (json.RawMessage, *protocol.Error)
}

// Connecting is a session that begins, or whose identity is replaced.
type Connecting struct {
	Session string
	Door    Door
	// Identity is who it is; the hook may put another in its place.
	Identity *auth.Identity
	// Refresh tells that the session is there already.
	Refresh bool
	// Channels are what the session is subscribed to by the server's will; the
	// hook may add some.
	Channels []string
}

// Door is how a client came in.
type Door struct {
	Transport string // "ws", "sse" or "poll"
	Addr      string // the client's address, without the port
	Origin    string // of the page, "" if there is none
	UserAgent string
}

// Subscribing is a subscription to be.
type Subscribing struct {
	Session  string
	Identity *auth.Identity
	Channel  string
	// Filter is what the client asks for; the hook may narrow it.
	Filter protocol.Filter
}

// Publishing is a publication to be. The hook may change Data and Tags.
type Publishing struct {
	Session  string // "" if it does not come from a session
	Identity *auth.Identity
	Channel  string
	Data     json.RawMessage
	Key      string
	Tags     map[string]string

	// User is stamped on the record, and Scope is whose keys these are; see
	// [eventlog.Append].
	User, Scope string
}

// Calling is a call of a client.
type Calling struct {
	Session  string
	Identity *auth.Identity
	Method   string
	Data     json.RawMessage // nil if the client sent none
}

// Kind gives publications on some channels a meaning of their own: it appends what
// it makes of them.
type Kind interface {
	// Publish returns when what is stored is durable, or why nothing is.
	Publish(ctx context.Context, p *Publishing) (eventlog.Appended, error)
}

// judge tells whether the client may do something. If somebody has to be asked it
// returns Undecided.
func (sv *Server) judge(who *auth.Identity, verb auth.Verb, channel string) (Verdict, *protocol.Error) {
	if sv.conf.Policy == nil {
		return Allowed, nil
	}
	return sv.conf.Policy.Judge(who, verb, channel)
}

// allow is judge that waits.
func (sv *Server) allow(ctx context.Context, who *auth.Identity, verb auth.Verb, channel string) *protocol.Error {
	verdict, err := sv.judge(who, verb, channel)
	switch verdict {
	case Allowed:
		return nil
	case Undecided:
		ctx, cancel := context.WithTimeout(ctx, sv.conf.HookTimeout)
		defer cancel()
		return sv.conf.Policy.Ask(ctx, who, verb, channel)
	default:
		return err
	}
}

// kind returns what publications on a channel mean, or nil.
func (sv *Server) kind(channel string) Kind {
	if sv.conf.Kind == nil {
		return nil
	}
	return sv.conf.Kind(channel)
}

// Publish stores a publication, or has its channel's kind do it. Hooks are not
// asked: that is for clients.
func (sv *Server) Publish(ctx context.Context, p *Publishing) (eventlog.Appended, *protocol.Error) {
	done, err := sv.append(ctx, p)
	if err != nil {
		return done, sv.Explain(err)
	}
	return done, nil
}

func (sv *Server) append(ctx context.Context, p *Publishing) (eventlog.Appended, error) {
	span := sv.trace(ctx, "publish", p.Channel)
	ctx = span.Within(ctx)
	if k := sv.kind(p.Channel); k != nil {
		done, err := k.Publish(ctx, p)
		span.End(err)
		return done, err
	}
	inner := sv.trace(ctx, "append", p.Channel)
	done, err := sv.conf.Log.Append(ctx, p.append())
	inner.End(err)
	span.End(err)
	return done, err
}

// append returns the plain meaning of a publication.
func (p *Publishing) append() eventlog.Append {
	return eventlog.Append{
		Channel: p.Channel, Entries: []eventlog.Entry{{Data: p.Data, Tags: p.Tags}}, User: p.User, Scope: p.Scope, Key: p.Key,
	}
}

// Rewrite puts other data and tags into a publication, which are checked as those
// of a client are.
func (p *Publishing) Rewrite(data json.RawMessage, tags map[string]string) *protocol.Error {
	checked, err := protocol.CheckData(data)
	if err != nil {
		return err
	}
	for tag, value := range tags {
		if err := protocol.CheckTag(tag, value, len(tags)); err != nil {
			return err
		}
	}
	p.Data, p.Tags = checked, tags
	return nil
}
