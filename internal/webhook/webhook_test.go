package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/internal/signed"
	"github.com/starling-rt/starling/internal/webhook"
)

const secret = "the secret of the webhook"

// backend is one that takes events, without sockets. trouble is asked before it
// answers; what it returns is answered instead.
type backend struct {
	t       *testing.T
	trouble func(*http.Request) (*http.Response, error)

	mu     sync.Mutex
	events []event // of all requests that were answered with 200
	other  []event // of those that were not
	most   int     // events of a request
}

type event struct {
	Type, ID, Channel, Node string
	Publication             struct{ Data json.RawMessage }
}

func answer(status int) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
}

// RoundTrip implements [http.RoundTripper].
func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	if err := signed.Verify(r.Header.Get(signed.Header), raw, []string{secret}, time.Now(), time.Minute); err != nil {
		b.t.Error(err)
	}
	var body struct {
		Webhook string
		Events  []event
	}
	if err := json.Unmarshal(raw, &body); err != nil || body.Webhook != "w" {
		b.t.Errorf("%s: %v", raw, err)
	}
	var res *http.Response
	if b.trouble != nil {
		res, err = b.trouble(r)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = max(b.most, len(body.Events))
	if res != nil || err != nil {
		b.other = append(b.other, body.Events...)
		return res, err
	}
	b.events = append(b.events, body.Events...)
	return answer(http.StatusOK), nil
}

// got returns the data of the publications of a channel, as they came.
func (b *backend) got(channel string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		switch {
		case e.Channel != channel:
		case e.Type == webhook.Publication:
			all = append(all, string(e.Publication.Data))
		default:
			all = append(all, e.Type)
		}
	}
	return all
}

func hookOf(t *testing.T, change ...func(*webhook.Hook)) webhook.Hook {
	t.Helper()
	h := webhook.Hook{Name: "w", URL: "http://app/", Secrets: []string{secret}}
	for _, f := range change {
		f(&h)
	}
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
	return h
}

func newLog(inner eventlog.Engine, hooks ...webhook.Hook) *eventlog.Log {
	return eventlog.New(webhook.Wrap(inner, hooks))
}

func closeLog(t *testing.T, log *eventlog.Log) {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}

func publish(t *testing.T, log *eventlog.Log, channel string, data any) {
	t.Helper()
	if _, err := log.Append(t.Context(), eventlog.Append{Channel: channel, Entries: []eventlog.Entry{{Data: fmt.Append(nil, data)}}}); err != nil {
		t.Error(err)
	}
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// A backend with every kind of trouble gets each event, in order, and twice only what
// it did not acknowledge; though the deliverer is ended and started again and again.
func TestTroubledBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const channels, each = 20, 100
		r := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		b := &backend{t: t, trouble: func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			n := r.IntN(8)
			mu.Unlock()
			switch n {
			case 0:
				return answer(http.StatusInternalServerError), nil
			case 1:
				return nil, errors.New("connection reset")
			case 2:
				<-req.Context().Done() // a timeout
				return nil, req.Context().Err()
			case 3:
				return answer(http.StatusFound), nil
			case 4:
				<-time.After(time.Second)
			}
			return nil, nil
		}}
		h := hookOf(t)
		log := newLog(memory.New(memory.Options{}), h)
		defer closeLog(t, log)
		conf := webhook.Config{Log: log, Node: "n1", Transport: b, Timeout: 2 * time.Second}
		d := webhook.Start(conf, h)
		var wg sync.WaitGroup
		for c := range channels {
			wg.Go(func() {
				for i := range each {
					publish(t, log, fmt.Sprintf("c:%d", c), i)
					mu.Lock()
					wait := time.Duration(r.IntN(300)) * time.Millisecond
					mu.Unlock()
					<-time.After(wait)
				}
			})
		}
		for range 10 {
			<-time.After(time.Second)
			d.Close()
			d = webhook.Start(conf, h)
		}
		wg.Wait()
		<-time.After(10 * time.Minute)
		for c := range channels {
			if got := b.got(fmt.Sprintf("c:%d", c)); !slices.Equal(got, numbers(each)) {
				t.Errorf("channel %d: got %q", c, got)
			}
		}
		st := d.Stats()
		if b.most > 100 || len(b.other) == 0 || st.Failures == 0 {
			t.Errorf("%d events in a request, %d not taken, %+v", b.most, len(b.other), st)
		}
		d.Close()
	})
}

