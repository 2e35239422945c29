package starling_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

// backend calls the API as an application's backend, and holds what is said against
// the description.
type backend struct {
	t   *testing.T
	url string
	doc *described
}

func newBackend(t *testing.T, o starling.Options) (*starling.Server, *backend) {
	t.Helper()
	o.APIKeys = []string{"k-shop", "k-desk"}
	s, url := newServer(t, withTokens(o))
	return s, &backend{t, url, description(t)}
}

// does makes a request that is as described, and returns the answer.
func (b *backend) does(method, path, body string) string {
	b.t.Helper()
	if err := b.doc.request(method, path, body); err != nil {
		b.t.Fatalf("%s %s %s: %v", method, path, body, err)
	}
	status, answer := b.call(method, path, body)
	if status != http.StatusOK {
		b.t.Fatalf("%s %s: got %d %s", method, path, status, answer)
	}
	return answer
}

func (b *backend) call(method, path, body string) (int, string) {
	b.t.Helper()
	status, answer := get(b.t, method, b.url+path, body, "Authorization: Bearer k-desk")
	if b.doc.operation(method, path) != nil {
		if err := b.doc.response(method, path, status, answer); err != nil {
			b.t.Errorf("the answer of %s %s is not as described: %v: %s", method, path, err, answer)
		}
	}
	return status, answer
}

func parse[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

type published struct {
	Offset    uint64
	Position  string
	Duplicate bool
	Error     *struct{ Code int }
}

type results struct{ Results []published }

func TestAPIChannels(t *testing.T) {
	_, b := newBackend(t, starling.Options{})
	first := parse[published](t, b.does("POST", "/api/v1/publish", `{"channel":"a","data":1,"key":"k","tags":{"x":"y"},"user":"ann"}`))
	again := parse[published](t, b.does("POST", "/api/v1/publish", `{"channel":"a","data":1,"key":"k","tags":{"x":"y"},"user":"ann"}`))
	if !again.Duplicate || again.Offset != first.Offset || again.Position != first.Position {
		t.Errorf("got %+v, first %+v", again, first)
	}
	b.does("POST", "/api/v1/publish", `{"channel":"a","data":2}`)
	page := b.does("GET", "/api/v1/channels/a/history", "")
	if !has(page, []string{`"user":"ann"`, `"key":"k"`, `"tags":{"x":"y"}`, `"data":2`, `"complete":true`}) {
		t.Errorf("got %s", page)
	}
	if page := b.does("GET", "/api/v1/channels/a/history?newest=1&limit=1", ""); !has(page, []string{`"data":2`, `"more":true`}) {
		t.Errorf("got %s", page)
	}
	b.does("POST", "/api/v1/channels/a/trim", fmt.Sprintf(`{"through":%q}`, first.Position))
	if page := b.does("GET", "/api/v1/channels/a/history", ""); strings.Contains(page, `"data":1`) || !strings.Contains(page, `"data":2`) {
		t.Errorf("after the trim: got %s", page)
	}
	b.does("DELETE", "/api/v1/channels/a", "")
	if page := b.does("GET", "/api/v1/channels/a/history", ""); !strings.Contains(page, `"publications":[]`) {
		t.Errorf("after the deletion: got %s", page)
	}
	if status, answer := b.call("POST", "/api/v1/channels/b/trim", fmt.Sprintf(`{"through":%q}`, first.Position)); status != 400 || !strings.Contains(answer, "4004") {
		t.Errorf("another channel's position: got %d %s", status, answer)
	}
	info := b.does("GET", "/api/v1/info", "")
	if !has(info, []string{`"engine":"memory"`, `"node":"n1"`, `"version":"`}) {
		t.Errorf("got %s", info)
	}
	if status, answer := get(t, "GET", b.url+"/api/v1/openapi.json", ""); status != 200 || !strings.Contains(answer, `"openapi": "3.1.0"`) {
		t.Errorf("got %d %.80s", status, answer)
	}
}

// A publication to many channels is stored in one go, and each channel has a result.
func TestAPIPublishToMany(t *testing.T) {
	hooked := logtest.Hook(memory.New(memory.Options{}))
	_, b := newBackend(t, starling.Options{Engine: hooked})
	const n = 1000
	names, stops := make([]string, n), make([]*logtest.Stop, n)
	for i := range names {
		names[i] = fmt.Sprintf("c:%d", i)
		stops[i] = hooked.Block(logtest.CallAppend, names[i])
	}
	raw, err := json.Marshal(map[string]any{"channels": names, "data": "x", "key": "k"})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // all of them come before the first is stored
		for _, stop := range stops {
			stop.Wait()
		}
		for _, stop := range stops {
			stop.Release()
		}
	}()
	got := parse[results](t, b.does("POST", "/api/v1/publish", string(raw)))
	if len(got.Results) != n {
		t.Fatalf("%d results", len(got.Results))
	}
	for i, r := range got.Results {
		if r.Offset == 0 || r.Error != nil {
			t.Fatalf("%d: got %+v", i, r)
		}
	}
	mixed := parse[results](t, b.does("POST", "/api/v1/publish", `{"channels":["c:1","$control","a b","c:2"],"data":"y"}`))
	if r := mixed.Results; r[0].Offset == 0 || r[3].Offset == 0 || r[1].Error.Code != 4101 || r[2].Error.Code != 4003 {
		t.Errorf("got %+v", r)
	}
}

