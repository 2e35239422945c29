package hub

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/websocket"
	"github.com/starling-rt/starling/protocol"
)

// minDeflate is the size from which a message is worth compressing.
const minDeflate = 256

// Frame is a message, encoded once and shared by all who send it. It is
// immutable. What not everybody wants, compressed or in CBOR, is made of it when
// somebody does, and then shared as well.
type Frame struct {
	offset uint64
	tags   map[string]string
	time   int64 // when it was appended, in Unix milliseconds; 0 if it was not delivered live
	head   int   // length of the header in wire
	wire   []byte

	once     sync.Once
	deflated []byte

	cbor atomic.Pointer[Frame]
}

// newFrame encodes a message as a frame: encode appends its JSON. size is a
// guess of its length.
func newFrame(offset uint64, tags map[string]string, size int, encode func([]byte) []byte) *Frame {
	f := &Frame{offset: offset, tags: tags}
	f.set(websocket.Text, encode(make([]byte, websocket.MaxHeader, websocket.MaxHeader+size)))
	return f
}

// set makes a frame of a message that stands in buf behind room for a header.
func (f *Frame) set(op websocket.Opcode, buf []byte) {
	n := len(buf) - websocket.MaxHeader
	f.head = websocket.HeaderSize(n)
	f.wire = buf[websocket.MaxHeader-f.head:]
	websocket.AppendHeader(f.wire[:0], websocket.Header{Fin: true, Opcode: op, Length: int64(n)})
}

func publicationFrame(channel string, r *eventlog.Record) *Frame {
	p := publication(channel, r)
	return newFrame(r.Offset, r.Tags, 128+len(channel)+len(r.Data)+len(r.Key)+len(r.User), func(dst []byte) []byte {
		return protocol.AppendPublication(dst, &p)
	})
}

func publication(channel string, r *eventlog.Record) protocol.Publication {
	return protocol.Publication{
		Channel: channel, Offset: r.Offset, ID: r.ID, Data: r.Data, Key: r.Key, User: r.User, Time: r.Time, Tags: r.Tags,
	}
}

func signalFrame(s *eventlog.Signal) *Frame {
	m := protocol.Signal{Channel: s.Channel, Data: s.Data, Conflate: s.Key, Deleted: s.Delete, User: s.User, Time: s.Time}
	return newFrame(0, nil, 96+len(s.Channel)+len(s.Data)+len(s.Key), func(dst []byte) []byte {
		return protocol.AppendSignal(dst, &m)
	})
}

// JSON returns the message. The caller does not change it.
func (f *Frame) JSON() []byte { return f.payload() }

func (f *Frame) payload() []byte { return f.wire[f.head:] }

// CBOR returns the same message in CBOR.
func (f *Frame) CBOR() *Frame {
	if made := f.cbor.Load(); made != nil {
		return made
	}
	made := &Frame{offset: f.offset, tags: f.tags}
	// It is shorter than the JSON, but for what is hardly longer than its head.
	made.set(websocket.Binary, protocol.AppendCBOR(make([]byte, websocket.MaxHeader, len(f.wire)+websocket.MaxHeader), f.payload()))
	made.wire = bytes.Clone(made.wire)
	f.cbor.CompareAndSwap(nil, made) // somebody else may have made it meanwhile
	return f.cbor.Load()
}

// WebSocket returns the message as an unmasked frame, compressed if the
// connection takes it and it helps. The caller does not change it.
func (f *Frame) WebSocket(deflate bool) []byte {
	if !deflate || len(f.wire) < minDeflate {
		return f.wire
	}
	f.once.Do(func() {
		packed := websocket.Deflate(nil, f.payload())
		if len(packed) >= len(f.payload())*9/10 {
			f.deflated = f.wire
			return
		}
		h := websocket.Header{Fin: true, Compressed: true, Opcode: websocket.Opcode(f.wire[0] & 15), Length: int64(len(packed))}
		f.deflated = append(websocket.AppendHeader(make([]byte, 0, len(packed)+4), h), packed...)
	})
	return f.deflated
}

// size is what the frame is counted with against a budget.
func (f *Frame) size() int64 { return int64(cap(f.wire)) + 96 }
