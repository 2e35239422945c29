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
