package natslog

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/starling-rt/starling/eventlog"
)

func node(name string, incarnation int64) eventlog.Node {
	return eventlog.Node{Name: name, Incarnation: incarnation}
}

// listener is node a, which hears others that beat, and is told what it tells.
type listener struct {
	roll    roll
	ticks   int
	beating map[eventlog.Node]int // with the tick of four at which it beats
	cut     bool                  // it hears nothing, not itself either
	told    []string
}

func newListener() *listener {
	self := node("a", 1)
	l := &listener{roll: newRoll(self), beating: map[eventlog.Node]int{self: 0}}
	l.hear(beatAsks, self)
	return l
}

func (l *listener) hear(kind byte, n eventlog.Node) {
	if c := l.roll.hear(beat{kind, n}); c.Kind != 0 {
		l.tell(c)
	}
}

func (l *listener) tell(c eventlog.NodeChange) {
	text := fmt.Sprint(c.Kind, " ", c.Node.Name, c.Node.Incarnation)
	if c.Before != 0 {
		text += fmt.Sprint(" after ", c.Before)
	}
	l.told = append(l.told, text)
}

// pass lets ticks pass, in which nodes beat.
func (l *listener) pass(ticks int) {
	for range ticks {
		l.ticks++
		for n, phase := range l.beating {
			if !l.cut && l.ticks%beatTicks == phase {
				l.hear(beatHere, n)
			}
		}
		for _, c := range l.roll.tick() {
			l.tell(c)
		}
	}
}

func TestRoll(t *testing.T) {
	b, b2, c := node("b", 10), node("b", 20), node("c", 10)
	for name, row := range map[string]struct {
		do   func(l *listener)
		want []string
	}{
		"who beats lives": {func(l *listener) {
			l.beating[b] = 1
			l.pass(1000)
		}, []string{"arrived b10"}},
		"a moment before the end": {func(l *listener) {
			l.hear(beatHere, b)
			l.pass(deadTicks - 1)
			l.hear(beatHere, b)
			l.pass(deadTicks - 1)
		}, []string{"arrived b10"}},
		"silence": {func(l *listener) {
			l.hear(beatHere, c)
			l.hear(beatHere, b)
			l.pass(deadTicks)
		}, []string{"arrived c10", "arrived b10", "died b10", "died c10"}},
		"it was not dead": {func(l *listener) {
			l.hear(beatHere, b)
			l.pass(deadTicks)
			l.hear(beatHere, b)
		}, []string{"arrived b10", "died b10", "arrived b10"}},
		"goodbye": {func(l *listener) {
			l.hear(beatAsks, b)
			l.hear(beatLeaves, b)
			l.hear(beatHere, b) // it was sent before that
			l.pass(deadTicks - 1)
			l.hear(beatHere, b)
		}, []string{"arrived b10", "left b10"}},
		"goodbye is forgotten": {func(l *listener) {
			l.hear(beatHere, b)
			l.hear(beatLeaves, b)
			l.pass(deadTicks)
			l.hear(beatHere, b) // whose clock was put back, perhaps
		}, []string{"arrived b10", "left b10", "arrived b10"}},
		"back after a goodbye": {func(l *listener) {
			l.hear(beatHere, b)
			l.hear(beatLeaves, b)
			l.hear(beatAsks, b2)
		}, []string{"arrived b10", "left b10", "arrived b20"}},
		"goodbye of a stranger": {func(l *listener) {
			l.hear(beatLeaves, b)
			l.hear(beatHere, b)
		}, nil},
		"goodbye of one that was not heard before": {func(l *listener) {
			l.hear(beatHere, b)
			l.hear(beatLeaves, b2)
			l.hear(beatHere, b)
		}, []string{"arrived b10", "left b10"}},
		"restart": {func(l *listener) {
			l.hear(beatHere, b)
			l.hear(beatHere, b2)
			l.hear(beatHere, b)   // too late
			l.hear(beatLeaves, b) // too late
			l.pass(deadTicks)
		}, []string{"arrived b10", "replaced b20 after 10", "died b20"}},
		"two of one name": {func(l *listener) {
			l.beating[b], l.beating[b2] = 1, 2
			l.pass(100)
			delete(l.beating, b2)
			l.pass(100)
		}, []string{"arrived b10", "replaced b20 after 10", "died b20", "arrived b10"}},
		"another of one's own name": {func(l *listener) {
			l.hear(beatHere, node("a", 7))
			l.hear(beatLeaves, node("a", 7))
			l.pass(100)
		}, nil},
		"the connection is lost": {func(l *listener) {
			l.beating[b] = 1
			l.pass(40)
			l.roll.disconnected()
			l.cut = true
			l.pass(1000)
			l.cut = false
			delete(l.beating, b)
			l.hear(beatHere, l.roll.self)
			l.pass(deadTicks - 1)
			l.told = append(l.told, "full time")
			l.pass(1)
		}, []string{"arrived b10", "full time", "died b10"}},
		"the connection is lost for a moment": {func(l *listener) {
			l.hear(beatHere, b)
			l.pass(deadTicks - 2)
			l.roll.disconnected()
			l.hear(beatHere, l.roll.self)
			l.pass(deadTicks - 1)
		}, []string{"arrived b10"}},
		"one's own beats get lost, but not many": {func(l *listener) {
			l.pass(4)
			l.hear(beatHere, b)
			delete(l.beating, l.roll.self)
			l.pass(deafTicks - 1)
			l.hear(beatHere, l.roll.self)
			l.beating[l.roll.self] = 0
			l.pass(deadTicks - deafTicks + 1)
		}, []string{"arrived b10", "died b10"}},
		"before one has heard oneself": {func(l *listener) {
			l.roll = newRoll(l.roll.self)
			l.cut = true
			l.hear(beatHere, b)
			l.pass(1000)
		}, []string{"arrived b10"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListener()
			row.do(l)
			if !slices.Equal(l.told, row.want) {
				t.Errorf("told %q, want %q", l.told, row.want)
			}
		})
	}
}

