package rich

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
	"github.com/starling-rt/starling/ot/internal/tree"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Doc is a rich text; it implements ot.Doc. Its text stands in a counted tree of
// short pieces, each with its attributes: an edit costs O(log n).
type Doc struct{ t tree.Tree[piece] }

// piece is a part of the text with the same attributes, or an embed. Neighbours
// with the same attributes are one insertion on the wire.
type piece struct {
	text  string
	embed any
	attrs *Attributes
	n     int
}

func (p piece) Extent() tree.Extent { return tree.Extent{A: p.n, B: len(p.text)} }

// maxPiece is the most bytes of the text of a piece.
const maxPiece = 512

// New returns an empty document.
func New() *Doc { return &Doc{} }

// ParseDoc implements ot.Type. The result is a *Doc. Null is the empty document.
func (Type) ParseDoc(data []byte) (ot.Doc, error) {
	if string(data) == "null" {
		return New(), nil
	}
	r, err := jsonval.NewDocReader(data)
	var op Op
	if err == nil {
		op, err = read(r)
	}
	if err != nil {
		return nil, fmt.Errorf("parse rich text: %w", err)
	}
	var ps []piece
	for i := range op {
		if op[i].Kind != Insert {
			return nil, fmt.Errorf("parse rich text: component %d is no insertion: %w", i, ot.ErrMalformed)
		}
		ps = appendPieces(ps, op[i])
	}
	return &Doc{tree.Of(ps)}, nil
}

// appendPieces appends what c inserts, cut into pieces, to ps.
func appendPieces(ps []piece, c Component) []piece {
	if c.Text == "" {
		return append(ps, piece{embed: c.embed, attrs: c.Attributes, n: c.N})
	}
	s := c.Text
	for len(s) > maxPiece {
		i := maxPiece * 3 / 4
		for s[i]&0xC0 == 0x80 {
			i++
		}
		ps = append(ps, piece{text: s[:i], attrs: c.Attributes, n: wtf8.Len16(s[:i])})
		s = s[i:]
	}
	return append(ps, piece{text: s, attrs: c.Attributes, n: wtf8.Len16(s)})
}

// Len returns the length in UTF-16 code units; an embed counts as one.
func (d *Doc) Len() int { return d.t.Extent().A }

// Contents returns the document as an operation on the empty one.
func (d *Doc) Contents() Op { return d.slice(0, d.Len()) }

// AppendJSON implements ot.Doc.
func (d *Doc) AppendJSON(dst []byte) []byte { return d.Contents().appendList(dst) }

// Clone implements ot.Doc.
func (d *Doc) Clone() ot.Doc { return &Doc{d.t.Clone()} }

// slice returns what stands from start to end as insertions.
func (d *Doc) slice(start, end int) Op {
	var out builder
	i, before := d.t.Find(tree.AxisA, start)
	skip, need := start-before.A, end-start
	d.t.Each(i, func(p piece) bool {
		if need <= 0 {
			return false
		}
		if skip > 0 {
			_, p = p.cut(skip)
			skip = 0
		}
		if p.n > need {
			p, _ = p.cut(need)
		}
		need -= p.n
		out.push(Component{Kind: Insert, N: p.n, Text: p.text, Attributes: p.attrs, embed: p.embed})
		return true
	})
	return out.done()
}

func (p piece) cut(n int) (head, tail piece) {
	if p.text == "" {
		if n == 0 {
			return piece{}, p
		}
		return p, piece{}
	}
	head, tail = p, p
	if p.n == len(p.text) {
		head.text, tail.text = p.text[:n], p.text[n:]
	} else {
		head.text, tail.text = wtf8.Cut16(p.text, n)
	}
	head.n, tail.n = n, p.n-n
	return head, tail
}

// Fits implements ot.Fitter.
func (d *Doc) Fits(o ot.Op) error {
	if _, err := d.fits(o); err != nil {
		return fmt.Errorf("apply rich text operation: %w", err)
	}
	return nil
}

