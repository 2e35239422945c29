package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/protocol"
	"github.com/starling-rt/starling/starlingtest"
)

func TestAPI(t *testing.T) {
	ctx := t.Context()
	s := starlingtest.New(t)
	c := s.Client()
	first, err := c.Publish(ctx, "a/b:1", map[string]int{"n": 0}, client.Publication{User: "ann", Tags: map[string]string{"k": "v"}})
	if err != nil || first.Offset == 0 || first.Position == "" || first.Duplicate {
		t.Fatalf("got %+v, %v", first, err)
	}
	for i := range 4 {
		if _, err := c.Publish(ctx, "a/b:1", map[string]int{"n": i + 1}, client.Publication{Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for p, err := range c.History(ctx, "a/b:1", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(p.Data))
	}
	if want := []string{`{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	page, err := c.Page(ctx, "a/b:1", client.HistoryQuery{Newest: true, Limit: 1, Filter: protocol.Filter{}})
	if err != nil || len(page.Publications) != 1 || !page.More {
		t.Errorf("got %+v, %v", page, err)
	}
	page, err = c.Page(ctx, "a/b:1", client.HistoryQuery{Filter: protocol.Filter{"k": {"v"}}})
	if err != nil || len(page.Publications) != 1 || page.Publications[0].User != "ann" {
		t.Errorf("got %+v, %v", page, err)
	}
	all, err := c.PublishAll(ctx, []string{"x", "$own", "y"}, 1, client.Publication{})
	var refused *client.Error
	if err != nil || len(all) != 3 || all[0].Err != nil || !errors.As(all[1].Err, &refused) || refused.Code != protocol.Forbidden || all[2].Offset == 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	results, err := c.Batch(ctx, client.CallPublish("z", 1, client.Publication{}), client.CallSignal("z", 1, "k"), client.CallTrim("a/b:1", first.Position),
		client.CallDelete("x"), client.CallDisconnect(client.Target{User: "nobody"}, ""), client.CallUnsubscribe(client.Target{User: "nobody"}, "z"), client.CallDelete("$own"))
	if err != nil || len(results) != 7 || results[0].Offset == 0 || !errors.As(results[6].Err, &refused) {
		t.Fatalf("got %+v, %v", results, err)
	}
	for i, r := range results[:6] {
		if r.Err != nil {
			t.Errorf("%d: %v", i, r.Err)
		}
	}
	for name, err := range map[string]error{
		"signal": c.Signal(ctx, "z", "s", "k"), "delete signal": c.DeleteSignal(ctx, "z", "k"), "trim": c.Trim(ctx, "a/b:1", first.Position),
		"delete": c.Delete(ctx, "a/b:1"), "disconnect": c.Disconnect(ctx, client.Target{User: "nobody"}, "bye"), "subscribe": c.Subscribe(ctx, client.Target{User: "nobody"}, "z"),
		"unsubscribe": c.Unsubscribe(ctx, client.Target{User: "nobody"}, "z"), "revoke a user": c.Revoke(ctx, client.Revocation{User: "nobody", Before: time.Now()}),
		"revoke a token": c.Revoke(ctx, client.Revocation{TokenID: "t"}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if i, err := c.Info(ctx); err != nil || i.Engine != "memory" || i.Promise == "" {
		t.Errorf("got %+v, %v", i, err)
	}
	if _, err := c.Publish(ctx, "a b", 1, client.Publication{}); !errors.As(err, &refused) || refused.Code != protocol.BadChannel || refused.Retry {
		t.Errorf("got %v", err)
	}
	if _, err := client.New(client.Options{URL: "localhost:8080"}); err == nil {
		t.Error("accepted what is no URL")
	}
}

// A publication whose answer is lost is published once, because the client makes the
// request again with the same key.
func TestRetriesPublishOnce(t *testing.T) {
	s := starlingtest.New(t)
	var n atomic.Int32
	lossy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1: // it does not arrive
			w.WriteHeader(http.StatusBadGateway)
			return
		case 2: // it arrives, but the answer is lost
			s.Server().ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		s.Server().ServeHTTP(w, r)
	}))
	defer lossy.Close()
	c, err := client.New(client.Options{URL: lossy.URL, APIKey: s.APIKey})
	if err != nil {
		t.Fatal(err)
	}
	done, err := c.Publish(t.Context(), "a", 1, client.Publication{})
	if err != nil || !done.Duplicate || n.Load() != 3 {
		t.Errorf("got %+v after %d requests: %v", done, n.Load(), err)
	}
	page, err := s.Client().Page(t.Context(), "a", client.HistoryQuery{})
	if err != nil || len(page.Publications) != 1 {
		t.Errorf("got %+v, %v", page, err)
	}
	n.Store(10)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"code":4100,"name":"unauthorized","message":"No.","retry":false}}`)
	}))
	defer refusing.Close()
	if c, err = client.New(client.Options{URL: refusing.URL}); err != nil {
		t.Fatal(err)
	}
	var refused *client.Error
	if err := c.Delete(t.Context(), "a"); !errors.As(err, &refused) || refused.Code != protocol.Unauthorized || n.Load() != 11 {
		t.Errorf("got %v after %d requests", err, n.Load()-10)
	}
}

