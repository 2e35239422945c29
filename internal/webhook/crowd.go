package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// crowd is the nodes on which a channel has subscriptions, as far as delivery has
// come, in order. It is not changed.
type crowd []string

// after returns the crowd after an occurrence, and whether the channel has now got
// its first node or lost its last.
func (c crowd) after(o *occurrence) (next crowd, turned bool) {
	i, there := slices.BinarySearch(c, o.Node)
	switch {
	case o.Type == Occupied && !there:
		next = slices.Insert(slices.Clone(c), i, o.Node)
	case o.Type == Vacated && there:
		next = slices.Delete(slices.Clone(c), i, i+1)
	default:
		return c, false
	}
	return next, (len(next) == 0) != (len(c) == 0)
}

// crowdKey is where the crowd of a channel is kept, as a list in JSON.
func (h *Hook) crowdKey(channel string) string { return "webhook/" + h.Name + "/in/" + channel }

// occurrence returns what a node has told of a channel as an event, or nil if it
// changes nothing for all nodes, or is not wanted.
func (r *reader) occurrence(ctx context.Context, b *batch, rec *eventlog.Record) ([]byte, error) {
	var o occurrence
	if err := json.Unmarshal(rec.Data, &o); err != nil {
		return nil, nil // nobody but this package writes there
	}
	if !r.d.hook.wants(Occupied, o.Channel) && !r.d.hook.wants(Vacated, o.Channel) {
		return nil, nil
	}
	before, err := r.crowd(ctx, b, o.Channel)
	if err != nil {
		return nil, err
	}
	now, turned := before.after(&o)
	b.in[o.Channel] = now
	if !turned || !r.d.hook.wants(o.Type, o.Channel) {
		return nil, nil
	}
	out := begin(o.Type, rec.ID, o.Channel, rec.Time)
	return append(protocol.AppendString(append(out, `,"node":`...), o.Node), '}'), nil
}

// crowd returns who is in a channel after what is in a batch so far.
func (r *reader) crowd(ctx context.Context, b *batch, channel string) (crowd, error) {
	if c, ok := b.in[channel]; ok {
		return c, nil
	}
	if c, ok := r.in[channel]; ok {
		return c, nil
	}
	it, err := r.d.conf.Log.KV().Get(ctx, r.d.hook.crowdKey(channel))
	if errors.Is(err, eventlog.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c crowd
	return c, json.Unmarshal(it.Value, &c)
}

// keepCrowds stores who is there after a batch, until that has worked, and tells
// whether it has before ctx ended.
func (r *reader) keepCrowds(ctx context.Context, b *batch) bool {
	if len(r.in) > maxAt {
		clear(r.in)
	}
	var wg sync.WaitGroup
	var lost atomic.Bool
	slots := make(chan struct{}, maxMarks)
	for channel, now := range b.in {
		if before, ok := r.in[channel]; ok && slices.Equal(before, now) {
			continue
		}
		r.in[channel] = now
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if !r.again(ctx, func(ctx context.Context) error { return r.putCrowd(ctx, channel, now) }) {
				lost.Store(true)
			}
		})
	}
	wg.Wait()
	return !lost.Load()
}

func (r *reader) putCrowd(ctx context.Context, channel string, c crowd) error {
	key := r.d.hook.crowdKey(channel)
	if len(c) == 0 {
		return r.d.conf.Log.KV().Delete(ctx, key, 0)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = r.d.conf.Log.KV().Put(ctx, key, raw, eventlog.PutOptions{})
	return err
}
