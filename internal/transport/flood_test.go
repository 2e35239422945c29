package transport_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/internal/websocket"
)

// A client that sends more than it may is refused, and is ended when it does not
// stop; whether what it sends can be obeyed makes no difference.
func TestFloodOfASession(t *testing.T) {
	for name, msg := range map[string]string{"commands": `{"type":"ping","id":1}`, "rubbish": `rubbish`} {
		t.Run(name, func(t *testing.T) {
			b := open(t, func(s *settings) { s.session.Rate, s.session.Burst = 0.001, 10 }) // none more, however long the test takes
			others := b.witness()
			w := b.ws()
			for range 10 {
				w.say(msg)
				w.hear()
			}
			w.say(msg)
			if got := w.hear(); !strings.Contains(got, `"code":4102`) || !strings.Contains(got, "Too many commands") {
				t.Errorf("after the burst: got %s", got)
			}
			go func() {
				for range 1000 {
					w.raw(text(msg))
				}
			}()
			code, reason := w.ends()
			if code != 4102 || !strings.HasPrefix(reason, "rate_limited: Too many commands") {
				t.Errorf("closed with %d %q", code, reason)
			}
			others.fine()
			w.conn.Close()
			b.sessionsBecome(1)
		})
	}
}

// The sessions of one address share a limit; none is ended for what others do.
func TestFloodOfAnAddress(t *testing.T) {
	b := open(t, func(s *settings) { s.session.AddrRate, s.session.AddrBurst = 0.001, 20 })
	first, second := b.ws(), b.ws()
	for range 20 {
		first.say(`{"type":"ping"}`)
		if got := first.hear(); got != `{"type":"pong"}` {
			t.Fatalf("within the burst: got %s", got)
		}
	}
	for range 200 {
		second.say(`{"type":"ping"}`)
		if got := second.hear(); !strings.Contains(got, `"code":4102`) {
			t.Fatalf("another session of the address: got %s", got)
		}
	}
	b.sessionsBecome(2)
}

// As many publications of a session as may wait for the log wait; then its
// socket is not read, until the log goes on.
func TestPublicationsBeyondThoseInFlight(t *testing.T) {
	hooked := logtest.Hook(memory.New(memory.Options{}))
	b := open(t, func(s *settings) { s.engine = hooked; s.session.Rate = -1; s.session.AddrRate = -1 })
	others := b.witness()
	stop := hooked.Block(logtest.CallAppend, "held")
	w := b.ws()
	const all = 200
	for i := range all {
		w.say(fmt.Sprintf(`{"type":"publish","id":%d,"channel":"held","data":%d}`, i, i))
	}
	stop.Wait()
	others.fine()
	eventually(t, "64 are read", func() bool { return b.sessions.Stats().Commands >= 65 })
	others.fine() // time for more to be read, if they were
	if n := b.sessions.Stats().Commands; n != 65 {
		t.Errorf("%d commands were read while the log was held, want the witness's and 64", n)
	}
	stop.Release()
	for i := range all {
		if got := w.hear(); !strings.HasPrefix(got, fmt.Sprintf(`{"type":"reply","id":%d,"result":{"offset"`, i)) {
			t.Fatalf("reply %d: got %s", i, got)
		}
	}
}

// Histories are long: a client that asks for many and reads none has one answer
// made for it, not all.
func TestHistoriesThatNobodyReads(t *testing.T) {
	b := open(t, func(s *settings) { s.session.Rate = -1; s.session.AddrRate = -1 })
	others := b.witness()
	for range 100 {
		b.publish("long", `"`+strings.Repeat("x", 60<<10)+`"`)
	}
	before := heap()
	w := b.ws()
	for range 100 {
		w.say(`{"type":"history","id":1,"channel":"long","limit":1000}`)
	}
	others.fine()
	eventually(t, "some are read", func() bool { return b.sessions.Stats().Commands > 2 })
	others.fine()
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if got := w.hear(); len(got) > 2<<20 || !strings.Contains(got, `"more":true`) {
		t.Errorf("an answer of %d bytes, %s", len(got), got[max(0, len(got)-100):])
	}
}

