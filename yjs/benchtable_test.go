package yjs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/benchdoc"
)

// A benchRow is one line of the table: what npm yjs and this package do with the
// same data.
type benchRow struct {
	what string
	js   string // scenario of bench.mjs; "" when Yjs does not finish
	goal string
	run  func(t *testing.T) figures
}

// best is the shortest time of n runs of what prepare returns: what else the machine
// does only makes times longer.
func best(n int, prepare func() func()) figures {
	return figures{MS: slices.Min(runs(n, prepare))}
}

// median is the time in the middle: with npm yjs's first runs in a process, what a
// server has when it has just started.
func median(n int, prepare func() func()) figures {
	t := runs(n, prepare)
	slices.Sort(t)
	return figures{MS: t[n/2]}
}

func runs(n int, prepare func() func()) []float64 {
	t := make([]float64, n)
	for i := range t {
		f := prepare()
		runtime.GC()
		start := time.Now()
		f()
		t[i] = float64(time.Since(start).Nanoseconds()) / 1e6
	}
	return t
}

// measured measures a row; of percentiles it takes the lowest of three runs.
func measured(run func() figures) figures {
	f := run()
	for n := 2; n > 0 && f.P50 > 0; n-- {
		g := run()
		f = figures{P50: min(f.P50, g.P50), P99: min(f.P99, g.P99), P999: min(f.P999, g.P999), Max: min(f.Max, g.Max)}
	}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func b4Rows() []benchRow {
	type of func(n int, prepare func() func()) figures
	load := func(name string, v2 bool, of of, n int) func(t *testing.T) figures {
		return func(t *testing.T) figures {
			u := benchFile(t, name)
			return of(n, func() func() {
				return func() {
					d := New(Options{})
					_, err := d.apply(u, nil, v2)
					must(t, err)
					_ = d.Text("text").String()
				}
			})
		}
	}
	onUpdate := func(f func([]byte) error) func(t *testing.T) figures {
		return func(t *testing.T) figures {
			u := benchFile(t, "b4.v1.bin")
			return best(15, func() func() { return func() { must(t, f(u)) } })
		}
	}
	return []benchRow{
		{"B4: apply 259,778 single updates, with the bytes to broadcast", "apply", "≥ 15 ×", func(t *testing.T) figures {
			list := split32(benchFile(t, "b4.updates.bin"))
			return best(5, func() func() { return func() { applyAll(t, New(Options{}), list) } })
		}},
		{"B4: load from v1, and the text: median of the first nine", "startv1", "≥ 10 ×", load("b4.v1.bin", false, median, 9)},
		{"B4: load from v2, and the text: median of the first nine", "startv2", "≥ 10 ×", load("b4.v2.bin", true, median, 9)},
		{"B4: load from v1, and the text: best", "loadv1", "≤ 3 ms", load("b4.v1.bin", false, best, 15)},
		{"B4: load from v2, and the text: best", "loadv2", "≤ 3 ms", load("b4.v2.bin", true, best, 15)},
		{"B4: encode v1", "encodev1", "", func(t *testing.T) figures {
			d := loaded(t, benchFile(t, "b4.v1.bin"))
			return best(15, func() func() { return func() { d.Encode(nil) } })
		}},
		{"B4: encode v2", "encodev2", "", func(t *testing.T) figures {
			d := loaded(t, benchFile(t, "b4.v1.bin"))
			return best(15, func() func() { return func() { d.EncodeV2(nil) } })
		}},
		{"B4: memory of the loaded document", "memory", "≤ 0.45 ×", func(t *testing.T) figures {
			u := benchFile(t, "b4.v1.bin")
			return figures{Bytes: heap(10, func() *Doc { return loaded(t, u) })}
		}},
		{"memory of a document that says “hi”", "tiny", "≤ 1.5 KB", func(*testing.T) figures {
			return figures{Bytes: heap(20000, func() *Doc {
				d := New(Options{})
				d.Text("t").Insert(0, "hi")
				return d
			})}
		}},
		{"B4: type it, one transaction an edit, with the bytes to broadcast", "local", "≤ 150 ms", func(t *testing.T) figures {
			edits := b4Trace(t)
			return best(5, func() func() { return func() { replay(t, edits) } })
		}},
		{"diff of B4 against its first 1,000 updates", "diff", "", func(t *testing.T) figures {
			u := benchFile(t, "b4.v1.bin")
			first, err := MergeUpdates(split32(benchFile(t, "b4.updates.bin"))[:1000])
			must(t, err)
			sv := loaded(t, first).StateVector()
			return best(15, func() func() { return func() { DiffUpdate(u, sv) } })
		}},
		{"state vector of the B4 update", "svfrom", "", onUpdate(func(u []byte) error { _, err := StateVectorFromUpdate(u); return err })},
		{"convert B4 from v1 to v2", "convert", "", onUpdate(func(u []byte) error { _, err := ConvertV1ToV2(u); return err })},
	}
}

func mergeRow(n int, js, goal string) benchRow {
	return benchRow{fmt.Sprintf("merge %d single updates", n), js, goal, func(t *testing.T) figures {
		list := split32(benchFile(t, "b4.updates.bin"))[:n]
		return best(5, func() func() {
			return func() {
				_, err := MergeUpdates(list)
				must(t, err)
			}
		})
	}}
}

func concurrentRows() (rows []benchRow) {
	for _, shape := range []string{"append", "burst", "random", "prepend8k"} {
		what := fmt.Sprintf("100,000 + 100,000 concurrent characters, %s: merge at once", shape)
		if shape == "prepend8k" {
			what = "8,000 + 8,000 characters, each typed before the last: merge at once"
		}
		rows = append(rows, benchRow{what, "bulk:" + shape, "", func(t *testing.T) figures {
			x, y := benchFile(t, "conc_"+shape+"_a.bin"), benchFile(t, "conc_"+shape+"_b.bin")
			return best(5, func() func() {
				d := loaded(t, x)
				return func() { applyAll(t, d, [][]byte{y}) }
			})
		}})
	}
	for _, shape := range []string{"append", "burst", "random"} {
		rows = append(rows, benchRow{
			fmt.Sprintf("%s: the other's 100,000 updates, one by one", shape), "single:" + shape, "p99.9 < 500 µs",
			func(t *testing.T) figures {
				d := loaded(t, benchFile(t, "conc_"+shape+"_a.bin"))
				list := split32(benchFile(t, "conc_"+shape+"_b.updates.bin"))
				return eachTimed(len(list), func(i int) { d.Apply(list[i], nil) })
			},
		})
	}
	for _, shape := range []string{"append", "burst", "random"} {
		rows = append(rows, benchRow{
			fmt.Sprintf("%s: 5,000 remote inserts into the merged 200,000", shape), "remote:" + shape, "p99.9 < 500 µs",
			func(t *testing.T) figures {
				x, y := benchFile(t, "conc_"+shape+"_a.bin"), benchFile(t, "conc_"+shape+"_b.bin")
				d, e := loaded(t, x, y), loaded(t, x, y)
				var list [][]byte
				e.OnUpdate(func(u *Update) { list = append(list, u.V1()) })
				r := rand.New(rand.NewPCG(1, 1))
				for range 5000 {
					must(t, e.Text("t").Insert(r.IntN(e.Text("t").Len()), "x"))
				}
				return eachTimed(len(list), func(i int) { d.Apply(list[i], nil) })
			},
		})
	}
	return append(rows, benchRow{"random: 5,000 local inserts into the merged 200,000", "localrandom", "p99 ≤ 20 µs", func(t *testing.T) figures {
		d := loaded(t, benchFile(t, "conc_random_a.bin"), benchFile(t, "conc_random_b.bin"))
		x := d.Text("t")
		r := rand.New(rand.NewPCG(1, 1))
		return eachTimed(5000, func(int) { must(t, x.Insert(r.IntN(x.Len()), "x")) })
	}}, benchRow{"remote formatting of 108,000 characters with 10,000 marks", "format", "p99 ≤ 50 µs", func(t *testing.T) figures {
		doc, list := richUpdates(t, 1000)
		d := loaded(t, doc)
		return eachTimed(len(list), func(i int) { d.Apply(list[i], nil) })
	}})
}

func ownRows() []benchRow {
	return []benchRow{
		mergeRow(1000, "merge:1000", ""),
		mergeRow(10000, "merge:10000", "≤ 6 ms"),
		mergeRow(259778, "", "≤ 250 ms"),
		{"20,000 + 20,000 typed before the last: merge at once", "", "< 1 s", func(t *testing.T) figures {
			x, y := prepends(t, 20000)
			return best(5, func() func() {
				d := loaded(t, x)
				return func() { applyAll(t, d, [][]byte{y}) }
			})
		}},
		{"100,000 + 100,000 typed before the last: merge at once", "", "< 2 s", func(t *testing.T) figures {
			x, y := prepends(t, 100000)
			return best(5, func() func() {
				d := loaded(t, x)
				return func() { applyAll(t, d, [][]byte{y}) }
			})
		}},
		{"two who type in turn, a text each: 80,000 updates, one by one", "turns:40000", "", func(t *testing.T) figures {
			list := inTurn(t, 40000)
			return best(3, func() func() { return func() { applyAll(t, New(Options{}), list) } })
		}},
		{"a map of two keys set in turn 200,000 times: memory", "maps:200000", "≤ 30 B each", func(t *testing.T) figures {
			u := tombstones(t, 200000)
			return figures{Bytes: heap(2, func() *Doc { return loaded(t, u) })}
		}},
	}
}

func (f figures) String() string {
	switch {
	case f.Bytes >= 100000:
		return fmt.Sprintf("%.2f MB", f.Bytes/1e6)
	case f.Bytes > 0:
		return fmt.Sprintf("%.0f B", f.Bytes)
	case f.MS > 0:
		return round(f.MS) + " ms"
	}
	return fmt.Sprintf("%s / %s / %s / %s µs", round(f.P50), round(f.P99), round(f.P999), round(f.Max))
}

// ratio is how many times less this package takes, or the share of the memory.
func ratio(js, ours figures) string {
	switch {
	case ours.Bytes > 0:
		return fmt.Sprintf("%.2f ×", ours.Bytes/js.Bytes)
	case ours.MS > 0:
		return round(js.MS/ours.MS) + " × faster"
	}
	return "p99.9 " + round(js.P999/ours.P999) + " × faster"
}

// round gives three digits, or all before the point.
func round(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// TestBenchTable measures npm yjs and this package in turn on the same data and
// writes the table into docs/benchmarks.md. It runs when YJS_BENCH is set.
func TestBenchTable(t *testing.T) {
	if os.Getenv("YJS_BENCH") == "" {
		t.Skip("set YJS_BENCH to measure")
	}
	dir, err := filepath.Abs(dataDir())
	must(t, err)
	if dataDir() == "" {
		t.Skip("the large data is not here: set STARLING_TESTDATA to its directory")
	}
	startPeer(t) // skips without npm yjs
	runtime.GOMAXPROCS(1)
	var out bytes.Buffer
	fmt.Fprintf(&out, "`make yjs-bench`, %s, %s, node %s, yjs 13.6.33. Four figures are p50 / p99 / p99.9 / max of one call.\n", cpuName(), runtime.Version(), nodeVersion())
	fmt.Fprintf(&out, "Both sides run in turn, on one thread: times are the best of several runs, but where the median is named. npm yjs's first loads in a process\ntake longest, as V8 compiles meanwhile.\n\n")
	fmt.Fprintf(&out, "| what | npm yjs | this package | ratio | goal |\n|---|--:|--:|--:|---|\n")
	for _, row := range slices.Concat(b4Rows(), concurrentRows(), ownRows()) {
		var js figures
		theirs, times := "–", ""
		if row.js != "" {
			js = measured(func() figures { return scenario(t, row.js, dir) })
			theirs = js.String()
		}
		ours := measured(func() figures {
			runtime.GC()
			return row.run(t)
		})
		if row.js != "" {
			times = ratio(js, ours)
		}
		line := fmt.Sprintf("| %s | %s | %s | %s | %s |\n", row.what, theirs, ours, times, row.goal)
		t.Log(line)
		out.WriteString(line)
	}
	must(t, benchdoc.Replace("../docs/benchmarks.md", "yjs", append(out.Bytes(), notes...)))
}

// scenario runs one measurement of npm yjs.
func scenario(t *testing.T, name, dir string) (f figures) {
	cmd := exec.Command("node", "--expose-gc", "bench.mjs", name, dir)
	cmd.Dir = "testdata/js"
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	must(t, err)
	must(t, json.Unmarshal(b, &f))
	return f
}

// notes stand below the table.
const notes = `
Merging 259,778 updates takes npm yjs hours: its time grows with the square (30,000: 14 s of CPU).
B4 is the automerge-paper trace (259,778 edits, 104,852 characters left).
`

func nodeVersion() string {
	b, _ := exec.Command("node", "--version").Output()
	return string(bytes.TrimSpace(b))
}

func cpuName() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, ok := bytes.Cut(b, []byte("model name\t: "))
	if !ok {
		return runtime.GOARCH
	}
	name, _, _ := bytes.Cut(rest, []byte("\n"))
	return fmt.Sprintf("%s (%d CPUs)", name, runtime.NumCPU())
}
