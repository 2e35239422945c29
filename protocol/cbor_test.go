package protocol

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// reference is a library that knows CBOR, set to what we take.
var reference = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		IndefLength: cbor.IndefLengthForbidden, MaxNestedLevels: 256, UTF8: cbor.UTF8RejectInvalid,
		DefaultByteStringType: reflect.TypeOf(""), FieldNameByteString: cbor.FieldNameByteStringAllowed,
		IntDec: cbor.IntDecConvertSignedOrBigInt, UnrecognizedTagToAny: cbor.UnrecognizedTagContentToAny,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// write encodes values by the library.
func encodeCBOR(t testing.TB, v any) []byte {
	t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := mode.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// named returns what the library read with names for the numbers of fields and
// types, as JSON has them.
func named(t testing.TB, v any) any {
	t.Helper()
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, w := range v {
			out = append(out, named(t, w))
		}
		return out
	case map[any]any:
		out := map[string]any{}
		for key, w := range v {
			name, ok := key.(string)
			if n, isNumber := key.(int64); isNumber {
				name, ok = fieldNames[n], true
			}
			switch n, isNumber := w.(int64); {
			case !ok:
				t.Fatalf("the key %v", key)
			case name == "type" && isNumber:
				out[name] = typeNames[n]
			case name == "data":
				var data any
				if err := json.Unmarshal([]byte(w.(string)), &data); err != nil {
					t.Fatalf("data is not JSON: %q", w)
				}
				out[name] = data
			case name == "tags":
				tags := map[string]any{}
				for k, value := range w.(map[any]any) {
					tags[k.(string)] = value
				}
				out[name] = tags
			default:
				out[name] = named(t, w)
			}
		}
		return out
	}
	return v
}

// cborVector is a message in CBOR, beside its JSON.
type cborVector struct {
	Name string `json:"name"`
	Text string `json:"text"`
	CBOR string `json:"cbor"`
}

func TestVectorsOfMessagesInCBOR(t *testing.T) {
	var all []cborVector
	for _, v := range vectors[messageVector](t, "messages") {
		got := AppendCBOR(nil, []byte(v.Text))
		all = append(all, cborVector{v.Name, v.Text, hex.EncodeToString(got)})
		back, err := AppendJSON(nil, got)
		if err != nil || !sameText(string(back), v.Text) {
			t.Errorf("%s: translated back it is %s, %v", v.Name, back, err)
		}
		if strings.Contains(v.Text, "data64") {
			continue // the library is asked by its own test
		}
		var read, want any
		if err := reference.Unmarshal(got, &read); err != nil {
			t.Errorf("%s: the library refuses %x: %v", v.Name, got, err)
			continue
		}
		if err := json.Unmarshal([]byte(v.Text), &want); err != nil {
			t.Fatal(err)
		}
		if g, w := asJSON(t, named(t, read)), asJSON(t, want); g != w {
			t.Errorf("%s: the library reads\n%s, want\n%s", v.Name, g, w)
		}
	}
	golden(t, "cbormessages", "Every message of the server in CBOR, in hex, beside the same message in JSON.", all)
}

// sameText compares JSON but for how a control character is escaped.
func sameText(a, b string) bool {
	return a == b || strings.NewReplacer(`\u0008`, `\b`, `\u000c`, `\f`).Replace(a) == strings.NewReplacer(`\u0008`, `\b`, `\u000c`, `\f`).Replace(b)
}

// Every field and every type of the messages and commands has a number: a name
// would be understood as well, but takes more bytes.
func TestNumbersAreComplete(t *testing.T) {
	var texts []string
	for _, v := range vectors[messageVector](t, "messages") {
		texts = append(texts, v.Text)
	}
	for _, v := range vectors[struct {
		Name    string         `json:"name"`
		Text    string         `json:"text"`
		Command *commandFields `json:"command"`
		Error   Code           `json:"error"`
		ID      string         `json:"id"`
	}](t, "commands") {
		if v.Command != nil {
			texts = append(texts, v.Text)
		}
	}
	for _, text := range texts {
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		checkNumbers(t, m)
	}
	for name := range types {
		if typeNumbers[name] == 0 || typeNames[types[name]] != name {
			t.Errorf("the command %s has the number %d, want that of its Type", name, typeNumbers[name])
		}
	}
}

