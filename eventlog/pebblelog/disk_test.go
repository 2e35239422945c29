package pebblelog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
)

// disk is a file system on which the syncs of logs can be held up, and all
// writes can fail.
type disk struct {
	vfs.FS

	failing atomic.Pointer[error]
	// only, if it is set, is the part of the names of the files that fail.
	only atomic.Pointer[string]

	mu sync.Mutex
	// mu guards the following.
	gate    chan struct{} // syncs wait until it is closed
	waiting chan struct{} // gets a value when one begins to wait
}

// hold holds up syncs until release is called; wait waits for one to be held.
func (d *disk) hold() (wait, release func()) {
	gate, waiting := make(chan struct{}), make(chan struct{}, 1)
	d.mu.Lock()
	d.gate, d.waiting = gate, waiting
	d.mu.Unlock()
	return func() { <-waiting }, func() {
		d.mu.Lock()
		d.gate = nil
		d.mu.Unlock()
		close(gate)
	}
}

func (d *disk) fail(err error) { d.failing.Store(&err) }

func (d *disk) err(name string) error {
	if only := d.only.Load(); only != nil && !strings.Contains(name, *only) {
		return nil
	}
	if p := d.failing.Load(); p != nil {
		return *p
	}
	return nil
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.err(name); err != nil {
		return nil, err
	}
	f, err := d.FS.Create(name, c)
	return &diskFile{f, d, name}, err
}

func (d *disk) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.err(newname); err != nil {
		return nil, err
	}
	f, err := d.FS.ReuseForWrite(oldname, newname, c)
	return &diskFile{f, d, newname}, err
}

type diskFile struct {
	vfs.File
	disk *disk
	name string
}

func (f *diskFile) Write(p []byte) (int, error) {
	if err := f.disk.err(f.name); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *diskFile) sync(do func() error) error {
	if strings.HasSuffix(f.name, ".log") {
		f.disk.mu.Lock()
		gate, waiting := f.disk.gate, f.disk.waiting
		f.disk.mu.Unlock()
		if gate != nil {
			select {
			case waiting <- struct{}{}:
			default:
			}
			<-gate
		}
	}
	if err := f.disk.err(f.name); err != nil {
		return err
	}
	return do()
}

func (f *diskFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *diskFile) SyncData() error { return f.sync(f.File.SyncData) }
func (f *diskFile) SyncTo(n int64) (full bool, err error) {
	err = f.sync(func() error {
		full, err = f.File.SyncTo(n)
		return err
	})
	return full, err
}

func text(channel, data string) eventlog.Append {
	return eventlog.Append{Channel: channel, Entries: []eventlog.Entry{{Data: []byte(data)}}}
}

func put(t testing.TB, l *eventlog.Log, channel, data string) eventlog.Appended {
	t.Helper()
	a, err := l.Append(t.Context(), text(channel, data))
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return a
}

// count is a sink that counts.
type count struct{ n atomic.Int64 }

func (c *count) Deliver(*eventlog.Live) { c.n.Add(1) }

type result struct {
	appended eventlog.Appended
	err      error
}

func policies(channel string) eventlog.Policy {
	if strings.HasPrefix(channel, "unsynced") {
		return eventlog.Policy{Durability: eventlog.Unsynced}
	}
	return eventlog.Policy{}
}

func TestNothingIsShownBeforeItIsSynced(t *testing.T) {
	d := &disk{FS: vfs.NewMem()}
	l := eventlog.New(open(t, "log", pebblelog.Options{FS: d, Policies: policies}))
	defer l.Close()
	before := put(t, l, "c", "1").Last
	var live, unsynced count
	for pattern, sink := range map[string]*count{"c": &live, "unsynced": &unsynced} {
		if _, err := l.Watch(pattern, sink); err != nil {
			t.Fatal(err)
		}
	}
	wait, release := d.hold()
	first := make(chan result, 3)
	send := func(a eventlog.Append) {
		l.AppendAsync(a, func(a eventlog.Appended, err error) { first <- result{a, err} })
	}
	keyed := text("c", "2")
	keyed.Key = "k"
	send(keyed)
	wait()
	send(keyed)
	conflicting := text("c", "3")
	conflicting.Expect = eventlog.At(before.Offset)
	send(conflicting)
	put(t, l, "unsynced", "at once") // also: the committer is past all of them
	if n := unsynced.n.Load(); n != 1 {
		t.Errorf("unsynced channel: %d delivered, want 1", n)
	}
	if head, err := l.Head(t.Context(), "c"); err != nil || head != before {
		t.Errorf("head: got %+v, %v, want %+v", head, err, before)
	}
	p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{})
	if err != nil || len(p.Records) != 1 || p.Head != before {
		t.Errorf("read: got %+v, %v, want one record", p, err)
	}
	p, err = l.ReadBefore(t.Context(), "c", 0, eventlog.Limit{})
	if err != nil || len(p.Records) != 1 {
		t.Errorf("read before: got %+v, %v, want one record", p, err)
	}
	if live.n.Load() != 0 || len(first) != 0 {
		t.Errorf("%d delivered and %d answered, want none", live.n.Load(), len(first))
	}
	release()
	stored, again, conflict := <-first, <-first, <-first
	if stored.err != nil || again.err != nil || !again.appended.Duplicate || again.appended.Last != stored.appended.Last {
		t.Errorf("got %+v and %+v, want a record and its duplicate", stored, again)
	}
	if !errors.Is(conflict.err, eventlog.ErrConflict) {
		t.Errorf("got %v, want a conflict", conflict.err)
	}
	if live.n.Load() != 1 {
		t.Errorf("%d delivered, want 1", live.n.Load())
	}
}