// What is published while nothing is delivered is delivered later; what was there
// before the hook is not.
func TestFromWhereItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New(memory.Options{})
		before := eventlog.New(inner)
		publish(t, before, "a", `"before"`)
		b := &backend{t: t}
		h := hookOf(t, func(h *webhook.Hook) { h.Channels = []string{"a", "b:*"}; h.Events = []string{webhook.Publication} })
		log := newLog(inner, h)
		defer closeLog(t, log)
		publish(t, log, "a", 0)
		publish(t, log, "b:1", 0)
		publish(t, log, "c", `"not wanted"`)
		conf := webhook.Config{Log: log, Node: "n1", Transport: b}
		d := webhook.Start(conf, h)
		synctest.Wait()
		publish(t, log, "a", 1)
		synctest.Wait()
		d.Close()
		publish(t, log, "a", 2)
		publish(t, log, "b:1", 1)
		d = webhook.Start(conf, h)
		synctest.Wait()
		if got := b.got("a"); !slices.Equal(got, numbers(3)) {
			t.Errorf("a: got %q", got)
		}
		if got := b.got("b:1"); !slices.Equal(got, numbers(2)) {
			t.Errorf("b:1: got %q", got)
		}
		if got := b.got("c"); got != nil {
			t.Errorf("c: got %q", got)
		}
		d.Close()
	})
}

// What the log removes before it can be delivered is told to be missed.
func TestMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		b := &backend{t: t, trouble: func(*http.Request) (*http.Response, error) {
			if up.Load() {
				return nil, nil
			}
			return answer(503), nil
		}}
		h := hookOf(t)
		log := newLog(memory.New(memory.Options{Policies: func(string) eventlog.Policy { return eventlog.Policy{MaxRecords: 3} }}), h)
		defer closeLog(t, log)
		publish(t, log, "a", 0)
		publish(t, log, "a", 1)
		d := webhook.Start(webhook.Config{Log: log, Node: "n1", Transport: b}, h)
		synctest.Wait() // it has read these
		for i := 2; i < 10; i++ {
			publish(t, log, "a", i)
		}
		up.Store(true)
		<-time.After(time.Minute)
		if got := strings.Join(b.got("a"), " "); got != "0 1 missed 7 8 9" {
			t.Errorf("got %q", got)
		}
		d.Close()
	})
}

// A backend that says that it is gone is left alone until the next start.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		var asked atomic.Int32
		b := &backend{t: t, trouble: func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			if back.Load() {
				return nil, nil
			}
			return answer(http.StatusGone), nil
		}}
		h := hookOf(t)
		log := newLog(memory.New(memory.Options{}), h)
		defer closeLog(t, log)
		conf := webhook.Config{Log: log, Node: "n1", Transport: b}
		d := webhook.Start(conf, h)
		for i := range 3 {
			publish(t, log, "a", i)
			<-time.After(time.Hour)
		}
		if !d.Stats().Disabled || asked.Load() != 1 {
			t.Errorf("%d requests, %+v", asked.Load(), d.Stats())
		}
		d.Close()
		back.Store(true)
		d = webhook.Start(conf, h)
		synctest.Wait()
		if got := b.got("a"); !slices.Equal(got, numbers(3)) {
			t.Errorf("got %q", got)
		}
		d.Close()
	})
}

