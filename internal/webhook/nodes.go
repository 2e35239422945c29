package webhook

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

const (
	// beatEvery is how often a node says that it is there, and looks at the others.
	beatEvery = 10 * time.Second
	// deadAfter is how long a node may say nothing before its subscriptions count as
	// gone. Only looks that succeeded count.
	deadAfter = 30 * time.Second
	// nodesPrefix is where the nodes say so: the value is whether they were
	// given up, and the revision grows with each beat.
	nodesPrefix = "webhook-nodes/"
)

var (
	alive   = []byte("alive")
	givenUp = []byte("given up")
)

// nodes is what a node knows of the others, and what they know of it. One goroutine
// uses it.
//
// A node that says nothing for deadAfter is given up by another one: its entry says
// so, then all that it told to be occupied is told to be vacated, then the entry is
// removed. A node that finds itself given up waits for the end of that, and tells
// everything anew.
type nodes struct {
	o        *Occupancy
	revision uint64             // of this node's entry, as this node wrote it; 0: it is not there
	others   map[string]*beheld // by name
}

// beheld is what was seen last of another node.
type beheld struct {
	revision uint64
	since    time.Time // when it was seen first
}

func newNodes(o *Occupancy) *nodes { return &nodes{o: o, others: map[string]*beheld{}} }

func (n *nodes) key() string { return nodesPrefix + n.o.conf.Node }

// enter says that the node is there, and tells whether it could. What another life
// of it left is taken over, unless others are giving it up just now.
func (n *nodes) enter(ctx context.Context) (bool, error) {
	kv := n.o.conf.Log.KV()
	expect := eventlog.Absent
	it, err := kv.Get(ctx, n.key())
	switch {
	case errors.Is(err, eventlog.ErrNotFound):
	case err != nil:
		return false, err
	case string(it.Value) == string(givenUp):
		return false, n.bury(ctx, n.o.conf.Node, it.Revision)
	default:
		expect = eventlog.AtRevision(it.Revision)
	}
	n.revision, err = kv.Put(ctx, n.key(), alive, eventlog.PutOptions{Expect: expect})
	if errors.Is(err, eventlog.ErrRevision) {
		return false, nil
	}
	return err == nil, err
}

// beat says that the node is still there. If it was given up meanwhile, it tells
// everything anew.
func (n *nodes) beat(ctx context.Context) error {
	if n.revision != 0 {
		rev, err := n.o.conf.Log.KV().Put(ctx, n.key(), alive, eventlog.PutOptions{Expect: eventlog.AtRevision(n.revision)})
		if err == nil {
			n.revision = rev
			return nil
		}
		if !errors.Is(err, eventlog.ErrRevision) {
			return err
		}
		n.revision = 0
	}
	entered, err := n.enter(ctx)
	if entered {
		n.o.conf.Logger.Warn("this node was silent for too long: others have told that its subscriptions are gone; it tells them anew")
		n.o.anew()
	}
	return err
}

// look looks at the other nodes, and gives those up that say nothing.
func (n *nodes) look(ctx context.Context) error {
	const page = 1000
	now := time.Now()
	seen := map[string]bool{}
	for after := ""; ; {
		items, err := n.o.conf.Log.KV().List(ctx, nodesPrefix, after, page)
		if err != nil {
			return err
		}
		for _, it := range items {
			after = it.Key
			node := strings.TrimPrefix(it.Key, nodesPrefix)
			if node == n.o.conf.Node {
				continue
			}
			seen[node] = true
			b := n.others[node]
			if b == nil || b.revision != it.Revision {
				n.others[node] = &beheld{it.Revision, now}
				continue
			}
			if now.Sub(b.since) < deadAfter {
				continue
			}
			if err := n.giveUp(ctx, node, it); err != nil {
				return err
			}
		}
		if len(items) < page {
			break
		}
	}
	for node := range n.others {
		if !seen[node] {
			delete(n.others, node)
		}
	}
	return nil
}

// giveUp gives a node up, or goes on where another one has stopped to.
func (n *nodes) giveUp(ctx context.Context, node string, it eventlog.Item) error {
	rev := it.Revision
	if string(it.Value) != string(givenUp) {
		var err error
		rev, err = n.o.conf.Log.KV().Put(ctx, it.Key, givenUp, eventlog.PutOptions{Expect: eventlog.AtRevision(rev)})
		if errors.Is(err, eventlog.ErrRevision) {
			return nil // it is there, or another one was faster
		}
		if err != nil {
			return err
		}
		n.o.conf.Logger.Warn("a node says nothing; its subscriptions are told to be gone", "node", node)
	}
	return n.bury(ctx, node, rev)
}

// bury tells that all that a node told to be occupied is vacated, and removes what
// is left of it. If several do it, it is told several times, which does no harm.
func (n *nodes) bury(ctx context.Context, node string, revision uint64) error {
	prefix := marksPrefix + node + "/"
	for {
		items, err := n.o.conf.Log.KV().List(ctx, prefix, "", eventlog.MaxBatch)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			break
		}
		var gone []occurrence
		for _, it := range items {
			gone = append(gone, occurrence{Vacated, strings.TrimPrefix(it.Key, prefix), node})
		}
		if err := n.o.write(ctx, gone); err != nil {
			return err
		}
		for _, it := range items {
			if err := n.o.conf.Log.KV().Delete(ctx, it.Key, 0); err != nil {
				return err
			}
		}
	}
	err := n.o.conf.Log.KV().Delete(ctx, nodesPrefix+node, eventlog.AtRevision(revision))
	if errors.Is(err, eventlog.ErrRevision) {
		return nil // another one has done it
	}
	return err
}
