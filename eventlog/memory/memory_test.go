package memory_test

import (
	"testing"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

func TestConformance(t *testing.T) {
	logtest.Run(t, logtest.Harness{
		Open: func(_ testing.TB, p eventlog.Policies) eventlog.Engine {
			return memory.New(memory.Options{Policies: p})
		},
	})
}