func TestKeyValuesAreNotReadBeforeTheyAreSynced(t *testing.T) {
	d := &disk{FS: vfs.NewMem()}
	l := eventlog.New(open(t, "log", pebblelog.Options{FS: d}))
	defer l.Close()
	wait, release := d.hold()
	stored := make(chan error, 1)
	go func() {
		_, err := l.KV().Put(t.Context(), "k", []byte("v"), eventlog.PutOptions{})
		stored <- err
	}()
	wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 1)
	go func() {
		_, err := l.KV().Get(ctx, "k")
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("get: got %v, want it to wait", err)
	}
	release()
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	if it, err := l.KV().Get(t.Context(), "k"); err != nil || string(it.Value) != "v" {
		t.Errorf("get: got %+v, %v", it, err)
	}
}

func TestDiskThatDoesNotAnswerIsNotHealthy(t *testing.T) {
	d := &disk{FS: vfs.NewMem()}
	e := open(t, "log", pebblelog.Options{FS: d})
	l := eventlog.New(e)
	defer l.Close()
	wait, release := d.hold()
	done := make(chan error, 1)
	l.AppendAsync(text("c", "1"), func(_ eventlog.Appended, err error) { done <- err })
	wait()
	if err := l.Health(t.Context()); err != nil {
		t.Errorf("at first: got %v", err)
	}
	e.Age(2 * pebblelog.SlowSync)
	if err := l.Health(t.Context()); err == nil {
		t.Error("after long: got healthy")
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := l.Health(t.Context()); err != nil {
		t.Errorf("at last: got %v", err)
	}
}

// A disk that fails under load: what is refused is refused with a clear error,
// what was acknowledged is there when the store is opened again.
func TestDiskThatFails(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		t.Run(cause.Error(), func(t *testing.T) {
			d := &disk{FS: vfs.NewMem()}
			e := open(t, "log", pebblelog.Options{FS: d})
			l := eventlog.New(e)
			var mu sync.Mutex
			acknowledged := map[uint64]string{}
			var wg sync.WaitGroup
			started := make(chan struct{}, 1000)
			for w := range 8 {
				wg.Go(func() {
					for i := 0; ; i++ {
						data := fmt.Sprint(w, "-", i)
						a, err := l.Append(context.Background(), text("c", data))
						if err != nil {
							if !errors.Is(err, eventlog.ErrUnknown) && !errors.Is(err, eventlog.ErrUnavailable) {
								t.Errorf("got %v, want unknown or unavailable", err)
							}
							return
						}
						mu.Lock()
						acknowledged[a.First] = data
						mu.Unlock()
						select {
						case started <- struct{}{}:
						default:
						}
					}
				})
			}
			for range 100 {
				<-started
			}
			d.fail(cause)
			wg.Wait()
			_, err := l.Append(t.Context(), text("c", "late"))
			if !errors.Is(err, eventlog.ErrUnavailable) || !strings.Contains(err.Error(), "start the server again") {
				t.Errorf("append: got %v", err)
			}
			if err := l.Health(t.Context()); err == nil || !strings.Contains(err.Error(), "disk") {
				t.Errorf("health: got %v", err)
			}
			if _, err := l.KV().Put(t.Context(), "k", nil, eventlog.PutOptions{}); !errors.Is(err, eventlog.ErrUnavailable) {
				t.Errorf("put: got %v", err)
			}
			if p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{Records: 10}); err != nil || len(p.Records) != 10 {
				t.Errorf("read: got %d records, %v", len(p.Records), err)
			}
			if err := l.Close(); err == nil {
				t.Error("close: got no error")
			}
			d.failing.Store(nil)
			l = eventlog.New(open(t, "log", pebblelog.Options{FS: d}))
			defer l.Close()
			p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{Records: 1 << 20, Bytes: 1 << 30})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Records {
				delete(acknowledged, r.Offset)
			}
			if len(acknowledged) > 0 {
				t.Errorf("%d acknowledged records are missing", len(acknowledged))
			}
			put(t, l, "c", "after")
		})
	}
}

