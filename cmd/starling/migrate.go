package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/migrate"
)

// migrateCmd is starling migrate.
type migrateCmd struct {
	From  string   `help:"Data directory to copy; no server may use it." required:"" type:"existingdir" placeholder:"DIR"`
	To    []string `help:"NATS servers to copy to; no node may run there yet." required:"" placeholder:"nats://HOST:4222"`
	Creds string   `help:"Credentials file for NATS." type:"existingfile" placeholder:"FILE"`
	Quiet bool     `help:"Do not print each channel."`
}

// Run copies, and goes on where an earlier run was cut short.
func (c *migrateCmd) Run(ctx context.Context) (err error) {
	state, err := pebblelog.Inspect(c.From)
	if err != nil {
		return err
	}
	if !state.Exists {
		return fmt.Errorf("there is no store in %q", c.From)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	from, err := pebblelog.Open(c.From, pebblelog.Options{Policies: migrate.Keep, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	start, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	to, err := natslog.Open(start, natslog.Options{URLs: c.To, CredentialsFile: c.Creds, Policies: migrate.Keep, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	done := func(channel string, records int64) {
		if !c.Quiet {
			fmt.Printf("%s: %d\n", channel, records)
		}
	}
	r, err := migrate.Run(ctx, from, to, done)
	if err != nil {
		return fmt.Errorf("%w\nwhat was copied stays: the same command goes on behind it", err)
	}
	fmt.Printf("%d channels, %d records, %d keys and %d snapshots are there as they were; %d records were copied now, %d leases and useless snapshots were left out.\n",
		r.Channels, r.Records, r.Keys, r.Snapshots, r.Copied, r.Left)
	return nil
}
