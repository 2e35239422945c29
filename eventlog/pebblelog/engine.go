package pebblelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/internal/live"
)

// Options are the options of an engine. The zero value is usable.
type Options struct {
	// Policies tells how each channel is kept. Default: the default policy.
	Policies eventlog.Policies

	// Logger gets what an operator should know. Default: slog.Default().
	Logger *slog.Logger

	// FS is where the directory is. Default: the file system of the machine.
	FS vfs.FS

	// CacheBytes is how much of what was read from the disk is kept in memory,
	// beside the 32 to 128 MiB of what was written lately. Default: 64 MiB.
	CacheBytes int64

	// CacheChannels is how many channels are known without looking into the
	// store. Default: 100,000.
	CacheChannels int

	// ForgetAfter is how long a channel that holds no record is remembered.
	// Default: 30 days.
	ForgetAfter time.Duration

	// MinFreeBytes is how much of the disk is left alone: with less free,
	// appends are refused. Default: 64 MiB; negative: do not look.
	MinFreeBytes int64

	// Committed hears of each group of changes that was synced. It must not
	// block. Default: nobody does.
	Committed func(Commit)
}

// Commit is a group of changes that was made durable by one sync.
type Commit struct {
	Changes int           // appends and others
	Took    time.Duration // from when the group was made until it was durable
	Sync    time.Duration // of it, waiting for the disk
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	if o.CacheChannels <= 0 {
		o.CacheChannels = 100_000
	}
	if o.ForgetAfter <= 0 {
		o.ForgetAfter = 30 * 24 * time.Hour
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 64 << 20
	}
	return o
}

// Engine is an eventlog.Engine in a directory.
type Engine struct {
	// Static after Open.
	dir  string
	opts Options
	db   *pebble.DB
	lock *pebble.Lock
	live *live.Hub

	health    health
	queue     queue
	committer committer
	channels  channels
	kv        atomic.Pointer[kvCommit] // the last change of keys
	retainer  retainer

	// use is held shared by whoever uses db, and taken by Close.
	use    sync.RWMutex
	closed bool

	// removing is held by whoever removes records of any channel.
	removing sync.Mutex

	quit    chan struct{}
	janitor sync.WaitGroup
	commits sync.WaitGroup

	hooks hooks
}

// hooks are where a test may hold up a reader: after it has read a channel from
// the store, and before it takes its view of the records. Static while anybody
// reads.
type hooks struct {
	loaded, scanning func()
}

var _ eventlog.Engine = (*Engine)(nil)

// Open opens the store in a directory, or makes one if there is none. One engine
// at a time can have a directory.
func Open(dir string, o Options) (*Engine, error) {
	o = o.withDefaults()
	e, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open the log in %q: %w", dir, err)
	}
	e.live = live.New(o.Policies)
	e.quit = make(chan struct{})
	e.health.opened.Store(true)
	e.retainer.wake = make(chan struct{}, 1)
	e.committer.publish = make(chan *group, pipelineGroups)
	e.committer.free = make(chan *group, 2*pipelineGroups)
	e.commits.Go(e.runPublisher)
	e.commits.Go(e.runCommitter)
	e.janitor.Go(e.runJanitor)
	e.janitor.Go(e.runRetainer)
	return e, nil
}

func open(dir string, o Options) (*Engine, error) {
	if o.FS == vfs.Default {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		dir = abs
	}
	if err := o.FS.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := o.FS.Stat(o.FS.PathJoin(dir, backupMark)); err == nil {
		return nil, errors.New("this is a backup: restore it into another directory and open that one")
	}
	lock, err := pebble.LockDirectory(dir, o.FS)
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("another server uses the directory (stop it, or give this one another): %w", err)
	}
	e := &Engine{dir: dir, opts: o, lock: lock}
	e.queue.init()
	e.channels.init()
	if err := e.openStore(); err != nil {
		if e.db != nil {
			err = errors.Join(err, e.db.Close())
		}
		return nil, errors.Join(err, lock.Close())
	}
	return e, nil
}

// openStore opens the Pebble store and reads what is known of it as a whole.
func (e *Engine) openStore() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the store is damaged: %v", r)
		}
	}()
	if e.db, err = pebble.Open(e.dir, e.pebbleOptions()); err != nil {
		if errors.Is(err, pebble.ErrCorruption) {
			return fmt.Errorf("the store is damaged (restore a backup): %w", err)
		}
		return err
	}
	var s store
	value, err := e.get([]byte{rowStore})
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		s = store{version: formatVersion, epoch: newEpoch(), unsyncedEpoch: newEpoch()}
	case err != nil:
		return err
	default:
		if s, err = decodeStore(value); err != nil {
			return err
		}
	}
	if s.version > formatVersion {
		return fmt.Errorf("the store has format %d, and this program knows formats up to %d: use a newer one", s.version, formatVersion)
	}
	if !s.clean {
		s.unsyncedEpoch = newEpoch()
	}
	s.clean = false
	if err := e.db.Set([]byte{rowStore}, encodeStore(&s), pebble.Sync); err != nil {
		return err
	}
	e.committer.store, e.channels.store = s, s
	number, err := e.get([]byte{rowNumber})
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil
	case err != nil:
		return err
	case len(number) != 8:
		return fmt.Errorf("last number: %w", errCorrupt)
	}
	e.committer.last = binary.BigEndian.Uint64(number)
	return nil
}

