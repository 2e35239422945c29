package starlingtest_test

import (
	"context"
	"testing"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/starlingtest"
)

func TestServer(t *testing.T) {
	s := starlingtest.New(t, func(o *starling.Options) {
		o.Namespaces = starling.Namespaces{"open": {Anonymous: []starling.Verb{starling.Subscribe}}}
	})
	room := s.Subscribe("room:1", s.Token("ann", map[string][]auth.Verb{"room:*": {auth.Subscribe}}))
	open := s.Subscribe("open:1", "")
	s.Publish("room:1", map[string]int{"a": 1, "b": 2})
	if p := room.Expect(map[string]any{"b": 2, "a": 1}); p.Channel != "room:1" {
		t.Errorf("got %+v", p)
	}
	if _, err := s.Client().Publish(t.Context(), "open:1", "hello", client.Publication{User: "bob"}); err != nil {
		t.Fatal(err)
	}
	if p := open.Expect("hello"); p.User != "bob" {
		t.Errorf("got %+v", p)
	}
	before := s.Server()
	s.Restart()
	if s.Server() == before {
		t.Error("it is the same server")
	}
	s.Publish("room:1", "after the restart")
	room.Expect("after the restart")
}

// A program that sends what its users say to all, and how it is tested.
func Example() {
	say := func(s *starling.Server, user, text string) error {
		_, err := s.Publish(context.Background(), "chat", map[string]string{"text": text}, starling.Publication{User: user})
		return err
	}
	// In a test function of its own, t is its parameter.
	test := func(t *testing.T) {
		s := starlingtest.New(t)
		chat := s.Subscribe("chat", s.Token("bob", map[string][]auth.Verb{"chat": {auth.Subscribe}}))
		if err := say(s.Server(), "ann", "hello"); err != nil {
			t.Fatal(err)
		}
		chat.Expect(map[string]string{"text": "hello"})
	}
	_ = test
}
