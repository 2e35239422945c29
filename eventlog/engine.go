package eventlog

import (
	"context"
	"time"
)

// Engine is where a log is kept: the contract between a Log and a store. The
// methods are safe for concurrent use. Package logtest tests that an engine
// keeps it.
//
// Reads may be stale in a cluster, for at most a second: Head and Read may miss
// what was acknowledged elsewhere less than a second ago. What Append returns is
// never stale, and Expect is always judged against the true head.
type Engine interface {
	// Append stores the records of b and then calls done once, from any
	// goroutine; done must not block. Appends handed in one after the other
	// by one goroutine are stored in that order. Append itself does not wait
	// for I/O; when too much is waiting, done gets ErrUnavailable.
	//
	// The records are visible, to Head and Read and live, before done is
	// called with success, and never before they are as durable as the
	// policy of the channel demands. After an error other than ErrUnknown
	// nothing was stored, and nothing ever will be.
	//
	// The engine sets the Offset of each record. It may keep b.
	Append(b *Batch, done func(Appended, error))

	// Head returns the position of the last record ever stored in a channel.
	Head(ctx context.Context, channel string) (Position, error)

	// Read returns records with offsets above after, oldest first.
	Read(ctx context.Context, channel string, after uint64, limit Limit) (Page, error)

	// ReadBefore returns the newest records with offsets below before, oldest
	// first; before 0 stands for the end of the log.
	ReadBefore(ctx context.Context, channel string, before uint64, limit Limit) (Page, error)

	// Trim removes the records with offsets up to and including through. The
	// head stays what it is.
	Trim(ctx context.Context, channel string, through uint64) error

	// Delete removes all records, keys and slots of a channel. Positions in it
	// are lost: a read from one is not Complete. The head stays known for as
	// long as a client may come back with a position, and its offsets are not
	// used again.
	Delete(ctx context.Context, channel string) error

	// Watch delivers to sink, from the moment it returns, what is stored and
	// signalled on the channel, or, if pattern ends in "*", on every channel
	// whose name starts with what stands before it. stop ends it; a Deliver
	// that was under way may still be running when stop returns.
	Watch(pattern string, sink Sink) (stop func(), err error)

	// Signal hands a signal to all who watch the channel, and keeps it in its
	// slot if it has a key. A slot that expires is signalled with Delete.
	Signal(ctx context.Context, s Signal) error

	// Slots returns the values of the channel's slots, in the order of their
	// versions.
	Slots(ctx context.Context, channel string) ([]Signal, error)

	// KV returns the engine's key-values.
	KV() KV

	// Info tells what kind of engine it is.
	Info() Info

	// Health returns nil if appends can be expected to succeed, and otherwise
	// an error that says what is wrong, for people.
	Health(ctx context.Context) error

	// Close ends the engine. Appends that wait get ErrClosed or their result.
	Close() error
}

// Batch is an append as a Log hands it to an engine: complete but for the
// offsets.
type Batch struct {
	Channel string
	Records []Record
	Expect  Expectation

	// DedupKey is what makes the append idempotent within the channel: scope
	// and key in one string. "" when it has no key.
	DedupKey string
	// Hash is a hash of the entries, to tell a retry from a reuse.
	Hash uint64
}

// Sink takes what Watch delivers. Deliver must not block and must not call the
// engine. It may keep what l holds, but not l itself. Deliveries of one channel
// to one sink do not overlap.
type Sink interface {
	Deliver(l *Live)
}

// LiveKind says what a Live is.
type LiveKind uint8

const (
	// LiveRecord is a record that was stored.
	LiveRecord LiveKind = iota + 1
	// LiveSignal is a signal.
	LiveSignal
	// LiveResync says that deliveries may have been lost, on any channel: who
	// follows one should look at its head. Channel is "".
	LiveResync
)

// Live is one delivery of a Watch.
type Live struct {
	Kind    LiveKind
	Channel string

	// Of a LiveRecord: the record, the epoch of its channel, and the offset
	// of the record before it in the channel. A Prev of 0 is not known.
	Record Record
	Epoch  uint32
	Prev   uint64

	Signal Signal // of a LiveSignal
}

// Info describes an engine.
type Info struct {
	Name string // "memory", "pebble", "nats"

	// Lossless tells that Watch delivers each record once and in order, that
	// reads are never stale, and so that nobody need check.
	Lossless bool

	// Remote tells that Signal asks another machine, and so may wait for it.
	Remote bool

	// Promise is what an acknowledged append survives, in a sentence.
	Promise string
}

// KV is a store of small key-values. Keys are up to 512 bytes, values up to
// 256 KiB. Revisions grow with every change of a key, also across its deletion.
type KV interface {
	// Get returns an item, or ErrNotFound.
	Get(ctx context.Context, key string) (Item, error)

	// Put sets a value and returns its new revision, or ErrRevision when the
	// key is not as o demands. It is as durable as a synced append.
	Put(ctx context.Context, key string, value []byte, o PutOptions) (revision uint64, err error)

	// Delete removes a key, or returns ErrRevision when it is not as expected.
	// Removing a key that is not there is no error unless a revision was
	// expected.
	Delete(ctx context.Context, key string, expect RevisionExpectation) error

	// List returns up to limit items whose keys begin with prefix and come
	// after the key after, in the order of their keys.
	List(ctx context.Context, prefix, after string, limit int) ([]Item, error)
}

// Limits of a KV.
const (
	MaxKVKeyBytes   = 512
	MaxKVValueBytes = 256 << 10
)

// Item is a key with its value.
type Item struct {
	Key      string
	Value    []byte
	Revision uint64
}

// PutOptions says how Put may set a key.
type PutOptions struct {
	Expect RevisionExpectation
	// TTL is how long the value lives, at least a second in a cluster. 0: for
	// ever.
	TTL time.Duration
}

// RevisionExpectation is what a change demands of a key. The zero value demands
// nothing.
type RevisionExpectation uint64

// Absent demands that the key does not exist.
const Absent RevisionExpectation = 1

// AtRevision demands that the key has exactly this revision, as Put or Get
// returned it.
func AtRevision(revision uint64) RevisionExpectation { return RevisionExpectation(revision + 1) }

// Revision returns the revision that e demands (0: that the key is absent), and
// whether it demands one.
func (e RevisionExpectation) Revision() (revision uint64, ok bool) {
	return uint64(e) - 1, e != 0
}