func TestAPIBatch(t *testing.T) {
	_, b := newBackend(t, starling.Options{Namespaces: starling.Namespaces{"sum": {Kind: &counter{}}, "": {}}})
	first := parse[published](t, b.does("POST", "/api/v1/publish", `{"channel":"old","data":0}`))
	got := b.does("POST", "/api/v1/batch", fmt.Sprintf(`[
		{"publish":{"channel":"a","data":1}}, {"publish":{"channel":"a","data":2}}, {"publish":{"channel":"sum:x","data":4}},
		{"publish":{"channel":"sum:x","data":5}}, {"publish":{"channel":"sum:x","data":6}},
		{"signal":{"channel":"a","data":{"x":1},"conflate":"k"}}, {"trim":{"channel":"old","through":%q}},
		{"publish":{"channels":["b","c"],"data":3}}, {"delete":{"channel":"c"}},
		{"disconnect":{"user":"nobody"}}, {"unsubscribe":{"user":"nobody","channel":"a:*"}}, {"subscribe":{"user":"nobody","channel":"a"}},
		{"revoke":{"token":"t-1"}}]`, first.Position))
	r := parse[struct{ Results []json.RawMessage }](t, got).Results
	if len(r) != 13 {
		t.Fatalf("%d results: %s", len(r), got)
	}
	for i, want := range map[int]string{
		0: `"offset"`, 1: `"offset"`, 2: `"offset"`, 3: `"offset"`, 4: `"code":4101`, 5: `{}`, 6: `{}`,
		7: `{"results":[{"offset"`, 8: `{}`, 9: `{}`, 10: `{}`, 11: `{}`, 12: `{}`,
	} {
		if !strings.Contains(string(r[i]), want) {
			t.Errorf("%d: got %s, want %s", i, r[i], want)
		}
	}
	if page := b.does("GET", "/api/v1/channels/a/history", ""); strings.Index(page, `"data":1`) > strings.Index(page, `"data":2`) {
		t.Errorf("got %s", page)
	}
	if page := b.does("GET", "/api/v1/channels/c/history", ""); !strings.Contains(page, `"publications":[]`) {
		t.Errorf("what was deleted afterwards: got %s", page)
	}
	if got := b.does("POST", "/api/v1/batch", `[]`); strings.TrimSpace(got) != `{"results":[]}` {
		t.Errorf("got %s", got)
	}
	for _, bad := range []struct{ item, says string }{
		{`{"dance":{}}`, "4001"},
		{`{}`, "4002"},
		{`{"publish":{"channel":"a","data":1},"delete":{"channel":"a"}}`, "4002"},
		{`{"publish":{"channel":"a"}}`, "4002"},
		{`{"delete":{"channel":"$control"}}`, "4101"},
		{`{"batch":[]}`, "4001"},
		{`{"signal":3}`, "4002"},
	} {
		_, answer := b.call("POST", "/api/v1/batch", `[`+bad.item+`,{"publish":{"channel":"z","data":1}}]`)
		r := parse[struct{ Results []json.RawMessage }](t, answer).Results
		if len(r) != 2 || !strings.Contains(string(r[0]), bad.says) || !strings.Contains(string(r[1]), "offset") {
			t.Errorf("%s: got %s", bad.item, answer)
		}
	}
}

