package natslog

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/starling-rt/starling/eventlog"
)

// A record is a message: its data is the message's data, so that other programs
// can read it, and all else is in one header. The header is base64 of
//
//	version (1 byte) · time (varint) · id · key · user · number of tags · name and value of each
//
// with each string after its length (uvarint).

// metaHeader is the name of the header.
const metaHeader = "Starling"

const metaVersion = 1

func encodeMeta(r *eventlog.Record) string {
	b := make([]byte, 0, 64)
	b = append(b, metaVersion)
	b = binary.AppendVarint(b, r.Time)
	b = appendString(b, r.ID)
	b = appendString(b, r.Key)
	b = appendString(b, r.User)
	b = binary.AppendUvarint(b, uint64(len(r.Tags)))
	for k, v := range r.Tags {
		b = appendString(appendString(b, k), v)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func decodeMeta(header string, r *eventlog.Record) error {
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return fmt.Errorf("header of a record: %w", err)
	}
	d := decoder{rest: string(raw)}
	if v := d.byte(); v != metaVersion {
		return fmt.Errorf("header of a record: version %d is not known", v)
	}
	r.Time = d.varint()
	r.ID, r.Key, r.User = d.string(), d.string(), d.string()
	n := d.uvarint()
	if n > eventlog.MaxTags {
		return fmt.Errorf("header of a record: %d tags", n)
	}
	if n > 0 {
		r.Tags = make(map[string]string, n)
	}
	for range n {
		k := d.string()
		r.Tags[k] = d.string()
	}
	if d.short || d.rest != "" {
		return errors.New("header of a record: bad length")
	}
	return nil
}

// A signal is a message too; its header is base64 of
//
//	version (1 byte) · flags (1: it has a key, 2: delete) · time (varint) · key · user
const (
	signalKeyed  = 1
	signalDelete = 2
)

func encodeSignal(s *eventlog.Signal) string {
	b := make([]byte, 0, 64)
	var flags byte
	if s.Key != "" {
		flags |= signalKeyed
	}
	if s.Delete {
		flags |= signalDelete
	}
	b = append(b, metaVersion, flags)
	b = binary.AppendVarint(b, s.Time)
	b = appendString(b, s.Key)
	b = appendString(b, s.User)
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeSignal(header string, s *eventlog.Signal) error {
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return fmt.Errorf("header of a signal: %w", err)
	}
	d := decoder{rest: string(raw)}
	if v := d.byte(); v != metaVersion {
		return fmt.Errorf("header of a signal: version %d is not known", v)
	}
	s.Delete = d.byte()&signalDelete != 0
	s.Time = d.varint()
	s.Key, s.User = d.string(), d.string()
	if d.short || d.rest != "" {
		return errors.New("header of a signal: bad length")
	}
	return nil
}

// A marker is the message of an idempotency key: the hash of the entries and
// their number. The records follow it in the stream.
func encodeMarker(b *eventlog.Batch) []byte {
	raw := binary.BigEndian.AppendUint64(nil, b.Hash)
	return binary.AppendUvarint(raw, uint64(len(b.Records)))
}

func decodeMarker(raw []byte) (hash, count uint64, err error) {
	if len(raw) < 9 {
		return 0, 0, fmt.Errorf("marker of %d bytes", len(raw))
	}
	count, n := binary.Uvarint(raw[8:])
	if n <= 0 || count == 0 || count > eventlog.MaxBatch {
		return 0, 0, errors.New("marker of a bad length")
	}
	return binary.BigEndian.Uint64(raw), count, nil
}

// mark is what was taken from a channel.
type mark struct {
	// trimmed: records up to here are hidden or gone.
	trimmed uint64
	// lost: a read after a lower offset is not complete. It is above trimmed
	// after a deletion, so that who stands at the head learns of it too.
	lost uint64
	seq  uint64 // of the mark itself; 0 when there is none
}

func encodeMark(m mark) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, m.trimmed), m.lost)
}

func decodeMark(raw []byte, seq uint64) (mark, error) {
	if len(raw) != 16 {
		return mark{}, fmt.Errorf("mark of %d bytes", len(raw))
	}
	return mark{trimmed: binary.BigEndian.Uint64(raw), lost: binary.BigEndian.Uint64(raw[8:]), seq: seq}, nil
}

// decoder reads what the append functions wrote. After the end it gives zeros.
type decoder struct {
	rest  string
	short bool
}

func (d *decoder) byte() byte {
	if d.rest == "" {
		d.short = true
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

func (d *decoder) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		c := d.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	d.short = true
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.short, d.rest = true, ""
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}
