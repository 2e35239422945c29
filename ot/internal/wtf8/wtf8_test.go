package wtf8

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func fromUnits(us []uint16) string {
	var b []byte
	for _, u := range us {
		b = AppendUnit(b, u)
	}
	return string(b)
}

// TestAgainstUnits compares every function with the same thing done on a slice
// of code units, which is what JavaScript has.
func TestAgainstUnits(t *testing.T) {
	alphabet := []uint16{'a', 'z', 0xE9, 0x4E2D, 0xD83D, 0xDE00, 0xD83D, 0xDE00, 0xDBFF, 0xDC00, 0xFFFF, 0xD7FF, 0xE000}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		us := make([]uint16, r.IntN(9))
		for i := range us {
			us[i] = alphabet[r.IntN(len(alphabet))]
		}
		s := fromUnits(us)
		if got := Units(s); !slices.Equal(got, us) {
			t.Fatalf("Units(%x) = %x", us, got)
		}
		if got := Len16(s); got != len(us) {
			t.Fatalf("Len16(%x) = %d, want %d", us, got, len(us))
		}
		n := r.IntN(len(us) + 1)
		head, tail := Cut16(s, n)
		if head != fromUnits(us[:n]) || tail != fromUnits(us[n:]) {
			t.Fatalf("Cut16(%x, %d) = %q, %q", us, n, head, tail)
		}
		if got := Join(head, tail); got != s {
			t.Fatalf("Join(%q, %q) = %q, want %q", head, tail, got, s)
		}
		if got := string(AppendJoin([]byte(head), tail)); got != s {
			t.Fatalf("AppendJoin(%q, %q) = %q, want %q", head, tail, got, s)
		}
		m := n + r.IntN(len(us)-n+1)
		if got, want := Slice16(s, n, m), fromUnits(us[n:m]); got != want {
			t.Fatalf("Slice16(%x, %d, %d) = %q, want %q", us, n, m, got, want)
		}
		points, _ := Count(s)
		p := r.IntN(points + 1)
		if i := Index(s, p); Slice(s, 0, p) != s[:i] || Slice(s, p, points) != s[i:] {
			t.Fatalf("Slice(%q) at %d disagrees with Index", s, p)
		}
		lone := false
		for i := range us {
			high := us[i] >= 0xD800 && us[i] < 0xDC00
			low := us[i] >= 0xDC00 && us[i] < 0xE000
			paired := high && i+1 < len(us) && us[i+1] >= 0xDC00 && us[i+1] < 0xE000 ||
				low && i > 0 && us[i-1] >= 0xD800 && us[i-1] < 0xDC00
			lone = lone || (high || low) && !paired
		}
		if WellFormed(s) == lone {
			t.Fatalf("WellFormed(%x) = %v", us, !lone)
		}
	}
}
