package store

import "github.com/starling-rt/starling/yjs/internal/codec"

// stride is the number of values from one noted place to the next.
const stride = 64

// steps are places in the content of a long run of values, so that reaching one of
// them does not read all before it: at[i] is where value first + i·stride begins in
// the arena. They hold until the arena is compacted, as its bytes stay what they are.
type steps struct {
	first uint32
	at    []uint32
}

// Offset is the length in bytes of the first k values of an item of Any or JSON.
func (s *Store) Offset(it *Item, k uint32) int {
	skip := codec.SkipValues
	if it.Ref == codec.JSON {
		skip = codec.SkipStrings
	}
	if k < 2*stride {
		return skip(s.Bytes(it), uint64(k))
	}
	st := s.steps[it.A]
	if st == nil {
		if s.steps == nil {
			s.steps = make(map[uint32]*steps)
		}
		st = &steps{first: stride}
		s.steps[it.A] = st
	}
	end := it.A + it.B
	next := st.first + uint32(len(st.at))*stride
	for ; next <= k; next += stride {
		from, n := it.A, st.first
		if len(st.at) > 0 {
			from, n = st.at[len(st.at)-1], stride
		}
		st.at = append(st.at, from+uint32(skip(s.Arena[from:end], uint64(n))))
	}
	i := (k - st.first) / stride
	from := st.at[i]
	return int(from-it.A) + skip(s.Arena[from:end], uint64(k-st.first-i*stride))
}

// shareSteps gives r, which was cut off it after k values, its part of the steps.
func (s *Store) shareSteps(it, r *Item, k uint32) {
	st := s.steps[it.A]
	if st == nil || r.N < 2*stride {
		return
	}
	i := (max(k, st.first) - st.first + stride - 1) / stride
	if i < uint32(len(st.at)) {
		s.steps[r.A] = &steps{first: st.first + i*stride - k, at: st.at[i:len(st.at):len(st.at)]}
	}
}
