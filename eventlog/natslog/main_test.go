package natslog_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
)

// one is the server of all tests that do it no harm.
var one *natstest.Cluster

func TestMain(m *testing.M) {
	if urls := os.Getenv(ownerVariable); urls != "" {
		ownerProcess(urls)
		return
	}
	c, stop, err := natstest.StartMain(1, natstest.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	one = c
	code := m.Run()
	stop()
	os.Exit(code)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

var prefixes atomic.Int64

// fresh returns options for a log of its own on a cluster.
func fresh(c *natstest.Cluster) natslog.Options {
	return natslog.Options{
		URLs: strings.Split(c.URLs(), ","), Prefix: fmt.Sprint("t", prefixes.Add(1)),
		Partitions: 2, Logger: quiet(),
	}
}

func open(t testing.TB, o natslog.Options) *natslog.Engine {
	t.Helper()
	e, err := natslog.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

// harness opens engines on a cluster. A test that needs servers that crash gets one
// of its own.
func harness(c *natstest.Cluster, cached bool) logtest.Harness {
	var own sync.Map // engine → its server
	return logtest.Harness{
		Open: func(t testing.TB, p eventlog.Policies) eventlog.Engine {
			on := c
			if strings.Contains(t.Name(), "crash") && len(c.Members) == 1 {
				on = natstest.Start(t, 1, natstest.Options{})
			}
			o := fresh(on)
			o.Policies = p
			if cached {
				o.CacheDir = t.TempDir()
			}
			e := open(t, o)
			own.Store(e, on)
			return e
		},
		Reopen: func(t testing.TB, e eventlog.Engine) eventlog.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, natslog.OptionsOf(e.(*natslog.Engine)))
		},
		Crash: func(t testing.TB, e eventlog.Engine) eventlog.Engine {
			on, _ := own.Load(e)
			server := on.(*natstest.Cluster)
			server.Members[0].Kill()
			server.Members[0].Restart()
			if err := server.WaitReady(30 * time.Second); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			next := open(t, natslog.OptionsOf(e.(*natslog.Engine)))
			own.Store(next, server)
			return next
		},
		KeepsUnsynced: true,
	}
}

// On one server, which some of the tests kill.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("with the cache it is run all the same")
	}
	logtest.Run(t, harness(one, false))
}

// The same with a cache for what is read.
func TestConformanceWithCache(t *testing.T) { logtest.Run(t, harness(one, true)) }

// On three servers, of which any may answer a read.
func TestConformanceOfACluster(t *testing.T) {
	if !soak {
		t.Skip("for make soak")
	}
	h := harness(natstest.Start(t, 3, natstest.Options{}), true)
	h.Crash = nil
	logtest.Run(t, h)
}
