package natslog

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starling-rt/starling/internal/natstest"
)

// A stream that another node is making has a name that is taken, and is not there:
// it is waited for.
func TestStreamInTheMaking(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{})
	nc, err := c.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const notFound = `{"error":{"code":404,"err_code":10059,"description":"stream not found"}}`
	const taken = `{"error":{"code":400,"err_code":10058,"description":"stream name already in use"}}`
	want := jetstream.StreamConfig{Name: "s", Subjects: []string{"s"}}
	there := `{"config":{"name":"s","subjects":["s"],"num_replicas":1,"allow_direct":true,"allow_msg_ttl":true},"created":"2026-01-01T00:00:00Z","state":{}}`
	answers := []string{notFound, taken, notFound, notFound, taken, there}
	var mu sync.Mutex
	var asked []string
	sub, err := nc.Subscribe("api.>", func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, strings.TrimPrefix(m.Subject, "api.STREAM."))
		_ = m.Respond([]byte(answers[min(len(asked), len(answers))-1])) // who asked hears nothing, and fails
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends anyway
	e := &Engine{nc: nc}
	if e.js, err = jetstream.NewWithAPIPrefix(nc, "api"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	info, err := e.ensureStream(ctx, want)
	if err != nil || info.Config.Name != "s" {
		t.Errorf("got %v, %v, want the stream that the other node made", info, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(asked); got != "[INFO.s CREATE.s INFO.s INFO.s CREATE.s INFO.s]" {
		t.Errorf("it asked for %s", got)
	}
}