func checkNumbers(t *testing.T, m map[string]any) {
	t.Helper()
	for name, v := range m {
		if _, ok := fieldNumbers[name]; !ok && name != "data64" && name != "future" {
			t.Errorf("the field %s has no number", name)
		}
		if s, ok := v.(string); ok && name == "type" && typeNumbers[s] == 0 {
			t.Errorf("the type %s has no number", s)
		}
		if inner, ok := v.(map[string]any); ok && name != "data" && name != "future" && !isPlain(name) {
			checkNumbers(t, inner)
		}
	}
}

// numberVector is the number of a field or of a type.
type numberVector struct {
	Field  string `json:"field,omitempty"`
	Type   string `json:"type,omitempty"`
	Number uint64 `json:"number"`
}

func TestVectorsOfNumbers(t *testing.T) {
	var all []numberVector
	for n, name := range fieldNames {
		if name != "" {
			all = append(all, numberVector{Field: name, Number: uint64(n)})
		}
	}
	for n, name := range typeNames {
		if name != "" {
			all = append(all, numberVector{Type: name, Number: uint64(n)})
		}
	}
	golden(t, "cbornumbers", "The numbers of fields and types in CBOR.", all)
}

// cborCommand is a command in CBOR, and what is read from it.
type cborCommand struct {
	Name    string         `json:"name"`
	CBOR    string         `json:"cbor"`
	Command *commandFields `json:"command,omitempty"`
	Error   Code           `json:"error,omitempty"`
	ID      string         `json:"id,omitempty"`
}

func TestVectorsOfCommandsInCBOR(t *testing.T) {
	var all []cborCommand
	add := func(name string, msg []byte) {
		v := cborCommand{Name: name, CBOR: hex.EncodeToString(msg)}
		c, err := ParseCBOR(msg)
		if err != nil {
			v.Error, v.ID = err.Code, string(c.ID)
		} else {
			f := fieldsOf(&c)
			v.Command = &f
		}
		all = append(all, v)
	}
	for _, v := range vectors[struct {
		Name    string         `json:"name"`
		Text    string         `json:"text"`
		Command *commandFields `json:"command"`
		Error   Code           `json:"error"`
		ID      string         `json:"id"`
	}](t, "commands") {
		if v.Error == Malformed || v.Name == "a type that is no text" || strings.HasPrefix(v.Name, "of two fields") || strings.Contains(v.Text, "data64") && v.Error != 0 {
			continue
		}
		msg := AppendCBOR(nil, []byte(v.Text))
		add(v.Name, msg)
		got := all[len(all)-1]
		if got.Error != v.Error || got.ID != v.ID || asJSON(t, got.Command) != asJSON(t, v.Command) {
			t.Errorf("%s: CBOR %x is read as %s, JSON as %s", v.Name, msg, asJSON(t, got), asJSON(t, v))
		}
	}
	for _, row := range cborRows(t) {
		add(row.name, row.msg)
		if got := all[len(all)-1]; got.Error != row.code {
			t.Errorf("%s: %x: got %d, want %d", row.name, row.msg, got.Error, row.code)
		}
	}
	golden(t, "cborcommands", "A client's message in CBOR, in hex, and what the server reads from it: command, as in commands.json; or the code of the error that refuses it, with the id as far as it was read.", all)
}

type cborRow struct {
	name string
	msg  []byte
	code Code
}

