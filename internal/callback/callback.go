// Package callback asks an application's backend over HTTP, and does not suffer when
// that is down or slow.
package callback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/internal/signed"
	"github.com/starling-rt/starling/protocol"
)

const (
	// maxWaiting is how many questions may wait for each that may be asked at once.
	maxWaiting = 16
	// After failuresToOpen failures, one after the other, a URL is not asked for
	// openFor.
	failuresToOpen = 5
	openFor        = time.Second
)

// Config is what a Client needs. It is not changed after New.
type Config struct {
	Secrets       []string
	Timeout       time.Duration     // for an answer; default 2 s
	MaxConcurrent int               // questions at once; default 64
	Logger        *slog.Logger      // default: none
	Transport     http.RoundTripper // default: one of its own
}

// Client asks. Its methods are safe for concurrent use.
type Client struct {
	conf   Config
	poster *signed.Poster
	slots  chan struct{}

	mu       sync.Mutex // guards the following
	breakers map[string]*breaker

	waiting, asked, failed, spared atomic.Int64
}

// Stats is what a client did, for metrics.
type Stats struct {
	Asked  int64 // questions that were sent
	Failed int64 // of these, those that got no answer that can be used
	Spared int64 // questions that were not sent, because others had failed or waited
	Cached int64 // questions whose answer was known, or was being asked for
}

// New returns a client.
func New(conf Config) *Client {
	if conf.Timeout <= 0 {
		conf.Timeout = 2 * time.Second
	}
	if conf.MaxConcurrent <= 0 {
		conf.MaxConcurrent = 64
	}
	if conf.Logger == nil {
		conf.Logger = slog.New(slog.DiscardHandler)
	}
	return &Client{
		conf: conf, poster: signed.NewPoster(conf.Secrets, conf.Timeout, conf.MaxConcurrent, conf.Transport),
		slots: make(chan struct{}, conf.MaxConcurrent), breakers: map[string]*breaker{},
	}
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.poster.Close() }

// Stats returns the counts at this moment; Cached is the Decider's.
func (c *Client) Stats() Stats {
	return Stats{Asked: c.asked.Load(), Failed: c.failed.Load(), Spared: c.spared.Load()}
}

// Ask posts a question to a URL and reads the answer, of most bytes at most, into
// answer. The error is one for clients: whatever went wrong, it is 4300, and the log
// says more.
func (c *Client) Ask(ctx context.Context, url string, question, answer any, most int64) error {
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	b := c.breaker(url)
	if !b.enter(time.Now()) {
		c.spared.Add(1)
		return unavailable()
	}
	err = c.send(ctx, url, body, answer, most)
	switch {
	case err == nil:
		b.leave(time.Now(), true)
	case errors.Is(err, errBusy):
		b.abandon()
		c.spared.Add(1)
		return unavailable()
	case errors.Is(ctx.Err(), context.Canceled):
		b.abandon() // who asked has gone
		return unavailable()
	default:
		c.failed.Add(1)
		if b.leave(time.Now(), false) {
			c.conf.Logger.Error("a callback fails; it is spared for a moment, clients are refused", "url", url, "err", err)
		} else {
			c.conf.Logger.Warn("a callback has failed", "url", url, "err", err)
		}
		return unavailable()
	}
	return nil
}

// Reject logs that what a URL answered cannot be used, though it can be read, and
// returns what the client is told.
func (c *Client) Reject(url string, err error) error {
	c.failed.Add(1)
	c.conf.Logger.Error("a callback's answer cannot be used", "url", url, "err", err)
	return unavailable()
}

func unavailable() error {
	return protocol.Errorf(protocol.Unavailable, "The application cannot be asked now; nothing was done. Try again.")
}

// errBusy tells that as much is being asked as may be.
var errBusy = errors.New("too many questions wait")

func (c *Client) send(ctx context.Context, url string, body []byte, answer any, most int64) error {
	ctx, cancel := context.WithTimeout(ctx, c.conf.Timeout)
	defer cancel()
	defer c.waiting.Add(-1)
	if c.waiting.Add(1) > int64(c.conf.MaxConcurrent*(1+maxWaiting)) {
		return errBusy
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return errBusy
	}
	c.asked.Add(1)
	status, isJSON, raw, err := c.poster.Post(ctx, url, body, most)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("it answered %d, and not 200", status)
	case !isJSON:
		return errors.New("its answer is not application/json")
	}
	if _, bad := protocol.CheckData(raw); bad != nil {
		return fmt.Errorf("its answer cannot be read: %s", bad.Message)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields() // what is misspelt fails at once
	if err := d.Decode(answer); err != nil {
		return fmt.Errorf("its answer cannot be read: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("its answer has more than one value")
	}
	if v, ok := answer.(interface{ check() error }); ok {
		return v.check()
	}
	return nil
}

func (c *Client) breaker(url string) *breaker {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.breakers[url]
	if b == nil {
		b = &breaker{}
		c.breakers[url] = b
	}
	return b
}

// breaker keeps questions from a URL that does not answer. When it has been open for
// a while, one question tries.
type breaker struct {
	mu       sync.Mutex
	failures int
	until    time.Time // until when nobody asks
	trying   bool      // one question is under way to see whether it answers again
}

// enter tells whether a question may be sent.
func (b *breaker) enter(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < failuresToOpen {
		return true
	}
	if b.trying || now.Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

// leave notes how it went, and tells whether the breaker opened by it.
func (b *breaker) leave(now time.Time, good bool) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	if good {
		b.failures = 0
		return false
	}
	b.failures++
	if b.failures >= failuresToOpen {
		b.until = now.Add(openFor)
	}
	return b.failures == failuresToOpen
}

// abandon notes that it is not known how it would have gone.
func (b *breaker) abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
}

// Allow is the field "allow" of an answer, which has to be there.
type Allow int8

// What an Allow can be.
const (
	missing   Allow = iota
	Undecided       // null
	Yes
	No
)

// UnmarshalJSON reads true, false or null.
func (a *Allow) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case "true":
		*a = Yes
	case "false":
		*a = No
	case "null":
		*a = Undecided
	default:
		return errors.New(`"allow" is true, false or null`)
	}
	return nil
}

// Verdict is what all answers have.
type Verdict struct {
	Allow   Allow  `json:"allow"`
	Message string `json:"message"`
}

// maxMessage bounds the sentence for a client.
const maxMessage = 1000

func (v *Verdict) check() error {
	switch {
	case v.Allow == missing:
		return errors.New(`its answer has no "allow"`)
	case len(v.Message) > maxMessage:
		return fmt.Errorf(`its "message" has more than %d bytes`, maxMessage)
	}
	return nil
}

// Refusal returns what the client is told of a No, otherwise nil.
func (v *Verdict) Refusal() error {
	if v.Allow != No {
		return nil
	}
	if v.Message == "" {
		return protocol.Errorf(protocol.Forbidden, "The application does not allow it.")
	}
	return protocol.Errorf(protocol.Forbidden, "%s", v.Message)
}
