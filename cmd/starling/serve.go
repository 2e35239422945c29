package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"

	"github.com/starling-rt/starling/internal/app"
)

// arguments are those of the command line.
type arguments []string

// serveCmd is starling serve.
type serveCmd struct {
	Config       string `help:"Configuration file, in YAML or JSON." placeholder:"FILE"`
	app.Settings `embed:""`

	file *app.File
}

// BeforeResolve reads the configuration file, which tells what neither a flag nor
// the environment does.
func (c *serveCmd) BeforeResolve(k *kong.Context) error {
	name := ""
	for _, flag := range k.Flags() {
		if flag.Name == "config" && flag.Target.Addr().Interface() == &c.Config {
			name, _ = k.FlagValue(flag).(string) // it is one
		}
	}
	if name == "" {
		return nil
	}
	file, err := app.ReadFile(name)
	if err != nil {
		return fileError{err}
	}
	c.file = file
	k.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, env := range flag.Envs {
			if _, set := os.LookupEnv(env); set {
				return nil, nil
			}
		}
		return file.Value(flag.Target.Addr().Interface(), &c.Settings), nil
	}))
	return nil
}

// fileError is what is wrong with the configuration file.
type fileError struct{ error }

// Run runs the command.
func (c *serveCmd) Run(ctx context.Context, args arguments) error {
	conf, err := c.Settings.Config(c.file)
	if err != nil {
		return err
	}
	conf.Level = &slog.LevelVar{}
	conf.Level.Set(c.LogLevel)
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: conf.Level})
	if c.LogFormat == "json" {
		handler = slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: conf.Level})
	}
	conf.Logger = slog.New(handler)
	format := c.LogFormat
	conf.Reread = func() (app.Config, error) {
		_, again, err := parse(ctx, args)
		if err != nil {
			return app.Config{}, err
		}
		if again.Serve.LogFormat != format {
			return app.Config{}, errors.New("logFormat cannot change while the server runs: restart it")
		}
		return again.Serve.Settings.Config(again.Serve.file)
	}
	return app.Run(ctx, conf)
}

// checkConfigCmd is starling check-config.
type checkConfigCmd struct {
	File string `arg:"" help:"The file." placeholder:"FILE"`
}

// Run reads the file as serve would.
func (c *checkConfigCmd) Run(ctx context.Context) error {
	_, all, err := parse(ctx, []string{"serve", "--config", c.File})
	if err != nil {
		return err
	}
	if _, err := all.Serve.Settings.Config(all.Serve.file); err != nil {
		return err
	}
	fmt.Printf("%s is fine.\n", c.File)
	return nil
}

// versionCmd is starling version.
type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("starling", app.Version())
	return nil
}
