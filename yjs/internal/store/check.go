package store

import (
	"fmt"
	"unicode/utf8"

	"github.com/starling-rt/starling/yjs/internal/codec"
	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// Check tells what is wrong with the store, for tests: whatever bytes came in,
// its structure must hold.
func (s *Store) Check() error {
	for c := range s.Clients {
		if err := s.checkClient(uint32(c)); err != nil {
			return err
		}
	}
	for t := range s.Types {
		if err := s.checkType(int32(t)); err != nil {
			return err
		}
	}
	return s.checkSlab()
}

// checkSlab counts the tombstones of every chunk.
func (s *Store) checkSlab() error {
	for k := range s.chunks {
		n := 0
		for o := range chunkSize {
			if i := int32(k<<chunkBits + o); s.packedAt(i) != nil || o < len(s.chunks[k]) && s.At(i).tomb() {
				n++
			}
		}
		if n != int(s.tombs[k]) {
			return fmt.Errorf("chunk %d: %d tombstones, counted %d", k, n, s.tombs[k])
		}
	}
	return nil
}

func (s *Store) checkClient(c uint32) error {
	cl := &s.Clients[c]
	var clock uint32
	v := s.View()
	for b, block := range cl.blocks {
		if len(cl.starts) != len(cl.blocks) || cl.starts[b] != clock || block.clocks != nil && len(block.clocks) != len(block.items) {
			return fmt.Errorf("client %d: block %d starts elsewhere", cl.ID, b)
		}
		for k, i := range block.items {
			it := v.At(i)
			switch {
			case block.clock(k, cl.starts[b]) != clock:
				return fmt.Errorf("client %d: item at clock %d is listed elsewhere", cl.ID, it.Clock)
			case it.Clock != clock || it.N == 0 || it.Client != c:
				return fmt.Errorf("client %d: item at clock %d where %d is due", cl.ID, it.Clock, clock)
			case it.Ref != codec.GC && (it.Left != None && s.right(it.Left) != i || it.Right != None && s.left(it.Right) != i):
				return fmt.Errorf("client %d clock %d: links are not mutual", cl.ID, it.Clock)
			case it.Ref == codec.String && (!utf8.Valid(s.Bytes(it)) || lib0.UTF16Len(s.Bytes(it)) != int(it.N)):
				return fmt.Errorf("client %d clock %d: %q has not %d units", cl.ID, it.Clock, s.Bytes(it), it.N)
			}
			clock = it.End()
		}
	}
	if clock != cl.State {
		return fmt.Errorf("client %d: state %d, items end at %d", cl.ID, cl.State, clock)
	}
	return nil
}

func (s *Store) checkType(t int32) error {
	ty := &s.Types[t]
	var n uint32
	count := 0
	for i := ty.Start; i != None; i = s.At(i).Right {
		if s.At(i).Parent != t || s.At(i).Key != None {
			return fmt.Errorf("type %d: a stranger in its sequence", t)
		}
		n += s.At(i).Visible()
		count++
	}
	if n != ty.Length {
		return fmt.Errorf("type %d: length %d, visible %d", t, ty.Length, n)
	}
	for e := ty.Entry; e != None; e = s.Entries[e].Next {
		if s.EntryFor(t, s.Entries[e].Key) != e {
			return fmt.Errorf("type %d: key %q is not found", t, s.Keys[s.Entries[e].Key])
		}
		last := None
		for i := s.Entries[e].First; i != None; i = s.right(i) {
			last = i
		}
		if last != s.Entries[e].Last {
			return fmt.Errorf("type %d: chain of key %q ends elsewhere", t, s.Keys[s.Entries[e].Key])
		}
	}
	if !ty.Indexed {
		return nil
	}
	return s.checkPositions(s.Positions[t], t, count)
}

func (s *Store) checkPositions(p *Positions, t int32, count int) error {
	i := s.Types[t].Start
	for b, sh := range p.shelves {
		var total uint32
		for k, r := range sh.runs {
			var sum uint32
			for o, x := range r.items {
				if x != i || p.runOf(x) != r || r.visible[o] != s.At(x).Visible() {
					return fmt.Errorf("type %d: position index out of order", t)
				}
				sum += s.At(x).Visible()
				i = s.At(x).Right
				count--
			}
			if r.shelf != sh || r.pos != k || sum != sh.sums[k] || len(r.items) == 0 {
				return fmt.Errorf("type %d: run %d has sum %d, visible %d", t, k, sh.sums[k], sum)
			}
			total += sum
			if err := s.checkWhole(t, r); err != nil {
				return err
			}
		}
		if sh.pos != b || total != p.totals[b] {
			return fmt.Errorf("type %d: shelf %d has sum %d, visible %d", t, b, p.totals[b], total)
		}
	}
	if count != 0 {
		return fmt.Errorf("type %d: position index lacks %d items", t, count)
	}
	return nil
}

// checkWhole compares what a run and its shelf say of stretches with their items.
func (s *Store) checkWhole(t int32, r *run) error {
	if r.state == unsure {
		if r.shelf.state == whole {
			return fmt.Errorf("type %d: a shelf is sure of more than its run %d", t, r.pos)
		}
		return nil
	}
	fresh := &run{items: r.items}
	if is := fresh.whole(s); is != (r.state == whole) || !is && r.shelf.state == whole {
		return fmt.Errorf("type %d: run %d is part of a stretch: %v, and says otherwise", t, r.pos, is)
	}
	return nil
}
