package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/starling-rt/starling/internal/doctor"
)

// doctorCmd is starling doctor.
type doctorCmd struct {
	Config  string        `help:"Configuration file; flags of serve are taken from the environment." placeholder:"FILE" env:"STARLING_CONFIG"`
	URL     string        `help:"Look at this server, through what stands before it, instead of at the machine." placeholder:"URL"`
	NATS    []string      `help:"Look at these NATS servers instead, and at the streams there." name:"nats" placeholder:"nats://HOST:4222" env:"STARLING_DOCTOR_NATS"`
	Creds   string        `help:"Credentials file for NATS." name:"nats-creds" type:"existingfile" placeholder:"FILE" env:"STARLING_DOCTOR_NATS_CREDS"`
	Monitor []string      `help:"Monitoring ports of the NATS servers, which tell whether these sync." name:"nats-monitor" placeholder:"http://HOST:8222" env:"STARLING_DOCTOR_NATS_MONITOR"`
	Token   string        `help:"Token to look at the server with." placeholder:"TOKEN"`
	Channel string        `help:"Channel to subscribe to." default:"doctor"`
	Wait    time.Duration `help:"How long to wait in a long poll, as clients do." default:"25s"`
}

// Run looks around, and fails if something is bad.
func (c *doctorCmd) Run(ctx context.Context) error {
	r := &doctor.Report{Out: os.Stdout}
	if len(c.NATS) > 0 {
		r.NATS(ctx, c.NATS, c.Creds, c.Monitor)
	} else if c.URL != "" {
		r.Server(ctx, doctor.Remote{URL: c.URL, Token: c.Token, Channel: c.Channel, Wait: c.Wait})
	} else if err := c.machine(ctx, r); err != nil {
		r.Problem("configuration", err.Error(), "The server will not start.")
	}
	if r.Failed() {
		return errors.New("something is wrong: see above")
	}
	return nil
}

func (c *doctorCmd) machine(ctx context.Context, r *doctor.Report) error {
	args := []string{"serve"}
	if c.Config != "" {
		args = append(args, "--config", c.Config)
	}
	_, all, err := parse(ctx, args)
	if err != nil {
		return err
	}
	conf, err := all.Serve.Settings.Config(all.Serve.file)
	if err != nil {
		return err
	}
	r.Machine(&conf)
	return nil
}
