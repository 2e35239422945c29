package starling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/internal/client"
)

const testSecret = "a secret of more than thirty-two bytes"

// token makes a token that holds for an hour, or as changed.
func token(t *testing.T, user string, channels map[string][]auth.Verb, change ...func(*auth.Claims)) string {
	t.Helper()
	signer, err := auth.NewSigner(auth.SignerOptions{Secret: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	c := auth.Claims{User: user, Channels: channels, IssuedAt: time.Now(), Expires: time.Now().Add(time.Hour)}
	for _, f := range change {
		f(&c)
	}
	text, err := signer.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func withTokens(o starling.Options) starling.Options {
	o.Tokens.Secrets = []string{testSecret}
	if o.Tokens.Leeway == 0 {
		o.Tokens.Leeway = -1
	}
	return o
}

// wire is a WebSocket of a test.
type wire struct {
	t    *testing.T
	conn *client.Conn
}

func dial(t *testing.T, url string) *wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := client.Dial(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{t, conn}
}

func (w *wire) say(format string, args ...any) {
	w.t.Helper()
	if err := w.conn.Write(fmt.Appendf(nil, format, args...)); err != nil {
		w.t.Fatal(err)
	}
}

// hears returns the next message that has all of these in it.
func (w *wire) hears(parts ...string) string {
	w.t.Helper()
	for {
		raw, err := w.conn.Read()
		if err != nil {
			w.t.Fatalf("waiting for %q: %v", parts, err)
		}
		if has(string(raw), parts) {
			return string(raw)
		}
	}
}

func has(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// ends waits until the server has closed the connection, and returns why.
func (w *wire) ends() string {
	w.t.Helper()
	for {
		if _, err := w.conn.Read(); err != nil {
			return err.Error()
		}
	}
}

// get makes a request and returns the status and the body.
func get(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
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
	return res.StatusCode, string(raw) + res.Header.Get("Starling-Error")
}

// A token says who its bearer is, and what it may do, on every door.
func TestTokensOnEveryDoor(t *testing.T) {
	s, url := newServer(t, withTokens(starling.Options{TokenCookie: "tok"}))
	ann := token(t, "ann", map[string][]auth.Verb{"chat:*": {auth.Subscribe, auth.Publish, auth.History}})
	t.Run("websocket, by the first message", func(t *testing.T) {
		w := dial(t, url)
		w.say(`{"type":"connect","id":1,"token":%q}`, ann)
		w.hears(`"id":1`, `"user":"ann"`, `"expires":3`)
		w.say(`{"type":"subscribe","id":2,"channel":"chat:1"}`)
		w.hears(`"id":2`, `"result"`)
		w.say(`{"type":"publish","id":3,"channel":"chat:1","data":"hi"}`)
		w.hears(`"publication"`, `"user":"ann"`)
		for i, channel := range []string{"chat", "news:1", "$control", "$control:*", "ch*"} {
			w.say(`{"type":"subscribe","id":%d,"channel":%q}`, 10+i, channel)
			w.hears(fmt.Sprintf(`"id":%d,"error":{"code":4101`, 10+i))
		}
		w.say(`{"type":"signal","id":20,"channel":"chat:1","data":1}`)
		w.hears(`"id":20,"error":{"code":4101`)
		w.say(`{"type":"subscribe","id":21,"channel":"chat:*"}`)
		w.hears(`"id":21`, `"result"`)
	})
	for _, row := range []struct{ name, query, header string }{
		{"query", "&token=" + ann, ""},
		{"header", "", "Authorization: Bearer " + ann},
		{"cookie", "", "Cookie: tok=" + ann},
	} {
		t.Run("poll, by the "+row.name, func(t *testing.T) {
			var headers []string
			if row.header != "" {
				headers = []string{row.header}
			}
			if status, body := get(t, "GET", url+"/poll?channel=chat:1"+row.query, "", headers...); status != 200 {
				t.Errorf("got %d %s", status, body)
			}
			if status, body := get(t, "GET", url+"/poll?channel=news:1"+row.query, "", headers...); status != 403 || !strings.Contains(body, "4101") {
				t.Errorf("another namespace: got %d %s", status, body)
			}
		})
	}
	t.Run("sse", func(t *testing.T) {
		next := stream(t, url+"/sse?channel=chat:2&token="+ann)
		next()
		if _, err := s.Publish(t.Context(), "chat:2", "hello", starling.Publication{}); err != nil {
			t.Fatal(err)
		}
		if _, m := next(); m["data"] != "hello" {
			t.Errorf("got %v", m)
		}
		if status, body := get(t, "GET", url+"/sse?channel=news&token="+ann, ""); status != 204 || !strings.HasPrefix(body, "4101") {
			t.Errorf("another channel: got %d %s", status, body)
		}
	})
	t.Run("send", func(t *testing.T) {
		_, body := get(t, "GET", url+"/poll?channel=chat:1&keep=1&token="+ann, "")
		var m struct{ Session string }
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatal(err)
		}
		if _, body := get(t, "POST", url+"/send?session="+m.Session, `{"type":"publish","id":1,"channel":"chat:1","data":1}`); !strings.Contains(body, `"offset"`) {
			t.Errorf("got %s", body)
		}
		if _, body := get(t, "POST", url+"/send?session="+m.Session, `{"type":"publish","id":1,"channel":"news","data":1}`); !strings.Contains(body, `4101`) {
			t.Errorf("got %s", body)
		}
	})
}

// Attacks on the doors. That forged tokens do not hold is tested in package auth.
func TestAttacksOnTheDoors(t *testing.T) {
	_, url := newServer(t, withTokens(starling.Options{TokenCookie: "tok", AllowedOrigins: []string{"https://app.example"}}))
	ann := token(t, "ann", map[string][]auth.Verb{"a": {auth.Subscribe}})
	old := token(t, "ann", nil, func(c *auth.Claims) { c.Expires = time.Now().Add(-time.Minute) })
	for _, row := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		says                     string
	}{
		{"no token", "GET", "/poll?channel=a", "", nil, 403, "4101"},
		{"no token but a wrong scheme", "GET", "/poll?channel=a", "", []string{"Authorization: Basic " + ann}, 403, "4101"},
		{"a forged one", "GET", "/poll?channel=a", "", []string{"Authorization: Bearer " + ann[:len(ann)-4] + "AAAA"}, 401, "4100"},
		{"an expired one", "GET", "/poll?channel=a&token=" + old, "", nil, 401, "4107"},
		{"an expired one, for an EventSource", "GET", "/sse?channel=a&token=" + old, "", nil, 204, "4107"},
		{"a bad header is not made good by a good query", "GET", "/poll?channel=a&token=" + ann, "", []string{"Authorization: Bearer x"}, 401, "4100"},
		{"a cookie from another site's page", "GET", "/poll?channel=a", "", []string{"Cookie: tok=" + ann, "Origin: https://evil.example"}, 403, "4104"},
		{"a cookie from another site, without CORS", "GET", "/poll?channel=a", "", []string{"Cookie: tok=" + ann, "Sec-Fetch-Site: cross-site"}, 403, "4101"},
		{"a cookie from another host of the site", "GET", "/poll?channel=a", "", []string{"Cookie: tok=" + ann, "Sec-Fetch-Site: same-site"}, 403, "4101"},
		{"a cookie from an allowed origin", "GET", "/poll?channel=a", "", []string{"Cookie: tok=" + ann, "Origin: https://app.example"}, 200, "position"},
		{"a null origin", "GET", "/poll?channel=a", "", []string{"Cookie: tok=" + ann, "Origin: null"}, 403, "4104"},
		{"cross-site request forgery", "POST", "/send?session=n1.AAAAAAAAAAAAAAAAAAAAAA", `{"type":"publish","channel":"a","data":1}`, []string{"Cookie: tok=" + ann, "Origin: https://evil.example", "Content-Type: text/plain"}, 403, "4104"},
		{"a guessed session", "POST", "/send?session=n1.AAAAAAAAAAAAAAAAAAAAAA", `{"type":"publish","channel":"a","data":1}`, []string{"Authorization: Bearer " + ann}, 410, "4204"},
		{"a guessed poll", "GET", "/poll?session=n1.AAAAAAAAAAAAAAAAAAAAAA&since=", "", nil, 410, "4204"},
		{"the server's own channel", "GET", "/poll?channel=$control&token=" + ann, "", nil, 403, "4101"},
		{"a path with tricks", "GET", "/api/v1/../../dev/token", "", nil, 404, ""},
		{"an encoded path with tricks", "GET", "/api/v1/channels/..%2f..%2fetc/history", "", nil, 401, "4100"},
		{"tokens for all, without --dev", "POST", "/dev/token", `{"user":"root"}`, nil, 404, ""},
		{"a user's token at the backend's door", "POST", "/api/v1/publish", `{"channel":"a","data":1}`, []string{"Authorization: Bearer " + ann}, 401, "4100"},
		{"a header with a line break in the token", "GET", "/poll?channel=a&token=x%0d%0aSet-Cookie:%20a=b", "", nil, 401, "4100"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if status, body := get(t, row.method, url+row.path, row.body, row.headers...); status != row.status || !strings.Contains(body, row.says) {
				t.Errorf("got %d %s, want %d %s", status, body, row.status, row.says)
			}
		})
	}
}

// A token that ends takes its session along, unless it is refreshed.
func TestExpiryAndRefresh(t *testing.T) {
	_, url := newServer(t, withTokens(starling.Options{}))
	all := map[string][]auth.Verb{"a": {auth.Subscribe}, "b": {auth.Subscribe}}
	soon := func(c *auth.Claims) { c.Expires = time.Now().Add(5 * time.Second) } // what comes before that takes a moment
	w := dial(t, url)
	w.say(`{"type":"connect","id":1,"token":%q}`, token(t, "ann", all, soon))
	w.hears(`"id":1`, `"expires":`)
	kept := dial(t, url)
	kept.say(`{"type":"connect","id":1,"token":%q}`, token(t, "ann", all, soon))
	kept.say(`{"type":"subscribe","id":2,"channel":"a"}`)
	kept.say(`{"type":"subscribe","id":3,"channel":"b"}`)
	kept.hears(`"id":3,"result"`)
	kept.say(`{"type":"refresh","id":4,"token":%q}`, token(t, "bob", all))
	kept.hears(`"id":4,"error":{"code":4100`)
	kept.say(`{"type":"refresh","id":5,"token":"nonsense"}`)
	kept.hears(`"id":5,"error":{"code":4100`)
	kept.say(`{"type":"refresh","id":6,"token":%q}`, token(t, "ann", map[string][]auth.Verb{"a": {auth.Subscribe}}))
	kept.hears(`"unsubscribed"`, `"channel":"b"`, `4101`)
	kept.hears(`"id":6`, `"user":"ann"`, `"expires":3`)

	events := stream(t, url+"/sse?channel=a&token="+token(t, "ann", all, soon))
	polled := make(chan string, 1)
	_, first := get(t, "GET", url+"/poll?channel=a&keep=1&token="+token(t, "ann", all, soon), "")
	var m struct{ Session, Position string }
	if err := json.Unmarshal([]byte(first), &m); err != nil {
		t.Fatal(err)
	}
	go func() {
		res, err := http.Get(url + "/poll?session=" + m.Session + "&since=" + m.Position + "&wait=20s")
		if err != nil {
			polled <- err.Error()
			return
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		polled <- fmt.Sprint(string(raw), err)
	}()
	if got := w.ends(); !strings.Contains(got, "4107") {
		t.Errorf("WebSocket: got %s", got)
	}
	if _, m := events(); m["type"] != "session" {
		t.Errorf("SSE: got %v", m)
	}
	if event, m := events(); event != "error" || m["code"] != 4107.0 {
		t.Errorf("SSE: got %s %v", event, m)
	}
	if got := <-polled; !strings.Contains(got, "4107") {
		t.Errorf("poll: got %s", got)
	}
	kept.say(`{"type":"ping","id":9}`)
	kept.hears(`"id":9`)
}

// What is revoked ends at once on each transport, and does not come back.
func TestRevocation(t *testing.T) {
	dir := t.TempDir()
	s, url := newServer(t, withTokens(starling.Options{Data: dir, Namespaces: starling.Namespaces{"": {Users: []starling.Verb{auth.Any}}}}))
	ann := token(t, "ann", nil, func(c *auth.Claims) { c.TokenID = "t1" })
	within(t, "the server follows its own channel", func() bool { st, _ := s.Stats(); return st.Subscriptions == 1 })
	const own = 1
	begin := func(who string) (ws *wire, sse func() (string, map[string]any), poll chan string) {
		ws = dial(t, url)
		ws.say(`{"type":"connect","id":1,"token":%q}`, who)
		ws.hears(`"id":1,"result"`)
		sse = stream(t, url+"/sse?channel=a&token="+who)
		sse()
		_, first := get(t, "GET", url+"/poll?channel=a&token="+who, "")
		var m struct{ Position string }
		if err := json.Unmarshal([]byte(first), &m); err != nil {
			t.Fatal(err)
		}
		poll = make(chan string, 1)
		within(t, "the first poll has gone", func() bool { st, _ := s.Stats(); return st.Subscriptions == own+1 })
		go func() {
			res, err := http.Get(url + "/poll?channel=a&wait=20s&since=" + m.Position + "&token=" + who)
			if err != nil {
				poll <- err.Error()
				return
			}
			defer res.Body.Close()
			raw, err := io.ReadAll(res.Body)
			poll <- fmt.Sprint(string(raw), err)
		}()
		within(t, "the poll waits", func() bool { st, _ := s.Stats(); return st.Subscriptions == own+2 })
		return ws, sse, poll
	}
	for _, row := range []struct {
		name string
		do   func() error
		who  string
		code string
	}{
		{"a token", func() error { return s.Revoke(t.Context(), starling.Revocation{TokenID: "t1"}) }, ann, "4108"},
		{"a user", func() error { return s.Revoke(t.Context(), starling.Revocation{User: "bob"}) }, token(t, "bob", nil), "4108"},
		{"a user is sent away", func() error { return s.Disconnect(t.Context(), starling.Target{User: "eve"}, "Bye.") }, token(t, "eve", nil), "4109"},
	} {
		t.Run(row.name, func(t *testing.T) {
			other := dial(t, url)
			other.say(`{"type":"connect","id":1,"token":%q}`, token(t, "zoe", nil))
			ws, sse, poll := begin(row.who)
			start := time.Now()
			if err := row.do(); err != nil {
				t.Fatal(err)
			}
			if got := ws.ends(); !strings.Contains(got, row.code) {
				t.Errorf("WebSocket: got %s", got)
			}
			if event, m := sse(); event != "error" || fmt.Sprint(m["code"]) != row.code {
				t.Errorf("SSE: got %s %v", event, m)
			}
			if got := <-poll; !strings.Contains(got, row.code) {
				t.Errorf("poll: got %s", got)
			}
			if took := time.Since(start); took > 5*time.Second { // a disk may be slow; what would end them otherwise takes longer
				t.Errorf("it took %v", took)
			}
			status, body := get(t, "GET", url+"/poll?channel=a&token="+row.who, "")
			if back := status == 200; back != (row.code == "4109") {
				t.Errorf("afterwards: got %d %s", status, body)
			}
			other.say(`{"type":"ping","id":2}`)
			other.hears(`"id":2`)
		})
	}
	t.Run("a later token holds", func(t *testing.T) {
		if err := s.Revoke(t.Context(), starling.Revocation{User: "kim", Before: time.Now().Add(-time.Hour)}); err != nil {
			t.Fatal(err)
		}
		early := token(t, "kim", nil, func(c *auth.Claims) { c.IssuedAt = time.Now().Add(-2 * time.Hour) })
		within(t, "the early token is refused", func() bool {
			status, _ := get(t, "GET", url+"/poll?channel=a&token="+early, "")
			return status == 403
		})
		if status, body := get(t, "GET", url+"/poll?channel=a&token="+token(t, "kim", nil), ""); status != 200 {
			t.Errorf("got %d %s", status, body)
		}
	})
}

// What was revoked stays so over a restart.
func TestRevocationOutlivesTheServer(t *testing.T) {
	dir := t.TempDir()
	o := withTokens(starling.Options{Data: dir, Namespaces: starling.Namespaces{"": {Users: []starling.Verb{auth.Any}}}})
	first, err := starling.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ann := token(t, "ann", nil) // before: a later one would hold
	if err := first.Revoke(t.Context(), starling.Revocation{User: "ann"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Shutdown(ctx, 0); err != nil {
		t.Fatal(err)
	}
	_, url := newServer(t, o)
	if status, body := get(t, "GET", url+"/poll?channel=a&token="+ann, ""); status != 403 || !strings.Contains(body, "4108") {
		t.Errorf("got %d %s", status, body)
	}
}

// within waits until something is so.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Authorize has the last word, in both directions, and fails closed.
func TestAuthorize(t *testing.T) {
	down := errors.New("the database of members is down")
	_, url := newServer(t, withTokens(starling.Options{
		Dev: true, HookTimeout: 100 * time.Millisecond,
		Authorize: func(ctx context.Context, who *starling.Identity, verb starling.Verb, channel string) error {
			switch channel {
			case "mine":
				if who != nil && who.User == "ann" {
					return nil
				}
				return starling.Refuse("Only Ann may %s.", verb)
			case "down":
				return down
			case "slow":
				<-ctx.Done()
				return ctx.Err()
			}
			return starling.ErrUndecided
		},
	}))
	w := dial(t, url)
	w.say(`{"type":"connect","id":1,"token":%q}`, token(t, "ann", map[string][]auth.Verb{"granted": {auth.Publish}}))
	w.hears(`"id":1,"result"`)
	anonymous := dial(t, url)
	for _, row := range []struct {
		w          *wire
		channel    string
		want       string
		wantOthers string
	}{
		{w, "mine", `"result"`, ""},
		{anonymous, "mine", `"code":4101`, "Only Ann may publish."},
		{w, "down", `"code":4303`, "failed"},
		{w, "slow", `"code":4300`, "in time"},
		{w, "granted", `"result"`, ""},
		{w, "other", `"code":4101`, ""},
		{anonymous, "other", `"result"`, ""}, // Dev
	} {
		row.w.say(`{"type":"publish","id":2,"channel":%q,"data":1}`, row.channel)
		got := row.w.hears(`"id":2`)
		if !strings.Contains(got, row.want) || !strings.Contains(got, row.wantOthers) || strings.Contains(got, down.Error()) {
			t.Errorf("%s: got %s, want %s %s", row.channel, got, row.want, row.wantOthers)
		}
	}
	for _, verb := range []string{"subscribe", "history"} {
		anonymous.say(`{"type":%q,"id":3,"channel":"mine"}`, verb)
		anonymous.hears(`"id":3,"error":{"code":4101`, "Only Ann may "+verb)
	}
	anonymous.say(`{"type":"signal","id":4,"channel":"mine","data":1}`)
	anonymous.hears(`"id":4,"error":{"code":4101`)
	// Whoever was refused can ask again, and who was not is there once.
	w.say(`{"type":"subscribe","id":5,"channel":"mine"}`)
	w.hears(`"id":5,"result"`)
	w.say(`{"type":"subscribe","id":6,"channel":"mine"}`)
	w.hears(`"id":6,"error":{"code":4200`)
}

// As long as it is not known what is revoked, no token is accepted, and anonymous
// clients are served.
func TestRevocationsThatCannotBeRead(t *testing.T) {
	faulty := logtest.NewFaulty(memory.New(memory.Options{}))
	faulty.Fail(logtest.CallList, 0, eventlog.ErrUnavailable) // at the start, and whenever it is tried again
	_, url := newServer(t, withTokens(starling.Options{
		Engine: faulty, Namespaces: starling.Namespaces{"": {Users: []starling.Verb{auth.Any}, Anonymous: []starling.Verb{auth.Subscribe}}},
	}))
	ann := token(t, "ann", nil)
	if status, body := get(t, "GET", url+"/poll?channel=a&token="+ann, ""); status != 503 || !strings.Contains(body, "4300") {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := get(t, "GET", url+"/poll?channel=a", ""); status != 200 {
		t.Errorf("anonymous: got %d %s", status, body)
	}
	faulty.Heal()
	within(t, "the token is accepted", func() bool {
		status, _ := get(t, "GET", url+"/poll?channel=a&token="+ann, "")
		return status == 200
	})
}
