package pebblelog_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/pebblelog"
)

// victimDir is where the process under test is told its directory.
const victimDir = "STARLING_TEST_VICTIM_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

// victim appends until it is killed, and says what was acknowledged.
func victim(dir string) {
	e, err := pebblelog.Open(dir, pebblelog.Options{Policies: unbounded, Logger: quiet()})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	l := eventlog.New(e)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			channel := fmt.Sprint("c", w%5)
			for i := 0; ; i++ {
				data := fmt.Sprint(os.Getpid(), "-", w, "-", i)
				a := text(channel, data)
				a.Key = data
				if i%10 == 0 {
					a.Channel = "few/" + channel
				}
				got, err := l.Append(context.Background(), a)
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("stored", a.Channel, got.First, data)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// A process that is killed under load, again and again, loses nothing that it
// had acknowledged and stores nothing twice.
func TestKill(t *testing.T) {
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	if n, err := strconv.Atoi(os.Getenv("STARLING_SOAK")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	acknowledged := map[string]map[uint64]string{}
	var epoch uint32
	for round := range rounds {
		killed(t, dir, 1+r.IntN(3000), acknowledged)
		l := eventlog.New(open(t, dir, pebblelog.Options{Policies: unbounded}))
		for c, m := range acknowledged {
			if strings.HasPrefix(c, "few/") {
				continue
			}
			verify(t, l, c, m)
		}
		head, err := l.Head(t.Context(), "c0")
		if err != nil || epoch != 0 && head.Epoch != epoch {
			t.Fatalf("round %d: head %+v, %v, want epoch %d", round, head, err, epoch)
		}
		epoch = head.Epoch
		for offset, data := range acknowledged["c0"] {
			a := text("c0", data)
			a.Key = data
			got, err := l.Append(t.Context(), a)
			if err != nil || !got.Duplicate || got.First != offset {
				t.Fatalf("%q again: got %+v, %v, want a duplicate of %d", data, got, err, offset)
			}
			break
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// unbounded keeps everything, but for the channels of which few are kept.
func unbounded(channel string) eventlog.Policy {
	if strings.HasPrefix(channel, "few/") {
		return logtest.Policies(channel)
	}
	return eventlog.Policy{MaxRecords: -1, MaxBytes: -1}
}

// killed runs a victim, kills it after so many acknowledgments, and adds those
// that it gave.
func killed(t *testing.T, dir string, after int, acknowledged map[string]map[uint64]string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		var channel, data string
		var offset uint64
		if _, err := fmt.Sscanf(lines.Text(), "stored %s %d %s", &channel, &offset, &data); err != nil {
			if n < after {
				t.Fatalf("the victim says %q", lines.Text())
			}
			continue // The line that it was at when it died.
		}
		if acknowledged[channel] == nil {
			acknowledged[channel] = map[uint64]string{}
		}
		acknowledged[channel][offset] = data
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the victim ended by itself")
	}
}
