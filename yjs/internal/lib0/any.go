package lib0

import (
	"math"
	"unicode/utf8"
)

const (
	tagBytes     = 116
	tagArray     = 117
	tagObject    = 118
	tagString    = 119
	tagTrue      = 120
	tagFalse     = 121
	tagBigInt    = 122
	tagFloat64   = 123
	tagFloat32   = 124
	tagInt       = 125
	tagNull      = 126
	tagUndefined = 127
)

// maxDepth bounds the nesting of values that come from outside.
const maxDepth = 512

// AppendAny appends the value as an any.
func (v Value) AppendAny(b []byte) []byte {
	switch v.kind {
	case KindNull:
		return append(b, tagNull)
	case KindBool:
		return append(b, tagFalse-byte(v.num))
	case KindNumber:
		return appendNumber(b, v.num)
	case KindBigInt:
		return appendFixed(append(b, tagBigInt), uint64(v.big), 8)
	case KindString:
		return AppendString(append(b, tagString), v.str)
	case KindBytes:
		return AppendString(append(b, tagBytes), v.str)
	case KindArray:
		b = AppendUint(append(b, tagArray), uint64(len(v.list)))
		for _, e := range v.list {
			b = e.AppendAny(b)
		}
		return b
	case KindObject:
		b = AppendUint(append(b, tagObject), uint64(len(v.list)))
		for i, e := range v.list {
			b = e.AppendAny(AppendString(b, v.keys[i]))
		}
		return b
	}
	return append(b, tagUndefined)
}

func appendNumber(b []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) <= math.MaxInt32 {
		return AppendInt(append(b, tagInt), uint64(math.Abs(f)), math.Signbit(f))
	}
	if f != f { // one NaN, the one that JavaScript writes
		return appendFixed(append(b, tagFloat64), 0x7ff8<<48, 8)
	}
	if f32 := float32(f); float64(f32) == f {
		return appendFixed(append(b, tagFloat32), uint64(math.Float32bits(f32)), 4)
	}
	return appendFixed(append(b, tagFloat64), math.Float64bits(f), 8)
}

func appendFixed(b []byte, v uint64, n int) []byte {
	for n--; n >= 0; n-- {
		b = append(b, byte(v>>(8*n)))
	}
	return b
}

// Any reads an any.
func (r *Reader) Any() Value { return r.any(0) }

func (r *Reader) any(depth int) Value {
	if depth > maxDepth {
		r.Fail()
		return Value{}
	}
	switch r.Byte() {
	case tagUndefined:
		return Value{}
	case tagNull:
		return Null()
	case tagTrue:
		return Bool(true)
	case tagFalse:
		return Bool(false)
	case tagInt:
		mag, neg := r.Int()
		f := float64(mag)
		if neg {
			f = math.Copysign(f, -1)
		}
		return Number(f)
	case tagFloat32:
		return Number(float64(r.Float32()))
	case tagFloat64:
		return Number(r.Float64())
	case tagBigInt:
		return BigInt(int64(r.fixed(8)))
	case tagString:
		return Value{kind: KindString, str: string(r.String())}
	case tagBytes:
		return Value{kind: KindBytes, str: string(r.Bytes())}
	case tagArray:
		v := Value{kind: KindArray}
		n := r.count(1)
		for ; n > 0 && !r.Bad; n-- {
			v.list = append(v.list, r.any(depth+1))
		}
		return v
	case tagObject:
		v := Value{kind: KindObject}
		n := r.count(2)
		for ; n > 0 && !r.Bad; n-- {
			k := string(r.String())
			v.set(k, r.any(depth+1))
		}
		v.sortKeys()
		return v
	}
	r.Fail()
	return Value{}
}

// count reads the number of things of at least size bytes each.
func (r *Reader) count(size uint64) uint64 {
	n := r.Uint()
	if n > uint64(r.Left())/size {
		r.Fail()
		return 0
	}
	return n
}

// SkipAny passes over an any. plain is false when lib0 would not have written
// these very bytes, so that a copy of them would not be what Yjs sends on.
func (r *Reader) SkipAny() (plain bool) { return r.skipAny(0) }

func (r *Reader) skipAny(depth int) (plain bool) {
	if depth > maxDepth {
		r.Fail()
		return true
	}
	plain = true
	switch tag := r.Byte(); tag {
	case tagUndefined, tagNull, tagTrue, tagFalse:
	case tagInt:
		start := r.Pos
		mag, _ := r.Int()
		plain = mag <= math.MaxInt32 && r.shortest(start)
	case tagFloat32, tagFloat64, tagBigInt:
		start := r.Pos - 1
		switch tag {
		case tagFloat32:
			f := r.Float32()
			if f == f {
				var tmp [9]byte
				plain = r.Bad || string(appendNumber(tmp[:0], float64(f))) == string(r.Buf[start:r.Pos])
			} else {
				plain = false
			}
		case tagFloat64:
			f := r.Float64()
			var tmp [9]byte
			plain = r.Bad || string(appendNumber(tmp[:0], f)) == string(r.Buf[start:r.Pos])
		default:
			r.fixed(8)
		}
	case tagString:
		_, plain = r.plainString()
	case tagBytes:
		start := r.Pos
		n := r.Uint()
		plain = r.shortest(start)
		r.Take(n)
	case tagArray:
		start := r.Pos
		n := r.count(1)
		for plain = r.shortest(start); n > 0 && !r.Bad; n-- {
			plain = r.skipAny(depth+1) && plain
		}
	case tagObject:
		start := r.Pos
		n := r.count(2)
		// With many names, let the slow path look for those given twice.
		plain = n <= 16 && r.shortest(start)
		var seen [16][]byte
		for i := uint64(0); i < n && !r.Bad; i++ {
			k, short := r.plainString()
			plain = plain && short
			if len(k) > 0 && k[0] <= '9' && k[0] >= '0' {
				plain = false
			}
			if i < 16 && plain {
				for _, s := range seen[:i] {
					plain = plain && string(s) != string(k)
				}
				seen[i] = k
			}
			plain = r.skipAny(depth+1) && plain
		}
	default:
		r.Fail()
	}
	return plain
}

// shortest tells whether the number that was read from start on takes no more
// bytes than it must.
func (r *Reader) shortest(start int) bool {
	return r.Bad || r.Pos-start < 2 || r.Buf[r.Pos-1] != 0
}

// plainString reads a string and tells whether its length was in its shortest form.
func (r *Reader) plainString() ([]byte, bool) {
	start := r.Pos
	n := r.Uint()
	short := r.shortest(start)
	s := r.Take(n)
	if !utf8.Valid(s) {
		r.Fail()
	}
	return s, short
}
