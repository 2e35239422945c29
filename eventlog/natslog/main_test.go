package natslog_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
)

// one is the server of all tests that do it no harm.
var one *natstest.Cluster

func TestMain(m *testing.M) {
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

// harness opens engines on one server.
func harness(c *natstest.Cluster) logtest.Harness {
	return logtest.Harness{
		Open: func(t testing.TB, p eventlog.Policies) eventlog.Engine {
			o := fresh(c)
			o.Policies = p
			return open(t, o)
		},
		Reopen: func(t testing.TB, e eventlog.Engine) eventlog.Engine {
			o := natslog.OptionsOf(e.(*natslog.Engine))
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, o)
		},
	}
}

func TestConformance(t *testing.T) { logtest.Run(t, harness(one)) }
