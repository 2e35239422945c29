package hub

import (
	"testing"

	"github.com/starling-rt/starling/eventlog/memory"
)

// A subscription that is closed before it starts stays away.
func TestStartAfterClose(t *testing.T) {
	h, _ := newHub(t, memory.New(memory.Options{}), Options{Workers: 1})
	s, _ := join(t, h, "c", &sink{}, Join{})
	s.Close()
	s.Start()
	l := &s.channel.rosters[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.subs) != 0 {
		t.Errorf("%d subscriptions in the roster, want none", len(l.subs))
	}
}
