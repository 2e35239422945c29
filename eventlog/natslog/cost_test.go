package natslog_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
	"github.com/starling-rt/starling/internal/procstat"
)

// lazily is how servers sync while they are filled; synced makes them sync every
// message after the next start.
const lazily = "2m"

func synced(t *testing.T, m *natstest.Member) {
	t.Helper()
	name := filepath.Join(m.Dir, "nats.conf")
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(raw), "sync_interval: "+lazily, "sync_interval: always", 1)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// layoutCosts measures what channels and keys cost a server, and returns a table.
func layoutCosts(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| one server with | memory, after a restart | on disk | start after kill -9 | append, p50 / p99 | with a key, p50 / p99 | head, p50 / p99 | read of a record, p50 / p99 | opening the engine |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, channels := range []int{10, 100_000} {
		c := natstest.Start(t, 1, natstest.Options{Sync: lazily})
		o := fresh(c)
		o.Partitions = 8
		e := open(t, o)
		spread(t, e, channels, channels, "")
		b.WriteString(layoutRow(t, fmt.Sprintf("%d channels of one record", channels), c, o, e))
	}
	c := natstest.Start(t, 1, natstest.Options{Sync: lazily})
	o := fresh(c)
	o.Partitions = 8
	e := open(t, o)
	total := 0
	for _, keys := range []int{100_000, 200_000} {
		spread(t, e, keys, 1000, fmt.Sprint("key", keys))
		total += keys
		b.WriteString(layoutRow(t, fmt.Sprintf("%d records with keys in 1000 channels", total), c, o, e))
	}
	return b.String()
}

// spread appends n records to so many channels, with keys that begin with key, if
// it is not "".
func spread(t *testing.T, e *natslog.Engine, n, channels int, key string) {
	t.Helper()
	var wg sync.WaitGroup
	room := make(chan struct{}, 4096)
	for i := range n {
		room <- struct{}{}
		wg.Add(1)
		b := &eventlog.Batch{
			Channel: benchChannel(i % channels),
			Records: []eventlog.Record{{ID: "AZqlMEbeO0lHC1HZ7ZkT", User: "user-1", Data: make([]byte, 200), Time: time.Now().UnixMilli()}},
		}
		if key != "" {
			b.DedupKey, b.Hash = fmt.Sprint("user-1\x00", key, i), 1
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

func benchChannel(i int) string { return fmt.Sprintf("bench:channel-%07d", i) }

func layoutRow(t *testing.T, what string, c *natstest.Cluster, o natslog.Options, e *natslog.Engine) string {
	m := c.Members[0]
	synced(t, m)
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
	memory, err := procstat.Resident(m.PID())
	if err != nil {
		t.Fatal(err)
	}
	disk := onDisk(t, m.Dir)
	l := eventlog.New(e)
	i := 0
	calls := func(call func(channel string) error) string {
		p50, p99 := benchCalls(t, func() error {
			i++
			return call(benchChannel(i % 10))
		})
		return fmt.Sprintf("%s / %s", p50, p99)
	}
	head := calls(func(channel string) error { _, err := l.Head(t.Context(), channel); return err })
	read := calls(func(channel string) error {
		_, err := l.Read(t.Context(), channel, 0, eventlog.Limit{Records: 1})
		return err
	})
	plain := calls(func(channel string) error { _, err := l.Append(t.Context(), entry(channel, "", "x")); return err })
	keyed := calls(func(channel string) error {
		_, err := l.Append(t.Context(), entry(channel, fmt.Sprint("row", i), "x"))
		return err
	})
	return fmt.Sprintf("| %s | %d MB | %d MB | %v | %s | %s | %s | %s | %v |\n", what, memory>>20, disk>>20,
		restart.Round(10*time.Millisecond), plain, keyed, head, read, opening.Round(time.Millisecond))
}

const (
	coldRecords  = 300_000
	coldChannels = 3000
	coldAgain    = 20
)

// coldReads measures reads of channels that have little in a long stream, without
// and with a cache, and returns a table.
func coldReads(t *testing.T) string {
	c := natstest.Start(t, 1, natstest.Options{Sync: lazily})
	o := fresh(c)
	o.Partitions = 1
	plain := open(t, o)
	spread(t, plain, coldRecords, coldChannels, "")
	o.CacheDir = t.TempDir()
	cached := open(t, o)
	var b strings.Builder
	fmt.Fprintf(&b, "| 100 records of one of %d channels, in a stream of %d | p50 / p99 | CPU of the server, each | CPU of the node, each |\n|---|--:|--:|--:|\n", coldChannels, coldRecords)
	for _, row := range []struct {
		what   string
		e      *natslog.Engine
		among  int // channels
		before bool
	}{
		{"without a cache, oldest first", plain, coldChannels, false},
		{"without a cache, the newest", plain, coldChannels, true},
		{"with a cache, read for the first time", cached, coldChannels, false},
		{"with a cache, read again", cached, coldAgain, false},
		{"with a cache, the newest, read again", cached, coldAgain, true},
	} {
		if row.among == coldAgain {
			for i := range coldAgain {
				if _, err := cached.Read(t.Context(), benchChannel(i), 0, eventlog.Limit{Records: 100}); err != nil {
					t.Fatal(err)
				}
			}
		}
		server, self := cpuOf(t, c.Members[0].PID()), cpuOf(t, os.Getpid())
		i := 0
		p50, p99 := benchCalls(t, func() error {
			channel := benchChannel(i % row.among)
			i++
			read := row.e.Read
			if row.before {
				read = row.e.ReadBefore
			}
			p, err := read(t.Context(), channel, 0, eventlog.Limit{Records: 100})
			if err == nil && len(p.Records) != 100 {
				err = fmt.Errorf("%d records", len(p.Records))
			}
			return err
		})
		each := func(d time.Duration) time.Duration { return (d / time.Duration(i)).Round(10 * time.Microsecond) }
		fmt.Fprintf(&b, "| %s | %s / %s | %v | %v |\n", row.what, p50, p99, each(cpuOf(t, c.Members[0].PID())-server), each(cpuOf(t, os.Getpid())-self))
	}
	return b.String()
}

// cpuOf returns the CPU time that a process has used.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	used, err := procstat.CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	return used
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
