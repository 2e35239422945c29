package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory has the garbage collector keep the program within nine tenths of the
// memory that its control group may use, unless GOMEMLIMIT says otherwise. Without
// it a container is killed before the collector sees a need.
func limitMemory(root fs.FS, logger *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	most, err := groupMemory(root)
	switch {
	case err != nil:
		logger.Debug("it is not known how much memory there may be", "err", err)
	case most > 0:
		debug.SetMemoryLimit(most / 10 * 9)
		logger.Info("memory is limited by the control group", "bytes", most)
	}
}

// groupMemory returns how many bytes the control group of this process may use; 0 is
// no limit.
func groupMemory(root fs.FS) (int64, error) {
	raw, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, err
	}
	least := int64(0)
	for line := range strings.Lines(string(raw)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(parts) != 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", "memory.max"
		if strings.Contains(","+parts[1]+",", ",memory,") { // version 1
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		// A limit of a group above holds as well; in a container only the top is seen.
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			n, err := readLimit(root, path.Join(dir, at, file))
			if err != nil {
				return 0, err
			}
			if n > 0 && (least == 0 || n < least) {
				least = n
			}
			if at == "/" {
				break
			}
		}
	}
	return least, nil
}

// noLimit is from where on version 1 means none.
const noLimit = 1 << 60

func readLimit(root fs.FS, name string) (int64, error) {
	raw, err := fs.ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && strings.TrimSpace(string(raw)) == "max" {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if n >= noLimit {
		n = 0
	}
	return n, err
}
