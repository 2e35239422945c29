package natslog_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
)

// openCached returns an engine with a cache of its own.
func openCached(t testing.TB, o natslog.Options) *natslog.Engine {
	t.Helper()
	o.CacheDir = t.TempDir()
	return open(t, o)
}

// spy counts the requests for records of a log's streams.
func spy(t testing.TB, o natslog.Options) *atomic.Int64 {
	t.Helper()
	nc, err := one.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	var n atomic.Int64
	if _, err := nc.Subscribe("$JS.API.DIRECT.GET.*", func(m *nats.Msg) {
		if strings.HasPrefix(m.Subject, "$JS.API.DIRECT.GET."+o.Prefix+"-log-") {
			n.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return &n
}

// data returns what a page holds.
func data(p eventlog.Page) string {
	var all []string
	for _, r := range p.Records {
		all = append(all, string(r.Data))
	}
	return strings.Join(all, " ")
}

func read(t testing.TB, e *natslog.Engine, channel string, after uint64, limit eventlog.Limit) eventlog.Page {
	t.Helper()
	p, err := e.Read(t.Context(), channel, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// warm reads a channel until it is in the engine's cache.
func warm(t testing.TB, e *natslog.Engine, channel string) {
	t.Helper()
	before := e.CacheStats().Hits
	eventually(t, 10*time.Second, "the channel is in the cache", func() bool {
		read(t, e, channel, 0, eventlog.Limit{Records: 1000})
		return e.CacheStats().Hits > before
	})
}

// What was read once is not asked for again, in either direction, nor by the next
// engine in the directory; what came since is.
func TestColdReadsAreCached(t *testing.T) {
	o := fresh(one)
	o.CacheDir = t.TempDir()
	e := open(t, o)
	l := eventlog.New(e)
	var at []uint64
	for i := range 30 {
		at = append(at, put(t, l, "c", "", fmt.Sprint(i)).First)
		put(t, l, fmt.Sprint("between", i%5), "", "x")
	}
	warm(t, e, "c")
	n := spy(t, o)
	check := func(e *natslog.Engine) {
		t.Helper()
		if p := read(t, e, "c", at[3], eventlog.Limit{Records: 4}); data(p) != "4 5 6 7" || !p.Complete || !p.More {
			t.Errorf("after the fourth: got %q, complete %v, more %v", data(p), p.Complete, p.More)
		}
		p, err := e.ReadBefore(t.Context(), "c", at[29], eventlog.Limit{Records: 3})
		if err != nil || data(p) != "26 27 28" || !p.Complete || !p.More {
			t.Errorf("before the last: got %q, complete %v, more %v, %v", data(p), p.Complete, p.More, err)
		}
	}
	check(e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open(t, o)
	check(e)
	if got := n.Load(); got != 0 {
		t.Errorf("%d requests for records that were read before", got)
	}
	put(t, eventlog.New(e), "c", "", "30")
	if p := read(t, e, "c", at[27], eventlog.Limit{}); data(p) != "28 29 30" || p.More {
		t.Errorf("after another append: got %q, more %v", data(p), p.More)
	}
	eventually(t, 10*time.Second, "the new one is asked for", func() bool { return n.Load() == 1 })
}

// What was trimmed or deleted on another node does not come back from a cache.
func TestCachedRecordsThatAreRemoved(t *testing.T) {
	o := fresh(one)
	e, other := openCached(t, o), eventlog.New(open(t, o))
	var at []uint64
	for i := range 10 {
		at = append(at, put(t, other, "c", "", fmt.Sprint(i)).First)
	}
	warm(t, e, "c")
	if err := other.Trim(t.Context(), "c", at[4]); err != nil {
		t.Fatal(err)
	}
	if p := read(t, e, "c", 0, eventlog.Limit{}); data(p) != "5 6 7 8 9" || p.Complete {
		t.Errorf("trimmed: got %q, complete %v", data(p), p.Complete)
	}
	if p := read(t, e, "c", at[4], eventlog.Limit{}); data(p) != "5 6 7 8 9" || !p.Complete {
		t.Errorf("trimmed, from there: got %q, complete %v", data(p), p.Complete)
	}
	p, err := e.ReadBefore(t.Context(), "c", at[6], eventlog.Limit{})
	if err != nil || data(p) != "5" || p.Complete || p.More {
		t.Errorf("trimmed, before: got %q, complete %v, more %v, %v", data(p), p.Complete, p.More, err)
	}
	if err := other.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if p := read(t, e, "c", 0, eventlog.Limit{}); data(p) != "" || p.Complete || p.Head.Offset != at[9] {
		t.Errorf("deleted: got %q, complete %v, head %+v", data(p), p.Complete, p.Head)
	}
	put(t, other, "c", "", "new")
	if p := read(t, e, "c", at[9], eventlog.Limit{}); data(p) != "new" || p.Complete {
		t.Errorf("deleted, from the head: got %q, complete %v", data(p), p.Complete)
	}
}

// A stream that was made anew has other records at the same offsets. A node that
// stays connected all the time does not mix them.
func TestCachedRecordsOfAnotherEpoch(t *testing.T) {
	o := fresh(one)
	o.Partitions = 1
	e := openCached(t, o)
	old := eventlog.New(open(t, o))
	for i := range 10 {
		put(t, old, "c", "", fmt.Sprint("old", i))
	}
	warm(t, e, "c")
	before := read(t, e, "c", 0, eventlog.Limit{})
	sink := &lives{}
	watch(t, e, "c", sink)
	nc, err := one.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), o.Prefix+"-log-0"); err != nil {
		t.Fatal(err)
	}
	next := eventlog.New(open(t, o))
	for i := range 10 {
		put(t, next, "c", "", fmt.Sprint("new", i))
	}
	natslog.DoubtEpochs(e)
	if p := read(t, e, "c", 0, eventlog.Limit{}); p.Head.Epoch == before.Head.Epoch || strings.Contains(data(p), "old") {
		t.Errorf("epoch %d (before %d) has %q", p.Head.Epoch, before.Head.Epoch, data(p))
	}
	eventually(t, 10*time.Second, "watchers are told", func() bool { return sink.count(eventlog.LiveResync) > 0 })
	warm(t, e, "c")
	if p := read(t, e, "c", 0, eventlog.Limit{}); strings.Contains(data(p), "old") || len(p.Records) != 10 {
		t.Errorf("from the cache: got %q", data(p))
	}
}

// A cache that is damaged is thrown away, and one that cannot be opened is not used.
func TestCacheOnABadDisk(t *testing.T) {
	o := fresh(one)
	o.CacheDir = t.TempDir()
	e := open(t, o)
	for i := range 50 {
		put(t, eventlog.New(e), "c", "", fmt.Sprint(i, strings.Repeat(" ", 1000)))
	}
	warm(t, e, "c")
	want := read(t, e, "c", 0, eventlog.Limit{})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	harmed := 0
	err := filepath.WalkDir(o.CacheDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".sst") {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i := range min(len(raw)/2, 4096) {
			raw[i] ^= 0x55
		}
		harmed++
		return os.WriteFile(path, raw, 0o600)
	})
	if err != nil || harmed == 0 {
		t.Fatalf("%d files are damaged, %v", harmed, err)
	}
	e = open(t, o)
	for range 3 {
		if got := read(t, e, "c", 0, eventlog.Limit{}); !reflect.DeepEqual(got, want) {
			t.Errorf("with a damaged cache: got %q", data(got))
		}
	}
	warm(t, e, "c")
	// The directory is in use.
	second := open(t, o)
	if got := read(t, second, "c", 0, eventlog.Limit{}); !reflect.DeepEqual(got, want) || second.CacheStats().Hits != 0 {
		t.Errorf("without a cache: got %q, %d hits", data(got), second.CacheStats().Hits)
	}
}

// Two nodes with caches read what one without reads, whatever was done before.
func TestCachesAgree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	o := fresh(one)
	o.Partitions = 1
	plain := open(t, o)
	cached := []*natslog.Engine{openCached(t, o), openCached(t, o)}
	l := eventlog.New(plain)
	offsets := map[string][]uint64{}
	channels := []string{"a", "b"}
	for step := range 250 {
		c := channels[r.IntN(len(channels))]
		known := offsets[c]
		some := func() uint64 {
			if len(known) == 0 {
				return 0
			}
			return known[r.IntN(len(known))] - uint64(r.IntN(2))
		}
		switch n := r.IntN(20); {
		case n < 9:
			offsets[c] = append(known, put(t, l, c, "", fmt.Sprint(step)).First)
		case n == 9:
			if err := l.Trim(t.Context(), c, some()); err != nil {
				t.Fatal(err)
			}
		case n == 10 && r.IntN(4) == 0:
			if err := l.Delete(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		default:
			at, limit := some(), eventlog.Limit{Records: 1 + r.IntN(8)}
			want, err := plain.Read(t.Context(), c, at, limit)
			back, err2 := plain.ReadBefore(t.Context(), c, at, limit)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			for i, e := range cached {
				if got := read(t, e, c, at, limit); !reflect.DeepEqual(got, want) {
					t.Fatalf("step %d, node %d: read of %s after %d, %+v: got %+v, want %+v", step, i, c, at, limit, got, want)
				}
				got, err := e.ReadBefore(t.Context(), c, at, limit)
				if err != nil || !reflect.DeepEqual(got, back) {
					t.Fatalf("step %d, node %d: read of %s before %d, %+v: got %+v, want %+v, %v", step, i, c, at, limit, got, back, err)
				}
			}
		}
	}
	for i, e := range cached {
		if e.CacheStats().Hits == 0 {
			t.Errorf("node %d has read nothing from its cache", i)
		}
	}
}

// The newest record is in a page however large it is, and whether there are others
// is known although they are far away in the stream.
func TestNewestRecordIsLarger(t *testing.T) {
	o := fresh(one)
	o.Partitions = 1
	l := eventlog.New(open(t, o))
	put(t, l, "c", "", "first")
	for range 300 {
		put(t, l, "other", "", "x")
	}
	put(t, l, "c", "", "second")
	p, err := l.ReadBefore(t.Context(), "c", 0, eventlog.Limit{Records: 10, Bytes: 1})
	if err != nil || data(p) != "second" || !p.More {
		t.Errorf("got %q, more %v, %v, want the second, and that there is more", data(p), p.More, err)
	}
}
