package main

import (
	"context"
	"fmt"

	"github.com/starling-rt/starling/eventlog/pebblelog"
)

// backupCmd is starling backup.
type backupCmd struct {
	target `embed:""`
}

// Run runs the command.
func (c *backupCmd) Run(ctx context.Context) error {
	dir, err := c.http().Backup(ctx)
	if err != nil {
		return err
	}
	fmt.Println(dir)
	return nil
}

// restoreCmd is starling restore.
type restoreCmd struct {
	Backup string `arg:"" help:"The backup." type:"existingdir"`
	Data   string `arg:"" help:"The data directory to make: empty, or not there." type:"path"`
}

// Run runs the command.
func (c *restoreCmd) Run(context.Context) error {
	if err := pebblelog.Restore(c.Backup, c.Data, pebblelog.Options{}); err != nil {
		return err
	}
	fmt.Printf("%s is ready: starling serve --data %s\n", c.Data, c.Data)
	return nil
}
