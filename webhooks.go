package starling

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/webhook"
)

// The events of a [Webhook].
const (
	// WebhookPublication is a publication.
	WebhookPublication = webhook.Publication
	// WebhookOccupied is the first subscription to a channel on a node.
	WebhookOccupied = webhook.Occupied
	// WebhookVacated is the end of the last one, a second ago.
	WebhookVacated = webhook.Vacated
)

// Webhook has a backend told what happens, by signed POSTs of up to 100 events each,
// in their order on each channel. What it does not answer with 2xx is sent again,
// until it does, over restarts too; so an event can come twice, and has an id by
// which to know it again. An answer 410 ends the webhook until the next start.
//
// Publications are delivered from when the webhook is there; those of before are not.
type Webhook struct {
	// Name tells webhooks apart, and is where their positions are kept: with
	// another name, delivery begins anew. At most 64 characters. Default: "default",
	// which only one can have.
	Name string
	URL  string
	// Secrets sign the requests, each of them, so that they can be rotated: one to
	// four, of at least 16 bytes.
	Secrets []string
	// Events are what is told. Default: all.
	Events []string
	// Channels are the channels of which it is told: names, or beginnings of names
	// with * behind. Default: all but the server's own.
	Channels []string
	// Timeout is how long an answer may take. Default 10 s.
	Timeout time.Duration
}

// WebhookStats is what a webhook did, for metrics.
type WebhookStats = webhook.Stats

// webhooks are those of a server.
type webhooks struct {
	hooks      []webhook.Hook
	timeouts   []time.Duration
	deliverers []*webhook.Deliverer
	occupancy  *webhook.Occupancy // nil: nobody wants to know
}

// newWebhooks checks the webhooks. It returns nil if there are none.
func newWebhooks(all []Webhook) (*webhooks, error) {
	if len(all) == 0 {
		return nil, nil
	}
	w := &webhooks{}
	names := map[string]bool{}
	for i, one := range all {
		h := webhook.Hook{Name: one.Name, URL: one.URL, Secrets: one.Secrets, Events: slices.Clone(one.Events), Channels: slices.Clone(one.Channels)}
		if h.Name == "" {
			h.Name = "default"
		}
		if err := h.Check(); err != nil {
			return nil, fmt.Errorf("webhook %d: %w", i+1, err)
		}
		if names[h.Name] {
			return nil, fmt.Errorf("webhook %d: there is another one named %q: give each a name of its own", i+1, h.Name)
		}
		names[h.Name] = true
		w.hooks = append(w.hooks, h)
		w.timeouts = append(w.timeouts, one.Timeout)
	}
	return w, nil
}

// wrap returns an engine that keeps where delivery stands.
func (w *webhooks) wrap(engine eventlog.Engine) eventlog.Engine {
	if w == nil {
		return engine
	}
	return webhook.Wrap(engine, w.hooks)
}

// watches tells whether somebody wants to know of subscriptions.
func (w *webhooks) watches() bool {
	return w != nil && slices.ContainsFunc(w.hooks, func(h webhook.Hook) bool {
		return slices.Contains(h.Events, webhook.Occupied) || slices.Contains(h.Events, webhook.Vacated)
	})
}

// start begins to deliver.
func (w *webhooks) start(s *Server, o *Options) {
	if w == nil {
		return
	}
	node := o.Node
	if node == "" {
		node = session.DefaultNode
	}
	for i, h := range w.hooks {
		w.deliverers = append(w.deliverers, webhook.Start(webhook.Config{Log: s.log, Node: node, Timeout: w.timeouts[i], Logger: o.Logger}, h))
	}
	if w.occupancy != nil {
		w.occupancy.Start()
	}
}

// watch begins to look at subscriptions, and returns what the hub is to call, or nil.
func (w *webhooks) watch(s *Server, node string, logger *slog.Logger) func(channel string) {
	if !w.watches() {
		return nil
	}
	if node == "" {
		node = session.DefaultNode
	}
	w.occupancy = webhook.NewOccupancy(webhook.OccupancyConfig{
		Log: s.log, Hooks: w.hooks, Node: node, Logger: logger, Occupied: func(channel string) bool { return s.hub.Occupied(channel) },
	})
	return w.occupancy.Changed
}

// stopWatching ends what looks at subscriptions.
func (w *webhooks) stopWatching() {
	if w != nil && w.occupancy != nil {
		w.occupancy.Close()
	}
}

// close ends the delivery.
func (w *webhooks) close() {
	if w == nil {
		return
	}
	for _, d := range w.deliverers {
		d.Close()
	}
}

// WebhookStats returns what the webhooks did so far, in the order of
// [Backend.Webhooks].
func (s *Server) WebhookStats() []WebhookStats {
	if s.webhooks == nil {
		return nil
	}
	var all []WebhookStats
	for _, d := range s.webhooks.deliverers {
		all = append(all, d.Stats())
	}
	return all
}
