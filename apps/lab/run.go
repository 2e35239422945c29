package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

const (
	// watchFor is how long one report of a page that it watches counts.
	watchFor = 5 * time.Second
	// maxRuns and maxWatchers are those of a workspace, and of a run.
	maxRuns     = 8
	maxWatchers = 16
	// pulse is how often traffic is made at most: what falls due between goes
	// together.
	pulse = 10 * time.Millisecond
	// maxLag is how far traffic may fall behind its rate before it gives up to
	// catch up.
	maxLag = time.Second
)

// run is the traffic of a scenario while somebody watches it.
type run struct {
	lab      *Lab
	space    *space
	scenario *scenario
	first    string // its channel
	second   string // the one beside it, or ""
	seed     uint32
	stop     context.CancelFunc
	done     chan struct{} // closed when it has ended
	made     atomic.Int64  // events, since the beginning of the seed

	// Guarded by Lab.mu.
	watchers map[string]time.Time // until when
	rate     float64              // events a second
	ended    bool
}

// rest is where traffic stands.
type rest struct {
	generator generator
	n         int    // the next event
	have      *event // made, but not sent
}

// watching is what a page reports.
type watching struct {
	Watcher  string  `json:"watcher"`
	Scenario string  `json:"scenario"`
	Seed     uint32  `json:"seed"`
	Rate     float64 `json:"rate"`
	Stop     bool    `json:"stop"`
}

// watch notes that a page watches a scenario, or does not any more, and returns its
// run, which is nil if there is none.
func (l *Lab) watch(ctx context.Context, s *space, w watching) (*run, error) {
	sc := l.scenarios[w.Scenario]
	if sc == nil {
		return nil, protocol.Errorf(protocol.InvalidField, "There is no scenario %q.", w.Scenario)
	}
	if w.Watcher == "" || len(w.Watcher) > 64 {
		return nil, protocol.Errorf(protocol.InvalidField, `The field "watcher" is a text of 1 to 64 bytes that tells pages apart.`)
	}
	rate := sc.rate
	if w.Rate != 0 {
		rate = min(max(w.Rate, sc.least), sc.most)
	}
	first, second := channel(s.id, w.Scenario, w.Seed), ""
	all := []string{first}
	if sc.second != "" {
		second = channel(s.id, sc.second, w.Seed)
		all = append(all, second)
	}
	if w.Stop {
		return l.unwatch(first, w.Watcher), nil
	}
	if err := l.use(ctx, s, all...); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[first]
	if r == nil {
		if l.closed || s.isGone() {
			return nil, noWorkspace()
		}
		if l.running(s) >= maxRuns {
			return nil, protocol.Errorf(protocol.LimitReached, "At most %d scenarios of a workspace run at once. Close a page.", maxRuns)
		}
		within, cancel := context.WithCancel(l.ctx)
		r = &run{lab: l, space: s, scenario: sc, first: first, second: second, seed: w.Seed, stop: cancel, done: make(chan struct{}), watchers: map[string]time.Time{}}
		l.runs[first] = r
		l.wg.Go(func() { r.live(within, w.Scenario) })
	}
	if _, known := r.watchers[w.Watcher]; !known && len(r.watchers) >= maxWatchers {
		return nil, protocol.Errorf(protocol.LimitReached, "At most %d pages watch a scenario at once.", maxWatchers)
	}
	r.watchers[w.Watcher], r.rate = time.Now().Add(watchFor), rate
	return r, nil
}

func (l *Lab) unwatch(channel, watcher string) *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[channel]
	if r != nil {
		delete(r.watchers, watcher)
	}
	return r
}

// running returns how many runs a workspace has. The lock is held.
func (l *Lab) running(s *space) (n int) {
	for _, r := range l.runs {
		if r.space == s {
			n++
		}
	}
	return n
}

// watched returns at what rate the run has to go, or that it has ended since nobody
// watches it.
func (r *run) watched(now time.Time) (rate float64, ok bool) {
	r.lab.mu.Lock()
	defer r.lab.mu.Unlock()
	for name, until := range r.watchers {
		if !now.Before(until) {
			delete(r.watchers, name)
		}
	}
	if len(r.watchers) == 0 {
		r.end()
		return 0, false
	}
	return r.rate, true
}

// end takes the run out. Lab.mu is held. Who watches from then on gets another.
func (r *run) end() {
	if !r.ended {
		r.ended = true
		delete(r.lab.runs, r.first)
	}
}

// live makes the traffic.
func (r *run) live(ctx context.Context, scenario string) {
	defer close(r.done)
	defer r.stop()
	if err := r.traffic(ctx, scenario); err != nil && ctx.Err() == nil {
		// Who still watches has it begin again, where it stood.
		r.lab.opts.Logger.Warn("simulated traffic has stopped", "channel", r.first, "err", err)
	}
	r.lab.mu.Lock()
	r.end()
	r.lab.mu.Unlock()
}

