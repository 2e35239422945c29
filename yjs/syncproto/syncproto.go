// Package syncproto holds the messages by which Yjs peers bring each other up to
// date (y-protocols/sync), and their frames in y-websocket, as pure functions.
//
//	message  = step1 | step2 | update
//	step1    = 0 bytes(state vector)    "this is what I have"
//	step2    = 1 bytes(update)          the answer: what the other lacks
//	update   = 2 bytes(update)          what has just changed
//	frame    = 0 message | 1 bytes(awareness update) | 2 auth | 3       (y-websocket)
//	auth     = 0 string(reason)         permission denied
//
// Updates are always in encoding v1. A peer sends step 1 when it connects,
// answers a step 1 with a step 2, and sends an update for each change.
package syncproto

import (
	"github.com/starling-rt/starling/yjs"
	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// ErrMalformed says that bytes are no message.
var ErrMalformed = lib0.ErrMalformed

// A Type is the type of a sync message.
type Type uint8

// The types of sync message.
const (
	Step1 Type = iota
	Step2
	Update
)

// A Frame is the type of a y-websocket frame.
type Frame uint8

// The types of frame. Query asks for the awareness of all and has no payload.
const (
	Sync Frame = iota
	Awareness
	Auth
	Query
)

// AppendStep1 appends a step 1: what doc has.
func AppendStep1(b []byte, doc *yjs.Doc) []byte {
	return lib0.AppendBytes(append(b, byte(Step1)), doc.StateVector().Encode())
}

// AppendStep2 appends a step 2: what a holder of since lacks of doc.
func AppendStep2(b []byte, doc *yjs.Doc, since yjs.StateVector) []byte {
	return lib0.AppendBytes(append(b, byte(Step2)), doc.Encode(since))
}

// AppendUpdate appends an update message.
func AppendUpdate(b, update []byte) []byte {
	return lib0.AppendBytes(append(b, byte(Update)), update)
}

// A Message is a sync message. Payload is a view of the bytes that it was read
// from: a state vector (Step1) or an update.
type Message struct {
	Type    Type
	Payload []byte
}

// Read reads a message and gives what follows it.
func Read(b []byte) (m Message, rest []byte, err error) {
	r := lib0.Reader{Buf: b}
	t := r.Uint()
	m.Payload = r.Bytes()
	if r.Bad || t > uint64(Update) {
		return Message{}, nil, ErrMalformed
	}
	m.Type = Type(t)
	return m, b[r.Pos:], nil
}

// A Result is what a message led to.
type Result struct {
	// Reply is the message to answer with, or nil.
	Reply []byte
	// Applied is what an update, or a step 2, did.
	Applied yjs.Applied
}

// Handle applies a message to doc. origin is handed to its observers.
func Handle(doc *yjs.Doc, m Message, origin any) (Result, error) {
	if m.Type == Step1 {
		sv, err := yjs.DecodeStateVector(m.Payload)
		if err != nil {
			return Result{}, err
		}
		return Result{Reply: AppendStep2(nil, doc, sv)}, nil
	}
	applied, err := doc.Apply(m.Payload, origin)
	return Result{Applied: applied}, err
}

// AppendFrame appends the start of a y-websocket frame. A sync message follows
// it as it is; for awareness, use AppendAwareness.
func AppendFrame(b []byte, f Frame) []byte { return append(b, byte(f)) }

// AppendAwareness appends a whole awareness frame.
func AppendAwareness(b, update []byte) []byte {
	return lib0.AppendBytes(append(b, byte(Awareness)), update)
}

// AppendDenied appends a whole auth frame that denies permission.
func AppendDenied(b []byte, reason string) []byte {
	return lib0.AppendString(append(b, byte(Auth), 0), reason)
}

// A Part is one frame of a y-websocket message, which may hold several.
type Part struct {
	Frame  Frame
	Sync   Message // of a Sync frame
	Data   []byte  // the update of an Awareness frame
	Reason string  // of an Auth frame
}

// ReadFrame reads a frame and gives what follows it.
func ReadFrame(b []byte) (p Part, rest []byte, err error) {
	r := lib0.Reader{Buf: b}
	switch t := r.Uint(); {
	case r.Bad || t > uint64(Query):
		return Part{}, nil, ErrMalformed
	default:
		p.Frame = Frame(t)
	}
	switch p.Frame {
	case Sync:
		p.Sync, rest, err = Read(b[r.Pos:])
		return p, rest, err
	case Awareness:
		p.Data = r.Bytes()
	case Auth:
		if r.Uint() != 0 {
			r.Fail()
		}
		p.Reason = string(r.String())
	}
	if r.Bad {
		return Part{}, nil, ErrMalformed
	}
	return p, b[r.Pos:], nil
}
