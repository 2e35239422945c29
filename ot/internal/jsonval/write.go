package jsonval

import (
	"math"
	"strconv"

	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Append appends the JSON text of v to dst, as JSON.stringify writes it but for
// the order of keys, which are sorted. Undefined is written as null.
func Append(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v)
	case float64:
		return AppendNumber(dst, v)
	case string:
		return AppendString(dst, v)
	case *Text:
		dst = append(dst, '"')
		v.r.Chunks(func(s string) { dst = AppendEscaped(dst, s) })
		return append(dst, '"')
	case *List:
		dst = append(dst, '[')
		first := true
		v.Each(func(e any) bool {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = Append(dst, e)
			return true
		})
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		first := true
		v.Each(func(k string, e any) bool {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(AppendString(dst, k), ':')
			dst = Append(dst, e)
			return true
		})
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// AppendNumber appends f as JavaScript writes numbers.
func AppendNumber(dst []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n > -1<<53 && n < 1<<53 {
		return strconv.AppendInt(dst, n, 10)
	}
	abs := math.Abs(f)
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// JavaScript writes 1e-7 where Go writes 1e-07.
	if n := len(dst); n-start >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	return append(AppendEscaped(dst, s), '"')
}

// AppendEscaped appends s as it stands inside of a JSON string.
func AppendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0xED {
			continue
		}
		if c == 0xED {
			u, ok := wtf8.Surrogate(s[i:])
			if !ok {
				continue
			}
			dst = append(dst, s[from:i]...)
			dst = append(dst, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
			i += 2
			from = i + 1
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, s[from:]...)
}