// cborRows are messages that only CBOR can have, made by the library but for those
// that it would not make.
func cborRows(t testing.TB) []cborRow {
	ping := map[any]any{0: 7, 1: 1}
	raw := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	deep := func(n int, b byte) []byte {
		return append(append(raw("a2 00 07 18 63"), bytes.Repeat([]byte{b}, n)...), 0)
	}
	return []cborRow{
		{"bytes", encodeCBOR(t, map[any]any{0: 4, 1: 1, 2: "doc", 3: []byte{0, 1, 0xff}}), 0},
		{"no bytes", encodeCBOR(t, map[any]any{0: 4, 2: "doc", 3: []byte{}}), 0},
		{"names in place of numbers", encodeCBOR(t, map[any]any{"type": "subscribe", "id": 7, "channel": "chat"}), 0},
		{"unknown fields, numbers and names", encodeCBOR(t, map[any]any{0: 7, 99: []any{1.5, nil}, "future": map[any]any{}, -1: 1, "x": cbor.Tag{Number: 1, Content: 1}}), 0},
		{"the order of fields is free", raw("a2 01 05 00 07"), 0},
		{"numbers longer than they need be", raw("a2 18 00 19 0007 1a 00000001 1b 0000000000000005"), 0},
		{"a whole number as a float", encodeCBOR(t, map[any]any{0: 2, 1: float64(1 << 40), 2: "chat", 16: "AQ", 4: float64(1<<53 - 1)}), 0},
		{"a number that is not whole", encodeCBOR(t, map[any]any{0: 7, 1: 1.25e10}), 0},
		{"a field without a value", raw("a3 00 07 01 05 05 f7"), 0},
		{"an id of null", raw("a2 00 07 01 f6"), 0},
		{"depth 64", deep(MaxDepth-1, 0x81), 0},
		{"text data that is JSON over lines", encodeCBOR(t, map[any]any{0: 4, 2: "a", 3: "[\n1 ]"}), 0},

		{"as cbor-x writes it, with an offset that is a float", raw("a5 00 02 01 07 02 64 63686174 04 fb 427a20a6cc235000 10 62 4151"), 0},
		{"as cbor-x writes it, with a long head and undefined", raw("a5 00 04 02 63 646f63 03 67 7b2261223a317d 05 f7 08 b90001 64 6c616e67 62 656e"), 0},
		{"as cborg writes it", raw("a5 00 02 01 07 02 64 63686174 04 1b 000001a20a6cc235 10 62 4151"), 0},
		{"nothing at all", nil, Malformed},
		{"no map", encodeCBOR(t, []any{ping}), Malformed},
		{"ends within the head", raw("b9 00"), Malformed},
		{"ends within a text", raw("a2 00 07 01 62 61"), Malformed},
		{"more pairs than there can be", raw("bb 7fffffffffffffff 00 07"), Malformed},
		{"a text of 2^63 bytes", raw("a1 00 7b 8000000000000000"), Malformed},
		{"an array of 2^64-1", raw("a2 00 07 18 63 9b ffffffffffffffff"), Malformed},
		{"two maps", append(encodeCBOR(t, ping), encodeCBOR(t, ping)...), Malformed},
		{"a map of a length that is not given", raw("bf 00 07 ff"), Malformed},
		{"a text of a length that is not given", raw("a2 00 07 01 7f 61 61 ff"), Malformed},
		{"a reserved length", raw("a1 00 1c"), Malformed},
		{"a reserved simple value", raw("a2 00 07 18 63 f8 10"), Malformed},
		{"a break", raw("a1 00 ff"), Malformed},
		{"a field twice", raw("a2 00 07 00 07"), Malformed},
		{"a field twice, once by its name", raw("a2 00 07 64 74797065 07"), Malformed},
		{"a tag name twice", raw("a4 00 04 02 61 61 03 61 31 08 a2 61 61 61 31 61 61 61 32"), Malformed},
		{"a tag of a filter twice", raw("a3 00 02 02 61 61 18 1a a2 61 61 61 31 61 61 61 32"), Malformed},
		{"a text that is not UTF-8", raw("a2 00 07 01 61 ff"), Malformed},
		{"an unknown text that is not UTF-8", raw("a2 00 07 18 63 61 ff"), Malformed},
		{"depth 65", deep(MaxDepth, 0x81), Malformed},
		{"depth 65 of tags", deep(MaxDepth, 0xc1), Malformed},
		{"an unknown number of a type", encodeCBOR(t, map[any]any{0: 99, 1: 3}), UnknownType},
		{"a message of the server", encodeCBOR(t, map[any]any{0: 13, 1: 3}), UnknownType},
		{"no type at all", encodeCBOR(t, map[any]any{1: 3}), UnknownType},
		{"a type that is a map", encodeCBOR(t, map[any]any{0: ping, 1: 3}), InvalidField},
		{"data that is a map", encodeCBOR(t, map[any]any{0: 4, 1: 3, 2: "a", 3: map[any]any{"a": 1}}), InvalidField},
		{"data that is not JSON", encodeCBOR(t, map[any]any{0: 4, 1: 3, 2: "a", 3: "hello"}), InvalidField},
		{"data that is nested too deeply", encodeCBOR(t, map[any]any{0: 4, 1: 3, 2: "a", 3: strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)}), InvalidField},
		{"a channel that is bytes", encodeCBOR(t, map[any]any{0: 2, 1: 3, 2: []byte("a")}), InvalidField},
		{"an id of bytes", encodeCBOR(t, map[any]any{0: 7, 1: []byte("a")}), InvalidField},
		{"an id above 2^53-1 in CBOR", encodeCBOR(t, map[any]any{0: 7, 1: uint64(1 << 53)}), InvalidField},
		{"an id that is half of one", encodeCBOR(t, map[any]any{0: 7, 1: 0.1}), InvalidField},
		{"an id that is not a number", raw("a2 00 07 01 fb 7ff8000000000000"), InvalidField},
		{"an id that is infinite", raw("a2 00 07 01 fa 7f800000"), InvalidField},
		{"delete that is a number", encodeCBOR(t, map[any]any{0: 5, 2: "a", 9: "k", 19: 1}), InvalidField},
		{"tags that are a list", encodeCBOR(t, map[any]any{0: 4, 2: "a", 3: "1", 8: []any{"a"}}), InvalidField},
		{"tags whose names are numbers", encodeCBOR(t, map[any]any{0: 4, 2: "a", 3: "1", 8: map[any]any{1: "a"}}), InvalidField},
		{"a filter of 65 values", encodeCBOR(t, map[any]any{0: 2, 2: "a", 26: map[any]any{"t": slices.Repeat([]string{"v"}, MaxFilterValues+1)}}), InvalidField},
	}
}

