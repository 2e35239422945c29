package lab

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// event is one thing that simulated traffic says. What comes is a matter of the
// seed alone; when it comes, of the rate.
type event struct {
	// gap is how long before it the event before it was, in periods of the rate.
	gap float64
	// user is who it is from.
	user string
	// conflate makes it a signal with this key; empty, it is a publication.
	conflate string
	data     any
	// also is published beside it, on the scenario's second channel.
	also any
}

// generator makes the events of a scenario, one after the other, from a seed. It is
// pure: it knows no clock and no server.
type generator interface {
	// next returns the event with a number, which counts from 0. ok is false when
	// there are no more.
	next(n int) (e event, ok bool)
}

// source returns the randomness of a scenario with a seed.
func source(scenario string, seed uint32) *rand.Rand {
	var name uint64
	for _, b := range []byte(scenario) {
		name = name*31 + uint64(b)
	}
	return rand.New(rand.NewPCG(uint64(seed), name))
}

// numbered is what publications of the generators have in common: n is the number of
// the event, without gaps, so that who receives them can tell what is missing.
type numbered struct {
	N int `json:"n"`
}

// chatter are short texts of different length.
type chatter struct {
	rnd   *rand.Rand
	words int // at most
}

var vocabulary = []string{
	"starling", "flock", "murmuration", "dusk", "reed", "wing", "turn", "swarm", "field", "evening", "roost", "song", "feather", "cloud",
	"and", "over", "the", "in", "one", "many", "seven", "neighbours",
}

type said struct {
	numbered
	Text string `json:"text"`
}

func (c *chatter) next(n int) (event, bool) {
	text := ""
	for i := range 1 + c.rnd.IntN(c.words) {
		if i > 0 {
			text += " "
		}
		text += vocabulary[c.rnd.IntN(len(vocabulary))]
	}
	return event{gap: 0.5 + c.rnd.Float64(), user: "Traffic", data: said{numbered{n}, text}}, true
}

// market moves prices at random. Each change is a signal with the symbol as its
// conflation key, complete in itself: the price, and how many changes the symbol has
// seen, so that who receives it can tell how many came between. One change of
// tradeEvery is a trade, which is also stored.
type market struct {
	rnd    *rand.Rand
	prices []int // cents
	seen   []int // changes
	trades int
}

// symbols is how many there are, tradeEvery how many changes there are to a trade.
const (
	symbols    = 60
	tradeEvery = 100
)

type quote struct {
	Symbol string `json:"symbol"`
	Cents  int    `json:"cents"`
	Change int    `json:"change"` // the how manieth of the symbol
}

type trade struct {
	numbered
	Trade  int    `json:"trade"` // the how manieth of all
	Symbol string `json:"symbol"`
	Cents  int    `json:"cents"`
}

func newMarket(rnd *rand.Rand) *market {
	m := &market{rnd: rnd, prices: make([]int, symbols), seen: make([]int, symbols)}
	for i := range m.prices {
		m.prices[i] = 500 + rnd.IntN(40_000)
	}
	return m
}

// symbol returns a name such as "BAC".
func symbol(i int) string {
	const consonants, vowels = "BDFGKLMNPR", "AEIOUY"
	return string([]byte{consonants[i%10], vowels[i/10], consonants[(i*7+i/10)%10]})
}

func (m *market) next(n int) (event, bool) {
	i := m.rnd.IntN(symbols)
	step := int(math.Round(m.rnd.NormFloat64() * float64(m.prices[i]) / 400))
	m.prices[i] = max(100, m.prices[i]+step)
	m.seen[i]++
	e := event{gap: 1, conflate: symbol(i), data: quote{symbol(i), m.prices[i], m.seen[i]}}
	if n%tradeEvery == 0 {
		m.trades++
		e.also = trade{numbered{n}, m.trades, symbol(i), m.prices[i]}
	}
	return e, true
}

// forge runs builds: each goes through its steps, of which one may fail.
type forge struct {
	rnd     *rand.Rand
	started int
	running []*build
}