func newEpoch() uint32 {
	for {
		if epoch := rand.Uint32(); epoch != 0 {
			return epoch
		}
	}
}

// get returns a copy of a value, or pebble.ErrNotFound.
func (e *Engine) get(key []byte) ([]byte, error) {
	value, closer, err := e.db.Get(key)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(value)), value...)
	return out, closer.Close()
}

// Append puts a batch in the queue of the committer.
func (e *Engine) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	size := 0
	for i := range b.Records {
		size += len(b.Records[i].Data) + 64
	}
	err := e.health.appendable()
	if err == nil {
		err = e.queue.put(op{batch: b, done: done, size: size})
	}
	if err != nil {
		done(eventlog.Appended{}, fmt.Errorf("append to %q: %w", b.Channel, err))
	}
}

// Watch delivers what is stored and signalled from now on.
func (e *Engine) Watch(pattern string, sink eventlog.Sink) (stop func(), err error) {
	if err := e.enter(context.Background()); err != nil {
		return nil, fmt.Errorf("watch %q: %w", pattern, err)
	}
	defer e.leave()
	return e.live.Watch(pattern, sink), nil
}

// Signal hands a signal to all who watch the channel. Signals and slots are in
// memory alone.
func (e *Engine) Signal(ctx context.Context, s eventlog.Signal) error {
	if err := e.enter(ctx); err != nil {
		return fmt.Errorf("signal on %q: %w", s.Channel, err)
	}
	defer e.leave()
	return e.live.Signal(s)
}

// Slots returns the values of the channel's slots.
func (e *Engine) Slots(ctx context.Context, channel string) ([]eventlog.Signal, error) {
	if err := e.enter(ctx); err != nil {
		return nil, fmt.Errorf("slots of %q: %w", channel, err)
	}
	defer e.leave()
	return e.live.Slots(channel), nil
}

// Info tells what kind of engine it is.
func (e *Engine) Info() eventlog.Info {
	return eventlog.Info{
		Name:     "pebble",
		Lossless: true,
		Promise: "An acknowledged publication is on the disk of this machine: it survives a crash and a power cut " +
			"(in channels that are not synced: a stop in good order).",
	}
}

// enter begins a use of the store; leave ends it.
func (e *Engine) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.use.RLock()
	if e.closed {
		e.use.RUnlock()
		return eventlog.ErrClosed
	}
	return nil
}

func (e *Engine) leave() { e.use.RUnlock() }

const memTableBytes = 32 << 20

// closeTimeout is how long Close waits for a store that has failed.
const closeTimeout = 5 * time.Second

// Close stores what waits and ends the engine.
func (e *Engine) Close() error {
	if !e.queue.close() {
		return nil
	}
	close(e.quit)
	e.janitor.Wait()
	e.commits.Wait()
	e.live.Close()
	e.use.Lock()
	e.closed = true
	e.use.Unlock()
	var err error
	if broken := e.health.broken(); broken != nil {
		err = e.abandon(broken)
	} else {
		s := e.committer.store
		s.clean = true
		err = e.db.Set([]byte{rowStore}, encodeStore(&s), pebble.Sync)
		// What is in tables is safe from damage that goes unnoticed; the end of
		// a log is not, since it may as well have been torn by a power cut.
		err = errors.Join(err, e.db.Flush(), e.db.Close())
	}
	if err = errors.Join(err, e.lock.Close()); err != nil {
		return fmt.Errorf("close the log in %q: %w", e.dir, err)
	}
	return nil
}

// abandon closes a store that has failed. Pebble may hold locks for ever then,
// so it is given a while.
func (e *Engine) abandon(cause error) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		defer func() {
			if r := recover(); r != nil {
				e.opts.Logger.Error("close a store that has failed", "dir", e.dir, "panic", r)
			}
		}()
		if err := e.db.Close(); err != nil {
			e.opts.Logger.Warn("close a store that has failed", "dir", e.dir, "err", err)
		}
	}()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
	return cause
}

// pebbleOptions are how we use Pebble.
func (e *Engine) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:   e.opts.FS,
		Lock: e.lock,
		// Pebble takes the memory of its memtables out of the cache.
		CacheSize:          e.opts.CacheBytes + 2*memTableBytes,
		FormatMajorVersion: pebble.FormatWALSyncChunks,
		MemTableSize:       memTableBytes,
		// Three memtables may wait while a fourth fills.
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       32,
		MaxOpenFiles:                1000,
		Logger:                      pebbleLogger{e},
		EventListener: &pebble.EventListener{
			BackgroundError: e.health.backgroundError,
			DataCorruption:  func(i pebble.DataCorruptionInfo) { e.health.backgroundError(i.Details) },
		},
	}
	o.Experimental.CompactionScheduler = newScheduler()
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// mkdirNew makes a directory that must not hold anything yet.
func mkdirNew(fs vfs.FS, dir string) error {
	list, err := fs.List(dir)
	switch {
	case err == nil && len(list) > 0:
		return errors.New("the directory is not empty")
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	return fs.MkdirAll(dir, 0o755)
}
