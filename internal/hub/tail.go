package hub

import "sort"

// tail holds the newest records of a channel: all with offsets above floor and
// up to head, in a ring. It is guarded by its channel's lock.
type tail struct {
	floor, head uint64
	ring        []*Frame // a power of two long, or empty
	first, n    int
	bytes       int64
}

// reset empties the tail: it stands at head and knows nothing before.
func (t *tail) reset(head uint64) (freed int64) {
	freed = t.bytes
	*t = tail{floor: head, head: head}
	return freed
}

func (t *tail) at(i int) *Frame { return t.ring[(t.first+i)&(len(t.ring)-1)] }

// push appends a frame, whose offset is above the head.
func (t *tail) push(f *Frame) {
	if t.n == len(t.ring) {
		grown := make([]*Frame, max(8, 2*len(t.ring)))
		for i := range t.n {
			grown[i] = t.at(i)
		}
		t.ring, t.first = grown, 0
	}
	t.ring[(t.first+t.n)&(len(t.ring)-1)] = f
	t.n++
	t.head = f.offset
	t.bytes += f.size()
}

// drop removes the oldest frame.
func (t *tail) drop() (freed int64) {
	f := t.at(0)
	t.ring[t.first] = nil
	t.first = (t.first + 1) & (len(t.ring) - 1)
	t.n--
	t.floor = f.offset
	t.bytes -= f.size()
	if t.n == 0 {
		t.ring, t.first = nil, 0
	}
	return f.size()
}

// after returns the index of the first frame with an offset above pos.
func (t *tail) after(pos uint64) int {
	// Who keeps up has all but the last.
	if t.n < 2 || t.at(t.n-2).offset <= pos {
		if t.n == 0 || t.at(t.n-1).offset <= pos {
			return t.n
		}
		return t.n - 1
	}
	return sort.Search(t.n, func(i int) bool { return t.at(i).offset > pos })
}
