package natslog

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// Options are the options of an engine. Only URLs has to be set.
type Options struct {
	// URLs are where the servers listen, such as nats://host:4222. One that
	// answers is enough, the others are learned from it.
	URLs []string

	// Who the engine is: a .creds file, a file with an nkey's seed, a user with
	// a password, or a token. Default: nobody.
	CredentialsFile string
	NKeyFile        string
	User, Password  string
	Token           string
	// TLS is for servers that want it. Default: what the URLs say.
	TLS *tls.Config

	// Prefix begins the names of all streams and subjects: servers can be shared
	// by several installations. Letters, digits, "-" and "_". Default "starling".
	Prefix string

	// Partitions is the number of streams that the channels are spread over. It
	// cannot be changed once there are streams. Default 8, or what there is.
	Partitions int

	// Replicas is how many servers keep each stream. Default: 1 on a single
	// server, 3 in a cluster.
	Replicas int

	// CacheDir is a directory of this engine's own for copies of records that were
	// read and are slow to read again. It may be lost at any time. Default: none.
	CacheDir string
	// CacheBytes bounds what is there. Default 1 GiB, at least 16 MiB.
	CacheBytes int64

	// Policies tells how each channel is kept. Default: the default policy.
	Policies eventlog.Policies

	// Logger hears what operators should know. Default: slog.Default().
	Logger *slog.Logger

	// AppendTimeout is how long an append waits for its outcome before that is
	// unknown. Default 15 s: the election of a leader may take 9.
	AppendTimeout time.Duration

	// MaxInFlight and MaxInFlightBytes bound the appends without an outcome;
	// beyond them, an append is refused. Default 16,384 records, 64 MiB.
	MaxInFlight      int
	MaxInFlightBytes int64

	tick time.Duration // of attendance; default tickEvery
}

const (
	defaultPrefix     = "starling"
	defaultPartitions = 8

	// MinCacheBytes is the least of Options.CacheBytes.
	MinCacheBytes = 16 << 20
	maxPartitions = 1024
)

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func (o *Options) complete() error {
	if len(o.URLs) == 0 {
		return fmt.Errorf("no URL of a NATS server, such as nats://127.0.0.1:4222: %w", eventlog.ErrInvalid)
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if !prefixForm.MatchString(o.Prefix) {
		return fmt.Errorf("prefix %q is not 1 to 32 letters, digits, - and _: %w", o.Prefix, eventlog.ErrInvalid)
	}
	if o.Partitions < 0 || o.Partitions > maxPartitions {
		return fmt.Errorf("%d partitions, not 1 to %d: %w", o.Partitions, maxPartitions, eventlog.ErrInvalid)
	}
	if o.Replicas < 0 || o.Replicas > 5 {
		return fmt.Errorf("%d replicas, not 1 to 5: %w", o.Replicas, eventlog.ErrInvalid)
	}
	ways := 0
	for _, given := range []bool{o.CredentialsFile != "", o.NKeyFile != "", o.User != "" || o.Password != "", o.Token != ""} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return fmt.Errorf("more than one of a credentials file, an nkey file, a user and a token: %w", eventlog.ErrInvalid)
	}
	if o.CacheBytes != 0 && o.CacheBytes < MinCacheBytes {
		return fmt.Errorf("%d bytes for the cache, which needs %d: %w", o.CacheBytes, MinCacheBytes, eventlog.ErrInvalid)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.AppendTimeout <= 0 {
		o.AppendTimeout = 15 * time.Second
	}
	if o.tick <= 0 {
		o.tick = tickEvery
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 16_384
	}
	if o.MaxInFlightBytes <= 0 {
		o.MaxInFlightBytes = 64 << 20
	}
	return nil
}

// connect connects to one of the servers. From then on the connection looks for
// them by itself whenever it is lost.
func (o *Options) connect(handlers ...nats.Option) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name(o.Prefix + " (Starling)"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 400*time.Millisecond),
		// What is published while there is no connection fails at once, so that
		// it is known that it was not stored.
		nats.ReconnectBufSize(-1),
		// A server that hangs, or has been cut off, is left after 4 to 6 s: soon enough
		// for the next one to pass on that this node lives before others take it for dead.
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(5 * time.Second),
		nats.Timeout(5 * time.Second),
		nats.IgnoreAuthErrorAbort(),
	}
	switch {
	case o.CredentialsFile != "":
		opts = append(opts, nats.UserCredentials(o.CredentialsFile))
	case o.NKeyFile != "":
		opt, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the nkey file: %w", err)
		}
		opts = append(opts, opt)
	case o.User != "" || o.Password != "":
		opts = append(opts, nats.UserInfo(o.User, o.Password))
	case o.Token != "":
		opts = append(opts, nats.Token(o.Token))
	}
	if o.TLS != nil {
		opts = append(opts, nats.Secure(o.TLS))
	}
	nc, err := nats.Connect(strings.Join(o.URLs, ","), append(opts, handlers...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", redact(o.URLs), err)
	}
	return nc, nil
}

// redact returns URLs without what lets one in.
func redact(urls []string) string {
	out := make([]string, len(urls))
	for i, u := range urls {
		out[i] = u
		if scheme, rest, ok := strings.Cut(u, "://"); ok {
			if at := strings.LastIndex(rest, "@"); at >= 0 {
				out[i] = scheme + "://***@" + rest[at+1:]
			}
		}
	}
	return strings.Join(out, ", ")
}
