package ot

// History is what one user can undo and redo. It holds inverses of edits, and moves
// them along with what others do: undoing then takes back the edit alone. It is part
// of Client, and of use on its own where something else keeps the document.
//
// An inverse fits the document only when all later edits of the user have been taken
// back. So an operation of others is transformed over the newest inverse before it
// moves the one below; that is put off until it is needed.
type History struct {
	typ        Type
	limit      int
	undo, redo []undoable // oldest first
}

type undoable struct {
	op Op // takes the edit back
	// after is what others did since, not yet taken into op.
	after []Op
}

// NewHistory returns an empty history of at most limit edits, or 1000 when limit is 0.
func NewHistory(typ Type, limit int) *History {
	if limit <= 0 {
		limit = 1000
	}
	return &History{typ: typ, limit: limit}
}

// Edited notes an edit by the operation that takes it back: see Doc.Invert.
func (h *History) Edited(inverse Op) {
	h.redo = nil
	h.undo = h.push(h.undo, inverse)
}

// EditedMore notes an edit that is undone together with the one before it.
func (h *History) EditedMore(inverse Op) {
	n := len(h.undo)
	if n > 0 && len(h.redo) == 0 && len(h.undo[n-1].after) == 0 {
		if both, err := h.typ.Compose(inverse, h.undo[n-1].op); err == nil {
			h.undo[n-1].op = both
			return
		}
	}
	h.Edited(inverse)
}

func (h *History) push(list []undoable, inverse Op) []undoable {
	list = append(list, undoable{op: inverse})
	if len(list) > h.limit {
		list[0] = undoable{}
		list = list[1:]
	}
	return list
}

// Others notes an operation that was not an edit of this user.
func (h *History) Others(op Op) {
	for _, list := range [][]undoable{h.undo, h.redo} {
		if n := len(list); n > 0 {
			list[n-1].after = append(list[n-1].after, op)
		}
	}
	if n := len(h.undo); n > 0 && len(h.undo[n-1].after) > maxAfter {
		h.undo = h.settle(h.undo)
	}
	if n := len(h.redo); n > 0 && len(h.redo[n-1].after) > maxAfter {
		h.redo = h.settle(h.redo)
	}
}

// maxAfter is how many operations of others are put off at the top of a list.
const maxAfter = 256

// settle takes what others did into the newest inverse of a list, and hands it down to
// the one below. When that cannot be done, nothing more can be undone.
func (h *History) settle(list []undoable) []undoable {
	n := len(list)
	top := &list[n-1]
	var below []Op
	for _, op := range top.after {
		inverse, err := h.typ.Transform(top.op, op, Left)
		if err != nil {
			return nil
		}
		if op, err = h.typ.Transform(op, top.op, Right); err != nil {
			return nil
		}
		top.op = inverse
		if !op.Noop() {
			below = append(below, op)
		}
	}
	top.after = nil
	if n == 1 || len(below) == 0 {
		return list
	}
	list[n-2].after = append(list[n-2].after, below...)
	if len(list[n-2].after) > maxAfter {
		// So that nothing grows without bound, however long nobody undoes.
		kept := h.settle(list[:n-1])
		return append(kept, list[n-1])
	}
	return list
}

// take removes the newest inverse of a list that does anything, and returns it as it
// fits now, or nil.
func (h *History) take(list []undoable) (Op, []undoable) {
	for len(list) > 0 {
		list = h.settle(list)
		if n := len(list); n > 0 {
			op := list[n-1].op
			list = list[:n-1]
			if !op.Noop() {
				return op, list
			}
		}
	}
	return nil, nil
}

// Undo removes the newest edit and returns the operation that takes it back, or nil.
// Whoever applies it calls Undone. Of edits that others have undone nothing is left,
// and they are passed over.
func (h *History) Undo() (op Op) {
	op, h.undo = h.take(h.undo)
	return op
}

// Undone notes that the operation of Undo was applied, by the operation that takes
// that back.
func (h *History) Undone(inverse Op) { h.redo = h.push(h.redo, inverse) }

// Redo removes what was undone last and returns the operation that does it again, or
// nil. Whoever applies it calls Redone.
func (h *History) Redo() (op Op) {
	op, h.redo = h.take(h.redo)
	return op
}

// Redone notes that the operation of Redo was applied, by the operation that takes
// that back.
func (h *History) Redone(inverse Op) { h.undo = h.push(h.undo, inverse) }
