package sim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/starling-rt/starling/protocol"
)

// pollAnswer is what a poll is answered with.
type pollAnswer struct {
	Position     string    `json:"position"`
	Publications []message `json:"publications"`
	Reset        []string  `json:"reset"`
	Signals      []message `json:"signals"`
	Messages     []message `json:"messages"`
	Session      string    `json:"session"`
	Ack          int       `json:"ack"`
}

func (v *visit) poll() {
	defer v.end()
	c := v.client
	if c.mixed() {
		return
	}
	c.mu.Lock()
	q := v.query()
	c.mu.Unlock()
	keep := c.roll(3) > 0 || c.hasWildcard()
	if keep {
		q.Set("keep", "1")
	}
	q.Set("wait", "5s")
	var speaking sync.WaitGroup
	defer speaking.Wait()
	defer v.end()
	for first := true; ; first = false {
		a, ok := v.pollOnce(q, first)
		if !ok {
			return
		}
		rest := c.isQuiet() && c.atRest()
		if time.Now().After(v.until) || rest {
			if rest && keep {
				c.settle()
			}
			return
		}
		if a == nil { // it was lost: ask again
			continue
		}
		if first && keep {
			speaking.Go(func() { v.speak(func(cmd []byte) bool { return v.post(a.Session, cmd) }) })
		}
		q.Set("since", a.Position)
		if keep {
			q = url.Values{"session": {a.Session}, "since": {a.Position}, "ack": {strconv.Itoa(a.Ack)}, "wait": {"5s"}}
		}
		v.stall()
	}
}

// pollOnce returns no answer if it was lost, and false if the session is over.
func (v *visit) pollOnce(q url.Values, first bool) (*pollAnswer, bool) {
	c := v.client
	conn, res, err := v.request(http.MethodGet, "/poll?"+q.Encode(), nil)
	if err != nil {
		return nil, false
	}
	defer conn.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, false
	}
	if !first && !c.isQuiet() && c.roll(10) == 0 {
		return nil, true
	}
	var a pollAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		c.world.failf("client %d: not JSON: %s", c.index, raw)
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first {
		for name, t := range c.tracks {
			t.forget()
			if !t.begun && !t.wildcard {
				c.begin(t, before(&a, name))
			}
		}
	}
	v.takePoll(&a)
	return &a, true
}

// takePoll takes an answer. What was reset or skipped in it has no order among the
// publications beside it.
func (v *visit) takePoll(a *pollAnswer) {
	c := v.client
	broken := map[string]bool{}
	for _, name := range a.Reset {
		broken[name] = true
		c.tracks[name].resets++
		c.note("reset %s", name)
	}
	for _, m := range a.Messages {
		if m.Type == "skipped" {
			broken[m.Channel] = true
			c.tracks[m.Channel].skips++
		}
	}
	for i := range a.Publications {
		m := &a.Publications[i]
		m.Type = "publication"
		if t := c.track(m.Channel); t != nil && broken[t.name] {
			if t.wildcard {
				t.spans = append(t.spans, &span{})
			} else {
				c.begin(t, protocol.EncodePosition(m.Channel, epochOf(a.Position, m.Channel), m.Offset-1))
			}
		}
		c.take(m)
	}
	for i := range a.Signals {
		c.take(&a.Signals[i])
	}
	for name, t := range c.tracks {
		switch {
		case broken[name]:
			c.begin(t, a.Position)
		case !t.wildcard:
			t.reach(a.Position)
		}
	}
}

// before returns the position before an answer's publications of a channel.
func before(a *pollAnswer, channel string) string {
	for _, m := range a.Publications {
		if m.Channel == channel {
			return protocol.EncodePosition(channel, epochOf(a.Position, channel), m.Offset-1)
		}
	}
	return a.Position
}

func epochOf(position, channel string) uint32 {
	p, _ := protocol.ParsePosition(position) // an empty one has no epoch
	epoch, _, _ := p.In(channel)
	return epoch
}
