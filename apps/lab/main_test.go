package lab

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails if goroutines of the Lab are left.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaked(10 * time.Second); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the goroutines of the Lab that still run after a while.
func leaked(wait time.Duration) string {
	deadline := time.After(wait)
	for {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var left []string
		for one := range strings.SplitSeq(string(buf), "\n\n") {
			if strings.Contains(one, "apps/lab.") && !strings.Contains(one, "leaked") {
				left = append(left, one)
			}
		}
		if len(left) == 0 {
			return ""
		}
		select {
		case <-deadline:
			return strings.Join(left, "\n\n")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
