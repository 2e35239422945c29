package natstest_test

import (
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
