package ot_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/json0"
	"github.com/starling-rt/starling/ot/json1"
	"github.com/starling-rt/starling/ot/rich"
	"github.com/starling-rt/starling/ot/text"
)

// sim runs clients against servers, one for each document, without sockets: what is
// sent stands in queues that a seeded generator delivers, repeats, loses and swaps.
type sim struct {
	g     gen
	typ   ot.Type
	docs  []*simDoc
	stats map[string]int
}

type simDoc struct {
	server *ot.Server
	links  []*link
}

// link is the connection of one client for one document.
type link struct {
	client *ot.Client
	up     []ot.Submission
	down   []message
	// online is unset between a lost connection and the next one.
	online bool
}

// message is what a server sends: an entry, or that a submission was refused.
type message struct {
	entry   ot.Entry
	refused uint64
}

func newSim(seed uint64, typ ot.Type) *sim {
	g := newGen(seed)
	s := &sim{g: g, typ: typ, stats: map[string]int{}}
	for d := range 1 + g.IntN(2) {
		doc := g.doc(typ)
		sd := &simDoc{server: ot.NewServer(typ, doc.Clone(), 5, ot.ServerOptions{Keep: pick(g, 3, 20, 1000)})}
		for c := range 2 + g.IntN(4) {
			l := &link{client: ot.NewClient(typ, fmt.Sprintf("c%d.%d", d, c), doc.Clone(), 5), online: true}
			sd.links = append(sd.links, l)
		}
		s.docs = append(s.docs, sd)
	}
	return s
}

// step does one random thing.
func (s *sim) step() error {
	d := s.docs[s.g.IntN(len(s.docs))]
	l := d.links[s.g.IntN(len(d.links))]
	switch n := s.g.IntN(100); {
	case n < 30:
		if err := l.client.Edit(s.g.op(s.typ, l.client.Doc())); err != nil {
			return err
		}
		s.stats["edits"]++
	case n < 34:
		return s.undo(l)
	case n < 37:
		s.stats["lost connections"]++
		l.online, l.up, l.down = false, nil, nil
	case n < 40 && len(l.up) > 0:
		s.stats["sent twice"]++
		l.up = append(l.up, l.up[s.g.IntN(len(l.up))])
	case n < 42 && len(l.down) > 1:
		s.stats["swapped"]++
		i := s.g.IntN(len(l.down) - 1)
		l.down[i], l.down[i+1] = l.down[i+1], l.down[i]
	case n < 43:
		s.restart(d)
	case n < 60:
		s.send(d, l)
	case n < 80:
		return s.deliverUp(d, l)
	default:
		return s.deliverDown(d, l)
	}
	return nil
}

func (s *sim) undo(l *link) error {
	do, what := l.client.Undo, "undone"
	if s.g.chance(0.4) {
		do, what = l.client.Redo, "redone"
	}
	op, err := do()
	if op != nil {
		s.stats[what]++
	}
	return err
}

// restart replaces the server by one that has the document and the sources, and no
// operations.
func (s *sim) restart(d *simDoc) {
	if !s.g.chance(0.2) {
		return
	}
	s.stats["server restarts"]++
	d.server = ot.NewServer(s.typ, d.server.Snapshot(), d.server.Revision(), ot.ServerOptions{Keep: 10, Sources: d.server.Sources()})
	for _, l := range d.links {
		l.online, l.up, l.down = false, nil, nil
	}
}

// send connects again or sends what the client has to send.
func (s *sim) send(d *simDoc, l *link) {
	if l.online {
		if sub, ok := l.client.Next(); ok {
			l.up = append(l.up, sub)
		} else if sub, ok := l.client.Resend(); ok && s.g.chance(0.1) {
			s.stats["sent again"]++
			l.up = append(l.up, sub)
		}
		return
	}
	l.online = true
	s.catchUp(d, l)
	if sub, ok := l.client.Resend(); ok {
		s.stats["sent again"]++
		l.up = append(l.up, sub)
	}
}

// catchUp brings the entries that the client does not have, or all of the document
// when they are not kept.
func (s *sim) catchUp(d *simDoc, l *link) {
	l.down = nil
	entries, err := d.server.Since(l.client.Revision())
	if err != nil {
		s.stats["fell out"]++
		l.client.Reset(d.server.Snapshot(), d.server.Revision())
		return
	}
	for _, e := range entries {
		l.down = append(l.down, message{entry: e})
	}
}

