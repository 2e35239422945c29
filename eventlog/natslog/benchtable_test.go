package natslog_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/benchdoc"
	"github.com/starling-rt/starling/internal/natstest"
)

const (
	benchTime     = 2 * time.Second
	benchChannels = 10_000
)

// TestBenchTable measures, and writes the result into the file that NATS_BENCH
// names: see make nats-bench.
func TestBenchTable(t *testing.T) {
	file := os.Getenv("NATS_BENCH")
	if file == "" {
		t.Skip("for make nats-bench")
	}
	columns := [][]string{}
	var rows []string
	for _, servers := range []int{1, 3} {
		names, values := benchColumn(t, servers)
		rows, columns = names, append(columns, values)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s with `make nats-bench`: %d cores, %s, %s/%s, nats-server with `sync_interval: always`, all processes\n"+
		"on the one machine, records of 200 bytes spread over %d channels in 8 partitions, %v each.\n\n",
		time.Now().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, benchChannels, benchTime)
	b.WriteString("| | one server | three servers |\n|---|--:|--:|\n")
	for i, name := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, columns[0][i], columns[1][i])
	}
	b.WriteString("\n" + layoutCosts(t))
	b.WriteString("\n" + coldReads(t))
	if err := benchdoc.Replace(file, "nats", []byte(b.String())); err != nil {
		t.Fatal(err)
	}
}

func benchColumn(t *testing.T, servers int) (names, values []string) {
	o := fresh(natstest.Start(t, servers, natstest.Options{}))
	o.Partitions = 8
	e := open(t, o)
	add := func(name, value string) { names, values = append(names, name), append(values, value) }
	for _, keyed := range []bool{false, true} {
		for _, n := range []int{1, 16, 256} {
			what := fmt.Sprintf("appends, %d in flight", n)
			if keyed {
				what = fmt.Sprintf("appends with a key, %d in flight", n)
			}
			add(what, fmt.Sprintf("%.0f /s", benchAppend(t, e, n, keyed)))
		}
	}
	l := eventlog.New(e)
	for range 200 {
		put(t, l, "bench/read", "", strings.Repeat("x", 200))
		benchBetween(t, e)
	}
	head, err := l.Head(t.Context(), "bench/read")
	if err != nil {
		t.Fatal(err)
	}
	p50, p99 := benchCalls(t, func() error { _, err := l.Head(t.Context(), "bench/read"); return err })
	add("head, p50 / p99", fmt.Sprintf("%s / %s", p50, p99))
	p50, p99 = benchCalls(t, func() error {
		p, err := l.Read(t.Context(), "bench/read", 0, eventlog.Limit{Records: 100})
		if err == nil && len(p.Records) != 100 {
			err = fmt.Errorf("%d records", len(p.Records))
		}
		return err
	})
	add("read of 100 records, p50 / p99", fmt.Sprintf("%s / %s", p50, p99))
	p50, p99 = benchCalls(t, func() error {
		_, err := l.ReadBefore(t.Context(), "bench/read", 0, eventlog.Limit{Records: 100})
		return err
	})
	add("read of the newest 100, p50 / p99", fmt.Sprintf("%s / %s", p50, p99))
	p50, p99 = benchCalls(t, func() error {
		stop, err := l.Watch("bench/read", &lives{})
		if err != nil {
			return err
		}
		defer stop()
		_, err = l.Read(t.Context(), "bench/read", head.Offset, eventlog.Limit{})
		return err
	})
	add("join of a channel, nothing missed, p50 / p99", fmt.Sprintf("%s / %s", p50, p99))
	return names, values
}

// benchBetween puts other channels' records between those of one.
func benchBetween(t *testing.T, e *natslog.Engine) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Add(1)
		eventlog.New(e).AppendAsync(entry(fmt.Sprint("bench/other", i), "", "x"), func(_ eventlog.Appended, err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
	}
	wg.Wait()
}

func benchAppend(t *testing.T, e *natslog.Engine, n int, keyed bool) (perSecond float64) {
	data := make([]byte, 200)
	var next, stored atomic.Int64
	start := time.Now()
	var wg sync.WaitGroup
	for range n {
		wg.Add(1)
		var send func()
		send = func() {
			if time.Since(start) > benchTime {
				wg.Done()
				return
			}
			i := next.Add(1)
			b := &eventlog.Batch{
				Channel: fmt.Sprint("bench/", uint64(i)*2654435761%benchChannels),
				Records: []eventlog.Record{{ID: "AZqlMEbeO0lHC1HZ7ZkT", User: "user-1", Data: data, Time: start.UnixMilli()}},
			}
			if keyed {
				b.DedupKey, b.Hash = fmt.Sprintf("user-1\x00key-%d-%d", n, i), uint64(i)
			}
			e.Append(b, func(_ eventlog.Appended, err error) {
				if err != nil {
					t.Error(err)
					wg.Done()
					return
				}
				stored.Add(1)
				send()
			})
		}
		send()
	}
	wg.Wait()
	return float64(stored.Load()) / time.Since(start).Seconds()
}

func benchCalls(t *testing.T, call func() error) (p50, p99 time.Duration) {
	var took []time.Duration
	for start := time.Now(); time.Since(start) < benchTime; {
		before := time.Now()
		if err := call(); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(before))
	}
	slices.Sort(took)
	return took[len(took)/2].Round(10 * time.Microsecond), took[len(took)*99/100].Round(10 * time.Microsecond)
}
