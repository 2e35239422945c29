package faulttest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/protocol"
)

// follower is what a client sees of a channel.
type follower struct {
	w             *world
	name, channel string
	begun         func() // called when it is subscribed, once

	mu   sync.Mutex
	seen []sight
	last uint64 // offset
}

func (w *world) newFollower(kind string, i int, channel string, begun func()) *follower {
	return &follower{w: w, name: fmt.Sprint(kind, "-", i), channel: channel, begun: sync.OnceFunc(begun)}
}

func (f *follower) see(p *protocol.Publication) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, sight{offset: p.Offset, id: p.ID, value: string(p.Data)})
	f.last = p.Offset
}

func (f *follower) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, sight{reset: true})
}

// has tells whether it has seen a publication at an offset or behind it.
func (f *follower) has(offset uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last >= offset
}

// record hands in what it saw.
func (f *follower) record() (resets int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.w.r.following(following{client: f.name, channel: f.channel, sights: f.seen})
	for _, s := range f.seen {
		if s.reset {
			resets++
		}
	}
	return resets
}

// socket follows over WebSockets, with the Go client. node is the name of the one
// that it holds to, or "" for any.
func (f *follower) socket(ctx context.Context, base, node string) {
	for e, err := range client.Subscribe(ctx, base, f.channel, client.Subscription{}) {
		switch {
		case err != nil:
			if ctx.Err() == nil {
				f.w.r.wrong("%s gave up: %v", f.name, err)
			}
			return
		case e.Type == client.EventStarted:
			f.begun()
			f.w.mu.Lock()
			f.w.begun[node]++
			f.w.mu.Unlock()
		case e.Type == client.EventPublication:
			f.see(&e.Publication)
		case e.Type == client.EventReset:
			f.reset()
		}
	}
}

// patient is how long a stream may be silent: the heartbeat comes every 2 s.
const patient = 8 * time.Second

func newHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext, DisableKeepAlives: true}}
}

// events follows over Server-Sent Events as an EventSource does.
func (f *follower) events(ctx context.Context, base string) {
	c, last := newHTTP(), ""
	for ctx.Err() == nil {
		last = f.stream(ctx, c, base, last)
		f.w.pause(500 * time.Millisecond)
	}
}

// stream follows one stream from where the last one ended, and returns where it
// ended itself.
func (f *follower) stream(ctx context.Context, c *http.Client, base, last string) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(patient, cancel)
	defer silent.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/sse?channel="+url.QueryEscape(f.channel), nil)
	if err != nil {
		f.w.r.wrong("%s: %v", f.name, err)
		return last
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := c.Do(req)
	if err != nil {
		return last
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		f.w.r.wrong("%s was answered %s: an EventSource would give up", f.name, res.Status)
		return last
	}
	id, event, data := "", "", ""
	for lines := bufio.NewReader(res.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return last
		}
		silent.Reset(patient)
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n":
			if data != "" {
				if id != "" {
					last = id
				}
				f.event(event, data)
			}
			id, event, data = "", "", ""
		case field == "id":
			id = value
		case field == "event":
			event = value
		case field == "data":
			data = value
		}
	}
}

func (f *follower) event(name, data string) {
	switch name {
	case "":
		f.publication([]byte(data))
	case "session":
		f.begun()
	case "reset":
		f.reset()
	}
}

func (f *follower) publication(raw []byte) {
	p, err := protocol.ParsePublication(raw)
	if err != nil {
		f.w.r.wrong("%s: %v: %s", f.name, err, raw)
		return
	}
	f.see(&p)
}

// polls follows by polls, each of which goes to another node. With keep they belong
// to a session.
func (f *follower) polls(ctx context.Context, keep bool) {
	c := newHTTP()
	position, session, ack := "", "", json.Number("")
	for turn := 0; ctx.Err() == nil; turn++ {
		q := url.Values{"channel": {f.channel}, "wait": {"2s"}}
		if position != "" {
			q.Set("since", position)
		}
		if session != "" {
			q.Del("channel")
			q.Set("session", session)
			q.Set("ack", ack.String())
		} else if keep {
			q.Set("keep", "1")
		}
		a := f.poll(ctx, c, f.w.c.Nodes[turn%zones].URL+"/poll?"+q.Encode())
		if a == nil { // in vain
			f.w.pause(200 * time.Millisecond)
			continue
		}
		if a.Error != nil {
			session = "" // a new one goes on, whatever it is
			continue
		}
		f.begun()
		position, session, ack = a.Position, a.Session, a.Ack
		for range a.Reset {
			f.reset()
		}
		for _, p := range a.Publications {
			f.publication(p)
		}
	}
}

// polled is the answer to a poll.
type polled struct {
	Position     string            `json:"position"`
	Publications []json.RawMessage `json:"publications"`
	Reset        []string          `json:"reset"`
	Session      string            `json:"session"`
	Ack          json.Number       `json:"ack"`
	Error        *protocolError    `json:"error"`
}

func (f *follower) poll(ctx context.Context, c *http.Client, at string) *polled {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		f.w.r.wrong("%s: %v", f.name, err)
		return nil
	}
	res, err := c.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil
	}
	var a polled
	if err := json.Unmarshal(raw, &a); err != nil {
		f.w.r.wrong("%s was answered %s %q", f.name, res.Status, raw)
		return nil
	}
	if a.Error != nil && !a.Error.Code.Retry() && a.Error.Code != protocol.SessionGone {
		f.w.r.wrong("%s was refused with %s", f.name, a.Error.Name)
	}
	return &a
}
