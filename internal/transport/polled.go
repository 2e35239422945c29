package transport

import (
	"net"
	"time"

	"github.com/starling-rt/starling/internal/netpoll"
)

// watch has the poller watch a stream's connection. It returns nil where there is
// none: then a goroutine reads it.
func (h *Handler) watch(conn *net.TCPConn, st *stream) *netpoll.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.conf.NoPoller {
		return nil
	}
	if h.poller == nil {
		p, err := netpoll.New(0)
		if err != nil {
			h.conf.NoPoller = true
			h.conf.Logger.Debug("there is no poller; each connection has a goroutine", "err", err)
			return nil
		}
		h.poller = p
	}
	c, err := h.poller.Adopt(conn, (*watched)(st))
	if err != nil {
		return nil
	}
	return c
}

// watched is a stream as the poller sees it. One goroutine at a time calls it.
type watched stream

// Data implements [netpoll.Handler].
func (w *watched) Data(b []byte) {
	st := (*stream)(w)
	if st.deaf {
		return // it is read only to see its end
	}
	switch st.in.take(b) {
	case full:
		st.polled.Pause()
	case enough:
		st.deaf = true
		st.session.End(nil)
	}
}

// Resume implements [netpoll.Handler].
func (w *watched) Resume() {
	(*stream)(w).polled.Unpause()
	w.Data(nil)
}

// EOF implements [netpoll.Handler].
func (w *watched) EOF() {
	st := (*stream)(w)
	st.deaf = true
	st.session.End(nil)
	st.mu.Lock()
	if st.said {
		st.close() // it has been heard, or nobody hears it
	}
	st.mu.Unlock()
}

// Writable implements [netpoll.Handler].
func (w *watched) Writable() {
	st := (*stream)(w)
	st.mu.Lock()
	done := st.goOn()
	if done {
		st.polled.NoWrite()
	}
	st.mu.Unlock()
	if done && st.ended.Load() != nil {
		st.finish()
	}
}

// goOn writes what could not be written before, and what there is since, and tells
// whether all of it went. The lock is held.
func (st *stream) goOn() bool {
	if len(st.rest) > 0 {
		n, err := st.polled.TryWrite(st.rest)
		st.owner.wrote(n)
		if err != nil {
			st.rest = nil
			st.close()
			return true
		}
		if st.rest = st.rest[n:]; len(st.rest) > 0 {
			return false
		}
		st.rest = nil
	}
	if st.blocked != 0 {
		st.owner.took(time.Unix(0, st.blocked))
		st.blocked = 0
	}
	return st.ended.Load() != nil || st.pump()
}
