package starling

import (
	"context"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// Kind gives publications on the channels of a namespace a meaning: an order that
// may go from "cooking" to "on its way" and not back, a document whose operations
// are transformed, a counter. Set it with [Namespace.Kind].
//
// What a Kind appends to the channel is what subscribers see; the channel is the
// state's only source. To be right with several writers and on several nodes, read
// up to a head, decide, and append under the expectation of that head
// ([eventlog.At]); on [eventlog.ErrConflict] read on and decide again.
type Kind interface {
	// Publish takes what a client, or the program, publishes on a channel, and
	// returns what it appended when that is durable. An error refuses it, as one of
	// a hook does. It is called by many goroutines at once; the context ends after
	// [Options.HookTimeout].
	Publish(ctx context.Context, c *Channel, p *PublishRequest) (eventlog.Appended, error)
}

// Channel is the log of one channel, for a [Kind].
type Channel struct {
	name string
	log  *eventlog.Log
}

// Name returns the channel's name.
func (c *Channel) Name() string { return c.name }

// Append appends to the channel; a.Channel is set here.
func (c *Channel) Append(ctx context.Context, a eventlog.Append) (eventlog.Appended, error) {
	a.Channel = c.name
	return c.log.Append(ctx, a)
}

// Read returns records after an offset, oldest first.
func (c *Channel) Read(ctx context.Context, after uint64, limit eventlog.Limit) (eventlog.Page, error) {
	return c.log.Read(ctx, c.name, after, limit)
}

// Head returns the position of the last record.
func (c *Channel) Head(ctx context.Context) (eventlog.Position, error) {
	return c.log.Head(ctx, c.name)
}

// Snapshots returns where states can be kept beside the log.
func (c *Channel) Snapshots() *eventlog.Snapshots { return c.log.Snapshots() }

// kinds returns the kind of each channel as sessions want it, or nil if there is
// none at all.
func kinds(n Namespaces, log *eventlog.Log, policy *policy) func(channel string) session.Kind {
	byName := map[string]session.Kind{}
	for name, ns := range n {
		if ns.Kind != nil {
			byName[name] = &kindAdapter{kind: ns.Kind, log: log, policy: policy}
		}
	}
	if len(byName) == 0 {
		return nil
	}
	return func(channel string) session.Kind {
		name := protocol.Namespace(channel)
		if _, ok := n[name]; !ok {
			name = ""
		}
		if k, ok := byName[name]; ok {
			return k
		}
		return nil
	}
}

// kindAdapter is a Kind as sessions want it.
type kindAdapter struct {
	kind   Kind
	log    *eventlog.Log
	policy *policy
}

// Publish implements [session.Kind].
func (k *kindAdapter) Publish(ctx context.Context, p *session.Publishing) (eventlog.Appended, error) {
	done, err := k.kind.Publish(ctx, &Channel{name: p.Channel, log: k.log}, publishRequest(p))
	if err != nil {
		return done, k.policy.hookError(ctx, err)
	}
	return done, nil
}
