// Package codec reads and writes Yjs updates without a document: their blocks
// one by one, their delete sets, state vectors, and what can be done with
// updates alone (merge, diff, conversion between the two encodings).
//
//	update   = section* deleteset
//	section  = count client clock block*        clients descending
//	block    = GC | Skip | Item                 clocks are implicit
//	deleteset= (client (clock len)*)*           clients descending
//
// Encoding v1 writes all of it in one stream; v2 writes most fields into
// run-length columns and the rest after them.
package codec

import (
	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// The refs say what a block is or what content an item has.
const (
	GC      = 0
	Deleted = 1
	JSON    = 2
	Binary  = 3
	String  = 4
	Embed   = 5
	Format  = 6
	Type    = 7
	Any     = 8
	Doc     = 9
	Skip    = 10
)

// The bits of an item's info byte above its ref.
const (
	bitKey    = 0x20
	bitRight  = 0x40
	bitOrigin = 0x80
)

// The type refs that carry a name.
const (
	TypeXMLElement = 3
	TypeXMLHook    = 5
	maxTypeRef     = 6
)

// ParentKind says how an item names its parent.
type ParentKind uint8

// An item without a parent of its own takes that of its neighbour.
const (
	ParentNone ParentKind = iota
	ParentRoot
	ParentID
)

// An ID names one unit of a client's work.
type ID struct{ Client, Clock uint64 }

// A Block is one decoded struct. Its byte slices are views of the update, valid
// as long as that is.
type Block struct {
	ID     ID
	Len    uint64
	Origin ID
	Right  ID
	Parent ID
	Root   []byte // name of the root type, when ParentKind is ParentRoot
	Key    []byte // parentSub, when HasKey
	Body   []byte // text; values (Any, JSON); bytes (Binary); value (Embed, Format); guid (Doc)
	Name   []byte // key (Format), node name (Type), options as any (Doc)

	Ref       uint8
	TypeRef   uint8
	HasOrigin bool
	HasRight  bool
	HasKey    bool
	BodyJSON  bool // the value of Embed or Format is JSON text, not an any
	Parented  ParentKind
}

// End is the clock after the block.
func (b *Block) End() uint64 { return b.ID.Clock + b.Len }

// Cut removes the first n units, as Yjs does when it writes from the middle of a
// struct. n must be less than Len.
func (b *Block) Cut(n uint64) {
	if n == 0 {
		return
	}
	off := 0
	switch b.Ref {
	case String:
		var mid bool
		if off, mid = lib0.UTF16Offset(b.Body, int(b.Len), int(n)); mid {
			b.Body = append([]byte(lib0.Replacement), b.Body[off+4:]...)
			off = 0
		}
	case Any:
		off = SkipValues(b.Body, n)
	case JSON:
		off = SkipStrings(b.Body, n)
	}
	b.CutAt(n, off)
}

// CutAt is Cut where it is known that the first n units take off bytes of the body.
func (b *Block) CutAt(n uint64, off int) {
	b.ID.Clock += n
	b.Len -= n
	if b.Ref == GC || b.Ref == Skip {
		return
	}
	b.Body = b.Body[off:]
	b.HasOrigin, b.Origin = true, ID{b.ID.Client, b.ID.Clock - 1}
}

// SkipValues is the length in bytes of the first n anys of body.
func SkipValues(body []byte, n uint64) int {
	r := lib0.Reader{Buf: body}
	for ; n > 0 && !r.Bad; n-- {
		r.SkipAny()
	}
	return r.Pos
}

// SkipStrings is the length in bytes of the first n strings of body.
func SkipStrings(body []byte, n uint64) int {
	r := lib0.Reader{Buf: body}
	for ; n > 0 && !r.Bad; n-- {
		r.Bytes()
	}
	return r.Pos
}

// jsonOf is the value of Embed or Format as JSON text.
func (b *Block) jsonOf() []byte {
	if b.BodyJSON {
		return b.Body
	}
	r := lib0.Reader{Buf: b.Body}
	return r.Any().AppendJSON(nil)
}

// anyOf is the value of Embed or Format as an any.
func (b *Block) anyOf() []byte {
	if !b.BodyJSON {
		return b.Body
	}
	switch string(b.Body) {
	case "true":
		return []byte{120}
	case "null":
		return []byte{126}
	}
	v, err := lib0.ParseJSON(b.Body)
	if err != nil {
		v = lib0.Null() // checked when it was read
	}
	return v.AppendAny(nil)
}

// Append appends the block alone, in encoding v1, without client and clock.
func (b *Block) Append(dst []byte) []byte {
	w := Writer{rest: dst}
	w.block(b)
	return w.rest
}

// ReadBlock reads a block that Append wrote.
func ReadBlock(data []byte, id ID, b *Block) error {
	r := Reader{r: lib0.Reader{Buf: data}, client: id.Client, clock: id.Clock}
	r.block(b)
	r.check()
	return r.err
}

// Keep cuts the block off after its first n units. n must be above 0.
func (b *Block) Keep(n uint64) {
	if n >= b.Len {
		return
	}
	switch b.Ref {
	case String:
		off, mid := lib0.UTF16Offset(b.Body, int(b.Len), int(n))
		if mid {
			b.Body = append(b.Body[:off:off], lib0.Replacement...)
		} else {
			b.Body = b.Body[:off]
		}
	case Any:
		b.Body = b.Body[:SkipValues(b.Body, n)]
	case JSON:
		b.Body = b.Body[:SkipStrings(b.Body, n)]
	}
	b.Len = n
}
