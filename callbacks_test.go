package starling_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/internal/signed"
)

const callbackSecret = "a secret that callbacks are signed with"

// asked is a question that an application's backend gets.
type asked struct {
	Type      string
	ID        string
	Session   string
	Transport string
	Identity  *struct {
		User, TokenID string
		Info          json.RawMessage
	}
	Verb, Channel, Method string
	Data                  json.RawMessage
	Tags                  map[string]string
	Filter                map[string][]string
}

// application runs a backend that checks the signature of what it is asked.
func application(t *testing.T, answer func(q asked) string) (url string) {
	t.Helper()
	var mu sync.Mutex
	ids := map[string]bool{}
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if err := signed.Verify(r.Header.Get(signed.Header), body, []string{callbackSecret}, time.Now(), time.Minute); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		var q asked
		if err := json.Unmarshal(body, &q); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		mu.Lock()
		if q.ID == "" || ids[q.ID] {
			t.Errorf("the id of %s is not its own", body)
		}
		ids[q.ID] = true
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, answer(q))
	}))
	t.Cleanup(hs.Close)
	return hs.URL
}

func TestCallbacks(t *testing.T) {
	app := application(t, func(q asked) string {
		switch q.Type {
		case "connect":
			switch {
			case q.Identity == nil:
				return `{"allow":false,"message":"Come with a token."}`
			case q.Identity.User == "guest":
				return `{"allow":true,"identity":{"user":"guest-7","info":{"name":"Guest"},"channels":{"lobby:{user}":["subscribe"]}},"channels":["lobby:guest-7"]}`
			}
			return fmt.Sprintf(`{"allow":null,"channels":["inbox:%s"]}`, q.Identity.User)
		case "authorize":
			switch q.Channel {
			case "closed":
				return fmt.Sprintf(`{"allow":false,"message":"Not %s."}`, q.Verb)
			case "open":
				return `{"allow":true}`
			}
			return `{"allow":null}`
		case "subscribe":
			return `{"allow":true,"filter":{"lang":["en","de"]}}`
		case "publish":
			if strings.Contains(string(q.Data), "rude") {
				return `{"allow":false,"message":"Be polite."}`
			}
			if strings.Contains(string(q.Data), "loud") {
				return `{"allow":true,"data":"quiet","tags":{"lang":"en"}}`
			}
			return `{"allow":true}`
		case "call":
			if q.Method == "fail" {
				return `{"allow":false,"message":"No."}`
			}
			return fmt.Sprintf(`{"allow":true,"data":{"user":%q,"got":%s}}`, q.Identity.User, q.Data)
		}
		return ``
	})
	s, url := newServer(t, withTokens(starling.Options{Backend: asks(starling.Callbacks{
		Authorize: app, Connect: app, Subscribe: app, Publish: app, Call: app, Secrets: []string{callbackSecret, "the one before, of old"},
	})}))
	w := dial(t, url)
	w.say(`{"type":"subscribe","id":1,"channel":"open"}`)
	if got := w.ends(); !has(got, []string{"4101", "Come with a token."}) {
		t.Errorf("got %s", got)
	}
	w = dial(t, url)
	w.say(`{"type":"connect","id":1,"token":%q}`, token(t, "guest", nil))
	w.hears(`"subscribed"`, `"lobby:guest-7"`)
	w.hears(`"id":1`, `"user":"guest-7"`)
	w.say(`{"type":"subscribe","id":2,"channel":"lobby:guest-8"}`)
	w.hears(`"id":2,"error":{"code":4101`)

	w = dial(t, url)
	w.say(`{"type":"connect","id":1,"token":%q}`, token(t, "ann", map[string][]auth.Verb{"mine": {auth.Subscribe}}))
	w.hears(`"subscribed"`, `"inbox:ann"`)
	w.say(`{"type":"publish","id":2,"channel":"closed","data":1}`)
	w.hears(`"id":2,"error":{"code":4101`, "Not publish.")
	w.say(`{"type":"subscribe","id":3,"channel":"other"}`)
	w.hears(`"id":3,"error":{"code":4101`)
	w.say(`{"type":"subscribe","id":4,"channel":"mine"}`)
	w.hears(`"id":4,"result"`)
	w.say(`{"type":"subscribe","id":5,"channel":"open","filter":{"lang":["de","fr"]}}`)
	w.hears(`"id":5,"result"`)
	for _, lang := range []string{"en", "fr", "de"} {
		if _, err := s.Publish(t.Context(), "open", lang, starling.Publication{Tags: map[string]string{"lang": lang}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.hears(`"publication"`); !strings.Contains(got, `"data":"de"`) {
		t.Errorf("got %s", got)
	}
	w.say(`{"type":"publish","id":6,"channel":"open","data":"rude"}`)
	w.hears(`"id":6,"error":{"code":4101`, "Be polite.")
	w.say(`{"type":"publish","id":7,"channel":"open","data":"loud"}`)
	w.hears(`"id":7,"result"`)
	page, err := s.History(t.Context(), "open", starling.HistoryQuery{Newest: true, Limit: 1})
	if err != nil || len(page.Publications) != 1 || string(page.Publications[0].Data) != `"quiet"` || page.Publications[0].Tags["lang"] != "en" {
		t.Errorf("got %+v, %v", page, err)
	}
	w.say(`{"type":"call","id":8,"method":"echo","data":[1,2]}`)
	w.hears(`"id":8,"result":{"data":{"user":"ann","got":[1,2]}}`)
	w.say(`{"type":"call","id":9,"method":"fail"}`)
	w.hears(`"id":9,"error":{"code":4101`, "No.")
	if st := s.CallbackStats(); st.Asked == 0 || st.Cached == 0 || st.Failed != 0 {
		t.Errorf("got %+v", st)
	}
}

// A backend that is down, slow or talks nonsense lets nobody in.
func TestCallbacksFailClosed(t *testing.T) {
	release := make(chan struct{})
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/slow":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/huge":
			for range 1000 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/redirect":
			http.Redirect(w, r, "/yes", http.StatusTemporaryRedirect)
		case "/broken":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"allow":`)
		case "/yes":
			_, _ = io.WriteString(w, `{"allow":true}`)
		case "/own":
			_, _ = io.WriteString(w, `{"allow":true,"channels":["$control"]}`)
		case "/verbs":
			_, _ = io.WriteString(w, `{"allow":true,"identity":{"channels":{"a":["fly"]}}}`)
		}
	}))
	t.Cleanup(func() {
		close(release)
		hs.Close()
	})
	down := httptest.NewServer(nil)
	down.Close()
	for _, row := range []struct {
		name, url string
		code      string
	}{
		{"down", down.URL, "4300"},
		{"slow", hs.URL + "/slow", "4300"},
		{"huge", hs.URL + "/huge", "4300"},
		{"redirect", hs.URL + "/redirect", "4300"},
		{"broken", hs.URL + "/broken", "4300"},
		{"yes", hs.URL + "/yes", ""},
		{"the server's own channels", hs.URL + "/own", "4300"},
		{"no such verb", hs.URL + "/verbs", "4300"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := starling.Callbacks{Connect: row.url, Authorize: row.url, Secrets: []string{callbackSecret}, Timeout: time.Minute}
			if row.name == "slow" {
				c.Timeout = 300 * time.Millisecond
			}
			_, url := newServer(t, starling.Options{Dev: true, Backend: asks(c)})
			start := time.Now()
			status, body := get(t, "GET", url+"/poll?channel=a", "")
			if good := status == 200; good != (row.code == "") || !strings.Contains(body, row.code) {
				t.Errorf("got %d %s", status, body)
			}
			c.Connect = ""
			_, url = newServer(t, starling.Options{Dev: true, Backend: asks(c)})
			status, body = get(t, "GET", url+"/poll?channel=a", "")
			if good := status == 200; good != (row.code == "") {
				t.Errorf("authorize: got %d %s", status, body)
			}
			if took := time.Since(start); took > 9*time.Second { // less than anything is waited for but the slow one
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Who was unsubscribed cannot come back on an answer of before.
func TestCallbacksForgetWhatChanges(t *testing.T) {
	var mu sync.Mutex
	member := true
	app := application(t, func(asked) string {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprintf(`{"allow":%t,"cache":600}`, member)
	})
	s, url := newServer(t, withTokens(starling.Options{Backend: asks(starling.Callbacks{Authorize: app, Secrets: []string{callbackSecret}})}))
	w := dial(t, url)
	w.say(`{"type":"connect","id":1,"token":%q}`, token(t, "ann", nil))
	w.say(`{"type":"subscribe","id":2,"channel":"room"}`)
	w.hears(`"id":2,"result"`)
	mu.Lock()
	member = false
	mu.Unlock()
	if err := s.Unsubscribe(t.Context(), starling.Target{User: "ann"}, "room"); err != nil {
		t.Fatal(err)
	}
	w.hears(`"unsubscribed"`, `room`)
	w.say(`{"type":"subscribe","id":3,"channel":"room"}`)
	w.hears(`"id":3,"error":{"code":4101`)
}

func asks(c starling.Callbacks) starling.Backend { return starling.Backend{Callbacks: c} }

func allowAll(context.Context, *starling.Identity, starling.Verb, string) error { return nil }

func TestCallbackOptionsAreChecked(t *testing.T) {
	good := []string{callbackSecret}
	for name, o := range map[string]starling.Options{
		"no secret":       {Backend: asks(starling.Callbacks{Connect: "http://a/"})},
		"a short secret":  {Backend: asks(starling.Callbacks{Connect: "http://a/", Secrets: []string{"short"}})},
		"no URL":          {Backend: asks(starling.Callbacks{Connect: "app", Secrets: good})},
		"another scheme":  {Backend: asks(starling.Callbacks{Call: "file:///etc/passwd", Secrets: good})},
		"a password":      {Backend: asks(starling.Callbacks{Call: "http://u:p@a/", Secrets: good})},
		"a hook, and URL": {Backend: asks(starling.Callbacks{Authorize: "http://a/", Secrets: good}), Authorize: allowAll},
	} {
		if _, err := starling.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}
