package starling

import (
	"cmp"
	"log/slog"
	"sync/atomic"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/transport"
)

// attendant is an engine that several servers share, which hear of each other.
type attendant interface {
	// Attend makes a node known to the others, and tells which come and go.
	Attend(node string, told func(eventlog.NodeChange)) (eventlog.Attendance, error)
}

// cluster is what a server knows of the other nodes.
type cluster struct {
	node       string
	attendance eventlog.Attendance // nil: the server is alone
	logger     *slog.Logger
	died       atomic.Int64
}

// ClusterStats is who is in the cluster, for metrics.
type ClusterStats struct {
	// Nodes are the names of the nodes that are here, this one among them, in
	// alphabetical order.
	Nodes []string
	// Died is how many times a node was not heard for 10 s, or came back as another
	// without having said goodbye.
	Died int64
}

// ClusterStats returns who is in the cluster. A server that shares its engine with no
// other is there alone.
func (s *Server) ClusterStats() ClusterStats {
	c := s.cluster
	if c.attendance == nil {
		return ClusterStats{Nodes: []string{c.node}}
	}
	st := ClusterStats{Died: c.died.Load()}
	for _, n := range c.attendance.Nodes() {
		st.Nodes = append(st.Nodes, n.Name)
	}
	return st
}

// join has the nodes of a cluster hear of each other, and pass each other the requests
// of their sessions. It fails if the node's name is taken.
func (s *Server) join(o *Options, engine eventlog.Engine) (err error) {
	s.cluster = &cluster{node: cmp.Or(o.Node, session.DefaultNode), logger: o.Logger}
	if peers, several := engine.(transport.Peers); several {
		if err := s.transports.Join(peers, s.cluster.node); err != nil {
			return err
		}
	}
	if a, several := engine.(attendant); several {
		s.cluster.attendance, err = a.Attend(s.cluster.node, s.cluster.told)
	}
	return err
}

// told hears of another node.
func (c *cluster) told(change eventlog.NodeChange) {
	switch change.Kind {
	case eventlog.NodeArrived:
		c.logger.Info("node arrived", "node", change.Node.Name)
	case eventlog.NodeLeft:
		c.logger.Info("node left", "node", change.Node.Name)
	case eventlog.NodeDied:
		c.died.Add(1)
		c.logger.Warn("node died: it was not heard for 10 s", "node", change.Node.Name)
	case eventlog.NodeReplaced:
		c.died.Add(1)
		c.logger.Warn("node replaced: it was started again without having said goodbye", "node", change.Node.Name)
	}
}

// leave says goodbye to the other nodes.
func (c *cluster) leave() {
	if c.attendance != nil {
		c.attendance.Leave()
	}
}
