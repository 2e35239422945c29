package text

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/rope"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Offset16 returns the position pos, counted in code points, in UTF-16 units.
func (d *Doc) Offset16(pos int) (int, error) { return d.convert(rope.Points, pos) }

// OffsetPoints returns the position pos, counted in UTF-16 units, in code points.
// A position inside of a surrogate pair is taken for that before it.
func (d *Doc) OffsetPoints(pos int) (int, error) { return d.convert(rope.Units16, pos) }

func (d *Doc) convert(from rope.Unit, pos int) (int, error) {
	if pos < 0 || pos > d.r.Len(from) {
		return 0, fmt.Errorf("position %d of %d: %w", pos, d.r.Len(from), ot.ErrRange)
	}
	out, _ := d.r.Convert(from, pos)
	return out, nil
}

// ToUTF16 returns op, an operation of the type Unicode that is to be applied to
// the document, as the type UTF16 writes it.
func (d *Doc) ToUTF16(op Op) (Op, error) {
	if err := Unicode.Check(op); err != nil {
		return nil, fmt.Errorf("convert to UTF-16: %w", err)
	}
	if n := op.span(); n > d.r.Len(rope.Points) {
		return nil, fmt.Errorf("convert to UTF-16: it walks over %d of %d: %w", n, d.r.Len(rope.Points), ot.ErrRange)
	}
	out := make(Op, len(op))
	pos, at := 0, 0
	for i, c := range op {
		if c.Kind == Insert {
			c.N = wtf8.Len16(c.Text)
		} else {
			pos += c.N
			end, _ := d.r.Convert(rope.Points, pos)
			c.N = end - at
			at = end
		}
		out[i] = c
	}
	return out, nil
}

// edit replaces the units from start to end of the document by text.
type edit struct {
	start, end int
	text       string
}

// FromUTF16 returns op, an operation of the type UTF16 that is to be applied to
// the document, as the type Unicode writes it. An edit that begins or ends inside
// of a surrogate pair, as programs that compare strings unit by unit make them, is
// widened to the whole pair. When its result is no Unicode text, because half of
// a pair is left over, the error wraps ot.ErrMalformed.
func (d *Doc) FromUTF16(op Op) (Op, error) {
	if err := UTF16.Check(op); err != nil {
		return nil, fmt.Errorf("convert from UTF-16: %w", err)
	}
	if n := op.span(); n > d.r.Len(rope.Units16) {
		return nil, fmt.Errorf("convert from UTF-16: it walks over %d of %d: %w", n, d.r.Len(rope.Units16), ot.ErrRange)
	}
	var out builder
	at := 0 // code points
	for _, e := range d.widen(edits(op)) {
		if !wtf8.WellFormed(e.text) {
			return nil, fmt.Errorf("convert from UTF-16: half of a surrogate pair is left: %w", ot.ErrMalformed)
		}
		start, _ := d.r.Convert(rope.Units16, e.start)
		end, _ := d.r.Convert(rope.Units16, e.end)
		points, _ := wtf8.Count(e.text)
		out.push(Component{Skip, start - at, ""})
		out.push(Component{Insert, points, e.text})
		out.push(Component{Delete, end - start, ""})
		at = end
	}
	return out.done(), nil
}

// edits returns what op does, one edit for each place.
func edits(op Op) []edit {
	var out []edit
	pos := 0
	fresh := true
	for _, c := range op {
		if c.Kind == Skip {
			pos += c.N
			fresh = true
			continue
		}
		if fresh {
			out = append(out, edit{start: pos, end: pos})
			fresh = false
		}
		e := &out[len(out)-1]
		if c.Kind == Insert {
			e.text = wtf8.Join(e.text, c.Text)
		} else {
			pos += c.N
			e.end = pos
		}
	}
	return out
}

// widen moves the ends of edits that are inside of a surrogate pair out of it. No
// two edits can touch the same pair: at least one unit stands between them, so the
// second begins behind it.
func (d *Doc) widen(es []edit) []edit {
	for i := range es {
		e := &es[i]
		if _, exact := d.r.Convert(rope.Units16, e.start); !exact {
			e.text = wtf8.Join(d.r.Slice(rope.Units16, e.start-1, e.start), e.text)
			e.start--
		}
		if _, exact := d.r.Convert(rope.Units16, e.end); !exact {
			e.text = wtf8.Join(e.text, d.r.Slice(rope.Units16, e.end, e.end+1))
			e.end++
		}
	}
	return es
}
