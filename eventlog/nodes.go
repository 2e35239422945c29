package eventlog

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Node is a server of a cluster, from its start to its end: one that is started
// again under its name is another.
type Node struct {
	Name string
	// Incarnation is the time of its start, in nanoseconds since 1970 by the clock
	// of its machine. Of two nodes with one name the later counts.
	Incarnation int64
}

// NodeChangeKind is what a NodeChange is about.
type NodeChangeKind uint8

// The kinds of changes.
const (
	NodeArrived  NodeChangeKind = iota + 1 // it is heard for the first time, or again
	NodeLeft                               // it has said goodbye
	NodeDied                               // it was not heard for too long
	NodeReplaced                           // it has arrived, and the one before it is gone
)

// String returns a word for people.
func (k NodeChangeKind) String() string {
	switch k {
	case NodeArrived:
		return "arrived"
	case NodeLeft:
		return "left"
	case NodeDied:
		return "died"
	case NodeReplaced:
		return "replaced"
	}
	return fmt.Sprintf("NodeChangeKind(%d)", uint8(k))
}

// NodeChange is a node that has come or gone.
type NodeChange struct {
	Kind NodeChangeKind
	Node Node
	// Before is the incarnation whose place Node has taken, of NodeReplaced.
	Before int64
}

// Attendance is a server's being one of the nodes of a cluster: it hears of the
// others, and they of it. Engines that several servers can share may have it, as that
// of package natslog has. Its methods are safe for concurrent use.
type Attendance interface {
	// Self returns this node.
	Self() Node
	// Nodes returns the nodes that are here, this one among them, by name. It may be
	// ahead of what was told.
	Nodes() []Node
	// Leave says goodbye to the others. When it returns nothing is told any more: so
	// it is not to be called by who is told.
	Leave()
}

// MaxNodeName is how many bytes the name of a node may have.
const MaxNodeName = 64

// CheckNode returns an error unless name can be that of a node: 1 to MaxNodeName
// bytes that can be seen, without dots.
func CheckNode(name string) error {
	odd := func(r rune) bool { return r == '.' || !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	if name == "" || len(name) > MaxNodeName || !utf8.ValidString(name) || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("%q is no name of a node, which has 1 to %d bytes, without dots and spaces: %w", name, MaxNodeName, ErrInvalid)
	}
	return nil
}
