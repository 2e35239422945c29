package clustertest_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/bench"
	"github.com/starling-rt/starling/internal/benchdoc"
	"github.com/starling-rt/starling/internal/clustertest"
)

// Nodes are measured in turn, so that what else the machine does is shared by all,
// and of each figure the median of the rounds is taken.
const (
	benchRounds = 5
	benchRound  = 3 * time.Second
)

// TestBenchTable measures nodes on several servers against a single one, and writes
// the result into the file that NATS_BENCH names: see make nats-bench.
func TestBenchTable(t *testing.T) {
	file := os.Getenv("NATS_BENCH")
	if file == "" {
		t.Skip("for make nats-bench")
	}
	names := []string{"one node, embedded", "one node, one NATS server", "three nodes, one NATS server", "three nodes, three NATS servers"}
	clusters := []*clustertest.Cluster{
		clustertest.Start(t, clustertest.Options{Embedded: true}),
		clustertest.Start(t, clustertest.Options{Nodes: 1, Servers: 1}),
		clustertest.Start(t, clustertest.Options{Nodes: 3, Servers: 1}),
		clustertest.Start(t, clustertest.Options{Nodes: 3, Servers: 3}),
	}
	seen := make([]map[string][]float64, len(clusters))
	var rows []bench.Figure
	for range benchRounds {
		for i, c := range clusters {
			n := bench.Nodes{CPU: c.CPU}
			for _, node := range c.Nodes {
				n.URLs = append(n.URLs, node.URL)
			}
			figures, err := bench.Across(t.Context(), n, bench.Options{Duration: benchRound})
			if err != nil {
				t.Fatalf("%s: %v", names[i], err)
			}
			if seen[i] == nil {
				seen[i] = map[string][]float64{}
			}
			for _, f := range figures {
				seen[i][f.Name] = append(seen[i][f.Name], f.Value)
			}
			rows = figures
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s with `make nats-bench`: %d cores, %s, %s/%s, all processes and clients on the one machine,\n"+
		"nats-server with `sync_interval: always`. Median of %d rounds of %v each, in turn; × is the ratio to the first column.\n\n",
		time.Now().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, benchRounds, benchRound)
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("--:|", len(names)))
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s |", row.Name)
		first := median(seen[0][row.Name])
		for i := range clusters {
			m := median(seen[i][row.Name])
			digits := 2
			if m >= 100 {
				digits = 0
			}
			fmt.Fprintf(&b, " %.*f %s", digits, m, row.Unit)
			if i > 0 {
				fmt.Fprintf(&b, " (%.2g ×)", m/first)
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	if err := benchdoc.Replace(file, "nodes", []byte(b.String())); err != nil {
		t.Fatal(err)
	}
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
