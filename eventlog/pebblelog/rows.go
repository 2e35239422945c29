package pebblelog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/starling-rt/starling/eventlog"
)

// formatVersion is the version of the rows. A store with a higher one is not
// opened.
const formatVersion = 1

// errCorrupt says that a row is not as it was written.
var errCorrupt = errors.New("pebblelog: damaged row")

// The first bytes of the keys.
const (
	rowRecord = 'r'
	rowMeta   = 'm'
	rowDedup  = 'd'
	rowKV     = 'k'
	rowExpiry = 'x'
	rowNumber = 'n'
	rowStore  = 's'
)

func appendChannel(b []byte, name string) []byte {
	return append(append(b, byte(len(name))), name...)
}

func recordKey(b []byte, channel string, offset uint64) []byte {
	return binary.BigEndian.AppendUint64(appendChannel(append(b, rowRecord), channel), offset)
}

func metaKey(b []byte, channel string) []byte { return appendChannel(append(b, rowMeta), channel) }

// dedupPrefix is where the keys of a channel begin in a bucket of time.
func dedupPrefix(b []byte, window, bucket uint64, channel string) []byte {
	return appendChannel(dedupBucket(b, window, bucket), channel)
}

func dedupBucket(b []byte, window, bucket uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(append(b, rowDedup), window), bucket)
}

func kvKey(key string) []byte { return append([]byte{rowKV}, key...) }

func expiryKey(expires int64, key string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{rowExpiry}, uint64(expires)), key...)
}

// prefixEnd returns the first key after all that begin with prefix.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

