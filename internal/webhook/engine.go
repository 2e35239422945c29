package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

const (
	// maxKnown bounds the channels that are known to have their positions.
	maxKnown = 500_000
	// maxQueued bounds the appends of one channel that wait for its position.
	maxQueued = 10_000
	// keepTimeout bounds how long keeping a position may take.
	keepTimeout = 15 * time.Second
)

// Engine is an engine that knows, for each channel from which a hook is delivered,
// where delivery begins, before anything is stored in it. After the
// first publication to a channel that costs a look into a map.
type Engine struct {
	eventlog.Engine
	hooks []Hook

	wg sync.WaitGroup
	mu sync.RWMutex
	// mu guards the following.
	known   map[string]struct{}
	waiting map[string][]waiting // by channel whose position is being kept
	closed  bool
}

// waiting is an append whose channel's position is being kept.
type waiting struct {
	batch *eventlog.Batch
	done  func(eventlog.Appended, error)
}

// Wrap returns an engine around another for hooks that were checked.
func Wrap(inner eventlog.Engine, hooks []Hook) *Engine {
	return &Engine{Engine: inner, hooks: hooks, known: map[string]struct{}{}, waiting: map[string][]waiting{}}
}

// Append implements [eventlog.Engine].
func (e *Engine) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	e.mu.RLock()
	_, known := e.known[b.Channel]
	e.mu.RUnlock()
	if known || !e.wanted(b.Channel) {
		e.Engine.Append(b, done)
		return
	}
	e.mu.Lock()
	queue, begun := e.waiting[b.Channel]
	_, known = e.known[b.Channel]
	switch {
	case known: // meanwhile; what waited was handed on
		e.mu.Unlock()
		e.Engine.Append(b, done)
		return
	case e.closed:
		e.mu.Unlock()
		done(eventlog.Appended{}, eventlog.ErrClosed)
		return
	case len(queue) >= maxQueued:
		e.mu.Unlock()
		done(eventlog.Appended{}, fmt.Errorf("too many appends wait for a webhook's position: %w", eventlog.ErrUnavailable))
		return
	}
	e.waiting[b.Channel] = append(queue, waiting{b, done})
	if !begun {
		e.wg.Go(func() { e.begin(b.Channel) })
	}
	e.mu.Unlock()
}

// wanted tells whether a hook is delivered from a channel.
func (e *Engine) wanted(channel string) bool {
	for i := range e.hooks {
		if e.hooks[i].reads(channel) {
			return true
		}
	}
	return false
}

// begin keeps the positions of a channel, and hands on what waits for that.
func (e *Engine) begin(channel string) {
	err := e.keep(channel)
	for {
		e.mu.Lock()
		queue := e.waiting[channel]
		if len(queue) == 0 {
			delete(e.waiting, channel)
			if err == nil {
				if len(e.known) >= maxKnown {
					clear(e.known)
				}
				e.known[channel] = struct{}{}
			}
			e.mu.Unlock()
			return
		}
		e.waiting[channel] = []waiting{}
		e.mu.Unlock()
		for _, w := range queue {
			if err != nil {
				w.done(eventlog.Appended{}, fmt.Errorf("keep a webhook's position: %w: %w", eventlog.ErrUnavailable, err))
			} else {
				e.Engine.Append(w.batch, w.done)
			}
		}
	}
}

// keep makes the positions of a channel unless they are there: at its head.
func (e *Engine) keep(channel string) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
	defer cancel()
	head, err := e.Head(ctx, channel)
	if err != nil {
		return err
	}
	for i := range e.hooks {
		h := &e.hooks[i]
		if !h.reads(channel) {
			continue
		}
		_, err := e.KV().Put(ctx, h.prefix()+channel, encode(head), eventlog.PutOptions{Expect: eventlog.Absent})
		if err != nil && !errors.Is(err, eventlog.ErrRevision) {
			return err
		}
	}
	return nil
}

// Close implements [eventlog.Engine].
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.wg.Wait()
	return e.Engine.Close()
}
