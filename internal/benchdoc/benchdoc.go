// Package benchdoc rewrites one section of docs/benchmarks.md, so that each
// benchmark command owns its part of that page and leaves the rest alone.
//
// A section stands between two comment lines:
//
//	<!-- begin NAME -->
//	<!-- end NAME -->
package benchdoc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// ErrNoSection is returned by Replace when the file has no section of that name.
var ErrNoSection = errors.New("benchdoc: no such section")

// Replace puts body between the marks of the named section of the file, and
// keeps everything else as it is.
func Replace(file, section string, body []byte) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read %q: %w", file, err)
	}
	begin := []byte("<!-- begin " + section + " -->\n")
	end := []byte("<!-- end " + section + " -->")
	head, rest, found := bytes.Cut(old, begin)
	_, tail, closed := bytes.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%q in %q: %w", section, file, ErrNoSection)
	}
	text := bytes.Join([][]byte{head, begin, bytes.TrimSpace(body), []byte("\n"), end, tail}, nil)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write %q: %w", file, err)
	}
	return nil
}
