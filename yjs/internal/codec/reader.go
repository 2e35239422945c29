package codec

import (
	"errors"

	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// ErrMalformed says that bytes are no update.
var ErrMalformed = lib0.ErrMalformed

// ErrLimit says that an update asks for more than it may.
var ErrLimit = errors.New("yjs: update exceeds a limit")

// defaultMaxBlocks bounds the blocks of an update in encoding v2 when the caller
// sets no limit: run lengths can name millions of blocks in a few bytes. A block
// of v1 takes two bytes at least, so that its length is limit enough.
func defaultMaxBlocks(update []byte) int { return 1<<16 + 8*len(update) }

// A Reader reads the blocks of one update, then its delete set.
type Reader struct {
	r         lib0.Reader // the whole of v1, the rest stream of v2
	cols      *columns    // nil for v1
	clients   uint64      // sections left
	blocks    uint64      // blocks left in this section
	client    uint64
	clock     uint64
	maxBlocks uint64
	err       error
}

type columns struct {
	keyClock   lib0.IntDiff
	client     lib0.UintOpt
	leftClock  lib0.IntDiff
	rightClock lib0.IntDiff
	info       lib0.RLE
	strings    lib0.Strings
	parentInfo lib0.RLE
	typeRef    lib0.UintOpt
	length     lib0.UintOpt
	keys       [][]byte
	bad        bool
}

// Reset starts to read an update. maxBlocks 0 means 65,536 and 8 for each byte.
func (d *Reader) Reset(update []byte, v2 bool, maxBlocks int) {
	if maxBlocks <= 0 {
		maxBlocks = defaultMaxBlocks(update)
	}
	*d = Reader{r: lib0.Reader{Buf: update}, maxBlocks: uint64(maxBlocks)}
	if v2 {
		d.openColumns()
	}
	d.clients = d.r.Uint()
	if !v2 && d.clients > uint64(d.r.Left()/2) {
		d.r.Fail()
	}
	d.check()
}

func (d *Reader) openColumns() {
	r := &d.r
	if r.Uint() != 0 {
		r.Fail()
	}
	c := &columns{}
	c.keyClock.R.Buf = r.Bytes()
	c.client.R.Buf = r.Bytes()
	c.leftClock.R.Buf = r.Bytes()
	c.rightClock.R.Buf = r.Bytes()
	c.info.R.Buf = r.Bytes()
	c.strings = lib0.NewStrings(r.Bytes())
	c.parentInfo.R.Buf = r.Bytes()
	c.typeRef.R.Buf = r.Bytes()
	c.length.R.Buf = r.Bytes()
	d.cols = c
	// The string column of an update without strings may be empty altogether.
}

// check notes the first fault.
func (d *Reader) check() bool {
	if d.err == nil && (d.r.Bad || d.cols != nil && d.cols.faulty()) {
		d.err = ErrMalformed
	}
	return d.err == nil
}

func (c *columns) faulty() bool {
	return c.bad || c.keyClock.R.Bad || c.client.R.Bad || c.leftClock.R.Bad || c.rightClock.R.Bad ||
		c.info.R.Bad || c.strings.Bad || c.strings.Lens.R.Bad || c.parentInfo.R.Bad || c.typeRef.R.Bad || c.length.R.Bad
}

// Err is the first fault: ErrMalformed, ErrLimit or nil.
func (d *Reader) Err() error { return d.err }

// Next reads the next block into b. It gives false at the end of the blocks and
// after a fault.
func (d *Reader) Next(b *Block) bool {
	for d.blocks == 0 {
		if d.clients == 0 || d.err != nil {
			return false
		}
		d.clients--
		d.blocks = d.r.Uint()
		d.client = d.uintClient()
		d.clock = d.r.Uint()
		if d.cols == nil && d.blocks > uint64(d.r.Left()/2) {
			d.r.Fail()
		}
		if !d.check() {
			return false
		}
		if d.blocks > d.maxBlocks {
			d.err = ErrLimit
			return false
		}
		d.maxBlocks -= d.blocks
	}
	if d.err != nil {
		return false
	}
	d.blocks--
	d.block(b)
	if d.clock += b.Len; d.clock > lib0.MaxInt {
		d.r.Fail()
	}
	return d.check()
}

func (d *Reader) block(b *Block) {
	info := d.info()
	b.ID, b.Ref = ID{d.client, d.clock}, info&0x1f
	b.HasOrigin, b.HasRight, b.HasKey, b.BodyJSON, b.Parented = false, false, false, false, ParentNone
	switch b.Ref {
	case GC:
		b.Len = d.length()
	case Skip:
		b.Len = d.r.Uint()
		return // a Skip of nothing does no harm
	default:
		b.HasOrigin, b.HasRight = info&bitOrigin != 0, info&bitRight != 0
		if b.HasOrigin {
			b.Origin = d.leftID()
		}
		if b.HasRight {
			b.Right = d.rightID()
		}
		if !b.HasOrigin && !b.HasRight {
			d.parent(b, info)
		}
		d.content(b)
	}
	if b.Len == 0 {
		d.r.Fail()
	}
}

func (d *Reader) parent(b *Block, info byte) {
	if d.parentInfo() {
		b.Parented = ParentRoot
		b.Root, _ = d.str()
	} else {
		b.Parented = ParentID
		b.Parent = d.leftID()
	}
	if info&bitKey != 0 {
		b.HasKey = true
		b.Key, _ = d.str()
	}
}

func (d *Reader) content(b *Block) {
	b.Len = 1
	switch b.Ref {
	case Deleted:
		b.Len = d.length()
	case JSON:
		b.Len = d.length()
		b.Body = d.jsons(b.Len)
	case Binary:
		b.Body = d.r.Bytes()
	case String:
		var units int
		b.Body, units = d.str()
		b.Len = uint64(units)
	case Embed:
		d.value(b)
	case Format:
		b.Name = d.key()
		d.value(b)
	case Type:
		d.typeContent(b)
	case Any:
		b.Len = d.length()
		b.Body = d.anys(b.Len)
	case Doc:
		b.Body, _ = d.str()
		b.Name = d.anys(1)
	default:
		d.r.Fail()
	}
}

func (d *Reader) typeContent(b *Block) {
	var ref uint64
	if d.cols != nil {
		ref = d.cols.typeRef.Next()
	} else {
		ref = d.r.Uint()
	}
	if ref > maxTypeRef {
		d.r.Fail()
		return
	}
	b.TypeRef = uint8(ref)
	if ref == TypeXMLElement || ref == TypeXMLHook {
		b.Name = d.key()
	}
}

// value reads the value of Embed or Format.
func (d *Reader) value(b *Block) {
	if d.cols != nil {
		b.Body = d.anys(1)
		return
	}
	b.BodyJSON = true
	b.Body = d.r.String()
	if !lib0.ValidJSON(b.Body) {
		d.r.Fail()
	}
}

// anys passes over n anys and gives their bytes, as lib0 would have written them.
func (d *Reader) anys(n uint64) []byte {
	if n > uint64(d.r.Left()) {
		d.r.Fail()
		return nil
	}
	start, plain := d.r.Pos, true
	for i := uint64(0); i < n && !d.r.Bad; i++ {
		plain = d.r.SkipAny() && plain
	}
	if d.r.Bad {
		return nil
	}
	raw := d.r.Buf[start:d.r.Pos:d.r.Pos]
	if plain {
		return raw
	}
	again := lib0.Reader{Buf: raw}
	var out []byte
	for range n {
		v := again.Any()
		out = v.AppendAny(out)
	}
	return out
}

// jsons passes over n JSON texts and gives them as strings with lengths.
func (d *Reader) jsons(n uint64) []byte {
	if d.cols == nil {
		start := d.r.Pos
		for i := uint64(0); i < n && !d.r.Bad; i++ {
			if s := d.r.String(); !d.r.Bad && string(s) != "undefined" && !lib0.ValidJSON(s) {
				d.r.Fail()
			}
		}
		return d.r.Buf[min(start, d.r.Pos):d.r.Pos:d.r.Pos]
	}
	var out []byte
	for i := uint64(0); i < n; i++ {
		s, _ := d.str()
		// An empty text is no JSON, so what is read grows with what was sent.
		if d.cols.strings.Bad || string(s) != "undefined" && !lib0.ValidJSON(s) {
			d.r.Fail()
			return nil
		}
		out = lib0.AppendBytes(out, s)
	}
	return out
}

func (d *Reader) info() byte {
	if d.cols != nil {
		return d.cols.info.Next()
	}
	return d.r.Byte()
}

func (d *Reader) length() uint64 {
	if d.cols != nil {
		return d.cols.length.Next()
	}
	return d.r.Uint()
}

func (d *Reader) uintClient() uint64 {
	if d.cols != nil {
		return d.cols.client.Next()
	}
	return d.r.Uint()
}

func (d *Reader) leftID() ID {
	if d.cols != nil {
		return ID{d.cols.client.Next(), d.cols.leftClock.Next()}
	}
	return ID{d.r.Uint(), d.r.Uint()}
}

func (d *Reader) rightID() ID {
	if d.cols != nil {
		return ID{d.cols.client.Next(), d.cols.rightClock.Next()}
	}
	return ID{d.r.Uint(), d.r.Uint()}
}

func (d *Reader) parentInfo() bool {
	if d.cols != nil {
		return d.cols.parentInfo.Next() == 1
	}
	return d.r.Uint() == 1
}

// str reads a string and its UTF-16 length.
func (d *Reader) str() ([]byte, int) {
	if d.cols != nil {
		return d.cols.strings.Next()
	}
	return d.r.Text()
}

func (d *Reader) key() []byte {
	if d.cols == nil {
		return d.r.String()
	}
	c := d.cols
	if n := c.keyClock.Next(); n < uint64(len(c.keys)) {
		return c.keys[n]
	}
	k, _ := c.strings.Next()
	c.keys = append(c.keys, k)
	return k
}

// DeleteSet appends the update's delete set to ds. Call it after Next gave false.
func (d *Reader) DeleteSet(ds DeleteSet) (DeleteSet, error) {
	if d.err != nil {
		return ds, d.err
	}
	ds = readDeleteSet(&d.r, d.cols != nil, ds)
	d.check()
	return ds, d.err
}
