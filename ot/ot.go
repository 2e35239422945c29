package ot

import "errors"

// Side says who wins a tie, as in ShareDB: of two insertions at one place, that
// of the Left operation comes first.
type Side uint8

const (
	// Left is the side of the operation that is being submitted: the server
	// transforms it as Left over each committed operation.
	Left Side = iota
	// Right is the side of the committed operation, when a client transforms it
	// over what it has not yet had acknowledged.
	Right
)

// Op is one operation of some Type. It is an immutable value: it may be shared
// between goroutines and kept for as long as one likes.
type Op interface {
	// AppendJSON appends the wire form of the operation to dst.
	AppendJSON(dst []byte) []byte
	// Noop reports whether the operation changes no document.
	Noop() bool
}

// Position is a place in a document, such as a cursor or a selection, in the
// wire form of its Type. It is an immutable value.
type Position interface {
	// AppendJSON appends the wire form of the position to dst.
	AppendJSON(dst []byte) []byte
}

// Doc is the content of one document. It is not safe for concurrent use.
type Doc interface {
	// Apply changes the document by op. When it returns an error, which wraps
	// one of this package's sentinels, the document is as it was before.
	Apply(op Op) error
	// Invert returns the operation that undoes op. The document must be in the
	// state to which op is to be applied, that is, before Apply(op).
	Invert(op Op) (Op, error)
	// AppendJSON appends the wire form of the content to dst.
	AppendJSON(dst []byte) []byte
	// Clone returns a copy that no later change of either affects. It costs
	// O(1): the two share their structure until one is edited.
	Clone() Doc
}

// Type is a kind of document: how its content and its operations are written,
// and how operations relate to each other. Implementations are stateless values,
// safe for concurrent use. Methods return errors that wrap one of this package's
// sentinels, and ErrMismatch when they are handed values of another Type.
type Type interface {
	// Name is the short name, as ShareDB registers it: "text-unicode".
	Name() string
	// URI names the type on the wire: "http://sharejs.org/types/text-unicode".
	URI() string
	// ParseDoc reads the wire form of a document, at most MaxDocSize bytes.
	ParseDoc(data []byte) (Doc, error)
	// ParseOp reads the wire form of an operation, at most MaxOpSize bytes. The
	// result does not refer to data.
	ParseOp(data []byte) (Op, error)
	// Compose returns the operation that does what a does and then b.
	Compose(a, b Op) (Op, error)
	// Transform returns op as it must be for a document to which over has been
	// applied meanwhile. Both were made for the same state.
	Transform(op, over Op, side Side) (Op, error)
	// ParsePosition reads the wire form of a position, at most MaxOpSize bytes.
	ParsePosition(data []byte) (Position, error)
	// TransformPosition returns p as it must be after op. Own tells that the
	// operation is by the same user as the position: what one types goes before
	// one's own cursor. The result is nil when the place does not exist any more.
	TransformPosition(p Position, op Op, own bool) (Position, error)
}

// Rebaser is a Type that can transform one operation over many faster than by
// calling Transform for each. The result is the same.
type Rebaser interface {
	TransformAll(op Op, over []Op, side Side) (Op, error)
}

// Limits of what is parsed. How large a document grows by its operations is for the
// user to limit; deeper than can be read again it does not nest.
const (
	// MaxOpSize is the most bytes of one operation or position.
	MaxOpSize = 8 << 20
	// MaxDocSize is the most bytes of one document.
	MaxDocSize = 256 << 20
	// MaxDepth is how deep JSON values and operations on them may nest.
	MaxDepth = 512
)

// What may be wrong with an operation, a document or a position. All errors of
// the types wrap one of these.
var (
	// ErrMalformed means that the bytes are not the wire form of such a value.
	ErrMalformed = errors.New("ot: malformed")
	// ErrTooLarge means that the bytes are more, or nested deeper, than allowed.
	ErrTooLarge = errors.New("ot: too large")
	// ErrRange means that the operation does not fit the document: it reaches
	// beyond the end, or names a place that does not exist.
	ErrRange = errors.New("ot: out of range")
	// ErrMismatch means that a value of another type was passed, or that the
	// operation expects other content than it finds.
	ErrMismatch = errors.New("ot: mismatch")
	// ErrTooComplex means that two operations have so many parts that
	// transforming one over the other would take too long, or that an operation is
	// too large to be transformed over the many that were ordered since it was made.
	ErrTooComplex = errors.New("ot: too complex")
	// ErrConflict means that two operations cannot both be kept, and that the
	// type leaves it to the caller what to do.
	ErrConflict = errors.New("ot: conflict")
)
