package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// texts returns what a scenario says with a seed, as it goes over the wire.
func texts(t *testing.T, name string, seed uint32, n int) (all []string) {
	t.Helper()
	g := scenarios()[name].make(source(name, seed))
	for i := range n {
		e, ok := g.next(i)
		if !ok {
			break
		}
		raw, err := json.Marshal([]any{e.gap, e.user, e.conflate, e.data, e.also})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(raw))
	}
	return all
}

// differ says where two lists begin to differ; "" if they do not.
func differ(want, got []string) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got), i >= len(want):
			return fmt.Sprintf("there are %d, want %d", len(got), len(want))
		case want[i] != got[i]:
			return fmt.Sprintf("at %d: got %s, want %s", i, got[i], want[i])
		}
	}
	return ""
}

func TestSameSeedSameTraffic(t *testing.T) {
	for name := range scenarios() {
		t.Run(name, func(t *testing.T) {
			one, again, other := texts(t, name, 7, 300), texts(t, name, 7, 300), texts(t, name, 8, 300)
			if diff := differ(one, again); diff != "" {
				t.Errorf("the same seed makes other traffic:\n%s", diff)
			}
			if slices.Equal(one, other) {
				t.Error("another seed makes the same traffic")
			}
		})
	}
}

// The page tells by these numbers how many changes were conflated, and which
// publications are missing.
func TestMarketNumbersItsChanges(t *testing.T) {
	m := newMarket(source("ticker", 1))
	changes, trades := map[string]int{}, 0
	names := map[string]bool{}
	for n := range 20_000 {
		e, _ := m.next(n)
		q, ok := e.data.(quote)
		if !ok || q.Symbol != e.conflate || q.Cents < 100 {
			t.Fatalf("event %d: got %+v", n, e)
		}
		names[q.Symbol] = true
		if changes[q.Symbol]++; q.Change != changes[q.Symbol] {
			t.Fatalf("event %d: got change %d of %s, want %d", n, q.Change, q.Symbol, changes[q.Symbol])
		}
		if e.also == nil {
			continue
		}
		trades++
		if tr, ok := e.also.(trade); !ok || tr.Trade != trades || tr.N != n {
			t.Fatalf("event %d: got %+v, want trade %d", n, e.also, trades)
		}
	}
	if len(names) != symbols || trades != 200 {
		t.Errorf("got %d symbols and %d trades, want %d and 200", len(names), trades, symbols)
	}
}

func TestForgeEndsItsBuilds(t *testing.T) {
	f := &forge{rnd: source("builds", 3)}
	at := map[int]build{}
	ends := map[string]int{}
	for n := range 2000 {
		e, _ := f.next(n)
		b, ok := e.data.(built)
		if !ok || b.N != n {
			t.Fatalf("event %d: got %+v", n, e.data)
		}
		before, known := at[b.Build]
		switch {
		case !known && (b.Done != 0 || b.Status != "running"), known && (before.Status != "running" || b.Done != before.Done+1):
			t.Fatalf("event %d: got %+v after %+v", n, b.build, before)
		}
		if at[b.Build] = b.build; b.Status != "running" {
			ends[b.Status]++
		}
	}
	if ends["passed"] == 0 || ends["failed"] == 0 {
		t.Errorf("got %v, want some that pass and some that fail", ends)
	}
}

// What the team does makes sense on the board as it is.
func TestTeamKnowsItsBoard(t *testing.T) {
	for seed := range uint32(50) {
		g := &team{rnd: source("board", seed)}
		board := map[string]string{}
		n := 0
		for {
			e, ok := g.next(n)
			if !ok {
				break
			}
			c, is := e.data.(changed)
			_, there := board[c.Card]
			if !is || c.N != n || there == (c.Type == "add") {
				t.Fatalf("seed %d, event %d: got %+v on %v", seed, n, e.data, board)
			}
			switch c.Type {
			case "remove":
				delete(board, c.Card)
			case "move":
				if board[c.Card] == c.Column {
					t.Fatalf("seed %d, event %d: %s is in %s already", seed, n, c.Card, c.Column)
				}
				board[c.Card] = c.Column
			case "add":
				board[c.Card] = c.Column
			}
			n++
		}
		if n != teamAll {
			t.Errorf("seed %d: got %d events, want %d", seed, n, teamAll)
		}
	}
}

func TestNumberOf(t *testing.T) {
	for data, want := range map[string]int{`{"n":0}`: 0, `{"n":12,"x":1}`: 12, `{}`: -1, `{"n":-1}`: -1, `{"n":"1"}`: -1, `[]`: -1, `{"n":50000001}`: -1} {
		n, ok := numberOf(json.RawMessage(data))
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%s: got %d, want %d", data, n, want)
		}
	}
}
