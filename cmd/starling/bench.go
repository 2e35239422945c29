package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/starling-rt/starling/internal/bench"
	"github.com/starling-rt/starling/internal/benchdoc"
)

// benchCmd is starling bench.
type benchCmd struct {
	Scenario []string      `arg:"" optional:"" help:"append, publish, fanout, saturate, channels, hot, idle, recover, storm, slow. Default: all."`
	Duration time.Duration `help:"Of each measurement." default:"5s"`
	Conns    int           `help:"Connections of the scenarios idle (default: 10,000) and storm (15,000)."`
	Nodes    []string      `help:"Measure these nodes instead, which run already and let anybody in: publish on the first, read on all." placeholder:"URL"`
	JSON     bool          `help:"Print JSON."`
	Doc      string        `help:"Write the table into the channels section of this file." placeholder:"FILE" type:"existingfile"`
}

// Run runs the command. It starts servers of its own and stops them.
func (c *benchCmd) Run(ctx context.Context) error {
	for _, name := range c.Scenario {
		if !slices.ContainsFunc(bench.Scenarios, func(s bench.Scenario) bool { return s.Name == name }) {
			return fmt.Errorf("there is no scenario %q", name)
		}
	}
	if len(c.Nodes) > 0 {
		figures, err := bench.Across(ctx, bench.Nodes{URLs: c.Nodes}, bench.Options{Duration: c.Duration})
		return errors.Join(c.print(figures), err)
	}
	var all []bench.Figure
	for _, s := range bench.Scenarios {
		if len(c.Scenario) > 0 && !slices.Contains(c.Scenario, s.Name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", s.Name, s.Help)
		figures, err := s.Run(ctx, bench.Options{Duration: c.Duration, Conns: c.Conns})
		if err != nil {
			return err
		}
		all = append(all, figures...)
	}
	if c.Doc != "" {
		command := strings.Join(append([]string{"starling"}, os.Args[1:]...), " ")
		return benchdoc.Replace(c.Doc, "channels", bench.Report(all, command))
	}
	return c.print(all)
}

func (c *benchCmd) print(all []bench.Figure) error {
	if c.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	for _, f := range all {
		fmt.Printf("%-70s %14.2f %s\n", f.Name, f.Value, f.Unit)
	}
	return nil
}

// benchRawCmd is a process that the benchmark compares the server with.
type benchRawCmd struct{}

// Run runs the command.
func (c *benchRawCmd) Run(ctx context.Context) error { return bench.ServeRaw(ctx) }

// benchLiveCmd is a process that measures latency apart from those that make load.
type benchLiveCmd struct {
	URL string `arg:""`
}

// Run runs the command.
func (c *benchLiveCmd) Run(ctx context.Context) error {
	return bench.Live(ctx, c.URL, os.Stdin, os.Stdout)
}
