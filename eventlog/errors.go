package eventlog

import (
	"errors"
	"fmt"
)

// What a caller tells apart. Engines return these, wrapped, and no others for
// the cases that they describe.
var (
	// ErrConflict: the head is not what the append expected. Always a
	// *ConflictError.
	ErrConflict = errors.New("eventlog: the channel has moved on")
	// ErrKeyReused: the idempotency key was used for other data.
	ErrKeyReused = errors.New("eventlog: the key was used for other data")
	// ErrInvalid: an argument is out of the limits; nothing was stored.
	ErrInvalid = errors.New("eventlog: invalid argument")
	// ErrUnavailable: the engine cannot do it now; nothing was stored.
	ErrUnavailable = errors.New("eventlog: the engine is not available")
	// ErrUnknown: the outcome is not known; a retry with the same key is safe.
	ErrUnknown = errors.New("eventlog: it is not known whether it was stored")
	// ErrSlotsFull: the channel has its most conflation keys.
	ErrSlotsFull = errors.New("eventlog: the channel has too many conflation keys")
	// ErrNotFound: there is no such key or snapshot.
	ErrNotFound = errors.New("eventlog: not found")
	// ErrRevision: the key's revision is not what was expected.
	ErrRevision = errors.New("eventlog: the key has another revision")
	// ErrLeaseHeld: another owner holds the lease.
	ErrLeaseHeld = errors.New("eventlog: the lease is held by another")
	// ErrLeaseLost: the lease has expired or belongs to another.
	ErrLeaseLost = errors.New("eventlog: the lease is lost")
	// ErrClosed: the log is closed.
	ErrClosed = errors.New("eventlog: closed")
)

// ConflictError is an ErrConflict that tells the head. The head is what the
// engine knew when it refused; another append may have moved it since.
type ConflictError struct {
	Channel string
	Head    Position
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("append to %q: head is %d: %v", e.Channel, e.Head.Offset, ErrConflict)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
