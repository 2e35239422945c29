package sim

import (
	"context"
	"sort"
	"sync"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// truth is what the log really holds, gathered before retention removes it.
type truth struct {
	world *world

	mu     sync.Mutex
	log    *eventlog.Log
	by     map[string][]eventlog.Record // by channel, in order
	head   map[string]eventlog.Position
	seenAt map[string]time.Time // when a record was first seen, by its id
	stop   chan struct{}
	done   chan struct{}
}

func newTruth(w *world) *truth {
	t := &truth{
		world: w, log: eventlog.New(w.conf.Open(-1)), by: map[string][]eventlog.Record{}, head: map[string]eventlog.Position{},
		seenAt: map[string]time.Time{}, stop: make(chan struct{}), done: make(chan struct{}),
	}
	go t.run()
	return t
}

func (t *truth) run() {
	defer close(t.done)
	for {
		t.gather()
		select {
		case <-t.stop:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (t *truth) gather() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range channels {
		for t.gatherOne(name) {
		}
	}
}

// gatherOne reads a page of a channel, and tells whether there is more.
func (t *truth) gatherOne(name string) bool {
	at := t.head[name].Offset
	page, err := t.log.Read(context.Background(), name, at, eventlog.Limit{Records: 1000})
	if err != nil {
		t.world.failf("observer reads %s: %v", name, err)
		return false
	}
	if !page.Complete && len(t.by[name])+len(page.Records) > 0 {
		t.world.failf("observer of %s was too slow: retention is faster than it", name)
	}
	now := time.Now()
	for _, r := range page.Records {
		t.by[name] = append(t.by[name], r)
		t.seenAt[r.ID] = now
		at = r.Offset
	}
	t.head[name] = eventlog.Position{Epoch: page.Head.Epoch, Offset: at}
	return page.More
}

// pause and resume enclose a reopening of the engine.
func (t *truth) pause() { t.mu.Lock() }

func (t *truth) resume() {
	t.log = eventlog.New(t.world.conf.Open(-1))
	t.mu.Unlock()
}

// finish gathers the last.
func (t *truth) finish() {
	close(t.stop)
	<-t.done
	t.gather()
}

func (t *truth) close() { _ = t.log.Close() } // it was read

// after returns the records of a channel with offsets in (from, to].
func (t *truth) between(name string, from, to uint64) []eventlog.Record {
	all := t.by[name]
	i := sort.Search(len(all), func(i int) bool { return all[i].Offset > from })
	j := sort.Search(len(all), func(i int) bool { return all[i].Offset > to })
	if i >= j {
		return nil
	}
	return all[i:j]
}

// check looks that no key was stored twice and that offsets grow.
func (t *truth) check() {
	for name, all := range t.by {
		keys := map[string]uint64{}
		for i, r := range all {
			if i > 0 && r.Offset <= all[i-1].Offset {
				t.world.failf("%s: offset %d follows %d", name, r.Offset, all[i-1].Offset)
			}
			if other, twice := keys[r.Key]; twice && r.Key != "" {
				t.world.failf("%s: key %s was stored at %d and at %d", name, r.Key, other, r.Offset)
			}
			keys[r.Key] = r.Offset
		}
	}
}

// head returns the last offset of a channel, once all is gathered.
func (t *truth) last(name string) uint64 { return t.head[name].Offset }
