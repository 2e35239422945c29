package starling

import (
	"context"
	"time"

	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/transport"
	"github.com/starling-rt/starling/protocol"
)

// Observer hears what happens in a server, for metrics. Its functions are called
// from many goroutines, some of them for every write: they must not block. A nil
// one hears nothing.
type Observer struct {
	// SessionEnded hears of each session that ends, and why; 0: its client
	// went.
	SessionEnded func(why protocol.Code)
	// SessionRejected hears of each session that could not be opened because
	// of a limit, or since the server is going away.
	SessionRejected func(why protocol.Code)
	// CommandRefused hears of each command that was answered with an error.
	CommandRefused func(why protocol.Code)
	// Wrote hears how many bytes were handed to a client's socket.
	Wrote func(bytes int)
	// SlowWrite hears of each write that a client took more than a second for.
	SlowWrite func(took time.Duration)
	// Delivered hears, for one of every 16 writes, how long before it its last
	// publication was appended. It has the resolution of a publication's time,
	// which is a millisecond, and is not told of what a client catches up with.
	Delivered func(lag time.Duration)
	// Committed hears of each group of appends that the embedded store has
	// synced.
	Committed func(Commit)
	// Trace begins an operation on a channel: "publish", and within it "append",
	// and "hook" where one is asked. Clients' operations begin anew; those of
	// Publish and of the HTTP API are within what ctx carries.
	Trace func(ctx context.Context, operation, channel string) Span
}

// Span is an operation that is traced.
type Span = session.Span

// Commit is a group of appends that the embedded store has made durable.
type Commit = pebblelog.Commit

func (o *Observer) session() session.Observer {
	return session.Observer{Ended: o.SessionEnded, Rejected: o.SessionRejected, Refused: o.CommandRefused, Trace: o.Trace}
}

func (o *Observer) transport() transport.Hooks {
	return transport.Hooks{Wrote: o.Wrote, SlowWrite: o.SlowWrite, Delivered: o.Delivered}
}
