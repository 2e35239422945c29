package store

import (
	"encoding/binary"

	"github.com/starling-rt/starling/yjs/internal/codec"
)

const chunkSize = 1 << chunkBits

// A slab holds items in chunks. A chunk in which nothing lives any more is packed:
// the deleted values of map keys, which stay for ever in the format, and GC structs
// have few different fields, and are changed when something refers into them only.
// An item keeps its index when it is packed. Sequences are walked past what is
// deleted in them, so such items are left alone.
type slab struct {
	chunks [][]Item
	Free   int32    // list of freed slots through right
	packs  []*pack  // by chunk, whose items are nil then; may be shorter
	some   bool     // some chunk is or was packed
	mark   int32    // chunks from here on are new
	closed int      // new chunks that are packed
	tombs  []uint16 // by chunk: how many of its items are tombstones
	ripe   []int32  // chunks of tombstones that are not packed
	tried  int      // of ripe, those that were not settled in this transaction
}

// Alloc stores an item and gives its index. Pointers into the slab are void
// afterwards.
func (s *slab) Alloc(it Item) int32 {
	if s.Free != None {
		i := s.Free
		p := s.At(i)
		s.Free = p.Right
		*p = it
		s.came(i, &it)
		return i
	}
	n := len(s.chunks)
	if n == 0 || s.chunks[n-1] == nil || len(s.chunks[n-1]) == chunkSize {
		var c []Item
		if n > 0 {
			c = make([]Item, 0, chunkSize)
		}
		s.packSettled()
		s.chunks, s.tombs = append(s.chunks, c), append(s.tombs, 0)
		n++
	}
	i := int32((n-1)<<chunkBits + len(s.chunks[n-1]))
	s.chunks[n-1] = append(s.chunks[n-1], it)
	s.came(i, &it)
	return i
}

func (s *slab) Release(i int32) {
	p := s.At(i)
	if p.tomb() {
		s.tombs[i>>chunkBits]--
	}
	*p = Item{Right: s.Free, Ref: 255}
	s.Free = i
}

// tomb tells whether an item is of the kind that is packed.
func (it *Item) tomb() bool {
	return it.Ref == codec.GC || it.Ref == codec.Deleted && it.Key != None
}

// came takes note of a new item.
func (s *slab) came(i int32, it *Item) {
	if it.tomb() {
		s.buried(i)
	}
}

// buried takes note that an item is a tombstone now.
func (s *slab) buried(i int32) {
	k := i >> chunkBits
	if s.tombs[k]++; s.tombs[k] == chunkSize {
		s.ripe = append(s.ripe, k)
	}
}

// Bury makes a tombstone of an item: what it was is forgotten but for its place.
func (s *slab) Bury(i int32) {
	it := s.At(i)
	if it.A, it.B, it.Ref = 0, 0, codec.Deleted; it.tomb() {
		s.buried(i)
	}
}

// BuryGC makes a GC struct of an item.
func (s *slab) BuryGC(i int32) {
	it := s.At(i)
	was := it.tomb()
	*it = GC(it.Client, it.Clock, it.N)
	if !was {
		s.buried(i)
	}
}

// GC is a GC struct.
func GC(c, clock, n uint32) Item {
	return Item{
		Client: c, Clock: clock, N: n, OriginC: NoClient, RightC: NoClient,
		Left: None, Right: None, Parent: None, Key: None, Ref: codec.GC, Flags: FlagDeleted,
	}
}

// Pack packs the chunks of tombstones, but for the few newest ones: what was just
// unpacked may be wanted again. Pointers into the slab are void afterwards.
func (s *slab) Pack() {
	s.tried = 0
	if len(s.ripe) >= restless {
		s.packRipe()
	}
}

func (s *slab) packRipe() {
	for _, k := range s.ripe {
		s.pack(k)
	}
	if s.ripe = s.ripe[:0]; cap(s.ripe) > 1024 {
		s.ripe = nil
	}
}

// packSettled packs in the middle of a transaction, so that loading a large
// document does not take much more memory than having it. What has no right
// neighbour yet may soon get one and is left for later.
func (s *slab) packSettled() {
	n := len(s.ripe) - restless
	if n <= s.tried {
		return
	}
	kept := s.ripe[:s.tried]
	for _, k := range s.ripe[s.tried:n] {
		if s.settled(k) {
			s.pack(k)
		} else {
			kept = append(kept, k)
		}
	}
	s.tried = len(kept)
	s.ripe = append(kept, s.ripe[n:]...)
}

