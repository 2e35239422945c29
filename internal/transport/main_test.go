package transport_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// portable has every test of the package run once more on the driver of a goroutine
// for each connection.
const portable = "STARLING_TEST_PORTABLE"

func TestPortableDriver(t *testing.T) {
	if os.Getenv(portable) != "" || testing.Short() {
		t.Skip("this is it already, or -short")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.timeout=5m")
	cmd.Env = append(os.Environ(), portable+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaked(10 * time.Second); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the goroutines of ours and of net/http that still run after a
// while.
func leaked(wait time.Duration) string {
	deadline := time.After(wait)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left := goroutines()
		if left == "" {
			return ""
		}
		select {
		case <-tick.C:
		case <-deadline:
			return left
		}
	}
}

func goroutines() string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for _, g := range strings.Split(string(buf), "\n\n") {
		if strings.Contains(g, "transport_test.goroutines") {
			continue
		}
		if strings.Contains(g, "starling-rt/starling/") || strings.Contains(g, "net/http.(*conn).serve") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}
