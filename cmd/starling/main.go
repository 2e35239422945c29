// Command starling is the Starling server, and a few tools to speak to one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line. Each flag has an environment variable STARLING_….
type cli struct {
	Serve     serveCmd     `cmd:"" help:"Run the server."`
	Publish   publishCmd   `cmd:"" help:"Publish JSON to a channel."`
	Subscribe subscribeCmd `cmd:"" help:"Follow a channel, like tail -f."`
	History   historyCmd   `cmd:"" help:"Print what a channel keeps."`
	Backup    backupCmd    `cmd:"" help:"Have a running server make a backup."`
	Restore   restoreCmd   `cmd:"" help:"Make a data directory of a backup."`
	Migrate   migrateCmd   `cmd:"" help:"Copy a data directory into NATS."`
	Bench     benchCmd     `cmd:"" help:"Measure a server."`
	BenchRaw  benchRawCmd  `cmd:"" hidden:""`
	BenchLive benchLiveCmd `cmd:"" hidden:""`

	Token       tokenCmd       `cmd:"" help:"Print a token for a client."`
	CheckConfig checkConfigCmd `cmd:"" help:"Say what is wrong with a configuration file."`
	Doctor      doctorCmd      `cmd:"" help:"Look for what may be wrong with a machine, a configuration, or a server."`
	Ready       readyCmd       `cmd:"" help:"Ask a server whether it is ready, and fail if not: for health checks."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:]))
}

// run runs the command line, and returns the exit code.
func run(ctx context.Context, args []string) int {
	k, _, err := parse(ctx, args)
	if err == nil {
		err = k.Run()
	}
	if err == nil || errors.Is(err, context.Canceled) {
		return 0
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(os.Stderr, "starling:", line)
	}
	var usage *kong.ParseError
	var file fileError
	if errors.As(err, &usage) && !errors.As(err, &file) {
		fmt.Fprintln(os.Stderr, "starling: --help lists what there is")
		return 2
	}
	return 1
}

// parse reads a command line, the environment, and the file that either names.
func parse(ctx context.Context, args []string) (*kong.Context, *cli, error) {
	c := &cli{}
	k, err := kong.New(c, kong.Name("starling"), kong.Description("A real-time server for web applications."),
		kong.DefaultEnvars("STARLING"), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(arguments(args)))
	if err != nil {
		return nil, nil, err
	}
	kctx, err := k.Parse(args)
	return kctx, c, err
}
