package transport_test

import (
	"bufio"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// counts is what the hooks of a server heard.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) hook(what string) func(protocol.Code) {
	return func(why protocol.Code) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.n == nil {
			c.n = map[string]int{}
		}
		c.n[what+" "+why.String()]++
	}
}

func (c *counts) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func TestSessionsOfAnAddress(t *testing.T) {
	var c counts
	b := open(t, func(s *settings) {
		s.session.MaxAddrSessions = 2
		s.session.Observer = session.Observer{Rejected: c.hook("rejected"), Ended: c.hook("ended")}
	})
	first := b.ws()
	second := b.ws()
	w := &ws{t: t, conn: b.tcp()}
	w.br = bufio.NewReader(w.conn)
	if res := w.handshake(); res.StatusCode != 429 {
		t.Errorf("WebSocket: got %s", res.Status)
	}
	if r := b.do("GET", "/poll?channel=a", ""); r.status != 429 || r.Error.Code != 4110 || r.Error.Retry == nil || !*r.Error.Retry {
		t.Errorf("poll: got %d %s", r.status, r.body)
	}
	if r := b.do("GET", "/sse?channel=a", ""); r.status != 200 || !strings.Contains(r.body, `"code":4110`) {
		t.Errorf("SSE, which shall come back: got %d %s", r.status, r.body)
	}
	if n := c.of("rejected too_many_sessions"); n != 3 {
		t.Errorf("the hook heard of %d", n)
	}
	first.conn.Close()
	b.sessionsBecome(1)
	if r := b.do("GET", "/poll?channel=a", ""); r.status != 200 {
		t.Errorf("after one has gone: got %d %s", r.status, r.body)
	}
	second.say(`{"type":"ping"}`)
	second.hears("pong")
}

func TestSessionsOfAUser(t *testing.T) {
	b := open(t, func(s *settings) {
		s.session.MaxUserSessions = 2
		s.session.Policy = &policy{authenticate: func(token string) (*auth.Identity, *protocol.Error) { return &auth.Identity{User: token}, nil }}
	})
	connect := func(w *ws, user, want string) {
		t.Helper()
		w.say(`{"type":"connect","id":1,"token":"` + user + `"}`)
		if got := w.hear(); !strings.Contains(got, want) {
			t.Errorf("connect as %s: got %s, want %s", user, got, want)
		}
	}
	first, second, third := b.ws(), b.ws(), b.ws()
	connect(first, "ana", `"user":"ana"`)
	connect(second, "ana", `"user":"ana"`)
	connect(first, "ana", `"user":"ana"`) // again, and still one session
	third.say(`{"type":"connect","id":1,"token":"ana"}`)
	if code, _ := third.ends(); code != 4110 {
		t.Errorf("closed with %d", code)
	}
	if r := b.do("GET", "/poll?channel=a&token=ana", ""); r.status != 429 || r.Error.Code != 4110 {
		t.Errorf("poll: got %d %s", r.status, r.body)
	}
	if r := b.do("GET", "/poll?channel=a&token=bo", ""); r.status != 200 {
		t.Errorf("another user: got %d %s", r.status, r.body)
	}
	second.conn.Close()
	b.sessionsBecome(1)
	if r := b.do("GET", "/poll?channel=a&token=ana", ""); r.status != 200 {
		t.Errorf("after one has gone: got %d %s", r.status, r.body)
	}
	b.sessionsBecome(1) // that of the poll has ended
	connect(b.ws(), "ana", `"user":"ana"`)
}

func TestWildcardsOfASession(t *testing.T) {
	var c counts
	b := open(t, func(s *settings) {
		s.session.MaxWildcards = 2
		s.session.Observer.Refused = c.hook("refused")
	})
	w := b.ws()
	w.subscribe("a:*")
	w.subscribe("b:*")
	w.say(`{"type":"subscribe","id":1,"channel":"c:*"}`)
	w.hears(`"code":4103`)
	w.subscribe("c:1")
	w.say(`{"type":"unsubscribe","id":2,"channel":"a:*"}`)
	w.hears(`"id":2`)
	w.subscribe("c:*")
	if n := c.of("refused limit_reached"); n != 1 {
		t.Errorf("the hook heard of %d", n)
	}
}

