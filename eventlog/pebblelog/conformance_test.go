package pebblelog_test

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/pebblelog"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t testing.TB, dir string, o pebblelog.Options) *pebblelog.Engine {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet()
	}
	e, err := pebblelog.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// On the file system of the machine.
func TestConformance(t *testing.T) {
	var dirs sync.Map
	logtest.Run(t, logtest.Harness{
		Open: func(t testing.TB, p eventlog.Policies) eventlog.Engine {
			dir := t.TempDir()
			e := open(t, dir, pebblelog.Options{Policies: p})
			dirs.Store(e, dir)
			return e
		},
		Reopen: func(t testing.TB, e eventlog.Engine) eventlog.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			dir, _ := dirs.Load(e)
			next := open(t, dir.(string), pebblelog.Options{Policies: logtest.Policies})
			dirs.Store(next, dir)
			return next
		},
	})
}

// On a file system that loses what was not synced.
func TestConformanceOverPowerCuts(t *testing.T) {
	var disks sync.Map
	logtest.Run(t, logtest.Harness{
		Open: func(t testing.TB, p eventlog.Policies) eventlog.Engine {
			fs := vfs.NewCrashableMem()
			e := open(t, "log", pebblelog.Options{Policies: p, FS: fs})
			disks.Store(e, fs)
			return e
		},
		Crash: func(t testing.TB, e eventlog.Engine) eventlog.Engine {
			disk, _ := disks.Load(e)
			after := disk.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 1)),
			})
			// What the engine does now reaches the disk that is gone.
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			next := open(t, "log", pebblelog.Options{Policies: logtest.Policies, FS: after})
			disks.Store(next, after)
			return next
		},
	})
}
