package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	for _, row := range []struct {
		name, msg string
		code      Code // 0: accepted
		id        string
	}{
		{"subscribe", `{"type":"subscribe","channel":"chat"}`, 0, ""},
		{"numeric id", `{"type":"subscribe","channel":"chat","id":7}`, 0, "7"},
		{"text id", `{"id":"a\u0041","type":"publish","channel":"chat","data":{"a":[1,2.5e-3,true,null]}}`, 0, `"aA"`},
		{"null data is data", `{"type":"publish","channel":"chat","data":null}`, 0, ""},
		{"wildcard", `{"type":"subscribe","channel":"chat:*"}`, 0, ""},
		{"unknown fields are ignored", `{"type":"ping","future":{"a":[{}]}}`, 0, ""},
		{"white space", " {\n\t\"type\" : \"ping\" } \r\n", 0, ""},
		{"nothing", ``, Malformed, ""},
		{"not an object", `[1]`, Malformed, ""},
		{"cut short", `{"type":"pi`, Malformed, ""},
		{"two values", `{"type":"ping"}{}`, Malformed, ""},
		{"bare word", `{"type":ping}`, Malformed, ""},
		{"trailing comma", `{"type":"ping",}`, Malformed, ""},
		{"leading zero", `{"type":"ping","x":01}`, Malformed, ""},
		{"illegal UTF-8", "{\"type\":\"ping\",\"x\":\"\xff\"}", Malformed, ""},
		{"control character in a text", "{\"type\":\"ping\",\"x\":\"a\nb\"}", Malformed, ""},
		{"nested too deeply", `{"type":"publish","channel":"c","data":` + deep + `}`, Malformed, ""},
		{"no type", `{"id":1}`, UnknownType, "1"},
		{"unknown type", `{"type":"dance","id":1}`, UnknownType, "1"},
		{"type is no text", `{"type":1,"id":2}`, InvalidField, "2"},
		{"id after the bad field", `{"type":"subscribe","channel":[{"a":"}"}],"id":3}`, InvalidField, "3"},
		{"id is an object", `{"type":"ping","id":{}}`, InvalidField, ""},
		{"no channel", `{"type":"subscribe","id":1}`, BadChannel, "1"},
		{"space in the channel", `{"type":"subscribe","channel":"a b"}`, BadChannel, ""},
		{"wildcard of everything", `{"type":"subscribe","channel":"*"}`, BadChannel, ""},
		{"publish to a wildcard", `{"type":"publish","channel":"a*","data":1}`, BadChannel, ""},
		{"publish without data", `{"type":"publish","channel":"a"}`, InvalidField, ""},
		{"delete without a key", `{"type":"signal","channel":"a","delete":true}`, InvalidField, ""},
		{"delete with a key", `{"type":"signal","channel":"a","delete":true,"conflate":"k"}`, 0, ""},
		{"negative limit", `{"type":"history","channel":"a","limit":-1}`, InvalidField, ""},
		{"both ways", `{"type":"history","channel":"a","since":"a","before":"b"}`, InvalidField, ""},
		{"tag is no text", `{"type":"publish","channel":"a","data":1,"tags":{"a":1}}`, InvalidField, ""},
		{"filter", `{"type":"subscribe","channel":"a","filter":{"lang":["en","de"],"kind":"goal"}}`, 0, ""},
		{"filter of numbers", `{"type":"subscribe","channel":"a","filter":{"lang":[1]}}`, InvalidField, ""},
		{"unknown policy", `{"type":"subscribe","channel":"a","slow":"wait"}`, InvalidField, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := Parse([]byte(row.msg))
			var code Code
			if err != nil {
				code = err.Code
			}
			if code != row.code {
				t.Errorf("got %v, want code %d", err, row.code)
			}
			if string(c.ID) != row.id {
				t.Errorf("id is %q, want %q", c.ID, row.id)
			}
		})
	}
}

func TestParseKeepsNothingOfTheMessage(t *testing.T) {
	msg := []byte(`{"type":"publish","id":12,"channel":"chat","data":{"a":"b"}}`)
	c, err := Parse(msg)
	if err != nil {
		t.Fatal(err)
	}
	clear(msg)
	if got := string(c.ID) + c.Channel + string(c.Data); got != `12chat{"a":"b"}` {
		t.Errorf("got %q", got)
	}
}

