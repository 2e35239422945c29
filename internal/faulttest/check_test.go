package faulttest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// longest is how long a try may take: longer than any wait in the server.
	longest = 25 * time.Second
	// decideWithin bounds how long it may take to find an order for what was
	// compared and appended.
	decideWithin = time.Minute
)

// check returns what is wrong with a history.
func (h *history) check() []string {
	c := &checker{h: h, logs: map[string][]record{}, at: map[string]map[string]record{}}
	c.wrong = append(c.wrong, h.wrong...)
	c.checkLogs()
	c.checkTries()
	c.checkOrder()
	c.checkFollowings()
	c.checkCompares()
	return c.wrong
}

type checker struct {
	h     *history
	logs  map[string][]record          // by channel
	at    map[string]map[string]record // by channel and value
	wrong []string
}

func (c *checker) add(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// checkLogs: all nodes tell the same log, and nothing is in it twice.
func (c *checker) checkLogs() {
	for _, channel := range slices.Sorted(maps.Keys(c.h.logs)) {
		byNode := c.h.logs[channel]
		nodes := slices.Sorted(maps.Keys(byNode))
		log := byNode[nodes[0]]
		for _, n := range nodes[1:] {
			if !slices.Equal(log, byNode[n]) {
				c.add("%s: the logs of nodes %s and %s differ (%d and %d records)", channel, nodes[0], n, len(log), len(byNode[n]))
			}
		}
		at, ids := map[string]record{}, map[string]bool{}
		last := uint64(0)
		for _, r := range log {
			if r.offset <= last {
				c.add("%s: offset %d comes after %d", channel, r.offset, last)
			}
			last = r.offset
			if before, twice := at[r.value]; twice {
				c.add("%s: %s is stored twice, at %d and at %d", channel, r.value, before.offset, r.offset)
			}
			if ids[r.id] {
				c.add("%s: the id %s is given twice", channel, r.id)
			}
			at[r.value], ids[r.id] = r, true
		}
		c.logs[channel], c.at[channel] = log, at
	}
}

// checkTries: what was acknowledged is there, where it was said to be; what was
// refused is not; and nothing is there that nobody published.
func (c *checker) checkTries() {
	type fate struct{ channel, value string }
	possible := map[fate]bool{}
	why := map[fate]string{}
	for _, t := range c.h.tries {
		if t.end-t.start > longest {
			c.add("%s: %s of %s took %v", t.channel, t.outcome, t.value, t.end-t.start)
		}
		f := fate{t.channel, t.value}
		possible[f] = possible[f] || t.outcome == stored || t.outcome == unknown
		why[f] += fmt.Sprintf(" (%v to %v: %s)", t.start, t.end, t.why)
		if t.outcome != stored {
			continue
		}
		switch r, there := c.at[t.channel][t.value]; {
		case !there:
			c.add("%s: %s was acknowledged to %s and is lost", t.channel, t.value, t.client)
		case r.offset != t.offset:
			c.add("%s: %s was acknowledged to %s at %d and stands at %d", t.channel, t.value, t.client, t.offset, r.offset)
		case t.key != r.key:
			c.add("%s: %s has the key %q, not %q", t.channel, t.value, r.key, t.key)
		}
	}
	for _, k := range c.h.compares {
		f := fate{k.channel, k.value}
		possible[f] = possible[f] || k.outcome == stored || k.outcome == unknown
		why[f] += fmt.Sprintf(" (%v to %v: %s)", k.start, k.end, k.why)
	}
	for channel, log := range c.logs {
		for _, r := range log {
			switch can, tried := possible[fate{channel, r.value}]; {
			case !tried:
				c.add("%s: nobody published %s", channel, r.value)
			case !can:
				c.add("%s: %s was refused every time and is stored:%s", channel, r.value, why[fate{channel, r.value}])
			}
		}
	}
}

// checkOrder: a publication that was begun after another was acknowledged stands
// behind it.
func (c *checker) checkOrder() {
	type span struct {
		value      string
		start, end time.Duration
		offset     uint64
	}
	spans := map[string]map[string]*span{} // by channel and value
	for _, t := range c.h.tries {
		if spans[t.channel] == nil {
			spans[t.channel] = map[string]*span{}
		}
		s := spans[t.channel][t.value]
		if s == nil {
			s = &span{value: t.value, start: t.start, end: math.MaxInt64}
			spans[t.channel][t.value] = s
		}
		s.start = min(s.start, t.start)
		if t.outcome == stored {
			s.end, s.offset = min(s.end, t.end), t.offset
		}
	}
	for channel, byValue := range spans {
		var all []*span
		for _, s := range byValue {
			if s.offset > 0 {
				all = append(all, s)
			}
		}
		ended := slices.Clone(all)
		slices.SortFunc(all, func(a, b *span) int { return cmp.Compare(a.start, b.start) })
		slices.SortFunc(ended, func(a, b *span) int { return cmp.Compare(a.end, b.end) })
		var highest *span
		for _, s := range all {
			for len(ended) > 0 && ended[0].end < s.start {
				if highest == nil || ended[0].offset > highest.offset {
					highest = ended[0]
				}
				ended = ended[1:]
			}
			if highest != nil && highest.offset > s.offset {
				c.add("%s: %s was begun after %s was acknowledged, and stands at %d before %d", channel, s.value, highest.value, s.offset, highest.offset)
			}
		}
	}
}

// checkFollowings: who follows sees what stands in the log, each once, in its order
// and to its end; what is left out was told.
func (c *checker) checkFollowings() {
	for _, f := range c.h.followings {
		log := c.logs[f.channel]
		next, told := 0, false // what comes next, and whether something else may
		for i, s := range f.sights {
			if s.reset {
				told = true
				continue
			}
			at, there := slices.BinarySearchFunc(log, s.offset, func(r record, o uint64) int { return cmp.Compare(r.offset, o) })
			switch {
			case !there || log[at].id != s.id || log[at].value != s.value:
				c.add("%s: %s saw %s at %d, which is not in the log", f.channel, f.client, s.value, s.offset)
				continue
			case at < next:
				c.add("%s: %s saw %s at %d twice, or late (its sight %d)", f.channel, f.client, s.value, s.offset, i)
				continue
			case at > next && !told:
				c.add("%s: %s missed %d publications before %d and was not told", f.channel, f.client, at-next, s.offset)
			}
			next, told = at+1, false
		}
		if next != len(log) && !told {
			c.add("%s: %s did not see the last %d publications", f.channel, f.client, len(log)-next)
		}
	}
}

// head is the channel of a compare-and-append, to porcupine: the offset of its last
// record.
var head = porcupine.Model{
	Partition: func(all []porcupine.Operation) (parts [][]porcupine.Operation) {
		byChannel := map[string][]porcupine.Operation{}
		for _, o := range all {
			channel := o.Input.(compare).channel
			byChannel[channel] = append(byChannel[channel], o)
		}
		for _, channel := range slices.Sorted(maps.Keys(byChannel)) {
			parts = append(parts, byChannel[channel])
		}
		return parts
	},
	Init: func() any { return uint64(0) },
	Step: func(state, input, _ any) (bool, any) {
		c := input.(compare)
		if c.outcome == stored {
			return state == c.expect, c.offset
		}
		return state != c.expect, state
	},
}

// checkCompares: there is an order of all compare-and-appends in which each did
// what it says.
func (c *checker) checkCompares() {
	var all []porcupine.Operation
	for _, k := range c.h.compares {
		if k.slowest > longest {
			c.add("%s: %s of %s took %v", k.channel, k.outcome, k.value, k.slowest)
		}
		r, there := c.at[k.channel][k.value]
		returned := int64(k.end)
		switch {
		case k.outcome == stored && (!there || r.offset != k.offset):
			c.add("%s: %s was acknowledged to %s at %d and is not there", k.channel, k.value, k.client, k.offset)
			continue
		case k.outcome == unknown && there: // it was stored, who knows when
			k.outcome, k.offset, returned = stored, r.offset, math.MaxInt64
		case k.outcome == unknown, k.outcome == refused:
			continue // it did nothing
		}
		all = append(all, porcupine.Operation{Input: k, Call: int64(k.start), Return: returned})
	}
	if result := porcupine.CheckOperationsTimeout(head, all, decideWithin); result != porcupine.Ok {
		c.add("compare-and-append is not linearizable: %v", result)
	}
}
