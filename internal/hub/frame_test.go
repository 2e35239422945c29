package hub

import (
	"strings"
	"testing"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// A frame that nobody wants in CBOR holds nothing for it, and is as large as it
// was without.
func TestFrameInCBORIsMadeWhenAskedFor(t *testing.T) {
	f := publicationFrame("chat", &eventlog.Record{Offset: 1, ID: "a", Data: []byte(`{"x":1}`)})
	f.WebSocket(false)
	f.WebSocket(true)
	if f.cbor.Load() != nil {
		t.Error("it was made for nobody")
	}
	made := f.CBOR()
	back, err := protocol.AppendJSON(nil, made.WebSocket(false)[made.head:])
	if err != nil || string(back) != string(f.JSON()) {
		t.Errorf("got %s, %v, want %s", back, err, f.JSON())
	}
	if f.CBOR() != made {
		t.Error("it was made twice")
	}
	if n := testing.AllocsPerRun(10, func() { f.CBOR() }); n > 0 {
		t.Errorf("%v allocations for one that is there", n)
	}
}

// typical are messages as applications send them.
func typical() map[string]*Frame {
	base := eventlog.Record{Offset: 482913, ID: "AaIKbMI1ViMHk5czaNJj", User: "ann", Time: 1795471229493}
	with := func(data []byte, key string) *Frame {
		r := base
		r.Data, r.Key = data, key
		return publicationFrame("chat:room-17", &r)
	}
	order := `{"order":"8f14e45f","status":"on_the_way","courier":{"name":"Maria","lat":47.37689,"lng":8.54169},"eta":"2026-11-26T12:45:00Z","items":[{"sku":"A-113","n":2},{"sku":"B-7","n":1}],"total":{"currency":"CHF","amount":48.5}}`
	update := make([]byte, 64)
	for i := range update {
		update[i] = byte(i * 37)
	}
	return map[string]*Frame{
		"a chat line":       with([]byte(`{"text":"hello, how are you?"}`), "c3fa1b22-9"),
		"an order of 230 B": with([]byte(order), ""),
		"a text of 2 KB":    with([]byte(`{"text":"`+strings.Repeat("It was a bright cold day in April, and the clocks were striking thirteen. ", 27)+`"}`), ""),
		"bytes, 64 of them": with(protocol.BytesData(update), ""),
		"a cursor (signal)": signalFrame(&eventlog.Signal{Channel: "board:9", Data: []byte(`{"x":412,"y":97}`), Key: "ann", User: "ann", Time: 1795471229874}),
		"a heartbeat":       newFrame(0, nil, 20, protocol.AppendPing),
	}
}

// BenchmarkMessageBytes measures what messages take on a WebSocket, header
// included, and how long it takes to make CBOR of one.
func BenchmarkMessageBytes(b *testing.B) {
	for name, f := range typical() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 8192)
			for b.Loop() {
				protocol.AppendCBOR(buf, f.JSON())
			}
			b.ReportMetric(float64(len(f.WebSocket(false))), "json-B")
			b.ReportMetric(float64(len(f.WebSocket(true))), "json+deflate-B")
			b.ReportMetric(float64(len(f.CBOR().WebSocket(false))), "cbor-B")
			b.ReportMetric(float64(len(f.CBOR().WebSocket(true))), "cbor+deflate-B")
		})
	}
}

// CBOR is what it is for: it takes fewer bytes.
func TestCBORIsShorter(t *testing.T) {
	for name, f := range typical() {
		inJSON, inCBOR := len(f.WebSocket(false)), len(f.CBOR().WebSocket(false))
		if inCBOR >= inJSON {
			t.Errorf("%s: %d bytes in CBOR, %d in JSON", name, inCBOR, inJSON)
		}
		t.Logf("%-20s %5d %5d", name, inJSON, inCBOR)
	}
}
