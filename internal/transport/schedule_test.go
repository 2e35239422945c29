package transport_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// What a client does while its subscription is being made.
func TestWhileSubscribing(t *testing.T) {
	hooked := logtest.Hook(memory.New(memory.Options{}))
	b := open(t, func(s *settings) { s.engine = hooked })
	begin := func(t *testing.T, channel string) (*ws, *logtest.Stop) {
		stop := hooked.Block(logtest.CallWatch, channel)
		w := b.ws()
		w.t = t
		w.say(`{"type":"subscribe","id":1,"channel":"` + channel + `"}`)
		stop.Wait()
		return w, stop
	}
	t.Run("it unsubscribes", func(t *testing.T) {
		w, stop := begin(t, "a")
		w.say(`{"type":"unsubscribe","id":2,"channel":"a"}`)
		w.hears(`"id":2,"result":{}`)
		stop.Release()
		if got := w.hears(`"id":1`); !strings.Contains(got, `"code":4201`) || !strings.Contains(got, "ended before it began") {
			t.Errorf("got %s", got)
		}
		b.publish("a", `"unheard"`)
		w.say(`{"type":"subscribe","id":3,"channel":"a"}`)
		if got := w.hear(); !strings.Contains(got, `"id":3,"result":{"position"`) {
			t.Errorf("subscribed again: got %s", got)
		}
		b.publish("a", `"heard"`)
		if got := w.hear(); !strings.Contains(got, `"data":"heard"`) {
			t.Errorf("got %s", got)
		}
		w.conn.Close()
		b.sessionsBecome(0)
	})
	t.Run("it subscribes again", func(t *testing.T) {
		w, stop := begin(t, "b")
		w.say(`{"type":"subscribe","id":2,"channel":"b"}`)
		if got := w.hear(); !strings.Contains(got, `"id":2,"error":{"code":4200`) {
			t.Errorf("got %s", got)
		}
		stop.Release()
		w.hears(`"id":1,"result":{"position"`)
		b.publish("b", `"once"`)
		b.publish("b", `"end"`)
		if one, two := w.hear(), w.hear(); !strings.Contains(one, "once") || !strings.Contains(two, "end") {
			t.Errorf("got %s and %s", one, two)
		}
		w.conn.Close()
		b.sessionsBecome(0)
	})
	t.Run("it goes", func(t *testing.T) {
		w, stop := begin(t, "c")
		w.conn.Close()
		b.sessionsBecome(0)
		stop.Release()
		eventually(t, "the subscription is gone", func() bool { return b.hub.Stats().Subscriptions == 0 })
	})
}

// What a client says after connect is said by whom its token names, even if the
// token takes long to check.
func TestCommandsRightAfterConnect(t *testing.T) {
	checked := make(chan struct{})
	b := open(t, func(s *settings) {
		s.session.Policy = &policy{
			authenticate: func(string) (*auth.Identity, *protocol.Error) {
				<-checked
				return &auth.Identity{User: "ann"}, nil
			},
			judge: func(who *auth.Identity, _ auth.Verb, _ string) (session.Verdict, *protocol.Error) {
				if who == nil || who.User != "ann" {
					return session.Refused, protocol.Errorf(protocol.Forbidden, "Only Ann.")
				}
				return session.Allowed, nil
			},
		}
	})
	w := b.ws()
	w.raw(append(text(`{"type":"connect","id":1,"token":"t"}`), text(`{"type":"subscribe","id":2,"channel":"c"}`)...))
	eventually(t, "connect is read", func() bool { return b.sessions.Stats().Commands >= 1 })
	close(checked)
	if got := w.hear(); !strings.Contains(got, `"id":1,"result"`) || !strings.Contains(got, `"user":"ann"`) {
		t.Errorf("connect: got %s", got)
	}
	if got := w.hear(); !strings.Contains(got, `"id":2,"result"`) {
		t.Errorf("subscribe: got %s", got)
	}
}

// A log that fails refuses publications with a sentence, on every door; what it
// had acknowledged stays, and it goes on when the log does.
func TestLogThatFails(t *testing.T) {
	faulty := logtest.NewFaulty(memory.New(memory.Options{}))
	b := open(t, func(s *settings) { s.engine = faulty; s.api.Open = true })
	w := b.ws()
	w.subscribe("c")
	b.publish("c", `"before"`)
	w.hears(`"before"`)
	poll := b.do("GET", "/poll?channel=x&keep=1", "")
	_, id, _ := strings.Cut(poll.body, `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	const publish = `{"type":"publish","id":1,"channel":"c","data":1,"key":"k"}`
	for _, row := range []struct {
		name, code, sentence string
		err                  error
		status               int
	}{
		{"not available", `"code":4300`, "nothing was stored", eventlog.ErrUnavailable, http.StatusServiceUnavailable},
		{"outcome not known", `"code":4301`, "with the same key", eventlog.ErrUnknown, http.StatusServiceUnavailable},
		{"what nobody thought of", `"code":4303`, "Its log says more", errors.Join(syscall.EIO), http.StatusInternalServerError},
	} {
		t.Run(row.name, func(t *testing.T) {
			faulty.Fail(logtest.CallAppend, 0, row.err)
			w.say(publish)
			if got := w.hear(); !strings.Contains(got, row.code) || !strings.Contains(got, row.sentence) || strings.Contains(got, "input/output") {
				t.Errorf("WebSocket: got %s", got)
			}
			for path, body := range map[string]string{
				"/send?session=" + id: publish,
				"/api/v1/publish":     `{"channel":"c","data":1,"key":"k"}`,
			} {
				got := b.do("POST", path, body)
				if got.status != row.status || !strings.Contains(got.body, row.code) || !strings.Contains(got.body, row.sentence) {
					t.Errorf("%s: got %d %s", path, got.status, got.body)
				}
			}
			faulty.Heal()
		})
	}
	w.say(publish)
	w.hears(`"duplicate":false`)
	page, err := b.log.Read(t.Context(), "c", 0, eventlog.Limit{})
	if err != nil || len(page.Records) != 2 {
		t.Errorf("got %d records, %v, want what was acknowledged", len(page.Records), err)
	}
	t.Run("subscribe", func(t *testing.T) {
		faulty.Fail(logtest.CallWatch, 1, eventlog.ErrUnavailable)
		w.say(`{"type":"subscribe","id":2,"channel":"d"}`)
		if got := w.hears(`"id":2`); !strings.Contains(got, `"code":4300`) {
			t.Errorf("got %s", got)
		}
		faulty.Fail(logtest.CallWatch, 1, eventlog.ErrUnavailable)
		if got := b.do("GET", "/sse?channel=e", ""); got.status != 200 || !strings.HasPrefix(got.body, "retry: 1000\nevent: error\ndata: {\"code\":4300") {
			t.Errorf("SSE: got %d %s", got.status, got.body)
		}
		w.subscribe("d")
	})
}

// An unsubscribe that comes right behind its subscribe does not overtake it.
func TestUnsubscribeRightBehind(t *testing.T) {
	b := open(t, nil)
	w := b.ws()
	for i := range 50 {
		subscribe := fmt.Sprintf(`{"type":"subscribe","id":1,"channel":"c%d"}`, i)
		w.raw(append(text(subscribe), text(strings.Replace(strings.Replace(subscribe, "1", "2", 1), "sub", "unsub", 1))...))
		if got := w.hears(`"id":2`); !strings.Contains(got, `"result":{}`) {
			t.Fatalf("unsubscribe: got %s", got)
		}
	}
}
