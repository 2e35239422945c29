package websocket

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

func feed(r *Reader, wire []byte, step int) (got []Message, err error) {
	for len(wire) > 0 {
		n := min(step, len(wire))
		chunk := bytes.Clone(wire[:n])
		wire = wire[n:]
		r.Feed(chunk)
		for {
			m, err := r.Next()
			if errors.Is(err, ErrShort) {
				break
			}
			if err != nil {
				return got, err
			}
			got = append(got, Message{m.Opcode, bytes.Clone(m.Payload)})
		}
		clear(chunk) // the Reader may not rely on it
	}
	return got, nil
}

func TestFramesOfTheRFC(t *testing.T) { // RFC 6455 §5.7, RFC 7692 §7.2.3
	for _, row := range []struct {
		name, wire string
		server     bool
		want       string
	}{
		{"unmasked", "810548656c6c6f", false, "Hello"},
		{"masked", "818537fa213d7f9f4d5158", true, "Hello"},
		{"fragmented", "010348656c80026c6f", false, "Hello"},
		{"ping between fragments", "010348656c890248698002" + "6c6f", false, "Hi,Hello"},
		{"compressed", "c107f248cdc9c90700", false, "Hello"},
		{"compressed in fragments", "4103f248cd8004c9c90700", false, "Hello"},
		{"compressed block of its own", "c108f348cdc9c9070000", false, "Hello"},
	} {
		t.Run(row.name, func(t *testing.T) {
			wire, err := hex.DecodeString(row.wire)
			if err != nil {
				t.Fatal(err)
			}
			for step := 1; step <= len(wire); step++ {
				got, err := feed(&Reader{MaxBytes: 100, Server: row.server, Deflate: true}, wire, step)
				if err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
				var texts []string
				for _, m := range got {
					texts = append(texts, string(m.Payload))
				}
				if s := strings.Join(texts, ","); s != row.want {
					t.Fatalf("step %d: got %q, want %q", step, s, row.want)
				}
			}
		})
	}
}

func TestViolations(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	for _, row := range []struct {
		name string
		wire []byte
		code int
	}{
		{"unmasked from a client", AppendFrame(nil, Text, []byte("a")), CloseProtocol},
		{"reserved bit", []byte{0x91, 0x80, 0, 0, 0, 0}, CloseProtocol},
		{"unknown opcode", []byte{0x83, 0x80, 0, 0, 0, 0}, CloseProtocol},
		{"fragmented ping", []byte{0x09, 0x80, 0, 0, 0, 0}, CloseProtocol},
		{"long ping", AppendMasked(nil, PingFrame, mask, make([]byte, 126)), CloseProtocol},
		{"continuation of nothing", AppendMasked(nil, Continuation, mask, nil), CloseProtocol},
		{"text in a text", append([]byte{0x01, 0x80, 0, 0, 0, 0}, AppendMasked(nil, Text, mask, nil)...), CloseProtocol},
		{"over the limit", AppendMasked(nil, Text, mask, make([]byte, 101)), CloseTooBig},
		{"over the limit in fragments", append(append([]byte{0x01, 0x80 | 60, 0, 0, 0, 0}, make([]byte, 60)...), append([]byte{0x80, 0x80 | 60, 0, 0, 0, 0}, make([]byte, 60)...)...), CloseTooBig},
		{"length of 2^63", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, CloseProtocol},
		{"text that is not UTF-8", AppendMasked(nil, Text, mask, []byte{0xff}), CloseInvalidData},
		{"compressed nothing", AppendHeader(nil, Header{Fin: true, Compressed: true, Opcode: Text, Masked: true, Length: 0}), CloseInvalidData},
		{"bomb", compressedFrom(mask, Deflate(nil, make([]byte, 10_000))), CloseTooBig},
		{"not deflate", compressedFrom(mask, []byte{0xff, 0xff, 0xff, 0xff}), CloseInvalidData},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := feed(&Reader{MaxBytes: 100, Server: true, Deflate: true}, row.wire, len(row.wire))
			var p *ProtocolError
			if !errors.As(err, &p) || p.Code != row.code {
				t.Fatalf("got %v, want code %d", err, row.code)
			}
		})
	}
}

func compressedFrom(mask [4]byte, packed []byte) []byte {
	b := AppendHeader(nil, Header{Fin: true, Compressed: true, Opcode: Text, Masked: true, Mask: mask, Length: int64(len(packed))})
	from := len(b)
	b = append(b, packed...)
	Mask(b[from:], mask, 0)
	return b
}

func TestReaderKeepsNothingWhenIdle(t *testing.T) {
	r := &Reader{MaxBytes: 1 << 16, Server: true, Deflate: true}
	mask := [4]byte{9, 8, 7, 6}
	wire := append(AppendMasked(nil, Text, mask, make([]byte, 5000)), compressedFrom(mask, Deflate(nil, []byte("hello")))...)
	if _, err := feed(r, wire, 100); err != nil {
		t.Fatal(err)
	}
	if n := r.Buffered(); n != 0 {
		t.Errorf("an idle reader keeps %d bytes", n)
	}
}