// A client that never lets the server have a whole body loses its connection.
func TestBodiesThatTrickle(t *testing.T) {
	hooked := logtest.Hook(memory.New(memory.Options{}))
	b := open(t, func(s *settings) {
		s.transport.BodyTimeout, s.api.BodyTimeout = 200*time.Millisecond, 200*time.Millisecond
		s.api.Open = true
		s.engine = hooked
	})
	poll := b.do("GET", "/poll?channel=a&keep=1", "")
	_, id, _ := strings.Cut(poll.body, `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	for name, path := range map[string]string{"send": "/send?session=" + id, "publish": "/api/v1/publish"} {
		t.Run(name, func(t *testing.T) {
			w := &ws{t: t, conn: b.tcp()}
			w.raw([]byte("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"type\""))
			got := w.answer()
			if got.StatusCode != 400 {
				t.Errorf("got %s", got.Status)
			}
			w.eof()
		})
		t.Run(name+" cut short", func(t *testing.T) {
			w := &ws{t: t, conn: b.tcp()}
			// What came is a command, but it is not all that was announced.
			w.raw([]byte("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"type\":\"publish\",\"channel\":\"cut\",\"data\":1}"))
			if err := w.conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got := w.answer(); got.StatusCode != 400 {
				t.Errorf("got %s", got.Status)
			}
		})
	}
	page, err := b.log.Read(t.Context(), "cut", 0, eventlog.Limit{})
	if err != nil || len(page.Records) != 0 {
		t.Errorf("half a request was obeyed: %v, %v", page.Records, err)
	}
	t.Run("a client that goes while it waits is noticed", func(t *testing.T) {
		stop := hooked.Block(logtest.CallAppend, "held")
		defer stop.Release()
		const body = `{"type":"publish","channel":"held","data":1}`
		w := &ws{t: t, conn: b.tcp()}
		w.raw(fmt.Appendf(nil, "POST /send?session=%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", id, len(body), body))
		stop.Wait()
		<-time.After(400 * time.Millisecond) // beyond the timeout of the body
		if got := b.do("POST", "/send?session="+id, `{"type":"ping"}`); got.status != http.StatusConflict {
			t.Errorf("while it is there: got %d %s", got.status, got.body)
		}
		w.conn.Close()
		eventually(t, "the session takes another command", func() bool {
			return b.do("POST", "/send?session="+id, `{"type":"ping"}`).status == http.StatusOK
		})
	})
}

// Commands of a session come one after the other, also over HTTP.
func TestSendIsOneAtATime(t *testing.T) {
	hooked := logtest.Hook(memory.New(memory.Options{}))
	b := open(t, func(s *settings) { s.engine = hooked })
	poll := b.do("GET", "/poll?channel=a&keep=1", "")
	_, id, _ := strings.Cut(poll.body, `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	stop := hooked.Block(logtest.CallAppend, "held")
	first := make(chan refusal, 1)
	go func() {
		first <- b.do("POST", "/send?session="+id, `{"type":"publish","channel":"held","data":1}`)
	}()
	stop.Wait()
	got := b.do("POST", "/send?session="+id, `{"type":"ping"}`)
	if got.status != http.StatusConflict || got.Error.Code != 4205 || !strings.Contains(got.Error.Message, "one after the other") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	stop.Release()
	if got := <-first; got.status != 200 || !strings.HasPrefix(got.body, `{"type":"reply","id":null,"result":{"offset"`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// remote is an engine that tells that its signals may wait.
type remote struct{ eventlog.Engine }

func (r remote) Info() eventlog.Info {
	info := r.Engine.Info()
	info.Remote = true
	return info
}

// A signal that waits for a log elsewhere holds up its own session, and no other.
func TestSignalsThatWait(t *testing.T) {
	hooked := logtest.Hook(memory.New(memory.Options{}))
	b := open(t, func(s *settings) { s.engine = remote{hooked} })
	var others []*ws
	for range 16 { // some on the same loop
		others = append(others, b.ws())
	}
	w := b.ws()
	stop := hooked.Block(logtest.CallSignal)
	w.say(`{"type":"signal","id":1,"channel":"a","conflate":"k","data":1}`)
	stop.Wait()
	defer stop.Release()
	w.say(`{"type":"signal","id":2,"channel":"a","conflate":"k","data":2}`)
	for _, o := range others {
		_ = o.conn.SetReadDeadline(time.Now().Add(signalPatience))
		o.say(`{"type":"ping","id":1}`)
		o.hears(`"id":1`)
	}
	stop.Release()
	for id := 1; id <= 2; id++ {
		if got := w.hear(); !strings.Contains(got, fmt.Sprintf(`"id":%d,"result"`, id)) {
			t.Errorf("got %s, want the answer to %d", got, id)
		}
	}
}

// signalPatience is less than a signal waits for the log.
const signalPatience = 3 * time.Second

// Fragments without content cost nothing, however many.
func TestEmptyFragments(t *testing.T) {
	b := open(t, nil)
	w := b.ws()
	wire := frame(websocket.Header{Opcode: websocket.Text}, `{"type":"ping"}`)
	empty := frame(websocket.Header{Opcode: websocket.Continuation}, "")
	for range 10_000 {
		wire = append(wire, empty...)
	}
	w.raw(append(wire, frame(websocket.Header{Fin: true, Opcode: websocket.Continuation}, "")...))
	if got := w.hear(); got != `{"type":"pong"}` {
		t.Errorf("got %s", got)
	}
}

// A client that talks without listening is not read any more when enough replies
// wait for it, and is ended by the heartbeat; the same over TLS, where a write may
// block, and there also one that only does not listen.
func TestRepliesThatNobodyReads(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			b := open(t, func(s *settings) {
				heartbeats(s)
				s.tls = secure
				s.session.Rate, s.session.AddrRate = -1, -1
			})
			talker, silent := b.dial(), b.dial()
			silent.subscribe("flood")
			before := heap()
			talked := make(chan struct{})
			go func() {
				defer close(talked)
				msg := text(`{"type":"ping","id":"` + strings.Repeat("i", 64) + `"}`)
				for range 1 << 20 {
					if _, err := talker.conn.Write(msg); err != nil {
						return
					}
				}
			}()
			data := `"` + strings.Repeat("x", 16<<10) + `"`
			most, began := int64(0), time.Now()
			for i := 0; b.sessions.Stats().Sessions > 0; i++ {
				b.publish("flood", data)
				if i%200 == 0 {
					most = max(most, heap()-before)
				}
				if time.Since(began) > patience {
					t.Fatal("they are not ended")
				}
			}
			if most > 16<<20 {
				t.Errorf("the heap grew by %d bytes", most)
			}
			if n := b.sessions.Stats().Pongless; n != 2 {
				t.Errorf("%d were ended by the heartbeat, want 2", n)
			}
			<-talked
		})
	}
}
