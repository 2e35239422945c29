package natslog_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
)

// layoutCosts measures what channels and keys cost a server, and returns a table.
func layoutCosts(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| one server with | memory, after a restart | on disk | start after kill -9 | head, p50 / p99 | opening the engine |\n|---|--:|--:|--:|--:|--:|\n")
	for _, channels := range []int{10, 100_000} {
		c := natstest.Start(t, 1, natstest.Options{})
		o := fresh(c)
		o.Partitions = 8
		e := open(t, o)
		spread(t, e, channels, false)
		b.WriteString(layoutRow(t, fmt.Sprintf("%d channels of one record", channels), c, o, e))
		if channels > 10 {
			spread(t, e, channels, true)
			b.WriteString(layoutRow(t, fmt.Sprintf("and %d keys", channels), c, o, e))
		}
	}
	return b.String()
}

// spread appends one record to each of n channels.
func spread(t *testing.T, e *natslog.Engine, n int, keyed bool) {
	var wg sync.WaitGroup
	room := make(chan struct{}, 4096)
	for i := range n {
		room <- struct{}{}
		wg.Add(1)
		b := &eventlog.Batch{
			Channel: fmt.Sprintf("bench:channel-%07d", i),
			Records: []eventlog.Record{{ID: "AZqlMEbeO0lHC1HZ7ZkT", User: "user-1", Data: make([]byte, 200), Time: time.Now().UnixMilli()}},
		}
		if keyed {
			b.DedupKey, b.Hash = "user-1\x00key", 1
		}
		e.Append(b, func(_ eventlog.Appended, err error) {
			if err != nil {
				t.Error(err)
			}
			<-room
			wg.Done()
		})
	}
	wg.Wait()
}

func layoutRow(t *testing.T, what string, c *natstest.Cluster, o natslog.Options, e *natslog.Engine) string {
	m := c.Members[0]
	l := eventlog.New(e)
	i := 0
	p50, p99 := benchCalls(t, func() error {
		i++
		_, err := l.Head(t.Context(), fmt.Sprintf("bench:channel-%07d", i%10))
		return err
	})
	m.Restart()
	start := time.Now()
	if err := c.WaitReady(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	restart := time.Since(start)
	start = time.Now()
	open(t, o)
	opening := time.Since(start)
	eventually(t, time.Minute, "the engine is connected again", func() bool { return e.Health(t.Context()) == nil })
	return fmt.Sprintf("| %s | %d MB | %d MB | %v | %s / %s | %v |\n", what, resident(t, m.PID())>>20, onDisk(t, m.Dir)>>20,
		restart.Round(10*time.Millisecond), p50, p99, opening.Round(time.Millisecond))
}

// resident returns how many bytes of memory a process has.
func resident(t *testing.T, pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func onDisk(t *testing.T, dir string) (bytes int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
