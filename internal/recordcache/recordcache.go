// Package recordcache keeps, in a directory, copies of records that are in a log
// elsewhere and slow to read there.
//
// The directory may be lost or damaged at any time, and nothing waits for it: what
// is to be kept is queued, and dropped when the disk is slow. Records are immutable
// and numbered, so a copy is never out of date; but it may have been removed from
// the log since, which whoever reads has to ask the log itself.
//
// What is known of a channel are runs: all records that it had between two offsets.
// They are in two stores, the younger of which is filled. When that has half of the
// bytes, the older is thrown away; what is read from the older goes into the younger
// again, so that what is wanted stays.
package recordcache

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/starling-rt/starling/eventlog"
)

// Options are the options of a cache. Only Dir has to be set.
type Options struct {
	Dir string
	// MaxBytes bounds what is on disk, about: while Pebble merges files there may
	// be a few MiB more. Default 1 GiB, at least 16 MiB.
	MaxBytes int64
	// FS is the file system. Default: that of the machine.
	FS vfs.FS
	// Logger hears of what is thrown away because it is damaged.
	Logger *slog.Logger

	retry time.Duration // default retryAfter
}

const (
	defaultBytes = 1 << 30
	minBytes     = 16 << 20

	maxQueued      = 256 // runs
	maxQueuedBytes = 8 << 20

	// After trouble with the directory it is made anew, but not at once again.
	retryAfter = time.Minute
)

// Place is a channel of a log. The epoch changes when its offsets begin anew.
type Place struct {
	Stream  string
	Epoch   uint32
	Channel string
}

// Cache is a cache of records. Its methods are safe for concurrent use; those of a
// nil Cache find nothing.
type Cache struct {
	opts   Options
	disk   *disk
	lock   *pebble.Lock
	blocks *pebble.Cache

	queue  chan *run
	queued atomic.Int64 // bytes
	broken chan struct{}
	stop   chan struct{}
	work   sync.WaitGroup

	hits, misses atomic.Int64

	mu sync.RWMutex
	// mu guards the following, which run changes.
	young, old *generation
}

// Stats counts what was looked for since the cache was opened.
type Stats struct {
	Hits, Misses int64
	Bytes        int64 // on disk, about
}

// Open opens a cache, with what its directory has of an earlier one. It fails if the
// directory cannot be used, or another process uses it.
func Open(o Options) (*Cache, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultBytes
	}
	if o.MaxBytes < minBytes {
		return nil, fmt.Errorf("open a cache of %d bytes: that is less than %d", o.MaxBytes, minBytes)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.retry == 0 {
		o.retry = retryAfter
	}
	if err := o.FS.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("open a cache: %w", err)
	}
	c := &Cache{
		opts: o, disk: &disk{FS: o.FS}, queue: make(chan *run, maxQueued), broken: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	var err error
	if c.lock, err = pebble.LockDirectory(o.Dir, o.FS); err != nil {
		return nil, fmt.Errorf("open a cache in %s, which another process uses: %w", o.Dir, err)
	}
	c.blocks = pebble.NewCache(blockCacheBytes + 2*2*memTableBytes)
	if err := c.openAll(); err != nil {
		c.blocks.Unref()
		return nil, errors.Join(fmt.Errorf("open a cache: %w", err), c.lock.Close())
	}
	c.work.Go(c.run)
	return c, nil
}

const generationPrefix = "g-"

