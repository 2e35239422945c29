// Package rope is a text with O(log n) edits that counts in code points and in
// UTF-16 code units alike.
//
// The text is cut into chunks of at most 256 bytes that stand in a counted tree.
// It is WTF-8 (package wtf8): surrogates without a partner are kept, and two that
// come to stand side by side become the one code point that they mean.
package rope

import (
	"strings"

	"github.com/starling-rt/starling/ot/internal/tree"
	"github.com/starling-rt/starling/ot/internal/wtf8"
)

// Unit is what positions and lengths are counted in.
type Unit = tree.Axis

const (
	// Points counts code points; a lone surrogate is one.
	Points = tree.AxisA
	// Units16 counts UTF-16 code units.
	Units16 = tree.AxisB
)

// maxChunk is the most bytes of a chunk. An edit copies one chunk, and a search
// scans one: both are still cheap at this size, and the tree stays low.
const maxChunk = 256

type chunk struct {
	s             string
	points, units int32
}

func (c chunk) Extent() tree.Extent { return tree.Extent{A: int(c.points), B: int(c.units)} }

func chunkOf(s string) chunk {
	p, u := wtf8.Count(s)
	return chunk{s: s, points: int32(p), units: int32(u)}
}

// cut cuts the chunk at n of unit.
func (c chunk) cut(unit Unit, n int) (head, tail string) {
	switch {
	case int(c.points) == len(c.s):
		return c.s[:n], c.s[n:]
	case unit == Points:
		i := wtf8.Index(c.s, n)
		return c.s[:i], c.s[i:]
	default:
		return wtf8.Cut16(c.s, n)
	}
}

// Rope is a text. The zero value is empty. It is not safe for concurrent use.
type Rope struct{ t tree.Tree[chunk] }

// Of returns a rope of the text s, which must be WTF-8.
func Of(s string) Rope { return Rope{tree.Of(chunks(s))} }

// chunks cuts s into pieces that leave room for growth.
func chunks(s string) []chunk {
	if s == "" {
		return nil
	}
	if len(s) <= maxChunk {
		return []chunk{chunkOf(s)}
	}
	n := (len(s) + maxChunk*3/4 - 1) / (maxChunk * 3 / 4)
	out := make([]chunk, 0, n)
	from := 0
	for i := 1; i <= n; i++ {
		to := len(s) * i / n
		for to < len(s) && s[to]&0xC0 == 0x80 {
			to++
		}
		if to > from {
			// The copy keeps a chunk from holding on to all of s.
			out = append(out, chunkOf(strings.Clone(s[from:to])))
		}
		from = to
	}
	return out
}

// Len returns the length of the text in unit.
func (r *Rope) Len(unit Unit) int { return r.t.Extent().On(unit) }

// Clone returns a copy in O(1).
func (r *Rope) Clone() Rope { return Rope{r.t.Clone()} }

// Fork is Clone for a rope that nobody will change any more.
func (r *Rope) Fork() Rope { return Rope{r.t.Fork()} }

// String returns the whole text.
func (r *Rope) String() string {
	var b strings.Builder
	r.t.Each(0, func(c chunk) bool { b.WriteString(c.s); return true })
	return b.String()
}

// Chunks calls visit with the text piece by piece.
func (r *Rope) Chunks(visit func(s string)) {
	r.t.Each(0, func(c chunk) bool { visit(c.s); return true })
}

// Slice returns the text from start to end, counted in unit, which must be within
// the length.
func (r *Rope) Slice(unit Unit, start, end int) string {
	i, before := r.t.Find(unit, start)
	off := start - before.On(unit)
	need := end - start
	var out string
	var b strings.Builder
	r.t.Each(i, func(c chunk) bool {
		if need <= 0 {
			return false
		}
		s, n := c.s, c.Extent().On(unit)
		if off > 0 {
			_, s = c.cut(unit, off)
			n -= off
			off = 0
		}
		if n > need {
			s, _ = chunkOf(s).cut(unit, need)
			n = need
		}
		need -= n
		if need <= 0 && b.Len() == 0 {
			out = s
			return false
		}
		b.WriteString(s)
		return true
	})
	if out != "" {
		return out
	}
	return b.String()
}

// Convert returns the position that is pos in unit from, in the other unit. A
// position inside of a surrogate pair gives the code point's start, and exact is
// false.
func (r *Rope) Convert(from Unit, pos int) (other int, exact bool) {
	i, before := r.t.Find(from, pos)
	to := Units16
	if from == Units16 {
		to = Points
	}
	off := pos - before.On(from)
	if off == 0 {
		return before.On(to), true
	}
	c := r.t.At(i)
	head, _ := c.cut(from, off)
	p, u := wtf8.Count(head)
	if to == Units16 {
		return before.On(to) + u, true
	}
	if wtf8.EndsHigh(head) && !strings.HasPrefix(c.s, head) {
		return before.On(to) + p - 1, false
	}
	return before.On(to) + p, true
}

// Replace replaces del of unit at pos by ins, which must be WTF-8. The range must
// be within the length.
func (r *Rope) Replace(unit Unit, pos, del int, ins string) {
	if del == 0 && ins == "" {
		return
	}
	count := r.t.Len()
	if count == 0 {
		r.t.Splice(0, 0, chunks(ins)...)
		return
	}
	i, before := r.t.Find(unit, pos)
	off := pos - before.On(unit)
	if i == count {
		i--
		off += r.t.At(i).Extent().On(unit)
	}
	c := r.t.At(i)
	head, tail := c.cut(unit, off)
	j := i + 1
	if del > 0 {
		if have := c.Extent().On(unit) - off; del <= have {
			_, tail = chunkOf(tail).cut(unit, del)
		} else {
			k, b := r.t.Find(unit, pos+del)
			tail = ""
			j = k
			if rest := pos + del - b.On(unit); rest > 0 {
				_, tail = r.t.At(k).cut(unit, rest)
				j++
			}
		}
	}
	r.put(i, j, wtf8.Join(wtf8.Join(head, ins), tail))
}

// put replaces the chunks from i to before j by s, and sees to it that chunks do
// not become many and small, and that no pair is torn between two of them.
func (r *Rope) put(i, j int, s string) {
	if s == "" || len(s) < maxChunk/4 || wtf8.EndsHigh(s) {
		if j < r.t.Len() {
			next := r.t.At(j).s
			if s == "" || len(s)+len(next) <= maxChunk || wtf8.EndsHigh(s) {
				s = wtf8.Join(s, next)
				j++
			}
		}
	}
	if i > 0 && (s == "" || len(s) < maxChunk/4 || wtf8.BeginsLow(s)) {
		prev := r.t.At(i - 1).s
		if len(s)+len(prev) <= maxChunk || wtf8.BeginsLow(s) && wtf8.EndsHigh(prev) {
			s = wtf8.Join(prev, s)
			i--
		}
	}
	if s == "" {
		r.t.Splice(i, j)
		return
	}
	if len(s) <= maxChunk {
		r.t.Splice(i, j, chunkOf(s))
		return
	}
	r.t.Splice(i, j, chunks(s)...)
}
