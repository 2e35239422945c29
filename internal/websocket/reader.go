package websocket

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Message is what a Reader found.
type Message struct {
	Opcode  Opcode // Text, Binary, Close, PingFrame or PongFrame
	Payload []byte // valid until the next call of Next
}

// Reader makes messages of the bytes of a connection, whoever reads them. It
// keeps the bytes of what is not complete yet, and nothing when a message ends
// where the bytes end, so that an idle connection costs the Reader alone.
//
// A Reader is used by one goroutine at a time.
type Reader struct {
	// Set before use.
	MaxBytes int  // of a message, after decompression
	Server   bool // frames must be masked; a client's must not
	Deflate  bool // permessage-deflate was negotiated

	buf     []byte // bytes that came, from the first that is not used
	owned   bool   // buf is the Reader's, not the caller's
	message []byte // the fragments of a message so far
	opcode  Opcode // of the fragmented message; 0 when there is none
	packed  bool   // it is compressed
	out     []byte // the last decompressed message
}

// Feed hands in bytes that came. The Reader does not keep b unless a frame is cut
// short; then it copies what it needs.
func (r *Reader) Feed(b []byte) {
	if len(r.buf) == 0 {
		r.buf, r.owned = b, false
		return
	}
	r.buf = append(r.buf, b...)
}

// Keep copies what was fed and is not used yet, so that the fed bytes may be used
// again before Next has returned ErrShort.
func (r *Reader) Keep() {
	if !r.owned && len(r.buf) > 0 {
		r.buf, r.owned = bytes.Clone(r.buf), true
	}
}

// Next returns the next message of what was fed, or ErrShort when it takes more
// bytes; then b may be used again. Any other error is a *ProtocolError and ends
// the connection. Payloads are unmasked in place.
func (r *Reader) Next() (Message, error) {
	for {
		h, n, err := ParseHeader(r.buf)
		if err == nil {
			err = r.check(h)
		}
		if errors.Is(err, ErrShort) || err == nil && int64(len(r.buf)-n) < h.Length {
			if !r.owned {
				r.buf, r.owned = bytes.Clone(r.buf), true
			}
			return Message{}, ErrShort
		}
		if err != nil {
			return Message{}, err
		}
		payload := r.buf[n : n+int(h.Length) : n+int(h.Length)]
		r.buf = r.buf[n+int(h.Length):]
		if len(r.buf) == 0 {
			r.buf = nil
		}
		if h.Masked {
			Mask(payload, h.Mask, 0)
		}
		if h.Opcode.Control() {
			return Message{h.Opcode, payload}, nil
		}
		if m, done, err := r.data(h, payload); done || err != nil {
			return m, err
		}
	}
}

// Buffered returns how many bytes the Reader keeps.
func (r *Reader) Buffered() int { return cap(r.buf) + cap(r.message) }

func (r *Reader) check(h Header) error {
	if h.Masked != r.Server {
		return &ProtocolError{CloseProtocol, "frame with the wrong masking"}
	}
	if h.Compressed && !r.Deflate {
		return &ProtocolError{CloseProtocol, "compressed frame without permessage-deflate"}
	}
	if h.Opcode.Control() {
		return nil
	}
	if (h.Opcode == Continuation) != (r.opcode != 0) {
		return &ProtocolError{CloseProtocol, "continuation out of place"}
	}
	if h.Length > int64(r.MaxBytes-len(r.message)) {
		return &ProtocolError{CloseTooBig, "message over the limit"}
	}
	return nil
}

// data takes a data frame, and returns the message when it is complete.
func (r *Reader) data(h Header, payload []byte) (m Message, done bool, err error) {
	op, packed := h.Opcode, h.Compressed
	if r.opcode != 0 {
		op, packed = r.opcode, r.packed
	}
	if !h.Fin || r.opcode != 0 {
		r.opcode, r.packed = op, packed
		r.message = append(r.message, payload...)
		if !h.Fin {
			return Message{}, false, nil
		}
		payload, r.message, r.opcode = r.message, nil, 0
	}
	if packed {
		if r.out, err = inflate(r.out[:0], payload, r.MaxBytes); err != nil {
			return Message{}, false, err
		}
		payload, r.out = r.out, nil
	}
	if op == Text && !utf8.Valid(payload) {
		return Message{}, false, &ProtocolError{CloseInvalidData, "text that is not UTF-8"}
	}
	return Message{op, payload}, true, nil
}
