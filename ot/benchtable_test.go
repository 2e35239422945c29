//go:build unix

package ot_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/benchdoc"
)

// cpu returns the CPU time that this process has used, that of the collector too. On a
// machine that is shared, the clock on the wall tells what the others do.
func cpu(tb testing.TB) time.Duration {
	var u syscall.Rusage
	check(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure returns the nanoseconds of CPU time of one call: the best of several parts
// of the time.
func measure(tb testing.TB, f func(i int), limit time.Duration) float64 {
	n := 0
	for ; n < 2000; n++ {
		f(n)
	}
	best := math.Inf(1)
	for range 8 {
		from, start := n, cpu(tb)
		for cpu(tb)-start < limit/8 {
			for range 100 {
				f(n)
				n++
			}
		}
		best = min(best, float64((cpu(tb)-start).Nanoseconds())/float64(n-from))
	}
	return best
}

// TestBenchTable measures the npm packages and this one in turn, twice each, and
// writes the better of each with ratios into the file that OT_BENCH names.
func TestBenchTable(t *testing.T) {
	file := os.Getenv("OT_BENCH")
	if file == "" {
		t.Skip("only for make ot-bench, which sets OT_BENCH")
	}
	npm, own := map[string]float64{}, map[string]float64{}
	for range 2 {
		cmd := exec.Command("node", "bench.mjs")
		cmd.Dir = "testdata/js"
		cmd.Env = append(os.Environ(), "MS=600")
		cmd.Stderr = os.Stderr
		data, err := cmd.Output()
		check(t, err)
		var got map[string]float64
		check(t, json.Unmarshal(data, &got))
		for k, v := range got {
			if old, ok := npm[k]; !ok || v < old {
				npm[k] = v
			}
		}
		for _, r := range rows() {
			runtime.GC()
			v := measure(t, r.make(t), 600*time.Millisecond)
			if old, ok := own[r.title]; !ok || v < old {
				own[r.title] = v
			}
		}
	}
	text := benchTable(npm, own)
	t.Log("\n" + text)
	check(t, benchdoc.Replace(file, "ot", []byte(text)))
}

func benchTable(npm, own map[string]float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "`make ot-bench` (%s, %s/%s, %d CPUs, shared with other work). The npm packages and package `ot` run in turn, twice;\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	b.WriteString("figures are CPU time, the best eighth of it. Allocations: `go test -run XXX -bench OT ./ot`.\n\n")
	b.WriteString("| what | npm | `ot` | per second | ratio |\n|---|--:|--:|--:|--:|\n")
	for _, r := range rows() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.0f× |\n", r.title, duration(npm[r.npm]), duration(own[r.title]), thousands(1e9/own[r.title]), npm[r.npm]/own[r.title])
	}
	b.WriteString(`
ShareDB 7 runs in one process on its memory database over its in-process stream; each client awaits its submission.
The rows beside it have each operation made by a ` + "`Client`" + `, written as JSON, read and ordered by a ` + "`Server`" + `, written and
read again, and taken in by every client; "server alone" leaves out the clients, and compares with the same figure of
ShareDB.
`)
	return b.String()
}

func duration(ns float64) string {
	switch {
	case ns < 1000:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	}
	return fmt.Sprintf("%.3g ms", ns/1e6)
}

func thousands(n float64) string {
	s := fmt.Sprint(int(n))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
