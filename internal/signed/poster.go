package signed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// Poster posts JSON, signed. It follows no redirects, keeps connections, and is
// safe for concurrent use.
type Poster struct {
	secrets []string
	timeout time.Duration
	client  *http.Client
}

// NewPoster returns a Poster that keeps so many connections to a host, and waits so
// long for an answer. transport may be nil.
func NewPoster(secrets []string, timeout time.Duration, connections int, transport http.RoundTripper) *Poster {
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: timeout, MaxResponseHeaderBytes: 32 << 10,
		}
	}
	return &Poster{secrets: secrets, timeout: timeout, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ErrTooLong is an answer that is longer than it may be.
var ErrTooLong = errors.New("the answer is too long")

// Post sends a body and returns the answer, of most bytes at most. json tells
// whether the answer says that it is JSON.
func (p *Poster) Post(ctx context.Context, url string, body []byte, most int64) (status int, json bool, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, false, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Starling")
	req.Header.Set(Header, Sign(p.secrets, time.Now(), body))
	res, err := p.client.Do(req)
	if err != nil {
		return 0, false, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return res.StatusCode, false, nil, fmt.Errorf("read the answer: %w", err)
	}
	if int64(len(answer)) > most {
		return res.StatusCode, false, nil, ErrTooLong
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return res.StatusCode, err == nil && kind == "application/json", answer, nil
}

// Close closes the connections that are not in use.
func (p *Poster) Close() { p.client.CloseIdleConnections() }
