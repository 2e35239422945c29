package hub

import "sync"

// Listener is who owns subscriptions: a session. The hub calls it from the
// worker that it belongs to.
type Listener interface {
	// Mark notes that a subscription has something to pull. It returns true
	// if the listener had nothing before; it is then flushed, once. It is
	// called with locks of the hub held and must not call the hub.
	Mark(s *Subscription) bool

	// Flush pulls what there is and sends what can be sent. It must not
	// block.
	Flush()
}

// worker fans out: it turns channels that have news into listeners to flush, and
// flushes them. Each runs on a goroutine of its own.
type worker struct {
	index int

	mu       sync.Mutex
	wake     sync.Cond
	channels []*channel
	ready    []Listener
	closed   bool
}

func newWorker(index int) *worker {
	w := &worker{index: index}
	w.wake.L = &w.mu
	return w
}

// fan asks the worker to look at a channel.
func (w *worker) fan(c *channel) {
	w.mu.Lock()
	w.channels = append(w.channels, c)
	if len(w.channels)+len(w.ready) == 1 {
		w.wake.Signal()
	}
	w.mu.Unlock()
}

// flush asks the worker to flush a listener.
func (w *worker) flush(l Listener) {
	w.mu.Lock()
	w.ready = append(w.ready, l)
	if len(w.channels)+len(w.ready) == 1 {
		w.wake.Signal()
	}
	w.mu.Unlock()
}

func (w *worker) close() {
	w.mu.Lock()
	w.closed = true
	w.wake.Signal()
	w.mu.Unlock()
}

func (w *worker) run() {
	var channels []*channel
	var ready []Listener
	for {
		w.mu.Lock()
		for len(w.channels)+len(w.ready) == 0 && !w.closed {
			w.wake.Wait()
		}
		if w.closed {
			w.mu.Unlock()
			return
		}
		channels, w.channels = w.channels, channels[:0]
		ready, w.ready = w.ready, ready[:0]
		w.mu.Unlock()

		for _, c := range channels {
			ready = c.rosters[w.index].mark(ready)
		}
		for _, l := range ready {
			l.Flush()
		}
		clear(channels)
		clear(ready)
	}
}

// roster is the subscriptions of a channel that belong to one worker.
type roster struct {
	mu     sync.Mutex
	subs   []*Subscription
	queued bool // the worker has been asked to look at it
}

// mark marks the subscriptions and appends the listeners that became ready.
func (l *roster) mark(ready []Listener) []Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued = false
	for _, s := range l.subs {
		if s.dirty.Load() || !s.dirty.CompareAndSwap(false, true) {
			continue
		}
		if s.listener.Mark(s) {
			ready = append(ready, s.listener)
		}
	}
	return ready
}

func (l *roster) add(s *Subscription) {
	l.mu.Lock()
	s.index = len(l.subs)
	l.subs = append(l.subs, s)
	l.mu.Unlock()
}

func (l *roster) remove(s *Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.index < 0 {
		return
	}
	last := len(l.subs) - 1
	l.subs[s.index] = l.subs[last]
	l.subs[s.index].index = s.index
	l.subs[last] = nil
	l.subs = l.subs[:last]
	s.index = -1
	if cap(l.subs) > 64 && len(l.subs) < cap(l.subs)/4 {
		l.subs = append(make([]*Subscription, 0, cap(l.subs)/2), l.subs...)
	}
}