func (r *run) traffic(ctx context.Context, scenario string) error {
	at, err := r.resume(ctx, scenario)
	if err != nil {
		return err
	}
	defer r.rest(at)
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now := time.Now()
		rate, ok := r.watched(now)
		if !ok {
			return nil
		}
		if now.Sub(due) > maxLag {
			due = now
		}
		next, err := r.catchUp(ctx, at, &due, now, rate)
		if err != nil {
			return err
		}
		wait := min(time.Second, next.Sub(now)) // who watches is looked at in between
		timer.Reset(max(pulse, wait))
	}
}

// catchUp sends what is due, and returns when the next event is.
func (r *run) catchUp(ctx context.Context, at *rest, due *time.Time, now time.Time, rate float64) (time.Time, error) {
	for {
		if at.have == nil {
			e, ok := at.generator.next(at.n)
			if !ok || at.n >= maxEvents {
				return now.Add(time.Hour), nil
			}
			at.have = &e
		}
		next := due.Add(time.Duration(at.have.gap / rate * float64(time.Second)))
		if next.After(now) {
			return next, nil
		}
		if err := r.send(ctx, at.n, at.have); err != nil {
			return now, err
		}
		*due, at.have = next, nil
		at.n++
		r.made.Store(int64(at.n))
	}
}

// send says what an event says. Publications are keyed by their number, so that a
// second attempt stores nothing.
func (r *run) send(ctx context.Context, n int, e *event) error {
	if e.conflate == "" {
		return r.publish(ctx, r.first, n, e.user, e.data)
	}
	raw, err := json.Marshal(e.data)
	if err != nil {
		return err
	}
	if err := r.lab.server.Log().Signal(ctx, eventlog.Signal{Channel: r.first, Key: e.conflate, Data: raw}); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	if e.also == nil {
		return nil
	}
	return r.publish(ctx, r.second, n, e.user, e.also)
}

func (r *run) publish(ctx context.Context, channel string, n int, user string, data any) error {
	if _, err := r.lab.server.Publish(ctx, channel, data, starling.Publication{User: user, Key: strconv.Itoa(n)}); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// resume returns where the traffic stands: where it came to rest or, after a restart
// of the server, behind what is stored.
func (r *run) resume(ctx context.Context, scenario string) (*rest, error) {
	r.lab.mu.Lock()
	at := r.space.rests[r.first]
	delete(r.space.rests, r.first)
	r.lab.mu.Unlock()
	if at == nil {
		at = &rest{generator: r.scenario.make(source(scenario, r.seed))}
		stored := r.first
		if r.second != "" {
			stored = r.second // the first has only signals
		}
		last, err := r.last(ctx, stored)
		if err != nil {
			return nil, err
		}
		for at.n <= last {
			if _, ok := at.generator.next(at.n); !ok {
				break
			}
			at.n++
		}
	}
	r.made.Store(int64(at.n))
	return at, nil
}

// last returns the number of the last event that is stored; -1 if there is none.
func (r *run) last(ctx context.Context, channel string) (int, error) {
	q := starling.HistoryQuery{Newest: true, Limit: 100}
	for {
		page, err := r.lab.server.History(ctx, channel, q)
		if err != nil {
			return 0, fmt.Errorf("find where traffic stands: %w", err)
		}
		for i := len(page.Publications) - 1; i >= 0; i-- {
			p := &page.Publications[i]
			if n, ok := numberOf(p.Data); ok && !slices.Contains(names, p.User) {
				return n, nil
			}
		}
		if !page.More {
			return -1, nil
		}
		q = starling.HistoryQuery{Before: page.Position, Limit: 100}
	}
}

func (r *run) rest(at *rest) {
	r.lab.mu.Lock()
	defer r.lab.mu.Unlock()
	r.space.rests[r.first] = at
}

// burst publishes a number of texts at once, in one batch.
func (l *Lab) burst(ctx context.Context, s *space, w watching, count int) error {
	sc := l.scenarios[w.Scenario]
	if sc == nil || sc.burst == 0 {
		return protocol.Errorf(protocol.InvalidField, "There is no scenario %q that takes a burst.", w.Scenario)
	}
	if count < 1 || count > sc.burst {
		return protocol.Errorf(protocol.InvalidField, `The field "count" is a number from 1 to %d.`, sc.burst)
	}
	name := channel(s.id, w.Scenario, w.Seed)
	if err := l.use(ctx, s, name); err != nil {
		return err
	}
	entries := make([]eventlog.Entry, count)
	for i := range entries {
		entries[i].Data = fmt.Appendf(nil, `{"burst":%d,"of":%d}`, i+1, count)
	}
	if _, err := l.server.Log().Append(ctx, eventlog.Append{Channel: name, Entries: entries, User: "Burst", Scope: trafficScope}); err != nil {
		return fmt.Errorf("publish a burst: %w", err)
	}
	return nil
}