func TestParseCBORKeepsNothingOfTheMessage(t *testing.T) {
	msg := encodeCBOR(t, map[any]any{0: 4, 1: "i", 2: "chat", 3: `{"a":"b"}`})
	c, err := ParseCBOR(msg)
	if err != nil {
		t.Fatal(err)
	}
	clear(msg)
	if got := string(c.ID) + c.Channel + string(c.Data); got != `"i"chat{"a":"b"}` {
		t.Errorf("got %q", got)
	}
}

// A claim costs nothing: what is claimed has to be there.
func TestParseCBORAllocatesNothingForClaims(t *testing.T) {
	for _, row := range cborRows(t) {
		if row.code == Malformed && len(row.msg) < 40 {
			if n := testing.AllocsPerRun(10, func() { _, _ = ParseCBOR(row.msg) }); n > 12 {
				t.Errorf("%s: %v allocations", row.name, n)
			}
		}
	}
}

func TestBytesAsData(t *testing.T) {
	data := BytesData([]byte{0, 1, 0xff})
	p := Publication{Channel: "doc", Offset: 1, ID: "a", Data: data, Time: 1}
	msg := AppendPublication(nil, &p)
	if want := `{"type":"publication","channel":"doc","offset":1,"id":"a","data64":"AAH/","time":1}`; string(msg) != want {
		t.Errorf("got  %s\nwant %s", msg, want)
	}
	back, err := ParsePublication(msg)
	if err != nil || !bytes.Equal(back.Data, data) {
		t.Errorf("read back: %q, %v", back.Data, err)
	}
	s, err := ParseSignal(AppendSignal(nil, &Signal{Channel: "doc", Data: data}))
	if err != nil || !bytes.Equal(s.Data, data) {
		t.Errorf("signal read back: %q, %v", s.Data, err)
	}
	var m map[int]any
	mode, err := cbor.DecOptions{}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	if err := mode.Unmarshal(AppendCBOR(nil, msg), &m); err != nil {
		t.Fatal(err)
	}
	if got, ok := m[3].([]byte); !ok || !bytes.Equal(got, []byte{0, 1, 0xff}) {
		t.Errorf("the library reads %v", m[3])
	}
	if checked, err := CheckData(data); err != nil || !bytes.Equal(checked, data) {
		t.Errorf("checked: %q, %v", checked, err)
	}
}

