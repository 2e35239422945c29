package natslog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starling-rt/starling/eventlog"
)

// State is what there is of a cluster, as far as it can be seen over connections of
// clients.
type State struct {
	Cluster string // "" of a server that is alone
	Servers []ServerState
	Streams []StreamState // those of the log; none before the first start
	// StreamsErr says why the streams are not known, nil if they are.
	StreamsErr error
	// Nodes are those that were heard, by name, while it Listened. Two of one name are
	// one that was restarted meanwhile, or two that should not have one.
	Nodes    []eventlog.Node
	Listened time.Duration
}

// ServerState is one server. Err says what is wrong with it, nil if nothing is.
type ServerState struct {
	URL, Name, Version string
	Err                error
}

// StreamState is one stream. Err says what is wrong with it, nil if nothing is.
type StreamState struct {
	Name     string
	Replicas int
	Leader   string // "" of a server that is alone
	Err      error

	// Told is the time by the leader's clock when it told this, between two times
	// of this machine.
	Before, Told, After time.Time
}

// Inspect looks at each server that the options name or that these tell of, and at
// the streams, and listens for nodes, without changing any. It fails if there is no
// connection at all.
func Inspect(ctx context.Context, o Options) (s State, err error) {
	if err := o.complete(); err != nil {
		return s, fmt.Errorf("inspect NATS: %w", err)
	}
	nc, err := o.connect()
	if err != nil {
		return s, fmt.Errorf("inspect NATS: %w", err)
	}
	defer nc.Close()
	heard, err := o.listen(nc)
	if err != nil {
		return s, fmt.Errorf("inspect NATS: %w", err)
	}
	s.Cluster = nc.ConnectedClusterName()
	urls := slices.Clone(o.URLs)
	for _, u := range nc.DiscoveredServers() {
		if !slices.ContainsFunc(urls, func(known string) bool { return strings.HasSuffix(known, u[strings.Index(u, "://")+3:]) }) {
			urls = append(urls, u)
		}
	}
	for _, u := range urls {
		s.Servers = append(s.Servers, o.inspectServer(ctx, u))
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return s, fmt.Errorf("inspect NATS: %w", err)
	}
	s.StreamsErr = again(ctx, func(ctx context.Context) error {
		s.Streams = nil
		streams := js.ListStreams(ctx, jetstream.WithStreamListSubject(o.Prefix+".>"))
		for info := range streams.Info() {
			s.Streams = append(s.Streams, inspectStream(info, s.Cluster))
		}
		return streams.Err()
	})
	for i := range s.Streams {
		one := &s.Streams[i]
		one.Before = time.Now()
		info, err := js.Stream(ctx, one.Name)
		one.After = time.Now()
		if err != nil {
			one.Err = errors.Join(one.Err, err)
			one.Told = one.After // it is not known
			continue
		}
		one.Told = info.CachedInfo().TimeStamp
	}
	slices.SortFunc(s.Streams, func(a, b StreamState) int { return strings.Compare(a.Name, b.Name) })
	s.Nodes, s.Listened = heard(ctx)
	return s, nil
}

// listenFor is how long Inspect listens at least: every node beats within that.
const listenFor = beatTicks*tickEvery + tickEvery

// listen begins to hear nodes. heard waits until all that live must have been heard,
// and returns who was, and for how long it listened.
func (o *Options) listen(nc *nats.Conn) (heard func(context.Context) ([]eventlog.Node, time.Duration), err error) {
	var mu sync.Mutex
	known := map[eventlog.Node]bool{}
	_, err = nc.Subscribe(o.beatSubject(), func(m *nats.Msg) {
		b, err := parseBeat(m.Data)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			o.Logger.Debug("a heartbeat is not understood", "err", err)
		case b.kind == beatLeaves:
			delete(known, b.node)
		case len(known) < maxNodes:
			known[b.node] = true
		}
	})
	begun := time.Now()
	return func(ctx context.Context) (all []eventlog.Node, listened time.Duration) {
		rest := time.NewTimer(listenFor - time.Since(begun))
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-ctx.Done():
		}
		mu.Lock()
		defer mu.Unlock()
		return slices.SortedFunc(maps.Keys(known), func(a, b eventlog.Node) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Incarnation, b.Incarnation))
		}), time.Since(begun)
	}, err
}

// inspectServer looks at one server, over a connection of its own.
func (o *Options) inspectServer(ctx context.Context, url string) ServerState {
	one := *o
	one.URLs = []string{url}
	s := ServerState{URL: redact(one.URLs)}
	nc, err := one.connect()
	if err != nil {
		s.Err = err
		return s
	}
	defer nc.Close()
	s.Name, s.Version = nc.ConnectedServerName(), nc.ConnectedServerVersion()
	js, err := jetstream.New(nc)
	if err == nil {
		err = checkServer(ctx, nc, js)
	}
	s.Err = err
	return s
}

func inspectStream(info *jetstream.StreamInfo, cluster string) StreamState {
	s := StreamState{Name: info.Config.Name, Replicas: info.Config.Replicas}
	if cluster == "" {
		return s
	}
	if s.Replicas < 3 {
		s.Err = fmt.Errorf("%d replicas: nats stream edit %s --replicas 3", s.Replicas, s.Name)
	}
	if info.Cluster == nil || info.Cluster.Leader == "" {
		s.Err = errors.New("it has no leader, and takes nothing")
		return s
	}
	s.Leader = info.Cluster.Leader
	for _, r := range info.Cluster.Replicas {
		if r.Offline || !r.Current {
			s.Err = errors.Join(s.Err, fmt.Errorf("the copy on %s is away or behind by %d", r.Name, r.Lag))
		}
	}
	return s
}
