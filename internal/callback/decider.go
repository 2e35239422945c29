package callback

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxCached   = 50_000
	maxCacheFor = time.Hour
	// maxDecision bounds an answer of authorize.
	maxDecision = 16 << 10
)

// Question is what is asked of authorize.
type Question struct {
	Type     string          `json:"type"`
	ID       string          `json:"id"` // of the question
	Identity json.RawMessage `json:"identity"`
	Verb     string          `json:"verb"`
	Channel  string          `json:"channel"`
}

// Decision is its answer.
type Decision struct {
	Verdict
	// Cache is for how many seconds it holds; nil is the default.
	Cache *float64 `json:"cache"`
}

func (d *Decision) check() error {
	if d.Cache != nil && (*d.Cache < 0 || *d.Cache > maxCacheFor.Seconds()) {
		return fmt.Errorf(`its "cache" is not a number of seconds from 0 to %v`, maxCacheFor.Seconds())
	}
	return d.Verdict.check()
}

// Decider asks a URL what clients may do, and remembers the answers for a while.
// Whoever asks what is being asked waits for the same answer.
type Decider struct {
	client           *Client
	url              string
	allowed, refused time.Duration
	cached           atomic.Int64

	mu      sync.Mutex // guards the following
	known   map[question]*decision
	life    int // counts Forget
	closed  bool
	flights sync.WaitGroup
}

type question [sha256.Size]byte

// decision is one that is known, or being asked for.
type decision struct {
	done  chan struct{} // closed when the following are set
	made  Decision
	err   error
	until time.Time // zero while it is being asked for; guarded by the decider
}

// NewDecider returns a decider. What is allowed is remembered for allowed, and what
// is refused for refused, unless the answer says otherwise.
func NewDecider(c *Client, url string, allowed, refused time.Duration) *Decider {
	return &Decider{client: c, url: url, allowed: allowed, refused: refused, known: map[question]*decision{}}
}

// Decide asks. identity is JSON.
func (d *Decider) Decide(ctx context.Context, identity []byte, verb, channel string) (Decision, error) {
	h := sha256.New()
	h.Write(identity)
	fmt.Fprintf(h, "\x00%s\x00%s", verb, channel)
	q := question(h.Sum(nil))
	d.mu.Lock()
	known := d.known[q]
	if known != nil && (known.until.IsZero() || time.Now().Before(known.until)) {
		d.mu.Unlock()
		d.cached.Add(1)
	} else {
		if d.closed {
			d.mu.Unlock()
			return Decision{}, unavailable()
		}
		known = &decision{done: make(chan struct{})}
		d.makeRoom()
		d.known[q] = known
		life := d.life
		// On a goroutine of its own, so that who asked first can go.
		d.flights.Go(func() {
			d.ask(known, q, life, &Question{Type: "authorize", ID: rand.Text(), Identity: identity, Verb: verb, Channel: channel})
		})
		d.mu.Unlock()
	}
	select {
	case <-known.done:
		return known.made, known.err
	case <-ctx.Done():
		return Decision{}, unavailable()
	}
}

// ask asks, and tells all who wait.
func (d *Decider) ask(known *decision, q question, life int, what *Question) {
	ctx, cancel := context.WithTimeout(context.Background(), d.client.conf.Timeout)
	defer cancel()
	known.err = d.client.Ask(ctx, d.url, what, &known.made, maxDecision)
	keep := d.allowed
	switch {
	case known.err != nil:
		keep = 0
	case known.made.Cache != nil:
		keep = time.Duration(*known.made.Cache * float64(time.Second))
	case known.made.Allow == No:
		keep = d.refused
	}
	d.mu.Lock()
	known.until = time.Now().Add(keep)
	if d.known[q] == known && (keep <= 0 || life != d.life) {
		delete(d.known, q)
	}
	d.mu.Unlock()
	close(known.done)
}

// makeRoom forgets what has expired when much is known, and otherwise all. The lock
// is held.
func (d *Decider) makeRoom() {
	if len(d.known) < maxCached {
		return
	}
	now := time.Now()
	for q, known := range d.known {
		if !known.until.IsZero() && now.After(known.until) {
			delete(d.known, q)
		}
	}
	if len(d.known) >= maxCached {
		clear(d.known)
	}
}

// Forget forgets every answer, because something has changed. What is being asked
// for is not remembered, and who asks from now on does not wait for it.
func (d *Decider) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life++
	clear(d.known)
}

// Cached returns how many questions needed no asking.
func (d *Decider) Cached() int64 { return d.cached.Load() }

// Close asks nothing any more, and returns when nothing is being asked.
func (d *Decider) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.flights.Wait()
}

// ErrUndecided leaves the decision to others.
var ErrUndecided = errors.New("callback: undecided")

// Err returns nil for Yes, ErrUndecided for null, and what the client is told for No.
func (d *Decision) Err() error {
	if d.Allow == Undecided {
		return ErrUndecided
	}
	return d.Refusal()
}
