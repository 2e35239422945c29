package webhook

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

const (
	// maxMarks bounds the marks that are written at once.
	maxMarks = 64
	// writeTimeout bounds the writing of what has changed.
	writeTimeout = 15 * time.Second
	// marksPrefix is where nodes mark what they have told to be occupied.
	marksPrefix = "webhook-occupied/"
)

// occurrence is what stands on [Channel].
type occurrence struct {
	Type    string `json:"type"`
	Channel string `json:"channel"`
	Node    string `json:"node"`
}

// OccupancyConfig is what an Occupancy needs. It is not changed after the start.
type OccupancyConfig struct {
	Log   *eventlog.Log
	Hooks []Hook
	Node  string
	// Occupied tells whether a channel has a subscription on this node.
	Occupied func(channel string) bool
	// Grace is how long a channel has to be without subscriptions before that is
	// told, so that a page which is loaded anew goes unnoticed. Default 1 s.
	Grace time.Duration
	// StartGrace is the same after a start, for clients to come back. Default 30 s.
	StartGrace time.Duration
	Logger     *slog.Logger
}

// Occupancy writes which channels have their first subscription on this node, and
// which have lost their last: deliverers make of that what holds for all nodes. What
// it has told is marked in the key-values, so that a channel whose clients did not
// come back after a crash is told to be vacated, by this node or, if that stays away,
// by another one.
type Occupancy struct {
	conf   OccupancyConfig
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{}

	mu sync.Mutex
	// mu guards the following.
	told  map[string]bool      // what was told to be occupied
	due   map[string]time.Time // when a channel is to be looked at
	later []look               // in their order
	now   []string
}

// look is when a channel is to be looked at, unless due says otherwise.
type look struct {
	channel string
	at      time.Time
}

// NewOccupancy returns an occupancy, which does nothing before Start.
func NewOccupancy(conf OccupancyConfig) *Occupancy {
	if conf.Grace <= 0 {
		conf.Grace = time.Second
	}
	if conf.StartGrace <= 0 {
		conf.StartGrace = 30 * time.Second
	}
	if conf.Logger == nil {
		conf.Logger = slog.New(slog.DiscardHandler)
	}
	o := &Occupancy{conf: conf, wake: make(chan struct{}, 1), told: map[string]bool{}, due: map[string]time.Time{}}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o
}

// Start has it run.
func (o *Occupancy) Start() { o.wg.Go(func() { o.run(o.ctx) }) }

// Close ends it, and returns when it has ended. What is occupied stays told.
func (o *Occupancy) Close() {
	o.cancel()
	o.wg.Wait()
}

// Changed tells that a channel may have got its first subscription or lost its last.
// It does not wait.
func (o *Occupancy) Changed(channel string) {
	if !o.wanted(channel) {
		return
	}
	occupied := o.conf.Occupied(channel)
	o.mu.Lock()
	defer o.mu.Unlock()
	if occupied {
		delete(o.due, channel)
		if o.told[channel] {
			return
		}
		o.now = append(o.now, channel)
	} else {
		o.put(channel, o.conf.Grace)
	}
	o.nudge()
}

func (o *Occupancy) wanted(channel string) bool {
	if _, wildcard := protocol.Wildcard(channel); wildcard {
		return false
	}
	for i := range o.conf.Hooks {
		if h := &o.conf.Hooks[i]; h.wants(Occupied, channel) || h.wants(Vacated, channel) {
			return true
		}
	}
	return false
}

// put has a channel looked at after a while. The lock is held.
func (o *Occupancy) put(channel string, after time.Duration) {
	at := time.Now().Add(after)
	o.due[channel] = at
	o.later = append(o.later, look{channel, at})
}

func (o *Occupancy) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *Occupancy) prefix() string { return marksPrefix + o.conf.Node + "/" }

// anew has everything told again that was told to be occupied and still is.
func (o *Occupancy) anew() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for channel := range o.told {
		o.now = append(o.now, channel)
	}
	clear(o.told)
	o.nudge()
}

// follow has this node and the others know of each other, until ctx ends.
func (o *Occupancy) follow(ctx context.Context, n *nodes) {
	for pause(ctx, beatEvery) {
		step, cancel := context.WithTimeout(ctx, writeTimeout)
		err := n.beat(step)
		if err == nil {
			err = n.look(step)
		}
		cancel()
		if err != nil {
			clear(n.others) // what cannot be seen is not held against them
		}
		if err != nil && ctx.Err() == nil {
			o.conf.Logger.Warn("it cannot be seen which nodes are there; trying again", "err", err)
		}
	}
}

