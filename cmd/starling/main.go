// Command starling is the Starling server, and a few tools to speak to one.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/internal/app"
)

// cli is the command line. Each flag has an environment variable STARLING_….
type cli struct {
	Serve     serveCmd     `cmd:"" help:"Run the server."`
	Publish   publishCmd   `cmd:"" help:"Publish JSON to a channel."`
	Subscribe subscribeCmd `cmd:"" help:"Follow a channel, like tail -f."`
	History   historyCmd   `cmd:"" help:"Print what a channel keeps."`
	Backup    backupCmd    `cmd:"" help:"Have a running server make a backup."`
	Restore   restoreCmd   `cmd:"" help:"Make a data directory of a backup."`
	Bench     benchCmd     `cmd:"" help:"Measure a server."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	var c cli
	k := kong.Parse(&c, kong.Name("starling"), kong.Description("A real-time server for web applications."),
		kong.UsageOnError(), kong.DefaultEnvars("STARLING"), kong.BindTo(ctx, (*context.Context)(nil)))
	if err := k.Run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "starling:", err)
		os.Exit(1)
	}
}

// serveCmd is starling serve.
type serveCmd struct {
	Listen         string        `help:"Address to listen on. Default :8080, with --dev 127.0.0.1:8080." placeholder:"ADDR"`
	Data           string        `help:"Directory to keep channels in, or :memory: to keep nothing." default:"./data" placeholder:"DIR"`
	Backups        string        `help:"Directory in which the HTTP API may make backups." placeholder:"DIR"`
	Dev            bool          `help:"For development: anonymous clients may do everything, pages of this machine may connect."`
	Apps           bool          `help:"Serve the applications."`
	APIKey         []string      `help:"A key that opens the HTTP API. May be repeated." placeholder:"KEY"`
	Config         string        `help:"Configuration file." placeholder:"FILE" type:"existingfile"`
	AllowedOrigins []string      `help:"Origins of pages that may connect, or *." placeholder:"ORIGIN"`
	Drain          time.Duration `help:"How long to spread the goodbye over at the end." default:"5s"`
	Node           string        `help:"Name of this node." default:"n1"`
	Pprof          bool          `help:"Serve /debug/pprof/ to clients on this machine."`
	LogFormat      string        `help:"text or json." enum:"text,json" default:"text"`
	LogLevel       slog.Level    `help:"debug, info, warn or error." default:"info"`
	Limits         limitFlags    `embed:"" prefix:"limit-"`
}

type limitFlags struct {
	MaxMessage   int           `help:"Bytes of a message." default:"65536" name:"message"`
	MaxChannels  int           `help:"Subscriptions of a session." default:"128" name:"channels"`
	MaxSessions  int           `help:"Sessions of the server; 0 is no limit." default:"0" name:"sessions"`
	CommandRate  float32       `help:"Commands a second of a session; -1 is no limit." default:"100" name:"rate"`
	CommandBurst float32       `help:"Commands at once of a session." default:"200" name:"burst"`
	AddressRate  float32       `help:"Commands a second of an address; -1 is no limit." default:"2000" name:"address-rate"`
	AddressBurst float32       `help:"Commands at once of an address." default:"4000" name:"address-burst"`
	Ping         time.Duration `help:"Time between heartbeats." default:"25s" name:"ping"`
	Pong         time.Duration `help:"Time to answer one." default:"10s" name:"pong"`
	NoDeflate    bool          `help:"No compression of WebSocket messages." name:"no-compression"`
}

// Run runs the command.
func (c *serveCmd) Run(ctx context.Context) error {
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel})
	if c.LogFormat == "json" {
		handler = slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel})
	}
	drain := c.Drain
	if c.Dev {
		drain = min(drain, 500*time.Millisecond)
	}
	l := c.Limits
	return app.Run(ctx, app.Config{
		Listen: c.Listen, Data: c.Data, Backups: c.Backups, Dev: c.Dev, Apps: c.Apps, APIKeys: c.APIKey, ConfigFile: c.Config,
		AllowedOrigins: c.AllowedOrigins, Drain: drain, Node: c.Node, Pprof: c.Pprof, Logger: slog.New(handler),
		Limits: starling.Limits{
			MaxMessage: l.MaxMessage, MaxChannels: l.MaxChannels, MaxSessions: l.MaxSessions,
			CommandRate: l.CommandRate, CommandBurst: l.CommandBurst, AddressRate: l.AddressRate, AddressBurst: l.AddressBurst,
			PingInterval: l.Ping, PongWait: l.Pong, NoCompression: l.NoDeflate,
		},
	})
}
