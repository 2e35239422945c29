package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Opcode is the kind of a frame.
type Opcode byte

// The opcodes of RFC 6455 §5.2.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	PingFrame    Opcode = 9
	PongFrame    Opcode = 10
)

// Control tells whether frames of this kind are control frames.
func (o Opcode) Control() bool { return o&8 != 0 }

// Close codes of RFC 6455 §7.4.1.
const (
	CloseNormal       = 1000
	CloseGoingAway    = 1001
	CloseProtocol     = 1002
	CloseUnsupported  = 1003
	CloseNoStatus     = 1005
	CloseInvalidData  = 1007
	CloseTooBig       = 1009
	CloseInternal     = 1011
	maxControlPayload = 125
)

// MaxHeader is the length of the longest header that a server sends, and
// MaxMaskedHeader that of the longest that a client sends.
const (
	MaxHeader       = 10
	MaxMaskedHeader = 14
)

// ProtocolError is a violation of the protocol by the other side, with the code
// to close the connection with.
type ProtocolError struct {
	Code int
	Text string
}

func (e *ProtocolError) Error() string { return fmt.Sprintf("websocket: %s (%d)", e.Text, e.Code) }

// ErrShort says that a header is not complete yet.
var ErrShort = errors.New("websocket: more bytes are needed")

// Header is the header of a frame.
type Header struct {
	Fin        bool
	Compressed bool // RSV1: the message is compressed
	Opcode     Opcode
	Masked     bool
	Mask       [4]byte
	Length     int64
}

// ParseHeader reads a header from the start of b, and returns its length, or
// ErrShort if b ends before the header does. Violations that show in the header
// alone are a *ProtocolError.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) < 2 {
		return h, 0, ErrShort
	}
	h = Header{Fin: b[0]&0x80 != 0, Compressed: b[0]&0x40 != 0, Opcode: Opcode(b[0] & 15), Masked: b[1]&0x80 != 0}
	if b[0]&0x30 != 0 {
		return h, 0, &ProtocolError{CloseProtocol, "a reserved bit is set"}
	}
	switch h.Opcode {
	case Continuation, Text, Binary, Close, PingFrame, PongFrame:
	default:
		return h, 0, &ProtocolError{CloseProtocol, "unknown opcode"}
	}
	n = 2
	switch l := b[1] & 127; {
	case l < 126:
		h.Length = int64(l)
	case l == 126:
		if len(b) < 4 {
			return h, 0, ErrShort
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		n = 4
	default:
		if len(b) < 10 {
			return h, 0, ErrShort
		}
		v := binary.BigEndian.Uint64(b[2:])
		if v>>63 != 0 {
			return h, 0, &ProtocolError{CloseProtocol, "length with the highest bit set"}
		}
		h.Length = int64(v)
		n = 10
	}
	if h.Opcode.Control() && (!h.Fin || h.Length > maxControlPayload || h.Compressed) {
		return h, 0, &ProtocolError{CloseProtocol, "control frame that is fragmented, compressed or longer than 125 bytes"}
	}
	if h.Opcode == Continuation && h.Compressed {
		return h, 0, &ProtocolError{CloseProtocol, "compressed continuation"}
	}
	if h.Masked {
		if len(b) < n+4 {
			return h, 0, ErrShort
		}
		copy(h.Mask[:], b[n:])
		n += 4
	}
	return h, n, nil
}

// AppendHeader appends a header.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.Opcode)
	if h.Fin {
		b0 |= 0x80
	}
	if h.Compressed {
		b0 |= 0x40
	}
	var b1 byte
	if h.Masked {
		b1 = 0x80
	}
	switch {
	case h.Length < 126:
		dst = append(dst, b0, b1|byte(h.Length))
	case h.Length < 1<<16:
		dst = append(dst, b0, b1|126, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}

// HeaderSize returns the length of the header of an unmasked frame.
func HeaderSize(payload int) int {
	switch {
	case payload < 126:
		return 2
	case payload < 1<<16:
		return 4
	}
	return 10
}

// AppendFrame appends a whole unmasked frame, as a server sends it.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	dst = AppendHeader(dst, Header{Fin: true, Opcode: op, Length: int64(len(payload))})
	return append(dst, payload...)
}

// AppendMasked appends a whole masked frame, as a client sends it.
func AppendMasked(dst []byte, op Opcode, mask [4]byte, payload []byte) []byte {
	dst = AppendHeader(dst, Header{Fin: true, Opcode: op, Length: int64(len(payload)), Masked: true, Mask: mask})
	from := len(dst)
	dst = append(dst, payload...)
	Mask(dst[from:], mask, 0)
	return dst
}

// AppendClose appends a close frame with a code and a reason, which is cut to
// what fits.
func AppendClose(dst []byte, code int, reason string) []byte {
	for len(reason) > maxControlPayload-2 || !utf8.ValidString(reason) {
		reason = reason[:min(len(reason), maxControlPayload-1)-1]
	}
	dst = AppendHeader(dst, Header{Fin: true, Opcode: Close, Length: int64(2 + len(reason))})
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// ParseClose reads the payload of a close frame. No payload is CloseNoStatus.
func ParseClose(payload []byte) (code int, reason string, err error) {
	if len(payload) == 0 {
		return CloseNoStatus, "", nil
	}
	if len(payload) == 1 {
		return 0, "", &ProtocolError{CloseProtocol, "close frame of one byte"}
	}
	code = int(binary.BigEndian.Uint16(payload))
	switch {
	case code >= 3000 && code <= 4999:
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
	default:
		return 0, "", &ProtocolError{CloseProtocol, "close code that may not be sent"}
	}
	if !utf8.Valid(payload[2:]) {
		return 0, "", &ProtocolError{CloseInvalidData, "close reason that is not UTF-8"}
	}
	return code, string(payload[2:]), nil
}

// Mask masks or unmasks b in place. at is how many bytes of the payload were
// masked before; the result is at for the next call.
func Mask(b []byte, mask [4]byte, at int) int {
	for len(b) > 0 && at&3 != 0 {
		b[0] ^= mask[at&3]
		b = b[1:]
		at++
	}
	m := uint64(binary.LittleEndian.Uint32(mask[:]))
	m |= m << 32
	n := len(b) &^ 7
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], binary.LittleEndian.Uint64(b[i:])^m)
	}
	for i := n; i < len(b); i++ {
		b[i] ^= mask[i&3]
	}
	return at + len(b)
}
