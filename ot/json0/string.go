package json0

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/rope"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// textStep inserts s into a string at p, or deletes it there, as in text0, the
// string type of ot-json0. Steps are done one after the other.
type textStep struct {
	p   int // UTF-16 code units
	s   string
	ins bool
}

func (s textStep) len() int { return wtf8.Len16(s.s) }

// maxJoined is the most bytes of two steps that are joined to one: joining copies,
// and a long operation of many small steps would copy the same text many times.
const maxJoined = 1 << 14

// appendStep appends c to steps, joined with the last one when that is possible.
func appendStep(steps []textStep, c textStep) []textStep {
	if c.s == "" {
		return steps
	}
	if n := len(steps); n > 0 && len(c.s)+len(steps[n-1].s) < maxJoined {
		last := &steps[n-1]
		switch {
		case last.ins && c.ins && last.p <= c.p && c.p <= last.p+last.len():
			last.s = inject(last.s, c.p-last.p, c.s)
			return steps
		case !last.ins && !c.ins && c.p <= last.p && last.p <= c.p+c.len():
			*last = textStep{p: c.p, s: inject(c.s, last.p-c.p, last.s)}
			return steps
		}
	}
	return append(steps, c)
}

func inject(s string, at int, t string) string {
	head, tail := wtf8.Cut16(s, at)
	return wtf8.Join(wtf8.Join(head, t), tail)
}

// move returns where the position pos is after the step.
func (s textStep) move(pos int, after bool) int {
	n := s.len()
	switch {
	case s.ins && (s.p < pos || s.p == pos && after):
		return pos + n
	case s.ins || pos <= s.p:
		return pos
	case pos <= s.p+n:
		return s.p
	}
	return pos - n
}

// transformStep appends c, transformed over o, to steps.
func transformStep(steps []textStep, c, o textStep, side ot.Side) ([]textStep, error) {
	if c.ins {
		return appendStep(steps, textStep{o.move(c.p, side == ot.Right), c.s, true}), nil
	}
	cn, on := c.len(), o.len()
	if o.ins {
		s := c.s
		if c.p < o.p {
			head, tail := wtf8.Cut16(s, min(o.p-c.p, cn))
			steps = appendStep(steps, textStep{c.p, head, false})
			s = tail
		}
		return appendStep(steps, textStep{c.p + on, s, false}), nil
	}
	switch {
	case c.p >= o.p+on:
		return appendStep(steps, textStep{c.p - on, c.s, false}), nil
	case c.p+cn <= o.p:
		return appendStep(steps, c), nil
	}
	start, end := max(c.p, o.p), min(c.p+cn, o.p+on)
	if wtf8.Slice16(c.s, start-c.p, end-c.p) != wtf8.Slice16(o.s, start-o.p, end-o.p) {
		return nil, fmt.Errorf("two operations delete different text at one place: %w", ot.ErrMismatch)
	}
	head, _ := wtf8.Cut16(c.s, start-c.p)
	_, tail := wtf8.Cut16(c.s, end-c.p)
	return appendStep(steps, textStep{o.move(c.p, false), wtf8.Join(head, tail), false}), nil
}

// applySteps does the steps on the string v and returns the new one.
func applySteps(v any, steps []textStep) (any, error) {
	r, ok := jsonval.TextOf(v)
	if !ok {
		return nil, fmt.Errorf("not a string: %w", ot.ErrMismatch)
	}
	for _, s := range steps {
		n := 0
		if !s.ins {
			n = s.len()
		}
		if s.p+n > r.Len(rope.Units16) {
			return nil, fmt.Errorf("offset %d of %d in a string: %w", s.p+n, r.Len(rope.Units16), ot.ErrRange)
		}
		if s.ins {
			r.Replace(rope.Units16, s.p, 0, s.s)
			continue
		}
		if r.Slice(rope.Units16, s.p, s.p+n) != s.s {
			return nil, fmt.Errorf("what is to be deleted from a string does not stand there: %w", ot.ErrMismatch)
		}
		r.Replace(rope.Units16, s.p, n, "")
	}
	return jsonval.FromText(r), nil
}

func invertSteps(steps []textStep) []textStep {
	out := make([]textStep, len(steps))
	for i, s := range steps {
		s.ins = !s.ins
		out[len(steps)-1-i] = s
	}
	return out
}
