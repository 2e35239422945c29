package natslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// State is what there is of a cluster, as far as it can be seen over connections of
// clients.
type State struct {
	Cluster string // "" of a server that is alone
	Servers []ServerState
	Streams []StreamState // those of the log; none before the first start
	// StreamsErr says why the streams are not known, nil if they are.
	StreamsErr error
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
// the streams, without changing any. It fails if there is no connection at all.
func Inspect(ctx context.Context, o Options) (s State, err error) {
	if err := o.complete(); err != nil {
		return s, fmt.Errorf("inspect NATS: %w", err)
	}
	nc, err := o.connect()
	if err != nil {
		return s, fmt.Errorf("inspect NATS: %w", err)
	}
	defer nc.Close()
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
	return s, nil
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
