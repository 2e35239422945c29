// Package yjs is a document engine that is byte-compatible with Yjs 13.
//
// A Doc holds shared types: Text (with formatting and embeds), Map, Array and
// XML. Documents on several machines change without asking one another,
// exchange updates in any order, and come to the same state. Every Yjs editor
// speaks this format.
//
//	doc := yjs.New(yjs.Options{})
//	doc.OnUpdate(func(u *yjs.Update) { send(u.V1()) })
//	doc.Text("title").Insert(0, "hello")
//	doc.Apply(received, nil)
//
// Updates can also be merged, cut and converted without a document: see
// MergeUpdates. Package yjs/awareness holds who is present, and package
// yjs/syncproto the messages that Yjs providers exchange.
//
// # Positions
//
// All indexes and lengths of text count UTF-16 units, as in JavaScript; an index
// between the two halves of a surrogate pair means the place before the pair.
//
// # Concurrency
//
// A Doc is a plain value: it starts no goroutine, keeps no clock, and is not safe
// for concurrent use. Guard it with a mutex or give it one owner. Observers are
// called before the changing method returns, on its goroutine.
//
// # Layout
//
// Structs lie in slabs and refer to one another by 32-bit indexes; text lies in
// one append-only arena; what a client types on is extended in place. Clocks
// have 32 bits: an update that reaches beyond is refused with ErrLimit.
//
// The algorithm is YATA as Yjs implements it (github.com/yjs/yjs, MIT, by Kevin
// Jahns and contributors); the format is described in its INTERNALS.md.
package yjs

import (
	"errors"
	"math/rand/v2"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/pending"
	"github.com/starling-rt/starling/yjs/internal/store"
)

// The errors of this package; test with errors.Is.
var (
	// ErrMalformed says that bytes are no update, state vector, snapshot or position.
	ErrMalformed = codec.ErrMalformed
	// ErrLimit says that an update asks for more than Options allow.
	ErrLimit = codec.ErrLimit
	// ErrPending says that too much waits for updates that have not come.
	ErrPending = pending.ErrFull
	// ErrRange says that an index or a length lies outside a type.
	ErrRange = errors.New("yjs: index out of range")
	// ErrValue says that a value cannot be stored where it should go.
	ErrValue = errors.New("yjs: value cannot be stored")
	// ErrDetached says that a type is not, or no longer, part of its document.
	ErrDetached = errors.New("yjs: type is not part of a document")
	// ErrKept says that the operation needs a document made with KeepDeleted.
	ErrKept = errors.New("yjs: needs a document that keeps what was deleted")
)

// Options configure a Doc. The zero value is usable.
type Options struct {
	// ClientID identifies the author of local changes; it must be unique among all
	// who write at the same time. Default: random, 32 bits.
	ClientID uint64
	// KeepDeleted keeps the content of what was deleted (Yjs: gc false), which
	// snapshots need. Default: it is freed.
	KeepDeleted bool
	// CleanFormats removes formatting marks that have lost their effect after
	// changes of others, as Yjs editors do, which writes updates in answer to
	// updates. Default: off; a server should leave it to the editors.
	CleanFormats bool
	// MaxBlocks bounds the structs of one update. Encoding v2 can name millions in
	// a few bytes; raise it for one's own stored documents of that kind.
	// Default: 65,536 and 8 more for each byte of the update. In v2, 16,384 and one for
	// each byte may be other than deleted values of map keys and what was below them.
	MaxBlocks int
	// MaxPending bounds the bytes kept of updates that wait for others. Default: 16 MiB.
	MaxPending int
}

// A Doc is a shared document. Make one with New.
type Doc struct {
	opts     Options
	clientID uint64
	s        store.Store
	pend     pending.Set
	tx       *txn // the open transaction
	spareTxn txn
	stamp    uint32
	queue    []*txn // committed, to be finished
	inCommit bool
	tracking bool // changed types are noted
	prog     progress
	want     bool   // the bytes of the next transaction are wanted:
	wanted   []byte // these
	edits
	*observing
	scratch
}

// edits is what local edits by index remember.
type edits struct {
	marks     map[int32]*markers
	lastMarks *markers // the ones that were asked for last
	markClock uint32
	exact     bool // indexes inside surrogate pairs are taken as they are, as Yjs does
}

// observing is who wants to know. A document that nobody observes has nobody.
type observing struct {
	onUpdate hooks[func(*Update)]
	onTxn    hooks[func(*txn)]
	events   map[int32]*hooks[func(*Event)]
	deep     map[int32]*hooks[func([]*Event)]
	subdocs  hooks[func(*Subdocs)]
}

// nobody is never changed.
var nobody observing

// observers returns what observers are added to.
func (d *Doc) observers() *observing {
	if d.observing == &nobody {
		d.observing = new(observing)
	}
	return d.observing
}

// scratch is memory that is used again.
type scratch struct {
	writer codec.Writer
	update Update
	ranges codec.DeleteSet
	todo   []int32
}

// New makes an empty document.
func New(opts Options) *Doc {
	if opts.MaxPending <= 0 {
		opts.MaxPending = 16 << 20
	}
	d := &Doc{opts: opts, clientID: opts.ClientID, observing: &nobody}
	if d.clientID == 0 {
		d.clientID = randomID()
	}
	d.s.Free = store.None
	d.tracking = opts.CleanFormats
	return d
}

func randomID() uint64 { return uint64(rand.Uint32()) }

// ClientID is the author of local changes. It changes when somebody else is seen
// to use it.
func (d *Doc) ClientID() uint64 { return d.clientID }

// checkOwnID takes a new client id when a remote transaction used ours.
func (d *Doc) checkOwnID(t *txn) {
	for _, x := range t.touched {
		if d.s.Clients[x.client].ID == d.clientID {
			d.clientID = randomID()
		}
	}
}

// Transact runs f as one transaction: observers are called once, and one update
// is made of all changes. Inside another transaction it just runs f. origin is
// handed to observers.
func (d *Doc) Transact(origin any, f func()) {
	if !d.begin(origin, true) {
		f()
		return
	}
	defer d.commit()
	f()
}

// OnUpdate calls f after every transaction that changed the document, with what
// to send to others. The result stops that.
func (d *Doc) OnUpdate(f func(*Update)) (stop func()) { return d.observers().onUpdate.add(f) }