// build is the state of a build, complete in each event: who comes late needs no
// other.
type build struct {
	Build  int    `json:"build"`
	Branch string `json:"branch"`
	Step   string `json:"step"`
	Status string `json:"status"` // running, passed or failed
	Done   int    `json:"done"`   // steps
	Of     int    `json:"of"`
}

type built struct {
	numbered
	build
}

var (
	branches = []string{"main", "fix/reconnect", "feature/inbox", "docs", "faster-tail"}
	steps    = []string{"checkout", "compile", "unit tests", "browser tests", "package"}
	people   = []string{"Ada", "Ben", "Chen", "Dora"}
)

// parallel is how many builds run at once.
const parallel = 3

func (f *forge) next(n int) (event, bool) {
	e := event{gap: 0.5 + f.rnd.Float64(), user: people[f.rnd.IntN(len(people))]}
	if len(f.running) < parallel {
		f.started++
		b := &build{Build: f.started, Branch: branches[f.rnd.IntN(len(branches))], Step: steps[0], Status: "running", Of: len(steps)}
		f.running = append(f.running, b)
		e.data = built{numbered{n}, *b}
		return e, true
	}
	at := f.rnd.IntN(len(f.running))
	b := f.running[at]
	switch b.Done++; {
	case f.rnd.IntN(14) == 0:
		b.Status = "failed"
	case b.Done == b.Of:
		b.Status = "passed"
	default:
		b.Step = steps[b.Done]
	}
	if b.Status != "running" {
		f.running = slices.Delete(f.running, at, at+1)
	}
	e.data = built{numbered{n}, *b}
	return e, true
}

// team works on a board of cards: for a while at once, to have a past, then slowly
// for a while, and then it goes home.
type team struct {
	rnd   *rand.Rand
	made  int
	cards []card
}

type card struct{ id, column string }

const (
	teamPast = 24 // events that are there from the beginning
	teamAll  = 60
)

var (
	columns = []string{"todo", "doing", "done"}
	verbs   = []string{"Draw", "Write", "Mend", "Measure", "Review", "Ship"}
	things  = []string{"the login page", "the price list", "the search", "the invoice", "the map", "the welcome mail", "the error page"}
)

// changed is a change of the board. Fields that a type does not need are empty.
type changed struct {
	numbered
	Type   string `json:"type"` // add, move, rename or remove
	Card   string `json:"card"`
	Title  string `json:"title,omitempty"`
	Column string `json:"column,omitempty"`
}

func (t *team) next(n int) (event, bool) {
	if n >= teamAll {
		return event{}, false
	}
	e := event{user: people[t.rnd.IntN(len(people))]}
	if n >= teamPast {
		e.gap = 0.5 + t.rnd.Float64()
	}
	title := verbs[t.rnd.IntN(len(verbs))] + " " + things[t.rnd.IntN(len(things))]
	c := changed{numbered: numbered{n}}
	at := 0
	if len(t.cards) > 0 {
		at = t.rnd.IntN(len(t.cards))
	}
	switch what := t.rnd.IntN(10); {
	case len(t.cards) < 3 || what < 3 && len(t.cards) < 10:
		t.made++
		c.Type, c.Card, c.Title, c.Column = "add", fmt.Sprintf("c%d", t.made), title, columns[0]
		t.cards = append(t.cards, card{c.Card, c.Column})
	case what < 8:
		to := columns[(slices.Index(columns, t.cards[at].column)+1)%len(columns)]
		t.cards[at].column = to
		c.Type, c.Card, c.Column = "move", t.cards[at].id, to
	case what == 8:
		c.Type, c.Card, c.Title = "rename", t.cards[at].id, title
	default:
		c.Type, c.Card = "remove", t.cards[at].id
		t.cards = slices.Delete(t.cards, at, at+1)
	}
	e.data = c
	return e, true
}

// numberOf returns the number of the event that a publication of a generator stands
// for.
func numberOf(data json.RawMessage) (int, bool) {
	var v struct {
		N *int `json:"n"`
	}
	if json.Unmarshal(data, &v) != nil || v.N == nil || *v.N < 0 || *v.N > maxEvents {
		return 0, false
	}
	return *v.N, true
}

// maxEvents bounds how far a run goes, and how far one that goes on has to be wound
// forward.
const maxEvents = 50_000_000
