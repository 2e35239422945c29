package main_test

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// Nodes that run already can be measured.
func TestBenchNodes(t *testing.T) {
	p := newProcess(t)
	p.start()
	defer p.kill()
	out, err := exec.Command(p.bin, "bench", "--nodes", p.url(), "--nodes", p.url(), "--duration", "300ms", "--json").Output()
	if err != nil {
		t.Fatalf("bench: %v", err)
	}
	var figures []struct {
		Name  string
		Value float64
	}
	if err := json.Unmarshal(out, &figures); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	got := map[string]float64{}
	for _, f := range figures {
		got[f.Name] = f.Value
	}
	// Each of 300 readers gets each publication.
	ratio := got["deliveries meanwhile"] / got["publications at full speed"]
	if len(figures) != 4 || got["publication to delivery, p50"] <= 0 || ratio < 299 || ratio > 301 {
		t.Errorf("got %v", got)
	}
}
