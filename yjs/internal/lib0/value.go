package lib0

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says what a Value holds.
type Kind uint8

// The kinds of Value. The zero Value is Undefined.
const (
	KindUndefined Kind = iota
	KindNull
	KindBool
	KindNumber
	KindBigInt
	KindString
	KindBytes
	KindArray
	KindObject
)

// A Value is a JSON-like value as Yjs stores them: JSON plus undefined, bytes,
// 64-bit integers ("bigint") and the numbers that JSON cannot write. The zero
// Value is undefined. Values are immutable and may be shared.
type Value struct {
	kind Kind
	num  float64
	big  int64
	str  string
	list []Value
	keys []string
}

// A Field is a name and a value of an object.
type Field struct {
	Key   string
	Value Value
}

// Null is JSON's null; Undefined is JavaScript's undefined.
func Null() Value { return Value{kind: KindNull} }

// Undefined is the zero Value.
func Undefined() Value { return Value{} }

// Bool makes a boolean.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.num = 1
	}
	return v
}

// Number makes a number.
func Number(f float64) Value { return Value{kind: KindNumber, num: f} }

// Int makes a number from an integer, exact up to 2^53.
func Int(i int) Value { return Value{kind: KindNumber, num: float64(i)} }

// BigInt makes a 64-bit integer, which JavaScript sees as a bigint.
func BigInt(i int64) Value { return Value{kind: KindBigInt, big: i} }

// String makes a string; what is not UTF-8 becomes U+FFFD.
func String(s string) Value {
	return Value{kind: KindString, str: strings.ToValidUTF8(s, Replacement)}
}

// Bytes makes a byte string, which JavaScript sees as a Uint8Array. b is copied.
func Bytes(b []byte) Value { return Value{kind: KindBytes, str: string(b)} }

// Array makes an array.
func Array(list ...Value) Value { return Value{kind: KindArray, list: list} }

// Object makes an object. Fields keep their order, as in JavaScript: names that
// are array indexes come first, ascending; a name given twice has its last value.
func Object(fields ...Field) Value {
	v := Value{kind: KindObject}
	for _, f := range fields {
		v.set(strings.ToValidUTF8(f.Key, Replacement), f.Value)
	}
	v.sortKeys()
	return v
}

func (v *Value) set(key string, val Value) {
	// Objects are small; a linear look-up beats a map until they are not.
	if len(v.keys) < 64 {
		if i := slices.Index(v.keys, key); i >= 0 {
			v.list[i] = val
			return
		}
	}
	v.keys = append(v.keys, key)
	v.list = append(v.list, val)
	if len(v.keys) >= 64 {
		v.num = 1 // may hold duplicates: settled by sortKeys
	}
}

// sortKeys gives the object JavaScript's order of properties.
func (v *Value) sortKeys() {
	if v.num == 1 {
		v.num = 0
		at := make(map[string]int, len(v.keys))
		n := 0
		for i, k := range v.keys {
			if j, ok := at[k]; ok {
				v.list[j] = v.list[i]
				continue
			}
			at[k], v.keys[n], v.list[n] = n, k, v.list[i]
			n++
		}
		v.keys, v.list = v.keys[:n], v.list[:n]
	}
	if !slices.ContainsFunc(v.keys, isIndex) {
		return
	}
	type kv struct {
		key  string
		val  Value
		rank uint64
	}
	all := make([]kv, len(v.keys))
	for i, k := range v.keys {
		all[i] = kv{k, v.list[i], math.MaxUint64}
		if isIndex(k) {
			all[i].rank, _ = strconv.ParseUint(k, 10, 64)
		}
	}
	slices.SortStableFunc(all, func(a, b kv) int { return cmp.Compare(a.rank, b.rank) })
	v.keys, v.list = make([]string, len(all)), make([]Value, len(all))
	for i, e := range all {
		v.keys[i], v.list[i] = e.key, e.val
	}
}

// isIndex tells whether JavaScript takes key for an array index.
func isIndex(key string) bool {
	if key == "" || len(key) > 10 || key[0] == '0' && len(key) > 1 {
		return false
	}
	n, err := strconv.ParseUint(key, 10, 64)
	return err == nil && n < math.MaxUint32
}

// Kind tells what the value holds.
func (v Value) Kind() Kind { return v.kind }

// Bool is the boolean, or false.
func (v Value) Bool() bool { return v.kind == KindBool && v.num == 1 }

// Number is the number, or 0.
func (v Value) Number() float64 {
	if v.kind == KindNumber {
		return v.num
	}
	return 0
}

// Int is the number without its fraction, or 0.
func (v Value) Int() int { return int(v.Number()) }

// BigInt is the 64-bit integer, or 0.
func (v Value) BigInt() int64 { return v.big }

// Text is the string, or "".
func (v Value) Text() string {
	if v.kind == KindString {
		return v.str
	}
	return ""
}