func (s *sim) deliverUp(d *simDoc, l *link) error {
	if len(l.up) == 0 {
		return nil
	}
	sub := l.up[0]
	l.up = l.up[1:]
	before := d.server.Revision()
	e, err := d.server.Submit(sub)
	switch {
	case errors.Is(err, ot.ErrStale):
		s.stats["stale"]++
		return nil
	case errors.Is(err, ot.ErrTooOld):
		s.stats["too old"]++
		l.client.Reset(d.server.Snapshot(), d.server.Revision())
		l.up, l.down = nil, nil
		return nil
	case errors.Is(err, ot.ErrConflict):
		s.stats["conflicts"]++
		l.down = append(l.down, message{refused: sub.Seq})
		return nil
	case err != nil:
		return err
	case e.Duplicate:
		s.stats["duplicates"]++
		if d.server.Revision() != before {
			return errors.New("a duplicate was applied")
		}
		return nil
	}
	for _, o := range d.links {
		if o.online {
			o.down = append(o.down, message{entry: e})
		}
	}
	return nil
}

func (s *sim) deliverDown(d *simDoc, l *link) error {
	if len(l.down) == 0 {
		return nil
	}
	m := l.down[0]
	l.down = l.down[1:]
	if m.refused > 0 {
		if sub, ok := l.client.Resend(); ok && sub.Seq == m.refused {
			if _, err := l.client.Refused(); err != nil {
				l.client.Reset(d.server.Snapshot(), d.server.Revision())
				l.down = nil
			}
		}
		return nil
	}
	if s.g.chance(0.05) {
		l.down = append(l.down, m) // once more later
	}
	_, err := l.client.Receive(m.entry)
	switch {
	case errors.Is(err, ot.ErrAhead):
		s.stats["gaps"]++
		s.catchUp(d, l)
		return nil
	case errors.Is(err, ot.ErrConflict):
		s.stats["resets"]++
		l.client.Reset(d.server.Snapshot(), d.server.Revision())
		l.down, l.up = nil, nil
		return nil
	}
	return err
}

// settle delivers everything until nothing is left to do.
func (s *sim) settle() error {
	for _, d := range s.docs {
		for range 10000 {
			busy := false
			for _, l := range d.links {
				if !l.online || len(l.up)+len(l.down) == 0 {
					if l.client.Pending() || !l.online || l.client.Revision() < d.server.Revision() {
						l.online = false
						s.send(d, l)
						if sub, ok := l.client.Next(); ok {
							l.up = append(l.up, sub)
						}
					}
				}
				if len(l.up)+len(l.down) > 0 {
					busy = true
				}
				if err := s.deliverDown(d, l); err != nil {
					return err
				}
				if err := s.deliverUp(d, l); err != nil {
					return err
				}
			}
			if !busy {
				break
			}
		}
	}
	return nil
}

func (s *sim) run(steps int) error {
	for range steps {
		if err := s.step(); err != nil {
			return err
		}
	}
	if err := s.settle(); err != nil {
		return err
	}
	for i, d := range s.docs {
		snapshot := d.server.Snapshot()
		want := snapshot.AppendJSON(nil)
		for j, l := range d.links {
			if got := l.client.Doc().AppendJSON(nil); string(got) != string(want) {
				return fmt.Errorf("document %d: client %d has %s, the server %s", i, j, got, want)
			}
			if l.client.Pending() || l.client.Revision() != d.server.Revision() {
				return fmt.Errorf("document %d: client %d is at %d of %d, or has edits left", i, j, l.client.Revision(), d.server.Revision())
			}
		}
	}
	return nil
}

// manySeeds returns how many seeds a test runs: OT_SEEDS, or n, or in short few.
func manySeeds(t *testing.T, n uint64) uint64 {
	t.Helper()
	if s := os.Getenv("OT_SEEDS"); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		n /= 8
	}
	return n
}

// TestSimulation lets clients of all types converge over thousands of seeds; OT_SEEDS
// says how many of each type.
func TestSimulation(t *testing.T) {
	seeds := manySeeds(t, 400)
	for _, c := range []struct {
		name string
		typ  ot.Type
	}{
		{"text", text.Unicode},
		{"utf16", text.UTF16},
		{"rich", rich.Type{}},
		{"json0", json0.Type{}},
		{"json1", json1.Type{}},
		{"json1 resolving", json1.Type{Resolve: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			total := map[string]int{}
			for seed := range seeds {
				s := newSim(seed, c.typ)
				if err := s.run(60 + s.g.IntN(200)); err != nil {
					t.Errorf("seed %d: %v", seed, err)
					if t.Failed() && seed > 50 {
						t.FailNow()
					}
				}
				for k, n := range s.stats {
					total[k] += n
				}
			}
			t.Logf("%d seeds: %v", seeds, total)
			for _, what := range []string{"edits", "undone", "duplicates", "gaps", "sent again", "fell out", "server restarts"} {
				if total[what] == 0 {
					t.Errorf("the simulation had no %s", what)
				}
			}
		})
	}
}
