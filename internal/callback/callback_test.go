package callback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/protocol"
)

// app is an application's backend, without sockets.
type app func(*http.Request) (*http.Response, error)

func (a app) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func says(text string) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)),
	}
}

func newClient(a app, conf Config) *Client {
	conf.Secrets, conf.Transport = []string{"0123456789abcdef"}, a
	return New(conf)
}

func isUnavailable(err error) bool {
	var e *protocol.Error
	return errors.As(err, &e) && e.Code == protocol.Unavailable
}

// Many who ask the same get one answer to one question, and it is remembered for as
// long as it says.
func TestSingleFlightAndCache(t *testing.T) {
	for _, row := range []struct {
		answer string
		holds  time.Duration
		err    string
	}{
		{`{"allow":true}`, 5 * time.Second, ""},
		{`{"allow":false,"message":"No."}`, time.Second, "No."},
		{`{"allow":null}`, 5 * time.Second, ErrUndecided.Error()},
		{`{"allow":true,"cache":30}`, 30 * time.Second, ""},
		{`{"allow":false,"cache":0.5}`, 500 * time.Millisecond, "not allow it"},
		{`{"allow":true,"cache":0}`, 0, ""},
	} {
		t.Run(row.answer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				c := newClient(func(*http.Request) (*http.Response, error) {
					asked.Add(1)
					<-time.After(100 * time.Millisecond)
					return says(row.answer), nil
				}, Config{})
				d := NewDecider(c, "http://app", 5*time.Second, time.Second)
				defer d.Close()
				ask := func() {
					made, err := d.Decide(t.Context(), []byte(`{"user":"ann"}`), "publish", "a")
					if err == nil {
						err = made.Err()
					}
					if (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
						t.Errorf("got %v, want %q", err, row.err)
					}
				}
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(ask)
				}
				wg.Wait()
				if n := asked.Load(); n != 1 {
					t.Fatalf("100 at once were asked for by %d questions", n)
				}
				if row.holds > 0 {
					<-time.After(row.holds - time.Millisecond)
					ask()
					if n := asked.Load(); n != 1 {
						t.Fatalf("within %v there were %d questions", row.holds, n)
					}
					<-time.After(time.Millisecond)
				}
				ask()
				if n := asked.Load(); n != 2 {
					t.Fatalf("after %v there were %d questions", row.holds, n)
				}
				d.Forget()
				ask()
				if n := asked.Load(); n != 3 {
					t.Errorf("after Forget there were %d questions", n)
				}
			})
		})
	}
}

// What differs is asked apart.
func TestWhatTheCacheTellsApart(t *testing.T) {
	var asked atomic.Int32
	d := NewDecider(newClient(func(*http.Request) (*http.Response, error) {
		asked.Add(1)
		return says(`{"allow":true}`), nil
	}, Config{}), "http://app", time.Hour, time.Hour)
	defer d.Close()
	for i, q := range [][3]string{
		{`{"user":"ann"}`, "publish", "a"},
		{`{"user":"bob"}`, "publish", "a"},
		{`null`, "publish", "a"},
		{`{"user":"ann"}`, "subscribe", "a"},
		{`{"user":"ann"}`, "publish", "b"},
		{`{"user":"ann"}`, "publish", "a*"},
	} {
		for range 2 {
			if _, err := d.Decide(t.Context(), []byte(q[0]), q[1], q[2]); err != nil {
				t.Fatal(err)
			}
		}
		if n := int(asked.Load()); n != i+1 {
			t.Errorf("%q: %d questions", q, n)
		}
	}
}

// What is forgotten while it is being asked for is not remembered.
func TestForgetWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		d := NewDecider(newClient(func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			<-time.After(time.Second)
			return says(`{"allow":true}`), nil
		}, Config{}), "http://app", time.Hour, time.Hour)
		defer d.Close()
		go func() { _, _ = d.Decide(context.Background(), nil, "publish", "a") }()
		synctest.Wait()
		d.Forget()
		for range 2 {
			if _, err := d.Decide(t.Context(), nil, "publish", "a"); err != nil {
				t.Error(err)
			}
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("%d questions", n)
		}
	})
}

