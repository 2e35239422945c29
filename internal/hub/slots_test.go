package hub

import (
	"fmt"
	"testing"
	"time"
)

// Keys that are set once and emptied once are forgotten in the end.
func TestTombstonesGo(t *testing.T) {
	var s slots
	now := time.Now()
	const all, every = 100_000, 100 * time.Millisecond
	for i := range all {
		now = now.Add(every)
		s.set(fmt.Sprint(i), uint64(2*i+1), &Frame{}, false, now)
		s.set(fmt.Sprint(i), uint64(2*i+2), &Frame{}, true, now)
	}
	if n, most := len(s.byKey), 3*int(tombstoneLife/every); n > most {
		t.Errorf("%d keys and %d changes are kept of %d, want %d at most", n, len(s.order), all, most)
	}
}
