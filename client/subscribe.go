package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/starling-rt/starling/internal/client"
	"github.com/starling-rt/starling/protocol"
)

// EventType says what an Event is.
type EventType string

// The types of events.
const (
	// EventStarted comes first, and again after each reconnect: what is published
	// from then on is not missed.
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

// Event is what a subscription is given.
type Event struct {
	Type        EventType
	Publication protocol.Publication // of EventPublication
	Signal      protocol.Signal      // of EventSignal
	// Position is where to go on after the event; "" on a wildcard.
	Position string
	// Recovered tells of EventStarted that it begins where the subscription stood.
	Recovered bool
}

// Subscription says how to subscribe. The zero value starts live, without a token.
type Subscription struct {
	// Since is a position to go on from: that of an event, of [Published], or of a
	// page of history.
	Since string
	// Token returns a token whenever a connection is made.
	Token  func(ctx context.Context) (string, error)
	Filter protocol.Filter
	// Latest leaves out all but the newest where the program is slow.
	Latest bool
}

// errEnough ends a loop whose body has left it.
var errEnough = errors.New("client: enough")

const (
	firstWait = 500 * time.Millisecond // after a connection was lost
	dialWait  = 20 * time.Second       // for a connection to open
	quietWait = 15 * time.Second       // beyond the server's heartbeat
)

// Subscribe subscribes to a channel or a wildcard of the server at an http or https
// URL, and yields what comes until ctx ends, the loop is left, or the server refuses
// for good; the last event then has the error, an [*Error] or that of ctx. When the
// connection is lost it is made again, and goes on where it stood.
func Subscribe(ctx context.Context, url, channel string, o Subscription) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := &follower{url: url, channel: channel, o: o, yield: yield}
		f.since, f.offset = o.Since, ""
		if at, offset, ok := strings.Cut(o.Since, "."); ok {
			f.since, f.offset = at, offset
		}
		if err := f.run(ctx); !errors.Is(err, errEnough) {
			yield(Event{}, err)
		}
	}
}

// follower is where a subscription stands.
type follower struct {
	url, channel string
	o            Subscription
	yield        func(Event, error) bool

	since  string // the position that was given last
	offset string // of the last publication since then
	heard  bool   // the subscription was made, on this connection
	after  time.Duration
}

func (f *follower) run(ctx context.Context) error {
	for wait := firstWait; ; wait = min(2*wait, maxBackoff) {
		f.heard, f.after = false, 0
		err := f.follow(ctx)
		var refused *Error
		switch {
		case errors.Is(err, errEnough):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &refused) && !refused.Retry && (refused.Code != protocol.TokenExpired || f.o.Token == nil):
			return refused
		}
		if f.heard {
			wait = firstWait
		}
		if !pause(ctx, max(f.after, jitter(wait))) {
			return ctx.Err()
		}
	}
}

// follow follows on one connection.
func (f *follower) follow(ctx context.Context) error {
	token := ""
	if f.o.Token != nil {
		var err error
		if token, err = f.o.Token(ctx); err != nil {
			return fmt.Errorf("client: get a token: %w", err)
		}
	}
	dialling, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	conn, err := client.Dial(dialling, f.url)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.Patience = dialWait
	if err := f.begin(conn, token); err != nil {
		return err
	}
	for {
		raw, err := conn.Read()
		if err != nil {
			return ended(err)
		}
		if err := f.take(conn, raw); err != nil {
			return err
		}
	}
}

// begin says who the client is and what it wants.
func (f *follower) begin(conn *client.Conn, token string) error {
	connect := map[string]any{"type": "connect", "id": 1}
	if token != "" {
		connect["token"] = token
	}
	subscribe := map[string]any{"type": "subscribe", "id": 2, "channel": f.channel}
	if f.since != "" {
		subscribe["since"] = f.since
	}
	if f.offset != "" {
		subscribe["offset"] = json.Number(f.offset)
	}
	if f.o.Filter != nil {
		subscribe["filter"] = json.RawMessage(f.o.Filter.AppendJSON(nil))
	}
	if f.o.Latest {
		subscribe["slow"] = "latest"
	}
	for _, m := range []any{connect, subscribe} {
		raw, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("client: %w", err)
		}
		if err := conn.Write(raw); err != nil {
			return err
		}
	}
	return nil
}

// message is as much of a message as decides what becomes of it.
type message struct {
	Type     string          `json:"type"`
	ID       json.RawMessage `json:"id"` // of a reply the command's, of a publication its own
	Position string          `json:"position"`
	After    int64           `json:"after"`
	Error    *Error          `json:"error"`
	Result   json.RawMessage `json:"result"`
}

// take takes a message.
func (f *follower) take(conn *client.Conn, raw []byte) error {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("client: read a message: %w", err)
	}
	if m.Error != nil {
		return m.Error
	}
	e := Event{Type: EventType(m.Type)}
	switch m.Type {
	case "reply":
		return f.reply(conn, &m)
	case "publication":
		p, err := protocol.ParsePublication(raw)
		if err != nil {
			return err
		}
		e.Publication = p
		f.offset = strconv.FormatUint(p.Offset, 10)
	case "signal":
		s, err := protocol.ParseSignal(raw)
		if err != nil {
			return err
		}
		e.Signal = s
	case "reset", "skipped":
		f.since, f.offset = m.Position, ""
	case "position":
		f.since, f.offset = m.Position, ""
		return nil
	case "drain":
		f.after = time.Duration(m.After) * time.Millisecond
		return nil
	default:
		return nil
	}
	return f.hand(e)
}

// reply takes a reply to one of the two commands.
func (f *follower) reply(conn *client.Conn, m *message) error {
	var r struct {
		Ping      int64  `json:"ping"`
		Position  string `json:"position"`
		Recovered bool   `json:"recovered"`
	}
	if err := json.Unmarshal(m.Result, &r); err != nil {
		return fmt.Errorf("client: read a reply: %w", err)
	}
	if string(m.ID) == "1" {
		if r.Ping > 0 { // whoever is not heard for longer is gone
			conn.Patience = time.Duration(r.Ping)*time.Millisecond + quietWait
		}
		return nil
	}
	missed := f.since != "" && !r.Recovered
	f.heard = true
	f.since, f.offset = r.Position, ""
	if err := f.hand(Event{Type: EventStarted, Recovered: r.Recovered}); err != nil || !missed {
		return err
	}
	return f.hand(Event{Type: EventReset})
}

// hand hands an event on.
func (f *follower) hand(e Event) error {
	switch {
	case strings.HasSuffix(f.channel, "*"):
		f.since, f.offset = "", "" // it has no position
	case f.offset != "" && f.since != "":
		e.Position = f.since + "." + f.offset
	default:
		e.Position = f.since
	}
	if !f.yield(e, nil) {
		return errEnough
	}
	return nil
}

// ended turns the end of a connection into the error that it was ended with.
func ended(err error) error {
	if !errors.Is(err, client.ErrClosed) {
		return err
	}
	text := strings.TrimPrefix(err.Error(), client.ErrClosed.Error()+": ")
	number, reason, _ := strings.Cut(text, " ")
	n, bad := strconv.Atoi(number)
	if bad != nil || n < 4000 {
		return err
	}
	code := protocol.Code(n)
	_, reason, _ = strings.Cut(reason, ": ")
	return &Error{Code: code, Name: code.String(), Message: reason, Retry: code.Retry()}
}