func TestDiskThatIsAlmostFull(t *testing.T) {
	fs := vfs.NewMem()
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 40})
	e := open(t, "log", pebblelog.Options{FS: fs})
	l := eventlog.New(e)
	defer l.Close()
	a := put(t, l, "c", "1")
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 40})
	e.CheckDisk()
	if _, err := l.Append(t.Context(), text("c", "2")); !errors.Is(err, eventlog.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
		t.Errorf("append: got %v", err)
	}
	if err := l.Health(t.Context()); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("health: got %v", err)
	}
	if err := l.Trim(t.Context(), "c", a.First); err != nil {
		t.Errorf("trim: got %v", err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 40})
	e.CheckDisk()
	put(t, l, "c", "3")
	if err := l.Health(t.Context()); err != nil {
		t.Errorf("health: got %v", err)
	}
}

// A disk that fails when tables are written holds up nothing at first, and then
// everything until it works again.
func TestDiskThatFailsForTables(t *testing.T) {
	d := &disk{FS: vfs.NewMem()}
	only := ".sst"
	d.only.Store(&only)
	e := open(t, "log", pebblelog.Options{FS: d})
	l := eventlog.New(e)
	defer l.Close()
	put(t, l, "c", "1")
	d.fail(syscall.ENOSPC)
	flushed := e.Flush()
	put(t, l, "c", "2")
	deadline := time.After(20 * time.Second)
	for l.Health(t.Context()) == nil {
		select {
		case <-deadline:
			t.Fatal("healthy for 20 s")
		case <-time.After(time.Millisecond):
		}
	}
	put(t, l, "c", "3")
	d.failing.Store(nil)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	put(t, l, "c", "4")
}

// Pebble would end the process when it cannot write its list of files.
func TestDiskThatFailsForTheManifest(t *testing.T) {
	mem := vfs.NewCrashableMem()
	d := &disk{FS: mem}
	only := "MANIFEST"
	d.only.Store(&only)
	e := open(t, "log", pebblelog.Options{FS: d})
	l := eventlog.New(e)
	put(t, l, "c", "1")
	d.fail(syscall.ENOSPC)
	e.Flush()
	deadline := time.After(20 * time.Second)
	for l.Health(t.Context()) == nil {
		select {
		case <-deadline:
			t.Fatal("healthy for 20 s")
		case <-time.After(time.Millisecond):
		}
	}
	if _, err := l.Append(t.Context(), text("c", "2")); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("append: got %v", err)
	}
	if err := l.Close(); err == nil {
		t.Error("close: got no error")
	}
	// Pebble never lets go of its lock then: only another process can go on.
	after := mem.CrashClone(vfs.CrashCloneCfg{})
	l = eventlog.New(open(t, "log", pebblelog.Options{FS: after}))
	defer l.Close()
	if p, err := l.Read(t.Context(), "c", 0, eventlog.Limit{}); err != nil || len(p.Records) != 1 {
		t.Errorf("read: got %+v, %v", p, err)
	}
}

// What waits is bounded: who comes too late is refused, the others are stored.
func TestTooManyWait(t *testing.T) {
	d := &disk{FS: vfs.NewMem()}
	l := eventlog.New(open(t, "log", pebblelog.Options{FS: d}))
	defer l.Close()
	wait, release := d.hold()
	var stored, refused, other atomic.Int64
	var wg sync.WaitGroup
	send := func() {
		wg.Add(1)
		l.AppendAsync(text("c", "x"), func(_ eventlog.Appended, err error) {
			defer wg.Done()
			switch {
			case err == nil:
				stored.Add(1)
			case errors.Is(err, eventlog.ErrUnavailable):
				refused.Add(1)
			default:
				other.Add(1)
			}
		})
	}
	send()
	wait()
	sent := int64(1)
	for ; refused.Load() == 0 && sent < 1<<20; sent++ {
		send()
	}
	release()
	wg.Wait()
	if refused.Load() != 1 || other.Load() != 0 || stored.Load() != sent-1 {
		t.Errorf("of %d: %d stored, %d refused, %d otherwise", sent, stored.Load(), refused.Load(), other.Load())
	}
	put(t, l, "c", "after")
}
