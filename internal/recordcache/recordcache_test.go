package recordcache_test

import (
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/recordcache"
)

var place = recordcache.Place{Stream: "log-1", Epoch: 7, Channel: "chat:1"}

func open(t testing.TB, o recordcache.Options) *recordcache.Cache {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Logger = slog.New(slog.DiscardHandler)
	c, err := recordcache.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func closes(t testing.TB, c *recordcache.Cache) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// record returns the record that stands at an offset.
func record(offset uint64) eventlog.Record {
	return eventlog.Record{
		Offset: offset, ID: fmt.Sprint("id", offset), Key: "k", User: "ann", Time: int64(offset),
		Tags: map[string]string{"n": fmt.Sprint(offset)}, Data: fmt.Appendf(nil, "data of %d", offset),
	}
}

func records(offsets ...uint64) (all []eventlog.Record) {
	for _, o := range offsets {
		all = append(all, record(o))
	}
	return all
}

// after returns the offsets that a cache knows to follow one, and how far.
func after(t testing.TB, c *recordcache.Cache, at uint64) (got []uint64, through uint64) {
	t.Helper()
	through, _ = c.After(place, at, func(r *eventlog.Record) bool {
		if want := record(r.Offset); !reflect.DeepEqual(*r, want) {
			t.Errorf("got %+v, want %+v", *r, want)
		}
		got = append(got, r.Offset)
		return true
	})
	return got, through
}

// eventually waits until something is so, for a minute at most.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// kept puts records into a cache and waits until they are there.
func kept(t testing.TB, c *recordcache.Cache, lo, hi uint64, offsets ...uint64) {
	t.Helper()
	c.Keep(place, lo, hi, records(offsets...))
	eventually(t, "it is kept", func() bool { _, through := after(t, c, lo); return through >= hi })
}

func TestRuns(t *testing.T) {
	c := open(t, recordcache.Options{})
	defer closes(t, c)
	kept(t, c, 10, 20, 12, 20)
	kept(t, c, 30, 40, 40)
	for _, row := range []struct {
		at, through uint64
		want        []uint64
	}{
		{9, 9, nil}, {10, 20, []uint64{12, 20}}, {12, 20, []uint64{20}}, {19, 20, []uint64{20}}, {20, 20, nil}, {25, 25, nil}, {30, 40, []uint64{40}},
	} {
		if got, through := after(t, c, row.at); !reflect.DeepEqual(got, row.want) || through != row.through {
			t.Errorf("after %d: got %v through %d, want %v through %d", row.at, got, through, row.want, row.through)
		}
	}
	for _, row := range []struct {
		upTo, down uint64
		want       []uint64
	}{
		{10, 10, nil}, {11, 10, nil}, {12, 10, []uint64{12}}, {20, 10, []uint64{20, 12}}, {21, 21, nil}, {40, 30, []uint64{40}},
	} {
		var got []uint64
		down, _ := c.Before(place, row.upTo, func(r *eventlog.Record) bool { got = append(got, r.Offset); return true })
		if !reflect.DeepEqual(got, row.want) || down != row.down {
			t.Errorf("up to %d: got %v down to %d, want %v down to %d", row.upTo, got, down, row.want, row.down)
		}
	}
	if lo, hi := c.Below(place, 35); lo != 10 || hi != 20 {
		t.Errorf("below 35: got %d to %d, want 10 to 20", lo, hi)
	}
	kept(t, c, 15, 35, 20, 31) // joins the two
	if got, through := after(t, c, 10); fmt.Sprint(got) != "[12 20 31 40]" || through != 40 {
		t.Errorf("joined: got %v through %d", got, through)
	}
	for _, other := range []recordcache.Place{{Stream: "log-1", Epoch: 8, Channel: "chat:1"}, {Stream: "log-2", Epoch: 7, Channel: "chat:1"}, {Stream: "log-1", Epoch: 7, Channel: "chat:"}} {
		if through, _ := c.After(other, 10, func(*eventlog.Record) bool { return true }); through != 10 {
			t.Errorf("%+v: got what belongs to another place", other)
		}
	}
}

// Who has enough is given no more, and hears up to where it is known.
func TestEnough(t *testing.T) {
	c := open(t, recordcache.Options{})
	defer closes(t, c)
	kept(t, c, 0, 9, 1, 5, 9)
	n := 0
	through, enough := c.After(place, 0, func(*eventlog.Record) bool { n++; return n < 2 })
	if through != 5 || !enough || n != 2 {
		t.Errorf("after: got through %d, enough %v, %d records", through, enough, n)
	}
	n = 0
	down, enough := c.Before(place, 9, func(*eventlog.Record) bool { n++; return n < 2 })
	if down != 4 || !enough || n != 2 {
		t.Errorf("before: got down to %d, enough %v, %d records", down, enough, n)
	}
}

// Any runs of one log together tell what is in that log, and nothing else.
func TestRandomRuns(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const top = 400
	var log []uint64
	for i := uint64(1); i <= top; i++ {
		if r.IntN(3) == 0 {
			log = append(log, i)
		}
	}
	within := func(lo, hi uint64) (in []uint64) {
		for _, o := range log {
			if o > lo && o <= hi {
				in = append(in, o)
			}
		}
		return in
	}
	dir := t.TempDir()
	c := open(t, recordcache.Options{Dir: dir})
	known := make([]bool, top+1) // that what lies between an offset and the one before is known
	for step := range 120 {
		lo := r.Uint64N(top - 1)
		hi := min(top, lo+1+r.Uint64N(25))
		kept(t, c, lo, hi, within(lo, hi)...)
		for o := lo + 1; o <= hi; o++ {
			known[o] = true
		}
		if step == 60 {
			closes(t, c)
			c = open(t, recordcache.Options{Dir: dir})
		}
		at := r.Uint64N(top)
		end := at
		for end < top && known[end+1] {
			end++
		}
		if got, through := after(t, c, at); through != end || !reflect.DeepEqual(got, within(at, end)) {
			t.Fatalf("step %d, after %d: got %v through %d, want %v through %d", step, at, got, through, within(at, end), end)
		}
	}
	closes(t, c)
}

func size(t testing.TB, dir string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() {
			return nil // a part was thrown away meanwhile
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// The directory does not outgrow its bound, and what is read all the time stays.
func TestSizeBound(t *testing.T) {
	const bound = 16 << 20
	dir := t.TempDir()
	c := open(t, recordcache.Options{Dir: dir, MaxBytes: bound})
	defer closes(t, c)
	noise := make([]byte, 64<<10) // does not compress
	r := rand.NewChaCha8([32]byte{1})
	kept(t, c, 0, 9, 1, 5, 9)
	most, written := int64(0), int64(0)
	for i := range 800 {
		_, _ = r.Read(noise)
		p := recordcache.Place{Stream: "log-1", Epoch: 7, Channel: fmt.Sprint("other", i)}
		one := eventlog.Record{Offset: 1, Data: append([]byte{}, noise...)}
		eventually(t, "it is kept", func() bool {
			c.Keep(p, 0, 1, []eventlog.Record{one})
			through, _ := c.After(p, 0, func(*eventlog.Record) bool { return true })
			return through == 1
		})
		written += int64(len(noise))
		if got, _ := after(t, c, 0); len(got) != 3 {
			t.Fatalf("after %d MB what is read all the time is gone", written>>20)
		}
		if i%50 == 0 {
			most = max(most, size(t, dir))
		}
	}
	if limit := int64(bound + bound/2); most > limit || written < 3*bound {
		t.Errorf("there were %d bytes on disk, with %d written, want %d at most", most, written, limit)
	}
	if through, _ := c.After(recordcache.Place{Stream: "log-1", Epoch: 7, Channel: "other0"}, 0, func(*eventlog.Record) bool { return true }); through != 0 {
		t.Error("what was read least is there after three times the bound")
	}
}

// Two processes do not share a directory.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	c := open(t, recordcache.Options{Dir: dir})
	if second, err := recordcache.Open(recordcache.Options{Dir: dir}); err == nil {
		closes(t, second)
		t.Error("the directory was opened twice")
	}
	closes(t, c)
	closes(t, open(t, recordcache.Options{Dir: dir}))
}

func TestBadOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]recordcache.Options{
		"too small":   {Dir: t.TempDir(), MaxBytes: 1 << 20},
		"not a place": {Dir: file},
	} {
		if c, err := recordcache.Open(o); err == nil {
			closes(t, c)
			t.Errorf("%s: it was opened", name)
		}
	}
}

