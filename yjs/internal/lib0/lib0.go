// Package lib0 reads and writes the primitives that Yjs updates are made of.
//
//	uint     base-128 groups, least significant first, bit 7 says that more follow; at most 2^53-1
//	int      as uint, but bit 6 of the first byte is the sign; minus zero exists and has a meaning
//	string   uint length in bytes, then UTF-8
//	bytes    uint length, then the bytes
//	any      one tag byte, then its payload (see Value)
//
// The columns of encoding v2 (run lengths, differences of clocks, strings) are
// in columns.go. All lengths of strings count UTF-16 units, as JavaScript does.
package lib0

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"
)

// MaxInt is the largest integer that the format can carry, 2^53-1.
const MaxInt = 1<<53 - 1

// ErrMalformed says that bytes are not what they claim to be.
var ErrMalformed = errors.New("yjs: malformed data")

// A Reader reads primitives from Buf. After the first fault Bad is set, Pos is
// at the end, and every further read gives a zero value: look at Bad once per
// group of reads.
type Reader struct {
	Buf []byte
	Pos int
	Bad bool
}

// Fail marks the reader as bad.
func (r *Reader) Fail() { r.Bad, r.Pos = true, len(r.Buf) }

// Left is the number of bytes that have not been read.
func (r *Reader) Left() int { return len(r.Buf) - r.Pos }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.Pos >= len(r.Buf) {
		r.Fail()
		return 0
	}
	b := r.Buf[r.Pos]
	r.Pos++
	return b
}

// Uint reads a uint.
func (r *Reader) Uint() uint64 {
	if r.Pos < len(r.Buf) {
		if b := r.Buf[r.Pos]; b < 0x80 {
			r.Pos++
			return uint64(b)
		}
	}
	var n uint64
	for i, b := range r.Buf[r.Pos:] {
		n |= uint64(b&0x7f) << (7 * i)
		if n > MaxInt || i > 8 {
			break
		}
		if b < 0x80 {
			r.Pos += i + 1
			return n
		}
	}
	r.Fail()
	return 0
}

// Int reads an int as magnitude and sign; the sign of zero is kept.
func (r *Reader) Int() (mag uint64, neg bool) {
	b := r.Byte()
	n, neg := uint64(b&0x3f), b&0x40 != 0
	for shift := 6; b >= 0x80; shift += 7 {
		b = r.Byte()
		if shift > 55 || n > MaxInt {
			r.Fail()
			return 0, false
		}
		n |= uint64(b&0x7f) << shift
	}
	if n > MaxInt {
		r.Fail()
		return 0, false
	}
	return n, neg
}

// Take reads n bytes, as a view of Buf.
func (r *Reader) Take(n uint64) []byte {
	if n > uint64(r.Left()) {
		r.Fail()
		return nil
	}
	p := r.Pos
	r.Pos += int(n)
	return r.Buf[p:r.Pos:r.Pos]
}

// Bytes reads a length and as many bytes, as a view of Buf.
func (r *Reader) Bytes() []byte { return r.Take(r.Uint()) }

// String reads a string as a view of Buf; invalid UTF-8 is a fault.
func (r *Reader) String() []byte {
	s, _ := r.Text()
	return s
}

// Text reads a string and gives its UTF-16 length as well.
func (r *Reader) Text() (s []byte, units int) {
	s = r.Bytes()
	n := asciiLen(s)
	if n == len(s) {
		return s, n
	}
	if !utf8.Valid(s[n:]) {
		r.Fail()
		return nil, 0
	}
	return s, n + utf16Len(s[n:])
}

// Float32 and Float64 read big-endian floats.
func (r *Reader) Float32() float32 {
	return math.Float32frombits(uint32(r.fixed(4)))
}

// Float64 reads a big-endian float64.
func (r *Reader) Float64() float64 { return math.Float64frombits(r.fixed(8)) }

func (r *Reader) fixed(n uint64) uint64 {
	var v uint64
	for _, b := range r.Take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

// AppendUint appends a uint.
func AppendUint(b []byte, n uint64) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// AppendInt appends an int given by magnitude and sign.
func AppendInt(b []byte, mag uint64, neg bool) []byte {
	first := byte(mag & 0x3f)
	if neg {
		first |= 0x40
	}
	mag >>= 6
	if mag > 0 {
		first |= 0x80
	}
	b = append(b, first)
	if mag > 0 {
		b = AppendUint(b, mag)
	}
	return b
}

// AppendBytes appends a length and the bytes.
func AppendBytes(b, p []byte) []byte { return append(AppendUint(b, uint64(len(p))), p...) }

// AppendString appends a string. Invalid UTF-8 must have been replaced before.
func AppendString(b []byte, s string) []byte {
	return append(AppendUint(b, uint64(len(s))), s...)
}

// UTF16Len is the number of UTF-16 units of valid UTF-8.
func UTF16Len(s []byte) int {
	n := asciiLen(s)
	return n + utf16Len(s[n:])
}

// asciiLen is the length of the ASCII that s begins with.
func asciiLen(s []byte) (n int) {
	for len(s)-n >= 8 && binary.LittleEndian.Uint64(s[n:])&0x8080808080808080 == 0 {
		n += 8
	}
	for n < len(s) && s[n] < utf8.RuneSelf {
		n++
	}
	return n
}

func utf16Len(s []byte) (n int) {
	for _, c := range s {
		switch {
		case c < 0x80, c >= 0xc0 && c < 0xf0:
			n++
		case c >= 0xf0:
			n += 2
		}
	}
	return n
}

// UTF16Offset finds the byte offset of UTF-16 unit u in s, which has units
// units. mid says that u is between the halves of a surrogate pair; the offset
// is then that of the pair. It walks from the nearer end.
func UTF16Offset(s []byte, units, u int) (off int, mid bool) {
	if units == len(s) {
		return u, false
	}
	if u > units/2 {
		return utf16FromEnd(s, units, u)
	}
	n := 0
	for off < len(s) && n < u {
		switch c := s[off]; {
		case c < 0x80:
			off, n = off+1, n+1
		case c < 0xe0:
			off, n = off+2, n+1
		case c < 0xf0:
			off, n = off+3, n+1
		default:
			if n+1 == u {
				return off, true
			}
			off, n = off+4, n+2
		}
	}
	return off, false
}

func utf16FromEnd(s []byte, units, u int) (off int, mid bool) {
	off = len(s)
	for off > 0 && units > u {
		off--
		for off > 0 && s[off]&0xc0 == 0x80 {
			off--
		}
		units--
		if s[off] >= 0xf0 {
			units--
		}
	}
	return off, units < u
}
