package pebblelog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/starling-rt/starling/eventlog"
)

// channels are the channels that are known without looking into the store.
type channels struct {
	mu sync.RWMutex
	// mu guards the following.
	byName map[string]*channel
	store  store // as readers see it
	// evictions counts removals from byName: what was read from the store
	// before one may be older than what the channel had become.
	evictions uint64
}

// channel is what is known of a channel.
type channel struct {
	// Static.
	name     string
	policy   eventlog.Policy
	unsynced bool

	// shown is what readers see: only what is as durable as it has to be.
	// channels.mu guards it.
	shown meta

	// busy counts the groups that are not yet shown; a channel that is busy
	// stays known.
	busy atomic.Int32
	used atomic.Bool // since the last look of the janitor

	// Owned by the committer: what it has decided, and the last group that the
	// channel is in.
	cur   meta
	group uint64
}

func (cs *channels) init() { cs.byName = map[string]*channel{} }

// find returns a channel that is known.
func (cs *channels) find(name string) *channel {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	return cs.byName[name]
}

// channel returns a channel, from the store if need be, or nil if there is none.
func (e *Engine) channel(name string) (*channel, error) {
	cs := &e.channels
	for {
		cs.mu.RLock()
		c, evictions := cs.byName[name], cs.evictions
		cs.mu.RUnlock()
		if c != nil {
			return c, nil
		}
		m, err := e.loadMeta(name)
		if e.hooks.loaded != nil {
			e.hooks.loaded()
		}
		if errors.Is(err, pebble.ErrNotFound) {
			return cs.find(name), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
		}
		if c := e.keep(name, m, evictions); c != nil {
			return c, nil
		}
	}
}

// keep makes a channel known, unless what was read of it may be old.
func (e *Engine) keep(name string, m meta, evictions uint64) *channel {
	cs := &e.channels
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c := cs.byName[name]; c != nil {
		return c
	}
	if cs.evictions != evictions {
		return nil
	}
	c := e.newChannel(name, m)
	cs.byName[name] = c
	return c
}

func (e *Engine) newChannel(name string, m meta) *channel {
	c := &channel{name: name, policy: e.opts.Policies.Of(name), shown: m, cur: m}
	c.unsynced = c.policy.Durability == eventlog.Unsynced
	return c
}

func (e *Engine) loadMeta(name string) (meta, error) {
	var buf [2 + eventlog.MaxChannelBytes]byte
	value, closer, err := e.db.Get(metaKey(buf[:0], name))
	if err != nil {
		return meta{}, err
	}
	defer closer.Close()
	return decodeMeta(value)
}

// acquire returns a channel for the committer, and makes it if there is none. It
// is busy until the group is shown.
func (e *Engine) acquire(g *group, name string) (*channel, error) {
	cs := &e.channels
	for {
		c, err := e.channel(name)
		if err != nil {
			return nil, err
		}
		cs.mu.Lock()
		if c == nil {
			if c = cs.byName[name]; c == nil {
				c = e.newChannel(name, meta{})
				cs.byName[name] = c
			}
		} else if cs.byName[name] != c {
			cs.mu.Unlock() // It was evicted in between.
			continue
		}
		c.used.Store(true)
		if c.group != g.number {
			c.group = g.number
			c.busy.Add(1)
			g.touched = append(g.touched, touched{ch: c, before: c.cur.version})
		}
		cs.mu.Unlock()
		if c.cur.last == 0 && c.cur.trimmed == 0 {
			s := &e.committer.store
			c.cur.generation, c.cur.born = s.generation, s.forgotten
		}
		return c, nil
	}
}

// view is what a reader knows of a channel.
type view struct {
	meta
	known bool
	head  eventlog.Position
	// forgotten is the last number of what was forgotten.
	forgotten uint64
}

// view returns what readers see of a channel.
func (e *Engine) view(name string) (view, error) {
	c, err := e.channel(name)
	if err != nil {
		return view{}, err
	}
	cs := &e.channels
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	v := view{forgotten: cs.store.forgotten}
	generation := cs.store.generation
	unsynced := false
	if c != nil {
		if !c.used.Load() {
			c.used.Store(true)
		}
		v.meta, unsynced = c.shown, c.unsynced
	} else {
		unsynced = e.opts.Policies.Of(name).Durability == eventlog.Unsynced
	}
	if v.last != 0 {
		v.known, generation = true, v.generation
	}
	v.head = eventlog.Position{Epoch: cs.store.epochOf(unsynced, generation), Offset: v.last}
	return v, nil
}

func (s *store) epochOf(unsynced bool, generation uint32) uint32 {
	if unsynced {
		return epochOf(s.unsyncedEpoch, generation)
	}
	return epochOf(s.epoch, generation)
}

// announce tells readers that everything up to an offset is about to go.
func (cs *channels) announce(c *channel, trimmed uint64) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c.shown.trimmed = max(c.shown.trimmed, trimmed)
}

// show makes a state of a channel what readers see, under the lock.
func (c *channel) show(m *meta) {
	trimmed := max(c.shown.trimmed, m.trimmed)
	if m.version >= c.shown.version {
		c.shown = *m
	}
	if c.shown.last != 0 {
		c.shown.trimmed = trimmed
	}
}

// evict forgets channels that were not used lately while there are too many.
func (cs *channels) evict(most int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for name, c := range cs.byName {
		if len(cs.byName) <= most {
			return
		}
		if c.used.Swap(false) || c.busy.Load() > 0 {
			continue
		}
		delete(cs.byName, name)
		cs.evictions++
	}
}
