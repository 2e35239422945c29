package app

import (
	"context"
	"errors"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog/natslog"
)

// natsStart bounds how long a start waits for NATS.
const natsStart = time.Minute

// open makes the server, with its channels in a directory or in NATS JetStream.
func (c *Config) open(ctx context.Context, opts starling.Options) (*starling.Server, error) {
	if len(c.Store.NATS.URLs) == 0 {
		return starling.New(opts)
	}
	start, cancel := context.WithTimeout(ctx, natsStart)
	defer cancel()
	engine, err := natslog.Open(start, natslog.Options{
		URLs: c.Store.NATS.URLs, CredentialsFile: c.Store.NATS.Creds, Policies: opts.Namespaces.Policies(), Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	opts.Data, opts.Backups, opts.Engine = "", "", engine
	server, err := starling.New(opts)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return server, nil
}
