package pebblelog

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// backupMark is a file that tells a backup from a store in use.
const backupMark = "STARLING-BACKUP"

// Backup copies the store into a directory that must not exist yet, while it
// goes on. The backup is the store as it was at one moment; files that do not
// change are linked where the file system can.
func (e *Engine) Backup(ctx context.Context, dir string) error {
	if err := e.enter(ctx); err != nil {
		return fmt.Errorf("back up to %q: %w", dir, err)
	}
	defer e.leave()
	if err := e.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("back up to %q: %w", dir, err)
	}
	if err := writeFile(e.opts.FS, dir, backupMark, "Restore this with pebblelog.Restore; do not open it as it is.\n"); err != nil {
		return fmt.Errorf("back up to %q: %w", dir, err)
	}
	return nil
}

// Restore copies a backup into a directory that must be empty or not exist, and
// gives the copy new epochs: clients that were ahead of the backup see that
// their positions are void.
func Restore(backup, dir string, o Options) error {
	if err := restore(backup, dir, o.withDefaults()); err != nil {
		return fmt.Errorf("restore %q to %q: %w", backup, dir, err)
	}
	return nil
}

func restore(backup, dir string, o Options) error {
	fs := o.FS
	if _, err := fs.Stat(fs.PathJoin(backup, backupMark)); err != nil {
		return fmt.Errorf("this is no backup: %w", err)
	}
	if err := mkdirNew(fs, dir); err != nil {
		return err
	}
	// Until it is done the copy is marked as a backup: half of one is not opened.
	if err := writeFile(fs, dir, backupMark, "A restore was under way here. Remove this directory and restore again.\n"); err != nil {
		return err
	}
	names, err := fs.List(backup)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == backupMark || name == "LOCK" {
			continue
		}
		if err := vfs.Copy(fs, fs.PathJoin(backup, name), fs.PathJoin(dir, name)); err != nil {
			return err
		}
	}
	if err := renew(dir, o); err != nil {
		return err
	}
	if err := fs.Remove(fs.PathJoin(dir, backupMark)); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// renew gives a store new epochs.
func renew(dir string, o Options) (err error) {
	lock, err := pebble.LockDirectory(dir, o.FS)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	e := &Engine{dir: dir, opts: o, lock: lock}
	if err := e.openStore(); err != nil {
		if e.db != nil {
			err = errors.Join(err, e.db.Close())
		}
		return err
	}
	s := e.committer.store
	s.epoch, s.unsyncedEpoch, s.clean = newEpoch(), newEpoch(), true
	return errors.Join(e.db.Set([]byte{rowStore}, encodeStore(&s), pebble.Sync), e.db.Close())
}

func writeFile(fs vfs.FS, dir, name, text string) (err error) {
	f, err := fs.Create(fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return syncDir(fs, dir)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
