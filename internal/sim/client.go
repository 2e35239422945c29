package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/starling-rt/starling/protocol"
)

// client is one who comes and goes, and remembers.
type client struct {
	world *world
	index int

	mu      sync.Mutex // guards the following
	rand    *rand.Rand
	tracks  map[string]*track
	pending map[string]*publication // not acknowledged, by key
	acked   map[string]*publication
	seq     int
	silent  bool     // it will not publish any more
	log     []string // the newest of what happened
}

// publication is one that this client makes.
type publication struct {
	channel string
	key     string
	tags    map[string]string
	id      int // of the command that carries it now
	offset  uint64
}

// message is anything that a server says.
type message struct {
	Type     string          `json:"type"`
	ID       json.RawMessage `json:"id"`
	Channel  string          `json:"channel"`
	Offset   uint64          `json:"offset"`
	Key      string          `json:"key"`
	Data     json.RawMessage `json:"data"`
	Conflate string          `json:"conflate"`
	Deleted  bool            `json:"deleted"`
	Position string          `json:"position"`
	Session  string          `json:"session"`
	Error    *struct {
		Code    protocol.Code `json:"code"`
		Message string        `json:"message"`
	} `json:"error"`
	Result *struct {
		Offset    uint64 `json:"offset"`
		Position  string `json:"position"`
		Recovered bool   `json:"recovered"`
	} `json:"result"`
}

// id returns the id of the command that m replies to.
func (m *message) id() int {
	n, err := strconv.Atoi(string(m.ID))
	if err != nil {
		return -1
	}
	return n
}

func newClient(w *world, index int) *client {
	c := &client{
		world: w, index: index, rand: rand.New(rand.NewPCG(w.conf.Seed, uint64(index)+100)),
		tracks: map[string]*track{}, pending: map[string]*publication{}, acked: map[string]*publication{},
	}
	covered := ""
	if c.rand.IntN(3) == 0 {
		covered = wildcards[c.rand.IntN(len(wildcards))]
		c.tracks[covered] = c.newTrack(covered)
	}
	for _, name := range channels {
		// Who subscribes to both gets each publication twice, and rightly so.
		if c.rand.IntN(2) == 0 && !protocol.Matches(covered, name) {
			c.tracks[name] = c.newTrack(name)
		}
	}
	if len(c.tracks) == 0 {
		c.tracks[channels[0]] = c.newTrack(channels[0])
	}
	return c
}

func (c *client) newTrack(name string) *track {
	t := &track{name: name, slots: map[string]string{}}
	_, t.wildcard = protocol.Wildcard(name)
	if t.wildcard {
		return t
	}
	switch c.rand.IntN(6) {
	case 0:
		t.filter = protocol.Filter{"p": {"0", "2"}}
	case 1:
		t.slow = protocol.Latest
	}
	return t
}

func (c *client) failf(format string, args ...any) {
	c.world.failf("client %d: %s\n    %s", c.index, fmt.Sprintf(format, args...), strings.Join(c.log, "\n    "))
}

// note remembers what happened, for a report.
func (c *client) note(format string, args ...any) {
	c.log = append(c.log, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
	if len(c.log) > 60 {
		c.log = c.log[len(c.log)-60:]
	}
}

// roll returns a random number below n.
func (c *client) roll(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}

func (c *client) upTo(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rand.Int64N(int64(d)))
}

// run is the client's life.
func (c *client) run() {
	for !c.isQuiet() {
		c.visit(c.upTo(20*time.Second) + time.Second)
		if c.roll(3) == 0 {
			c.pauseUnlessQuiet(c.upTo(15 * time.Second))
		} else {
			wait(c.upTo(time.Second))
		}
	}
	for !c.atRest() {
		if time.Now().After(c.world.end) {
			c.mu.Lock()
			c.failf("did not come to rest: %s", c.unrest())
			c.mu.Unlock()
			return
		}
		c.visit(20 * time.Second)
		wait(c.upTo(time.Second))
	}
}

func (c *client) isQuiet() bool {
	select {
	case <-c.world.quiet:
		return true
	default:
		return false
	}
}

func (c *client) pauseUnlessQuiet(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.world.quiet:
	}
}

// atRest tells whether everything is acknowledged, and every channel was seen to
// its end.
func (c *client) atRest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unrest() == ""
}

func (c *client) unrest() string {
	if len(c.pending) > 0 {
		return fmt.Sprintf("%d publications are not acknowledged", len(c.pending))
	}
	if c.isQuiet() && !c.silent {
		c.silent = true
		c.world.talkers.Add(-1)
	}
	if !c.world.silent() {
		return "others still publish"
	}
	c.world.truth.mu.Lock()
	defer c.world.truth.mu.Unlock()
	for name, t := range c.tracks {
		if t.wildcard {
			continue
		}
		if !t.begun {
			return name + " was never subscribed to"
		}
		if want := c.world.truth.wanted(t); t.at.Offset < want {
			return fmt.Sprintf("%s was seen to %d, not to %d", name, t.at.Offset, want)
		}
	}
	return ""
}

// wanted returns the offset of the last publication that a track should see.
func (t *truth) wanted(tr *track) uint64 {
	all := t.by[tr.name]
	for _, r := range slices.Backward(all) {
		if tr.filter.Match(r.Tags) {
			return r.Offset
		}
	}
	return 0
}

