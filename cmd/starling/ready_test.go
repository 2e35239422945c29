package main_test

import (
	"os/exec"
	"testing"
)

// A health check succeeds while the server serves, and at no other time.
func TestReady(t *testing.T) {
	p := newProcess(t)
	p.start()
	ready := func() (string, error) {
		out, err := exec.Command(p.bin, "ready", "--url", p.url()).CombinedOutput()
		return string(out), err
	}
	if out, err := ready(); err != nil {
		t.Errorf("while it serves: %v\n%s", err, out)
	}
	p.kill()
	if out, err := ready(); err == nil || out == "" {
		t.Errorf("after it was killed: %v, it says %q", err, out)
	}
}
