// Package client speaks to a Starling server from Go: the server API for an
// application's backend, and subscriptions that come back by themselves.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/starling-rt/starling/internal/signed"
	"github.com/starling-rt/starling/protocol"
)

// Options are the settings of a Client.
type Options struct {
	// URL is where the server is, such as https://rt.example.com.
	URL string
	// APIKey is a key of its server API.
	APIKey string
	// HTTPClient makes the requests. Default: http.DefaultClient.
	HTTPClient *http.Client
	// Attempts is how often a request is made that may succeed later. Default 4.
	Attempts int
}

// Client calls the server API. It is safe for concurrent use.
type Client struct{ o Options }

// New returns a client. The error tells that the URL is none.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("client: %q is not an http or https URL", o.URL)
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	if o.Attempts <= 0 {
		o.Attempts = 4
	}
	return &Client{o}, nil
}

// Error is a refusal of the server.
type Error struct {
	Code    protocol.Code `json:"code"`
	Name    string        `json:"name"`
	Message string        `json:"message"`
	Retry   bool          `json:"retry"` // the same may succeed later
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d): %s", e.Name, int(e.Code), e.Message) }

const (
	maxAnswer    = 64 << 20
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 20 * time.Second
)

// do makes a request, and again if it may succeed later, and reads the answer.
func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return fmt.Errorf("client: %w", err)
		}
	}
	wait := firstBackoff
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, method, path, raw, answer)
		var refused *Error
		if err == nil || errors.As(err, &refused) && !refused.Retry || attempt == c.o.Attempts || ctx.Err() != nil {
			return err
		}
		if !pause(ctx, jitter(wait)) {
			return err
		}
		wait = min(2*wait, maxBackoff)
	}
}

func (c *Client) once(ctx context.Context, method, path string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.o.URL+"/api/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.o.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.APIKey)
	}
	res, err := c.o.HTTPClient.Do(req)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("client: read the answer: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(raw, answer); err != nil {
			return fmt.Errorf("client: read the answer: %w", err)
		}
		return nil
	}
	var refused struct {
		Error *Error `json:"error"`
	}
	if json.Unmarshal(raw, &refused) == nil && refused.Error != nil {
		return refused.Error
	}
	return &Error{
		Code: protocol.Internal, Name: "http", Message: fmt.Sprintf("%s %s: %s", method, path, res.Status), Retry: res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests,
	}
}

// jitter returns a time with chance in it, so that many do not come at once.
func jitter(d time.Duration) time.Duration { return d/2 + mrand.N(d/2+1) }

// pause waits, and tells whether ctx is still there after it.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Publication says how to publish, beyond the data.
type Publication struct {
	// Key makes the publication idempotent. Default: a new one, so that a request
	// that is made again publishes nothing twice.
	Key  string
	User string            // who it is from
	Tags map[string]string // what filters of subscriptions look at
}

// Published is where a publication stands.
type Published struct {
	Offset    uint64 `json:"offset"`
	Position  string `json:"position"`
	Duplicate bool   `json:"duplicate"` // it was published before, with the same key
}

// Result is what came of one of several.
type Result struct {
	Published
	Err error // an *Error, or nil
}

// UnmarshalJSON reads a result as the server gives it.
func (r *Result) UnmarshalJSON(raw []byte) error {
	var m struct {
		Published
		Error *Error `json:"error"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	r.Published = m.Published
	if m.Error != nil {
		r.Err = m.Error
	}
	return nil
}

type publishBody struct {
	Channel  string            `json:"channel,omitempty"`
	Channels []string          `json:"channels,omitempty"`
	Data     any               `json:"data"`
	Key      string            `json:"key"`
	User     string            `json:"user,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

func newPublish(data any, p Publication) publishBody {
	if p.Key == "" {
		p.Key = rand.Text()
	}
	return publishBody{Data: data, Key: p.Key, User: p.User, Tags: p.Tags}
}

// Publish publishes data, as JSON, and returns when it is durable.
func (c *Client) Publish(ctx context.Context, channel string, data any, p Publication) (Published, error) {
	body := newPublish(data, p)
	body.Channel = channel
	var done Published
	err := c.do(ctx, http.MethodPost, "publish", body, &done)
	return done, err
}

// PublishAll publishes data to up to 1,000 channels, and returns what came of each.
func (c *Client) PublishAll(ctx context.Context, channels []string, data any, p Publication) ([]Result, error) {
	if len(channels) == 0 {
		return nil, nil
	}
	body := newPublish(data, p)
	body.Channels = channels
	var answer struct {
		Results []Result `json:"results"`
	}
	err := c.do(ctx, http.MethodPost, "publish", body, &answer)
	return answer.Results, err
}

// VerifySignature returns nil if header, that of the name [SignatureHeader], signs the
// body of a callback or a webhook under one of the secrets, at most window ago; five
// minutes are good.
func VerifySignature(header string, body []byte, secrets []string, window time.Duration) error {
	return signed.Verify(header, body, secrets, time.Now(), window)
}

// SignatureHeader is the name of the header that signs callbacks and webhooks.
const SignatureHeader = signed.Header
