package yjs

import "slices"

// hooks are functions that want to be called, in the order in which they came.
type hooks[F any] []*hook[F]

type hook[F any] struct {
	call    F
	stopped bool
}

// add puts f at the end; the result takes it out again, also in the middle of a
// round of calls.
func (h *hooks[F]) add(f F) (stop func()) {
	x := &hook[F]{call: f}
	*h = append(*h, x)
	return func() {
		x.stopped = true
		if i := slices.Index(*h, x); i >= 0 {
			*h = slices.Concat((*h)[:i], (*h)[i+1:]) // a copy: a round may be under way
		}
	}
}

// each calls those that have not been stopped. f calls one.
func (h hooks[F]) each(f func(F)) {
	for _, x := range h {
		if !x.stopped {
			f(x.call)
		}
	}
}
