package natslog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// Nodes hear that each other live by beats, over core NATS. A beat is one message:
//
//	version (1 byte) · kind (1 byte) · incarnation (8 bytes, big-endian) · name
//
// of the kinds here, asks (it is here, and wants all others to say so), and leaves.

const (
	beatHere = iota + 1
	beatAsks
	beatLeaves
)

const (
	beatVersion = 1
	beatHead    = 10 // bytes before the name
	maxBeat     = beatHead + eventlog.MaxNodeName
)

type beat struct {
	kind byte
	node eventlog.Node
}

func (b *beat) encode() []byte {
	out := append(make([]byte, 0, maxBeat), beatVersion, b.kind)
	out = binary.BigEndian.AppendUint64(out, uint64(b.node.Incarnation))
	return append(out, b.node.Name...)
}

// parseBeat returns the beat that others have sent.
func parseBeat(data []byte) (b beat, err error) {
	switch {
	case len(data) == 0:
		return b, errors.New("it is empty")
	case data[0] != beatVersion:
		return b, fmt.Errorf("its version is %d, not %d", data[0], beatVersion)
	case len(data) < beatHead || len(data) > maxBeat:
		return b, fmt.Errorf("it has %d bytes", len(data))
	}
	b = beat{data[1], eventlog.Node{
		Name:        string(data[beatHead:]),
		Incarnation: int64(binary.BigEndian.Uint64(data[2:])),
	}}
	if b.kind < beatHere || b.kind > beatLeaves {
		return b, fmt.Errorf("its kind is %d", b.kind)
	}
	if b.node.Incarnation <= 0 {
		return b, fmt.Errorf("its incarnation is %d", b.node.Incarnation)
	}
	return b, eventlog.CheckNode(b.node.Name)
}

// How time passes. A node beats every beatTicks ticks; who was not heard for
// deadTicks is dead, which is not before 10 s and not after 10.5 s; who has not heard
// itself for more than deafTicks is away. The last must be less than deadTicks by more
// than the time between beats: or else who was cut off, and does not know it yet, would judge.
const (
	tickEvery = 500 * time.Millisecond
	beatTicks = 4
	deadTicks = 21
	deafTicks = 10
)

// maxNodes bounds how many nodes are known, against nonsense.
const maxNodes = 4096

// roll knows who is here, by what one node hears. It has no clock: it is told of
// beats, and of the node's own ticks. Who hangs, or is on a machine that sleeps, does
// not tick meanwhile, and so has not waited for anybody.
//
// A node hears its own beats too, by way of the server. As long as it does not, its
// connection is away, whatever its socket says, and it judges nobody; when it does again,
// all others have their full time again.
type roll struct {
	self   eventlog.Node
	away   bool
	silent int // ticks since it heard itself

	others map[string]*other
	left   map[string]farewell
}

type other struct {
	incarnation int64
	silent      int // ticks since it was heard
}

// farewell is a goodbye. A beat that comes after it, by another way, is an old one.
type farewell struct {
	incarnation int64
	age         int
}

func newRoll(self eventlog.Node) roll {
	return roll{self: self, away: true, others: map[string]*other{}, left: map[string]farewell{}}
}

// hear takes a beat, and returns what has changed: nothing, if Kind is 0.
func (r *roll) hear(b beat) eventlog.NodeChange {
	if b.node.Name == r.self.Name {
		if b.node == r.self {
			r.heardSelf()
		}
		return eventlog.NodeChange{}
	}
	if b.kind == beatLeaves {
		return r.hearGoodbye(b.node)
	}
	if f, ok := r.left[b.node.Name]; ok && b.node.Incarnation <= f.incarnation {
		return eventlog.NodeChange{}
	}
	known := r.others[b.node.Name]
	switch {
	case known == nil && len(r.others) >= maxNodes, known != nil && known.incarnation > b.node.Incarnation:
		return eventlog.NodeChange{}
	case known == nil:
		r.others[b.node.Name] = &other{incarnation: b.node.Incarnation}
		return eventlog.NodeChange{Kind: eventlog.NodeArrived, Node: b.node}
	}
	before := known.incarnation
	*known = other{incarnation: b.node.Incarnation}
	if before == b.node.Incarnation {
		return eventlog.NodeChange{}
	}
	return eventlog.NodeChange{Kind: eventlog.NodeReplaced, Node: b.node, Before: before}
}

func (r *roll) hearGoodbye(n eventlog.Node) eventlog.NodeChange {
	known := r.others[n.Name]
	if known != nil && known.incarnation > n.Incarnation {
		return eventlog.NodeChange{}
	}
	if f := r.left[n.Name]; f.incarnation <= n.Incarnation && len(r.left) < maxNodes {
		r.left[n.Name] = farewell{incarnation: n.Incarnation}
	}
	if known == nil {
		return eventlog.NodeChange{}
	}
	delete(r.others, n.Name)
	return eventlog.NodeChange{Kind: eventlog.NodeLeft, Node: eventlog.Node{Name: n.Name, Incarnation: known.incarnation}}
}

func (r *roll) heardSelf() {
	r.silent = 0
	if r.away {
		r.away = false
		for _, o := range r.others {
			o.silent = 0
		}
	}
}

// disconnected notes that the connection is lost.
func (r *roll) disconnected() { r.away = true }

// tick lets time pass, and returns who has died by that.
func (r *roll) tick() (died []eventlog.NodeChange) {
	for name, f := range r.left {
		if f.age++; f.age < deadTicks {
			r.left[name] = f
		} else {
			delete(r.left, name)
		}
	}
	if r.silent++; r.silent > deafTicks {
		r.away = true
	}
	if r.away {
		return nil
	}
	for name, o := range r.others {
		if o.silent++; o.silent >= deadTicks {
			delete(r.others, name)
			died = append(died, eventlog.NodeChange{Kind: eventlog.NodeDied, Node: eventlog.Node{Name: name, Incarnation: o.incarnation}})
		}
	}
	slices.SortFunc(died, func(a, b eventlog.NodeChange) int { return strings.Compare(a.Node.Name, b.Node.Name) })
	return died
}

// nodes returns who is here, by name.
func (r *roll) nodes() []eventlog.Node {
	all := []eventlog.Node{r.self}
	for name, o := range r.others {
		all = append(all, eventlog.Node{Name: name, Incarnation: o.incarnation})
	}
	slices.SortFunc(all, func(a, b eventlog.Node) int { return strings.Compare(a.Name, b.Name) })
	return all
}
