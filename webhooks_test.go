package starling_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/internal/signed"
)

const webhookSecret = "a secret that webhooks are signed with"

// told is what a backend was told.
type told struct {
	Type, ID, Channel, Node string
	Publication             struct {
		Data json.RawMessage
		User string
		Tags map[string]string
	}
}

// listener is a backend that takes events.
type listener struct {
	url string

	mu     sync.Mutex
	events []told
	broken bool // it takes what comes, and says that it did not
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return // who sent it was killed
		}
		if err := signed.Verify(r.Header.Get(signed.Header), raw, []string{webhookSecret}, time.Now(), time.Minute); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		var body struct{ Events []told }
		if err := json.Unmarshal(raw, &body); err != nil || len(body.Events) == 0 || len(body.Events) > 100 {
			t.Errorf("%s: %v", raw, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.broken {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		l.events = append(l.events, body.Events...)
	}))
	t.Cleanup(hs.Close)
	l.url = hs.URL
	return l
}

func (l *listener) set(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

// of returns what was told of a channel, without what was told twice.
func (l *listener) of(channel string) (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range l.events {
		if e.Channel != channel || seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		if e.Type == starling.WebhookPublication {
			all = append(all, string(e.Publication.Data))
		} else {
			all = append(all, e.Type)
		}
	}
	return all
}

func TestWebhooks(t *testing.T) {
	l := listen(t)
	o := starling.Options{Dev: true, Data: t.TempDir(), Backend: tells(starling.Webhook{URL: l.url, Secrets: []string{webhookSecret}, Channels: []string{"room:*", "news"}})}
	s, url := newServer(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := dial(t, url)
	w.say(`{"type":"subscribe","id":1,"channel":"room:1"}`)
	w.hears(`"id":1`)
	within(t, "the first subscription is told", func() bool { return slices.Equal(l.of("room:1"), []string{"occupied"}) })
	w.say(`{"type":"publish","id":2,"channel":"room:1","data":1}`)
	w.hears(`"id":2,"result"`)
	if _, err := s.Publish(ctx, "room:1", 2, starling.Publication{User: "ann", Tags: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	if status, answer := get(t, "POST", url+"/api/v1/publish", `{"channels":["room:1","other"],"data":3}`); status != 200 {
		t.Fatal(answer)
	}
	within(t, "publications are told", func() bool { return slices.Equal(l.of("room:1"), []string{"occupied", "1", "2", "3"}) })
	w.conn.Close()
	within(t, "the last subscription is told", func() bool { return slices.Contains(l.of("room:1"), "vacated") })
	if got := l.of("other"); got != nil {
		t.Errorf("other: got %q", got)
	}
	l.mu.Lock()
	if e := l.events[2]; e.Publication.User != "ann" || e.Publication.Tags["a"] != "b" {
		t.Errorf("got %+v", e)
	}
	l.mu.Unlock()
	within(t, "what was accepted is counted", func() bool {
		st := s.WebhookStats()
		return len(st) == 1 && st[0].Name == "default" && st[0].Events == 5 && !st[0].Disabled
	})
}

// What a backend did not take is delivered after a restart in another program of the
// server, whatever was published meanwhile.
func TestWebhooksOutliveTheServer(t *testing.T) {
	l := listen(t)
	l.set(true)
	o := starling.Options{Data: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Backend: tells(starling.Webhook{URL: l.url, Secrets: []string{webhookSecret}})}
	n := 0
	for round := range 3 {
		s, err := starling.New(o)
		if err != nil {
			t.Fatal(err)
		}
		for range 150 {
			if _, err := s.Publish(t.Context(), fmt.Sprint("c:", n%2), n, starling.Publication{}); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if round == 2 {
			l.set(false)
			within(t, "all is told", func() bool { return len(l.of("c:0")) == n/2 && len(l.of("c:1")) == n/2 })
		}
		if err := s.Shutdown(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	for c := range 2 {
		for i, data := range l.of(fmt.Sprint("c:", c)) {
			if data != fmt.Sprint(2*i+c) {
				t.Fatalf("event %d of c:%d is %s", i, c, data)
			}
		}
	}
}

// Whatever was acknowledged is told, though the server is killed again and again.
func TestWebhooksSurviveKill(t *testing.T) {
	if dir := os.Getenv("STARLING_WEBHOOK_VICTIM"); dir != "" {
		victim(dir, os.Getenv("STARLING_WEBHOOK_URL"))
	}
	l, dir := listen(t), t.TempDir()
	acked := map[string][]string{} // by channel
	const kills, between = 4, 60
	for kill := range kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWebhooksSurviveKill$")
		cmd.Env = append(os.Environ(), "STARLING_WEBHOOK_VICTIM="+dir, "STARLING_WEBHOOK_URL="+l.url, fmt.Sprint("STARLING_WEBHOOK_ROUND=", kill))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		l.set(kill%2 == 1)
		lines := bufio.NewScanner(out)
		for n := 0; n < between && lines.Scan(); n++ {
			channel, data, ok := strings.Cut(lines.Text(), " ")
			if !ok {
				t.Fatalf("the server says %q", lines.Text())
			}
			acked[channel] = append(acked[channel], data)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it had acknowledged before it died
			if channel, data, ok := strings.Cut(lines.Text(), " "); ok {
				acked[channel] = append(acked[channel], data)
			}
		}
		_ = cmd.Wait() // it was killed
	}
	l.set(false)
	s, err := starling.New(starling.Options{Data: dir, Logger: slog.New(slog.DiscardHandler), Backend: victimHooks(l.url)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Shutdown(t.Context(), 0); err != nil {
			t.Error(err)
		}
	}()
	for channel, want := range acked {
		within(t, "all of "+channel+" is told", func() bool { return contains(l.of(channel), want) })
		page, err := s.History(t.Context(), channel, starling.HistoryQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for _, p := range page.Publications {
			kept = append(kept, string(p.Data))
		}
		within(t, "what is told of "+channel+" is what is kept, in order", func() bool { return slices.Equal(l.of(channel), kept) })
	}
	if len(acked) < 5 {
		t.Errorf("%d channels", len(acked))
	}
}

// contains tells whether all of want stand in got, in their order.
func contains(got, want []string) bool {
	for _, g := range got {
		if len(want) > 0 && g == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}

func victimHooks(url string) starling.Backend {
	return tells(starling.Webhook{URL: url, Secrets: []string{webhookSecret}, Events: []string{starling.WebhookPublication}})
}

func tells(hooks ...starling.Webhook) starling.Backend { return starling.Backend{Webhooks: hooks} }

// victim is a server that publishes, and says what was acknowledged, until it is
// killed.
func victim(dir, url string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, err := starling.New(starling.Options{Data: dir, Logger: slog.New(slog.DiscardHandler), Backend: victimHooks(url)})
	if err != nil {
		fail(err)
	}
	for i := 0; ; i++ {
		channel, data := fmt.Sprint("c:", os.Getenv("STARLING_WEBHOOK_ROUND"), i%3), fmt.Sprint(os.Getenv("STARLING_WEBHOOK_ROUND"), "000", i)
		if i%3 == 0 {
			channel = "c:all"
		}
		if _, err := s.Publish(context.Background(), channel, json.RawMessage(`"`+data+`"`), starling.Publication{}); err != nil {
			fail(err)
		}
		fmt.Println(channel, `"`+data+`"`)
	}
}

func TestWebhookOptionsAreChecked(t *testing.T) {
	good := starling.Webhook{URL: "http://a/", Secrets: []string{webhookSecret}}
	bad := good
	bad.Events = []string{"dance"}
	for name, all := range map[string][]starling.Webhook{"an event": {bad}, "two of a name": {good, good}, "nothing": {{}}} {
		if _, err := starling.New(starling.Options{Backend: tells(all...)}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
