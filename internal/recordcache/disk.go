package recordcache

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is a file system for Pebble, which ends the process when it cannot write or
// a file is gone. A cache must not do that: once it is lenient, a disk tells the
// first such error to failed, and then behaves as if all was well. What it has then
// is worth nothing, and the cache throws it away.
type disk struct {
	vfs.FS
	lenient atomic.Bool
	failed  func(error)
}

// errGone is how a missing file looks to Pebble.
var errGone = errors.New("a file of the cache is gone")

// excuse returns what Pebble hears of an error of a change.
func (d *disk) excuse(err error) error {
	if err == nil || !d.lenient.Load() {
		return err
	}
	d.failed(err)
	return nil
}

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	return d.file(f, err)
}

func (d *disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(from, to, category)
	return d.file(f, err)
}

func (d *disk) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		if !d.lenient.Load() {
			return nil, err
		}
		d.failed(err)
		return nowhere{}, nil
	}
	return &file{File: f, disk: d}, nil
}

func (d *disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.Open(name, opts...)
	if errors.Is(err, os.ErrNotExist) && d.lenient.Load() && strings.HasSuffix(name, ".sst") {
		d.failed(err)
		return nil, errGone
	}
	return f, err
}

func (d *disk) Link(from, to string) error   { return d.excuse(d.FS.Link(from, to)) }
func (d *disk) Rename(from, to string) error { return d.excuse(d.FS.Rename(from, to)) }
func (d *disk) Remove(name string) error     { return d.excuse(d.FS.Remove(name)) }
func (d *disk) Unwrap() vfs.FS               { return d.FS }

// file is a file that Pebble writes.
type file struct {
	vfs.File
	disk *disk
}

func (f *file) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	if err = f.disk.excuse(err); err == nil {
		n = len(b)
	}
	return n, err
}

func (f *file) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	if err = f.disk.excuse(err); err == nil {
		n = len(b)
	}
	return n, err
}

func (f *file) Sync() error     { return f.disk.excuse(f.File.Sync()) }
func (f *file) SyncData() error { return f.disk.excuse(f.File.SyncData()) }
func (f *file) Close() error    { return f.disk.excuse(f.File.Close()) }

func (f *file) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.disk.excuse(err)
}

func (f *file) Preallocate(offset, length int64) error {
	return f.disk.excuse(f.File.Preallocate(offset, length))
}

// nowhere is a file that could not be made.
type nowhere struct{}

func (nowhere) Close() error                           { return nil }
func (nowhere) Read([]byte) (int, error)               { return 0, errGone }
func (nowhere) ReadAt([]byte, int64) (int, error)      { return 0, errGone }
func (nowhere) Write(b []byte) (int, error)            { return len(b), nil }
func (nowhere) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (nowhere) Preallocate(int64, int64) error         { return nil }
func (nowhere) Stat() (vfs.FileInfo, error)            { return nil, errGone }
func (nowhere) Sync() error                            { return nil }
func (nowhere) SyncTo(int64) (bool, error)             { return true, nil }
func (nowhere) SyncData() error                        { return nil }
func (nowhere) Prefetch(int64, int64) error            { return nil }
func (nowhere) Fd() uintptr                            { return vfs.InvalidFd }