// enter has the others know of this node, and tells whether it could.
func (o *Occupancy) enter(ctx context.Context, n *nodes) bool {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	entered, err := n.enter(ctx)
	if err != nil && ctx.Err() == nil {
		o.conf.Logger.Warn("the other nodes cannot be told that this one is there; trying again", "err", err)
	}
	return entered
}

// run looks at channels when they are due, until ctx ends.
func (o *Occupancy) run(ctx context.Context) {
	n := newNodes(o)
	for !o.enter(ctx, n) || !o.load(ctx) {
		if !pause(ctx, time.Second) {
			return
		}
	}
	o.wg.Go(func() { o.follow(ctx, n) })
	for {
		changed, wait := o.changed()
		if len(changed) > 0 {
			if err := o.tell(ctx, changed); err != nil && ctx.Err() == nil {
				o.conf.Logger.Warn("it cannot be written which channels are occupied; trying again", "err", err)
				o.mu.Lock()
				for _, c := range changed {
					o.put(c.Channel, time.Second)
				}
				o.mu.Unlock()
			}
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-o.wake:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// load reads what was told before the start, and tells whether it could.
func (o *Occupancy) load(ctx context.Context) bool {
	const page = 1000
	for after := ""; ; {
		items, err := o.conf.Log.KV().List(ctx, o.prefix(), after, page)
		if err != nil {
			if ctx.Err() == nil {
				o.conf.Logger.Warn("it cannot be read which channels were occupied; trying again", "err", err)
			}
			return false
		}
		o.mu.Lock()
		for _, it := range items {
			after = it.Key
			channel := strings.TrimPrefix(it.Key, o.prefix())
			o.told[channel] = true
			o.put(channel, o.conf.StartGrace)
		}
		o.mu.Unlock()
		if len(items) < page {
			return true
		}
	}
}

// changed returns what is to be told now, and otherwise how long there will be
// nothing.
func (o *Occupancy) changed() (all []occurrence, wait time.Duration) {
	o.mu.Lock()
	channels := o.now
	o.now = nil
	now := time.Now()
	for len(o.later) > 0 && !o.later[0].at.After(now) {
		l := o.later[0]
		o.later = o.later[1:]
		if at, ok := o.due[l.channel]; ok && at.Equal(l.at) {
			delete(o.due, l.channel)
			channels = append(channels, l.channel)
		}
	}
	wait = time.Hour
	if len(o.later) > 0 {
		wait = o.later[0].at.Sub(now)
	}
	o.mu.Unlock()
	seen := map[string]bool{}
	for i, channel := range channels {
		if len(all) == eventlog.MaxBatch {
			o.mu.Lock()
			o.now = append(o.now, channels[i:]...)
			o.mu.Unlock()
			break
		}
		if seen[channel] {
			continue
		}
		seen[channel] = true
		is := o.conf.Occupied(channel)
		o.mu.Lock()
		was := o.told[channel]
		o.mu.Unlock()
		switch {
		case is && !was:
			all = append(all, occurrence{Occupied, channel, o.conf.Node})
		case was && !is:
			all = append(all, occurrence{Vacated, channel, o.conf.Node})
		}
	}
	return all, wait
}

// tell writes what has changed, and marks it. Were the marks made first, a crash
// between would lose what is told; so it may tell it twice.
func (o *Occupancy) tell(ctx context.Context, changed []occurrence) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := o.write(ctx, changed); err != nil {
		return err
	}
	o.mu.Lock()
	for _, c := range changed {
		if c.Type == Occupied {
			o.told[c.Channel] = true
		} else {
			delete(o.told, c.Channel)
		}
	}
	o.mu.Unlock()
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxMarks)
	for _, c := range changed {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := o.mark(ctx, c); err != nil {
				o.conf.Logger.Warn("it cannot be marked which channel is occupied; after a restart that may be told twice", "channel", c.Channel, "err", err)
			}
		})
	}
	wg.Wait()
	return nil
}

func (o *Occupancy) mark(ctx context.Context, c occurrence) error {
	if c.Type == Vacated {
		return o.conf.Log.KV().Delete(ctx, o.prefix()+c.Channel, 0)
	}
	_, err := o.conf.Log.KV().Put(ctx, o.prefix()+c.Channel, []byte{1}, eventlog.PutOptions{})
	return err
}

// write writes what deliverers read.
func (o *Occupancy) write(ctx context.Context, changed []occurrence) error {
	a := eventlog.Append{Channel: Channel}
	for i := range changed {
		raw, err := json.Marshal(&changed[i])
		if err != nil {
			return err
		}
		a.Entries = append(a.Entries, eventlog.Entry{Data: raw})
	}
	_, err := o.conf.Log.Append(ctx, a)
	return err
}
