package transport_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/websocket"
	"github.com/starling-rt/starling/protocol"
)

// What is no WebSocket ends its session with the code of RFC 6455, and nobody
// else's.
func TestViolationsOfWebSocket(t *testing.T) {
	b := open(t, nil)
	others := b.witness()
	fin := func(op websocket.Opcode) websocket.Header { return websocket.Header{Fin: true, Opcode: op} }
	packed := websocket.Header{Fin: true, Opcode: websocket.Text, Compressed: true}
	long := strings.Repeat("a", protocol.DefaultMaxMessageBytes/2+1)
	bomb := string(websocket.Deflate(nil, []byte(strings.Repeat("a", 1<<20))))
	for _, row := range []struct {
		name    string
		headers []string
		wire    []byte
		code    int
		reason  string
	}{
		{"no mask", nil, websocket.AppendFrame(nil, websocket.Text, []byte("{}")), 1002, "masking"},
		{"reserved bit", nil, []byte{0x91, 0x80, 0, 0, 0, 0}, 1002, "reserved"},
		{"unknown opcode", nil, []byte{0x83, 0x80, 0, 0, 0, 0}, 1002, "opcode"},
		{"fragmented ping", nil, frame(websocket.Header{Opcode: websocket.PingFrame}, "a"), 1002, "control"},
		{"long ping", nil, frame(fin(websocket.PingFrame), strings.Repeat("a", 126)), 1002, "control"},
		{"continuation of nothing", nil, frame(fin(websocket.Continuation), "a"), 1002, "continuation"},
		{"text within a text", nil, append(frame(websocket.Header{Opcode: websocket.Text}, "{"), text("{}")...), 1002, "continuation"},
		{"compressed unasked", nil, frame(packed, "a"), 1002, "permessage-deflate"},
		{"length with the highest bit", nil, []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1002, "length"},
		{"close code that may not be sent", nil, frame(fin(websocket.Close), "\x03\xed"), 1002, "close code"},
		{"close of one byte", nil, frame(fin(websocket.Close), "a"), 1002, "close frame"},
		{"close with a reason that is not UTF-8", nil, frame(fin(websocket.Close), "\x03\xe8\xff"), 1007, "UTF-8"},
		{"binary", nil, frame(fin(websocket.Binary), "{}"), 1003, "Binary messages"},
		{"text that is not UTF-8", nil, frame(fin(websocket.Text), "{\"type\":\"\xff\"}"), 1007, "UTF-8"},
		{"half a rune at the end of a fragmented text", nil, append(frame(websocket.Header{Opcode: websocket.Text}, "{\xc3"), frame(fin(websocket.Continuation), "}")...), 1007, "UTF-8"},
		{"too long by its header", nil, websocket.AppendHeader(nil, websocket.Header{Fin: true, Opcode: websocket.Text, Masked: true, Length: 1 << 40}), 1009, "at most 65536 bytes"},
		{"too long by fragments", nil, append(frame(websocket.Header{Opcode: websocket.Text}, long), frame(fin(websocket.Continuation), long)...), 1009, "at most 65536 bytes"},
		{"too long by decompression", []string{deflate}, frame(packed, bomb), 1009, "at most 65536 bytes"},
		{"compressed data that is damaged", []string{deflate}, frame(packed, "\xff\xff\xff\xff"), 1007, "damaged"},
		{"a proper close", nil, frame(fin(websocket.Close), "\x03\xe8bye"), 1000, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := b.ws(row.headers...)
			w.t = t
			w.raw(row.wire)
			code, reason := w.ends()
			if code != row.code || !strings.Contains(reason, row.reason) || strings.Contains(reason, "code_") {
				t.Errorf("closed with %d %q, want %d and %q", code, reason, row.code, row.reason)
			}
			others.fine()
		})
	}
	b.sessionsBecome(1)
}