func TestData64Refused(t *testing.T) {
	for _, text := range []string{"A", "AAH", "AAH_", "AAH/=", "AA\nH/", "AAH/ ", "AB=="} {
		if data, err := ParseData64(text); err == nil || err.Code != InvalidField {
			t.Errorf("%q: got %v, %v", text, data, err)
		}
	}
}

// Translating costs no allocation: it is done on the way to a socket.
func TestAppendCBORDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for _, v := range vectors[messageVector](t, "messages") {
		msg := []byte(v.Text)
		if n := testing.AllocsPerRun(10, func() { AppendCBOR(buf, msg) }); n > 0 {
			t.Errorf("%s: %v allocations", v.Name, n)
		}
	}
}

// Containers of any length have the shortest head.
func TestLengthsInCBOR(t *testing.T) {
	for _, n := range []int{0, 1, 23, 24, 255, 256, 65535, 65536} {
		items := slices.Repeat([]string{`"\n"`}, n)
		msg := fmt.Sprintf(`{"publications":[%s],"reason":"\t%s"}`, strings.Join(items, ","), strings.Repeat("r", n))
		want := encodeCBOR(t, map[any]any{17: slices.Repeat([]string{"\n"}, n), 18: "\t" + strings.Repeat("r", n)})
		if got := AppendCBOR(nil, []byte(msg)); !bytes.Equal(got, want) {
			t.Errorf("%d: got %.40x, want %.40x", n, got, want)
		}
	}
}

func FuzzParseCBOR(f *testing.F) {
	for _, row := range cborRows(f) {
		f.Add(row.msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		before := bytes.Clone(msg)
		c, err := ParseCBOR(msg)
		if !bytes.Equal(before, msg) {
			t.Fatal("ParseCBOR changed the message")
		}
		wellFormed := reference.Wellformed(msg) == nil
		if !wellFormed && (err == nil || err.Code != Malformed) {
			t.Fatalf("%x is not well-formed, but we say %v", msg, err)
		}
		if wellFormed && msg[0]>>5 == cborMap && err != nil && err.Code == Malformed &&
			!slices.ContainsFunc([]string{"deeper", "twice", "UTF-8"}, func(s string) bool { return strings.Contains(err.Message, s) }) {
			t.Fatalf("%x is well-formed, but we say %v", msg, err)
		}
		if c.ID != nil && !json.Valid(c.ID) {
			t.Fatalf("id is not JSON: %q", c.ID)
		}
		if _, isBytes := DataBytes(c.Data); err == nil && c.Data != nil && !isBytes && (!json.Valid(c.Data) || bytes.ContainsAny(c.Data, "\r\n")) {
			t.Fatalf("data is not JSON on one line: %q", c.Data)
		}
		if text, err := AppendJSON(nil, msg); err == nil && !json.Valid(text) {
			t.Fatalf("%x in JSON is %s", msg, text)
		}
	})
}

// Whatever JSON there is becomes CBOR, and a command is the same in both.
func FuzzAppendCBOR(f *testing.F) {
	f.Add([]byte(`{"type":"publish","id":12,"channel":"chat","data":{"a":"b\u00e9\ud83d\ude00"},"tags":{"a":"b"},"key":"k"}`))
	f.Add([]byte(`{"type":"subscribe","channel":"c:*","filter":{"a":["b"]},"since":"AQ","offset":3,"slow":"latest"}`))
	f.Add([]byte(`{"type":"publish","channel":"c","data64":"AAH/"}`))
	f.Add([]byte(` { "type" : "ping" , "x" : [ -1 , 1.5e3 , null , false ] } `))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) {
			return
		}
		msg := AppendCBOR(nil, text)
		if err := reference.Wellformed(msg); err != nil {
			t.Fatalf("%s becomes %x: %v", text, msg, err)
		}
		a, errA := Parse(text)
		if errA != nil && errA.Code == Malformed {
			return
		}
		b, errB := ParseCBOR(msg)
		switch {
		case errB != nil && (strings.Contains(errB.Message, "twice") || strings.Contains(errB.Message, "is not JSON. ")):
			return // of two the last counts in JSON; and data is looked at by itself
		case errA != nil && (bytes.ContainsAny(text, ".eE") || strings.Contains(errA.Message, `"type" is a text`)):
			return // 1.0 is whole in CBOR, and types have numbers
		case (errA == nil) != (errB == nil) || errA != nil && errA.Code != errB.Code:
			t.Fatalf("%s is %v, in CBOR %v", text, errA, errB)
		}
		if got, want := asJSON(t, fieldsOf(&b)), asJSON(t, fieldsOf(&a)); errA == nil && got != want {
			t.Fatalf("%s is %s, in CBOR %s", text, want, got)
		}
	})
}