// Bytes is a copy of the byte string, or nil.
func (v Value) Bytes() []byte {
	if v.kind == KindBytes {
		return []byte(v.str)
	}
	return nil
}

// Len is the number of elements of an array or fields of an object.
func (v Value) Len() int { return len(v.list) }

// At is element i of an array, or the value of field i of an object.
func (v Value) At(i int) Value { return v.list[i] }

// Key is the name of field i of an object.
func (v Value) Key(i int) string { return v.keys[i] }

// Field is the value of the named field, or undefined.
func (v Value) Field(key string) Value {
	if i := slices.Index(v.keys, key); i >= 0 {
		return v.list[i]
	}
	return Value{}
}

// IsNull tells null and undefined.
func (v Value) IsNull() bool { return v.kind <= KindNull }

// Equal tells whether two values are deeply equal. Fields may differ in order.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || len(v.list) != len(w.list) {
		return false
	}
	switch v.kind {
	case KindArray:
		return slices.EqualFunc(v.list, w.list, Value.Equal)
	case KindObject:
		for i, k := range v.keys {
			j := i
			if w.keys[i] != k {
				if j = slices.Index(w.keys, k); j < 0 {
					return false
				}
			}
			if !v.list[i].Equal(w.list[j]) {
				return false
			}
		}
		return true
	}
	return v.num == w.num && v.big == w.big && v.str == w.str
}

// Same is JavaScript's ===: objects are the same when they are one object.
func (v Value) Same(w Value) bool {
	switch {
	case v.kind != w.kind:
		return false
	case v.kind == KindArray || v.kind == KindObject:
		return len(v.list) > 0 && len(v.list) == len(w.list) && &v.list[0] == &w.list[0]
	case v.kind == KindBytes:
		return false
	}
	return v.num == w.num && v.big == w.big && v.str == w.str
}

// SameFlat is how Yjs compares formatting attributes: the same, or objects whose
// fields are the same.
func (v Value) SameFlat(w Value) bool {
	if v.Same(w) {
		return true
	}
	composite := func(k Kind) bool { return k == KindArray || k == KindObject }
	if !composite(v.kind) || !composite(w.kind) || len(v.list) != len(w.list) {
		return false
	}
	for i := range v.list {
		a, b := strconv.Itoa(i), strconv.Itoa(i)
		if v.kind == KindObject {
			a = v.keys[i]
		}
		j := i
		if w.kind == KindObject {
			b = w.keys[i]
			if a != b {
				j = slices.Index(w.keys, a)
			}
		} else if a != b {
			n, err := strconv.Atoi(a)
			if err != nil || n >= len(w.list) {
				return false
			}
			j = n
		}
		if j < 0 || !v.list[i].Same(w.list[j]) {
			return false
		}
	}
	return true
}

// String is the value as JSON, for people.
func (v Value) String() string { return string(v.AppendJSON(nil)) }

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

// AppendJSON appends the value as JSON.stringify writes it. Bytes become an
// object of indexes, a bigint its digits, undefined null (where JSON.stringify
// gives up); undefined fields are left out.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.kind {
	case KindBool:
		return strconv.AppendBool(b, v.num == 1)
	case KindNumber:
		return AppendJSNumber(b, v.num)
	case KindBigInt:
		return strconv.AppendInt(b, v.big, 10)
	case KindString:
		return appendJSONString(b, v.str)
	case KindBytes:
		b = append(b, '{')
		for i := range len(v.str) {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(append(b, '"'), int64(i), 10)
			b = strconv.AppendInt(append(b, '"', ':'), int64(v.str[i]), 10)
		}
		return append(b, '}')
	case KindArray:
		b = append(b, '[')
		for i, e := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.AppendJSON(b)
		}
		return append(b, ']')
	case KindObject:
		b = append(b, '{')
		first := true
		for i, e := range v.list {
			if e.kind == KindUndefined {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(appendJSONString(b, v.keys[i]), ':')
			b = e.AppendJSON(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// AppendJSNumber appends a number as JSON.stringify writes it.
func AppendJSNumber(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return AppendJSDigits(b, f)
}

// AppendJSDigits appends a number as JavaScript's String(f) writes it.
func AppendJSDigits(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	case f == 0:
		return append(b, '0')
	}
	abs := math.Abs(f)
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	// Go writes e-07 where JavaScript writes e-7.
	if n := len(b); n-start >= 4 && b[n-4] == 'e' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			if c < 0x20 {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				b = append(b, c)
			}
		}
	}
	return append(b, '"')
}

// BigIntOf parses the digits of a bigint; ok is false when it has not 64 bits.
func BigIntOf(digits string) (i int64, ok bool) {
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok || !n.IsInt64() {
		return 0, false
	}
	return n.Int64(), true
}

// validString replaces what is not UTF-8.
func validString(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), Replacement)
}
