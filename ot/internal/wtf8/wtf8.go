// Package wtf8 handles strings as JavaScript sees them: sequences of UTF-16 code
// units that need not be well formed, kept in memory as WTF-8.
//
// WTF-8 (https://simonsapin.github.io/wtf-8/) is UTF-8 in which a surrogate that
// has no partner is written in three bytes like any other code point. A high
// surrogate that stands right before a low one is always written as the one code
// point that they mean, in four bytes; Join keeps that rule. All functions expect
// such strings, and count without checking.
package wtf8

import "unicode/utf8"

const (
	highStart, lowStart, surrogateEnd = 0xD800, 0xDC00, 0xE000
)

// Len16 returns the number of UTF-16 code units of s.
func Len16(s string) int {
	_, units := Count(s)
	return units
}

// Count returns the numbers of code points and of UTF-16 code units of s. A lone
// surrogate counts as one of each.
func Count(s string) (points, units int) {
	points = len(s)
	wide := 0
	for i := range len(s) {
		b := s[i]
		if b < 0x80 {
			continue
		}
		if b < 0xC0 {
			points--
		} else if b >= 0xF0 {
			wide++
		}
	}
	return points, points + wide
}

// Index returns the byte offset of the n-th code point of s, which has that many.
func Index(s string, n int) int {
	i := 0
	for ; n > 0; n-- {
		i += width(s[i])
	}
	return i
}

// Cut16 cuts s after n UTF-16 code units. When that is inside of a surrogate pair
// each half keeps its own surrogate.
func Cut16(s string, n int) (head, tail string) {
	i := 0
	for n > 0 {
		w := width(s[i])
		if w == 4 {
			if n == 1 {
				r, _ := utf8.DecodeRuneInString(s[i:])
				high, low := pair(r)
				return s[:i] + high, low + s[i+4:]
			}
			n--
		}
		n--
		i += w
	}
	return s[:i], s[i:]
}

// Slice16 returns the UTF-16 code units from start to end of s.
func Slice16(s string, start, end int) string {
	if len(s) == end && start == 0 && Len16(s) == end {
		return s
	}
	_, s = Cut16(s, start)
	s, _ = Cut16(s, end-start)
	return s
}

// Cut cuts s after n code points.
func Cut(s string, n int) (head, tail string) {
	i := Index(s, n)
	return s[:i], s[i:]
}

// Slice returns the code points from start to end of s.
func Slice(s string, start, end int) string {
	i := Index(s, start)
	return s[i : i+Index(s[i:], end-start)]
}

// Join concatenates a and b, and makes one code point of a high surrogate that
// ends a and a low one that begins b.
func Join(a, b string) string {
	if !EndsHigh(a) || !BeginsLow(b) {
		return a + b
	}
	high, low := three(a[len(a)-3:]), three(b)
	r := rune(high-highStart)<<10 + rune(low-lowStart) + 0x10000
	return a[:len(a)-3] + string(r) + b[3:]
}

// AppendJoin appends b to dst as Join does.
func AppendJoin(dst []byte, b string) []byte {
	if u, ok := Surrogate(b); ok && u >= lowStart {
		dst, b = AppendUnit(dst, u), b[3:]
	}
	return append(dst, b...)
}

// EndsHigh reports whether s ends in a high surrogate without its partner.
func EndsHigh(s string) bool {
	n := len(s)
	return n >= 3 && s[n-3] == 0xED && s[n-2] >= 0xA0 && s[n-2] < 0xB0
}

// BeginsLow reports whether s begins with a low surrogate without its partner.
func BeginsLow(s string) bool {
	return len(s) >= 3 && s[0] == 0xED && s[1] >= 0xB0
}

// WellFormed reports whether s has no surrogates, so that it is plain UTF-8.
func WellFormed(s string) bool { return utf8.ValidString(s) }

// Surrogate returns the code of the lone surrogate at the start of s, if there
// is one.
func Surrogate(s string) (code uint16, ok bool) {
	if len(s) < 3 || s[0] != 0xED || s[1] < 0xA0 {
		return 0, false
	}
	return three(s), true
}

// AppendUnit appends the UTF-16 code unit u to dst, and joins it with a high
// surrogate at the end of dst when it is the low one of a pair.
func AppendUnit(dst []byte, u uint16) []byte {
	if u >= lowStart && u < surrogateEnd {
		if n := len(dst); n >= 3 && dst[n-3] == 0xED && dst[n-2] >= 0xA0 && dst[n-2] < 0xB0 {
			high := three(string(dst[n-3:]))
			return utf8.AppendRune(dst[:n-3], rune(high-highStart)<<10+rune(u-lowStart)+0x10000)
		}
	}
	if u >= highStart && u < surrogateEnd {
		return append(dst, 0xED, 0x80|byte(u>>6)&0x3F, 0x80|byte(u)&0x3F)
	}
	return utf8.AppendRune(dst, rune(u))
}

// Units returns the UTF-16 code units of s.
func Units(s string) []uint16 {
	out := make([]uint16, 0, len(s))
	for i := 0; i < len(s); {
		if u, ok := Surrogate(s[i:]); ok {
			out = append(out, u)
			i += 3
			continue
		}
		r, w := utf8.DecodeRuneInString(s[i:])
		if r >= 0x10000 {
			r -= 0x10000
			out = append(out, highStart+uint16(r>>10), lowStart+uint16(r&0x3FF))
		} else {
			out = append(out, uint16(r))
		}
		i += w
	}
	return out
}

func width(b byte) int {
	switch {
	case b < 0x80:
		return 1
	case b < 0xE0:
		return 2
	case b < 0xF0:
		return 3
	}
	return 4
}

func three(s string) uint16 {
	return uint16(s[0]&0x0F)<<12 | uint16(s[1]&0x3F)<<6 | uint16(s[2]&0x3F)
}

func pair(r rune) (high, low string) {
	r -= 0x10000
	return string(AppendUnit(nil, highStart+uint16(r>>10))), string(AppendUnit(nil, lowStart+uint16(r&0x3FF)))
}
