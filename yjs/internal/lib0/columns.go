package lib0

import "unicode/utf8"

// Replacement is U+FFFD in UTF-8, which takes the place of half a surrogate pair.
const Replacement = "\uFFFD"

// RLE decodes the byte columns info and parentInfo: a value, then how often it
// repeats; the last value repeats for ever.
type RLE struct {
	R     Reader
	value byte
	count uint64 // repeats left; endless when last is set
	last  bool
}

// Next gives the next value.
func (d *RLE) Next() byte {
	if d.count == 0 && !d.last {
		d.value = d.R.Byte()
		if d.R.Left() > 0 {
			d.count = d.R.Uint() + 1
		} else {
			d.last = true
		}
	}
	if !d.last {
		d.count--
	}
	return d.value
}

// UintOpt decodes the columns client, len, typeRef and string lengths: a
// negative number says that a count follows.
type UintOpt struct {
	R     Reader
	value uint64
	count uint64
}

// Next gives the next value.
func (d *UintOpt) Next() uint64 {
	if d.count == 0 {
		v, neg := d.R.Int()
		d.value, d.count = v, 1
		if neg {
			d.count = d.R.Uint() + 2
		}
	}
	d.count--
	return d.value
}

// IntDiff decodes the clock columns: runs of equal differences.
type IntDiff struct {
	R     Reader
	value int64
	diff  int64
	count uint64
}

// Next gives the next value, which must not be negative.
func (d *IntDiff) Next() uint64 {
	if d.count == 0 {
		mag, neg := d.R.Int()
		v := int64(mag)
		if neg {
			v = -v
		}
		d.diff, d.count = v>>1, 1
		if v&1 != 0 {
			d.count = d.R.Uint() + 2
		}
	}
	d.count--
	d.value += d.diff
	if d.value < 0 || d.value > MaxInt {
		d.R.Fail()
		d.value, d.diff = 0, 0
	}
	return uint64(d.value)
}

// Strings decodes the string column: all text in one piece, then the UTF-16
// length of each string.
type Strings struct {
	text []byte
	pos  int
	Lens UintOpt
	Bad  bool
}

// NewStrings reads the head of a string column.
func NewStrings(col []byte) Strings {
	r := Reader{Buf: col}
	s := Strings{text: r.String()}
	s.Bad = r.Bad
	s.Lens.R = Reader{Buf: col[min(r.Pos, len(col)):]}
	return s
}

// Next gives the next string as a view and its UTF-16 length. A border inside
// a surrogate pair is a fault.
func (s *Strings) Next() ([]byte, int) {
	n := s.Lens.Next()
	if s.Bad || s.Lens.R.Bad || n > uint64(len(s.text)-s.pos) {
		s.Bad = true
		return nil, 0
	}
	rest := s.text[s.pos:]
	off, units := 0, 0
	for units < int(n) {
		if off >= len(rest) {
			s.Bad = true
			return nil, 0
		}
		if c := rest[off]; c < utf8.RuneSelf {
			off++
			units++
			continue
		}
		_, size := utf8.DecodeRune(rest[off:])
		off += size
		units++
		if size == 4 {
			units++
		}
	}
	if units != int(n) {
		s.Bad = true
		return nil, 0
	}
	s.pos += off
	return rest[:off:off], units
}

// RLEWriter encodes an RLE column.
type RLEWriter struct {
	B     []byte
	value byte
	count uint64
}

// Write appends a value.
func (e *RLEWriter) Write(v byte) {
	if e.count > 0 && e.value == v {
		e.count++
		return
	}
	if e.count > 0 {
		e.B = AppendUint(e.B, e.count-1)
	}
	e.value, e.count = v, 1
	e.B = append(e.B, v)
}

// UintOptWriter encodes a UintOpt column.
type UintOptWriter struct {
	B     []byte
	value uint64
	count uint64
}

// Write appends a value.
func (e *UintOptWriter) Write(v uint64) {
	if e.value == v {
		e.count++
		return
	}
	e.flush()
	e.value, e.count = v, 1
}

func (e *UintOptWriter) flush() {
	switch {
	case e.count == 1:
		e.B = AppendInt(e.B, e.value, false)
	case e.count > 1:
		e.B = AppendInt(e.B, e.value, true)
		e.B = AppendUint(e.B, e.count-2)
	}
	e.count = 0
}

// Bytes ends the column and gives its bytes.
func (e *UintOptWriter) Bytes() []byte {
	e.flush()
	return e.B
}

// IntDiffWriter encodes an IntDiff column.
type IntDiffWriter struct {
	B     []byte
	value int64
	diff  int64
	count uint64
}

// Write appends a value.
func (e *IntDiffWriter) Write(v uint64) {
	if e.diff == int64(v)-e.value {
		e.value = int64(v)
		e.count++
		return
	}
	e.flush()
	e.count = 1
	e.diff = int64(v) - e.value
	e.value = int64(v)
}

func (e *IntDiffWriter) flush() {
	if e.count == 0 {
		return
	}
	d := e.diff * 2
	if e.count > 1 {
		d++
	}
	mag, neg := uint64(d), d < 0
	if neg {
		mag = uint64(-d)
	}
	e.B = AppendInt(e.B, mag, neg)
	if e.count > 1 {
		e.B = AppendUint(e.B, e.count-2)
	}
	e.count = 0
}

// Bytes ends the column and gives its bytes.
func (e *IntDiffWriter) Bytes() []byte {
	e.flush()
	return e.B
}

// StringsWriter encodes a string column.
type StringsWriter struct {
	text []byte
	lens UintOptWriter
}

// Write appends a string of the given UTF-16 length.
func (e *StringsWriter) Write(s []byte, units int) {
	e.text = append(e.text, s...)
	e.lens.Write(uint64(units))
}

// Split appends a string that is given in two parts.
func (e *StringsWriter) Split(a string, b []byte, units int) {
	e.text = append(e.text, a...)
	e.Write(b, units)
}

// AppendTo ends the column and appends it as bytes with a length.
func (e *StringsWriter) AppendTo(dst []byte) []byte {
	lens := e.lens.Bytes()
	var head [10]byte
	h := AppendUint(head[:0], uint64(len(e.text)))
	dst = AppendUint(dst, uint64(len(h)+len(e.text)+len(lens)))
	dst = append(dst, h...)
	dst = append(dst, e.text...)
	return append(dst, lens...)
}