// fill puts so much into a cache that there are files, and closes it.
func fill(t testing.TB, dir string) {
	t.Helper()
	c := open(t, recordcache.Options{Dir: dir})
	kept(t, c, 0, 100, 1, 50, 100)
	kept(t, c, 110, 200, 120, 200)
	closes(t, c)
}

// Whatever happens to the files, a cache opens, and tells nothing that is wrong.
func TestDamagedFiles(t *testing.T) {
	harms := map[string]func(path string) error{
		"bits flipped": func(path string) error {
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i := range raw {
				if i%37 == 5 {
					raw[i] ^= 0x10
				}
			}
			return os.WriteFile(path, raw, 0o600)
		},
		"cut":     func(path string) error { return os.Truncate(path, 40) },
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"removed": os.Remove,
	}
	for name, harm := range harms {
		for _, which := range []string{".sst", "MANIFEST", "OPTIONS", "marker"} {
			t.Run(name+" "+which, func(t *testing.T) {
				dir := t.TempDir()
				fill(t, dir)
				n := 0
				err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() || !strings.Contains(d.Name(), which) {
						return err
					}
					n++
					return harm(path)
				})
				if err != nil || n == 0 {
					t.Fatalf("%d files are harmed, %v", n, err)
				}
				c := open(t, recordcache.Options{Dir: dir})
				defer closes(t, c)
				for at := range uint64(200) {
					after(t, c, at) // compares what it gives
				}
				// It does its work again, at once or after it noticed.
				eventually(t, "it keeps again", func() bool {
					c.Keep(place, 500, 501, records(501))
					got, _ := after(t, c, 500)
					return len(got) == 1
				})
			})
		}
	}
}

