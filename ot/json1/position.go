package json1

import (
	"fmt"
	"slices"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/internal/jsonval"
)

// Path leads from the root of a document to a value, or into a string, when its last
// key is an offset there. It implements ot.Position, and must not be changed once it
// is in use.
type Path []Key

// AppendJSON implements ot.Position.
func (p Path) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, k := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = k.append(dst)
	}
	return append(dst, ']')
}

// ParsePosition implements ot.Type. The result is a Path.
func (Type) ParsePosition(data []byte) (ot.Position, error) {
	r, err := jsonval.NewReader(data)
	if err != nil {
		return nil, fmt.Errorf("parse path: %w", err)
	}
	p, keys := Path{}, opReader{r: r}
	err = r.Array(func() error {
		if len(p) >= ot.MaxDepth {
			return fmt.Errorf("a path longer than %d: %w", ot.MaxDepth, ot.ErrTooLarge)
		}
		k, err := keys.key()
		p = append(p, k)
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parse path: %w", err)
	}
	return p, nil
}

// TransformPosition implements ot.Type. Positions are of type Path.
func (Type) TransformPosition(p ot.Position, over ot.Op, own bool) (ot.Position, error) {
	path, ok := p.(Path)
	if !ok {
		return nil, fmt.Errorf("position is a %T, not a path: %w", p, ot.ErrMismatch)
	}
	op, err := opOf(over)
	if err != nil {
		return nil, fmt.Errorf("transform position: %w", err)
	}
	if path, ok = op.mapPath(path, own); !ok {
		return nil, nil
	}
	return path, nil
}

// mapPath returns where what stands at path is after the operation.
func (o Op) mapPath(path Path, own bool) (Path, bool) {
	if o.root == nil {
		return path, true
	}
	path = slices.Clone(path)
	removed, slot, from := false, -1, 0
	n := o.root
	for i := 0; n != nil; i++ {
		if n.c.removes() {
			removed = true
		} else if s := n.c.pickSlot(); s >= 0 {
			removed, slot, from = false, s, i
		}
		if i >= len(path) {
			break
		}
		off := 0
		picks := byKey(n, &off)
		n = picks.to(path[i])
		if path[i].isIndex() {
			path[i].Index -= off
		}
	}
	if removed {
		return nil, false
	}
	start, at := o.root, 0
	if slot >= 0 {
		o.root.walk(func(n *node) {
			if n.c.drop == slot {
				start = n
			}
		})
		head := start.path()
		at = len(head)
		path = append(head, path[from:]...)
	}
	for n = start; n != nil && at < len(path); at++ {
		if e := n.c.editOf(); e.kind != 0 {
			if e.kind == textEdit && path[at].isIndex() {
				path[at].Index = e.text.MapPosition(path[at].Index, own)
			}
			break
		}
		off := 0
		drops := overDrops(n, &off)
		n = drops.to(path[at])
		if path[at].isIndex() {
			path[at].Index += off
		}
	}
	return path, true
}
