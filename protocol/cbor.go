package protocol

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// The messages in CBOR (RFC 8949) are the messages in JSON: a map for an object,
// with the numbers below for the names of the fields and of the types. A name
// without a number stands for itself, so that a message that is new needs nothing
// here to be understood. Data is a text with its JSON, or bytes.

// fieldNames are the names of fields by their numbers, which are stable for ever.
// Those below 24 take one byte.
var fieldNames = [...]string{
	0: "type", 1: "id", 2: "channel", 3: "data", 4: "offset", 5: "key", 6: "user", 7: "time", 8: "tags", 9: "conflate",
	10: "deleted", 11: "position", 12: "recovered", 13: "result", 14: "error", 15: "duplicate", 16: "since",
	17: "publications", 18: "reason", 19: "delete", 20: "after",
	24: "token", 25: "pings", 26: "filter", 27: "slow", 28: "before", 29: "newest", 30: "limit", 31: "method",
	32: "session", 33: "ping", 34: "maxMessage", 35: "expires", 36: "complete", 37: "more",
	38: "code", 39: "name", 40: "message", 41: "retry",
}

// typeNames are the types of commands and messages by their numbers, which are
// stable for ever.
var typeNames = [...]string{
	1: "connect", 2: "subscribe", 3: "unsubscribe", 4: "publish", 5: "signal", 6: "history", 7: "ping", 8: "pong",
	9: "refresh", 10: "call", 11: "reply", 12: "error", 13: "publication", 14: "subscribed", 15: "unsubscribed",
	16: "reset", 17: "position", 18: "skipped", 19: "session", 20: "drain",
}

var (
	fieldNumbers = numbers(fieldNames[:])
	typeNumbers  = numbers(typeNames[:])
)

func numbers(names []string) map[string]uint64 {
	all := make(map[string]uint64, len(names))
	for n, name := range names {
		if name != "" {
			all[name] = uint64(n)
		}
	}
	return all
}

// nameOf returns the name of a number, or "" if it has none.
func nameOf(names []string, n uint64) string {
	if n < uint64(len(names)) {
		return names[n]
	}
	return ""
}

// isPlain tells whether the value of a field is an object whose names are not
// those of fields.
func isPlain(field string) bool { return field == "tags" || field == "filter" }

// The major types of CBOR.
const (
	cborUint   = 0
	cborNegint = 1
	cborBytes  = 2
	cborText   = 3
	cborArray  = 4
	cborMap    = 5
	cborTag    = 6
	cborSimple = 7
)

// Whole first bytes.
const (
	cborFalse     = 0xf4
	cborTrue      = 0xf5
	cborNull      = 0xf6
	cborUndefined = 0xf7
	cborFloat32   = 0xfa
	cborFloat64   = 0xfb
)

// appendHead appends the first bytes of a value, as few as there can be.
func appendHead(dst []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n < 1<<8:
		return append(dst, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), n)
}

// cborReader reads CBOR from a message. Its methods read one value each. Nothing
// is taken for as long as it claims to be.
type cborReader struct {
	buf   []byte
	at    int
	depth int
}

func (r *cborReader) malformed(what string) *Error {
	return Errorf(Malformed, "The message is not CBOR: %s at byte %d.", what, r.at)
}

// peek returns the next byte, or that of a break at the end, which begins nothing.
func (r *cborReader) peek() byte {
	if r.at < len(r.buf) {
		return r.buf[r.at]
	}
	return 0xff
}

// major returns the major type of the next value.
func (r *cborReader) major() byte { return r.peek() >> 5 }

// head reads the first bytes of a value. What it says to be there is there: bytes,
// or as many bytes as values.
func (r *cborReader) head() (major byte, n uint64, err *Error) {
	if r.at == len(r.buf) {
		return 0, 0, r.malformed("it ends too early")
	}
	b := r.buf[r.at]
	major, info := b>>5, b&31
	size := 0
	switch {
	case info < 24:
		n = uint64(info)
	case info < 28:
		size = 1 << (info - 24)
	case info == 31:
		return 0, 0, r.malformed("a length that is not given")
	default:
		return 0, 0, r.malformed("a reserved value")
	}
	rest := r.buf[r.at+1:]
	if len(rest) < size {
		return 0, 0, r.malformed("it ends too early")
	}
	for _, c := range rest[:size] {
		n = n<<8 | uint64(c)
	}
	left := uint64(len(rest) - size)
	switch {
	case major == cborSimple && info == 24 && n < 32:
		return 0, 0, r.malformed("a reserved value")
	case (major == cborBytes || major == cborText || major == cborArray) && n > left, major == cborMap && n > left/2:
		return 0, 0, r.malformed("it ends too early")
	}
	r.at += 1 + size
	return major, n, nil
}

