package eventlog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/starling-rt/starling/eventlog"
)

func TestCheckNode(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "node-1": true, "Köln_2": true, strings.Repeat("x", 64): true,
		"": false, "a.b": false, "a b": false, "a\tb": false, "a\n": false, "\x00": false, "\xff": false,
		strings.Repeat("x", 65): false,
	} {
		if err := eventlog.CheckNode(name); (err == nil) != good || err != nil && !errors.Is(err, eventlog.ErrInvalid) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
