//go:build !smallchunks

package store

// The size of a chunk of items. The build tag smallchunks makes it tiny, so that
// short sessions pack and unpack a lot.
const (
	chunkBits = 8
	restless  = 8 // full chunks of tombstones that are left as they are
)

// At gives an item to read and to change. It unpacks the chunk of the item. (It is
// just cheap enough to be inlined, with the conversion instead of a mask.)
func (s *slab) At(i int32) *Item {
	if s.chunks[i>>chunkBits] == nil {
		s.unpack(i)
	}
	return &s.chunks[i>>chunkBits][uint8(i)]
}
