package faulttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/starling-rt/starling/internal/client"
	"github.com/starling-rt/starling/protocol"
)

// answer is what a server says to a publication.
type answer struct {
	Offset    uint64          `json:"offset"`
	Duplicate bool            `json:"duplicate"`
	Error     *protocolError  `json:"error"`
	Type      string          `json:"type"`
	ID        json.RawMessage `json:"id"`
	Result    *answer         `json:"result"`
}

type protocolError struct {
	Code protocol.Code `json:"code"`
	Name string        `json:"name"`
}

// outcomeOf tells what an error means for a publication. Others must not come:
// a client could not know what to do.
func (w *world) outcomeOf(client string, e *protocolError) outcome {
	switch e.Code {
	case protocol.Unavailable, protocol.Draining:
		return refused
	case protocol.UnknownResult:
		return unknown
	}
	w.r.wrong("%s was refused with %s (%d)", client, e.Name, e.Code)
	return unknown
}

// publisher publishes over HTTP, one publication after the other.
type publisher struct {
	w         *world
	name, url string
	keyed     bool // with a key, and again until it is stored
	http      http.Client
	rng       *rand.Rand
}

func (w *world) newPublisher(i int, url string, keyed bool) *publisher {
	return &publisher{
		w: w, name: fmt.Sprint("publisher-", i), url: url, keyed: keyed, rng: rand.New(rand.NewPCG(w.rng.Uint64(), 0)),
		http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext}},
	}
}

// run publishes until ctx ends, and what was begun to its end.
func (p *publisher) run(ctx context.Context) {
	defer p.http.CloseIdleConnections()
	for i := 0; ctx.Err() == nil; i++ {
		t := try{client: p.name, channel: published[p.rng.IntN(len(published))], value: strconv.Quote(fmt.Sprint(p.name, ".", i))}
		if p.keyed {
			t.key = fmt.Sprint(p.name, "/", i)
		}
		giveUp := time.Now().Add(within)
		for {
			p.once(&t)
			p.w.r.try(t)
			if t.outcome == stored || !p.keyed {
				break
			}
			if time.Now().After(giveUp) {
				p.w.r.wrong("%s could not publish %s for %v", p.name, t.value, within)
				break
			}
			p.w.pause(time.Duration(100+p.rng.IntN(400)) * time.Millisecond)
		}
		p.w.pause(time.Duration(20+p.rng.IntN(60)) * time.Millisecond)
	}
}

// once tries once.
func (p *publisher) once(t *try) {
	t.outcome, t.offset, t.duplicate, t.start = unknown, 0, false, p.w.r.now()
	defer func() { t.end = p.w.r.now() }()
	body := fmt.Sprintf(`{"channel":%q,"data":%s,"key":%q}`, t.channel, t.value, t.key)
	if t.key == "" {
		body = fmt.Sprintf(`{"channel":%q,"data":%s}`, t.channel, t.value)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest-2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/api/v1/publish", bytes.NewBufferString(body))
	if err != nil {
		p.w.t.Error(err)
		return
	}
	req.GetBody = nil // it is sent once: this is what is counted
	res, err := p.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			t.outcome = refused // it was not sent
		}
		return
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return
	}
	var a answer
	switch err := json.Unmarshal(raw, &a); {
	case err != nil:
		p.w.r.wrong("%s was answered %s %q", p.name, res.Status, raw)
	case a.Error != nil:
		t.outcome, t.why = p.w.outcomeOf(p.name, a.Error), a.Error.Name
	default:
		t.outcome, t.offset, t.duplicate = stored, a.Offset, a.Duplicate
	}
}

// socketPublisher publishes over WebSockets, with keys.
type socketPublisher struct {
	*publisher
	conn *client.Conn
}

func (p *socketPublisher) run(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		t := try{
			client: p.name, channel: published[p.rng.IntN(len(published))],
			value: strconv.Quote(fmt.Sprint(p.name, ".", i)), key: fmt.Sprint(p.name, "/", i),
		}
		for giveUp := time.Now().Add(within); ; {
			p.once(&t)
			p.w.r.try(t)
			if t.outcome == stored {
				break
			}
			if time.Now().After(giveUp) {
				p.w.r.wrong("%s could not publish %s for %v", p.name, t.value, within)
				break
			}
			p.w.pause(time.Duration(100+p.rng.IntN(400)) * time.Millisecond)
		}
		p.w.pause(time.Duration(20+p.rng.IntN(60)) * time.Millisecond)
	}
	if p.conn != nil {
		_ = p.conn.Close() // nothing is under way
	}
}

func (p *socketPublisher) once(t *try) {
	t.outcome, t.offset, t.duplicate, t.start = unknown, 0, false, p.w.r.now()
	defer func() { t.end = p.w.r.now() }()
	if p.conn == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := client.Dial(ctx, p.url)
		if err != nil {
			t.outcome = refused // it was not sent
			return
		}
		conn.Patience = longest - 7*time.Second
		p.conn = conn
	}
	err := p.conn.Write(fmt.Appendf(nil, `{"type":"publish","id":1,"channel":%q,"data":%s,"key":%q}`, t.channel, t.value, t.key))
	for err == nil {
		var raw []byte
		if raw, err = p.conn.Read(); err != nil {
			break
		}
		var a answer
		if err = json.Unmarshal(raw, &a); err != nil || a.Type != "reply" {
			continue
		}
		if a.Error != nil {
			t.outcome, t.why = p.w.outcomeOf(p.name, a.Error), a.Error.Name
		} else if a.Result != nil {
			t.outcome, t.offset, t.duplicate = stored, a.Result.Offset, a.Result.Duplicate
		}
		return
	}
	_ = p.conn.Close() // it is broken
	p.conn = nil
}
