package pebblelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/starling-rt/starling/eventlog"
)

const (
	// A group has at most this many operations, and bytes of data as far as
	// one operation does not exceed it alone.
	maxGroupOps   = 1024
	maxGroupBytes = 4 << 20
	// So many groups may be applied and not yet published.
	pipelineGroups = 16
)

// committer is what the committer goroutine owns, but for the channels.
type committer struct {
	store  store
	last   uint64 // the last number given out
	groups uint64
	// current is the group in the making.
	current *group
	rest    []op // what was taken with it and has to wait
	value   []byte
	key     []byte
	publish chan *group
	free    chan *group
}

// group is what is committed as one Pebble batch.
type group struct {
	number  uint64
	ops     []op
	batch   *pebble.Batch
	now     int64 // Unix ms
	applied bool
	sync    bool
	early   bool // the early operations were answered
	at      int64
	err     error

	touched []touched
	// keys and items are the idempotency keys and key-values that the batch
	// sets; they are not yet in the store while the group is made.
	keys  map[keyOf]remembered
	items map[string]item
	// waiters wait for the key-values of the group to be durable.
	waiters *kvCommit
	// store is the state of the store after the group, if that changes.
	store *store
	over  []string // channels that keep too much
}

type touched struct {
	ch     *channel
	before uint64 // version
	after  meta
}

type keyOf struct {
	ch  *channel
	key string
}

func (e *Engine) newGroup() *group {
	var g *group
	select {
	case g = <-e.committer.free:
	default:
		g = &group{keys: map[keyOf]remembered{}, items: map[string]item{}}
	}
	e.committer.groups++
	g.number = e.committer.groups
	now := time.Now()
	g.now, g.at = now.UnixMilli(), now.UnixNano()
	g.batch = e.db.NewBatch()
	return g
}

// recycle makes a group that is published fit for use again.
func (e *Engine) recycle(g *group) {
	clear(g.ops)
	clear(g.touched)
	*g = group{ops: g.ops[:0], touched: g.touched[:0], keys: g.keys, items: g.items, over: g.over[:0]}
	select {
	case e.committer.free <- g:
	default:
	}
}

// runCommitter takes what waits, group by group.
func (e *Engine) runCommitter() {
	c := &e.committer
	defer close(c.publish)
	// Pebble ends this goroutine, by a panic or by Goexit, when it cannot write.
	defer e.failRest()
	for {
		ops := e.queue.take()
		if ops == nil {
			return
		}
		for len(ops) > 0 {
			n, bytes := 0, 0
			for n < len(ops) && n < maxGroupOps && (n == 0 || bytes+ops[n].size <= maxGroupBytes) {
				bytes += ops[n].size
				n++
			}
			c.rest = ops[n:]
			e.commit(ops[:n])
			ops = c.rest
		}
	}
}

// commit makes a group of operations, applies it and hands it on.
func (e *Engine) commit(ops []op) {
	if err := e.health.writable(); err != nil {
		for i := range ops {
			ops[i].refuse(err)
		}
		return
	}
	g := e.newGroup()
	g.ops = append(g.ops, ops...)
	e.committer.current = g
	e.health.applying.Store(g.at)
	e.build(g)
	e.apply(g)
	e.health.applying.Store(0)
	e.committer.current = nil
	// What waits for nothing is answered at once. If nothing else is in the group
	// it need not go through the publisher.
	e.show(g, true)
	if !g.sync && !g.late() {
		e.finish(g)
		return
	}
	e.committer.publish <- g
}

// late tells whether an operation of the group waits for the publisher.
func (g *group) late() bool {
	for i := range g.ops {
		if !g.ops[i].early {
			return true
		}
	}
	for i := range g.touched {
		if !g.touched[i].ch.unsynced {
			return true
		}
	}
	return false
}

