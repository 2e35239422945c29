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
	for name, row := range map[string]struct {
		answer string // with the time in place of NOW
		ahead  time.Duration
		failed bool
		want   string
	}{
		"synced":   {`{"now":"NOW","config":{"sync_interval":120000000000,"sync_always":true}}`, 0, false, "what is acknowledged is synced"},
		"lazy":     {`{"now":"NOW","config":{"sync_interval":120000000000}}`, 0, true, "it syncs every 2m0s"},
		"off":      {`{"now":"NOW","disabled":true}`, 0, true, "JetStream is off"},
		"ahead":    {`{"now":"NOW","config":{"sync_always":true}}`, time.Hour, false, "ahead of this machine's"},
		"behind":   {`{"now":"NOW","config":{"sync_always":true}}`, -time.Hour, false, "behind this machine's"},
		"no NATS":  {`<html>`, 0, true, "not that of a nats-server"},
		"not here": {``, 0, true, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if row.answer == "" || r.URL.Path != "/jsz" {
					http.NotFound(w, r)
					return
				}
				now := time.Now().Add(row.ahead).UTC().Format(time.RFC3339Nano)
				fmt.Fprint(w, strings.ReplaceAll(row.answer, "NOW", now))
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
