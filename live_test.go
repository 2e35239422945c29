package starling_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling"
)

// ask makes a request, and returns the status and the body.
func ask(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

func TestReload(t *testing.T) {
	o := starling.Options{
		APIKeys: []string{"old"}, AllowedOrigins: []string{"https://old.example.com"},
		Namespaces: starling.Namespaces{"room": {MaxRecords: 10}},
	}
	s, url := newServer(t, o)
	check := func(when string, key, origin string, poll int) {
		t.Helper()
		if status, body := ask(t, "POST", url+"/api/v1/publish", `{"channel":"c","data":1}`, "Authorization: Bearer "+key); status != 200 {
			t.Errorf("%s: the key %s: got %d %s", when, key, status, body)
		}
		if status, body := ask(t, "GET", url+"/poll?channel=room:1", "", "Origin: "+origin); status != poll {
			t.Errorf("%s: got %d %s, want %d", when, status, body, poll)
		}
	}
	check("at first", "old", "https://old.example.com", 403)
	if status, body := ask(t, "GET", url+"/poll?channel=room:1", "", "Origin: https://a.new.example.com"); status != 403 || !strings.Contains(body, "--allowed-origins") {
		t.Errorf("a foreign page: got %d %s", status, body)
	}

	next := o
	next.APIKeys, next.AllowedOrigins = []string{"new"}, []string{"https://*.new.example.com"}
	next.Namespaces = starling.Namespaces{"room": {MaxRecords: 10, Anonymous: []starling.Verb{starling.Subscribe}}}
	next.Limits.AddressSessions = 5
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	check("after the reload", "new", "https://a.new.example.com", 200)
	if status, _ := ask(t, "POST", url+"/api/v1/publish", `{"channel":"c","data":1}`, "Authorization: Bearer old"); status != 401 {
		t.Errorf("the old key: got %d", status)
	}
	if status, body := ask(t, "GET", url+"/poll?channel=room:1", "", "Origin: https://old.example.com"); status != 403 {
		t.Errorf("the old origin: got %d %s", status, body)
	}

	for want, change := range map[string]func(*starling.Options){
		"Data cannot change":       func(o *starling.Options) { o.Data = "elsewhere" },
		"Dev cannot change":        func(o *starling.Options) { o.Dev = true },
		"Limits cannot change":     func(o *starling.Options) { o.Limits.PingInterval = time.Second },
		"Namespaces cannot change": func(o *starling.Options) { o.Namespaces = starling.Namespaces{"room": {MaxRecords: 11}} },
		"Hub cannot change":        func(o *starling.Options) { o.Hub.TailRecords = 2 },
		`there is no verb "fly"`:   func(o *starling.Options) { o.Namespaces = starling.Namespaces{"room": {Users: []starling.Verb{"fly"}}} },
		"AllowedOrigins":           func(o *starling.Options) { o.AllowedOrigins = []string{"example.com"} },
		"MaxMessage is":            func(o *starling.Options) { o.Limits.MaxMessage = 1 << 30 },
		"an API key is empty":      func(o *starling.Options) { o.APIKeys = []string{""} },
	} {
		bad := next
		bad.APIKeys = []string{"bad"}
		change(&bad)
		if err := s.Reload(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	check("after reloads that were refused", "new", "https://a.new.example.com", 200)
}

func TestClientsBehindProxies(t *testing.T) {
	trusted, err := starling.ParseProxies([]string{"127.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	s, url := newServer(t, starling.Options{Dev: true, Limits: starling.Limits{AddressSessions: 1}, Proxies: starling.Proxies{Trusted: trusted}})
	open := func(client string) int {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, "GET", url+"/sse?channel=c", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", client)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		first := make([]byte, 400)
		n, _ := io.ReadAtLeast(res.Body, first, 30) // what came tells
		if strings.Contains(string(first[:n]), "4110") {
			return 4110
		}
		return res.StatusCode
	}
	for _, row := range []struct {
		client string
		want   int
	}{
		{"1.1.1.1", 200}, {"1.1.1.1", 4110}, {"9.9.9.9, 1.1.1.1", 4110}, {"1.1.1.2", 200}, {"1.1.1.1, 1.1.1.3", 200},
	} {
		if got := open(row.client); got != row.want {
			t.Errorf("%s: got %d, want %d", row.client, got, row.want)
		}
	}
	// A page that came over TLS to the proxy.
	if status, body := ask(t, "GET", url+"/poll?channel=c", "", "X-Forwarded-For: 2.2.2.2", "X-Forwarded-Proto: https", "X-Forwarded-Host: localhost", "Origin: https://localhost"); status != 200 {
		t.Errorf("got %d %s", status, body)
	}
	if err := s.Reload(starling.Options{Dev: true, Limits: starling.Limits{AddressSessions: 1}}); err != nil {
		t.Fatal(err)
	}
	if got := open("3.3.3.3"); got != 200 {
		t.Errorf("without trust: got %d", got)
	}
	if got := open("4.4.4.4"); got != 4110 {
		t.Errorf("without trust, all are one address: got %d", got)
	}
}
