package transport

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// sseRetry is how long an EventSource waits before it comes back, in
// milliseconds.
const sseRetry = 1000

const sseHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\nConnection: close\r\n"

// sse serves a stream of Server-Sent Events. On HTTP/1.1 the connection is taken
// over, on HTTP/2 the handler's goroutine writes.
func (h *Handler) sse(w http.ResponseWriter, r *http.Request) {
	if refuseHead(w, r) {
		return
	}
	if err := h.allowOrigin(w, r); err != nil {
		refuseSSE(w, err)
		return
	}
	j, err := parseJoin(r.URL.Query(), r.Header.Get("Last-Event-ID"))
	lost := err != nil && err.Code == protocol.BadPosition
	if err != nil && !lost {
		refuseSSE(w, err)
		return
	}
	if r.ProtoMajor == 1 {
		h.sseOne(w, r, j, lost)
	} else {
		h.sseTwo(w, r, j, lost)
	}
}

// refuseSSE answers in a way that an EventSource understands: it comes back after
// an event stream that ends, and does not after 204.
func refuseSSE(w http.ResponseWriter, e *protocol.Error) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Starling-Error", strconv.Itoa(int(e.Code))+" "+e.Code.String()+": "+headerSafe(e.Message))
	if !e.Code.Retry() {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = w.Write(appendSSEError(nil, sseRetry, e)) // the client may be gone
}

func headerSafe(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

func appendSSEError(dst []byte, retry int64, e *protocol.Error) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, retry, 10)
	dst = append(dst, "\nevent: error\ndata: "...)
	dst = protocol.AppendError(dst, e)
	return append(dst, "\n\n"...)
}

// begin says what was missed, and starts the subscriptions.
func begin(s *session.Session, all []started, lost bool) {
	for _, a := range all {
		if a.reset || lost {
			s.Say(protocol.AppendReset(nil, a.name, s.PositionOf(a.name), "gone"))
		}
	}
	for _, a := range all {
		a.start()
	}
}

func (h *Handler) sseOne(w http.ResponseWriter, r *http.Request, j join, lost bool) {
	head := []byte(sseHead)
	for _, key := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"} {
		if v := w.Header().Get(key); v != "" {
			head = append(append(append(append(head, key...), ": "...), v...), "\r\n"...)
		}
	}
	head = append(head, "\r\nretry: "...)
	head = append(strconv.AppendInt(head, sseRetry, 10), "\n\n"...)
	var all []started
	st := &stream{framing: sseFraming{}, in: nothingIn{}}
	taken, refused := h.hijack(w, r, st, session.Unanswered, head, func(s *session.Session) (err *protocol.Error) {
		s.Say(protocol.AppendSession(nil, s.ID()))
		all, err = joinAll(s, j)
		return err
	})
	if refused != nil {
		if refused.Code == protocol.NotSupported {
			h.sseTwo(w, r, j, lost) // behind something that cannot be taken over
			return
		}
		refuseSSE(w, refused)
		return
	}
	if taken {
		begin(st.session, all, lost)
		st.read()
	}
}

// nothingIn is what a client of SSE has to say on its connection.
type nothingIn struct{}

func (nothingIn) early([]byte) {}

func (nothingIn) take([]byte) intake { return more }

