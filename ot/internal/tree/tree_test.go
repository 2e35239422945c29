package tree

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type item int

func (i item) Extent() Extent { return Extent{A: int(i)%3 + 1, B: int(i) % 2} }

// check fails when the tree is not the sequence want, or breaks a rule of its own.
func check(t *testing.T, tr *Tree[item], want []item) {
	t.Helper()
	var got []item
	tr.Each(0, func(i item) bool { got = append(got, i); return true })
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	var e Extent
	for _, i := range want {
		e.A += i.Extent().A
		e.B += i.Extent().B
	}
	if tr.Extent() != e || tr.Len() != len(want) {
		t.Fatalf("extent %v of %d, want %v of %d", tr.Extent(), tr.Len(), e, len(want))
	}
	if tr.root != nil {
		depth(t, tr.root, true)
	}
}

func depth(t *testing.T, n *node[item], root bool) int {
	t.Helper()
	if s := n.size(); s > maxFan || !root && s < minFan {
		t.Fatalf("a node has %d entries", s)
	}
	if n.kids == nil {
		return 1
	}
	d := 0
	for i, k := range n.kids {
		kd := depth(t, k, false)
		if i > 0 && kd != d {
			t.Fatalf("leaves at different depths")
		}
		d = kd
		if n.sums[i] != k.sum() {
			t.Fatalf("sum %v, want %v", n.sums[i], k.sum())
		}
	}
	return d + 1
}

func TestSpliceAgainstSlice(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		var tr, kept Tree[item]
		var want, keptWant []item
		for step := range 300 {
			i := r.IntN(len(want) + 1)
			j := i + r.IntN(min(len(want)-i, 1+r.IntN(80))+1)
			with := make([]item, r.IntN(1+r.IntN(60)))
			if seed%3 == 0 && step > 200 {
				with = with[:0]
			}
			for k := range with {
				with[k] = item(r.IntN(1000))
			}
			tr.Splice(i, j, with...)
			want = slices.Replace(want, i, j, with...)
			check(t, &tr, want)
			if step%37 == 0 {
				kept, keptWant = tr.Clone(), slices.Clone(want)
			}
			if step%10 == 0 {
				check(t, &kept, keptWant)
			}
			if len(want) > 0 {
				k := r.IntN(len(want))
				if tr.At(k) != want[k] {
					t.Fatalf("seed %d: At(%d) = %v, want %v", seed, k, tr.At(k), want[k])
				}
			}
			find(t, r, &tr, want)
		}
	}
}

func find(t *testing.T, r *rand.Rand, tr *Tree[item], want []item) {
	t.Helper()
	for _, axis := range []Axis{AxisA, AxisB} {
		pos := r.IntN(tr.Extent().On(axis) + 1)
		i, before := tr.Find(axis, pos)
		var e Extent
		k := 0
		for k < len(want) && e.On(axis)+want[k].Extent().On(axis) <= pos {
			e.A += want[k].Extent().A
			e.B += want[k].Extent().B
			k++
		}
		if i != k || before != e {
			t.Fatalf("Find(%d, %d) = %d, %v; want %d, %v", axis, pos, i, before, k, e)
		}
	}
}

func TestOf(t *testing.T) {
	for _, n := range []int{0, 1, maxFan, maxFan + 1, 1000, 5000} {
		want := make([]item, n)
		for i := range want {
			want[i] = item(i)
		}
		tr := Of(want)
		check(t, &tr, want)
	}
}