// build judges the operations and writes what they change into the batch.
func (e *Engine) build(g *group) {
	c := &e.committer
	before := c.last
	for i := range g.ops {
		o := &g.ops[i]
		if o.batch == nil {
			o.err = o.change(g)
			g.sync = g.sync || o.err == nil && !o.early
			continue
		}
		if o.err = e.judge(g, o); o.err == nil && o.stored && !o.early {
			g.sync = true
		}
	}
	for i := range g.touched {
		t := &g.touched[i]
		m := &t.ch.cur
		if m.version != t.before && m.last != 0 {
			c.key = metaKey(c.key[:0], t.ch.name)
			c.value = appendMeta(c.value[:0], m)
			e.set(g, c.key, c.value)
		}
		t.after = *m
		if over(&t.ch.policy, m) {
			g.over = append(g.over, t.ch.name)
		}
	}
	if c.last != before {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], c.last)
		e.set(g, []byte{rowNumber}, n[:])
	}
}

// set sets a row in the batch, which cannot fail before it is applied.
func (e *Engine) set(g *group, key, value []byte) {
	if err := g.batch.Set(key, value, nil); err != nil {
		panic(fmt.Errorf("set a row in a batch: %w", err))
	}
}

func (e *Engine) deleteRange(g *group, start, end []byte) {
	if err := g.batch.DeleteRange(start, end, nil); err != nil {
		panic(fmt.Errorf("delete rows in a batch: %w", err))
	}
}

// judge decides on an append and writes its rows.
func (e *Engine) judge(g *group, o *op) error {
	b, c := o.batch, &e.committer
	ch, err := e.acquire(g, b.Channel)
	if err != nil {
		return fmt.Errorf("append to %q: %w", b.Channel, err)
	}
	o.ch, o.early = ch, ch.unsynced
	epoch := c.store.epochOf(ch.unsynced, ch.cur.generation)
	window := ch.policy.KeyWindow.Milliseconds()
	if b.DedupKey != "" && window > 0 {
		first, err := e.remembered(g, ch, b.DedupKey, uint64(window))
		if err != nil {
			return fmt.Errorf("append to %q: %w: %w", b.Channel, eventlog.ErrUnavailable, err)
		}
		if first.last != 0 && first.hash != b.Hash {
			return fmt.Errorf("append to %q: %w", b.Channel, eventlog.ErrKeyReused)
		}
		if first.last != 0 {
			o.appended = eventlog.Appended{
				First: first.first, Last: eventlog.Position{Epoch: epoch, Offset: first.last}, Duplicate: true,
			}
			return nil
		}
	}
	if want, ok := b.Expect.Offset(); ok && want != ch.cur.last {
		return &eventlog.ConflictError{Channel: b.Channel, Head: eventlog.Position{Epoch: epoch, Offset: ch.cur.last}}
	}
	o.prev, o.stored = ch.cur.last, true
	for i := range b.Records {
		r := &b.Records[i]
		c.last++
		r.Offset = c.last
		c.key = recordKey(c.key[:0], b.Channel, r.Offset)
		c.value = appendRecord(c.value[:0], r)
		e.set(g, c.key, c.value)
		if ch.cur.count == 0 {
			ch.cur.oldest = max(r.Time, 1)
		}
		ch.cur.count++
		ch.cur.bytes += int64(len(r.Data))
	}
	ch.cur.last = c.last
	ch.cur.version++
	o.appended = eventlog.Appended{First: b.Records[0].Offset, Last: eventlog.Position{Epoch: epoch, Offset: c.last}}
	if b.DedupKey != "" && window > 0 {
		k := remembered{hash: b.Hash, first: o.appended.First, last: c.last, expires: g.now + window}
		g.keys[keyOf{ch, b.DedupKey}] = k
		c.key = append(dedupPrefix(c.key[:0], uint64(window), uint64(g.now/window), ch.name), b.DedupKey...)
		c.value = appendRemembered(c.value[:0], &k)
		e.set(g, c.key, c.value)
	}
	return nil
}

// remembered returns what is known of an idempotency key, or the zero value.
func (e *Engine) remembered(g *group, ch *channel, key string, window uint64) (remembered, error) {
	if r, ok := g.keys[keyOf{ch, key}]; ok {
		return r, nil
	}
	c := &e.committer
	bucket := uint64(g.now) / window
	for _, at := range [...]uint64{bucket, bucket - 1} {
		c.key = append(dedupPrefix(c.key[:0], window, at, ch.name), key...)
		value, closer, err := e.db.Get(c.key)
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return remembered{}, err
		}
		r, err := decodeRemembered(value)
		if cerr := closer.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return remembered{}, err
		}
		if r.expires > g.now {
			return r, nil
		}
	}
	return remembered{}, nil
}