// sseTwo writes to a ResponseWriter, in the goroutine of the handler.
func (h *Handler) sseTwo(w http.ResponseWriter, r *http.Request, j join, lost bool) {
	o := &signalOutlet{ready: make(chan struct{}, 1)}
	s, err := h.open(r, o, session.Unanswered)
	if err != nil {
		refuseSSE(w, err)
		return
	}
	defer s.End(nil)
	s.Say(protocol.AppendSession(nil, s.ID()))
	all, err := joinAll(s, j)
	if err != nil {
		refuseSSE(w, err)
		return
	}
	begin(s, all, lost)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store, no-transform")
	w.Header().Set("X-Accel-Buffering", "no")
	rc := http.NewResponseController(w)
	out := &writer{}
	st := &stream{framing: sseFraming{}, session: s}
	out.reset(st)
	out.buf = append(strconv.AppendInt(append(out.buf, "retry: "...), sseRetry, 10), "\n\n"...)
	for {
		for more := true; more; out.reset(st) {
			more = s.Next(out, writeBudget)
			if len(out.buf) == 0 {
				continue
			}
			// Nothing else gets this goroutine out of a client that does not read.
			_ = rc.SetWriteDeadline(time.Now().Add(h.conf.WriteTimeout)) // not every ResponseWriter can
			began := time.Now()
			if _, err := w.Write(out.buf); err != nil {
				h.took(began)
				return
			}
			h.wrote(len(out.buf))
			h.took(began)
			h.delivered(out.appended)
		}
		if rc.Flush() != nil {
			return
		}
		_ = rc.SetWriteDeadline(time.Time{}) // a quiet stream is none that is stuck
		select {
		case <-o.ready:
		case <-r.Context().Done():
			return
		}
		if ended, why := o.ending(); ended {
			_, _ = w.Write(sseFraming{}.closing(nil, why)) // the client may be gone
			return
		}
	}
}

// signalOutlet wakes a goroutine that waits for news.
type signalOutlet struct {
	ready chan struct{} // of one place

	mu    sync.Mutex // guards the following
	ended bool
	why   *protocol.Error
	onEnd func() // called once by End, if set
}

// atEnd has f called once when the session ends, at once if it has.
func (o *signalOutlet) atEnd(f func()) {
	o.mu.Lock()
	ended := o.ended
	if !ended {
		o.onEnd = f
	}
	o.mu.Unlock()
	if ended {
		f()
	}
}

// Flush implements [session.Outlet].
func (o *signalOutlet) Flush() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// End implements [session.Outlet].
func (o *signalOutlet) End(why *protocol.Error) {
	o.mu.Lock()
	o.ended, o.why = true, why
	f := o.onEnd
	o.mu.Unlock()
	if f != nil {
		f()
	}
	o.Flush()
}

func (o *signalOutlet) ending() (bool, *protocol.Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended, o.why
}

// sseFraming frames messages as events. A publication is an event without a name,
// whose id is the position after it; every other message is an event named for
// its type.
type sseFraming struct{}

func (sseFraming) publication(dst []byte, st *stream, f *hub.Frame) []byte {
	dst = append(dst, "id: "...)
	dst = st.session.AppendPosition(dst)
	dst = append(dst, "\ndata: "...)
	dst = append(dst, f.JSON()...)
	return append(dst, "\n\n"...)
}

func (sseFraming) signal(dst []byte, f *hub.Frame) []byte {
	dst = append(dst, "event: signal\ndata: "...)
	dst = append(dst, f.JSON()...)
	return append(dst, "\n\n"...)
}

func (sseFraming) message(dst []byte, st *stream, json []byte) []byte {
	if st != nil {
		from := len(dst)
		dst = append(dst, "id: "...)
		at := len(dst)
		if dst = st.session.AppendPosition(dst); len(dst) == at {
			dst = dst[:from] // no channel has one
		} else {
			dst = append(dst, '\n')
		}
	}
	dst = append(dst, "event: "...)
	dst = append(dst, typeOf(json)...)
	dst = append(dst, "\ndata: "...)
	dst = append(dst, json...)
	return append(dst, "\n\n"...)
}

func (sseFraming) ping(dst []byte, _ bool) []byte { return append(dst, ":\n\n"...) }

func (sseFraming) pong(dst, _ []byte) []byte { return dst }

func (sseFraming) drain(dst []byte, afterMillis int64) []byte {
	return appendSSEError(dst, afterMillis, protocol.Errorf(protocol.Draining, "The server is going away. Come back in a moment."))
}

func (sseFraming) closing(dst []byte, why *protocol.Error) []byte {
	if why == nil || why.Code == protocol.Draining {
		return dst // it was said in advance
	}
	return appendSSEError(dst, sseRetry, why)
}

// typeOf returns the type of a message of ours, which comes first in it.
func typeOf(json []byte) []byte {
	rest, _ := bytes.CutPrefix(json, []byte(`{"type":"`))
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return name
}
