package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

var (
	seeds = flag.Int("seeds", 0, "how many seeds to simulate on each engine; 0 is a few")
	from  = flag.Uint64("seed", 1, "the first seed")
)

// shared is an engine that several hold; who opened it closes it.
type shared struct{ eventlog.Engine }

func (shared) Close() error { return nil }

func count(t *testing.T, few int) int {
	switch {
	case *seeds > 0:
		return *seeds
	case testing.Short():
		return max(1, few/5)
	}
	t.Helper()
	return few
}

func simulate(t *testing.T, few int, run func(t *testing.T, seed uint64) (fails []string, summary string)) {
	for i := range count(t, few) {
		seed := *from + uint64(i)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fails, summary := run(t, seed)
				for _, f := range fails {
					t.Errorf("seed %d: %s", seed, f)
				}
				t.Log(summary)
			})
		})
	}
}

func TestMemory(t *testing.T) {
	simulate(t, 30, func(_ *testing.T, seed uint64) ([]string, string) {
		e := memory.New(memory.Options{Policies: Policies()})
		defer e.Close()
		return Run(Config{Seed: seed, Slots: true, Open: func(int) eventlog.Engine { return shared{e} }})
	})
}

func TestHarsh(t *testing.T) {
	simulate(t, 40, func(_ *testing.T, seed uint64) ([]string, string) {
		inner := memory.New(memory.Options{Policies: Policies()})
		defer inner.Close()
		return Run(Config{Seed: seed, Nodes: 2, Slots: true, Open: func(node int) eventlog.Engine {
			h := logtest.NewHarsh(seed*10+uint64(node+1), inner)
			if node < 0 {
				h.SetRates(logtest.Harshness{})
			}
			return h
		}})
	})
}
