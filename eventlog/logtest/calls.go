// Package logtest is what tests of engines, and tests on engines, need: the
// conformance suite [Run] that every engine passes, and three engines that wrap
// another one. [Hooked] stops at chosen calls until it is released, to force a
// schedule. [Faulty] fails at chosen calls. [Harsh] behaves as a cluster may.
package logtest

// Call names a call of an engine, or a delivery by it.
type Call string

// The calls of an engine.
const (
	CallAppend     Call = "append"
	CallHead       Call = "head"
	CallRead       Call = "read"
	CallReadBefore Call = "readbefore"
	CallTrim       Call = "trim"
	CallDelete     Call = "delete"
	CallWatch      Call = "watch"
	CallSignal     Call = "signal"
	CallSlots      Call = "slots"
	CallGet        Call = "get"    // of the key-values
	CallPut        Call = "put"    // of the key-values
	CallRemove     Call = "remove" // Delete of the key-values
	CallList       Call = "list"   // of the key-values

	// CallDeliver is a delivery to a sink.
	CallDeliver Call = "deliver"
)
