package logtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/starling-rt/starling/eventlog"
)

var modelTests = []conformance{
	{"gives the same answers, seed 1", func(s *suite) { modelRun(s, 1) }},
	{"gives the same answers, seed 2", func(s *suite) { modelRun(s, 2) }},
	{"gives the same answers, seed 3", func(s *suite) { modelRun(s, 3) }},
}

// modelChannel is what a channel should hold, in the plainest way. Offsets are
// those that the engine gave.
type modelChannel struct {
	records []eventlog.Record
	removed uint64 // everything up to here is gone
	deleted bool   // and positions up to here are lost
	head    uint64
	keys    map[string]modelKey
}

type modelKey struct {
	data string
	got  eventlog.Appended
}

// modelRun plays a random history on an engine and on a model. Every engine that
// agrees with the model agrees with every other.
func modelRun(s *suite, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	model := map[string]*modelChannel{}
	steps := 600
	if testing.Short() {
		steps = 200
	}
	for range steps {
		name := fmt.Sprint("c", r.IntN(4))
		m := model[name]
		if m == nil {
			m = &modelChannel{keys: map[string]modelKey{}}
			model[name] = m
		}
		switch n := r.IntN(100); {
		case n < 50:
			m.append(s, r, name)
		case n < 60:
			through := m.anyOffset(r)
			s.ok(s.log.Trim(s.ctx(), name, through))
			m.trim(through)
		case n < 62:
			s.ok(s.log.Delete(s.ctx(), name))
			if m.head != 0 {
				m.trim(m.head)
				m.deleted = true
				m.keys = map[string]modelKey{}
			}
		case n < 63 && s.harness.Reopen != nil:
			s.reopen()
		default:
			m.check(s, r, name)
		}
	}
}

// anyOffset returns an offset in the channel, or beside one.
func (m *modelChannel) anyOffset(r *rand.Rand) uint64 {
	if len(m.records) == 0 || r.IntN(10) == 0 {
		return r.Uint64N(m.head + 2)
	}
	return m.records[r.IntN(len(m.records))].Offset - r.Uint64N(2)
}

func (m *modelChannel) append(s *suite, r *rand.Rand, name string) {
	s.Helper()
	data := make([]string, 1+r.IntN(3)*r.IntN(2))
	for i := range data {
		data[i] = fmt.Sprint(r.IntN(1000))
	}
	a := one(name, data...)
	if r.IntN(3) == 0 {
		a.Key = fmt.Sprint("k", r.IntN(20))
	}
	known, keyUsed := m.keys[a.Key]
	if keyUsed && r.IntN(2) == 0 {
		a = one(name, strings.Split(known.data, "|")...)
		for k, v := range m.keys {
			if v == known {
				a.Key = k
			}
		}
		known = m.keys[a.Key]
		data = strings.Split(known.data, "|")
	}
	at := m.head
	if r.IntN(3) == 0 {
		if r.IntN(3) == 0 {
			at = m.anyOffset(r)
		}
		a.Expect = eventlog.At(at)
	}
	got, err := s.log.Append(s.ctx(), a)
	var conflict *eventlog.ConflictError
	switch {
	case a.Key != "" && keyUsed && known.data != strings.Join(data, "|"):
		s.is(err, eventlog.ErrKeyReused)
	case a.Key != "" && keyUsed:
		s.ok(err)
		if !got.Duplicate || got.First != known.got.First || got.Last != known.got.Last {
			s.Fatalf("append to %q: got %+v, want a duplicate of %+v", name, got, known.got)
		}
	case at != m.head:
		if !errors.As(err, &conflict) || conflict.Head.Offset != m.head {
			s.Fatalf("append to %q at %d: got %v, want a conflict with %d", name, at, err, m.head)
		}
	default:
		s.ok(err)
		m.took(s, name, a, got)
	}
}

// took notes an append that the engine has stored.
func (m *modelChannel) took(s *suite, name string, a eventlog.Append, got eventlog.Appended) {
	s.Helper()
	if got.Duplicate || got.First <= m.head {
		s.Fatalf("append to %q: got %+v after %d", name, got, m.head)
	}
	// The offsets between the first and the last are the engine's to choose.
	p := s.read(name, got.First-1, eventlog.Limit{})
	if len(p.Records) != len(a.Entries) || p.Head != got.Last {
		s.Fatalf("read %q after append: got %+v, want %d records", name, p, len(a.Entries))
	}
	var all []string
	for i, r := range p.Records {
		if string(r.Data) != string(a.Entries[i].Data) || r.Offset <= m.head {
			s.Fatalf("read %q after append: got %+v after %d", name, r, m.head)
		}
		m.head = r.Offset
		m.records = append(m.records, r)
		all = append(all, string(r.Data))
	}
	if a.Key != "" {
		m.keys[a.Key] = modelKey{strings.Join(all, "|"), got}
	}
}

func (m *modelChannel) trim(through uint64) {
	for len(m.records) > 0 && m.records[0].Offset <= through {
		m.removed, m.deleted = m.records[0].Offset, false
		m.records = m.records[1:]
	}
}

// check compares what the engine says of a channel with the model.
func (m *modelChannel) check(s *suite, r *rand.Rand, name string) {
	s.Helper()
	at := m.anyOffset(r)
	limit := eventlog.Limit{Records: 1 + r.IntN(5)}
	if head := s.head(name); head.Offset != m.head {
		s.Fatalf("head of %q: got %+v, want %d", name, head, m.head)
	}
	var above, below []eventlog.Record
	for _, rec := range m.records {
		if rec.Offset > at {
			above = append(above, rec)
		}
		if rec.Offset < at || at == 0 {
			below = append(below, rec)
		}
	}
	p := s.read(name, at, limit)
	want := above[:min(len(above), limit.Records)]
	m.same(s, fmt.Sprintf("read %q after %d", name, at), p, want, len(want) < len(above))
	complete := at > m.removed || at == m.removed && !m.deleted
	// A deletion may have taken a number itself, and what is beyond the head is
	// nobody's.
	unsure := m.deleted && at > m.removed && len(above) == len(m.records) || at > m.head && !p.Complete
	if p.Complete != complete && !unsure {
		s.Fatalf("read %q after %d: got complete %v, removed through %d", name, at, p.Complete, m.removed)
	}
	p = s.readBefore(name, at, limit)
	want = below[max(0, len(below)-limit.Records):]
	m.same(s, fmt.Sprintf("read %q before %d", name, at), p, want, len(want) < len(below))
	if p.Complete != (m.removed == 0) {
		s.Fatalf("read %q before %d: got complete %v, removed through %d", name, at, p.Complete, m.removed)
	}
}

func (m *modelChannel) same(s *suite, what string, p eventlog.Page, want []eventlog.Record, more bool) {
	s.Helper()
	if len(p.Records) != len(want) || p.More != more || p.Head.Offset != m.head {
		s.Fatalf("%s: got %d records, more %v, head %d, want %d, %v, %d", what, len(p.Records), p.More, p.Head.Offset, len(want), more, m.head)
	}
	for i := range want {
		if !sameRecord(p.Records[i], want[i]) {
			s.Fatalf("%s: got %+v, want %+v", what, p.Records[i], want[i])
		}
	}
}
