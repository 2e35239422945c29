package pebblelog

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrInUse says that another process has the directory.
var ErrInUse = errors.New("another server uses the directory")

// State is what a directory holds.
type State struct {
	Exists bool // there is a store
	Clean  bool // it was shut down in good order
}

// Inspect looks into a directory on this machine without changing the store in it.
// Errors say why Open would fail, and wrap [ErrInUse] if another process has it.
func Inspect(dir string) (s State, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the store in %q is damaged (restore a backup): %v", dir, r)
		}
	}()
	list, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(list) == 0 {
		return State{}, nil
	}
	if err != nil {
		return State{}, err
	}
	if _, err := os.Stat(vfs.Default.PathJoin(dir, backupMark)); err == nil {
		return State{}, fmt.Errorf("%q is a backup: restore it into another directory", dir)
	}
	if !slices.ContainsFunc(list, func(f os.DirEntry) bool { return strings.HasPrefix(f.Name(), "MANIFEST-") }) {
		return State{}, fmt.Errorf("%q holds other things, and no store: choose an empty directory", dir)
	}
	lock, err := pebble.LockDirectory(dir, vfs.Default)
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return State{}, err
	}
	if err != nil {
		return State{}, fmt.Errorf("%w: %q", ErrInUse, dir)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	e := &Engine{dir: dir, opts: Options{}.withDefaults(), lock: lock}
	o := e.pebbleOptions()
	o.ReadOnly, o.ErrorIfNotExists, o.Logger, o.EventListener = true, true, silent{}, nil
	e.db, err = pebble.Open(dir, o)
	if err != nil {
		return State{}, fmt.Errorf("the store in %q cannot be read (restore a backup): %w", dir, err)
	}
	defer func() { err = errors.Join(err, e.db.Close()) }()
	value, err := e.get([]byte{rowStore})
	if err != nil {
		return State{}, fmt.Errorf("the store in %q cannot be read: %w", dir, err)
	}
	kept, err := decodeStore(value)
	if err != nil {
		return State{}, err
	}
	if kept.version > formatVersion {
		return State{}, fmt.Errorf("the store in %q has format %d, and this program knows formats up to %d: use a newer one", dir, kept.version, formatVersion)
	}
	return State{Exists: true, Clean: kept.clean}, nil
}

// silent is a logger for who only looks.
type silent struct{}

func (silent) Infof(string, ...any)              {}
func (silent) Errorf(string, ...any)             {}
func (silent) Fatalf(format string, args ...any) { panic(fmt.Errorf(format, args...)) }
