package netlab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside marks the process that a test runs in, with namespaces of its own.
const inside = "STARLING_NETLAB=" // and the name of the test

// Permitted returns why there can be no network here, or nil.
func Permitted() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	f, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("TUN devices: %w", err)
	}
	_ = f.Close() // nothing was written
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.SysProcAttr = attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("namespaces: %w: %s", err, out)
	}
	return nil
}

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
}

// Run runs a test in a process with a network and mounts of its own: f is called
// there, and Run returns what became of it. before is called in this process, which
// still has the network of the machine, and returns environment variables. The test
// is skipped where that is not permitted.
func Run(t *testing.T, before func() []string, f func(t *testing.T, n *Network)) {
	t.Helper()
	if os.Getenv(strings.TrimSuffix(inside, "=")) == t.Name() {
		n, err := newNetwork(t)
		if err != nil {
			t.Fatal(err)
		}
		f(t, n)
		return
	}
	if err := Permitted(); err != nil {
		t.Skipf("no network of its own: %v", err)
	}
	cmd := exec.Command("/proc/self/exe", arguments(t.Name())...)
	cmd.Env = append(append(os.Environ(), before()...), inside+t.Name())
	cmd.SysProcAttr = attributes()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// What it says is said here as it comes.
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			t.Log(strings.TrimRight(line, "\n"))
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("read what the test says: %v", err)
			}
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the test in its own network: %v", err)
	}
}

// elsewhere are the flags that the process in the network is not to have: they name
// files that this one writes.
var elsewhere = regexp.MustCompile(`^-test\.(run|testlogfile|coverprofile|gocoverdir|outputdir|cpuprofile|memprofile|trace|v)\b`)

func arguments(test string) []string {
	args := []string{"-test.run=^" + strings.ReplaceAll(test, "/", "$/^") + "$", "-test.v"}
	for _, a := range os.Args[1:] {
		if !elsewhere.MatchString(a) {
			args = append(args, a)
		}
	}
	return args
}