// Limits that are set while sessions are open hold for what comes next.
func TestLimitsThatChange(t *testing.T) {
	b := open(t, nil)
	w := b.ws()
	w.subscribe("a")
	b.sessions.SetLimits(session.Limits{MaxChannels: 1, MaxAddrSessions: 1, Rate: 0.001, Burst: 2})
	w.say(`{"type":"subscribe","id":1,"channel":"b"}`)
	w.hears(`"code":4103`)
	if r := b.do("GET", "/poll?channel=a", ""); r.Error.Code != 4110 {
		t.Errorf("got %s", r.body)
	}
	w.say(`{"type":"ping"}`)
	w.say(`{"type":"ping"}`)
	w.hears(`"code":4102`)
	b.sessions.SetLimits(session.Limits{})
	w.say(`{"type":"ping"}`)
	w.hears("pong")
}

// An IPv6 client has a whole network of addresses.
func TestAddressesOfOneClient(t *testing.T) {
	b := open(t, func(s *settings) { s.session.MaxAddrSessions = 1 })
	try := func(addr string) *protocol.Error {
		s, err := b.sessions.Open(session.Options{Door: session.Door{Addr: addr}, Outlet: deaf{}, Heartbeat: session.NoHeartbeat})
		if err == nil {
			t.Cleanup(func() { s.End(nil) })
		}
		return err
	}
	for _, row := range []struct {
		addr string
		want bool
	}{
		{"2001:db8::1", true},
		{"2001:db8::2", false},
		{"2001:db8:0:1::1", true},
		{"10.0.0.1", true},
		{"10.0.0.2", true},
		{"10.0.0.1", false},
		{"fe80::1%eth0", true},
		{"fe80::2", false},
	} {
		if err := try(row.addr); (err == nil) != row.want {
			t.Errorf("%s: got %v", row.addr, err)
		}
	}
}

// deaf is an outlet that says nothing.
type deaf struct{}

func (deaf) Flush()              {}
func (deaf) End(*protocol.Error) {}

// What is written is told, and how late it is.
func TestHooksOfWrites(t *testing.T) {
	var mu sync.Mutex
	var bytes, lags int
	b := open(t, func(s *settings) {
		s.transport.Hooks.Wrote = func(n int) { mu.Lock(); bytes += n; mu.Unlock() }
		s.transport.Hooks.Delivered = func(d time.Duration) {
			mu.Lock()
			lags++
			mu.Unlock()
			if d < 0 || d > patience {
				t.Errorf("a lag of %v", d)
			}
		}
	})
	for range 50 {
		b.publish("c", `"before"`)
	}
	since := b.position("c")
	b.publish("c", `"missed"`)
	w := b.ws()
	w.say(`{"type":"subscribe","id":1,"channel":"c","since":"` + since + `"}`)
	w.hears(`"missed"`)
	written := func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return bytes, lags
	}
	eventually(t, "the bytes are told", func() bool { n, _ := written(); return n > 100 })
	if _, late := written(); late != 0 {
		t.Errorf("after catching up: %d lags", late)
	}
	// The writers are pooled, so which of them measures is not known; of so many
	// writes some do.
	for i := 0; i < 2000; i++ {
		b.publish("c", `"live"`)
		w.hears(`"live"`)
	}
	eventually(t, "the bytes and lags are told", func() bool { n, late := written(); return n > 2000*50 && late > 0 })
}

// A write that a client takes longer than a second for is told.
func TestHookOfSlowWrites(t *testing.T) {
	for name, tls := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			slow := make(chan time.Duration, 100)
			var wrote atomic.Int64
			b := open(t, func(s *settings) {
				s.tls = tls
				s.transport.Hooks.SlowWrite = func(d time.Duration) { slow <- d }
				s.transport.Hooks.Wrote = func(n int) { wrote.Add(int64(n)) }
			})
			w := b.dial()
			w.subscribe("c")
			large := `"` + strings.Repeat("x", 60_000) + `"`
			// Until the socket is full, and for a while longer: it takes nothing of much.
			last, since, more := int64(0), time.Now(), 0
			eventually(t, "a write waits", func() bool {
				b.publish("c", large)
				if now := wrote.Load(); now != last {
					last, since, more = now, time.Now(), 0
				}
				more++
				return more > 100 && time.Since(since) > 1500*time.Millisecond
			})
			go func() {
				for {
					if _, err := w.next(); err != nil {
						return
					}
				}
			}()
			select {
			case d := <-slow:
				if d < time.Second {
					t.Errorf("a write of %v was slow", d)
				}
			case <-time.After(patience):
				t.Error("nobody was told")
			}
			w.conn.Close()
			b.sessionsBecome(0)
		})
	}
}