func (s *slab) settled(k int32) bool {
	for o := range s.chunks[k] {
		if it := &s.chunks[k][o]; it.Right == None && it.Ref != codec.GC {
			return false
		}
	}
	return true
}

func (s *slab) pack(k int32) {
	if s.chunks[k] == nil || s.tombs[k] != chunkSize {
		return // it is noted twice, or a slot has been freed since
	}
	if n := len(s.chunks) - len(s.packs); n > 0 {
		s.packs = append(s.packs, make([]*pack, n)...)
	}
	s.packs[k] = packed(k<<chunkBits, s.chunks[k])
	s.chunks[k], s.some = nil, true
	if k >= s.mark {
		s.closed++
	}
}

// Mark begins to count for Grown.
func (s *slab) Mark() { s.mark, s.closed = int32(len(s.chunks)), 0 }

// Grown is the number of items in full size since Mark, without those in the newest chunk.
func (s *slab) Grown() int { return (len(s.chunks) - int(s.mark) - s.closed - 1) * chunkSize }

// unpack makes the chunk of item i what it was.
func (s *slab) unpack(i int32) {
	k := i >> chunkBits
	c := make([]Item, chunkSize)
	s.packs[k].all(k<<chunkBits, c)
	s.chunks[k], s.packs[k] = c, nil
	if k >= s.mark {
		s.closed--
	}
	s.ripe = append(s.ripe, k)
}

// packedAt is the pack that holds an item, or nil.
func (s *slab) packedAt(i int32) *pack {
	if k := int(i >> chunkBits); s.chunks[k] == nil && k < len(s.packs) {
		return s.packs[k]
	}
	return nil
}

// The following do not unpack.

// IsDeleted tells whether an item is deleted.
func (s *slab) IsDeleted(i int32) bool { return s.packedAt(i) != nil || s.At(i).Deleted() }

// IsTomb tells whether an item is the deleted value of a key, or a GC struct.
func (s *slab) IsTomb(i int32) bool { return s.packedAt(i) != nil || s.At(i).tomb() }

// Apart tells, if it can at once, that two items that follow one another in their
// client's index cannot be merged.
func (s *slab) Apart(l, r int32) bool { return s.some && s.apart(l, r) }

func (s *slab) apart(l, r int32) bool {
	if s.packedAt(l) == nil && s.packedAt(r) == nil {
		return false
	}
	ref := s.ref(l)
	return ref != s.ref(r) || ref != codec.GC && s.right(l) != r
}

func (s *slab) ref(i int32) uint8 {
	if p := s.packedAt(i); p != nil {
		return uint8(p.get(colKind, int(i&(chunkSize-1))))
	}
	return s.At(i).Ref
}

func (s *slab) right(i int32) int32 {
	if p := s.packedAt(i); p != nil {
		return int32(p.get(colRight, int(i&(chunkSize-1)))) + i
	}
	return s.At(i).Right
}

func (s *slab) left(i int32) int32 {
	if p := s.packedAt(i); p != nil {
		return int32(p.get(colLeft, int(i&(chunkSize-1)))) + i
	}
	return s.At(i).Left
}

// A View reads items one after another without unpacking them.
type View struct {
	s     *slab
	chunk int32
	items []Item // of chunk, when it is packed
}

// View begins to read.
func (s *Store) View() View { return View{s: &s.slab, chunk: None} }

// At gives an item to read, until the next call.
func (v *View) At(i int32) *Item {
	p := v.s.packedAt(i)
	if p == nil {
		return v.s.At(i)
	}
	if k := i >> chunkBits; k != v.chunk {
		if v.items == nil {
			v.items = make([]Item, chunkSize)
		}
		p.all(k<<chunkBits, v.items)
		v.chunk = k
	}
	return &v.items[i&(chunkSize-1)]
}

// The columns of a pack: the fields of items, some as the distance from what is
// likely.
const (
	colClient  = iota
	colClock   // from the place in the chunk
	colN       //
	colOriginC //
	colOriginK // from the clock
	colRightC  //
	colRightK  // from the clock
	colLeft    // from the index
	colRight   // from the index
	colParent  //
	colKey     //
	colKind    // ref and flags
	columns
)

// A pack is a chunk of tombstones, column by column: the smallest value of each, and
// what each item has above it in as few bytes as hold the largest.
type pack struct {
	base  [columns]uint32
	from  [columns]uint16 // where the column begins in data
	width [columns]uint8  // 0, 1, 2 or 4 bytes for an item
	data  []byte
}

