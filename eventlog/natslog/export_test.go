package natslog

// OptionsOf returns the options of an engine, to open another like it.
func OptionsOf(e *Engine) Options { return e.opts }

// LiveQueueDepth is how many deliveries wait for slow sinks.
const LiveQueueDepth = liveQueueDepth
