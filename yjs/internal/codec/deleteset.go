package codec

import (
	"cmp"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// A Range is a run of one client's units.
type Range struct{ Client, Clock, Len uint64 }

// A DeleteSet is a list of ranges. Canonical gives it the order in which Yjs
// writes it.
type DeleteSet []Range

// ReadDeleteSet reads a delete set that stands alone.
func ReadDeleteSet(r *lib0.Reader, v2 bool) DeleteSet { return readDeleteSet(r, v2, nil) }

func readDeleteSet(r *lib0.Reader, v2 bool, ds DeleteSet) DeleteSet {
	clients := r.Uint()
	if clients > uint64(r.Left()/2) {
		r.Fail()
	}
	for ; clients > 0 && !r.Bad; clients-- {
		client, n := r.Uint(), r.Uint()
		if n > uint64(r.Left()/2) {
			r.Fail()
			break
		}
		ds = slices.Grow(ds, int(n))
		end := uint64(0)
		for ; n > 0 && !r.Bad; n-- {
			clock, length := r.Uint(), r.Uint()
			if v2 {
				clock += end
				length++
				end = clock + length
			}
			if clock+length > lib0.MaxInt {
				r.Fail()
			}
			if length > 0 && !r.Bad {
				ds = append(ds, Range{client, clock, length})
			}
		}
	}
	return ds
}

func byClient(a, b Range) int { return cmp.Compare(b.Client, a.Client) }

func byClientClock(a, b Range) int {
	if c := cmp.Compare(b.Client, a.Client); c != 0 {
		return c
	}
	return cmp.Compare(a.Clock, b.Clock)
}

// Canonical sorts the ranges and joins those that touch, in place.
func (ds DeleteSet) Canonical() DeleteSet {
	if !slices.IsSortedFunc(ds, byClientClock) {
		slices.SortStableFunc(ds, byClientClock)
	}
	n := 0
	for _, r := range ds {
		if n > 0 && ds[n-1].Client == r.Client && ds[n-1].Clock+ds[n-1].Len >= r.Clock {
			ds[n-1].Len = max(ds[n-1].Len, r.Clock+r.Len-ds[n-1].Clock)
			continue
		}
		ds[n] = r
		n++
	}
	return ds[:n]
}

// Has tells whether a canonical delete set holds an ID.
func (ds DeleteSet) Has(client, clock uint64) bool {
	i, found := slices.BinarySearchFunc(ds, Range{client, clock, 0}, byClientClock)
	if found {
		return true
	}
	return i > 0 && ds[i-1].Client == client && clock < ds[i-1].Clock+ds[i-1].Len
}

// Append appends the delete set as it is, clients descending.
func (ds DeleteSet) Append(b []byte, v2 bool) []byte {
	if !slices.IsSortedFunc(ds, byClient) {
		ds = slices.Clone(ds)
		slices.SortStableFunc(ds, byClient)
	}
	clients := uint64(0)
	for i := range ds {
		if i == 0 || ds[i].Client != ds[i-1].Client {
			clients++
		}
	}
	b = lib0.AppendUint(b, clients)
	for i := 0; i < len(ds); {
		j := i + 1
		for j < len(ds) && ds[j].Client == ds[i].Client {
			j++
		}
		b = lib0.AppendUint(b, ds[i].Client)
		b = lib0.AppendUint(b, uint64(j-i))
		end := uint64(0)
		for ; i < j; i++ {
			if v2 {
				b = lib0.AppendUint(b, ds[i].Clock-end)
				b = lib0.AppendUint(b, ds[i].Len-1)
				end = ds[i].Clock + ds[i].Len
			} else {
				b = lib0.AppendUint(b, ds[i].Clock)
				b = lib0.AppendUint(b, ds[i].Len)
			}
		}
	}
	return b
}

// A StateVector gives the next clock of each client.
type StateVector map[uint64]uint64

// Append appends the state vector, clients descending.
func (sv StateVector) Append(b []byte) []byte {
	clients := make([]uint64, 0, len(sv))
	for c := range sv {
		clients = append(clients, c)
	}
	slices.SortFunc(clients, func(a, b uint64) int { return cmp.Compare(b, a) })
	b = lib0.AppendUint(b, uint64(len(clients)))
	for _, c := range clients {
		b = lib0.AppendUint(lib0.AppendUint(b, c), sv[c])
	}
	return b
}

// ReadStateVector reads a state vector.
func ReadStateVector(r *lib0.Reader) StateVector {
	n := r.Uint()
	if n > uint64(r.Left()/2) {
		r.Fail()
		return nil
	}
	sv := make(StateVector, n)
	for ; n > 0 && !r.Bad; n-- {
		c := r.Uint()
		sv[c] = r.Uint()
	}
	return sv
}

// From is the index of the first range of a client, in a canonical delete set,
// that ends after a clock.
func (ds DeleteSet) From(client, clock uint64) int {
	i, found := slices.BinarySearchFunc(ds, Range{client, clock, 0}, byClientClock)
	if !found && i > 0 && ds[i-1].Client == client && clock < ds[i-1].Clock+ds[i-1].Len {
		i--
	}
	return i
}
