package recordcache

import (
	"encoding/binary"
	"errors"

	"github.com/starling-rt/starling/eventlog"
)

// Rows are, with P the place (its epoch, stream and channel, each after its length):
//
//	r P OFFSET → record
//	i P HI     → LO: all records of the place in (LO, HI] are here
const (
	rowRecord = 'r'
	rowRun    = 'i'
)

// errRow says that a row is not as it was written.
var errRow = errors.New("a row of the cache is damaged")

// key returns the key of a row.
func (p *Place) key(kind byte, offset uint64) []byte {
	b := make([]byte, 0, 1+4+2+len(p.Stream)+2+len(p.Channel)+8)
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, p.Epoch)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Stream)))
	b = append(b, p.Stream...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Channel)))
	b = append(b, p.Channel...)
	return binary.BigEndian.AppendUint64(b, offset)
}

// offsetOf returns the offset in which a key ends.
func offsetOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

func encodeRecord(r *eventlog.Record) []byte {
	b := make([]byte, 0, 32+len(r.ID)+len(r.Key)+len(r.User)+len(r.Data))
	b = binary.AppendVarint(b, r.Time)
	b = appendString(b, r.ID)
	b = appendString(b, r.Key)
	b = appendString(b, r.User)
	b = binary.AppendUvarint(b, uint64(len(r.Tags)))
	for k, v := range r.Tags {
		b = appendString(appendString(b, k), v)
	}
	return append(b, r.Data...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeRecord is the inverse of encodeRecord. The record holds nothing of b.
func decodeRecord(offset uint64, b []byte) (r eventlog.Record, err error) {
	r.Offset = offset
	var n int
	if r.Time, n = binary.Varint(b); n <= 0 {
		return r, errRow
	}
	b = b[n:]
	for _, s := range [...]*string{&r.ID, &r.Key, &r.User} {
		if *s, b, err = cutString(b); err != nil {
			return r, err
		}
	}
	tags, n := binary.Uvarint(b)
	if n <= 0 || tags > eventlog.MaxTags {
		return r, errRow
	}
	b = b[n:]
	if tags > 0 {
		r.Tags = make(map[string]string, tags)
	}
	for range tags {
		var k, v string
		if k, b, err = cutString(b); err != nil {
			return r, err
		}
		if v, b, err = cutString(b); err != nil {
			return r, err
		}
		r.Tags[k] = v
	}
	r.Data = append([]byte{}, b...)
	return r, nil
}

func cutString(b []byte) (s string, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return "", nil, errRow
	}
	return string(b[n : n+int(size)]), b[n+int(size):], nil
}

func beOffset(offset uint64) []byte { return binary.BigEndian.AppendUint64(nil, offset) }