// Who is cut off, and is not told so by its connection, judges nobody, whenever that
// happens, and whoever beats when; nor when all is well again.
func TestRollOfOneThatIsCutOff(t *testing.T) {
	for i := range beatTicks * beatTicks * beatTicks {
		l := newListener()
		own, others, when := i%beatTicks, i/beatTicks%beatTicks, i/beatTicks/beatTicks
		l.beating[l.roll.self], l.beating[node("b", 1)] = own, others
		l.pass(40 + when)
		l.cut = true
		l.pass(500)
		l.cut = false
		l.pass(500)
		if !slices.Equal(l.told, []string{"arrived b1"}) {
			t.Errorf("its beats come at %d, others' at %d, and it is cut off at %d: told %v", own, others, when, l.told)
		}
	}
}

func TestRollIsBounded(t *testing.T) {
	l := newListener()
	for i := range int64(maxNodes + 10) {
		l.hear(beatHere, node(fmt.Sprint("n", i), 1))
		l.hear(beatLeaves, node(fmt.Sprint("m", i), 1))
	}
	if others, left := len(l.roll.others), len(l.roll.left); others != maxNodes || left != maxNodes {
		t.Errorf("%d others and %d goodbyes are kept, want %d", others, left, maxNodes)
	}
	l.pass(deadTicks)
	if others, left := len(l.roll.others), len(l.roll.left); others+left > 0 {
		t.Errorf("%d others and %d goodbyes stay", others, left)
	}
}

// What is told, one after the other, comes to what nodes returns, whatever is heard.
func TestWhatIsToldIsWhoIsHere(t *testing.T) {
	for seed := range uint64(200) {
		chance := rand.New(rand.NewPCG(seed, 0))
		r := newRoll(node("a", 1))
		view := map[string]int64{"a": 1}
		apply := func(changes ...eventlog.NodeChange) {
			for _, c := range changes {
				was, here := view[c.Node.Name]
				right := false
				switch c.Kind {
				case 0:
					continue
				case eventlog.NodeArrived:
					right = !here
					view[c.Node.Name] = c.Node.Incarnation
				case eventlog.NodeReplaced:
					right = here && was == c.Before && c.Node.Incarnation > was
					view[c.Node.Name] = c.Node.Incarnation
				case eventlog.NodeLeft, eventlog.NodeDied:
					right = here && was == c.Node.Incarnation
					delete(view, c.Node.Name)
				}
				if !right {
					t.Fatalf("seed %d: %+v is told of %v", seed, c, view)
				}
			}
		}
		for range 500 {
			switch n := chance.IntN(10); {
			case n == 0:
				r.disconnected()
			case n < 4:
				apply(r.tick()...)
			default:
				name := string(rune('a' + chance.IntN(4)))
				kind := byte(beatHere + chance.IntN(beatLeaves))
				apply(r.hear(beat{kind, node(name, 1+chance.Int64N(3))}))
			}
		}
		want := map[string]int64{}
		for _, n := range r.nodes() {
			want[n.Name] = n.Incarnation
		}
		if !maps.Equal(view, want) {
			t.Errorf("seed %d: what was told comes to %v, here are %v", seed, view, want)
		}
	}
}

func TestParseBeat(t *testing.T) {
	good := beat{beatAsks, node("b", 1<<62)}
	for name, row := range map[string]struct {
		data []byte
		want string // of the error
	}{
		"good":               {good.encode(), ""},
		"empty":              {nil, "empty"},
		"another version":    {append([]byte{2}, good.encode()[1:]...), "version is 2"},
		"short":              {good.encode()[:9], "9 bytes"},
		"no name":            {good.encode()[:10], "no name"},
		"a long name":        {append(good.encode(), strings.Repeat("x", 64)...), "75 bytes"},
		"a bad name":         {append(good.encode(), '.'), "no name"},
		"not UTF-8":          {append(good.encode(), 0xff), "no name"},
		"no kind":            {append([]byte{1, 0}, good.encode()[2:]...), "kind is 0"},
		"another kind":       {append([]byte{1, 4}, good.encode()[2:]...), "kind is 4"},
		"no incarnation":     {append(append([]byte{1, 1}, make([]byte, 8)...), 'b'), "incarnation is 0"},
		"a long incarnation": {append([]byte{1, 1, 0x80}, good.encode()[3:]...), "incarnation is -"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseBeat(row.data)
			switch {
			case row.want == "" && (err != nil || got != good):
				t.Errorf("got %+v and %v, want %+v", got, err, good)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}

func FuzzParseBeat(f *testing.F) {
	b := beat{beatHere, node("node-1", 1_800_000_000_000_000_000)}
	f.Add(b.encode())
	f.Add([]byte{})
	f.Add([]byte{2, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBeat(data)
		if err != nil {
			return
		}
		if again := b.encode(); !bytes.Equal(again, data) {
			t.Errorf("%x becomes %x", data, again)
		}
		r := newRoll(node("a", 1))
		if c := r.hear(b); c.Kind != 0 && (c.Kind != eventlog.NodeArrived || c.Node != b.node) {
			t.Errorf("%x: told %+v", data, c)
		}
	})
}