// openAll opens the two newest generations that can be, and removes all else.
func (c *Cache) openAll() error {
	names, err := c.opts.FS.List(c.opts.Dir)
	if err != nil {
		return err
	}
	var numbers []int
	for _, name := range names {
		rest, ours := strings.CutPrefix(name, generationPrefix)
		if n, err := strconv.Atoi(rest); ours && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var found []*generation
	last := 0
	for _, n := range slices.Backward(numbers) {
		last = max(last, n)
		if len(found) < 2 {
			g, err := c.open(n)
			if err == nil {
				found = append(found, g)
				continue
			}
			c.opts.Logger.Warn("a part of the cache of records is damaged and thrown away", "err", err)
		}
		if err := c.opts.FS.RemoveAll(c.dir(n)); err != nil {
			for _, g := range found {
				err = errors.Join(err, g.close(false))
			}
			return err
		}
	}
	if len(found) == 0 {
		g, err := c.open(last + 1)
		if err != nil {
			return err
		}
		found = append(found, g)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young = found[0]
	if len(found) > 1 {
		c.old = found[1]
	}
	return nil
}

func (c *Cache) dir(number int) string {
	return c.opts.FS.PathJoin(c.opts.Dir, generationPrefix+strconv.Itoa(number))
}

func (c *Cache) open(number int) (*generation, error) {
	return openGeneration(c.disk, c.dir(number), number, c.blocks, c.opts.Logger, c.trouble)
}

// trouble notes that a generation is broken.
func (c *Cache) trouble(g *generation, err error) {
	c.opts.Logger.Warn("the cache of records is damaged and made anew", "dir", g.dir, "err", err)
	select {
	case c.broken <- struct{}{}:
	default:
	}
}

// both returns the two generations, each of which may be nil.
func (c *Cache) both() [2]*generation {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return [2]*generation{c.young, c.old}
}

// After gives the records that follow an offset to take, in their order, as far as
// it is known that there are no others between them. through is how far it is known:
// after itself if nothing is. It ends when take returns false; enough is then set.
func (c *Cache) After(p Place, after uint64, take func(*eventlog.Record) bool) (through uint64, enough bool) {
	if c == nil {
		return after, false
	}
	through = after
	for i, g := range c.both() {
		if !g.enter() {
			continue
		}
		_, hi, ok, err := g.runAt(&p, after, false)
		if ok && err == nil {
			again := run{place: p, lo: after}
			err = g.recordsIn(&p, after, hi, false, func(r *eventlog.Record) bool {
				through = r.Offset
				again.records = append(again.records, *r)
				enough = !take(r)
				return !enough
			})
			if err == nil && !enough {
				through = hi
			}
			if again.hi = through; i > 0 {
				c.keep(&again)
			}
		}
		g.leave()
		if err != nil {
			g.trouble(err)
		}
		if through > after {
			break
		}
	}
	c.count(through > after)
	return through, enough
}

// Before is After for what comes up to an offset, the newest first: down is the
// offset above which all is known.
func (c *Cache) Before(p Place, upTo uint64, take func(*eventlog.Record) bool) (down uint64, enough bool) {
	if c == nil {
		return upTo, false
	}
	down = upTo
	for i, g := range c.both() {
		if !g.enter() {
			continue
		}
		lo, _, ok, err := g.runAt(&p, upTo, true)
		if ok && err == nil {
			again := run{place: p, hi: upTo}
			err = g.recordsIn(&p, lo, upTo, true, func(r *eventlog.Record) bool {
				down = r.Offset - 1
				again.records = append(again.records, *r)
				enough = !take(r)
				return !enough
			})
			if err == nil && !enough {
				down = lo
			}
			if again.lo = down; i > 0 {
				c.keep(&again)
			}
		}
		g.leave()
		if err != nil {
			g.trouble(err)
		}
		if down < upTo {
			break
		}
	}
	c.count(down < upTo)
	return down, enough
}

// Below returns the last run that ends below an offset: all between lo and hi is
// known. It returns zeros if there is none.
func (c *Cache) Below(p Place, at uint64) (lo, hi uint64) {
	if c == nil {
		return 0, 0
	}
	for _, g := range c.both() {
		if !g.enter() {
			continue
		}
		from, to, err := g.runBelow(&p, at)
		g.leave()
		if err != nil {
			g.trouble(err)
			continue
		}
		if to > hi {
			lo, hi = from, to
		}
	}
	return lo, hi
}

func (c *Cache) count(hit bool) {
	if hit {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
}

// Keep keeps records, which must be all that the place has above lo and up to hi. It
// does not wait for that, and the cache may be too busy to do it.
func (c *Cache) Keep(p Place, lo, hi uint64, records []eventlog.Record) {
	if c != nil && lo < hi {
		c.keep(&run{p, lo, hi, records})
	}
}

func (c *Cache) keep(r *run) {
	if r.lo >= r.hi {
		return
	}
	if n := r.size(); c.queued.Add(n) <= maxQueuedBytes {
		select {
		case c.queue <- r:
			return
		default:
		}
	}
	c.queued.Add(-r.size())
}

func (r *run) size() (bytes int64) {
	for i := range r.records {
		bytes += int64(len(r.records[i].Data)) + 128
	}
	return bytes
}

// Stats tells how the cache is used.
func (c *Cache) Stats() (s Stats) {
	if c == nil {
		return s
	}
	s.Hits, s.Misses = c.hits.Load(), c.misses.Load()
	for _, g := range c.both() {
		if g != nil {
			s.Bytes += g.bytes.Load()
		}
	}
	return s
}

// run writes what is queued, and throws generations away.
func (c *Cache) run() {
	var retry <-chan time.Time
	for {
		select {
		case <-c.stop:
			return
		case r := <-c.queue:
			c.queued.Add(-r.size())
			c.write(r)
		case <-c.broken:
			if retry == nil {
				c.renew()
				retry = time.After(c.opts.retry)
			}
		case <-retry:
			retry = nil
			if !c.sound() {
				c.renew()
				retry = time.After(c.opts.retry)
			}
		}
	}
}

// sound tells whether all that there is can be used.
func (c *Cache) sound() bool {
	both := c.both()
	return both[0] != nil && !both[0].broken.Load() && (both[1] == nil || !both[1].broken.Load())
}

func (c *Cache) write(r *run) {
	g := c.both()[0]
	if g == nil {
		return
	}
	if err := g.add(r); err != nil {
		g.trouble(err)
		return
	}
	if g.bytes.Load() >= c.opts.MaxBytes/2 {
		c.turn()
	}
}

// turn begins a new generation, and throws the old one away.
func (c *Cache) turn() {
	next, err := c.open(c.young.number + 1)
	if err != nil {
		c.young.trouble(err)
		return
	}
	c.mu.Lock()
	gone := c.old
	c.young, c.old = next, c.young
	c.mu.Unlock()
	c.remove(gone)
}

// remove throws a generation away.
func (c *Cache) remove(g *generation) {
	if g == nil {
		return
	}
	// Nothing of it is needed, also if it cannot be closed.
	_ = g.close(false)
	if err := c.opts.FS.RemoveAll(g.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		c.opts.Logger.Warn("a part of the cache of records cannot be removed", "err", err)
	}
}

// clear throws all away.
func (c *Cache) clear() {
	both := c.both()
	c.mu.Lock()
	c.young, c.old = nil, nil
	c.mu.Unlock()
	for _, g := range both {
		c.remove(g)
	}
}

// renew throws all away and begins anew. If it cannot, that is tried again later.
func (c *Cache) renew() {
	c.clear()
	err := c.opts.FS.MkdirAll(c.opts.Dir, 0o755)
	if err == nil {
		err = c.openAll()
	}
	if err != nil {
		c.opts.Logger.Warn("there is no cache of records for now", "err", err)
	}
}

// Close ends the cache; what it has is there when it is opened again.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	close(c.stop)
	c.work.Wait()
	for {
		select {
		case r := <-c.queue:
			c.write(r)
			continue
		default:
		}
		break
	}
	both := c.both()
	c.mu.Lock()
	c.young, c.old = nil, nil
	c.mu.Unlock()
	var errs []error
	for _, g := range both {
		if g != nil {
			errs = append(errs, g.close(true))
		}
	}
	c.blocks.Unref()
	return errors.Join(append(errs, c.lock.Close())...)
}