// visit connects to some node by some transport, for a while.
func (c *client) visit(d time.Duration) {
	n := c.world.nodes[c.roll(len(c.world.nodes))]
	v := &visit{client: c, node: n, until: time.Now().Add(d), over: make(chan struct{})}
	transport := c.roll(3)
	c.mu.Lock()
	c.note("visit node %d by %d", n.index, transport)
	c.mu.Unlock()
	switch transport {
	case 0:
		v.webSocket()
	case 1:
		v.sse()
	default:
		v.poll()
	}
	c.mu.Lock()
	c.note("left")
	c.mu.Unlock()
}

// since returns where the client stands in the channels named.
func (c *client) since(names ...string) string {
	var cursors []string
	for _, name := range names {
		t := c.tracks[name]
		if !t.begun || t.wildcard {
			continue
		}
		p := protocol.EncodePosition(name, t.at.Epoch, t.at.Offset)
		if c.rand.IntN(2) == 0 { // the same in two parts
			p = fmt.Sprintf("%s.%d", protocol.EncodePosition(name, t.at.Epoch, t.at.Offset/2), t.at.Offset)
		}
		cursors = append(cursors, p)
	}
	return strings.Join(cursors, ",")
}

func (c *client) names() []string { return slices.Sorted(maps.Keys(c.tracks)) }

// next makes a publication, or takes one that was not acknowledged. It returns its
// command. The lock is held.
func (c *client) next(fresh bool) []byte {
	c.seq++
	var p *publication
	if fresh {
		p = &publication{channel: channels[c.rand.IntN(len(channels))], key: fmt.Sprintf("c%d-%d", c.index, c.seq)}
		p.tags = map[string]string{"p": fmt.Sprint(c.seq % 4)}
		c.pending[p.key] = p
	} else {
		keys := slices.Sorted(maps.Keys(c.pending))
		p = c.pending[keys[c.rand.IntN(len(keys))]]
	}
	p.id = c.seq
	cmd, err := json.Marshal(map[string]any{"type": "publish", "id": p.id, "channel": p.channel, "key": p.key, "tags": p.tags, "data": p.key})
	if err != nil {
		panic(err)
	}
	return cmd
}

// answered takes the reply to a publish, and tells whether it was one.
func (c *client) answered(m *message) bool {
	for key, p := range c.pending {
		if p.id != m.id() {
			continue
		}
		if m.Error != nil {
			if !m.Error.Code.Retry() {
				c.failf("publish %s: %d %s", key, m.Error.Code, m.Error.Message)
			}
			return true
		}
		p.offset = m.Result.Offset
		c.acked[key] = p
		delete(c.pending, key)
		return true
	}
	return false
}

// track returns the track that a publication of a channel belongs to.
func (c *client) track(channel string) *track {
	if t := c.tracks[channel]; t != nil {
		return t
	}
	for name, t := range c.tracks {
		if t.wildcard && protocol.Matches(name, channel) {
			return t
		}
	}
	return nil
}

// take takes what a server says of a channel. The lock is held.
func (c *client) take(m *message) {
	t := c.track(m.Channel)
	if t == nil {
		c.failf("%s of %s, which is not subscribed to", m.Type, m.Channel)
		return
	}
	switch m.Type {
	case "publication":
		c.note("%s %d", m.Channel, m.Offset)
		t.see(m.Channel, m.Offset, m.Key)
	case "reset":
		c.note("reset %s", m.Channel)
		t.resets++
		c.begin(t, m.Position)
	case "skipped":
		c.note("skipped %s", m.Channel)
		t.skips++
		c.begin(t, m.Position)
	case "position":
		t.reach(m.Position)
	case "signal":
		switch {
		case m.Conflate == "" || t.wildcard:
		case m.Deleted:
			delete(t.slots, m.Conflate)
		default:
			t.slots[m.Conflate] = string(m.Data)
		}
	}
}

func (c *client) begin(t *track, position string) {
	if err := t.begin(position); err != nil {
		c.failf("%s: %v", t.name, err)
	}
}

// check compares what the client saw with the truth.
func (c *client) check() {
	for _, name := range c.names() {
		c.tracks[name].check(c)
	}
	c.checkSlots()
	for key, p := range c.acked {
		rs := c.world.truth.between(p.channel, p.offset-1, p.offset)
		if len(rs) != 1 || rs[0].Key != key {
			c.failf("%s was acknowledged at %d of %s, where the log has %v", key, p.offset, p.channel, rs)
		}
	}
}

// checkSlots compares the conflated values with those of the engine. Who left
// before the last of them came is excused.
func (c *client) checkSlots() {
	for name, t := range c.tracks {
		if t.wildcard || !c.world.conf.Slots || !t.fresh {
			continue
		}
		values, err := c.world.truth.log.Slots(context.Background(), name)
		if err != nil {
			c.failf("slots of %s: %v", name, err)
			return
		}
		want := map[string]string{}
		for _, v := range values {
			want[v.Key] = string(v.Data)
		}
		if !maps.Equal(want, t.slots) {
			c.failf("%s: conflated values are %v, not %v", name, t.slots, want)
		}
	}
}
