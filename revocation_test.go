package starling_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

// refused waits until a token is refused as revoked.
func refused(t *testing.T, url, token string) {
	t.Helper()
	within(t, "the token is refused", func() bool {
		status, body := get(t, "GET", url+"/poll?channel=a&token="+token, "")
		return status == http.StatusForbidden && strings.Contains(body, "4108")
	})
}

// following waits until the server follows its own channel.
func following(t *testing.T, s *starling.Server) {
	t.Helper()
	within(t, "the server follows its own channel", func() bool { st, _ := s.Stats(); return st.Subscriptions == 1 })
}

var everything = starling.Namespaces{"": {Users: []starling.Verb{auth.Any}, Anonymous: []starling.Verb{auth.Any}}}

// A token that is revoked while a hook is asked about it does not get in, nor does a
// session keep it that was about to be given it.
func TestRevokedWhileAsked(t *testing.T) {
	for name, first := range map[string]string{
		"connect": `{"type":"connect","id":1,"token":%q}`,
		"refresh": `{"type":"refresh","id":1,"token":%q}`,
	} {
		t.Run(name, func(t *testing.T) {
			asked, answer := make(chan struct{}), make(chan struct{})
			s, url := newServer(t, withTokens(starling.Options{Namespaces: everything, Hooks: starling.Hooks{
				Connect: func(_ context.Context, c *starling.ConnectRequest) error {
					if c.Identity != nil && c.Transport == "ws" {
						close(asked)
						<-answer
					}
					return nil
				},
			}}))
			following(t, s)
			ann := token(t, "ann", nil)
			w := dial(t, url)
			w.say(`{"type":"ping","id":0}`)
			w.hears(`"id":0`)
			w.say(first, ann)
			<-asked
			if err := s.Revoke(t.Context(), starling.Revocation{User: "ann"}); err != nil {
				t.Fatal(err)
			}
			refused(t, url, ann)
			close(answer)
			if got := w.ends(); !strings.Contains(got, "4108") {
				t.Errorf("got %s", got)
			}
		})
	}
}

// A hook may let a user in again whose tokens were revoked; that others are revoked
// later is nothing to such a session.
func TestRevokingOthers(t *testing.T) {
	s, url := newServer(t, withTokens(starling.Options{Namespaces: everything, Hooks: starling.Hooks{
		Connect: func(_ context.Context, c *starling.ConnectRequest) error {
			if c.Identity == nil {
				c.Identity = &starling.Identity{User: "ann"}
			}
			return nil
		},
	}}))
	following(t, s)
	ann, bob := token(t, "ann", nil), token(t, "bob", nil)
	if err := s.Revoke(t.Context(), starling.Revocation{User: "ann"}); err != nil {
		t.Fatal(err)
	}
	refused(t, url, ann)
	w, other := dial(t, url), dial(t, url)
	w.say(`{"type":"connect","id":1}`)
	w.hears(`"id":1,"result"`)
	other.say(`{"type":"connect","id":1,"token":%q}`, bob)
	other.hears(`"id":1,"result"`)
	if err := s.Revoke(t.Context(), starling.Revocation{User: "bob"}); err != nil {
		t.Fatal(err)
	}
	if got := other.ends(); !strings.Contains(got, "4108") {
		t.Errorf("bob: got %s", got)
	}
	w.say(`{"type":"ping","id":2}`)
	w.hears(`"id":2,"result"`)
}

// An order that comes after the start, while the control channel is not followed yet or
// cannot be, is obeyed later.
func TestOrdersDuringAFailure(t *testing.T) {
	faulty := logtest.NewFaulty(memory.New(memory.Options{}))
	hooked := logtest.Hook(faulty)
	for nth := range 2 { // at the start, and when the control channel is first followed
		faulty.Fail(logtest.CallList, nth+1, eventlog.ErrUnavailable)
	}
	follow := hooked.Block(logtest.CallWatch, "$control")
	s, url := newServer(t, withTokens(starling.Options{Engine: hooked, Namespaces: everything}))
	w := dial(t, url)
	w.say(`{"type":"connect","id":1}`)
	id := w.hears(`"id":1,"result"`)
	_, id, _ = strings.Cut(id, `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	follow.Wait()
	if err := s.Disconnect(t.Context(), starling.Target{Session: id}, "Bye."); err != nil {
		t.Fatal(err)
	}
	follow.Release()
	if got := w.ends(); !strings.Contains(got, "4109") {
		t.Errorf("got %s", got)
	}
}
