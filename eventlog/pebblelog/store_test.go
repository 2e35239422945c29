package pebblelog_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/pebblelog"
)

// wantError fails the test unless an open fails for the reason that is told.
func wantError(t *testing.T, e *pebblelog.Engine, err error, text string) {
	t.Helper()
	if err == nil {
		e.Close()
	}
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("got error %v, want one with %q", err, text)
	}
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, pebblelog.Options{})
	again, err := pebblelog.Open(dir, pebblelog.Options{Logger: quiet()})
	wantError(t, again, err, "another server uses the directory")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir, pebblelog.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenNewerFormat(t *testing.T) {
	fs := vfs.NewMem()
	if err := open(t, "log", pebblelog.Options{FS: fs}).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open("log", &pebble.Options{FS: fs, Logger: silent{}, FormatMajorVersion: pebble.FormatWALSyncChunks})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Set([]byte("s"), binary.AppendUvarint(nil, 99), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := pebblelog.Open("log", pebblelog.Options{FS: fs, Logger: quiet()})
	wantError(t, e, err, "format 99")
}

type silent struct{}

func (silent) Infof(string, ...any)      {}
func (silent) Errorf(string, ...any)     {}
func (silent) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// middle returns where a byte can be damaged: in the data of a record if there is
// one (a log cannot tell a damaged header from what an older log left there), or
// a tenth into the file.
func middle(b []byte) int {
	run := 0
	for i := len(b) / 10; i < len(b); i++ {
		if run++; b[i] < '0' || b[i] > '9' {
			run = 0
		}
		if run == 50 {
			return i - 25
		}
	}
	return len(b) / 10
}

// A byte of what was synced is another: that is told, not papered over.
func TestOpenDamaged(t *testing.T) {
	for _, kind := range []string{"*.log", "*.sst", "MANIFEST-*"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			l := eventlog.New(open(t, dir, pebblelog.Options{}))
			for i := range 1000 {
				put(t, l, "c", strings.Repeat(fmt.Sprint(i), 100))
			}
			crashed := t.TempDir()
			if err := os.CopyFS(filepath.Join(crashed, "log"), os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if kind == "*.log" { // After a clean stop there is nothing in it.
				dir = filepath.Join(crashed, "log")
			}
			names, err := filepath.Glob(filepath.Join(dir, kind))
			if err != nil || len(names) == 0 {
				t.Fatalf("got %v, %v", names, err)
			}
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if len(b) < 20 {
					continue
				}
				b[middle(b)] ^= 0x40
				if err := os.WriteFile(name, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			e, err := pebblelog.Open(dir, pebblelog.Options{Logger: quiet()})
			if err != nil {
				return // Told at once.
			}
			l = eventlog.New(e)
			defer l.Close()
			// Tables are not read when the store is opened.
			p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{Records: 1000})
			if err == nil {
				t.Fatalf("got %d records without an error", len(p.Records))
			}
		})
	}
}

