package lib0

import (
	"math"
	"strconv"
)

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