// fits returns op when it can be applied to the document.
func (d *Doc) fits(o ot.Op) (Op, error) {
	op, err := opOf(o)
	if err != nil {
		return nil, err
	}
	if err := op.Check(); err != nil {
		return nil, err
	}
	if n := op.span(); n > d.Len() {
		return nil, fmt.Errorf("it walks over %d of %d: %w", n, d.Len(), ot.ErrRange)
	}
	return op, nil
}

// Apply implements ot.Doc.
func (d *Doc) Apply(o ot.Op) error {
	op, err := d.fits(o)
	if err != nil {
		return fmt.Errorf("apply rich text operation: %w", err)
	}
	pos := 0
	for i := 0; i < len(op); i++ {
		c := op[i]
		switch {
		case c.Kind == Insert:
			del := 0
			if i+1 < len(op) && op[i+1].Kind == Delete {
				i++
				del = op[i].N
			}
			var few [1]piece
			d.replace(pos, del, appendPieces(few[:0], c))
			pos += c.N
		case c.Kind == Delete:
			d.replace(pos, c.N, nil)
		case c.Attributes != nil:
			var ps []piece
			for _, b := range d.slice(pos, pos+c.N) {
				b.Attributes = b.Attributes.compose(c.Attributes, false)
				ps = appendPieces(ps, b)
			}
			d.replace(pos, c.N, ps)
			pos += c.N
		default:
			pos += c.N
		}
	}
	return nil
}

// replace puts ps in the place of del units at pos.
func (d *Doc) replace(pos, del int, ps []piece) {
	i, before := d.t.Find(tree.AxisA, pos)
	j := i
	off := pos - before.A
	out := make([]piece, 0, len(ps)+4)
	add := func(p piece) {
		if p.n == 0 {
			return
		}
		if n := len(out); n > 0 && out[n-1].joins(p) {
			out[n-1].text = wtf8.Join(out[n-1].text, p.text)
			out[n-1].n += p.n
			return
		}
		out = append(out, p)
	}
	if i > 0 {
		if prev := d.t.At(i - 1); off == 0 && prev.text != "" && len(prev.text) < maxPiece {
			i--
			add(prev)
		}
	}
	var tail piece
	if off > 0 {
		var head piece
		head, tail = d.t.At(j).cut(off)
		add(head)
		j++
	}
	for _, p := range ps {
		add(p)
	}
	if del <= tail.n {
		_, tail = tail.cut(del)
	} else {
		k, b := d.t.Find(tree.AxisA, pos+del)
		tail = piece{}
		j = k
		if rest := pos + del - b.A; rest > 0 {
			_, tail = d.t.At(k).cut(rest)
			j++
		}
	}
	add(tail)
	if j < d.t.Len() && len(out) > 0 {
		if next := d.t.At(j); out[len(out)-1].joins(next) {
			add(next)
			j++
		}
	}
	d.t.Splice(i, j, out...)
}

// joins reports whether q, which follows p, may become part of it.
func (p piece) joins(q piece) bool {
	return p.text != "" && q.text != "" && len(p.text)+len(q.text) <= maxPiece && p.attrs.equal(q.attrs)
}

// Invert implements ot.Doc.
func (d *Doc) Invert(o ot.Op) (ot.Op, error) {
	op, err := d.fits(o)
	if err != nil {
		return nil, fmt.Errorf("invert rich text operation: %w", err)
	}
	var out builder
	pos := 0
	for _, c := range op {
		switch {
		case c.Kind == Insert:
			out.push(Component{Kind: Delete, N: c.N})
			continue
		case c.Kind == Delete:
			for _, b := range d.slice(pos, pos+c.N) {
				out.push(b)
			}
		case c.Attributes == nil:
			out.push(c)
		default:
			for _, b := range d.slice(pos, pos+c.N) {
				out.push(Component{Kind: Retain, N: b.N, Attributes: c.Attributes.invert(b.Attributes)})
			}
		}
		pos += c.N
	}
	return out.done().Chop(), nil
}