// What is WebSocket but cannot be obeyed is answered, and the session goes on.
func TestCommandsThatAreRefused(t *testing.T) {
	b := open(t, func(s *settings) { s.session.MaxChannels = 4 })
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	w := b.ws()
	w.subscribe("there")
	for _, row := range []struct {
		name, msg string
		code      protocol.Code
		sentence  string
	}{
		{"not JSON", `hello`, protocol.Malformed, "not JSON"},
		{"empty", ``, protocol.Malformed, "not JSON"},
		{"array", `[]`, protocol.Malformed, "an object"},
		{"too deep", `{"type":"publish","channel":"a","data":` + deep + `}`, protocol.Malformed, "deeper"},
		{"no type", `{}`, protocol.UnknownType, "no \\\"type\\\""},
		{"unknown type", `{"type":"dance"}`, protocol.UnknownType, "no command"},
		{"no data", `{"type":"publish","channel":"a"}`, protocol.InvalidField, "data"},
		{"long key", `{"type":"publish","channel":"a","data":1,"key":"` + strings.Repeat("k", 129) + `"}`, protocol.InvalidField, "128"},
		{"no channel", `{"type":"subscribe"}`, protocol.BadChannel, "missing"},
		{"bad channel", `{"type":"subscribe","channel":"a b"}`, protocol.BadChannel, "character at 1"},
		{"long channel", `{"type":"subscribe","channel":"` + strings.Repeat("c", 256) + `"}`, protocol.BadChannel, "255"},
		{"bad position", `{"type":"subscribe","channel":"a","since":"nonsense!"}`, protocol.BadPosition, "not a position"},
		{"subscribed already", `{"type":"subscribe","channel":"there"}`, protocol.AlreadyThere, "already"},
		{"not subscribed", `{"type":"unsubscribe","channel":"elsewhere"}`, protocol.NotThere, "not subscribed"},
		{"token without keys", `{"type":"connect","token":"x"}`, protocol.Unauthorized, "keys"},
		{"position of another channel", `{"type":"history","channel":"a","since":"` + protocol.EncodePosition("b", 1, 1) + `"}`, protocol.BadPosition, "does not know"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.t = t
			w.say(row.msg)
			got := w.hear()
			if !strings.HasPrefix(got, `{"type":"error"`) || !strings.Contains(got, fmt.Sprintf(`"code":%d`, row.code)) || !strings.Contains(got, row.sentence) {
				t.Errorf("without an id: got %s, want %d and %q", got, row.code, row.sentence)
			}
			w.say(`{"type":"ping","id":1}`)
			if got := w.hear(); got != `{"type":"reply","id":1,"result":{}}` {
				t.Errorf("the session does not go on: got %s", got)
			}
		})
	}
	t.Run("too many subscriptions", func(t *testing.T) {
		w.t = t
		for _, channel := range []string{"a", "b", "c"} {
			w.subscribe(channel)
		}
		w.say(`{"type":"subscribe","id":9,"channel":"d"}`)
		if got := w.hear(); !strings.Contains(got, `"id":9,"error":{"code":4103`) || !strings.Contains(got, "at most 4 subscriptions") {
			t.Errorf("got %s", got)
		}
		w.say(`{"type":"unsubscribe","channel":"c"}`)
		w.subscribe("d")
	})
}

