package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/starling-rt/starling/internal/client"
)

// Remote is a server to look at, through whatever stands before it.
type Remote struct {
	URL     string        // with the base path
	Token   string        // of a client that may subscribe to Channel; "" is none
	Channel string        // to test with
	Wait    time.Duration // of the long poll
}

// most is how long anything but the long poll may take.
const most = 10 * time.Second

// Server looks at a server that runs.
func (r *Report) Server(ctx context.Context, to Remote) {
	to.URL = strings.TrimSuffix(to.URL, "/")
	if !r.alive(ctx, &to) {
		return
	}
	r.webSocket(ctx, &to)
	r.stream(ctx, &to)
	r.poll(ctx, &to)
	r.body(ctx, &to)
}

// get makes a request, and returns the answer with its body, of which there is not
// much.
func get(ctx context.Context, url string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res, strings.TrimSpace(string(raw)), err
}

// alive looks at /healthz and /readyz, and tells whether to go on.
func (r *Report) alive(ctx context.Context, to *Remote) bool {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	res, body, err := get(ctx, to.URL+"/healthz")
	switch {
	case err != nil:
		r.Problem("server", err.Error(), "Does it run, and is the URL right? With --base-path the path belongs to it.")
		return false
	case res.StatusCode != http.StatusOK || body != "ok":
		r.Problem("server", fmt.Sprintf("/healthz answers %s", res.Status), "Something else answers there, or a proxy does not pass it on. With --base-path the path belongs to the URL.")
		return false
	}
	version := res.Header.Get("Starling-Version")
	r.good("server", "it runs, version %s, over %s", version, res.Proto)
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		if skew := time.Since(at); skew.Abs() > 10*time.Second {
			r.add(Finding{Unsure, "clock", fmt.Sprintf("the server's differs from the one here by %v", skew.Round(time.Second)), "Tokens expire by the server's. Keep both right by NTP."})
		}
	}
	if res, body, err = get(ctx, to.URL+"/readyz"); err != nil || res.StatusCode != http.StatusOK {
		r.Problem("ready", body, "The server runs, but cannot serve. Its log says more.")
	} else {
		r.good("ready", "it can serve")
	}
	return true
}

// webSocket opens one, and sends a large message over it.
func (r *Report) webSocket(ctx context.Context, to *Remote) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	began := time.Now()
	conn, err := client.Dial(ctx, to.URL)
	if err != nil {
		r.Problem("WebSocket", err.Error(), "A proxy has to pass on the headers Upgrade and Connection, with HTTP/1.1: see deploy/nginx.conf.")
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	ask := func(msg string) error {
		if err := conn.Write([]byte(msg)); err != nil {
			return err
		}
		for {
			raw, err := conn.Read()
			if err != nil {
				return err
			}
			if bytes.Contains(raw, []byte(`"type":"reply"`)) {
				return nil
			}
		}
	}
	if err := ask(`{"type":"ping","id":1}`); err != nil {
		r.Problem("WebSocket", "it opens, but nothing comes: "+err.Error(), "A proxy may hold back what is sent.")
		return
	}
	r.good("WebSocket", "it opens and answers in %v", time.Since(began).Round(time.Millisecond))
	const size = 60_000
	if err := ask(`{"type":"ping","id":2,"pad":"` + strings.Repeat("x", size) + `"}`); err != nil {
		r.Problem("WebSocket", fmt.Sprintf("a message of %d bytes does not come through: %v", size, err), "If limits.message is not smaller, a proxy limits messages.")
		return
	}
	r.good("WebSocket", "a message of %d bytes comes through", size)
}

// query is the address of a door, for the channel of the test.
func (to *Remote) query(door, more string) string {
	q := url.Values{"channel": {to.Channel}}
	if to.Token != "" {
		q.Set("token", to.Token)
	}
	return to.URL + door + "?" + q.Encode() + more
}

// stream opens an SSE stream, of which something has to come at once.
func (r *Report) stream(ctx context.Context, to *Remote) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.query("/sse", ""), nil)
	if err != nil {
		r.Problem("SSE", err.Error(), "Is the URL right?")
		return
	}
	began := time.Now()
	const held = "A proxy holds back what is sent: turn off its buffering (proxy_buffering off; see deploy/nginx.conf)."
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Problem("SSE", strings.ReplaceAll(err.Error(), to.Token+" ", ""), held)
		return
	}
	defer res.Body.Close()
	if refusal := res.Header.Get("Starling-Error"); refusal != "" {
		r.add(Finding{Skipped, "SSE", "the server refuses: " + refusal, "Give --token TOKEN of a client that may subscribe to " + to.Channel + "."})
		return
	}
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		r.Problem("SSE", fmt.Sprintf("it answers %s, %s", res.Status, kind), "Something else answers there.")
		return
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		r.Problem("SSE", "nothing comes for "+most.String(), held)
		return
	}
	if took := time.Since(began); took > 2*time.Second {
		r.add(Finding{Unsure, "SSE", "the first bytes take " + took.Round(time.Millisecond).String(), held})
		return
	}
	if enc := res.Header.Get("Content-Encoding"); enc != "" {
		r.add(Finding{Unsure, "SSE", "a proxy compresses the stream with " + enc, "It may hold back what is sent: exclude text/event-stream from compression."})
		return
	}
	r.good("SSE", "a stream begins in %v, over %s", time.Since(began).Round(time.Millisecond), res.Proto)
}

// poll waits as long as clients do.
func (r *Report) poll(ctx context.Context, to *Remote) {
	ctx, cancel := context.WithTimeout(ctx, to.Wait+most)
	defer cancel()
	res, body, err := get(ctx, to.query("/poll", ""))
	if err != nil {
		r.Problem("poll", "it does not answer", "Is the URL right?")
		return
	}
	var answer struct {
		Position string        `json:"position"`
		Error    *client.Error `json:"error"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		r.Problem("poll", "it answers "+res.Status, "Something else answers there.")
		return
	}
	if answer.Error != nil {
		r.add(Finding{Skipped, "poll", "the server refuses: " + answer.Error.Message, "Give --token TOKEN of a client that may subscribe to " + to.Channel + "."})
		return
	}
	began := time.Now()
	res, _, err = get(ctx, to.query("/poll", "&since="+answer.Position+"&wait="+to.Wait.String()))
	took := time.Since(began).Round(100 * time.Millisecond)
	const longer = "A proxy gives up on it: let it wait for 60 s (proxy_read_timeout)."
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		r.Problem("poll", fmt.Sprintf("one of %v does not end", to.Wait), longer)
	case err != nil:
		r.Problem("poll", fmt.Sprintf("one of %v was cut off after %v", to.Wait, took), longer)
	case res.StatusCode != http.StatusOK:
		r.Problem("poll", fmt.Sprintf("one of %v ends with %s after %v", to.Wait, res.Status, took), longer)
	default:
		r.good("poll", "one of %v took %v", to.Wait, took)
	}
}

// body sends a large one, which the server refuses in its own way.
func (r *Report) body(ctx context.Context, to *Remote) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	const size = 512 << 10
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL+"/send?session=doctor", bytes.NewReader(make([]byte, size)))
	if err != nil {
		r.Problem("requests", err.Error(), "Is the URL right?")
		return
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.add(Finding{Skipped, "requests", "the connection was closed while the body was sent", ""})
		return
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusRequestEntityTooLarge {
		r.Problem("requests", fmt.Sprintf("one of %d bytes is too large for a proxy", size), "Let requests be as large as publications are (client_max_body_size 4m).")
		return
	}
	r.good("requests", "one of %d bytes comes through", size)
}