func appendRecord(b []byte, r *eventlog.Record) []byte {
	b = binary.AppendVarint(b, r.Time)
	b = appendString(appendString(appendString(b, r.ID), r.Key), r.User)
	b = binary.AppendUvarint(b, uint64(len(r.Tags)))
	for k, v := range r.Tags {
		b = appendString(appendString(b, k), v)
	}
	return append(b, r.Data...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads a row. Its first error stays.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	if v := d.bytes(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if v := d.bytes(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// end returns an error if the row was damaged.
func (d *decoder) end(what string) error {
	if d.bad {
		return fmt.Errorf("%s: %w", what, errCorrupt)
	}
	return nil
}

// decodeRecord decodes a record. Its data is a copy of the value.
func decodeRecord(value []byte, offset uint64) (eventlog.Record, error) {
	r := eventlog.Record{Offset: offset}
	head, d, err := recordHead(value)
	if err != nil {
		return r, err
	}
	r.Time = head.time
	// One string holds the three: they live and die together.
	text := string(head.id) + string(head.key) + string(head.user)
	r.ID, text = text[:len(head.id)], text[len(head.id):]
	r.Key, r.User = text[:len(head.key)], text[len(head.key):]
	if n := d.uvarint(); n > 0 {
		if n > eventlog.MaxTags {
			return r, fmt.Errorf("record with %d tags: %w", n, errCorrupt)
		}
		r.Tags = make(map[string]string, n)
		for range n {
			k := string(d.bytes(d.uvarint()))
			r.Tags[k] = string(d.bytes(d.uvarint()))
		}
	}
	r.Data = append(make([]byte, 0, len(d.b)), d.b...)
	return r, d.end("record")
}

type recordFields struct {
	time          int64
	id, key, user []byte
}

func recordHead(value []byte) (f recordFields, rest decoder, err error) {
	d := decoder{b: value}
	f.time = d.varint()
	f.id = d.bytes(d.uvarint())
	f.key = d.bytes(d.uvarint())
	f.user = d.bytes(d.uvarint())
	return f, d, d.end("record")
}

// recordStat returns the time of a record and how long its data is.
func recordStat(value []byte) (time int64, dataBytes int, err error) {
	f, d, err := recordHead(value)
	if err != nil {
		return 0, 0, err
	}
	for range min(d.uvarint(), eventlog.MaxTags) {
		d.bytes(d.uvarint())
		d.bytes(d.uvarint())
	}
	return f.time, len(d.b), d.end("record")
}

// meta is what is known of a channel.
type meta struct {
	generation uint32
	born       uint64
	last       uint64 // 0: nothing was ever stored
	trimmed    uint64
	count      int64
	bytes      int64
	oldest     int64 // Unix ms; 0: not known
	emptied    int64 // Unix ms

	// version counts the changes while the engine is open. It is not stored.
	version uint64
}

func appendMeta(b []byte, m *meta) []byte {
	for _, v := range [...]uint64{
		uint64(m.generation), m.born, m.last, m.trimmed,
		uint64(m.count), uint64(m.bytes), uint64(m.oldest), uint64(m.emptied),
	} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func decodeMeta(value []byte) (meta, error) {
	d := decoder{b: value}
	m := meta{
		generation: uint32(d.uvarint()), born: d.uvarint(), last: d.uvarint(), trimmed: d.uvarint(),
		count: int64(d.uvarint()), bytes: int64(d.uvarint()), oldest: int64(d.uvarint()), emptied: int64(d.uvarint()),
	}
	return m, d.end("channel")
}

// complete tells whether nothing after an offset was removed.
func (m *meta) complete(after uint64) bool {
	return after >= m.trimmed && (after == 0 || after >= m.born)
}

// remembered is an idempotency key.
type remembered struct {
	hash        uint64
	first, last uint64
	expires     int64 // Unix ms
}

func appendRemembered(b []byte, r *remembered) []byte {
	b = binary.BigEndian.AppendUint64(b, r.hash)
	b = binary.AppendUvarint(binary.AppendUvarint(b, r.first), r.last)
	return binary.AppendUvarint(b, uint64(r.expires))
}

func decodeRemembered(value []byte) (remembered, error) {
	d := decoder{b: value}
	r := remembered{hash: d.uint64(), first: d.uvarint(), last: d.uvarint(), expires: int64(d.uvarint())}
	return r, d.end("idempotency key")
}

// item is a key-value.
type item struct {
	revision uint64
	expires  int64 // Unix ms; 0: never
	value    []byte
}

func (it *item) expired(now int64) bool { return it.expires != 0 && it.expires <= now }

func encodeItem(it *item) []byte {
	b := make([]byte, 0, 2*binary.MaxVarintLen64+len(it.value))
	b = binary.AppendUvarint(binary.AppendUvarint(b, it.revision), uint64(it.expires))
	return append(b, it.value...)
}

// decodeItem decodes a key-value. Its value is a copy.
func decodeItem(value []byte) (item, error) {
	d := decoder{b: value}
	it := item{revision: d.uvarint(), expires: int64(d.uvarint())}
	it.value = append(make([]byte, 0, len(d.b)), d.b...)
	return it, d.end("key-value")
}

// store is what is known of the store as a whole.
type store struct {
	version       uint64
	clean         bool
	epoch         uint32
	unsyncedEpoch uint32
	generation    uint32
	forgotten     uint64
}

func encodeStore(s *store) []byte {
	clean := uint64(0)
	if s.clean {
		clean = 1
	}
	b := binary.AppendUvarint(binary.AppendUvarint(nil, s.version), clean)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, s.epoch), s.unsyncedEpoch)
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.generation)), s.forgotten)
}

func decodeStore(value []byte) (store, error) {
	d := decoder{b: value}
	s := store{version: d.uvarint()}
	if s.version > formatVersion {
		return s, d.end("store") // The rest is not known.
	}
	s.clean = d.uvarint() == 1
	s.epoch, s.unsyncedEpoch = d.uint32(), d.uint32()
	s.generation, s.forgotten = uint32(d.uvarint()), d.uvarint()
	return s, d.end("store")
}

// epochOf returns the epoch of the channels of a generation.
func epochOf(base, generation uint32) uint32 {
	const step = 0x9E3779B1 // odd: all generations differ
	if e := base + generation*step; e != 0 {
		return e
	}
	return step
}