func TestRequestsThatAreRefused(t *testing.T) {
	const key, foreign = "Authorization: Bearer key", "Origin: https://evil.example"
	b := open(t, func(s *settings) { s.api.Keys = []string{"key"}; s.api.Open = true })
	others := b.witness()
	poll := b.do("GET", "/poll?channel=a&keep=1", "")
	_, id, _ := strings.Cut(poll.body, `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	var many string
	for i := range 33 {
		many += fmt.Sprint("&channel=c", i)
	}
	q := url.QueryEscape
	publish := "/api/v1/publish"
	for _, row := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     protocol.Code
		sentence                 string
	}{
		{"poll without a channel", "GET", "/poll", "", nil, 400, protocol.BadChannel, "?channel=NAME"},
		{"poll of a bad channel", "GET", "/poll?channel=a%20b", "", nil, 400, protocol.BadChannel, "character at 1"},
		{"poll of too many channels", "GET", "/poll?" + many, "", nil, 429, protocol.LimitReached, "32 channels"},
		{"poll of a wildcard without a session", "GET", "/poll?channel=a*", "", nil, 400, protocol.NotSupported, "keep=1"},
		{"bad wait", "GET", "/poll?channel=a&wait=soon", "", nil, 400, protocol.InvalidField, "wait"},
		{"bad filter", "GET", "/poll?channel=a&filter=" + q(`{"a":1}`), "", nil, 400, protocol.InvalidField, "text"},
		{"filter that is not UTF-8", "GET", "/poll?channel=a&filter=%ff", "", nil, 400, protocol.Malformed, "UTF-8"},
		{"bad slow", "GET", "/poll?channel=a&slow=never", "", nil, 400, protocol.InvalidField, "slow"},
		{"bad since", "GET", "/poll?channel=a&since=!", "", nil, 400, protocol.BadPosition, "not a position"},
		{"poll of a session that is gone", "GET", "/poll?session=x", "", nil, 410, protocol.SessionGone, "Open a new one"},
		{"poll of a foreign page", "GET", "/poll?channel=a", "", []string{foreign}, 403, protocol.BadOrigin, "--allowed-origins https://evil.example"},
		{"send without a session", "POST", "/send", "{}", nil, 410, protocol.SessionGone, "Open a new one"},
		{"send of a foreign page", "POST", "/send?session=" + id, "{}", []string{foreign}, 403, protocol.BadOrigin, "--allowed-origins"},
		{"send what is not JSON", "POST", "/send?session=" + id, "hello", nil, 400, protocol.Malformed, "not JSON"},
		{"send what is not UTF-8", "POST", "/send?session=" + id, "{\"type\":\"\xff\"}", nil, 400, protocol.Malformed, "UTF-8"},
		{"send nothing", "POST", "/send?session=" + id, "", nil, 400, protocol.Malformed, "not JSON"},
		{"send too much", "POST", "/send?session=" + id, strings.Repeat(" ", 64<<10+1), nil, 413, protocol.TooLarge, "65536"},
		{"send an unknown command", "POST", "/send?session=" + id, `{"type":"dance"}`, nil, 400, protocol.UnknownType, "dance"},
		{"WebSocket of a foreign page", "GET", "/ws", "", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", foreign}, 403, protocol.BadOrigin, "--allowed-origins"},
		{"WebSocket of other subprotocols", "GET", "/ws", "", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: mqtt, stomp"}, 400, protocol.NotSupported, "starling.v1.json"},
		{"API of a foreign page", "POST", publish, `{"channel":"a","data":1}`, []string{foreign}, 401, protocol.Unauthorized, "Bearer"},
		{"API with a wrong key", "POST", publish, `{"channel":"a","data":1}`, []string{"Authorization: Bearer no"}, 401, protocol.Unauthorized, "not one of this server's"},
		{"publish what is not JSON", "POST", publish, "hello", []string{key}, 400, protocol.Malformed, "not JSON"},
		{"publish what is not UTF-8", "POST", publish, "{\"channel\":\"a\",\"data\":\"\xff\"}", []string{key}, 400, protocol.Malformed, "UTF-8"},
		{"publish an array", "POST", publish, "[]", []string{key}, 400, protocol.InvalidField, "The body is"},
		{"publish no data", "POST", publish, `{"channel":"a"}`, []string{key}, 400, protocol.InvalidField, "data"},
		{"publish to no channel", "POST", publish, `{"data":1}`, []string{key}, 400, protocol.BadChannel, "missing"},
		{"publish to a wildcard", "POST", publish, `{"channel":"a*","data":1}`, []string{key}, 400, protocol.BadChannel, "character at 1"},
		{"publish to one and to many", "POST", publish, `{"channel":"a","channels":["b"],"data":1}`, []string{key}, 400, protocol.InvalidField, "not both"},
		{"publish with too many tags", "POST", publish, `{"channel":"a","data":1,"tags":{"a":"","b":"","c":"","d":"","e":"","f":"","g":"","h":"","i":"","j":"","k":"","l":"","m":"","n":"","o":"","p":"","q":""}}`, []string{key}, 400, protocol.InvalidField, "16 tags"},
		{"publish to too many", "POST", publish, `{"channels":["b"` + strings.Repeat(`,"b"`, 1000) + `],"data":1}`, []string{key}, 429, protocol.LimitReached, "1000 channels"},
		{"publish too much", "POST", publish, strings.Repeat(" ", 4<<20+1), []string{key}, 413, protocol.TooLarge, "4194304"},
		{"publish data that is too long", "POST", publish, `{"channel":"a","data":"` + strings.Repeat("a", 1<<20) + `"}`, []string{key}, 413, protocol.TooLarge, "1048576"},
		{"history with a bad limit", "GET", "/api/v1/channels/a/history?limit=0", "", []string{key}, 400, protocol.InvalidField, "limit"},
		{"history both ways", "GET", "/api/v1/channels/a/history?since=a&before=b", "", []string{key}, 400, protocol.InvalidField, "one of them"},
		{"history of a bad position", "GET", "/api/v1/channels/a/history?since=!", "", []string{key}, 400, protocol.BadPosition, "not a position"},
		{"a path that is not there", "GET", "/api/v1/nothing", "", []string{key}, 404, protocol.NotFound, "There is no GET"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := b.do(row.method, row.path, row.body, row.headers...)
			if got.status != row.status || got.Error.Code != int(row.code) || got.Error.Name != row.code.String() || !strings.Contains(got.Error.Message, row.sentence) {
				t.Errorf("got %d %s, want %d, code %d and %q", got.status, got.body, row.status, row.code, row.sentence)
			}
			if got.Error.Retry == nil || *got.Error.Retry != row.code.Retry() {
				t.Errorf("retry: got %s", got.body)
			}
			if ct := got.header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("content type: got %q", ct)
			}
			others.fine()
		})
	}
	b.sessionsBecome(2)
}

func TestUpgradesThatAreRefused(t *testing.T) {
	b := open(t, nil)
	good := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
	for name, row := range map[string]struct {
		value  string
		status int
	}{"Upgrade": {"h2c", 426}, "Connection": {"close", 426}, "Sec-WebSocket-Version": {"8", 426}, "Sec-WebSocket-Key": {"short", 400}} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			for k, v := range good {
				if k == name {
					v = row.value
				}
				headers = append(headers, k+": "+v)
			}
			got := b.do("GET", "/ws", "", headers...)
			if got.status != row.status || got.body == "" {
				t.Errorf("got %d %q, want %d", got.status, got.body, row.status)
			}
			if row.status == 426 && got.header.Get("Sec-Websocket-Version") != "13" {
				t.Errorf("the version that is spoken is not told: %v", got.header)
			}
		})
	}
	b.sessionsBecome(0)
}

// An EventSource comes back after a stream that ends, and never after 204.
func TestEventSourcesThatAreRefused(t *testing.T) {
	b := open(t, func(s *settings) {
		s.session.MaxSessions = 1
		s.session.Policy = &policy{judge: func(_ *auth.Identity, _ auth.Verb, channel string) (session.Verdict, *protocol.Error) {
			if channel == "secret" {
				return session.Refused, protocol.Errorf(protocol.Forbidden, "Not for you.")
			}
			return session.Allowed, nil
		}}
	})
	for _, row := range []struct{ name, path, header, want string }{
		{"no channel", "/sse", "", "4003 bad_channel: "},
		{"bad channel", "/sse?channel=a%20b", "", "4003 bad_channel: "},
		{"bad slow", "/sse?channel=a&slow=x", "", "4002 invalid_field: "},
		{"foreign page", "/sse?channel=a", "Origin: https://evil.example", "4104 bad_origin: Pages of \"https://evil.example\" may not connect. Start the server with --allowed-origins"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var headers []string
			if row.header != "" {
				headers = []string{row.header}
			}
			got := b.do("GET", row.path, "", headers...)
			if got.status != 204 || !strings.HasPrefix(got.header.Get("Starling-Error"), row.want) {
				t.Errorf("got %d %q, want 204 and %q", got.status, got.header.Get("Starling-Error"), row.want)
			}
		})
	}
	t.Run("not allowed", func(t *testing.T) {
		got := b.do("GET", "/sse?channel=secret", "")
		if got.status != 204 || !strings.HasPrefix(got.header.Get("Starling-Error"), "4101 forbidden: ") {
			t.Errorf("got %d %v %q, want 204", got.status, got.header, got.body)
		}
	})
	b.sessionsBecome(0)
	w := b.ws()
	t.Run("no room now", func(t *testing.T) {
		got := b.do("GET", "/sse?channel=a", "")
		if got.status != 200 || !strings.HasPrefix(got.body, "retry: 1000\nevent: error\ndata: {\"code\":4300") || got.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("got %d %v %q", got.status, got.header, got.body)
		}
		got = b.do("GET", "/poll?channel=a", "")
		if got.status != 503 || got.Error.Code != 4300 || got.header.Get("Retry-After") == "" {
			t.Errorf("poll: got %d %v %q", got.status, got.header, got.body)
		}
	})
	w.conn.Close()
	b.sessionsBecome(0)
	t.Run("a position that is none", func(t *testing.T) {
		s := b.sse("/sse?channel=a", "Last-Event-ID: nonsense!")
		s.t = t
		s.hears(`event: reset`)
		b.publish("a", `"on"`)
		s.hears(`"on"`)
	})
}
