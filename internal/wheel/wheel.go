// Package wheel calls many things back, roughly when they asked: a timing wheel
// of one goroutine and one timer, for heartbeats. An entry costs a pointer. A wheel
// without entries sleeps: waking a processor that rests costs more than what it then
// finds to do.
package wheel

import (
	"sync"
	"time"
)

// Entry is what waits on a wheel.
type Entry interface {
	// Tick is called when the time has come, on the wheel's goroutine, and
	// must not block. It returns after how long to call again, or 0 for never.
	Tick(now time.Time) time.Duration
}

// Wheel has a slot for each step of the time ahead, up to its span. Its methods
// are safe for concurrent use.
type Wheel struct {
	step time.Duration

	mu    sync.Mutex
	slots [][]Entry
	at    int // the slot that is next
	n     int // entries

	first chan struct{} // tells that there is an entry again
	stop  chan struct{}
	done  chan struct{}
}

// New returns a running wheel that is exact to a step and reaches up to span.
func New(step, span time.Duration) *Wheel {
	w := &Wheel{step: step, slots: make([][]Entry, int(span/step)+2), first: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

// Add calls e after d, which is at most the span, and at least one step.
func (w *Wheel) Add(e Entry, d time.Duration) {
	n := min(max(int((d+w.step-1)/w.step), 1), len(w.slots)-1)
	w.mu.Lock()
	i := (w.at + n) % len(w.slots)
	w.slots[i] = append(w.slots[i], e)
	w.n++
	first := w.n == 1
	w.mu.Unlock()
	if first {
		select {
		case w.first <- struct{}{}:
		default: // it is awake, or will be
		}
	}
}

// Close stops the wheel and returns when no Tick is running.
func (w *Wheel) Close() {
	close(w.stop)
	<-w.done
}

func (w *Wheel) run() {
	defer close(w.done)
	for {
		select {
		case <-w.stop:
			return
		case <-w.first:
		}
		if !w.turn() {
			return
		}
	}
}

// turn turns the wheel until it is empty. It returns false when the wheel is closed.
func (w *Wheel) turn() bool {
	t := time.NewTicker(w.step)
	defer t.Stop()
	for {
		select {
		case <-w.stop:
			return false
		case now := <-t.C:
			if w.tick(now) == 0 {
				return true
			}
		}
	}
}

// tick calls what is due, and returns how many entries there are after it.
func (w *Wheel) tick(now time.Time) int {
	w.mu.Lock()
	w.at = (w.at + 1) % len(w.slots)
	due := w.slots[w.at]
	w.slots[w.at] = nil
	w.mu.Unlock()
	for _, e := range due {
		if d := e.Tick(now); d > 0 {
			w.Add(e, d)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n -= len(due)
	return w.n
}
