package natslog_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// Nodes ask each other by their names, and get what is longer than a message.
func TestNodesAskEachOther(t *testing.T) {
	o := fresh(one)
	a, b := open(t, o), open(t, o)
	long := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	asked := make(chan string, 1)
	stop, err := b.Answer("node b", func(_ context.Context, question []byte) []byte {
		asked <- string(question)
		return long
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Ask(t.Context(), "node b", []byte("how long?"))
	if err != nil || !bytes.Equal(got, long) {
		t.Fatalf("got %d bytes and %v, want %d bytes", len(got), err, len(long))
	}
	if question := <-asked; question != "how long?" {
		t.Errorf("it was asked %q", question)
	}
	if _, err := a.Answer("node b", nil); !errors.Is(err, eventlog.ErrInvalid) {
		t.Errorf("a name that is taken: got %v, want ErrInvalid", err)
	}
	if got, err := a.Ask(t.Context(), "c", []byte("?")); got != nil || err != nil {
		t.Errorf("a node that does not exist: got %q and %v, want nothing", got, err)
	}
	stop()
	if got, err := a.Ask(t.Context(), "node b", []byte("?")); got != nil || err != nil {
		t.Errorf("a node that has gone: got %q and %v, want nothing", got, err)
	}
	if again, err := b.Answer("node b", nil); err != nil {
		t.Errorf("the name is free: %v", err)
	} else {
		again()
	}
}

// An answer may take longer than a dead node is waited for; who asks may give up.
func TestNodeThatTakesItsTime(t *testing.T) {
	o := fresh(one)
	a, b := open(t, o), open(t, o)
	stop, err := b.Answer("b", func(ctx context.Context, question []byte) []byte {
		wait := time.NewTimer(6 * time.Second)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		return question
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Ask(ctx, "b", []byte("?")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who gives up: got %v", err)
	}
	if got, err := a.Ask(t.Context(), "b", []byte("slow")); err != nil || string(got) != "slow" {
		t.Errorf("got %q and %v", got, err)
	}
	stop()
}
