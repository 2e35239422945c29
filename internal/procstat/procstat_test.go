package procstat_test

import (
	"os"
	"testing"

	"github.com/starling-rt/starling/internal/procstat"
)

func TestProcess(t *testing.T) {
	before, err := procstat.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	held := make([]byte, 32<<20)
	for used := before; used < before+2e7; { // until 20 ms are counted
		for i := range held {
			held[i]++
		}
		if used, err = procstat.CPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if bytes, err := procstat.Resident(os.Getpid()); err != nil || bytes < int64(len(held)) {
		t.Errorf("got %d bytes, %v; %d are in use", bytes, err, len(held))
	}
	const nobody = 1 << 30 // no process has such a number
	if _, err := procstat.CPU(nobody); err == nil {
		t.Error("a process that does not exist used CPU")
	}
	if _, err := procstat.Resident(nobody); err == nil {
		t.Error("a process that does not exist holds memory")
	}
}