// enter goes one level down into what contains values.
func (r *cborReader) enter() *Error {
	if r.depth++; r.depth > MaxDepth {
		return Errorf(Malformed, "The message is nested deeper than %d.", MaxDepth)
	}
	return nil
}

// skip reads any value.
func (r *cborReader) skip() *Error {
	major, n, err := r.head()
	if err != nil {
		return err
	}
	switch major {
	case cborBytes:
		r.at += int(n)
		return nil
	case cborText:
		_, err = r.textOf(n)
		return err
	case cborMap:
		n *= 2
	case cborTag:
		n = 1
	case cborArray:
	default:
		return nil
	}
	if err := r.enter(); err != nil {
		return err
	}
	for range n {
		if err := r.skip(); err != nil {
			return err
		}
	}
	r.depth--
	return nil
}

// textOf reads the n bytes of a text.
func (r *cborReader) textOf(n uint64) ([]byte, *Error) {
	t := r.buf[r.at : r.at+int(n)]
	if !utf8.Valid(t) {
		return nil, r.malformed("a text that is not UTF-8")
	}
	r.at += int(n)
	return t, nil
}

// end returns an error unless nothing is left.
func (r *cborReader) end() *Error {
	if r.at < len(r.buf) {
		return r.malformed("more than one value")
	}
	return nil
}

// text reads a text of most bytes at most.
func (r *cborReader) text(field string, most int) (string, *Error) {
	if r.major() != cborText {
		return "", Errorf(InvalidField, "The field %q is a text.", field)
	}
	_, n, err := r.head()
	if err != nil {
		return "", err
	}
	t, err := r.textOf(n)
	if err != nil {
		return "", err
	}
	if len(t) > most {
		return "", Errorf(InvalidField, "The field %q has at most %d bytes.", field, most)
	}
	return string(t), nil
}

// integer reads a whole number from 0 to 2⁵³−1, which may come as a float: some
// writers have no other for what is above 2³².
func (r *cborReader) integer(field string) (uint64, *Error) {
	first := r.peek()
	major, n, err := r.head()
	if err != nil {
		return 0, err
	}
	ok := major == cborUint
	if first == cborFloat32 || first == cborFloat64 {
		f := float(first, n)
		n = uint64(max(f, 0))
		ok = float64(n) == f
	}
	if !ok || n > 1<<53-1 {
		return 0, Errorf(InvalidField, "The field %q is a whole number from 0 to 2^53-1.", field)
	}
	return n, nil
}

// float returns the number that a float of 32 or 64 bits stands for.
func float(first byte, n uint64) float64 {
	if first == cborFloat32 {
		return float64(math.Float32frombits(uint32(n)))
	}
	return math.Float64frombits(n)
}

// boolean reads true or false.
func (r *cborReader) boolean(field string) (bool, *Error) {
	b := r.peek()
	if b != cborTrue && b != cborFalse {
		return false, Errorf(InvalidField, "The field %q is true or false.", field)
	}
	r.at++
	return b == cborTrue, nil
}

// fieldKey reads the key of a field and returns the field's name: "" if it is not
// known.
func (r *cborReader) fieldKey() (string, *Error) {
	if m := r.major(); m != cborUint && m != cborText {
		return "", r.skip()
	}
	major, n, err := r.head()
	if err != nil {
		return "", err
	}
	if major == cborUint {
		return nameOf(fieldNames[:], n), nil
	}
	t, err := r.textOf(n)
	if err != nil {
		return "", err
	}
	return nameOf(fieldNames[:], fieldNumberOr(t, math.MaxUint64)), nil
}

// fieldNumberOr returns the number of a field, or other if it has none.
func fieldNumberOr(name []byte, other uint64) uint64 {
	if n, ok := fieldNumbers[string(name)]; ok {
		return n
	}
	return other
}

// typeName reads the type of a message.
func (r *cborReader) typeName() (string, *Error) {
	switch r.major() {
	case cborText:
		return r.text("type", MaxKeyBytes)
	case cborUint:
		_, n, err := r.head()
		if err != nil {
			return "", err
		}
		if name := nameOf(typeNames[:], n); name != "" {
			return name, nil
		}
		return strconv.FormatUint(n, 10), nil
	}
	return "", Errorf(InvalidField, `The field "type" is a number or a text.`)
}
