package webhook

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// checkEvery is how often every channel is looked at where live records may be lost.
const checkEvery = 10 * time.Second

const (
	// maxAt bounds the positions that are remembered beside the key-values.
	maxAt = 100_000
	// putTimeout bounds the storing of one.
	putTimeout = 5 * time.Second
)

// reader reads what a deliverer is to deliver. One goroutine uses it.
type reader struct {
	d  *Deliverer
	at map[string]eventlog.Position // where delivery stands
	in map[string]crowd             // by channel
}

// batch is what one request delivers.
type batch struct {
	events [][]byte
	bytes  int
	after  map[string]eventlog.Position // where delivery stands after it
	in     map[string]crowd             // who is there after it, where that is new
}

func (b *batch) full() bool { return len(b.events) >= maxEvents || b.bytes >= maxBytes }

func (b *batch) add(event []byte) {
	b.events = append(b.events, event)
	b.bytes += len(event)
}

// body returns the request: {"webhook","events":[…]}.
func (b *batch) body(name string) []byte {
	out := protocol.AppendString([]byte(`{"webhook":`), name)
	out = append(out, `,"events":[`...)
	for i, e := range b.events {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, e...)
	}
	return append(out, "]}"...)
}

// next waits until there is something, and returns it. After an error it is to be
// called again.
func (r *reader) next(ctx context.Context) (*batch, error) {
	for {
		if r.d.news.doubted() {
			if err := r.look(ctx); err != nil {
				r.d.news.doubt()
				return nil, err
			}
		}
		b := &batch{after: map[string]eventlog.Position{}, in: map[string]crowd{}}
		for !b.full() {
			channel, offset, ok := r.d.news.take()
			if !ok {
				break
			}
			if _, twice := b.after[channel]; twice {
				r.d.news.add(channel, offset)
				break // the batch has what was there a moment ago
			}
			if err := r.read(ctx, b, channel, offset); err != nil {
				r.d.news.add(channel, offset)
				return nil, err
			}
		}
		if len(b.after) > 0 {
			return b, nil
		}
		var check <-chan time.Time
		if !r.d.conf.Log.Info().Lossless {
			t := time.NewTimer(checkEvery)
			defer t.Stop()
			check = t.C
		}
		select {
		case <-r.d.news.wake:
		case <-check:
			r.d.news.doubt()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look looks for what there is in all channels.
func (r *reader) look(ctx context.Context) error {
	const page = 500
	prefix := r.d.hook.prefix()
	for after := ""; ; {
		items, err := r.d.conf.Log.KV().List(ctx, prefix, after, page)
		if err != nil {
			return err
		}
		for _, it := range items {
			after = it.Key
			channel := it.Key[len(prefix):]
			position, err := decode(it.Value)
			if err != nil {
				return err
			}
			head, err := r.d.conf.Log.Head(ctx, channel)
			if err != nil {
				return err
			}
			if head != position {
				r.d.news.add(channel, head.Offset)
			}
		}
		if len(items) < page {
			return nil
		}
	}
}

// position returns where delivery of a channel stands, of which there is news at an
// offset.
func (r *reader) position(ctx context.Context, channel string, offset uint64) (eventlog.Position, error) {
	if p, ok := r.at[channel]; ok {
		return p, nil
	}
	it, err := r.d.conf.Log.KV().Get(ctx, r.d.hook.prefix()+channel)
	if err == nil {
		return decode(it.Value)
	}
	if !errors.Is(err, eventlog.ErrNotFound) {
		return eventlog.Position{}, err
	}
	// It was stored by a node that does not know the hook.
	head, err := r.d.conf.Log.Head(ctx, channel)
	return eventlog.Position{Epoch: head.Epoch, Offset: max(offset, 1) - 1}, err
}

// read puts what comes after the position of a channel into a batch.
func (r *reader) read(ctx context.Context, b *batch, channel string, offset uint64) error {
	position, err := r.position(ctx, channel, offset)
	if err != nil {
		return err
	}
	limit := eventlog.Limit{Records: maxEvents - len(b.events), Bytes: max(maxBytes-b.bytes, 1)}
	page, err := r.d.conf.Log.Read(ctx, channel, position.Offset, limit)
	complete := page.Complete
	if err == nil && page.Head.Epoch != position.Epoch {
		// It has begun anew: what was not delivered of its former life is lost.
		page, err = r.d.conf.Log.Read(ctx, channel, 0, limit)
		complete = position.Offset == 0
		position = eventlog.Position{Epoch: page.Head.Epoch}
	}
	if err != nil {
		return err
	}
	if !complete && r.d.hook.wants(Publication, channel) {
		b.add(missed(channel, position))
	}
	for i := range page.Records {
		rec := &page.Records[i]
		position.Offset = rec.Offset
		event, err := r.event(ctx, b, channel, rec)
		if err != nil {
			return err
		}
		if event != nil {
			b.add(event)
		}
	}
	switch {
	case page.More:
		r.d.news.add(channel, position.Offset+1)
	case len(page.Records) == 0:
		position.Offset = max(position.Offset, page.Head.Offset) // what was there is removed
	}
	b.after[channel] = position
	return nil
}

// event returns a record as an event, or nil if there is nothing that the hook wants.
func (r *reader) event(ctx context.Context, b *batch, channel string, rec *eventlog.Record) ([]byte, error) {
	if channel == Channel {
		return r.occurrence(ctx, b, rec)
	}
	if !r.d.hook.wants(Publication, channel) {
		return nil, nil // the hook has changed
	}
	out := begin(Publication, rec.ID, channel, rec.Time)
	out = protocol.AppendPublication(append(out, `,"publication":`...), &protocol.Publication{
		Channel: channel, Offset: rec.Offset, ID: rec.ID, Data: rec.Data, Key: rec.Key, User: rec.User, Time: rec.Time, Tags: rec.Tags,
	})
	return append(out, '}'), nil
}

// begin begins the JSON of an event, without the bracket at its end.
func begin(kind, id, channel string, millis int64) []byte {
	out := protocol.AppendString([]byte(`{"type":`), kind)
	out = protocol.AppendString(append(out, `,"id":`...), id)
	out = protocol.AppendString(append(out, `,"channel":`...), channel)
	return strconv.AppendInt(append(out, `,"time":`...), millis, 10)
}

// missed returns the event of publications that were removed after a position. Its id
// is the same whenever it is told of that.
func missed(channel string, after eventlog.Position) []byte {
	id := "missed-" + protocol.EncodePosition(channel, after.Epoch, after.Offset)
	return append(begin(Missed, id, channel, time.Now().UnixMilli()), '}')
}

// keep stores where delivery stands after a batch, until that has worked or ctx
// ends.
func (r *reader) keep(ctx context.Context, b *batch) {
	if len(r.at) > maxAt {
		clear(r.at)
	}
	if !r.keepCrowds(ctx, b) {
		return // and all of it comes again
	}
	var wg sync.WaitGroup
	for channel, position := range b.after {
		if have, ok := r.at[channel]; ok && have == position {
			continue
		}
		r.at[channel] = position
		wg.Go(func() {
			r.again(ctx, func(ctx context.Context) error { return r.put(ctx, channel, position) })
		})
	}
	wg.Wait()
}

// again does what keeps something until that has worked, and tells whether it has
// before ctx ended. Each time it is also done to its end when the deliverer is being
// closed: what the backend has taken need not come again.
func (r *reader) again(ctx context.Context, keep func(context.Context) error) bool {
	for wait := r.d.conf.Backoff; ; wait = min(2*wait, maxBackoff) {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
		err := keep(once)
		cancel()
		if err == nil || !pause(ctx, wait) {
			return err == nil
		}
		r.d.conf.Logger.Warn("a webhook's position cannot be kept; trying again", "webhook", r.d.hook.Name, "err", err)
	}
}

// put stores a position.
func (r *reader) put(ctx context.Context, channel string, p eventlog.Position) error {
	_, err := r.d.conf.Log.KV().Put(ctx, r.d.hook.prefix()+channel, encode(p), eventlog.PutOptions{})
	return err
}
