package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog/natslog"
)

// natsStart bounds how long a start waits for NATS.
const natsStart = time.Minute

// open makes the server, with its channels in a directory or in NATS JetStream.
func (c *Config) open(ctx context.Context, opts starling.Options, m *metrics) (*starling.Server, error) {
	if len(c.Store.NATS.URLs) == 0 {
		return starling.New(opts)
	}
	start, cancel := context.WithTimeout(ctx, natsStart)
	defer cancel()
	engine, err := natslog.Open(start, natslog.Options{
		URLs: c.Store.NATS.URLs, CredentialsFile: c.Store.NATS.Creds, Policies: opts.Namespaces.Policies(), Logger: c.Logger,
		CacheDir: c.cacheDir(), CacheBytes: c.Store.NATS.CacheBytes,
	})
	if err != nil {
		return nil, err
	}
	m.cache(engine)
	opts.Data, opts.Backups, opts.Engine = "", "", engine
	server, err := starling.New(opts)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return server, nil
}

// noCache is the value of NATSSettings.Cache that keeps no copies.
const noCache = "none"

// cacheDir returns where this node keeps copies of what it reads from NATS, or "".
// Nodes on one machine have a directory each.
func (c *Config) cacheDir() string {
	dir := c.Store.NATS.Cache
	if dir == noCache {
		return ""
	}
	if dir == "" { // systemd sets it for CacheDirectory=, which may name several
		dir, _, _ = strings.Cut(os.Getenv("CACHE_DIRECTORY"), ":")
	}
	if dir == "" {
		home, err := os.UserCacheDir()
		if err != nil {
			return "" // there is none
		}
		dir = filepath.Join(home, "starling")
	}
	return filepath.Join(dir, "nats-"+c.Node)
}
