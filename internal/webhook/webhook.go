// Package webhook tells an application's backend what has happened, over HTTP, and
// does not stop before it has taken it.
//
// For each channel of which a hook wants the publications, the key-values of the log
// hold where its delivery stands:
//
//	webhook/ID/pos/CHANNEL = epoch offset       4 and 8 bytes, big-endian
//
// An [Engine] makes that entry before the first publication to the channel is
// acknowledged, so that none can be forgotten. A [Deliverer] follows the channels
// live, reads from where it stands, posts, and moves the entry when the backend has
// answered with 2xx. Who subscribes first and leaves last on a node is written, by an
// [Occupancy], to a channel of the server's own, and delivered from there in the same
// way: the deliverer keeps on which nodes a channel has subscriptions, as a list in
// JSON, and tells only when the first comes or the last goes.
//
//	webhook/ID/in/CHANNEL = nodes
//	webhook-occupied/NODE/CHANNEL               what a node has told to be occupied
//	webhook-nodes/NODE = alive, or given up     written every 10 s
package webhook

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/signed"
	"github.com/starling-rt/starling/protocol"
)

// Channel is where first and last subscriptions are written.
const Channel = protocol.OwnPrefix + "webhooks"

// The events.
const (
	Publication = "publication"
	Occupied    = "occupied" // a channel has its first subscription
	Vacated     = "vacated"  // its last one has gone
	// Missed is told, whatever a hook wants, of a channel whose publications were
	// removed before they could be delivered.
	Missed = "missed"
)

// Hook is what is told to whom.
type Hook struct {
	Name     string // stands in the position's keys; not empty
	URL      string
	Secrets  []string
	Events   []string // default: all three
	Channels []string // patterns; default: all
}

// Check returns an error unless h can be used, and fills in the defaults.
func (h *Hook) Check() error {
	if err := signed.CheckURL(h.URL); err != nil {
		return err
	}
	if err := signed.CheckSecrets(h.Secrets); err != nil {
		return err
	}
	if err := protocol.CheckChannel(h.Name); err != nil || len(h.Name) > maxName || strings.Contains(h.Name, "/") {
		return fmt.Errorf("the name %.80q has to be 1 to %d of A-Z, a-z, 0-9 and _-.:@#$+=~! only", h.Name, maxName)
	}
	if len(h.Events) == 0 {
		h.Events = []string{Publication, Occupied, Vacated}
	}
	for _, e := range h.Events {
		if e != Publication && e != Occupied && e != Vacated {
			return fmt.Errorf("there is no event %q, but %s, %s and %s", e, Publication, Occupied, Vacated)
		}
	}
	if len(h.Channels) == 0 {
		h.Channels = []string{"*"}
	}
	for _, p := range h.Channels {
		if p == "*" {
			continue
		}
		if err := protocol.CheckPattern(p); err != nil {
			return fmt.Errorf("channel %q: %s", p, err.Message)
		}
	}
	return nil
}

// maxName bounds names, so that a key with the longest channel has its place.
const maxName = 64

// wants tells whether h wants an event of a channel.
func (h *Hook) wants(event, channel string) bool {
	if strings.HasPrefix(channel, protocol.OwnPrefix) || !slices.Contains(h.Events, event) {
		return false
	}
	return slices.ContainsFunc(h.Channels, func(p string) bool { return protocol.Matches(p, channel) })
}

// occupancy tells whether h wants to know of subscriptions.
func (h *Hook) occupancy() bool {
	return slices.Contains(h.Events, Occupied) || slices.Contains(h.Events, Vacated)
}

// reads tells whether h is delivered from what stands in a channel.
func (h *Hook) reads(channel string) bool {
	return h.wants(Publication, channel) || channel == Channel && h.occupancy()
}

// prefix is the beginning of the keys of its positions.
func (h *Hook) prefix() string { return "webhook/" + h.Name + "/pos/" }

// Config is what deliverers need. It is not changed after New.
type Config struct {
	Log       *eventlog.Log
	Node      string // owner of leases
	Timeout   time.Duration
	Backoff   time.Duration // first wait after a failure; default 1 s, doubled up to 1 min
	Lease     time.Duration // for how long one node delivers; default 10 s
	Logger    *slog.Logger
	Transport http.RoundTripper // default: one of its own
}

func (c Config) withDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Backoff <= 0 {
		c.Backoff = time.Second
	}
	if c.Lease <= 0 {
		c.Lease = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// EncodePosition returns the value of a key of positions.
func EncodePosition(p eventlog.Position) []byte { return encode(p) }

// Position returns the channel and the position of a key-value of package webhook,
// for who moves them to another log. It is not ok for what is none.
func Position(key string, value []byte) (channel string, p eventlog.Position, ok bool) {
	rest, ok := strings.CutPrefix(key, "webhook/")
	if !ok {
		return "", p, false
	}
	_, channel, ok = strings.Cut(rest, "/pos/") // names have no slash
	if !ok {
		return "", p, false
	}
	p, err := decode(value)
	return channel, p, err == nil
}

func encode(p eventlog.Position) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, p.Epoch), p.Offset)
}

func decode(raw []byte) (eventlog.Position, error) {
	if len(raw) != 12 {
		return eventlog.Position{}, errors.New("a position of a webhook cannot be read")
	}
	return eventlog.Position{Epoch: binary.BigEndian.Uint32(raw), Offset: binary.BigEndian.Uint64(raw[4:])}, nil
}
