package eventlog

import (
	"time"
)

// Limits of what a log accepts. They hold in every engine.
const (
	MaxChannelBytes = 255     // length of a channel's name
	MaxKeyBytes     = 128     // length of an idempotency or conflation key
	MaxUserBytes    = 255     // length of a user id
	MaxDataBytes    = 1 << 20 // data of one record or signal
	MaxTags         = 16      // tags of one record
	MaxTagBytes     = 256     // name and value of one tag together
	MaxBatch        = 256     // records in one append
	MaxOffset       = 1<<53 - 1
)

// Position is a place in the log of one channel: after the record with this
// offset. The zero Position is no place at all: an Epoch is never 0.
type Position struct {
	Epoch  uint32
	Offset uint64
}

// Record is one entry of a channel's log. Records are immutable: nobody changes
// one after it was made, nor what its Data and Tags hold.
type Record struct {
	Offset uint64            // given by the engine
	ID     string            // stable, unique; kept when a log moves to another engine
	Key    string            // idempotency key of the append it came with, or ""
	User   string            // who published it, as the server knows, or ""
	Time   int64             // Unix milliseconds, by the server's clock
	Tags   map[string]string // what filters look at; nil when there are none
	Data   []byte            // opaque to the log
}

// Entry is a record to be, as the caller of Append gives it.
type Entry struct {
	ID   string            // default: a new one
	Time int64             // Unix milliseconds; default: now
	Tags map[string]string // at most MaxTags
	Data []byte            // at most MaxDataBytes; the log keeps the slice
}

// Append is one or several records for one channel, stored all or none.
type Append struct {
	Channel string
	Entries []Entry // 1 to MaxBatch

	// User is stamped on every record.
	User string

	// Key makes the append idempotent: a second one with the same Channel,
	// Scope and Key within the window of the channel's policy stores nothing
	// and gets the result of the first, with Duplicate set. If its entries
	// differ from those of the first, it gets ErrKeyReused.
	Key string

	// Scope is whose keys these are. Default: User.
	Scope string

	// Expect is what the channel's head has to be. Default: anything.
	Expect Expectation
}

// Expectation is what an append demands of the head of its channel, the offset
// of the last record that was ever stored in it. The zero value demands nothing.
type Expectation uint64

// At demands that the head is exactly this offset: 0 for a channel in which
// nothing was ever stored.
func At(offset uint64) Expectation { return Expectation(offset + 1) }

// Offset returns the offset that e demands, and whether it demands one.
func (e Expectation) Offset() (offset uint64, ok bool) {
	return uint64(e) - 1, e != 0
}

// Appended is the result of an append.
type Appended struct {
	First     uint64   // offset of the first record
	Last      Position // position of the last record, which is then the head
	Duplicate bool     // an earlier append with the same key stored the records
}

// Limit bounds what a read returns; it returns at least one record if there is
// one. Records defaults to 100, Bytes (of Data) to 1 MiB.
type Limit struct {
	Records int
	Bytes   int
}

// Defaults of Limit.
const (
	DefaultLimitRecords = 100
	DefaultLimitBytes   = 1 << 20
)

// WithDefaults returns l with the defaults in place of what is not positive.
func (l Limit) WithDefaults() Limit {
	if l.Records <= 0 {
		l.Records = DefaultLimitRecords
	}
	if l.Bytes <= 0 {
		l.Bytes = DefaultLimitBytes
	}
	return l
}

// Page is what a read found. The caller may keep it, but not change it.
type Page struct {
	// Records are in the order of their offsets.
	Records []Record

	// Head is the position of the last record ever stored in the channel,
	// whether it is still kept or not. Its Offset is 0 for a channel that the
	// engine does not know.
	Head Position

	// Complete is true only if provably nothing was removed between the
	// place that the read started from and the first of Records (for
	// ReadBefore: nothing at all before the first of Records).
	Complete bool

	// More tells that the limit cut the page short.
	More bool
}

// Signal is something said on a channel without being stored in its log.
type Signal struct {
	Channel string
	User    string
	Time    int64 // Unix milliseconds; default: now
	Data    []byte

	// Key is the conflation key. A signal with a key takes the channel's slot
	// of that key: the newest value is kept until it expires, and is what who
	// comes later gets. A signal without is passed on and forgotten.
	Key string

	// Delete empties the slot; Data is ignored.
	Delete bool

	// TTL is how long the slot lives. Default: the policy's. Ignored without
	// a Key.
	TTL time.Duration

	// Version orders the signals of one slot; the engine sets it. It grows
	// within a channel.
	Version uint64
}

// Durability says what has happened to a record when Append returns.
type Durability uint8

const (
	// Synced: it is on stable storage, of this machine or of a majority.
	Synced Durability = iota
	// Unsynced: it survives the loss of the process perhaps, that of the
	// machine not. The channel gets a new epoch after an unclean stop.
	Unsynced
)

// Policy is how the log of a channel is kept. The zero Policy is the default.
type Policy struct {
	// MaxRecords, MaxBytes (of data) and MaxAge bound what is kept; the oldest
	// records go first. 0 stands for the default, a negative value for no
	// bound.
	MaxRecords int           // default 10,000
	MaxBytes   int64         // default 64 MiB
	MaxAge     time.Duration // default 30 days

	Durability Durability

	// KeyWindow is how long idempotency keys are remembered. Default 24 h.
	KeyWindow time.Duration

	// MaxSlots bounds the conflation keys of the channel. Default 10,000.
	MaxSlots int
	// SlotTTL is how long a slot lives when its signal does not say. Default
	// 1 min.
	SlotTTL time.Duration
}

// WithDefaults returns p with the defaults in place of zero values, and -1 for
// every bound that is off.
func (p Policy) WithDefaults() Policy {
	p.MaxRecords = withDefault(p.MaxRecords, 10_000)
	p.MaxBytes = withDefault(p.MaxBytes, 64<<20)
	p.MaxAge = withDefault(p.MaxAge, 30*24*time.Hour)
	p.KeyWindow = withDefault(p.KeyWindow, 24*time.Hour)
	p.MaxSlots = withDefault(p.MaxSlots, 10_000)
	p.SlotTTL = withDefault(p.SlotTTL, time.Minute)
	return p
}

func withDefault[T int | int64 | time.Duration](v, def T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return -1
	}
	return v
}

// Policies tells the policy of a channel. It is called often and by many
// goroutines, and must answer the same for as long as the engine is open. A nil
// Policies gives every channel the default.
type Policies func(channel string) Policy

// Of returns the policy of a channel with the defaults filled in.
func (f Policies) Of(channel string) Policy {
	if f == nil {
		return Policy{}.WithDefaults()
	}
	return f(channel).WithDefaults()
}
