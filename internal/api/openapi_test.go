package api

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The description names the routes that there are, and no others.
func TestOpenAPINamesTheRoutes(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, methods := range doc.Paths {
		for method := range methods {
			described[strings.ToUpper(method)+" /api/v1"+path] = true
		}
	}
	served := map[string]bool{"GET " + openAPIPath: true}
	h := New(Config{})
	for _, r := range h.routes() {
		served[r.pattern] = true
	}
	if got, want := slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(served)); !slices.Equal(got, want) {
		t.Errorf("described %q\nserved %q", got, want)
	}
	var batch struct {
		Components struct {
			Schemas struct {
				Batch struct {
					Items struct {
						Properties map[string]json.RawMessage `json:"properties"`
					} `json:"items"`
				}
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(OpenAPI, &batch); err != nil {
		t.Fatal(err)
	}
	calls := append(slices.Collect(maps.Keys(h.calls)), "publish")
	slices.Sort(calls)
	if got := slices.Sorted(maps.Keys(batch.Components.Schemas.Batch.Items.Properties)); !slices.Equal(got, calls) {
		t.Errorf("a batch is described with %q, and has %q", got, calls)
	}
}
