package natslog

import (
	"context"
	"time"
)

// OptionsOf returns the options of an engine, to open another like it.
func OptionsOf(e *Engine) Options { return e.opts }

// WithTick returns options of an engine whose time passes faster for attendance.
func WithTick(o Options, tick time.Duration) Options {
	o.tick = tick
	return o
}

// LiveQueueDepth is how many deliveries wait for slow sinks.
const LiveQueueDepth = liveQueueDepth

// Sweep looks at all channels, as one of the nodes does once a day.
func Sweep(ctx context.Context, e *Engine) error {
	for _, p := range e.parts {
		if err := e.keeper.sweep(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// LeaderOffsets reads a channel from the leader of its stream alone, as is done when
// the replicas are behind.
func LeaderOffsets(ctx context.Context, e *Engine, channel string, after, upTo uint64) (offsets []uint64, err error) {
	p := e.partition(channel)
	s := scan{stream: p.log, filter: p.records + subjectOf(channel), upTo: upTo}
	err = e.scanLeader(ctx, s, after, func(m *stored) bool {
		offsets = append(offsets, m.seq)
		return true
	})
	return offsets, err
}

// DoubtEpochs makes the next read from the cache ask for the epoch.
func DoubtEpochs(e *Engine) {
	for _, p := range e.parts {
		p.epochSeen.Store(0)
	}
}