// A backend that is down or slow ties up nobody for longer than the timeout, and is
// asked again when it is back.
func TestDownAndSlow(t *testing.T) {
	for name, broken := range map[string]app{
		"down": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"slow": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked, under, most atomic.Int32
				var back atomic.Bool
				c := newClient(func(r *http.Request) (*http.Response, error) {
					asked.Add(1)
					most.Store(max(most.Load(), under.Add(1)))
					defer under.Add(-1)
					if back.Load() {
						return says(`{"allow":true}`), nil
					}
					return broken(r)
				}, Config{MaxConcurrent: 4})
				start := time.Now()
				var wg sync.WaitGroup
				for range 1000 {
					wg.Go(func() {
						var v Verdict
						if err := c.Ask(t.Context(), "http://app", 1, &v, 100); !isUnavailable(err) {
							t.Errorf("got %v", err)
						}
					})
				}
				wg.Wait()
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if most.Load() > 4 {
					t.Errorf("%d at once", most.Load())
				}
				// Until the breaker opens there may be some.
				for asked.Store(0); asked.Load() < failuresToOpen; {
					var v Verdict
					before := asked.Load()
					if err := c.Ask(t.Context(), "http://app", 1, &v, 100); !isUnavailable(err) {
						t.Errorf("got %v", err)
					}
					if asked.Load() == before {
						break
					}
				}
				asked.Store(0)
				for range 100 {
					var v Verdict
					if err := c.Ask(t.Context(), "http://app", 1, &v, 100); !isUnavailable(err) {
						t.Errorf("got %v", err)
					}
				}
				if n := asked.Load(); n != 0 {
					t.Errorf("it was asked %d times while it was to be spared", n)
				}
				back.Store(true)
				<-time.After(openFor)
				var v Verdict
				if err := c.Ask(t.Context(), "http://app", 1, &v, 100); err != nil || v.Allow != Yes {
					t.Errorf("when it is back: %v", err)
				}
			})
		})
	}
}

// Whatever is no proper answer refuses.
func TestNonsense(t *testing.T) {
	for name, answer := range map[string]*http.Response{
		"empty":               says(``),
		"not JSON":            says(`yes`),
		"a list":              says(`[]`),
		"no allow":            says(`{}`),
		"null":                says(`null`),
		"a text":              says(`{"allow":"true"}`),
		"a number":            says(`{"allow":1}`),
		"a misspelt field":    says(`{"allow":true,"mesage":"x"}`),
		"two values":          says(`{"allow":true}{"allow":true}`),
		"not UTF-8":           says("{\"allow\":true,\"message\":\"\xff\"}"),
		"deep":                says(`{"allow":true,"message":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`),
		"huge":                says(`{"allow":true,"message":"` + strings.Repeat("x", 2000) + `"}`),
		"a long message":      says(`{"allow":false,"message":"` + strings.Repeat("x", 1001) + `"}`),
		"a negative duration": says(`{"allow":true,"cache":-1}`),
		"a long duration":     says(`{"allow":true,"cache":1e9}`),
		"a redirect":          {StatusCode: 302, Header: http.Header{"Location": {"http://elsewhere/"}}, Body: io.NopCloser(strings.NewReader(""))},
		"an error":            {StatusCode: 500, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"allow":true}`))},
		"a page":              {StatusCode: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: io.NopCloser(strings.NewReader(`{"allow":true}`))},
		"no type":             {StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"allow":true}`))},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host != "app" {
					return nil, fmt.Errorf("the redirect to %s was followed", r.URL.Host)
				}
				answer.Request = r
				return answer, nil
			}, Config{})
			var d Decision
			if err := c.Ask(t.Context(), "http://app", 1, &d, 1500); !isUnavailable(err) {
				t.Errorf("got %v and %+v", err, d)
			}
		})
	}
}