func TestCloseRoundTrip(t *testing.T) {
	long := strings.Repeat("é", 100)
	h, n, err := ParseHeader(AppendClose(nil, 4105, long))
	if err != nil || h.Length > 125 {
		t.Fatalf("%v, length %d", err, h.Length)
	}
	code, reason, err := ParseClose(AppendClose(nil, 4105, long)[n:])
	if err != nil || code != 4105 || !strings.HasPrefix(long, reason) || len(reason) < 120 {
		t.Errorf("got %d %q %v", code, reason, err)
	}
	for _, bad := range [][]byte{{3}, {3, 237}, {0, 0}, {0x0b, 0xb7, 0xff}} {
		if _, _, err := ParseClose(bad); bad[0] != 0x0b && err == nil {
			t.Errorf("%x was accepted", bad)
		}
	}
}

func TestHandshake(t *testing.T) {
	good := http.Header{
		"Upgrade": {"WebSocket"}, "Connection": {"keep-alive, Upgrade"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"a, starling.v1.json"},
		"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"},
	}
	u, status, text := CheckUpgrade(&http.Request{Method: "GET", Header: good})
	if status != 0 {
		t.Fatal(status, text)
	}
	if u.Accept != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || !u.Offers("starling.v1.json") || !u.Deflate {
		t.Errorf("got %+v", u)
	}
	for key, want := range map[string]int{"Upgrade": 426, "Connection": 426, "Sec-Websocket-Version": 426, "Sec-Websocket-Key": 400} {
		h := good.Clone()
		h.Set(key, "x")
		if _, status, _ := CheckUpgrade(&http.Request{Method: "GET", Header: h}); status != want {
			t.Errorf("bad %s: got %d, want %d", key, status, want)
		}
	}
	for offer, want := range map[string]bool{
		"permessage-deflate": true,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":    true,
		"permessage-deflate; server_max_window_bits=10":                        false,
		"permessage-deflate; server_max_window_bits=15":                        true,
		"permessage-deflate; nonsense":                                         false,
		"permessage-deflate; client_max_window_bits; client_max_window_bits=9": false,
		"x-webkit-deflate-frame":                                               false,
	} {
		if got := negotiateDeflate([]string{offer}); got != want {
			t.Errorf("%s: got %v", offer, got)
		}
	}
}

func FuzzReader(f *testing.F) {
	mask := [4]byte{1, 2, 3, 4}
	f.Add(AppendMasked(nil, Text, mask, []byte("hello")), uint8(3))
	f.Add(compressedFrom(mask, Deflate(nil, []byte("hello hello hello"))), uint8(1))
	f.Add([]byte{0x01, 0x80, 0, 0, 0, 0, 0x80, 0x80, 0, 0, 0, 0}, uint8(5))
	f.Fuzz(func(t *testing.T, wire []byte, step uint8) {
		whole, err1 := feed(&Reader{MaxBytes: 1000, Server: true, Deflate: true}, wire, max(1, len(wire)))
		parts, err2 := feed(&Reader{MaxBytes: 1000, Server: true, Deflate: true}, wire, int(step)+1)
		if (err1 == nil) != (err2 == nil) || len(whole) != len(parts) {
			t.Fatalf("whole: %d messages, %v; in parts: %d, %v", len(whole), err1, len(parts), err2)
		}
		for i := range whole {
			if whole[i].Opcode != parts[i].Opcode || !bytes.Equal(whole[i].Payload, parts[i].Payload) {
				t.Fatalf("message %d differs", i)
			}
			if len(whole[i].Payload) > 1000 {
				t.Fatalf("message of %d bytes", len(whole[i].Payload))
			}
		}
	})
}

func FuzzClose(f *testing.F) {
	f.Add([]byte("\x03\xe8bye"), "a reason")
	f.Add([]byte{3}, "\xff")
	f.Fuzz(func(t *testing.T, payload []byte, reason string) {
		if code, text, err := ParseClose(payload); err == nil && (code < 1000 || code > 4999 || !utf8.ValidString(text)) {
			t.Fatalf("accepted %d %q", code, text)
		}
		wire := AppendClose(nil, 4000, reason)
		h, n, err := ParseHeader(wire)
		if err != nil || int(h.Length) != len(wire)-n {
			t.Fatalf("made a frame that cannot be read: %v", err)
		}
		if code, text, err := ParseClose(wire[n:]); err != nil || code != 4000 || !strings.HasPrefix(reason, text) {
			t.Fatalf("%q reads back as %d %q, %v", reason, code, text, err)
		}
	})
}

func FuzzDeflate(f *testing.F) {
	f.Add([]byte("hello hello"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := inflate(nil, Deflate(nil, payload), len(payload))
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	buf := make([]byte, 1024)
	b.SetBytes(1024)
	for b.Loop() {
		Mask(buf, [4]byte{1, 2, 3, 4}, 0)
	}
}
