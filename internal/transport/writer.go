package transport

import (
	"errors"
	"slices"
	"sync"
	"syscall"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/protocol"
)

// writer frames what a session says. It remembers which bytes are whose, so that
// what is not sent can be given back.
type writer struct {
	st       *stream
	buf      []byte
	segments []segment

	turn     uint8 // one in sampleEvery is measured
	appended int64 // when the last publication was, in Unix milliseconds, if this turn is measured

	// For try: one closure for the life of the writer.
	n   int
	err error
	fn  func(fd uintptr) bool
}

// segment begins at a byte of the buffer. Without a subscription its bytes are
// not given back.
type segment struct {
	start  int
	sub    *hub.Subscription
	before hub.Place
}

var writers = sync.Pool{New: func() any {
	w := &writer{}
	w.fn = w.write
	return w
}}

func (w *writer) reset(st *stream) {
	w.st, w.buf = st, w.buf[:0]
	w.turn++
	w.appended = 0
	clear(w.segments)
	w.segments = w.segments[:0]
}

func (w *writer) release() {
	w.reset(nil)
	if cap(w.buf) > 4*writeBudget {
		w.buf = nil
	}
	writers.Put(w)
}

// try writes the buffer as far as the socket takes it now.
func (w *writer) try() (int, error) {
	if w.st.polled != nil {
		return w.st.polled.TryWrite(w.buf)
	}
	if w.st.trier != nil {
		return w.st.trier.TryWrite(w.buf)
	}
	w.n, w.err = 0, nil
	if err := w.st.raw.Write(w.fn); err != nil {
		return 0, err
	}
	return w.n, w.err
}

func (w *writer) write(fd uintptr) bool {
	for w.n < len(w.buf) {
		n, err := syscall.Write(int(fd), w.buf[w.n:])
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return true
		case err != nil:
			w.err = err
			return true
		default:
			w.n += n
		}
	}
	return true
}

// unsent returns a copy of what has to be sent after the first n bytes: the frame
// that was begun or is next, which the goroutine that waits for the socket has to
// have, and what cannot be given back. The rest is given back.
func (w *writer) unsent(n int) []byte {
	var rest []byte
	restored := map[*hub.Subscription]bool{}
	for i, sg := range w.segments {
		end := len(w.buf)
		if i+1 < len(w.segments) {
			end = w.segments[i+1].start
		}
		switch {
		case end <= n:
		case len(rest) == 0 || sg.sub == nil:
			rest = append(rest, w.buf[max(n, sg.start):end]...)
		case !restored[sg.sub]:
			restored[sg.sub] = true
			sg.sub.Restore(sg.before)
		}
	}
	return rest
}

// Len implements [hub.Emitter].
func (w *writer) Len() int { return len(w.buf) }

// Publication implements [hub.Emitter].
func (w *writer) Publication(s *hub.Subscription, f *hub.Frame, before hub.Place) {
	w.segments = append(w.segments, segment{len(w.buf), s, before})
	w.buf = w.st.framing.publication(w.buf, w.st, f)
	if w.turn%sampleEvery == 0 {
		w.appended = s.Appended(f)
	}
}

// Signal implements [hub.Emitter].
func (w *writer) Signal(s *hub.Subscription, f *hub.Frame, before hub.Place) {
	w.segments = append(w.segments, segment{len(w.buf), s, before})
	w.buf = w.st.framing.signal(w.buf, f)
}

// Notice implements [hub.Emitter].
func (w *writer) Notice(s *hub.Subscription, n hub.Notice, before hub.Place) {
	w.segments = append(w.segments, segment{len(w.buf), s, before})
	w.buf = w.st.framing.message(w.buf, w.st, notice(s, n))
}

// Message implements [session.Writer].
func (w *writer) Message(json []byte) {
	st := w.st
	if slices.ContainsFunc(w.segments, func(sg segment) bool { return sg.sub != nil }) {
		st = nil // a position would cover what may yet be given back
	}
	w.segments = append(w.segments, segment{start: len(w.buf)})
	w.buf = w.st.framing.message(w.buf, st, json)
}

// Ping implements [session.Writer].
func (w *writer) Ping(asMessage bool) {
	w.segments = append(w.segments, segment{start: len(w.buf)})
	w.buf = w.st.framing.ping(w.buf, asMessage)
}

// Pong implements [session.Writer].
func (w *writer) Pong(payload []byte) {
	w.segments = append(w.segments, segment{start: len(w.buf)})
	w.buf = w.st.framing.pong(w.buf, payload)
}

// Drain implements [session.Writer].
func (w *writer) Drain(afterMillis int64) {
	w.segments = append(w.segments, segment{start: len(w.buf)})
	w.buf = w.st.framing.drain(w.buf, afterMillis)
}

// notice encodes what a subscription has to tell.
func notice(s *hub.Subscription, n hub.Notice) []byte {
	switch n {
	case hub.Skipped:
		return protocol.AppendSkipped(nil, s.Channel(), s.Position())
	case hub.Moved:
		return protocol.AppendPositionMessage(nil, s.Channel(), s.Position())
	default:
		return protocol.AppendReset(nil, s.Channel(), s.Position(), n.Reason())
	}
}