// What a backend does to sessions reaches them.
func TestAPISessions(t *testing.T) {
	_, b := newBackend(t, starling.Options{Namespaces: starling.Namespaces{"": {Users: []starling.Verb{auth.Any}}}})
	ann := token(t, "ann", nil, func(c *auth.Claims) { c.TokenID = "t-ann" })
	w := dial(t, b.url)
	w.say(`{"type":"connect","id":1,"token":%q}`, ann)
	session := parse[struct{ Result struct{ Session string } }](t, w.hears(`"id":1`)).Result.Session
	b.does("POST", "/api/v1/subscribe", `{"user":"ann","channel":"inbox:ann"}`)
	w.hears(`"subscribed"`, `inbox:ann`)
	b.does("POST", "/api/v1/subscribe", fmt.Sprintf(`{"session":%q,"channel":"news"}`, session))
	w.hears(`"subscribed"`, `news`)
	b.does("POST", "/api/v1/signal", `{"channel":"news","data":{"hot":true}}`)
	w.hears(`"signal"`, `"hot":true`)
	b.does("POST", "/api/v1/signal", `{"channel":"news","data":1,"conflate":"k"}`)
	w.hears(`"signal"`, `"conflate":"k"`, `"data":1`)
	b.does("POST", "/api/v1/signal", `{"channel":"news","conflate":"k","delete":true}`)
	w.hears(`"signal"`, `"conflate":"k"`, `"deleted":true`)
	b.does("POST", "/api/v1/unsubscribe", `{"user":"ann","channel":"news"}`)
	w.hears(`"unsubscribed"`, `news`)
	b.does("POST", "/api/v1/disconnect", `{"user":"ann","message":"Closing time."}`)
	if got := w.ends(); !has(got, []string{"4109", "Closing time."}) {
		t.Errorf("got %s", got)
	}
	w = dial(t, b.url)
	w.say(`{"type":"connect","id":1,"token":%q}`, ann)
	w.hears(`"id":1,"result"`)
	b.does("POST", "/api/v1/revoke", `{"user":"ann","before":"2001-01-01T00:00:00Z"}`)
	w.say(`{"type":"ping","id":2}`)
	w.hears(`"id":2`)
	b.does("POST", "/api/v1/revoke", `{"token":"t-ann"}`)
	if got := w.ends(); !strings.Contains(got, "4108") {
		t.Errorf("got %s", got)
	}
}

