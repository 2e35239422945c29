package natslog

import "context"

// OptionsOf returns the options of an engine, to open another like it.
func OptionsOf(e *Engine) Options { return e.opts }

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
