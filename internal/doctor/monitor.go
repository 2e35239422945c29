package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// clocksDiffer is how far clocks may differ: ages of publications and the ends of
// leases are judged by them.
const clocksDiffer = time.Second

// monitored is what a nats-server tells on its monitoring port, of what matters here.
type monitored struct {
	Now      time.Time `json:"now"`
	Disabled bool      `json:"disabled"`
	Config   struct {
		SyncInterval time.Duration `json:"sync_interval"`
		SyncAlways   bool          `json:"sync_always"`
	} `json:"config"`
}

// Monitor looks at the monitoring port of a nats-server, which tells what clients do
// not hear: whether it syncs, and its clock.
func (r *Report) Monitor(ctx context.Context, url string) {
	what := "monitoring at " + url
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	before := time.Now()
	seen, err := monitor(ctx, strings.TrimSuffix(url, "/")+"/jsz?config=true")
	if err != nil {
		r.Problem(what, err.Error(), "Is it the URL of http_port in the server's configuration, such as http://host:8222?")
		return
	}
	switch {
	case seen.Disabled:
		r.Problem(what, "JetStream is off", "docs/guides/cluster.md has the configuration that a server needs.")
	case !seen.Config.SyncAlways:
		r.Problem(what, fmt.Sprintf("it syncs every %v", seen.Config.SyncInterval),
			"A power cut of all servers takes what was acknowledged since. Set sync_interval: always in its jetstream block.")
	default:
		r.good(what, "what is acknowledged is synced")
	}
	r.ahead(what, skew(before, time.Now(), seen.Now))
}

func monitor(ctx context.Context, url string) (seen monitored, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return seen, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return seen, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return seen, fmt.Errorf("it answers %s", res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&seen); err != nil {
		return seen, fmt.Errorf("its answer is not that of a nats-server: %w", err)
	}
	return seen, nil
}

// skew returns how far a clock is ahead that was read between two times of ours, for
// certain: 0 if it may have been right.
func skew(before, after, then time.Time) time.Duration {
	switch {
	case then.Before(before):
		return then.Sub(before)
	case then.After(after):
		return then.Sub(after)
	}
	return 0
}

// ahead tells of a clock that differs from this machine's.
func (r *Report) ahead(whose string, by time.Duration) {
	if by.Abs() < clocksDiffer {
		return
	}
	way := "ahead of"
	if by < 0 {
		way = "behind"
	}
	r.add(Finding{Unsure, "clock of " + whose, fmt.Sprintf("it is %v %s this machine's", by.Abs().Round(100*time.Millisecond), way), "Keep the clocks of servers and nodes with NTP: ages of publications and ends of leases are judged by them."})
}
