package starling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// EventType says what an Event is.
type EventType string

// The types of events.
const (
	// EventStarted comes first: what is published from then on is not missed.
	EventStarted EventType = "started"
	// EventPublication is a publication.
	EventPublication EventType = "publication"
	// EventSignal is a signal.
	EventSignal EventType = "signal"
	// EventReset tells that publications were missed; it goes on after them.
	EventReset EventType = "reset"
	// EventSkipped tells that publications were left out, as was asked for.
	EventSkipped EventType = "skipped"
)

// Event is what a subscription in the program itself is given.
type Event struct {
	Type        EventType
	Publication protocol.Publication // of EventPublication
	Signal      protocol.Signal      // of EventSignal
	// Position is where to go on after the event; "" on a wildcard.
	Position string
	// Recovered tells of EventStarted that it begins where the subscription said.
	Recovered bool
	// Reason is why an EventReset came: "gone", "epoch" or "wildcard".
	Reason string
}

// Subscription says how to subscribe. The zero value starts live.
type Subscription struct {
	Since  string          // a position to go on from
	Filter protocol.Filter // by tags
	// Latest leaves out all but the newest where the program is slow.
	Latest bool
}

// errEnough ends a loop whose body has left it.
var errEnough = errors.New("starling: enough")

// Subscribe subscribes the program itself to a channel or a wildcard, and yields
// what comes until ctx ends, the loop is left, or the server is closed; the last
// event then has the error. It holds no goroutine and queues nothing: who is slow
// reads on from the log.
func (s *Server) Subscribe(ctx context.Context, channel string, o Subscription) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		err := s.follow(ctx, channel, o, func(e Event) error {
			if !yield(e, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(Event{}, err)
		}
	}
}

func (s *Server) follow(ctx context.Context, channel string, o Subscription, f func(Event) error) error {
	if err := protocol.CheckPattern(channel); err != nil {
		return err
	}
	since, bad := protocol.ParseSince(o.Since)
	if bad != nil {
		return bad
	}
	q := session.FollowQuery{Channel: channel, Since: since, Filter: o.Filter}
	if o.Latest {
		q.Slow = protocol.Latest
	}
	return s.sessions.Follow(ctx, q, func(one *session.Followed) error {
		e, err := event(one)
		if err != nil {
			return fmt.Errorf("subscribe to %q: %w", channel, err)
		}
		return f(e)
	})
}

func event(f *session.Followed) (Event, error) {
	e := Event{Position: f.Position(), Recovered: f.Recovered, Reason: f.Reason}
	var err error
	switch f.Kind {
	case session.FollowStarted:
		e.Type = EventStarted
	case session.FollowPublication:
		e.Type = EventPublication
		e.Publication, err = protocol.ParsePublication(f.JSON)
	case session.FollowSignal:
		e.Type = EventSignal
		e.Signal, err = protocol.ParseSignal(f.JSON)
	case session.FollowReset:
		e.Type = EventReset
	case session.FollowSkipped:
		e.Type = EventSkipped
	}
	return e, err
}

// Typed is a channel whose publications are values of one type, in JSON. It is a
// small value, safe for concurrent use.
type Typed[T any] struct {
	server  *Server
	channel string
}

// TypedChannel returns the channel with a name as one of values. In the name, each
// {} stands for the next of params, which may not have the character ":" in it.
func TypedChannel[T any](s *Server, name string, params ...string) (Typed[T], error) {
	for _, p := range params {
		before, after, found := strings.Cut(name, "{}")
		if !found {
			return Typed[T]{}, fmt.Errorf("starling: the channel %q has no place for %q", name, p)
		}
		if p == "" || strings.Contains(p, ":") {
			return Typed[T]{}, fmt.Errorf("starling: %q cannot stand in a channel's name", p)
		}
		name = before + p + after
	}
	if err := protocol.CheckChannel(name); err != nil {
		return Typed[T]{}, err
	}
	return Typed[T]{s, name}, nil
}

// Name returns the channel's name.
func (c Typed[T]) Name() string { return c.channel }

// Publish publishes a value, and returns when it is durable.
func (c Typed[T]) Publish(ctx context.Context, v T, p Publication) (Published, error) {
	return c.server.Publish(ctx, c.channel, v, p)
}

// History returns what is kept of the channel. See [Server.History].
func (c Typed[T]) History(ctx context.Context, q HistoryQuery) ([]TypedEvent[T], HistoryPage, error) {
	page, err := c.server.History(ctx, c.channel, q)
	if err != nil {
		return nil, page, err
	}
	all := make([]TypedEvent[T], len(page.Publications))
	for i, p := range page.Publications {
		all[i].Event = Event{Type: EventPublication, Publication: p}
		if err := all[i].decode(); err != nil {
			return nil, page, fmt.Errorf("history of %q: %w", c.channel, err)
		}
	}
	return all, page, nil
}

// TypedEvent is an Event with the value of its publication or signal.
type TypedEvent[T any] struct {
	Event
	Value T
}

// Subscribe is [Server.Subscribe]. A publication that is no T ends it with an
// error.
func (c Typed[T]) Subscribe(ctx context.Context, o Subscription) iter.Seq2[TypedEvent[T], error] {
	return func(yield func(TypedEvent[T], error) bool) {
		for e, err := range c.server.Subscribe(ctx, c.channel, o) {
			t := TypedEvent[T]{Event: e}
			if err == nil {
				err = t.decode()
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

func (t *TypedEvent[T]) decode() error {
	var data []byte
	switch t.Type {
	case EventPublication:
		data = t.Publication.Data
	case EventSignal:
		data = t.Signal.Data
	}
	if data == nil {
		return nil
	}
	return json.Unmarshal(data, &t.Value)
}
