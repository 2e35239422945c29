package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk is a file system of its own, which can be full.
type Disk struct {
	Dir string
	tb  testing.TB
}

// NewDisk mounts a disk with room for so many bytes. It ends with the test.
func (n *Network) NewDisk(bytes int64) *Disk {
	n.tb.Helper()
	d := &Disk{Dir: filepath.Join(n.tb.TempDir(), "disk"), tb: n.tb}
	if err := os.Mkdir(d.Dir, 0o755); err != nil {
		n.tb.Fatal(err)
	}
	if err := unix.Mount("tmpfs", d.Dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		n.tb.Fatalf("mount a disk: %v", err)
	}
	n.tb.Cleanup(func() {
		if err := unix.Unmount(d.Dir, unix.MNT_DETACH); err != nil {
			n.tb.Errorf("unmount a disk: %v", err)
		}
	})
	return d
}

func (d *Disk) filler() string { return filepath.Join(d.Dir, "filler") }

// Fill leaves no room on the disk.
func (d *Disk) Fill() {
	d.tb.Helper()
	f, err := os.Create(d.filler())
	if err != nil {
		d.tb.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		switch _, err := f.Write(block); {
		case errors.Is(err, unix.ENOSPC):
			block = block[:len(block)/2] // whatever is left
		case err != nil:
			d.tb.Fatal(err)
		}
	}
}

// Free gives the room back that Fill took.
func (d *Disk) Free() {
	d.tb.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.tb.Fatal(err)
	}
}
