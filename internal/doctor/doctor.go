// Package doctor looks for what may be wrong with a machine, a configuration, or a
// server that runs, and says what to do about it.
package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Verdict is how bad a finding is.
type Verdict string

// The verdicts.
const (
	Good    Verdict = "ok"
	Unsure  Verdict = "warn" // it works, but not well, or not for long
	Bad     Verdict = "FAIL"
	Skipped Verdict = "skip" // it could not be looked at
)

// Finding is what a look at something has shown.
type Finding struct {
	Verdict Verdict
	What    string // in a few words
	Seen    string
	Do      string // what to do about it; "" if it is good
}

// Report is all that was found. Its functions print as they go.
type Report struct {
	Out      io.Writer
	Findings []Finding
}

// Failed tells whether something is bad.
func (r *Report) Failed() bool {
	for _, f := range r.Findings {
		if f.Verdict == Bad {
			return true
		}
	}
	return false
}

func (r *Report) add(f Finding) {
	r.Findings = append(r.Findings, f)
	text := fmt.Sprintf("%-5s %s: %s\n", f.Verdict, f.What, f.Seen)
	if f.Do != "" {
		text += "      " + strings.ReplaceAll(f.Do, "\n", "\n      ") + "\n"
	}
	_, _ = io.WriteString(r.Out, text) // to a terminal
}

func (r *Report) good(what, format string, args ...any) {
	r.add(Finding{Good, what, fmt.Sprintf(format, args...), ""})
}

// Problem notes that something is bad, and what to do.
func (r *Report) Problem(what, seen, do string) { r.add(Finding{Bad, what, seen, do}) }
