package lab

import (
	"context"
	"encoding/json"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// signature is the [starling.Kind] of the Lab's channels: a publication is signed
// with the name under which its visitor acts, which the token carries.
type signature struct{}

// maxData is how many bytes a publication of a visitor may have.
const maxData = 2 << 10

// actor is what a token tells of a visitor.
type actor struct {
	Name string `json:"name"`
}

// Publish implements [starling.Kind].
func (signature) Publish(ctx context.Context, c *starling.Channel, p *starling.PublishRequest) (eventlog.Appended, error) {
	a := eventlog.Append{Entries: []eventlog.Entry{{Data: p.Data, Tags: p.Tags}}, User: p.User, Key: p.Key, Scope: trafficScope}
	if p.Session == "" {
		return c.Append(ctx, a)
	}
	if len(p.Data) > maxData {
		return eventlog.Appended{}, protocol.Errorf(protocol.TooLarge, "In the Lab a publication has at most %d bytes.", maxData)
	}
	var who actor
	if p.Identity != nil && json.Unmarshal(p.Identity.Info, &who) == nil {
		a.User = who.Name
	}
	a.Scope = visitorScope
	return c.Append(ctx, a)
}

// The idempotency keys of simulated traffic and those of visitors are apart.
const (
	trafficScope = "lab traffic"
	visitorScope = "lab visitor"
)
