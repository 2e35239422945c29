package starling

import (
	"fmt"
	"slices"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/webhook"
	"github.com/starling-rt/starling/protocol"
)

// Verb is something that a client may do on a channel.
type Verb = auth.Verb

// The verbs of channels. Package auth has them all.
const (
	Subscribe = auth.Subscribe
	Publish   = auth.Publish
	Signal    = auth.Signal
	History   = auth.History
)

// Namespace is the settings of the channels whose names begin with the
// namespace's name and a colon. The zero Namespace is the default.
type Namespace struct {
	// How the log of a channel is kept: see [eventlog.Policy], where the
	// defaults stand. A negative value is no bound.
	MaxRecords int
	MaxBytes   int64
	MaxAge     time.Duration
	// Memory gives up safety for speed: publications are acknowledged before
	// they are on disk, and an unclean stop begins the channel anew.
	Memory bool
	// KeyWindow is how long the keys of publications are remembered. Default
	// 24 h.
	KeyWindow time.Duration

	// Interval is how often conflated signals are sent on. Default 100 ms.
	Interval time.Duration
	// MaxSlots is how many conflation keys a channel may have. Default 10,000.
	MaxSlots int
	// SlotTTL is how long a conflated value lives unless it is renewed.
	// Default 1 min.
	SlotTTL time.Duration

	// Kind gives publications a meaning of their own. Default: they are stored as
	// they are.
	Kind Kind

	// Anonymous is what clients may do of whom nothing is known. Default:
	// nothing.
	Anonymous []Verb
	// Users is what clients may do that have shown who they are. Default:
	// nothing.
	Users []Verb
}

// Namespaces are settings by name. The name "" is that of channels without a
// namespace, and of those whose namespace is not listed.
type Namespaces map[string]Namespace

// of returns the settings of a channel, or of what a wildcard stands for.
func (n Namespaces) of(channel string) Namespace {
	if ns, ok := n[protocol.Namespace(channel)]; ok {
		return ns
	}
	return n[""]
}

// Policies returns how the logs of channels are kept, for engines that are opened
// by hand.
func (n Namespaces) Policies() eventlog.Policies {
	return func(channel string) eventlog.Policy {
		if channel == webhook.Channel {
			return eventlog.Policy{MaxRecords: 1_000_000, MaxBytes: 1 << 30}
		}
		ns := n.of(channel)
		p := eventlog.Policy{
			MaxRecords: ns.MaxRecords, MaxBytes: ns.MaxBytes, MaxAge: ns.MaxAge,
			KeyWindow: ns.KeyWindow, MaxSlots: ns.MaxSlots, SlotTTL: ns.SlotTTL,
		}
		if ns.Memory {
			p.Durability = eventlog.Unsynced
		}
		return p
	}
}

func (n Namespaces) check() error {
	for name, ns := range n {
		if name != "" {
			if err := protocol.CheckChannel(name); err != nil {
				return fmt.Errorf("namespace %q: %w", name, err)
			}
		}
		for _, v := range slices.Concat(ns.Anonymous, ns.Users) {
			if _, err := auth.NewGrants(map[string][]Verb{"any": {v}}, ""); err != nil {
				return fmt.Errorf("namespace %q: there is no verb %q", name, v)
			}
		}
	}
	return nil
}

// authorize tells whether a client may do something. A wildcard's namespace must
// stand before its colon, so that it cannot reach into another.
func (n Namespaces) authorize(who *Identity, verb Verb, channel string) *protocol.Error {
	if prefix, ok := protocol.Wildcard(channel); ok && protocol.Namespace(prefix) == "" && len(n) > 0 {
		return protocol.Errorf(protocol.Forbidden, "A wildcard has to name its namespace, such as chat:* .")
	}
	ns := n.of(channel)
	allowed, name := ns.Anonymous, "anonymous clients"
	if who != nil && who.User != "" {
		allowed, name = ns.Users, "users"
	}
	if slices.Contains(allowed, verb) || verb != auth.Admin && slices.Contains(allowed, auth.Any) {
		return nil
	}
	return protocol.Errorf(protocol.Forbidden, "The verb %q on %s is not open to %s. Grant it in the token, open it in the namespace's settings, or start the server with --dev.", verb, channel, name)
}
