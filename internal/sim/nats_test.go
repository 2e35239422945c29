package sim

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
)

// TestNATS simulates two nodes on a NATS server. A server is another process, so
// time is real here, and the misbehaviour is that of the clients and the nodes.
func TestNATS(t *testing.T) {
	server := natstest.Start(t, 1, natstest.Options{})
	for i := range count(t, 1) {
		seed := *from + uint64(i)
		fails, summary := Run(Config{
			Seed: seed, Nodes: 2, Slots: true, Duration: 10 * time.Second,
			Open: func(int) eventlog.Engine {
				e, err := natslog.Open(t.Context(), natslog.Options{
					URLs: strings.Split(server.URLs(), ","), Prefix: fmt.Sprint("sim", seed), Partitions: 2,
					Policies: Policies(), Logger: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = e.Close() }) // closed by the world too
				return e
			},
		})
		for _, f := range fails {
			t.Errorf("seed %d: %s", seed, f)
		}
		t.Logf("seed %d: %s", seed, summary)
	}
}
