package natstest_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/internal/natstest"
)

func TestOneServer(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{User: "u", Password: "p"})
	nc, err := c.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	m := c.Members[0]
	m.Kill()
	if other, err := nats.Connect(m.URL); err == nil {
		other.Close()
		t.Fatal("a killed server takes clients")
	}
	m.Restart()
	if err := c.WaitReady(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	m.Freeze()
	if other, err := nats.Connect(m.URL, nats.Timeout(200*time.Millisecond)); err == nil {
		other.Close()
		t.Fatal("a frozen server takes clients")
	}
	m.Thaw()
	if err := c.WaitReady(30 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// What the kernel gives out itself is not among the ports of servers.
func TestPortsAreTheServersOwn(t *testing.T) {
	raw, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Skip("this kernel does not tell which ports it gives out")
	}
	var lowest int
	if _, err := fmt.Sscan(string(raw), &lowest); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 100 {
		addr, err := natstest.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 20_000 || n >= lowest {
			t.Fatalf("got %s, %v; the kernel gives out ports from %d on", addr, err, lowest)
		}
		seen[addr] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 addresses are %d", len(seen))
	}
}

func TestClusterWithoutOneMember(t *testing.T) {
	c := natstest.Start(t, 3, natstest.Options{})
	c.Member("n2").Kill()
	nc, err := c.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := nc.ConnectedServerName(); got == "n2" {
		t.Fatalf("connected to %s, which is dead", got)
	}
	c.Member("n2").Restart()
	if err := c.WaitReady(time.Minute); err != nil {
		t.Fatal(err)
	}
}