// row is an item as columns; i is its index. Where a field says nothing, as all links
// of a GC struct, the column goes on as in last, the row before.
func (it *Item) row(i int32, last *[columns]uint32) (r [columns]uint32) {
	r = [columns]uint32{
		it.Client, it.Clock - uint32(i&(chunkSize-1)), it.N, it.OriginC, last[colOriginK], it.RightC, last[colRightK],
		uint32(it.Left - i), uint32(it.Right - i), uint32(it.Parent), uint32(it.Key), uint32(it.Ref) | uint32(it.Flags)<<8,
	}
	if it.OriginC != NoClient {
		r[colOriginK] = it.OriginK - it.Clock
	}
	if it.RightC != NoClient {
		r[colRightK] = it.RightK - it.Clock
	}
	if it.Ref == codec.GC {
		for c := colLeft; c <= colKey; c++ {
			r[c] = last[c]
		}
	}
	return r
}

func packed(first int32, items []Item) *pack {
	var rows [chunkSize][columns]uint32
	var last [columns]uint32
	for o := range rows {
		rows[o] = items[o].row(first+int32(o), &last)
		last = rows[o]
	}
	p := &pack{}
	size := 0
	for c := range columns {
		low, high := int32(rows[0][c]), int32(rows[0][c])
		for o := range rows {
			low, high = min(low, int32(rows[o][c])), max(high, int32(rows[o][c]))
		}
		p.base[c], p.from[c] = uint32(low), uint16(size)
		p.width[c] = width(uint32(high) - uint32(low))
		size += int(p.width[c]) * chunkSize
	}
	p.data = make([]byte, size)
	for c := range columns {
		base, d := p.base[c], p.data[p.from[c]:]
		switch p.width[c] {
		case 1:
			for o := range rows {
				d[o] = byte(rows[o][c] - base)
			}
		case 2:
			for o := range rows {
				binary.LittleEndian.PutUint16(d[2*o:], uint16(rows[o][c]-base))
			}
		case 4:
			for o := range rows {
				binary.LittleEndian.PutUint32(d[4*o:], rows[o][c]-base)
			}
		}
	}
	return p
}

// width is the number of bytes for numbers up to high.
func width(high uint32) uint8 {
	switch {
	case high == 0:
		return 0
	case high < 1<<8:
		return 1
	case high < 1<<16:
		return 2
	}
	return 4
}

func (p *pack) get(c, o int) uint32 {
	d := p.data[int(p.from[c])+o*int(p.width[c]):]
	switch p.width[c] {
	case 1:
		return p.base[c] + uint32(d[0])
	case 2:
		return p.base[c] + uint32(binary.LittleEndian.Uint16(d))
	case 4:
		return p.base[c] + binary.LittleEndian.Uint32(d)
	}
	return p.base[c]
}

// rows gives all columns of all items.
func (p *pack) rows(to *[chunkSize][columns]uint32) {
	for c := range columns {
		base, d := p.base[c], p.data[p.from[c]:]
		switch p.width[c] {
		case 0:
			for o := range to {
				to[o][c] = base
			}
		case 1:
			for o, x := range d[:chunkSize] {
				to[o][c] = base + uint32(x)
			}
		default:
			for o := range to {
				to[o][c] = p.get(c, o)
			}
		}
	}
}

// all gives all items; first is the index of the first one.
func (p *pack) all(first int32, to []Item) {
	var rows [chunkSize][columns]uint32
	p.rows(&rows)
	for o := range rows {
		r := &rows[o]
		i, kind := first+int32(o), r[colKind]
		it := &to[o]
		*it = Item{
			Client: r[colClient], Clock: r[colClock] + uint32(o), N: r[colN], OriginC: r[colOriginC], RightC: r[colRightC],
			Left: None, Right: None, Parent: None, Key: None, Ref: uint8(kind), Flags: uint8(kind >> 8),
		}
		if it.Ref != codec.GC {
			it.Left, it.Right = int32(r[colLeft])+i, int32(r[colRight])+i
			it.Parent, it.Key = int32(r[colParent]), int32(r[colKey])
		}
		if it.OriginC != NoClient {
			it.OriginK = r[colOriginK] + it.Clock
		}
		if it.RightC != NoClient {
			it.RightK = r[colRightK] + it.Clock
		}
	}
}
