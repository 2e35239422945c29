package starling

import (
	"testing"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// outlet hears of the end of a session.
type outlet chan *protocol.Error

func (o outlet) Flush() {}

func (o outlet) End(why *protocol.Error) { o <- why }

// What was revoked while the server missed its own channel ends the sessions that it
// has, when it reads what is revoked.
func TestRevocationsThatWereMissed(t *testing.T) {
	s, err := New(Options{Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Shutdown(t.Context(), 0); err != nil {
			t.Error(err)
		}
	}()
	ended := outlet(make(chan *protocol.Error, 1))
	if _, refused := s.sessions.Open(session.Options{Identity: &auth.Identity{User: "ann", IssuedAt: time.Now()}, Outlet: ended}); refused != nil {
		t.Fatal(refused)
	}
	const value = `{"before":"9000-01-01T00:00:00Z","until":"9000-01-01T00:00:00Z"}`
	if _, err := s.log.KV().Put(t.Context(), revokedPrefix+"user/ann", []byte(value), eventlog.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.loadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Whoever listens reads it as well, and may be the one who ends the session.
	if why := <-ended; why == nil || why.Code != protocol.Revoked {
		t.Errorf("got %v", why)
	}
	if _, refused := s.sessions.Open(session.Options{Identity: &auth.Identity{User: "ann", IssuedAt: time.Now()}, Outlet: outlet(make(chan *protocol.Error, 1))}); refused == nil || refused.Code != protocol.Revoked {
		t.Errorf("another session: got %v", refused)
	}
}
