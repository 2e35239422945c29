package netlab_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/netlab"
)

// echoAt has this program answer on an address, as a process on a host.
const echoAt = "NETLAB_ECHO"

func TestMain(m *testing.M) {
	if addr := os.Getenv(echoAt); addr != "" {
		echo(addr)
		return
	}
	os.Exit(m.Run())
}

func echo(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		buf := make([]byte, 100)
		if n, err := c.Read(buf); err == nil {
			_, _ = c.Write(buf[:n]) // who asked sees whether it comes
		}
		_ = c.Close()
	}
}

func start(t *testing.T, h *netlab.Host) string {
	t.Helper()
	addr := net.JoinHostPort(h.Addr.String(), "7000")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), echoAt+"="+addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := h.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()         // it was killed
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		took, err := ask(addr, time.Second)
		if err == nil {
			return addr
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v (%v)", addr, err, took)
		}
	}
}

// ask asks for an echo, and returns how long that took.
func ask(addr string, patience time.Duration) (time.Duration, error) {
	began := time.Now()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return time.Since(began), err
	}
	defer c.Close()
	if err := c.SetDeadline(began.Add(patience)); err != nil {
		return 0, err
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		return time.Since(began), err
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err == nil && string(buf[:n]) != "hello" {
		err = errors.New("it says " + string(buf[:n]))
	}
	return time.Since(began), err
}

func TestNetwork(t *testing.T) {
	netlab.Run(t, func() []string { return nil }, func(t *testing.T, n *netlab.Network) {
		a, b := n.Add(11), n.Add(12)
		atA, atB := start(t, a), start(t, b)
		n.Set(n.Self(), a, netlab.Link{Delay: 100 * time.Millisecond})
		if took, err := ask(atA, 5*time.Second); err != nil || took < 400*time.Millisecond {
			t.Errorf("over a slow link: %v, %v, want two ways there and back at least", took, err)
		}
		n.SetOneWay(a, n.Self(), netlab.Link{Cut: true})
		if _, err := ask(atA, 500*time.Millisecond); err == nil {
			t.Error("it answers over a link that is cut")
		}
		if _, err := ask(atB, 5*time.Second); err != nil {
			t.Errorf("over another link: %v", err)
		}
		n.Set(n.Self(), b, netlab.Link{Loss: 1})
		if _, err := ask(atB, 500*time.Millisecond); err == nil {
			t.Error("it answers though all is lost")
		}
		n.Heal()
		for _, at := range []string{atA, atB} {
			if _, err := ask(at, 5*time.Second); err != nil {
				t.Errorf("after all was healed: %v", err)
			}
		}
	})
}

func TestDisk(t *testing.T) {
	netlab.Run(t, func() []string { return nil }, func(t *testing.T, n *netlab.Network) {
		d := n.NewDisk(1 << 20)
		write := func() error { return os.WriteFile(d.Dir+"/file", []byte(strings.Repeat("x", 8192)), 0o600) }
		if err := write(); err != nil {
			t.Fatal(err)
		}
		d.Fill()
		if err := os.WriteFile(d.Dir+"/other", make([]byte, 8192), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("on a full disk: %v", err)
		}
		d.Free()
		if err := write(); err != nil {
			t.Errorf("there is room again: %v", err)
		}
	})
}