// A subscription comes back after the server was restarted, and misses nothing.
func TestSubscribe(t *testing.T) {
	s := starlingtest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tokens := 0
	o := client.Subscription{Token: func(context.Context) (string, error) {
		tokens++
		return s.Token("ann", map[string][]auth.Verb{"a": {auth.Subscribe}}), nil
	}}
	var got []string
	position := ""
	started := 0
	for e, err := range client.Subscribe(ctx, s.URL, "a", o) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case client.EventStarted:
			if started++; started == 1 {
				s.Publish("a", 0)
				s.Publish("a", 1)
			} else if !e.Recovered {
				t.Error("not recovered")
			}
		case client.EventPublication:
			got = append(got, string(e.Publication.Data))
			if len(got) == 2 {
				s.Restart()
				s.Publish("a", 2)
				s.Publish("a", 3)
			}
		default:
			t.Errorf("got %+v", e)
		}
		if position = e.Position; len(got) == 3 {
			break
		}
	}
	if !slices.Equal(got, []string{"0", "1", "2"}) || started != 2 || tokens != 2 {
		t.Errorf("got %q, started %d times with %d tokens", got, started, tokens)
	}
	o.Since = position
	for e, err := range client.Subscribe(ctx, s.URL, "a", o) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == client.EventPublication {
			if string(e.Publication.Data) != "3" {
				t.Errorf("got %s", e.Publication.Data)
			}
			break
		}
	}
}

// What cannot succeed ends a subscription with the reason.
func TestSubscribeEnds(t *testing.T) {
	s := starlingtest.New(t, func(o *starling.Options) {
		o.Namespaces = starling.Namespaces{"open": {Users: []starling.Verb{starling.Subscribe}}}
	})
	token := s.Token("ann", nil)
	o := client.Subscription{Token: func(context.Context) (string, error) { return token, nil }}
	end := func(channel string, o client.Subscription, started func()) error {
		for e, err := range client.Subscribe(t.Context(), s.URL, channel, o) {
			if err != nil {
				return err
			}
			if e.Type == client.EventStarted && started != nil {
				started()
			}
		}
		return nil
	}
	for _, row := range []struct {
		name    string
		channel string
		o       client.Subscription
		started func()
		code    protocol.Code
	}{
		{"not allowed", "closed", o, nil, protocol.Forbidden},
		{"no channel", "a b", o, nil, protocol.BadChannel},
		{"no position", "open:1", client.Subscription{Token: o.Token, Since: "!"}, nil, protocol.BadPosition},
		{"a bad token", "open:1", client.Subscription{Token: func(context.Context) (string, error) { return "x", nil }}, nil, protocol.Unauthorized},
		{"unsubscribed", "open:1", o, func() {
			if err := s.Client().Unsubscribe(t.Context(), client.Target{User: "ann"}, "open:1"); err != nil {
				t.Error(err)
			}
		}, protocol.Forbidden},
		{"disconnected", "open:1", o, func() {
			if err := s.Client().Disconnect(t.Context(), client.Target{User: "ann"}, "Bye."); err != nil {
				t.Error(err)
			}
		}, protocol.Disconnected},
	} {
		t.Run(row.name, func(t *testing.T) {
			var refused *client.Error
			if err := end(row.channel, row.o, row.started); !errors.As(err, &refused) || refused.Code != row.code {
				t.Errorf("got %v, want %v", err, row.code)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	for e, err := range client.Subscribe(ctx, s.URL, "open:1", o) {
		if e.Type == client.EventStarted {
			cancel()
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %+v, %v", e, err)
		}
	}
	cancel()
}

func TestVerifySignature(t *testing.T) {
	if err := client.VerifySignature("t=1,v1=00", nil, []string{"0123456789abcdef"}, time.Minute); err == nil {
		t.Error("accepted")
	}
}
