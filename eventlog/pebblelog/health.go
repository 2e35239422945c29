package pebblelog

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// health is what is wrong with the store.
type health struct {
	opened atomic.Bool
	// fatal is why nothing can be written any more.
	fatal atomic.Pointer[error]
	// full is why appends are refused for now.
	full atomic.Pointer[error]
	// background is the last thing that went wrong behind our back.
	background atomic.Pointer[trouble]
	// waiting is when the group was applied that waits longest for its sync,
	// in Unix nanoseconds; 0: none waits.
	waiting atomic.Int64
	// applying is when the committer began with the group that it is at, in
	// Unix nanoseconds; 0: it waits for work.
	applying atomic.Int64
}

type trouble struct {
	err error
	at  time.Time
}

const (
	// Trouble in the background is told for this long; Pebble tries again more
	// often than that.
	troubleFor = 30 * time.Second
	// A disk that has not answered for this long is not healthy.
	slowSync = 10 * time.Second
)

// breakDown notes that nothing can be written any more. The first cause stays.
func (h *health) breakDown(cause error) { h.fatal.CompareAndSwap(nil, &cause) }

// broken returns why nothing can be written any more, or nil.
func (h *health) broken() error {
	if p := h.fatal.Load(); p != nil {
		return fmt.Errorf("writing to the disk has failed; start the server again when it works: %w", *p)
	}
	return nil
}

// writable returns why a change cannot be made, or nil.
func (h *health) writable() error {
	if err := h.broken(); err != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
	}
	return nil
}

// appendable returns why nothing can be added, or nil.
func (h *health) appendable() error {
	if p := h.full.Load(); p != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, *p)
	}
	return h.writable()
}

func (h *health) backgroundError(err error) { h.background.Store(&trouble{err, time.Now()}) }

// Health returns what is wrong with the store, or nil.
func (e *Engine) Health(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	h := &e.health
	if err := h.broken(); err != nil {
		return err
	}
	if p := h.full.Load(); p != nil {
		return *p
	}
	if t := h.background.Load(); t != nil && time.Since(t.at) < troubleFor {
		return fmt.Errorf("tidying up the store fails: %w", t.err)
	}
	for _, since := range [...]*atomic.Int64{&h.waiting, &h.applying} {
		at := since.Load()
		if d := time.Since(time.Unix(0, at)); at != 0 && d > slowSync {
			return fmt.Errorf("the disk has not answered for %v", d.Round(time.Second))
		}
	}
	return nil
}

// checkDisk looks how much of the disk is free.
func (e *Engine) checkDisk() {
	if e.opts.MinFreeBytes < 0 {
		return
	}
	usage, err := e.opts.FS.GetDiskUsage(e.dir)
	if err != nil {
		return // Not every file system can tell.
	}
	if usage.AvailBytes >= uint64(e.opts.MinFreeBytes) {
		if e.health.full.Swap(nil) != nil {
			e.opts.Logger.Info("there is space on the disk again", "dir", e.dir, "free", usage.AvailBytes)
		}
		return
	}
	full := fmt.Errorf("the disk is full: %d bytes are free in %q, less than %d", usage.AvailBytes, e.dir, e.opts.MinFreeBytes)
	if e.health.full.Swap(&full) == nil {
		e.opts.Logger.Error("the disk is full: nothing is stored any more", "dir", e.dir, "free", usage.AvailBytes)
	}
}

// pebbleLogger takes what Pebble logs.
type pebbleLogger struct{ e *Engine }

// Infof logs what is of interest when looking for a fault.
func (l pebbleLogger) Infof(format string, args ...any) {
	l.e.opts.Logger.Debug("pebble: " + fmt.Sprintf(format, args...))
}

// Errorf logs an error that Pebble can live with.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.e.opts.Logger.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf is called when Pebble cannot go on, and must not return. It ends the
// goroutine that Pebble is on, not the process: reads are still served, and
// what is on the disk is as good as after a crash.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.e.opts.Logger.Error("the store cannot be written any more", "dir", l.e.dir, "err", err)
	if !l.e.health.opened.Load() {
		panic(err)
	}
	l.e.health.breakDown(err)
	runtime.Goexit()
}

var errStopped = errors.New("the store has stopped")