func TestDataIsOneLine(t *testing.T) {
	c, err := Parse([]byte("{\"type\":\"publish\",\"channel\":\"a\",\"data\":{\n\"x\":\r\n\"a b\\n\"}}"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.Data), `{"x":"a b\n"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPositionRoundTrip(t *testing.T) {
	var places []byte
	names := make([]string, MaxPositionChannels)
	for i := range names {
		names[i] = strings.Repeat("n", 200) + string(rune('a'+i%26)) + string(rune('a'+i/26))
		places = AppendPlace(places, names[i], uint32(i+1), 1<<53-1-uint64(i))
	}
	text := string(AppendPosition(nil, places))
	if len(text) > MaxPositionBytes {
		t.Fatalf("a position of %d channels has %d bytes", len(names), len(text))
	}
	p, err := ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		epoch, offset, ok := p.In(name)
		if !ok || epoch != uint32(i+1) || offset != 1<<53-1-uint64(i) {
			t.Errorf("%d: got %d %d %v", i, epoch, offset, ok)
		}
	}
	if _, _, ok := p.In("other"); ok {
		t.Error("a channel that is not in the position was found")
	}
}

func TestPositionRefused(t *testing.T) {
	good := EncodePosition("chat", 1, 2)
	for _, text := range []string{"a", "AQ==", "!", good + "A", good[:len(good)-2], "AgAA", strings.Repeat("A", 2000), good + "\n"} {
		if _, err := ParsePosition(text); err == nil || err.Code != BadPosition {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestSince(t *testing.T) {
	a, b := EncodePosition("a", 1, 10), EncodePosition("b", 2, 20)
	for _, row := range []struct {
		text string
		a, b uint64
		ok   bool
	}{
		{a, 10, 0, true},
		{a + ".12", 12, 0, true},
		{a + ".9", 10, 0, true},
		{a + "," + b, 10, 20, true},
		{a + ".15," + b + ".25", 15, 25, true},
		{a + ",", 10, 0, true},
		{a + ".x", 0, 0, false},
		{".5", 0, 0, false},
		{string(AppendPosition(nil, AppendPlace(AppendPlace(nil, "a", 1, 1), "b", 1, 1))) + ".5", 0, 0, false},
		{strings.Repeat(a+",", 33), 0, 0, false},
	} {
		p, err := ParseSince(row.text)
		if (err == nil) != row.ok {
			t.Errorf("%s: got %v", row.text, err)
			continue
		}
		if _, got, _ := p.In("a"); got != row.a {
			t.Errorf("%s: a stands at %d, want %d", row.text, got, row.a)
		}
		if _, got, _ := p.In("b"); got != row.b {
			t.Errorf("%s: b stands at %d, want %d", row.text, got, row.b)
		}
	}
}

func TestFilterMatch(t *testing.T) {
	f, err := ParseFilter([]byte(`{"lang":["en","de"],"kind":"goal"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		tags map[string]string
		want bool
	}{
		{map[string]string{"lang": "de", "kind": "goal", "more": "x"}, true},
		{map[string]string{"lang": "fr", "kind": "goal"}, false},
		{map[string]string{"lang": "en"}, false},
		{nil, false},
	} {
		if got := f.Match(row.tags); got != row.want {
			t.Errorf("%v: got %v", row.tags, got)
		}
	}
	if !Filter(nil).Match(nil) {
		t.Error("the nil filter does not match")
	}
}

func TestEveryCodeHasAName(t *testing.T) {
	names := map[string]Code{}
	for _, c := range Codes() {
		if c < 4000 || c > 4999 {
			t.Errorf("%d cannot be a close code", c)
		}
		if other, ok := names[c.String()]; ok {
			t.Errorf("%d and %d have the name %s", c, other, c)
		}
		names[c.String()] = c
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"publish","id":12,"channel":"chat","data":{"a":"b\u00e9\ud83d\ude00"},"tags":{"a":"b"},"key":"k"}`))
	f.Add([]byte(`{"type":"subscribe","channel":"c:*","filter":{"a":["b"]},"since":"AQ","offset":3,"slow":"latest"}`))
	f.Add([]byte(`{"type":"x","id":1e3}`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		before := bytes.Clone(msg)
		c, err := Parse(msg)
		if !bytes.Equal(before, msg) {
			t.Fatal("Parse changed the message")
		}
		var object map[string]json.RawMessage
		isJSON := utf8.Valid(msg) && json.Unmarshal(msg, &object) == nil && object != nil
		if !isJSON && err == nil {
			t.Fatalf("accepted what encoding/json refuses: %q", msg)
		}
		if isJSON && err != nil && err.Code == Malformed && !strings.Contains(err.Message, "deeper") {
			t.Fatalf("refused as malformed what encoding/json accepts: %q: %v", msg, err)
		}
		if c.ID != nil && !json.Valid(c.ID) {
			t.Fatalf("id is not JSON: %q", c.ID)
		}
		if err == nil && c.Type == Publish && (!json.Valid(c.Data) || bytes.ContainsAny(c.Data, "\r\n")) {
			t.Fatalf("data is not JSON on one line: %q", c.Data)
		}
		if err != nil && !json.Valid(AppendRefusal(nil, c.ID, c.Channel, err)) {
			t.Fatalf("the refusal is not JSON: %s", AppendRefusal(nil, c.ID, c.Channel, err))
		}
	})
}

func FuzzPosition(f *testing.F) {
	f.Add(EncodePosition("chat", 7, 1<<40), "chat")
	f.Add("AQAB", "x")
	f.Add("AfKjjZELWzSLh3MPuQE.5,AfKjjZELWzSLh3MPuQE", "y")
	f.Fuzz(func(t *testing.T, text, channel string) {
		if p, err := ParseSince(text); err == nil {
			p.In(channel)
		}
		p, err := ParsePosition(text)
		if err != nil {
			return
		}
		p.In(channel)
		if !p.IsZero() && string(AppendPosition(nil, p.places)) != text {
			t.Fatalf("%q reads back as %q", text, AppendPosition(nil, p.places))
		}
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"b\\c\n\x00\xffé😀\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); got != want && utf8.ValidString(s) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte(`{"a":["b","c"],"d":"e"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		flt, err := ParseFilter(raw)
		if err != nil {
			return
		}
		again, err := ParseFilter(flt.AppendJSON(nil))
		if err != nil || string(again.AppendJSON(nil)) != string(flt.AppendJSON(nil)) {
			t.Fatalf("%s reads back as %v, %v", flt.AppendJSON(nil), again, err)
		}
	})
}
