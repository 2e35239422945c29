package sim

import (
	"flag"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/eventlog/pebblelog"
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
		return max(1, few/20)
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
	simulate(t, 100, func(_ *testing.T, seed uint64) ([]string, string) {
		e := memory.New(memory.Options{Policies: Policies()})
		defer e.Close()
		return Run(Config{Seed: seed, Slots: true, Open: func(int) eventlog.Engine { return shared{e} }})
	})
}

func TestHarsh(t *testing.T) {
	simulate(t, 100, func(_ *testing.T, seed uint64) ([]string, string) {
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

func TestPebble(t *testing.T) {
	simulate(t, 100, func(t *testing.T, seed uint64) ([]string, string) {
		// The file system is in memory, and loses nothing: power cuts are tested
		// where the engine is.
		fs := vfs.NewMem()
		var open eventlog.Engine
		defer func() { _ = open.Close() }() // what it holds was read
		return Run(Config{Seed: seed, Reopen: true, Open: func(node int) eventlog.Engine {
			if node < 0 {
				return shared{open}
			}
			e, err := pebblelog.Open("data", pebblelog.Options{FS: fs, Policies: Policies(), Logger: slog.New(slog.DiscardHandler), MinFreeBytes: -1})
			if err != nil {
				t.Fatal(err)
			}
			open = e
			return e
		}})
	})
}
