package bench

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/starling-rt/starling/internal/client"
)

// twoBeats is how long connections are watched at least. The first heartbeat comes
// after half its period to the whole, the next a period later: over less one sees
// more or fewer of them than there are.
const twoBeats = 50 * time.Second

// idle measures what connections cost that say nothing and hear nothing but
// heartbeats. Each has an identity and a subscription.
func idle(ctx context.Context, o Options) ([]Figure, error) {
	o.Conns = cmp.Or(o.Conns, 10_000)
	var all []Figure
	for _, kind := range []struct {
		name string
		args []string
		open func(ctx context.Context, url, token, channel string) (*held, error)
	}{
		{"WebSockets", nil, holdWebSocket},
		{"event streams", nil, holdEventStream},
		{"WebSockets without the poller", []string{"--memory-no-poller"}, holdWebSocket},
	} {
		figures, err := rest(ctx, o, kind.name, kind.args, kind.open)
		all = append(all, figures...)
		if err != nil {
			return all, fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	return all, nil
}

// held is a connection that is held: read does what is to be done with what comes,
// until it is closed.
type held struct {
	io.Closer
	read func()
}

func rest(ctx context.Context, o Options, name string, args []string, open func(ctx context.Context, url, token, channel string) (*held, error)) ([]Figure, error) {
	p, err := start(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	token, err := devToken(p.url, "ana")
	if err != nil {
		return nil, err
	}
	before, err := p.rss()
	if err != nil {
		return nil, err
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	for i := range o.Conns {
		h, err := open(ctx, p.url, token, fmt.Sprintf("idle:%d", i%100))
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		defer h.Close()
		reading.Go(h.read)
	}
	after, err := p.rss()
	if err != nil {
		return nil, err
	}
	cpu0, err := p.cpu()
	if err != nil {
		return nil, err
	}
	t := time.Now()
	if !pause(ctx, max(5*o.Duration, twoBeats)) {
		return nil, ctx.Err()
	}
	cpu1, err := p.cpu()
	return []Figure{
		{Name: fmt.Sprintf("memory of each of %d %s at rest", o.Conns, name), Value: float64(after-before) / 1024 / float64(o.Conns), Unit: "KB"},
		{Name: "CPU of the server meanwhile", Value: 100 * (cpu1 - cpu0).Seconds() / time.Since(t).Seconds(), Unit: "% of a core"},
	}, err
}

// devToken asks a server for development for a token.
func devToken(base, user string) (string, error) {
	res, err := http.Post(base+"/dev/token", "application/json", strings.NewReader(fmt.Sprintf(`{"user":%q}`, user)))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"token"`
	}
	err = json.NewDecoder(res.Body).Decode(&answer)
	if err == nil && answer.Token == "" {
		err = errors.New("the server gave no token: " + res.Status)
	}
	return answer.Token, err
}

func holdWebSocket(ctx context.Context, base, token, channel string) (*held, error) {
	c, err := client.Dial(ctx, base)
	if err != nil {
		return nil, err
	}
	for _, msg := range []string{fmt.Sprintf(`{"type":"connect","id":1,"token":%q}`, token), fmt.Sprintf(`{"type":"subscribe","id":2,"channel":%q}`, channel)} {
		if err = c.Write([]byte(msg)); err == nil {
			var reply []byte
			if reply, err = c.Read(); err == nil && strings.Contains(string(reply), `"error"`) {
				err = errors.New(string(reply))
			}
		}
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return &held{c, func() {
		for {
			if _, err := c.Read(); err != nil {
				return
			}
		}
	}}, nil
}

func holdEventStream(_ context.Context, base, token, channel string) (*held, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c, "GET /sse?channel=%s&token=%s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", channel, token, u.Host)
	if err == nil {
		var res *http.Response
		if res, err = http.ReadResponse(bufio.NewReaderSize(c, 16), nil); err == nil && res.StatusCode != http.StatusOK {
			err = errors.New(res.Status)
		}
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &held{c, func() { _, _ = io.Copy(io.Discard, c) }}, nil // until it is closed
}
