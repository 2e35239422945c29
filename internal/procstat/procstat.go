// Package procstat reads what a process has used, from /proc. It serves measurements,
// which run on Linux.
package procstat

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU returns the processor time that a process has used, user and system together,
// to 10 ms.
func CPU(pid int) (time.Duration, error) {
	fields, err := read(pid, "stat", 13)
	if err != nil {
		return 0, err
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// Resident returns how many bytes of memory a process has.
func Resident(pid int) (int64, error) {
	fields, err := read(pid, "statm", 2)
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// read returns the fields of one of a process's files, of which there are at least n:
// those behind its name if that stands in the file.
func read(pid int, file string, n int) ([]string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return nil, fmt.Errorf("read what a process has used: %w", err)
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < n {
		return nil, fmt.Errorf("read what a process has used: %s of process %d has %d fields", file, pid, len(fields))
	}
	return fields, nil
}
