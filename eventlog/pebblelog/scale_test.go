package pebblelog_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
)

// An engine that is closed leaves neither goroutines nor open files.
func TestCloseLeavesNothing(t *testing.T) {
	files := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	dir := t.TempDir()
	once := func() {
		l := eventlog.New(open(t, dir, pebblelog.Options{}))
		put(t, l, "c", "1")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatalf("close again: %v", err)
		}
	}
	once() // Pebble starts some things once.
	goroutines, open := runtime.NumGoroutine(), files()
	for range 5 {
		once()
	}
	deadline := time.After(10 * time.Second)
	for runtime.NumGoroutine() > goroutines || files() > open {
		select {
		case <-deadline:
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines and %d files, at first %d and %d\n%s", runtime.NumGoroutine(), files(),
				goroutines, open, buf[:runtime.Stack(buf, true)])
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Many channels cost little memory, and do not make the store slow to open. Set
// STARLING_SCALE to try with more of them.
func TestManyChannels(t *testing.T) {
	n := 20_000
	if v, err := strconv.Atoi(os.Getenv("STARLING_SCALE")); err == nil {
		n = v
	}
	dir := t.TempDir()
	before := heap()
	e := open(t, dir, pebblelog.Options{CacheChannels: 1000})
	data := []byte(strings.Repeat("x", 100))
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		e.Append(&eventlog.Batch{
			Channel: channelName(i),
			Records: []eventlog.Record{{ID: "id", Time: time.Now().UnixMilli(), Data: data}},
		}, func(_ eventlog.Appended, err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
		if i%5000 == 4999 {
			wg.Wait()
			e.Evict()
		}
	}
	wg.Wait()
	e.Evict()
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	e = open(t, dir, pebblelog.Options{})
	took := time.Since(start)
	t.Logf("%d channels: heap %d KiB, opened in %v", n, (heap()-before)>>10, took)
	if took > 5*time.Second {
		t.Errorf("opening took %v", took)
	}
	if p, err := e.Head(t.Context(), channelName(n-1)); err != nil || p.Offset == 0 {
		t.Errorf("head: got %+v, %v", p, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
