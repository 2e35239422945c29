package transport_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/websocket"
)

const inCBOR = "Sec-WebSocket-Protocol: starling.v1.cbor"

// Clients of both codecs talk to each other on one channel.
func TestCBORAndJSONOnOneChannel(t *testing.T) {
	b := open(t, nil)
	all := []*ws{b.ws(inCBOR), b.ws(inCBOR, deflate), b.ws()}
	for i, w := range all {
		if w.cbor != (i < 2) {
			t.Fatalf("client %d speaks CBOR: %v", i, w.cbor)
		}
		w.subscribe("chat")
	}
	long := strings.Repeat("long and longer ", 100)
	for i, from := range all {
		for _, row := range []struct{ said, heard string }{
			{`{"type":"publish","channel":"chat","data":{"a":[1,"é"],"b":null},"key":"k%d","tags":{"lang":"en"}}`, `"data":{"a":[1,"é"],"b":null},"key":"k%d",`},
			{`{"type":"publish","channel":"chat","data64":"AAH/","key":"bytes%d"}`, `"data64":"AAH/","key":"bytes%d",`},
			{`{"type":"publish","channel":"chat","data":"` + long + `","key":"long%d"}`, `"data":"` + long + `","key":"long%d",`},
			{`{"type":"signal","channel":"chat","data64":"","conflate":"c%d"}`, `"data64":"","conflate":"c%d",`},
		} {
			from.say(fmt.Sprintf(row.said, i))
			for j, to := range all {
				if got := to.hear(); !strings.Contains(got, fmt.Sprintf(row.heard, i)) {
					t.Errorf("from %d to %d: got %s, want %s", i, j, got, fmt.Sprintf(row.heard, i))
				}
			}
		}
	}
}

// A client that was away gets what it missed, on either codec, whichever it spoke
// before: positions are the same.
func TestRecoveryAcrossCodecs(t *testing.T) {
	b := open(t, nil)
	w := b.ws(inCBOR)
	w.subscribe("chat")
	since, offset, next := b.position("chat"), uint64(0), 0
	for i, headers := range [][]string{{inCBOR}, nil, {inCBOR, deflate}} {
		b.publish("chat", fmt.Sprint(next))
		var m struct {
			Offset uint64
			Data   int
			Result struct {
				Position  string
				Recovered bool
			}
		}
		read := func() {
			t.Helper()
			if err := json.Unmarshal([]byte(w.hear()), &m); err != nil {
				t.Fatal(err)
			}
		}
		read()
		if m.Data != next {
			t.Fatalf("got %d, want %d", m.Data, next)
		}
		offset = m.Offset
		next++
		w.conn.Close() // without a word
		for range 20 {
			b.publish("chat", fmt.Sprint(next))
			next++
		}
		w = b.ws(headers...)
		w.say(fmt.Sprintf(`{"type":"subscribe","id":1,"channel":"chat","since":%q,"offset":%d}`, since, offset))
		read()
		if !m.Result.Recovered {
			t.Fatalf("visit %d was not recovered", i)
		}
		for want := next - 20; want < next; want++ {
			if read(); m.Data != want {
				t.Fatalf("visit %d: got %d, want %d", i, m.Data, want)
			}
		}
	}
}

// What is no CBOR is answered, and the session goes on; a text ends it.
func TestCBORThatIsRefused(t *testing.T) {
	b := open(t, nil)
	w := b.ws(inCBOR)
	for _, row := range []struct{ wire, want string }{
		{"\xff", `"code":4000`},
		{"\xa1\x00\x18\x63", `"code":4001`},
		{"\xa3\x00\x02\x01\x07\x02\x01", `"type":"reply","id":7,"error":{"code":4002`},
		{"\xbf\x00\x07\xff", `"code":4000`},
	} {
		w.raw(frame(websocket.Header{Fin: true, Opcode: websocket.Binary}, row.wire))
		if got := w.hear(); !strings.Contains(got, row.want) {
			t.Errorf("%x: got %s, want %s", row.wire, got, row.want)
		}
	}
	w.say(`{"type":"ping"}`)
	if got := w.hear(); got != `{"type":"pong"}` {
		t.Errorf("got %s", got)
	}
	w.raw(text("{}"))
	if code, reason := w.ends(); code != 1003 || !strings.Contains(reason, "Text messages") {
		t.Errorf("closed with %d %q", code, reason)
	}
}

// Of several subprotocols the first counts that is spoken.
func TestSubprotocolIsTheClientsChoice(t *testing.T) {
	b := open(t, nil)
	for offer, want := range map[string]string{
		"starling.v1.cbor, starling.v1.json": "starling.v1.cbor",
		"starling.v1.json, starling.v1.cbor": "starling.v1.json",
		"mqtt, starling.v1.cbor":             "starling.v1.cbor",
	} {
		w := &ws{t: t, conn: b.tcp()}
		w.br = bufio.NewReader(w.conn)
		if got := w.handshake("Sec-WebSocket-Protocol: " + offer).Header.Get("Sec-Websocket-Protocol"); got != want {
			t.Errorf("%s: got %s", offer, got)
		}
	}
}

// A frame is made in CBOR once for all.
func TestFramesInCBORAreShared(t *testing.T) {
	b := open(t, nil)
	w := b.ws(inCBOR)
	w.subscribe("c")
	seen := []*frames{{}, {}}
	for _, f := range seen {
		sub, _, err := b.hub.Subscribe(t.Context(), "c", f, hub.Join{})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		sub.Start()
		f.sub = sub
	}
	b.publish("c", `"`+strings.Repeat("a broadcast ", 2000)+`"`)
	w.hear()
	for _, f := range seen {
		f.sub.Pull(f, 1<<20)
	}
	first, second := seen[0].last.CBOR(), seen[1].last.CBOR()
	if first != second || &first.WebSocket(true)[0] != &second.WebSocket(true)[0] {
		t.Errorf("the frame is not shared: %p and %p", first, second)
	}
	if got := len(first.WebSocket(true)); got > len(first.WebSocket(false))/10 {
		t.Errorf("compressed to %d bytes", got)
	}
}
