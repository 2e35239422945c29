// Package archtest holds the shape of this module as tests.
//
// It has no code of its own. Its tests fail when a package imports what it may
// not (the table in arrows_test.go names, for every package, what it may use of
// ours and of others), when a file, a function or a struct outgrows the limits
// of the style guide, and when a test waits with time.Sleep instead of forcing
// the schedule that it wants.
package archtest