func TestBackupUnderLoad(t *testing.T) {
	dir, backup, restored := t.TempDir(), filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	e := open(t, dir, pebblelog.Options{Policies: policies})
	l := eventlog.New(e)
	defer l.Close()
	rev, err := l.KV().Put(t.Context(), "k", []byte("v"), eventlog.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, l, "unsynced", "1")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					put(t, l, fmt.Sprint("c", w), fmt.Sprint(i))
				}
			}
		})
	}
	sure := put(t, l, "c", "before the backup").Last
	if err := e.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()
	put(t, l, "c", "after the backup")

	opened, err := pebblelog.Open(backup, pebblelog.Options{Logger: quiet()})
	wantError(t, opened, err, "this is a backup")
	if err := pebblelog.Restore(backup, dir, pebblelog.Options{Logger: quiet()}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("restore over a store: got %v", err)
	}
	if err := pebblelog.Restore(dir, restored, pebblelog.Options{Logger: quiet()}); err == nil || !strings.Contains(err.Error(), "no backup") {
		t.Errorf("restore what is no backup: got %v", err)
	}
	if err := pebblelog.Restore(backup, restored, pebblelog.Options{Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	again := eventlog.New(open(t, restored, pebblelog.Options{Policies: policies}))
	defer again.Close()
	p, err := again.Read(t.Context(), "c", 0, eventlog.Limit{})
	if err != nil || len(p.Records) != 1 || string(p.Records[0].Data) != "before the backup" || p.Head.Offset != sure.Offset {
		t.Errorf("read: got %+v, %v", p, err)
	}
	for _, c := range []string{"c", "unsynced", "never used"} {
		old, err := l.Head(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if now, err := again.Head(t.Context(), c); err != nil || now.Epoch == old.Epoch {
			t.Errorf("head of %q: got %+v, %v, want another epoch", c, now, err)
		}
	}
	for w := range 4 {
		c := fmt.Sprint("c", w)
		p, err := again.Read(t.Context(), c, 0, eventlog.Limit{Records: 1 << 20})
		if err != nil || !p.Complete {
			t.Errorf("read %q: complete %v, %v", c, p.Complete, err)
		}
		for i, r := range p.Records {
			if string(r.Data) != fmt.Sprint(i) {
				t.Fatalf("%q: record %d is %q", c, i, r.Data)
			}
		}
	}
	if it, err := again.KV().Get(t.Context(), "k"); err != nil || it.Revision != rev {
		t.Errorf("key-value: got %+v, %v", it, err)
	}
}

// evicting forgets all channels before every call.
type evicting struct{ *pebblelog.Engine }

func (e evicting) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	e.Evict()
	e.Engine.Append(b, func(a eventlog.Appended, err error) { done(a, err) })
}

// Channels that have to be looked up again and again behave as others.
func TestConformanceWithoutMemory(t *testing.T) {
	logtest.Run(t, logtest.Harness{
		Open: func(t testing.TB, p eventlog.Policies) eventlog.Engine {
			return evicting{open(t, "log", pebblelog.Options{Policies: p, FS: vfs.NewMem()})}
		},
	})
}

func TestForgottenChannels(t *testing.T) {
	fs := vfs.NewMem()
	e := open(t, "log", pebblelog.Options{FS: fs, ForgetAfter: time.Nanosecond})
	l := eventlog.New(e)
	defer func() { l.Close() }()
	kept := put(t, l, "kept", "1").Last
	old := put(t, l, "gone", "1").Last
	if err := l.Trim(t.Context(), "gone", old.Offset); err != nil {
		t.Fatal(err)
	}
	wait := func(cond func() bool) {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for !cond() {
			select {
			case <-deadline:
				t.Fatal("not within 20 s")
			case <-time.After(5 * time.Millisecond):
			}
			if err := e.Sweep(); err != nil {
				t.Fatal(err)
			}
		}
	}
	head := func(c string) eventlog.Position {
		t.Helper()
		p, err := l.Head(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	wait(func() bool { return head("gone").Offset == 0 })
	check := func() {
		t.Helper()
		if got := head("gone"); got.Epoch == old.Epoch {
			t.Errorf("head of a forgotten channel: got %+v, want another epoch than %+v", got, old)
		}
		if got := head("kept"); got != kept {
			t.Errorf("head of another channel: got %+v, want %+v", got, kept)
		}
		for after, want := range map[uint64]bool{0: true, old.Offset - 1: false} {
			if p, err := l.Read(t.Context(), "gone", after, eventlog.Limit{}); err != nil || p.Complete != want {
				t.Errorf("after %d: got complete %v, %v, want %v", after, p.Complete, err, want)
			}
		}
	}
	check()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	e = open(t, "log", pebblelog.Options{FS: fs})
	l = eventlog.New(e)
	check()
	next := put(t, l, "gone", "2")
	if next.First <= old.Offset || next.Last.Epoch == old.Epoch {
		t.Errorf("next: got %+v after %+v", next, old)
	}
	check()
}

func TestSweptRows(t *testing.T) {
	e := open(t, "log", pebblelog.Options{FS: vfs.NewMem(), Policies: func(string) eventlog.Policy {
		return eventlog.Policy{KeyWindow: time.Millisecond}
	}})
	l := eventlog.New(e)
	defer l.Close()
	a := text("c", "1")
	a.Key = "k"
	if _, err := l.Append(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := l.KV().Put(t.Context(), fmt.Sprint(i), nil, eventlog.PutOptions{TTL: time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(20 * time.Second)
	for {
		if err := e.SweepDedup(); err != nil {
			t.Fatal(err)
		}
		rows, err := e.Rows()
		if err != nil {
			t.Fatal(err)
		}
		if rows['d']+rows['k']+rows['x'] == 0 {
			if rows['r'] != 1 || rows['m'] != 1 {
				t.Fatalf("got rows %v", rows)
			}
			return
		}
		select {
		case <-deadline:
			t.Fatalf("rows are left: %v", rows)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Power cuts at random moments, with random parts of what was not synced kept.
func TestPowerCuts(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 5
	}
	seed := uint64(1)
	if n, err := strconv.Atoi(os.Getenv("STARLING_SOAK")); err == nil {
		rounds, seed = n, rand.Uint64()
		t.Logf("seed %d", seed)
	}
	fs := vfs.NewCrashableMem()
	r := rand.New(rand.NewPCG(seed, 2))
	acknowledged := map[string]map[uint64]string{}
	var epoch uint32
	for round := range rounds {
		l := eventlog.New(open(t, "log", pebblelog.Options{FS: fs, Policies: unbounded}))
		for c, m := range acknowledged {
			verify(t, l, c, m)
		}
		head, err := l.Head(t.Context(), "c0")
		if err != nil || epoch != 0 && head.Epoch != epoch {
			t.Fatalf("round %d: head %+v, %v, want epoch %d", round, head, err, epoch)
		}
		epoch = head.Epoch
		var mu sync.Mutex
		var wg sync.WaitGroup
		cut := false
		n, enough := 0, make(chan struct{})
		target := 1 + r.IntN(400)
		for w := range 8 {
			wg.Go(func() {
				c := fmt.Sprint("c", w%3)
				for i := 0; ; i++ {
					data := fmt.Sprint(round, "-", w, "-", i)
					a := text(c, data)
					a.Key = data
					got, err := l.Append(t.Context(), a)
					mu.Lock()
					if err != nil || cut {
						mu.Unlock()
						return
					}
					if acknowledged[c] == nil {
						acknowledged[c] = map[uint64]string{}
					}
					acknowledged[c][got.First] = data
					if n++; n == target {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		mu.Lock()
		cut = true
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: r})
		mu.Unlock()
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		fs = after
	}
}

// verify fails the test unless all that was acknowledged is there, and nothing
// twice.
func verify(t *testing.T, l *eventlog.Log, channel string, acknowledged map[uint64]string) {
	t.Helper()
	p, err := l.Read(t.Context(), channel, 0, eventlog.Limit{Records: 1 << 30, Bytes: 1 << 40})
	if err != nil || !p.Complete || p.More {
		t.Fatalf("read %q: complete %v, more %v, %v", channel, p.Complete, p.More, err)
	}
	found, times := map[uint64]string{}, map[string]bool{}
	for _, r := range p.Records {
		if times[string(r.Data)] {
			t.Fatalf("%q has %q twice", channel, r.Data)
		}
		times[string(r.Data)] = true
		found[r.Offset] = string(r.Data)
	}
	for offset, data := range acknowledged {
		if found[offset] != data {
			t.Fatalf("%q at %d: got %q, acknowledged %q", channel, offset, found[offset], data)
		}
	}
}

// A reader that was held up with what it read of a channel does not make that
// what the channel is.
func TestChannelIsNotWhatItWas(t *testing.T) {
	e := open(t, "log", pebblelog.Options{FS: vfs.NewMem()})
	l := eventlog.New(e)
	defer l.Close()
	put(t, l, "c", "1")
	e.Evict()
	wait, release := e.HoldLoad()
	done := make(chan error, 1)
	go func() {
		_, err := l.Head(t.Context(), "c")
		done <- err
	}()
	wait()
	want := put(t, l, "c", "2").Last
	e.Evict()
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, err := l.Head(t.Context(), "c"); err != nil || got != want {
		t.Errorf("head: got %+v, %v, want %+v", got, err, want)
	}
}

// Records that are removed while a reader is on its way to them are not missing
// from a page that is complete.
func TestRemovalUnderARead(t *testing.T) {
	reads := map[string]func(l *eventlog.Log) (eventlog.Page, error){
		"read": func(l *eventlog.Log) (eventlog.Page, error) {
			return l.Read(context.Background(), "c", 0, eventlog.Limit{})
		},
		"read before": func(l *eventlog.Log) (eventlog.Page, error) {
			return l.ReadBefore(context.Background(), "c", 0, eventlog.Limit{})
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			e := open(t, "log", pebblelog.Options{FS: vfs.NewMem()})
			l := eventlog.New(e)
			defer l.Close()
			var at []uint64
			for i := range 10 {
				at = append(at, put(t, l, "c", fmt.Sprint(i)).First)
			}
			wait, release := e.HoldScan()
			pages := make(chan eventlog.Page, 1)
			go func() {
				p, err := read(l)
				if err != nil {
					t.Error(err)
				}
				pages <- p
			}()
			wait()
			if err := l.Trim(t.Context(), "c", at[4]); err != nil {
				t.Error(err)
			}
			release()
			if p := <-pages; len(p.Records) == 10 || p.Complete {
				t.Errorf("got %d records, complete %v, want the 5 that are left, incomplete", len(p.Records), p.Complete)
			}
		})
	}
}

// Two appends with one key, or on one expectation, or changes of one key-value,
// are judged right when they are committed as one group.
func TestOneGroup(t *testing.T) {
	l := eventlog.New(open(t, "log", pebblelog.Options{FS: vfs.NewMem(), Policies: policies}))
	defer l.Close()
	// Whoever blocks in done holds up the committer: nobody should, but here it
	// makes one group of all that comes in the meantime.
	reached, release := make(chan struct{}), make(chan struct{})
	l.AppendAsync(text("unsynced", "x"), func(eventlog.Appended, error) {
		close(reached)
		<-release
	})
	<-reached
	results := make(chan result, 5)
	send := func(a eventlog.Append) {
		l.AppendAsync(a, func(a eventlog.Appended, err error) { results <- result{a, err} })
	}
	keyed, other := text("c", "1"), text("c", "2")
	keyed.Key, other.Key = "k", "k"
	send(keyed)
	send(keyed)
	send(other)
	first := text("d", "1")
	first.Expect = eventlog.At(0)
	send(first)
	send(first)
	close(release)
	stored, again, reused, won, lost := <-results, <-results, <-results, <-results, <-results
	if stored.err != nil || again.err != nil || !again.appended.Duplicate || again.appended.Last != stored.appended.Last {
		t.Errorf("got %+v and %+v, want a record and its duplicate", stored, again)
	}
	if !errors.Is(reused.err, eventlog.ErrKeyReused) {
		t.Errorf("got %v, want a reused key", reused.err)
	}
	if won.err != nil || !errors.Is(lost.err, eventlog.ErrConflict) {
		t.Errorf("got %+v and %+v, want one to win", won, lost)
	}
}