// What we write the library reads to the same values, and what the library writes
// we read.
func FuzzPublicationInCBOR(f *testing.F) {
	f.Add("chat", "id", "k", "ann", "tag", "value", []byte("data"), uint64(3), int64(1767225600000))
	f.Fuzz(func(t *testing.T, channel, id, key, user, tag, value string, data []byte, offset uint64, time int64) {
		for _, s := range []string{channel, id, key, user, tag, value} {
			if !utf8.ValidString(s) {
				return
			}
		}
		p := Publication{Channel: channel, Offset: offset, ID: id, Data: BytesData(data), Key: key, User: user, Time: time, Tags: map[string]string{tag: value}}
		text := AppendPublication(nil, &p)
		msg := AppendCBOR(nil, text)
		back, err := AppendJSON(nil, msg)
		if err != nil || !bytes.Equal(back, text) {
			t.Fatalf("%s comes back as %s, %v", text, back, err)
		}
		var got struct {
			Type    int               `cbor:"0,keyasint"`
			ID      string            `cbor:"1,keyasint"`
			Channel string            `cbor:"2,keyasint"`
			Data    []byte            `cbor:"3,keyasint"`
			Offset  uint64            `cbor:"4,keyasint"`
			Key     string            `cbor:"5,keyasint,omitempty"`
			User    string            `cbor:"6,keyasint,omitempty"`
			Time    int64             `cbor:"7,keyasint"`
			Tags    map[string]string `cbor:"8,keyasint"`
		}
		if err := cbor.Unmarshal(msg, &got); err != nil {
			t.Fatalf("%x: %v", msg, err)
		}
		if got.Type != 13 || got.ID != id || got.Channel != channel || !bytes.Equal(got.Data, data) || got.Offset != offset ||
			got.Key != key || got.User != user || got.Time != time || !maps.Equal(got.Tags, p.Tags) {
			t.Fatalf("the library reads %+v of %s", got, text)
		}
		again, err := AppendJSON(nil, encodeCBOR(t, got))
		if err != nil {
			t.Fatal(err)
		}
		read, fault := ParsePublication(again)
		if fault != nil || !reflect.DeepEqual(read, p) {
			t.Fatalf("of what the library writes we read %+v, want %+v, %v", read, p, fault)
		}
	})
}

var benchCommand = []byte(`{"type":"publish","id":12,"channel":"chat:room-17","data":{"text":"hello, how are you?"},"key":"c3fa1b22-9"}`)

func BenchmarkParse(b *testing.B) {
	inCBOR := AppendCBOR(nil, benchCommand)
	for _, row := range []struct {
		name  string
		parse func([]byte) (Command, *Error)
		msg   []byte
	}{{"json", Parse, benchCommand}, {"cbor", ParseCBOR, inCBOR}} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := row.parse(row.msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	p := Publication{
		Channel: "chat:room-17", Offset: 123456, ID: "AaIKbMI1ViMHk5czaNJj", Data: []byte(`{"text":"hello, how are you?"}`),
		Key: "c3fa1b22-9", User: "ann", Time: 1795471229493,
	}
	text := AppendPublication(nil, &p)
	buf := make([]byte, 0, 4096)
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			AppendPublication(buf, &p)
		}
	})
	b.Run("cbor of json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			AppendCBOR(buf, text)
		}
	})
}
