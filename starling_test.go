package starling_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/protocol"
)

func newServer(t *testing.T, o starling.Options) (*starling.Server, string) {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := starling.New(o)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Shutdown(ctx, 0); err != nil {
			t.Error(err)
		}
		hs.Close()
	})
	return s, hs.URL
}

// stream opens an SSE stream and returns its events' data, by their names.
func stream(t *testing.T, url string) func() (event string, m map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	return func() (event string, m map[string]any) {
		t.Helper()
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				event = name
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &m); err != nil {
					t.Fatal(err)
				}
				return event, m
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return "", nil
	}
}

func TestServerSideSubscription(t *testing.T) {
	s, url := newServer(t, starling.Options{Dev: true})
	next := stream(t, url+"/sse?channel=news")
	_, m := next()
	id, ok := m["session"].(string)
	if !ok {
		t.Fatalf("no session in %v", m)
	}
	if err := s.SubscribeSession(id, "inbox:ana"); err != nil {
		t.Fatal(err)
	}
	if event, m := next(); event != "subscribed" || m["channel"] != "inbox:ana" {
		t.Fatalf("got %s %v", event, m)
	}
	if _, err := s.Publish(context.Background(), "inbox:ana", "hello", starling.Publication{User: "bo"}); err != nil {
		t.Fatal(err)
	}
	if event, m := next(); event != "" || m["data"] != "hello" || m["user"] != "bo" {
		t.Fatalf("got %s %v", event, m)
	}
	if err := s.UnsubscribeSession(id, "inbox:ana"); err != nil {
		t.Fatal(err)
	}
	if event, m := next(); event != "unsubscribed" || m["channel"] != "inbox:ana" {
		t.Fatalf("got %s %v", event, m)
	}
	var gone *protocol.Error
	if err := s.UnsubscribeSession(id, "inbox:ana"); !errors.As(err, &gone) || gone.Code != protocol.NotThere {
		t.Errorf("got %v, want not_subscribed", err)
	}
	if err := s.SubscribeSession("n1.nobody", "news"); !errors.As(err, &gone) || gone.Code != protocol.SessionGone {
		t.Errorf("got %v, want session_gone", err)
	}
}

func TestNamespacesSayWhoMay(t *testing.T) {
	_, url := newServer(t, starling.Options{Namespaces: starling.Namespaces{
		"open": {Anonymous: []starling.Verb{starling.Subscribe}},
		"":     {},
	}})
	for path, want := range map[string]int{
		"/poll?channel=open:1":        http.StatusOK,
		"/poll?channel=open:*&keep=1": http.StatusOK,
		"/poll?channel=closed:1":      http.StatusForbidden,
		"/poll?channel=plain":         http.StatusForbidden,
		"/poll?channel=o*&keep=1":     http.StatusForbidden,
		"/api/v1/channels/a/history":  http.StatusUnauthorized,
	} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != want {
			t.Errorf("%s: got %d %s, want %d", path, res.StatusCode, body, want)
		}
	}
}

func TestHistoryBothWays(t *testing.T) {
	s, url := newServer(t, starling.Options{Dev: true})
	for i := range 10 {
		if _, err := s.Publish(context.Background(), "c", i, starling.Publication{}); err != nil {
			t.Fatal(err)
		}
	}
	get := func(query string) (data []float64, position string, more bool) {
		t.Helper()
		res, err := http.Get(url + "/api/v1/channels/c/history?limit=4&" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var page struct {
			Position     string `json:"position"`
			Publications []struct {
				Data float64 `json:"data"`
			} `json:"publications"`
			More bool `json:"more"`
		}
		if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Publications {
			data = append(data, p.Data)
		}
		return data, page.Position, page.More
	}
	for _, row := range []struct {
		name, first, next string
		want              [][]float64
	}{
		{"forward", "", "since=", [][]float64{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}},
		{"backward", "newest=1", "before=", [][]float64{{6, 7, 8, 9}, {2, 3, 4, 5}, {0, 1}}},
	} {
		query := row.first
		for i, want := range row.want {
			got, position, more := get(query)
			if !slices.Equal(got, want) || more != (i < len(row.want)-1) {
				t.Errorf("%s, page %d: got %v, more %v; want %v", row.name, i, got, more, want)
			}
			query = row.next + position
		}
	}
}

func TestNegativeLimitsAreNone(t *testing.T) {
	_, url := newServer(t, starling.Options{Dev: true, Limits: starling.Limits{
		MaxMessage: -1, MaxChannels: -1, MaxSessions: -1, CommandRate: -1, AddressRate: -1, PingInterval: -1, PongWait: -1,
	}})
	next := stream(t, url+"/sse?channel=news")
	_, m := next()
	id, ok := m["session"].(string)
	if !ok {
		t.Fatalf("no session in %v", m)
	}
	body := `{"type":"publish","id":1,"channel":"news","data":"` + strings.Repeat("x", 100<<10) + `"}`
	res, err := http.Post(url+"/send?session="+id, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("a message of 100 KiB: %s", res.Status)
	}
}

// A page of another site whose name was made to point to this machine is not of
// this machine.
func TestDevAnswersNoForeignName(t *testing.T) {
	_, url := newServer(t, starling.Options{Dev: true})
	for host, want := range map[string]int{
		"":                 http.StatusOK,
		"localhost:8080":   http.StatusOK,
		"[::1]:8080":       http.StatusOK,
		"192.0.2.7":        http.StatusOK,
		"evil.example":     http.StatusForbidden,
		"evil.example:80":  http.StatusForbidden,
		"localhost.evil":   http.StatusForbidden,
		"127.0.0.1.nip.io": http.StatusForbidden,
	} {
		for _, path := range []string{"/poll?channel=a", "/api/v1/channels/a/history"} {
			req, err := http.NewRequest(http.MethodGet, url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if req.Host = host; host == "" {
				req.Host = req.URL.Host
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if ok := res.StatusCode == http.StatusOK; ok != (want == http.StatusOK) {
				t.Errorf("%s to %q: got %s", path, host, res.Status)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]starling.Options{
		"verb":      {Namespaces: starling.Namespaces{"a": {Users: []starling.Verb{"dance"}}}},
		"namespace": {Namespaces: starling.Namespaces{"a b": {}}},
		"limit":     {Limits: starling.Limits{MaxMessage: 2 << 20}},
	} {
		if _, err := starling.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPublishIsKeptInADirectory(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	publish := func(key string) starling.Published {
		s, err := starling.New(starling.Options{Data: dir, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Publish(ctx, "orders", map[string]int{"n": 1}, starling.Publication{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Shutdown(ctx, 0); err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, again, other := publish("k"), publish("k"), publish("l")
	if !again.Duplicate || again.Offset != first.Offset {
		t.Errorf("the same key after a restart: %+v, first %+v", again, first)
	}
	if other.Duplicate || other.Offset <= first.Offset {
		t.Errorf("another key: %+v, first %+v", other, first)
	}
}
