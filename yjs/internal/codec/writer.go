package codec

import (
	"slices"

	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// A Writer writes an update. Blocks of one client must follow one another; a new
// client or Section starts a section.
type Writer struct {
	rest     []byte
	cols     *columnWriters // nil for v1
	sections []section
	client   uint64
}

type section struct {
	start  int // in rest
	blocks uint64
}

type columnWriters struct {
	keyClock   lib0.IntDiffWriter
	client     lib0.UintOptWriter
	leftClock  lib0.IntDiffWriter
	rightClock lib0.IntDiffWriter
	info       lib0.RLEWriter
	strings    lib0.StringsWriter
	parentInfo lib0.RLEWriter
	typeRef    lib0.UintOptWriter
	length     lib0.UintOptWriter
	keys       uint64
}

// NewWriter makes a writer with room for about size bytes.
func NewWriter(v2 bool, size int) *Writer {
	w := &Writer{rest: make([]byte, 0, size)}
	if v2 {
		w.cols = &columnWriters{}
	}
	return w
}

// Reset makes the writer as new, with the memory it has.
func (w *Writer) Reset(v2 bool) {
	*w = Writer{rest: w.rest[:0], sections: w.sections[:0]}
	if v2 {
		w.cols = &columnWriters{}
	}
}

// Grow makes room for about size bytes.
func (w *Writer) Grow(size int) { w.rest = slices.Grow(w.rest, size) }

// Trim gives up the writer's memory if it is more than so many bytes.
func (w *Writer) Trim(most int) {
	if cap(w.rest) > most || w.cols != nil {
		*w = Writer{}
	}
}

// Block writes b without its first offset units.
func (w *Writer) Block(b *Block, offset uint64) {
	if offset > 0 {
		cut := *b
		cut.Cut(offset)
		b = &cut
	}
	if n := len(w.sections); n == 0 || w.client != b.ID.Client {
		w.sections = append(w.sections, section{start: len(w.rest)})
		w.client = b.ID.Client
		if w.cols != nil {
			w.cols.client.Write(b.ID.Client)
		} else {
			w.rest = lib0.AppendUint(w.rest, b.ID.Client)
		}
		w.rest = lib0.AppendUint(w.rest, b.ID.Clock)
	}
	w.sections[len(w.sections)-1].blocks++
	w.block(b)
}

func (w *Writer) block(b *Block) {
	info := b.Ref
	if b.Ref == GC || b.Ref == Skip {
		w.info(info)
		if b.Ref == GC {
			w.length(b.Len)
		} else {
			w.rest = lib0.AppendUint(w.rest, b.Len)
		}
		return
	}
	if b.HasOrigin {
		info |= bitOrigin
	}
	if b.HasRight {
		info |= bitRight
	}
	if b.HasKey {
		info |= bitKey
	}
	w.info(info)
	if b.HasOrigin {
		w.leftID(b.Origin)
	}
	if b.HasRight {
		w.rightID(b.Right)
	}
	if !b.HasOrigin && !b.HasRight {
		w.parent(b)
	}
	w.content(b)
}

func (w *Writer) parent(b *Block) {
	root := b.Parented == ParentRoot
	switch {
	case w.cols != nil && root:
		w.cols.parentInfo.Write(1)
	case w.cols != nil:
		w.cols.parentInfo.Write(0)
	case root:
		w.rest = append(w.rest, 1)
	default:
		w.rest = append(w.rest, 0)
	}
	if root {
		w.str(b.Root)
	} else {
		w.leftID(b.Parent)
	}
	if b.HasKey {
		w.str(b.Key)
	}
}

func (w *Writer) content(b *Block) {
	switch b.Ref {
	case Deleted:
		w.length(b.Len)
	case JSON:
		w.length(b.Len)
		w.jsons(b)
	case Binary:
		w.rest = lib0.AppendBytes(w.rest, b.Body)
	case String:
		if w.cols != nil {
			w.cols.strings.Write(b.Body, int(b.Len))
		} else {
			w.rest = lib0.AppendBytes(w.rest, b.Body)
		}
	case Embed:
		w.value(b)
	case Format:
		w.key(b.Name)
		w.value(b)
	case Type:
		if w.cols != nil {
			w.cols.typeRef.Write(uint64(b.TypeRef))
		} else {
			w.rest = append(w.rest, b.TypeRef)
		}
		if b.TypeRef == TypeXMLElement || b.TypeRef == TypeXMLHook {
			w.key(b.Name)
		}
	case Any:
		w.length(b.Len)
		w.rest = append(w.rest, b.Body...)
	case Doc:
		w.str(b.Body)
		w.rest = append(w.rest, b.Name...)
	}
}

func (w *Writer) jsons(b *Block) {
	if w.cols == nil {
		w.rest = append(w.rest, b.Body...)
		return
	}
	for r := (lib0.Reader{Buf: b.Body}); r.Left() > 0; {
		w.str(r.Bytes())
	}
}

func (w *Writer) value(b *Block) {
	if w.cols != nil {
		w.rest = append(w.rest, b.anyOf()...)
	} else {
		w.rest = lib0.AppendBytes(w.rest, b.jsonOf())
	}
}

func (w *Writer) info(info byte) {
	if w.cols != nil {
		w.cols.info.Write(info)
	} else {
		w.rest = append(w.rest, info)
	}
}

func (w *Writer) length(n uint64) {
	if w.cols != nil {
		w.cols.length.Write(n)
	} else {
		w.rest = lib0.AppendUint(w.rest, n)
	}
}

func (w *Writer) leftID(id ID) {
	if w.cols != nil {
		w.cols.client.Write(id.Client)
		w.cols.leftClock.Write(id.Clock)
	} else {
		w.rest = lib0.AppendUint(lib0.AppendUint(w.rest, id.Client), id.Clock)
	}
}

func (w *Writer) rightID(id ID) {
	if w.cols != nil {
		w.cols.client.Write(id.Client)
		w.cols.rightClock.Write(id.Clock)
	} else {
		w.rest = lib0.AppendUint(lib0.AppendUint(w.rest, id.Client), id.Clock)
	}
}

func (w *Writer) str(s []byte) {
	if w.cols != nil {
		w.cols.strings.Write(s, lib0.UTF16Len(s))
	} else {
		w.rest = lib0.AppendBytes(w.rest, s)
	}
}

// key writes a Format key or a node name. Yjs means to write each name once and
// then refer to it, but never does: every use is a new number and a new string.
func (w *Writer) key(s []byte) {
	if w.cols != nil {
		w.cols.keyClock.Write(w.cols.keys)
		w.cols.keys++
	}
	w.str(s)
}

// Finish ends the update with a delete set and gives its bytes.
func (w *Writer) Finish(ds DeleteSet) []byte {
	out := make([]byte, 0, len(w.rest)+6*len(w.sections)+16+w.columnBytes())
	if w.cols != nil {
		out = w.appendColumns(out)
	}
	out = lib0.AppendUint(out, uint64(len(w.sections)))
	for i, s := range w.sections {
		end := len(w.rest)
		if i+1 < len(w.sections) {
			end = w.sections[i+1].start
		}
		out = lib0.AppendUint(out, s.blocks)
		out = append(out, w.rest[s.start:end]...)
	}
	return ds.Append(out, w.cols != nil)
}

func (w *Writer) columnBytes() int {
	if w.cols == nil {
		return 0
	}
	c := w.cols
	return 64 + len(c.keyClock.B) + len(c.client.B) + len(c.leftClock.B) + len(c.rightClock.B) + len(c.info.B) + len(c.length.B)
}

func (w *Writer) appendColumns(out []byte) []byte {
	c := w.cols
	out = append(out, 0)
	out = lib0.AppendBytes(out, c.keyClock.Bytes())
	out = lib0.AppendBytes(out, c.client.Bytes())
	out = lib0.AppendBytes(out, c.leftClock.Bytes())
	out = lib0.AppendBytes(out, c.rightClock.Bytes())
	out = lib0.AppendBytes(out, c.info.B)
	out = c.strings.AppendTo(out)
	out = lib0.AppendBytes(out, c.parentInfo.B)
	out = lib0.AppendBytes(out, c.typeRef.Bytes())
	return lib0.AppendBytes(out, c.length.Bytes())
}