// A directory that is removed while it is used is made anew.
func TestDirectoryRemoved(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	c := open(t, recordcache.Options{Dir: dir, MaxBytes: 16 << 20})
	defer closes(t, c)
	eventually(t, "it is removed", func() bool { return os.RemoveAll(dir) == nil }) // files are made meanwhile
	noise := make([]byte, 256<<10)
	r := rand.NewChaCha8([32]byte{2})
	i := uint64(1000)
	eventually(t, "the directory is there again", func() bool {
		_, _ = r.Read(noise)
		i++
		c.Keep(place, i-1, i, []eventlog.Record{{Offset: i, Data: append([]byte{}, noise...)}})
		_, err := os.Stat(filepath.Join(dir, "g-1"))
		return err == nil
	})
	kept(t, c, 0, 9, 1, 9)
}

// A full disk costs the cache for as long as it is full, not the process, whichever
// file is the first that cannot be written.
func TestFullDisk(t *testing.T) {
	for _, first := range []string{"", ".sst", "MANIFEST"} {
		t.Run(first, func(t *testing.T) {
			var full atomic.Bool
			disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.Contains(op.Path, first) {
					return syscall.ENOSPC
				}
				return nil
			}))
			c := open(t, recordcache.RetryAfter(recordcache.Options{Dir: "cache", FS: disk, MaxBytes: 16 << 20}, 10*time.Millisecond))
			defer closes(t, c)
			kept(t, c, 0, 9, 1, 9)
			full.Store(true)
			noise := make([]byte, 256<<10)
			r := rand.NewChaCha8([32]byte{3})
			i := uint64(1000)
			eventually(t, "it has given up", func() bool {
				_, _ = r.Read(noise)
				i++
				c.Keep(place, i-1, i, []eventlog.Record{{Offset: i, Data: append([]byte{}, noise...)}})
				got, _ := after(t, c, 0)
				return len(got) == 0
			})
			full.Store(false)
			eventually(t, "it works again", func() bool {
				c.Keep(place, 0, 9, records(1, 9))
				got, _ := after(t, c, 0)
				return len(got) == 2
			})
		})
	}
}
