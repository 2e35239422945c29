package starling

import (
	"context"
	"encoding/json"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// Identity is who a client is, as its token says. A nil *Identity is anonymous. It
// is shared by many and must not be changed.
type Identity = auth.Identity

// Hooks are asked before something happens, and may change or refuse it. Those that
// are nil are not asked; where none is, nothing waits. A hook refuses by an error:
// see [Refuse]. It is called by many goroutines at once, and its context ends after
// [Options.HookTimeout]. What one session publishes and calls comes one after the
// other; its subscriptions are asked about together.
type Hooks struct {
	// Connect is asked before the first command of a session is obeyed, and again
	// when its token is refreshed.
	Connect func(ctx context.Context, c *ConnectRequest) error
	// Subscribe is asked before a subscription that a client wants and may have.
	Subscribe func(ctx context.Context, s *SubscribeRequest) error
	// Publish is asked before a publication that a client wants and may make. It may
	// change Data and Tags. Retries under one key should be changed alike: they are
	// compared as they are stored.
	Publish func(ctx context.Context, p *PublishRequest) error
	// Call answers what clients call. The result is sent as JSON.
	Call func(ctx context.Context, c *CallRequest) (any, error)
}

// ConnectRequest is a session that begins.
type ConnectRequest struct {
	Session string
	// Transport is "ws", "sse" or "poll".
	Transport string
	// Addr is the client's address, Origin that of its page if it has one.
	Addr, Origin, UserAgent string
	// Identity is whom its token names, nil if it has none. The hook may put
	// another in its place.
	Identity *Identity
	// Refresh tells that the session is there, and its identity is replaced.
	Refresh bool
	// Channels is what the session shall be subscribed to without its asking. The
	// hook may add some.
	Channels []string
}

// SubscribeRequest is a subscription to be.
type SubscribeRequest struct {
	Session  string
	Identity *Identity
	Channel  string // or a wildcard
	// Filter is what the client asks for. The hook may narrow it: see
	// [protocol.Filter.And].
	Filter protocol.Filter
}

// PublishRequest is a publication to be. Data is JSON, or bytes, which package
// protocol tells apart: see [protocol.DataBytes].
type PublishRequest struct {
	Session  string    // "" if it comes from the server's side
	Identity *Identity // nil then
	User     string    // who it is from
	Channel  string
	Data     json.RawMessage
	Key      string
	Tags     map[string]string
}

// CallRequest is a call.
type CallRequest struct {
	Session  string
	Identity *Identity
	Method   string
	Data     json.RawMessage // nil if there is none
}

// sessionHooks puts the hooks into the form that sessions have.
func (p *policy) sessionHooks(h Hooks) session.Hooks {
	var out session.Hooks
	if h.Connect != nil {
		out.Connect = func(ctx context.Context, c *session.Connecting) *protocol.Error {
			r := &ConnectRequest{
				Session: c.Session, Transport: c.Door.Transport, Addr: c.Door.Addr, Origin: c.Door.Origin, UserAgent: c.Door.UserAgent,
				Identity: c.Identity, Refresh: c.Refresh, Channels: c.Channels,
			}
			if err := h.Connect(ctx, r); err != nil {
				return p.hookError(ctx, err)
			}
			c.Identity, c.Channels = r.Identity, r.Channels
			return nil
		}
	}
	if h.Subscribe != nil {
		out.Subscribe = func(ctx context.Context, s *session.Subscribing) *protocol.Error {
			r := &SubscribeRequest{Session: s.Session, Identity: s.Identity, Channel: s.Channel, Filter: s.Filter}
			if err := h.Subscribe(ctx, r); err != nil {
				return p.hookError(ctx, err)
			}
			s.Filter = r.Filter
			return nil
		}
	}
	if h.Publish != nil {
		out.Publish = func(ctx context.Context, x *session.Publishing) *protocol.Error {
			r := publishRequest(x)
			if err := h.Publish(ctx, r); err != nil {
				return p.hookError(ctx, err)
			}
			return x.Rewrite(r.Data, r.Tags)
		}
	}
	if h.Call != nil {
		out.Call = func(ctx context.Context, c *session.Calling) (json.RawMessage, *protocol.Error) {
			result, err := h.Call(ctx, &CallRequest{Session: c.Session, Identity: c.Identity, Method: c.Method, Data: c.Data})
			if err != nil {
				return nil, p.hookError(ctx, err)
			}
			raw, err := encode(result)
			if err != nil {
				return nil, p.hookError(ctx, err)
			}
			return raw, nil
		}
	}
	return out
}

// Bytes are published, or answered to a call, as they are, and not as JSON. Clients
// that speak JSON see them in base64, as data64.
type Bytes []byte

// encode returns what a program publishes or answers as data.
func encode(v any) ([]byte, error) {
	if b, ok := v.(Bytes); ok {
		return protocol.BytesData(b), nil
	}
	return json.Marshal(v)
}

func publishRequest(x *session.Publishing) *PublishRequest {
	return &PublishRequest{Session: x.Session, Identity: x.Identity, User: x.User, Channel: x.Channel, Data: x.Data, Key: x.Key, Tags: x.Tags}
}
