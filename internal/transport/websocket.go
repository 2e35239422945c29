package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/websocket"
	"github.com/starling-rt/starling/protocol"
)

// Subprotocol is the WebSocket subprotocol of protocol messages in JSON. It is
// spoken as well when a client asks for none.
const Subprotocol = "starling.v1.json"

// SubprotocolCBOR is that of the same messages in CBOR.
const SubprotocolCBOR = "starling.v1.cbor"

func (h *Handler) webSocket(w http.ResponseWriter, r *http.Request) {
	up, status, text := websocket.CheckUpgrade(r)
	switch {
	case status == http.StatusUpgradeRequired:
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, text, status)
		return
	case status != 0:
		http.Error(w, text, status)
		return
	}
	if err := h.allowOrigin(w, r); err != nil {
		Refuse(w, err)
		return
	}
	var subprotocol string
	// Clients offer first what they like best.
	if i := slices.IndexFunc(up.Protocols, func(p string) bool { return p == Subprotocol || p == SubprotocolCBOR }); i >= 0 {
		subprotocol = up.Protocols[i]
	} else if len(up.Protocols) > 0 {
		Refuse(w, protocol.Errorf(protocol.NotSupported, "None of the subprotocols offered is spoken here: offer %s, %s or none.", Subprotocol, SubprotocolCBOR))
		return
	}
	deflate := up.Deflate && !h.conf.NoDeflate
	st := &stream{framing: wsFraming{deflate: deflate, cbor: subprotocol == SubprotocolCBOR}}
	st.in = &wsInbound{st: st, r: websocket.Reader{MaxBytes: h.conf.Sessions.MaxMessage(), Server: true, Deflate: deflate}}
	taken, refused := h.hijack(w, r, st, session.Answered, up.AppendResponse(nil, subprotocol, deflate), nil)
	switch {
	case refused != nil:
		Refuse(w, refused)
	case taken:
		st.read()
	}
}

// wsInbound reads WebSocket messages.
type wsInbound struct {
	st      *stream
	r       websocket.Reader
	waiting []byte // a message for which there was no room
}

func (w *wsInbound) early(b []byte) { w.r.Feed(b) }

func (w *wsInbound) take(b []byte) intake {
	if len(b) > 0 {
		w.r.Feed(b)
	}
	if w.waiting != nil {
		if next := w.obey(w.waiting); next != more {
			return next
		}
		w.waiting = nil
	}
	for {
		m, err := w.r.Next()
		if errors.Is(err, websocket.ErrShort) {
			return more
		}
		if err != nil {
			w.st.violated(err)
			return enough
		}
		var next intake
		if m.Opcode == w.framing().opcode() {
			next = w.obey(m.Payload)
		} else {
			next = w.st.control(m)
		}
		switch next {
		case full:
			w.waiting = bytes.Clone(m.Payload)
			w.r.Keep()
			return full
		case enough:
			return enough
		}
	}
}

// framing returns how the stream's messages are framed, both ways.
func (w *wsInbound) framing() wsFraming {
	f, _ := w.st.framing.(wsFraming) // it is one
	return f
}

// obey hands a message to the session when that has room.
func (w *wsInbound) obey(msg []byte) intake {
	s := w.st.session
	if w.st.polled == nil {
		if !s.WaitRoom() {
			return enough
		}
	} else if room, open := s.Room(nil); !open {
		return enough
	} else if !room {
		if room, _ := s.Room(w.st.polled.Kick); !room {
			return full
		}
	}
	if w.framing().cbor {
		s.ReceiveCBOR(msg)
	} else {
		s.Receive(msg)
	}
	return more
}

// control takes what is no message of the subprotocol, and tells whether to read
// on.
func (st *stream) control(m websocket.Message) intake {
	switch m.Opcode {
	case websocket.Binary:
		st.session.End(&protocol.Error{Code: websocket.CloseUnsupported, Message: "Binary messages are not spoken in this subprotocol."})
		return enough
	case websocket.Text:
		st.session.End(&protocol.Error{Code: websocket.CloseUnsupported, Message: "Text messages are not spoken in this subprotocol."})
		return enough
	case websocket.PingFrame:
		st.session.Alive()
		st.session.Pong(m.Payload)
	case websocket.PongFrame:
		st.session.Alive()
	case websocket.Close:
		if _, _, err := websocket.ParseClose(m.Payload); err != nil {
			st.violated(err)
		}
		return enough
	}
	return more
}

// violated ends a session whose client does not speak WebSocket.
func (st *stream) violated(err error) {
	why := &protocol.Error{Code: websocket.CloseProtocol, Message: "protocol error"}
	var p *websocket.ProtocolError
	if errors.As(err, &p) {
		why = &protocol.Error{Code: protocol.Code(p.Code), Message: p.Text}
		if p.Code == websocket.CloseTooBig {
			why.Message = fmt.Sprintf("A message has at most %d bytes.", st.owner.conf.Sessions.MaxMessage())
		}
	}
	st.session.End(why)
}

// wsFraming frames messages for a WebSocket.
type wsFraming struct {
	deflate bool
	cbor    bool // messages are CBOR, in binary frames
}

// opcode is that of the frames that carry messages, both ways.
func (w wsFraming) opcode() websocket.Opcode {
	if w.cbor {
		return websocket.Binary
	}
	return websocket.Text
}

func (w wsFraming) publication(dst []byte, _ *stream, f *hub.Frame) []byte {
	return w.shared(dst, f)
}

func (w wsFraming) signal(dst []byte, f *hub.Frame) []byte { return w.shared(dst, f) }

func (w wsFraming) shared(dst []byte, f *hub.Frame) []byte {
	if w.cbor {
		f = f.CBOR()
	}
	return append(dst, f.WebSocket(w.deflate)...)
}

func (w wsFraming) message(dst []byte, _ *stream, json []byte) []byte {
	if !w.cbor {
		return websocket.AppendFrame(dst, websocket.Text, json)
	}
	// How long it is shows when it is there; then it moves up to its header.
	var room [websocket.MaxHeader]byte
	start := len(dst)
	dst = protocol.AppendCBOR(append(dst, room[:]...), json)
	payload := dst[start+websocket.MaxHeader:]
	head := websocket.AppendHeader(dst[:start], websocket.Header{Fin: true, Opcode: websocket.Binary, Length: int64(len(payload))})
	return append(head, payload...)
}

func (w wsFraming) ping(dst []byte, asMessage bool) []byte {
	if asMessage {
		return w.message(dst, nil, protocol.AppendPing(nil))
	}
	return websocket.AppendFrame(dst, websocket.PingFrame, nil)
}

func (wsFraming) pong(dst, payload []byte) []byte {
	return websocket.AppendFrame(dst, websocket.PongFrame, payload)
}

func (w wsFraming) drain(dst []byte, afterMillis int64) []byte {
	return w.message(dst, nil, protocol.AppendDrain(nil, afterMillis))
}

func (wsFraming) closing(dst []byte, why *protocol.Error) []byte {
	if why == nil {
		return websocket.AppendClose(dst, websocket.CloseNormal, "")
	}
	reason := why.Message
	if why.Code >= protocol.Malformed { // not one of RFC 6455, which have no names of ours
		reason = why.Code.String() + ": " + reason
	}
	return websocket.AppendClose(dst, int(why.Code), reason)
}