// Of several nodes one delivers, and another goes on when that ends.
func TestOneOfSeveralNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{t: t}
		h := hookOf(t)
		log := newLog(memory.New(memory.Options{}), h)
		defer closeLog(t, log)
		var all []*webhook.Deliverer
		for _, node := range []string{"n1", "n2", "n3"} {
			all = append(all, webhook.Start(webhook.Config{Log: log, Node: node, Transport: b}, h))
			synctest.Wait()
		}
		for i := range 30 {
			publish(t, log, "a", i)
			<-time.After(time.Second)
			if i%10 == 9 {
				for n, d := range all {
					if d.Stats().Requests > 0 {
						d.Close()
						all = slices.Delete(all, n, n+1)
						break
					}
				}
			}
		}
		<-time.After(time.Minute)
		if got := b.got("a"); !slices.Equal(got, numbers(30)) {
			t.Errorf("got %q", got)
		}
		if len(all) != 0 {
			t.Errorf("%d have delivered nothing", len(all))
		}
	})
}

// Nothing is acknowledged before its delivery is sure, and what waits for that keeps
// its order.
func TestNothingIsAcknowledgedBeforeItsPosition(t *testing.T) {
	h := hookOf(t)
	hooked := logtest.Hook(memory.New(memory.Options{}))
	log := newLog(hooked, h)
	defer closeLog(t, log)
	stop := hooked.Block(logtest.CallPut)
	const n = 50
	acks := make(chan error, n)
	for i := range n {
		log.AppendAsync(eventlog.Append{Channel: "a", Entries: []eventlog.Entry{{Data: fmt.Append(nil, i)}}}, func(_ eventlog.Appended, err error) { acks <- err })
	}
	stop.Wait()
	if page, err := log.Read(t.Context(), "a", 0, eventlog.Limit{}); err != nil || len(page.Records) > 0 || len(acks) > 0 {
		t.Fatalf("%d records, %d acknowledged: %v", len(page.Records), len(acks), err)
	}
	stop.Release()
	for range n {
		if err := <-acks; err != nil {
			t.Fatal(err)
		}
	}
	page, err := log.Read(t.Context(), "a", 0, eventlog.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range page.Records {
		if string(r.Data) != fmt.Sprint(i) {
			t.Fatalf("record %d is %s", i, r.Data)
		}
	}
}

// noPut is an engine whose key-values cannot be written.
type noPut struct{ eventlog.Engine }

type noPutKV struct{ eventlog.KV }

func (e noPut) KV() eventlog.KV { return noPutKV{e.Engine.KV()} }

func (noPutKV) Put(context.Context, string, []byte, eventlog.PutOptions) (uint64, error) {
	return 0, errors.New("the disk is full")
}

func TestNothingIsStoredWithoutItsPosition(t *testing.T) {
	h := hookOf(t)
	log := newLog(noPut{memory.New(memory.Options{})}, h)
	defer closeLog(t, log)
	for range 2 {
		_, err := log.Append(t.Context(), eventlog.Append{Channel: "a", Entries: []eventlog.Entry{{Data: []byte("1")}}})
		if !errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if head, err := log.Head(t.Context(), "a"); err != nil || head.Offset != 0 {
		t.Errorf("got %v, %v", head, err)
	}
}

func TestCheck(t *testing.T) {
	for name, h := range map[string]webhook.Hook{
		"no URL":      {Name: "w", Secrets: []string{secret}},
		"no secret":   {Name: "w", URL: "http://a/"},
		"no name":     {URL: "http://a/", Secrets: []string{secret}},
		"a path":      {Name: "a/b", URL: "http://a/", Secrets: []string{secret}},
		"a long name": {Name: strings.Repeat("a", 65), URL: "http://a/", Secrets: []string{secret}},
		"an event":    {Name: "w", URL: "http://a/", Secrets: []string{secret}, Events: []string{"dance"}},
		"a channel":   {Name: "w", URL: "http://a/", Secrets: []string{secret}, Channels: []string{"a*b"}},
	} {
		if err := h.Check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
