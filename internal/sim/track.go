package sim

import (
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// track is what a client saw of one channel, or of a wildcard.
type track struct {
	name     string
	wildcard bool
	filter   protocol.Filter
	slow     protocol.SlowPolicy

	begun  bool
	at     eventlog.Position // the last place that the client knows
	spans  []*span
	resets int
	skips  int

	slots map[string]string // conflated values
	fresh bool              // they were followed to the end
}

// span is a run of publications between which nothing may be missing.
type span struct {
	from eventlog.Position
	got  []sighting
	to   uint64 // how far the server has vouched for, beyond the last of got
}

type sighting struct {
	channel string
	offset  uint64
	key     string
}

func (t *track) count() (n int) {
	for _, s := range t.spans {
		n += len(s.got)
	}
	return n
}

// begin starts a new span at a position, because something was or may have been
// missed.
func (t *track) begin(position string) *protocol.Error {
	t.begun = true
	if t.wildcard {
		t.spans = append(t.spans, &span{})
		return nil
	}
	p, err := protocol.ParsePosition(position)
	if err != nil {
		return err
	}
	epoch, offset, ok := p.In(t.name)
	if !ok {
		return protocol.Errorf(protocol.BadPosition, "position without %s", t.name)
	}
	t.at = eventlog.Position{Epoch: epoch, Offset: offset}
	t.spans = append(t.spans, &span{from: t.at, to: offset})
	return nil
}

// reach notes that the server vouches for everything up to a position.
func (t *track) reach(position string) {
	if p, err := protocol.ParsePosition(position); err == nil {
		if epoch, offset, ok := p.In(t.name); ok && epoch == t.at.Epoch {
			t.at.Offset = max(t.at.Offset, offset)
			if s := t.span(); s != nil {
				s.to = max(s.to, offset)
			}
		}
	}
}

func (t *track) span() *span {
	if len(t.spans) == 0 {
		return nil
	}
	return t.spans[len(t.spans)-1]
}

func (t *track) see(channel string, offset uint64, key string) {
	s := t.span()
	if s == nil {
		s = &span{}
		t.spans = append(t.spans, s)
	}
	s.got = append(s.got, sighting{channel, offset, key})
	if !t.wildcard {
		t.at.Offset = offset
		s.to = max(s.to, offset)
	}
}

// check compares what was seen with the truth.
func (t *track) check(c *client) {
	if t.wildcard {
		t.checkWildcard(c)
		return
	}
	for i, s := range t.spans {
		last := i == len(t.spans)-1
		to := s.to
		if last {
			to = c.world.truth.last(t.name)
		}
		var want []eventlog.Record
		for _, r := range c.world.truth.between(t.name, s.from.Offset, to) {
			if t.filter.Match(r.Tags) {
				want = append(want, r)
			}
		}
		for k := range max(len(want), len(s.got)) {
			switch {
			case k >= len(s.got):
				c.failf("%s: span %d of %d from %d to %d ends after %d of %d publications; missing %d (%s)",
					t.name, i+1, len(t.spans), s.from.Offset, to, len(s.got), len(want), want[k].Offset, want[k].Key)
			case k >= len(want):
				c.failf("%s: span %d from %d saw %d, which should not be there", t.name, i+1, s.from.Offset, s.got[k].offset)
			case s.got[k].offset != want[k].Offset:
				c.failf("%s: span %d of %d from %d saw %d where %d should be", t.name, i+1, len(t.spans), s.from.Offset, s.got[k].offset, want[k].Offset)
			default:
				continue
			}
			return
		}
	}
}

// checkWildcard looks at each channel of a wildcard: within a span what was seen
// has no gap, no double and is in order. After a reset a publication of shortly
// before may come, which was late on its way to a node that had just begun to
// follow the wildcard.
func (t *track) checkWildcard(c *client) {
	for i, s := range t.spans {
		last := map[string]uint64{}
		for _, g := range s.got {
			before, seen := last[g.channel]
			last[g.channel] = g.offset
			if !seen {
				continue
			}
			if g.offset <= before {
				c.failf("%s: span %d of %d saw %d of %s after %d", t.name, i+1, len(t.spans), g.offset, g.channel, before)
				return
			}
			if missed := c.world.truth.between(g.channel, before, g.offset-1); len(missed) > 0 {
				c.failf("%s: span %d of %d saw %d of %s after %d without %d", t.name, i+1, len(t.spans), g.offset, g.channel, before, missed[0].Offset)
				return
			}
		}
	}
}
