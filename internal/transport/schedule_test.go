package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
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

// What a client says on a channel to which it is being subscribed it hears itself,
// in the order in which it said it; other channels do not wait for that.
func TestSayingWhileSubscribing(t *testing.T) {
	for name, verdict := range map[string]session.Verdict{"allowed": session.Allowed, "asked": session.Undecided} {
		for _, pattern := range []string{"room:1", "room:*"} {
			t.Run(name+", "+pattern, func(t *testing.T) {
				hooked := logtest.Hook(memory.New(memory.Options{}))
				b := open(t, func(s *settings) {
					s.engine = hooked
					s.session.Policy = &policy{
						judge: func(*auth.Identity, auth.Verb, string) (session.Verdict, *protocol.Error) { return verdict, nil },
						ask:   func(context.Context, *auth.Identity, auth.Verb, string) *protocol.Error { return nil },
					}
				})
				w := b.ws()
				stop := hooked.Block(logtest.CallWatch, pattern)
				defer stop.Release()
				w.say(`{"type":"subscribe","id":"s","channel":"` + pattern + `"}`)
				stop.Wait()
				w.say(`{"type":"publish","id":1,"channel":"room:1","data":1}`)
				w.say(`{"type":"publish","id":2,"channel":"other","data":2}`)
				w.hears(`"id":2,"result"`)
				w.say(`{"type":"publish","id":3,"channel":"room:1","data":3}`)
				w.say(`{"type":"signal","id":4,"channel":"room:1","data":4}`)
				w.say(`{"type":"ping","id":5}`)
				w.hears(`"id":5`)
				if p, err := b.log.Head(t.Context(), "room:1"); err != nil || p.Offset != 0 {
					t.Fatalf("published before the subscription is there: %v, %v", p, err)
				}
				stop.Release()
				var data []string
				for replies := 0; len(data) < 3 || replies < 4; {
					got := w.hear()
					if _, d, said := strings.Cut(got, `"data":`); said {
						data = append(data, d[:1])
					} else if strings.Contains(got, `"result"`) {
						replies++
					}
				}
				// A signal may overtake publications, which have to be stored first.
				if slices.Sort(data); !slices.Equal(data, []string{"1", "3", "4"}) {
					t.Errorf("heard %v", data)
				}
				if got := b.stored("room:1"); !slices.Equal(got, []string{"1", "3"}) {
					t.Errorf("stored %v", got)
				}
			})
		}
	}
}

// What is held for a subscription is said all the same if that does not come about.
func TestSayingWhileSubscribingInVain(t *testing.T) {
	hooked := logtest.Hook(memory.New(memory.Options{}))
	refusing := make(chan struct{})
	b := open(t, func(s *settings) {
		s.engine = hooked
		s.session.Policy = &policy{
			judge: func(_ *auth.Identity, verb auth.Verb, channel string) (session.Verdict, *protocol.Error) {
				if verb == auth.Subscribe && channel == "refused" {
					return session.Undecided, nil
				}
				return session.Allowed, nil
			},
			ask: func(context.Context, *auth.Identity, auth.Verb, string) *protocol.Error {
				<-refusing
				return protocol.Errorf(protocol.Forbidden, "No.")
			},
		}
	})
	t.Run("it is refused", func(t *testing.T) {
		w := b.ws()
		w.say(`{"type":"subscribe","id":"s","channel":"refused"}`)
		w.say(`{"type":"publish","id":1,"channel":"refused","data":1}`)
		w.say(`{"type":"ping","id":2}`)
		w.hears(`"id":2`)
		close(refusing)
		w.hears(`"id":"s","error"`)
		w.hears(`"id":1,"result"`)
	})
	t.Run("the client leaves", func(t *testing.T) {
		w := b.ws()
		stop := hooked.Block(logtest.CallWatch, "left")
		w.say(`{"type":"subscribe","id":"s","channel":"left"}`)
		stop.Wait()
		for i := range 20 {
			w.say(fmt.Sprintf(`{"type":"publish","channel":"left","data":%d}`, i))
			if i == 9 {
				w.say(`{"type":"unsubscribe","channel":"left"}`)
			}
		}
		stop.Release()
		w.say(`{"type":"publish","id":"end","channel":"left","data":20}`)
		w.hears(`"id":"end","result"`)
		for i, got := range b.stored("left") {
			if got != strconv.Itoa(i) {
				t.Fatalf("stored %v", b.stored("left"))
			}
		}
	})
	t.Run("it goes", func(t *testing.T) {
		w := b.ws()
		stop := hooked.Block(logtest.CallWatch, "gone")
		w.say(`{"type":"subscribe","id":"s","channel":"gone"}`)
		stop.Wait()
		w.say(`{"type":"publish","id":1,"channel":"gone","data":"last words"}`)
		w.say(`{"type":"ping","id":2}`)
		w.hears(`"id":2`)
		w.conn.Close()
		stop.Release()
		eventually(t, "it is stored", func() bool { return len(b.stored("gone")) == 1 })
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
