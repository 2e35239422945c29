package doctor_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/doctor"
)

// What a monitoring port tells becomes what to do about it.
func TestMonitor(t *testing.T) {
	stamp := func(ahead time.Duration) string { return time.Now().Add(ahead).UTC().Format(time.RFC3339Nano) }
	for name, row := range map[string]struct {
		answer string
		failed bool
		want   string
	}{
		"synced":   {`{"now":"` + stamp(0) + `","config":{"sync_interval":120000000000,"sync_always":true}}`, false, "what is acknowledged is synced"},
		"lazy":     {`{"now":"` + stamp(0) + `","config":{"sync_interval":120000000000}}`, true, "it syncs every 2m0s"},
		"off":      {`{"now":"` + stamp(0) + `","disabled":true}`, true, "JetStream is off"},
		"ahead":    {`{"now":"` + stamp(time.Hour) + `","config":{"sync_always":true}}`, false, "ahead of this machine's"},
		"behind":   {`{"now":"` + stamp(-time.Hour) + `","config":{"sync_always":true}}`, false, "behind this machine's"},
		"no NATS":  {`<html>`, true, "not that of a nats-server"},
		"not here": {``, true, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if row.answer == "" || r.URL.Path != "/jsz" {
					http.NotFound(w, r)
					return
				}
				fmt.Fprint(w, row.answer)
			}))
			defer s.Close()
			r := &doctor.Report{Out: io.Discard}
			r.Monitor(t.Context(), s.URL+"/")
			if text := fmt.Sprint(r.Findings); r.Failed() != row.failed || !strings.Contains(text, row.want) {
				t.Errorf("failed %v, got %s, want %s", r.Failed(), text, row.want)
			}
			if clock := strings.Contains(fmt.Sprint(r.Findings), "clock"); clock != (name == "ahead" || name == "behind") {
				t.Errorf("it tells of clocks: %v", clock)
			}
		})
	}
}