// Bad requests get an error that says what to do, and do nothing.
func TestAPIRefusals(t *testing.T) {
	_, b := newBackend(t, starling.Options{})
	position := parse[published](t, b.does("POST", "/api/v1/publish", `{"channel":"a","data":1}`)).Position
	for _, row := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "publish", `{`, 400, "4000"},
		{"POST", "publish", `[]`, 400, "4002"},
		{"POST", "publish", `{"channel":"a","data":1} {}`, 400, "4000"},
		{"POST", "publish", `{"chanel":"a","data":1}`, 400, "chanel"},
		{"POST", "publish", `{"channel":1,"data":1}`, 400, "channel"},
		{"POST", "publish", `{"channel":"a"}`, 400, "data"},
		{"POST", "publish", `{"data":1}`, 400, "4003"},
		{"POST", "publish", `{"channel":"$control","data":{"do":"disconnect"}}`, 403, "4101"},
		{"POST", "publish", `{"channel":"a*","data":1}`, 400, "4003"},
		{"POST", "publish", `{"channel":"a","data":1,"key":` + long(129) + `}`, 400, "key"},
		{"POST", "publish", `{"channel":"a","data":1,"user":"a\u0000b"}`, 400, "user"},
		{"POST", "publish", `{"channel":"a","data":1,"tags":{"":"x"}}`, 400, "4002"},
		{"POST", "publish", `{"channel":"a","data":` + long(1<<20) + `}`, 413, "4005"},
		{"POST", "publish", `{"channels":[` + strings.Repeat(`"a",`, 1000) + `"a"],"data":1}`, 429, "4103"},
		{"POST", "batch", `[` + strings.Repeat(`{},`, 100) + `{}]`, 429, "4103"},
		{"POST", "batch", `{}`, 400, "4002"},
		{"POST", "batch", strings.Repeat(" ", 5<<20), 413, "4005"},
		{"POST", "signal", `{"channel":"$control","data":1}`, 403, "4101"},
		{"POST", "signal", `{"channel":"a"}`, 400, "data"},
		{"POST", "signal", `{"channel":"a","delete":true}`, 400, "conflate"},
		{"POST", "signal", `{"channel":"a","data":1,"conflate":` + long(129) + `}`, 400, "conflate"},
		{"GET", "channels/$control/history", "", 403, "4101"},
		{"GET", "channels/a%20b/history", "", 400, "4003"},
		{"GET", "channels/..%2f..%2fetc%2fpasswd/history?limit=x", "", 400, "limit"},
		{"GET", "channels/a/history?since=!", "", 400, "4004"},
		{"GET", "channels/a/history?since=x&before=y", "", 400, "4002"},
		{"GET", "channels/a/history?filter=[]", "", 400, "40"},
		{"POST", "channels/$control/trim", fmt.Sprintf(`{"through":%q}`, position), 403, "4101"},
		{"POST", "channels/a/trim", `{}`, 400, "4004"},
		{"POST", "channels/a/trim", `{"through":"x"}`, 400, "4004"},
		{"POST", "channels/a/trim", fmt.Sprintf(`{"through":%q,"channel":"b"}`, position), 400, "path"},
		{"DELETE", "channels/$control", "", 403, "4101"},
		{"POST", "disconnect", `{}`, 400, "session"},
		{"POST", "disconnect", `{"user":"a","session":"b"}`, 400, "session"},
		{"POST", "disconnect", `{"user":"a\nb"}`, 400, "4002"},
		{"POST", "disconnect", `{"user":"a","message":` + long(101) + `}`, 400, "message"},
		{"POST", "subscribe", `{"user":"a","channel":"$control"}`, 403, "4101"},
		{"POST", "subscribe", `{"user":"a","channel":"$*"}`, 403, "4101"},
		{"POST", "unsubscribe", `{"user":"a"}`, 400, "4003"},
		{"POST", "revoke", `{}`, 400, "token"},
		{"POST", "revoke", `{"user":"a","before":"yesterday"}`, 400, "before"},
		{"POST", "revoke", `{"token":"a","before":"2026-01-01T00:00:00Z"}`, 400, "before"},
		{"POST", "backup", ``, 400, "4006"},
		{"GET", "publish", "", 404, "4007"},
		{"POST", "dance", "", 404, "4007"},
	} {
		status, answer := b.call(row.method, "/api/v1/"+row.path, row.body)
		if status != row.status || !strings.Contains(answer, row.says) {
			t.Errorf("%s %s %.60s: got %d %s, want %d %s", row.method, row.path, row.body, status, answer, row.status, row.says)
		}
	}
	for _, header := range []string{"Authorization: Bearer k-des", "Authorization: Bearer ", "Authorization: Basic k-desk", "X: y"} {
		if status, answer := get(t, "POST", b.url+"/api/v1/publish", `{"channel":"a","data":1}`, header); status != 401 || !strings.Contains(answer, "4100") {
			t.Errorf("%s: got %d %s", header, status, answer)
		}
	}
	for _, key := range []string{"k-shop", "k-desk"} {
		if status, answer := get(t, "GET", b.url+"/api/v1/info", "", "Authorization: Bearer "+key); status != 200 {
			t.Errorf("%s: got %d %s", key, status, answer)
		}
	}
	if page := b.does("GET", "/api/v1/channels/a/history", ""); strings.Count(page, `"type":"publication"`) != 1 {
		t.Errorf("something was done: %s", page)
	}
	if _, err := starling.New(starling.Options{APIKeys: []string{""}}); err == nil {
		t.Error("an empty key was accepted")
	}
}

// A channel that has begun anew is not trimmed by a position of its former life.
func TestTrimAfterARestart(t *testing.T) {
	_, one := newBackend(t, starling.Options{})
	_, two := newBackend(t, starling.Options{})
	old := parse[published](t, one.does("POST", "/api/v1/publish", `{"channel":"a","data":1}`)).Position
	two.does("POST", "/api/v1/publish", `{"channel":"a","data":1}`)
	if status, answer := two.call("POST", "/api/v1/channels/a/trim", fmt.Sprintf(`{"through":%q}`, old)); status != 409 || !strings.Contains(answer, "4203") {
		t.Errorf("got %d %s", status, answer)
	}
}
