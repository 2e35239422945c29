package rope

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/starling-rt/starling/ot/internal/wtf8"
)

func str(us []uint16) string {
	var b []byte
	for _, u := range us {
		b = wtf8.AppendUnit(b, u)
	}
	return string(b)
}

// TestReplaceAgainstUnits edits a rope and a slice of code units in the same way,
// in UTF-16 units at any place, so that pairs are torn and joined again.
func TestReplaceAgainstUnits(t *testing.T) {
	alphabet := []uint16{'a', 'b', 0xE9, 0x4E2D, 0xD83D, 0xDE00, 0xDE01}
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 3))
		var rp Rope
		var want []uint16
		for step := range 400 {
			pos := r.IntN(len(want) + 1)
			del := r.IntN(min(len(want)-pos, 1+r.IntN(300)) + 1)
			if step%4 > 0 {
				del = min(del, 3)
			}
			ins := make([]uint16, r.IntN(1+r.IntN(1+r.IntN(600))))
			for i := range ins {
				ins[i] = alphabet[r.IntN(len(alphabet))]
			}
			rp.Replace(Units16, pos, del, str(ins))
			want = slices.Replace(want, pos, pos+del, ins...)
			s := str(want)
			if got := rp.String(); got != s {
				t.Fatalf("seed %d step %d: got %q, want %q", seed, step, got, s)
			}
			points, _ := wtf8.Count(s)
			if rp.Len(Units16) != len(want) || rp.Len(Points) != points {
				t.Fatalf("seed %d step %d: lengths %d, %d; want %d, %d", seed, step, rp.Len(Units16), rp.Len(Points), len(want), points)
			}
			a := r.IntN(len(want) + 1)
			b := a + r.IntN(len(want)-a+1)
			if got := rp.Slice(Units16, a, b); got != str(want[a:b]) {
				t.Fatalf("seed %d step %d: Slice(%d, %d) = %q", seed, step, a, b, got)
			}
			p := r.IntN(points + 1)
			wantUnits := wtf8.Len16(wtf8.Slice(s, 0, p))
			if got, ok := rp.Convert(Points, p); got != wantUnits || !ok {
				t.Fatalf("Convert(Points, %d) = %d, want %d", p, got, wantUnits)
			}
			if got, ok := rp.Convert(Units16, wantUnits); got != p || !ok {
				t.Fatalf("Convert(Units16, %d) = %d, want %d", wantUnits, got, p)
			}
		}
	}
}

func TestReplacePoints(t *testing.T) {
	rp := Of("a😀é中z")
	rp.Replace(Points, 1, 2, "xy😀")
	if got := rp.String(); got != "axy😀中z" {
		t.Errorf("got %q", got)
	}
	if got := rp.Slice(Points, 3, 5); got != "😀中" {
		t.Errorf("got %q", got)
	}
	if got, exact := rp.Convert(Units16, 4); got != 3 || exact {
		t.Errorf("inside of a pair: got %d, %v", got, exact)
	}
}

func TestCloneIsIndependent(t *testing.T) {
	a := Of("hello")
	b := a.Clone()
	a.Replace(Points, 0, 1, "J")
	b.Replace(Points, 5, 0, "!")
	if a.String() != "Jello" || b.String() != "hello!" {
		t.Errorf("got %q and %q", a.String(), b.String())
	}
}
