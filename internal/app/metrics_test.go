package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the metrics say after something has happened.
func TestMetrics(t *testing.T) {
	addr, stop := run(t, Config{Data: t.TempDir(), Dev: true})
	url := "http://" + addr
	for range 3 {
		if status, body := request(t, "POST", url+"/api/v1/publish", `{"channel":"c","data":1}`); status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
	}
	request(t, "GET", url+"/poll?channel=c", "")
	request(t, "GET", url+"/poll?channel=c&wait=0&since=AAAA", "")
	_, text := request(t, "GET", url+"/metrics", "")
	for _, want := range []string{
		`starling_sessions_ended_total\{reason="client_left"\} 1`, `starling_sync_seconds_count [1-9]`, `starling_commit_seconds_count [1-9]`,
		`starling_commit_appends_sum [1-9]`, `starling_sent_bytes_total [1-9]`, `starling_sessions_opened_total [1-9]`, `starling_recoveries_total 0`,
		`starling_delivery_seconds_count 0`, `starling_slow_writes_total 0`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s is missing", want)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// The guide names every metric.
func TestMetricsAreInTheGuide(t *testing.T) {
	addr, stop := run(t, Config{Data: Memory, Dev: true})
	_, text := request(t, "GET", "http://"+addr+"/metrics", "")
	if err := stop(); err != nil {
		t.Error(err)
	}
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^# TYPE (starling_\w+) `).FindAllStringSubmatch(text, -1)
	if len(names) < 20 {
		t.Fatalf("got %d metrics", len(names))
	}
	for _, m := range names {
		if !strings.Contains(string(guide), "`"+m[1]+"`") {
			t.Errorf("the guide does not name %s", m[1])
		}
	}
}
