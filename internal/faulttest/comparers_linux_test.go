package faulttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// comparer compares and appends, by the library, on one server.
type comparer struct {
	w             *world
	log           *eventlog.Log
	name, channel string
	keyed         bool // with a key, and again while it is not known what became of it
	rng           *rand.Rand
}

func (w *world) newComparer(i int, channel string, keyed bool) *comparer {
	return &comparer{
		w: w, log: w.engines[i], name: fmt.Sprint("comparer-", i, "-", channel), channel: channel, keyed: keyed,
		rng: rand.New(rand.NewPCG(w.rng.Uint64(), 0)),
	}
}

// run compares and appends until ctx ends.
func (c *comparer) run(ctx context.Context) {
	expect := uint64(0)
	for i := 0; ctx.Err() == nil; i++ {
		k := compare{client: c.name, channel: c.channel, value: strconv.Quote(fmt.Sprint(c.name, ".", i)), expect: expect}
		a := eventlog.Append{Channel: c.channel, Entries: []eventlog.Entry{{Data: []byte(k.value)}}, Expect: eventlog.At(expect)}
		if c.keyed {
			a.Key = fmt.Sprint(c.name, "/", i)
		}
		k.start = c.w.r.now()
		err := c.once(a, &k)
		for tries := 1; c.keyed && k.outcome == unknown && tries < 10; tries++ {
			c.w.pause(200 * time.Millisecond)
			if err = c.once(a, &k); k.outcome == refused {
				k.outcome = unknown // an earlier one may be stored
			}
		}
		k.end = c.w.r.now()
		c.w.r.compare(k)
		expect = c.next(&k, err)
		c.w.pause(time.Duration(20+c.rng.IntN(80)) * time.Millisecond)
	}
}

// once tries once.
func (c *comparer) once(a eventlog.Append, k *compare) error {
	began := c.w.r.now()
	ctx, cancel := context.WithTimeout(context.Background(), longest-2*time.Second)
	defer cancel()
	done, err := c.log.Append(ctx, a)
	k.slowest = max(k.slowest, c.w.r.now()-began)
	if err != nil {
		k.why = err.Error()
	}
	switch {
	case err == nil:
		k.outcome, k.offset = stored, done.Last.Offset
	case errors.Is(err, eventlog.ErrConflict):
		k.outcome = conflict
	case errors.Is(err, eventlog.ErrUnavailable):
		k.outcome = refused
	case errors.Is(err, eventlog.ErrUnknown):
		k.outcome = unknown
	default:
		k.outcome = unknown
		c.w.r.wrong("%s: %v", c.name, err)
	}
	return err
}

// next returns what to expect next: mostly the head.
func (c *comparer) next(k *compare, err error) uint64 {
	var moved *eventlog.ConflictError
	switch {
	case c.rng.IntN(10) == 0:
		return k.expect // which is old, if this one was stored
	case k.outcome == stored:
		return k.offset
	case errors.As(err, &moved):
		return moved.Head.Offset
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if p, err := c.log.Head(ctx, c.channel); err == nil {
		return p.Offset
	}
	return k.expect
}
