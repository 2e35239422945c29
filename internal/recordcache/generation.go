package recordcache

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/starling-rt/starling/eventlog"
)

// generation is a Pebble store. It is filled until it has its share of the bytes,
// and thrown away as a whole.
type generation struct {
	// Static.
	number int
	dir    string
	db     *pebble.DB

	bytes   atomic.Int64 // that it has, about
	broken  atomic.Bool
	trouble func(error) // is told once, why it is broken

	// mu is held for reading while db is read. Who closes it takes it.
	mu     sync.RWMutex
	closed bool
}

const (
	memTableBytes   = 4 << 20
	blockCacheBytes = 8 << 20
)

// openGeneration opens what is in a directory, or makes it.
func openGeneration(fs *disk, dir string, number int, blocks *pebble.Cache, log *slog.Logger, trouble func(*generation, error)) (g *generation, err error) {
	g = &generation{number: number, dir: dir}
	g.trouble = func(err error) {
		if !g.broken.Swap(true) {
			trouble(g, err)
		}
	}
	own := &disk{FS: fs.FS, failed: g.trouble}
	o := &pebble.Options{
		FS: own, Cache: blocks, DisableWAL: true, FormatMajorVersion: pebble.FormatWALSyncChunks,
		MemTableSize: memTableBytes, MemTableStopWritesThreshold: 4,
		L0CompactionThreshold: 4, L0StopWritesThreshold: 64, MaxOpenFiles: 200,
		Logger: logger{log: log, forget: func() { _ = fs.FS.RemoveAll(dir) }},
		EventListener: &pebble.EventListener{
			BackgroundError: g.trouble,
			DataCorruption:  func(i pebble.DataCorruptionInfo) { g.trouble(i.Details) },
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	// What is damaged may show as a panic.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("open %s: %v", dir, r)
		}
	}()
	if g.db, err = pebble.Open(dir, o); err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	own.lenient.Store(true)
	g.bytes.Store(int64(g.db.Metrics().DiskSpaceUsage()))
	return g, nil
}

// close closes the store; what was not written yet is kept if that is wanted.
func (g *generation) close(keep bool) (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	if keep && !g.broken.Load() {
		err = g.db.Flush()
	}
	return errors.Join(err, g.db.Close())
}

// enter takes part in reading the store, unless that is over.
func (g *generation) enter() bool {
	if g == nil || g.broken.Load() || !g.mu.TryRLock() {
		return false
	}
	if g.closed {
		g.mu.RUnlock()
		return false
	}
	return true
}

func (g *generation) leave() { g.mu.RUnlock() }

// run is a run of records: all that a place has in (lo, hi].
type run struct {
	place   Place
	lo, hi  uint64
	records []eventlog.Record
}

// runAt returns the run in which an offset has a successor, or with before set the
// one that has it.
func (g *generation) runAt(p *Place, at uint64, before bool) (lo, hi uint64, ok bool, err error) {
	seek := at + 1
	if before {
		seek = at
	}
	err = g.each(p.key(rowRun, seek), p.key(rowRun, ^uint64(0)), false, func(key, value []byte) (bool, error) {
		if len(value) != 8 {
			return false, errRow
		}
		lo, hi = offsetOf(value), offsetOf(key)
		ok = lo <= at && !before || lo < at
		return false, nil
	})
	return lo, hi, ok, err
}

// runBelow returns the last run that ends below an offset, or zeros.
func (g *generation) runBelow(p *Place, at uint64) (lo, hi uint64, err error) {
	err = g.each(p.key(rowRun, 0), p.key(rowRun, at), true, func(key, value []byte) (bool, error) {
		if len(value) != 8 {
			return false, errRow
		}
		lo, hi = offsetOf(value), offsetOf(key)
		return false, nil
	})
	return lo, hi, err
}

// recordsIn gives the records of a place in (lo, hi] to take, the newest first if
// backward is set, until take returns false.
func (g *generation) recordsIn(p *Place, lo, hi uint64, backward bool, take func(*eventlog.Record) bool) error {
	return g.each(p.key(rowRecord, lo+1), p.key(rowRecord, hi+1), backward, func(key, value []byte) (bool, error) {
		r, err := decodeRecord(offsetOf(key), value)
		if err != nil {
			return false, err
		}
		return take(&r), nil
	})
}

// each gives rows to f as long as it returns true.
func (g *generation) each(lower, upper []byte, backward bool, f func(key, value []byte) (more bool, err error)) (err error) {
	it, err := g.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	first, next := it.First, it.Next
	if backward {
		first, next = it.Last, it.Prev
	}
	for ok := first(); ok; ok = next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if more, err := f(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// add keeps a run, joined with those that it touches. Nobody else may add meanwhile.
func (g *generation) add(r *run) error {
	if !g.enter() {
		return nil
	}
	defer g.leave()
	lo, hi := r.lo, r.hi
	b := g.db.NewBatch()
	defer b.Close()
	known := false
	err := g.each(r.place.key(rowRun, r.lo), r.place.key(rowRun, ^uint64(0)), false, func(key, value []byte) (bool, error) {
		if len(value) != 8 {
			return false, errRow
		}
		from, to := offsetOf(value), offsetOf(key)
		if from > r.hi {
			return false, nil
		}
		if from <= r.lo && to >= r.hi {
			known = true
			return false, nil
		}
		lo, hi = min(lo, from), max(hi, to)
		return true, b.Delete(key, nil)
	})
	if err != nil || known {
		return err
	}
	for i := range r.records {
		if err := b.Set(r.place.key(rowRecord, r.records[i].Offset), encodeRecord(&r.records[i]), nil); err != nil {
			return err
		}
	}
	if err := b.Set(r.place.key(rowRun, hi), beOffset(lo), nil); err != nil {
		return err
	}
	g.bytes.Add(int64(b.Len()))
	return b.Commit(pebble.NoSync)
}

// logger is what Pebble says.
type logger struct {
	log    *slog.Logger
	forget func()
}

func (logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("cache of records", "err", fmt.Sprintf(format, args...))
}

// Fatalf is for what must not be, after which Pebble cannot go on. The directory is
// removed, so that the next start does not meet it again.
func (l logger) Fatalf(format string, args ...any) {
	l.forget()
	panic(fmt.Errorf("cache of records: "+format, args...))
}
