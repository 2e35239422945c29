package session

import (
	"context"

	"github.com/starling-rt/starling/protocol"
)

// Span is an operation that is traced.
type Span interface {
	// Within returns ctx as one of the operation: what is traced with it is a part
	// of this.
	Within(ctx context.Context) context.Context
	// End ends the operation. err is nil if it succeeded.
	End(err error)
}

// untraced is a span that nobody sees.
type untraced struct{}

func (untraced) Within(ctx context.Context) context.Context { return ctx }
func (untraced) End(error)                                  {}

// trace begins an operation on a channel, if operations are traced.
func (sv *Server) trace(ctx context.Context, operation, channel string) Span {
	if sv.conf.Observer.Trace == nil {
		return untraced{}
	}
	return sv.conf.Observer.Trace(ctx, operation, channel)
}

// orNil returns an error that is nil if e is.
func orNil(e *protocol.Error) error {
	if e == nil {
		return nil
	}
	return e
}
