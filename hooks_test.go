package starling_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// Publications keep their order while somebody is asked about some of them.
func TestOrderWhileAsked(t *testing.T) {
	s, url := newServer(t, starling.Options{Dev: true, Hooks: starling.Hooks{
		Publish: func(_ context.Context, p *starling.PublishRequest) error {
			if bytes.Contains(p.Data, []byte("0")) {
				<-time.After(5 * time.Millisecond)
			}
			return nil
		},
	}})
	w := dial(t, url)
	const n = 50
	for i := range n {
		w.say(`{"type":"publish","channel":"c","data":"%d"}`, i)
	}
	w.say(`{"type":"publish","id":1,"channel":"c","data":"end"}`)
	w.hears(`"id":1,"result"`)
	page, err := s.History(t.Context(), "c", starling.HistoryQuery{})
	if err != nil || len(page.Publications) != n+1 {
		t.Fatalf("%d publications: %v", len(page.Publications), err)
	}
	for i, p := range page.Publications[:n] {
		if string(p.Data) != fmt.Sprintf(`"%d"`, i) {
			t.Fatalf("publication %d is %s", i, p.Data)
		}
	}
}

// Hooks allow, refuse and rewrite.
func TestHooks(t *testing.T) {
	s, url := newServer(t, withTokens(starling.Options{Dev: true, Hooks: starling.Hooks{
		Connect: func(_ context.Context, c *starling.ConnectRequest) error {
			switch {
			case c.Identity == nil:
				return starling.Refuse("Come with a token.")
			case c.Identity.User == "banned":
				return &protocol.Error{Code: protocol.Forbidden, Message: "You are banned."}
			}
			c.Channels = append(c.Channels, "user:"+c.Identity.User)
			return nil
		},
		Subscribe: func(_ context.Context, r *starling.SubscribeRequest) error {
			if r.Channel == "closed" {
				return starling.Refuse("It is closed.")
			}
			r.Filter = r.Filter.And(protocol.Filter{"lang": {"en", "de"}})
			return nil
		},
		Publish: func(_ context.Context, p *starling.PublishRequest) error {
			switch {
			case bytes.Contains(p.Data, []byte("rude")):
				return starling.Refuse("Be polite.")
			case bytes.Contains(p.Data, []byte("broken")):
				p.Data = json.RawMessage(`{`)
			case bytes.Contains(p.Data, []byte("loud")):
				p.Data = json.RawMessage(`"quiet"`)
			}
			p.Tags = map[string]string{"lang": "en"}
			return nil
		},
		Call: func(_ context.Context, c *starling.CallRequest) (any, error) {
			switch c.Method {
			case "whoami":
				return map[string]string{"user": c.Identity.User}, nil
			case "fail":
				return nil, errors.New("a secret of the application")
			}
			return nil, starling.Refuse("There is no %s.", c.Method)
		},
	}}))
	t.Run("connect refuses", func(t *testing.T) {
		w := dial(t, url)
		w.say(`{"type":"subscribe","id":1,"channel":"c"}`)
		if got := w.ends(); !strings.Contains(got, "4101") || !strings.Contains(got, "Come with a token.") {
			t.Errorf("got %s", got)
		}
		w = dial(t, url)
		w.say(`{"type":"connect","id":1,"token":%q}`, token(t, "banned", nil))
		if got := w.ends(); !strings.Contains(got, "You are banned.") {
			t.Errorf("got %s", got)
		}
		if status, body := get(t, "GET", url+"/poll?channel=c", ""); status != 403 || !strings.Contains(body, "Come with a token.") {
			t.Errorf("poll: got %d %s", status, body)
		}
		if status, body := get(t, "GET", url+"/sse?channel=c", ""); status != 204 || !strings.Contains(body, "Come with a token.") {
			t.Errorf("SSE: got %d %s", status, body)
		}
	})
	ann := token(t, "ann", nil)
	w := dial(t, url)
	w.say(`{"type":"connect","id":1,"token":%q}`, ann)
	w.hears(`"subscribed"`, `"channel":"user:ann"`)
	t.Run("subscribe refuses and narrows", func(t *testing.T) {
		w.say(`{"type":"subscribe","id":2,"channel":"closed"}`)
		w.hears(`"id":2,"error":{"code":4101`, "It is closed.")
		w.say(`{"type":"subscribe","id":3,"channel":"c","filter":{"lang":["de","fr"]}}`)
		w.hears(`"id":3,"result"`)
		for _, lang := range []string{"en", "fr", "de"} {
			if _, err := s.Publish(t.Context(), "c", lang, starling.Publication{Tags: map[string]string{"lang": lang}}); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.hears(`"publication"`); !strings.Contains(got, `"data":"de"`) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("publish refuses and rewrites", func(t *testing.T) {
		w.say(`{"type":"publish","id":4,"channel":"user:ann","data":"rude"}`)
		w.hears(`"id":4,"error":{"code":4101`, "Be polite.")
		w.say(`{"type":"publish","id":5,"channel":"user:ann","data":"broken"}`)
		w.hears(`"id":5,"error"`)
		w.say(`{"type":"publish","id":6,"channel":"user:ann","data":"loud"}`)
		w.hears(`"publication"`, `"data":"quiet"`, `"tags":{"lang":"en"}`)
	})
	t.Run("calls", func(t *testing.T) {
		w.say(`{"type":"call","id":7,"method":"whoami"}`)
		w.hears(`"id":7,"result":{"data":{"user":"ann"}}`)
		w.say(`{"type":"call","id":8,"method":"fly"}`)
		w.hears(`"id":8,"error":{"code":4101`, "There is no fly.")
		w.say(`{"type":"call","id":9,"method":"fail"}`)
		if got := w.hears(`"id":9,"error"`); !strings.Contains(got, "4303") || strings.Contains(got, "secret") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("what the hook subscribed to is recovered", func(t *testing.T) {
		w := dial(t, url)
		w.say(`{"type":"connect","id":1,"token":%q}`, ann)
		var m struct{ Position string }
		if err := json.Unmarshal([]byte(w.hears(`"subscribed"`, `"recovered":false`)), &m); err != nil {
			t.Fatal(err)
		}
		w.conn.Close()
		if _, err := s.Publish(t.Context(), "user:ann", "missed", starling.Publication{}); err != nil {
			t.Fatal(err)
		}
		w = dial(t, url)
		w.say(`{"type":"connect","id":1,"token":%q,"since":%q}`, ann, m.Position)
		w.hears(`"subscribed"`, `"recovered":true`)
		w.hears(`"publication"`, `"missed"`)
	})
}

// counter is a Kind: publications add to a sum, which never exceeds ten.
type counter struct{ conflicts sync.Map }

type tally struct {
	Sum int `json:"sum"`
}

func (k *counter) Publish(ctx context.Context, c *starling.Channel, p *starling.PublishRequest) (eventlog.Appended, error) {
	var add int
	if err := json.Unmarshal(p.Data, &add); err != nil {
		return eventlog.Appended{}, &protocol.Error{Code: protocol.InvalidField, Message: "A publication here is a number."}
	}
	for {
		head, err := c.Head(ctx)
		if err != nil {
			return eventlog.Appended{}, err
		}
		var now tally
		if head.Offset > 0 {
			page, err := c.Read(ctx, head.Offset-1, eventlog.Limit{Records: 1})
			if err != nil {
				return eventlog.Appended{}, err
			}
			if err := json.Unmarshal(page.Records[0].Data, &now); err != nil {
				return eventlog.Appended{}, err
			}
		}
		now.Sum += add
		if now.Sum > 10 {
			return eventlog.Appended{}, starling.Refuse("It would be more than ten.")
		}
		raw, err := json.Marshal(now)
		if err != nil {
			return eventlog.Appended{}, err
		}
		done, err := c.Append(ctx, eventlog.Append{Entries: []eventlog.Entry{{Data: raw}}, User: p.User, Key: p.Key, Expect: eventlog.At(head.Offset)})
		if errors.Is(err, eventlog.ErrConflict) {
			k.conflicts.Store(c.Name(), true)
			continue
		}
		return done, err
	}
}

// A Kind decides what publications mean, whoever makes them.
func TestKind(t *testing.T) {
	s, url := newServer(t, starling.Options{Dev: true, Namespaces: starling.Namespaces{"sum": {Kind: &counter{}}}})
	w := dial(t, url)
	w.say(`{"type":"subscribe","id":1,"channel":"sum:a"}`)
	w.hears(`"id":1,"result"`)
	w.say(`{"type":"publish","id":2,"channel":"sum:a","data":4}`)
	w.hears(`"publication"`, `"data":{"sum":4}`)
	if _, err := s.Publish(t.Context(), "sum:a", 3, starling.Publication{}); err != nil {
		t.Fatal(err)
	}
	w.hears(`"publication"`, `"data":{"sum":7}`)
	if _, body := get(t, "POST", url+"/api/v1/publish", `{"channel":"sum:a","data":2}`); !strings.Contains(body, `"offset"`) {
		t.Errorf("API: got %s", body)
	}
	w.hears(`"publication"`, `"data":{"sum":9}`)
	w.say(`{"type":"publish","id":3,"channel":"sum:a","data":2}`)
	w.hears(`"id":3,"error":{"code":4101`, "more than ten")
	w.say(`{"type":"publish","id":4,"channel":"sum:a","data":"x"}`)
	w.hears(`"id":4,"error":{"code":4002`, "A publication here is a number.")
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := s.Publish(t.Context(), "sum:b", 1, starling.Publication{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	page, err := s.History(t.Context(), "sum:b", starling.HistoryQuery{Newest: true, Limit: 1})
	if err != nil || len(page.Publications) != 1 || string(page.Publications[0].Data) != `{"sum":10}` {
		t.Errorf("got %v, %v", page.Publications, err)
	}
	if _, err := s.Publish(t.Context(), "plain", 100, starling.Publication{}); err != nil {
		t.Error(err)
	}
}

// The program itself subscribes, with recovery.
func TestSubscribe(t *testing.T) {
	s, _ := newServer(t, starling.Options{})
	type order struct{ State string }
	orders, err := starling.TypedChannel[order](s, "orders:{}", "17")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := starling.TypedChannel[order](s, "orders:{}", "a:b"); err == nil {
		t.Error("a parameter reached into another channel")
	}
	var position string
	for e, err := range orders.Subscribe(t.Context(), starling.Subscription{}) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case starling.EventStarted:
			if _, err := orders.Publish(t.Context(), order{"new"}, starling.Publication{User: "ann"}); err != nil {
				t.Fatal(err)
			}
			continue
		case starling.EventPublication:
			if e.Value.State != "new" || e.Publication.User != "ann" {
				t.Errorf("got %+v", e)
			}
		}
		position = e.Position
		break
	}
	for i := range 3 {
		if _, err := orders.Publish(t.Context(), order{fmt.Sprint(i)}, starling.Publication{}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for e, err := range orders.Subscribe(t.Context(), starling.Subscription{Since: position}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == starling.EventStarted {
			if !e.Recovered {
				t.Error("not recovered")
			}
			continue
		}
		if got = append(got, e.Value.State); len(got) == 3 {
			break
		}
	}
	if strings.Join(got, "") != "012" {
		t.Errorf("got %v", got)
	}
	events, page, err := orders.History(t.Context(), starling.HistoryQuery{})
	if err != nil || len(events) != 4 || events[3].Value.State != "2" || !page.Complete {
		t.Errorf("got %v, %v", events, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range orders.Subscribe(ctx, starling.Subscription{}) {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

// In development whoever asks gets a token, which is held to what it grants.
func TestDevTokens(t *testing.T) {
	_, url := newServer(t, starling.Options{Dev: true})
	make := func(body string, headers ...string) (int, string) {
		status, text := get(t, "POST", url+"/dev/token", body, headers...)
		var m struct{ Token string }
		if status == 200 {
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatal(err)
			}
			return status, m.Token
		}
		return status, text
	}
	_, ann := make(`{"user":"ann"}`)
	_, reader := make(`{"user":"bob","channels":{"chat:*":["subscribe"]},"expiresIn":60}`)
	w := dial(t, url)
	w.say(`{"type":"connect","id":1,"token":%q}`, ann)
	w.hears(`"user":"ann"`)
	w.say(`{"type":"publish","id":2,"channel":"x","data":1}`)
	w.hears(`"id":2,"result"`)
	w = dial(t, url)
	w.say(`{"type":"connect","id":1,"token":%q}`, reader)
	w.hears(`"user":"bob"`)
	w.say(`{"type":"subscribe","id":2,"channel":"chat:1"}`)
	w.hears(`"id":2,"result"`)
	w.say(`{"type":"publish","id":3,"channel":"chat:1","data":1}`)
	w.hears(`"id":3,"error":{"code":4101`)
	for _, row := range []struct{ name, body, says string }{
		{"not JSON", `{`, "4002"},
		{"an unknown verb", `{"user":"a","channels":{"a":["fly"]}}`, "fly"},
		{"a bad user", `{"user":"a\u0000"}`, "4002"},
		{"too long", `{"user":"a","expiresIn":999999999}`, "4002"},
	} {
		if status, text := make(row.body); status != 400 || !strings.Contains(text, row.says) {
			t.Errorf("%s: got %d %s", row.name, status, text)
		}
	}
	if status, text := make(`{"user":"a"}`, "Origin: https://evil.example"); status != 401 {
		t.Errorf("a foreign page: got %d %s", status, text)
	}
}

// Bytes go through hooks, kinds, the API and the program, and JSON clients see them
// in base64.
func TestBytes(t *testing.T) {
	s, url := newServer(t, starling.Options{Dev: true, Hooks: starling.Hooks{
		Publish: func(_ context.Context, p *starling.PublishRequest) error {
			if b, ok := protocol.DataBytes(p.Data); ok {
				p.Data = protocol.BytesData(append(bytes.Clone(b), '!'))
			}
			return nil
		},
		Call: func(context.Context, *starling.CallRequest) (any, error) { return starling.Bytes("answer"), nil },
	}})
	w := dial(t, url)
	w.say(`{"type":"subscribe","id":1,"channel":"c"}`)
	w.hears(`"id":1,"result"`)
	w.say(`{"type":"publish","id":2,"channel":"c","data64":"YWJj"}`)
	w.hears(`"publication"`, `"data64":"YWJjIQ=="`)
	if _, err := s.Publish(t.Context(), "c", starling.Bytes("abc"), starling.Publication{}); err != nil {
		t.Fatal(err)
	}
	w.hears(`"publication"`, `"data64":"YWJj"`)
	if _, body := get(t, "POST", url+"/api/v1/publish", `{"channel":"c","data64":"eHl6"}`); !strings.Contains(body, `"offset"`) {
		t.Errorf("API: got %s", body)
	}
	w.hears(`"publication"`, `"data64":"eHl6"`)
	if _, body := get(t, "POST", url+"/api/v1/publish", `{"channel":"c","data64":"eHl6","data":1}`); !strings.Contains(body, `not both`) {
		t.Errorf("API: got %s", body)
	}
	if _, body := get(t, "POST", url+"/api/v1/signal", `{"channel":"c","data64":"eHl6"}`); body != "{}\n" && body != "{}" {
		t.Errorf("API: got %s", body)
	}
	w.hears(`"signal"`, `"data64":"eHl6"`)
	w.say(`{"type":"call","id":3,"method":"m"}`)
	w.hears(`"id":3`, `"data64":"YW5zd2Vy"`)
	page, err := s.History(t.Context(), "c", starling.HistoryQuery{Newest: true, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if b, ok := protocol.DataBytes(page.Publications[0].Data); !ok || string(b) != "xyz" {
		t.Errorf("got %q", page.Publications[0].Data)
	}
}