// apply applies the batch, without waiting for its sync.
func (e *Engine) apply(g *group) {
	clear(g.keys)
	clear(g.items)
	if g.waiters != nil {
		e.kv.Store(g.waiters)
	}
	if g.batch.Empty() {
		g.sync = false
		return
	}
	var err error
	if g.sync {
		err = e.db.ApplyNoSyncWait(g.batch, pebble.Sync)
	} else {
		err = e.db.Apply(g.batch, pebble.NoSync)
	}
	if err != nil {
		panic(err) // failRest takes it from here.
	}
	g.applied = true
}

// failRest answers what the committer has in hand when it cannot go on.
func (e *Engine) failRest() {
	c := &e.committer
	r := recover()
	if r == nil && c.current == nil {
		return
	}
	cause := errStopped
	if r != nil {
		cause = fmt.Errorf("%w: %v", errStopped, r)
	}
	e.health.breakDown(cause)
	e.opts.Logger.Error("nothing can be stored any more", "dir", e.dir, "err", e.health.broken())
	if g := c.current; g != nil {
		g.err = e.health.broken()
		c.publish <- g
	}
	refusal := e.health.writable()
	for i := range c.rest {
		c.rest[i].refuse(refusal)
	}
	for _, o := range e.queue.fail(refusal) {
		o.refuse(refusal)
	}
}

// runPublisher waits for the sync of each group and tells its outcome.
func (e *Engine) runPublisher() {
	for g := range e.committer.publish {
		if g.sync && g.applied {
			e.health.waiting.Store(g.at)
			began := time.Now()
			if err := g.batch.SyncWait(); err != nil {
				e.health.breakDown(fmt.Errorf("sync: %w", err))
				e.opts.Logger.Error("nothing can be stored any more", "dir", e.dir, "err", err)
			}
			e.health.waiting.Store(0)
			if e.opts.Committed != nil {
				now := time.Now()
				e.opts.Committed(Commit{len(g.ops), now.Sub(time.Unix(0, g.at)), now.Sub(began)})
			}
		}
		if g.err == nil {
			g.err = e.health.broken()
		}
		if !g.early {
			e.show(g, true)
		}
		e.show(g, false)
		e.finish(g)
	}
}

// show makes the early or the other operations of a group seen and answers them.
func (e *Engine) show(g *group, early bool) {
	cs := &e.channels
	g.early = true
	if g.err == nil {
		cs.mu.Lock()
		for i := range g.touched {
			if t := &g.touched[i]; t.ch.unsynced == early {
				t.ch.show(&t.after)
				t.ch.busy.Add(-1)
			}
		}
		if g.store != nil && !early {
			cs.store = *g.store
		}
		cs.mu.Unlock()
	}
	for i := range g.ops {
		if o := &g.ops[i]; o.early == early {
			e.answer(g, o)
		}
	}
}

// answer delivers what an operation stored, and tells its outcome.
func (e *Engine) answer(g *group, o *op) {
	err := o.err
	if g.err != nil {
		// Whether it is stored will be known when the store is opened again.
		err = fmt.Errorf("%w: %w", eventlog.ErrUnknown, g.err)
		if o.err != nil {
			err = fmt.Errorf("%w: %w", eventlog.ErrUnavailable, g.err)
		}
	}
	if o.batch == nil {
		o.finished(err)
		return
	}
	if err != nil {
		if g.err != nil {
			err = fmt.Errorf("append to %q: %w", o.batch.Channel, err)
		}
		o.done(eventlog.Appended{}, err)
		return
	}
	if o.stored {
		s := e.live.Stripe(o.batch.Channel)
		s.Lock()
		s.Records(o.batch.Channel, o.batch.Records, o.appended.Last.Epoch, o.prev)
		s.Unlock()
	}
	o.done(o.appended, nil)
}

// finish ends a group after all of it was answered.
func (e *Engine) finish(g *group) {
	if w := g.waiters; w != nil {
		w.err = g.err
		close(w.done)
	}
	if g.err != nil {
		return // What failed is not used again.
	}
	e.retainer.add(g.over)
	if err := g.batch.Close(); err != nil {
		e.health.backgroundError(err)
	}
	e.recycle(g)
}
