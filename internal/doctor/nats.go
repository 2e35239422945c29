package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/starling-rt/starling/eventlog/natslog"
)

// NATS looks at the servers of a cluster and at the streams there, and at monitoring
// ports if some are told.
func (r *Report) NATS(ctx context.Context, urls []string, creds string, monitors []string) {
	for _, url := range monitors {
		r.Monitor(ctx, url)
	}
	r.cluster(ctx, urls, creds)
	if len(monitors) == 0 {
		r.add(Finding{Skipped, "sync_interval", "it cannot be seen over a client's connection", "It has to be always on every server: docs/guides/cluster.md says why. --nats-monitor http://HOST:8222 looks at it."})
	}
}

func (r *Report) cluster(ctx context.Context, urls []string, creds string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := natslog.Inspect(ctx, natslog.Options{URLs: urls, CredentialsFile: creds})
	if err != nil {
		r.Problem("NATS", err.Error(), "Do the servers run, are the URLs right, and does the account allow it?")
		return
	}
	versions := map[string]bool{}
	for _, one := range s.Servers {
		what := "nats-server " + one.Name + " at " + one.URL
		if one.Err != nil {
			r.Problem(what, one.Err.Error(), "docs/guides/cluster.md has the configuration that a server needs.")
			continue
		}
		versions[one.Version] = true
		r.good(what, "version %s, JetStream is on, messages are large enough", one.Version)
	}
	if len(versions) > 1 {
		r.add(Finding{Unsure, "versions", "the servers run different ones", "That is right while they are updated, not for long."})
	}
	switch {
	case s.Cluster == "":
		r.add(Finding{Unsure, "cluster", "the server is alone", "What it has is lost with it. Run three."})
	case len(s.Servers) < 3:
		r.add(Finding{Unsure, "cluster", fmt.Sprintf("%d servers are known", len(s.Servers)), "A majority of two is both. Run three, or name them all."})
	}
	bad := 0
	clocks := map[string]bool{}
	for _, one := range s.Streams {
		if ahead := skew(one.Before, one.After, one.Told); ahead.Abs() >= clocksDiffer && !clocks[one.Leader] {
			clocks[one.Leader] = true
			r.ahead("nats-server "+one.Leader, ahead)
		}
		if one.Err != nil {
			bad++
			r.Problem("stream "+one.Name, one.Err.Error(), "If a server is away, start it again; otherwise wait until it has caught up.")
		}
	}
	switch {
	case s.StreamsErr != nil:
		r.Problem("streams", s.StreamsErr.Error(), "Without a majority of the servers there is no leader, and nothing is told or taken. Do they run?")
	case len(s.Streams) == 0:
		r.add(Finding{Skipped, "streams", "there are none yet", "The first node makes them."})
	case bad == 0:
		r.good("streams", "%d, of %d replicas each, all are well", len(s.Streams), s.Streams[0].Replicas)
	}
	r.nodes(&s)
}

// nodes tells which nodes were heard.
func (r *Report) nodes(s *natslog.State) {
	listened := s.Listened.Round(100 * time.Millisecond)
	if len(s.Nodes) == 0 {
		r.add(Finding{Skipped, "nodes", fmt.Sprintf("none was heard in %v", listened), "Each that runs says so every 2 s. Do they use these servers?"})
		return
	}
	var all []string
	for i, n := range s.Nodes {
		all = append(all, fmt.Sprintf("%s (since %s)", n.Name, time.Unix(0, n.Incarnation).UTC().Format("2006-01-02 15:04:05 MST")))
		if i > 0 && s.Nodes[i-1].Name == n.Name {
			r.add(Finding{Unsure, "node " + n.Name, "two of that name were heard", "It was started anew this moment, or two nodes have one name: give each its own."})
		}
	}
	r.good("nodes", "%d heard in %v: %s", len(all), listened, strings.Join(all, ", "))
}
