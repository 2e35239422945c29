//go:build smallchunks

package store

const (
	chunkBits = 2
	restless  = 1
)

// At gives an item to read and to change. It unpacks the chunk of the item.
func (s *slab) At(i int32) *Item {
	if s.chunks[i>>chunkBits] == nil {
		s.unpack(i)
	}
	return &s.chunks[i>>chunkBits][i&(chunkSize-1)]
}
