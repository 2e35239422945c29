package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/messages.json, positions.json, since.json and codes.json anew")

// vectors reads a file of testdata.
func vectors[T any](t *testing.T, name string) []T {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		About   string `json:"about"`
		Vectors []T    `json:"vectors"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if file.About == "" || len(file.Vectors) == 0 {
		t.Fatalf("%s: there is nothing in it", name)
	}
	return file.Vectors
}

// write writes a file of testdata, one vector a line.
func write[T any](t *testing.T, name, about string, all []T) {
	t.Helper()
	line := func(v any) []byte {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		return bytes.TrimSpace(b.Bytes())
	}
	out := append([]byte("{\n  \"about\": "), line(about)...)
	out = append(out, ",\n  \"vectors\": [\n"...)
	for i, v := range all {
		if i > 0 {
			out = append(out, ",\n"...)
		}
		out = append(append(out, "    "...), line(v)...)
	}
	out = append(out, "\n  ]\n}\n"...)
	if err := os.WriteFile(filepath.Join("testdata", name+".json"), out, 0o644); err != nil {
		t.Fatal(err)
	}
}

// commandFields is a command as it stands in the vectors.
type commandFields struct {
	Type     string              `json:"type"`
	ID       string              `json:"id,omitempty"`
	Channel  string              `json:"channel,omitempty"`
	Data     string              `json:"data,omitempty"`
	Data64   *string             `json:"data64,omitempty"`
	Key      string              `json:"key,omitempty"`
	Tags     map[string]string   `json:"tags,omitempty"`
	Conflate string              `json:"conflate,omitempty"`
	Delete   bool                `json:"delete,omitempty"`
	Since    string              `json:"since,omitempty"`
	Offset   uint64              `json:"offset,omitempty"`
	Filter   map[string][]string `json:"filter,omitempty"`
	Slow     string              `json:"slow,omitempty"`
	Before   string              `json:"before,omitempty"`
	Newest   bool                `json:"newest,omitempty"`
	Limit    int                 `json:"limit,omitempty"`
	Method   string              `json:"method,omitempty"`
	Token    string              `json:"token,omitempty"`
	Pings    bool                `json:"pings,omitempty"`
}

func fieldsOf(c *Command) commandFields {
	f := commandFields{
		Type: c.Type.String(), ID: string(c.ID), Channel: c.Channel, Data: string(c.Data), Key: c.Key, Tags: c.Tags,
		Conflate: c.Conflate, Delete: c.Delete, Since: c.Since, Offset: c.Offset, Filter: c.Filter, Before: c.Before, Newest: c.Newest,
		Limit: c.Limit, Method: c.Method, Token: c.Token, Pings: c.Pings,
	}
	if b, ok := DataBytes(c.Data); ok {
		text := base64.StdEncoding.EncodeToString(b)
		f.Data, f.Data64 = "", &text
	}
	for name, p := range slowPolicies {
		if p == c.Slow && c.Slow != CatchUp {
			f.Slow = name
		}
	}
	return f
}

func TestVectorsOfCommands(t *testing.T) {
	for _, v := range vectors[struct {
		Name    string         `json:"name"`
		Text    string         `json:"text"`
		Command *commandFields `json:"command"`
		Error   Code           `json:"error"`
		ID      string         `json:"id"`
	}](t, "commands") {
		t.Run(v.Name, func(t *testing.T) {
			c, err := Parse([]byte(v.Text))
			if v.Command == nil {
				if err == nil || err.Code != v.Error || string(c.ID) != v.ID {
					t.Errorf("got %v and the id %q, want %d and %q", err, c.ID, v.Error, v.ID)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := asJSON(t, fieldsOf(&c)), asJSON(t, *v.Command); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestVectorsOfNames(t *testing.T) {
	for _, v := range vectors[struct {
		Name  string `json:"name"`
		Valid bool   `json:"valid"`
	}](t, "channels") {
		if err := CheckChannel(v.Name); (err == nil) != v.Valid {
			t.Errorf("channel %q: got %v", v.Name, err)
		}
	}
	for _, v := range vectors[struct {
		Pattern string   `json:"pattern"`
		Valid   bool     `json:"valid"`
		Matches []string `json:"matches"`
		Misses  []string `json:"misses"`
	}](t, "patterns") {
		if err := CheckPattern(v.Pattern); (err == nil) != v.Valid {
			t.Errorf("pattern %q: got %v", v.Pattern, err)
		}
		for _, name := range v.Matches {
			if !Matches(v.Pattern, name) {
				t.Errorf("%q does not match %q", v.Pattern, name)
			}
		}
		for _, name := range v.Misses {
			if Matches(v.Pattern, name) {
				t.Errorf("%q matches %q", v.Pattern, name)
			}
		}
	}
}

func TestVectorsOfFilters(t *testing.T) {
	for _, v := range vectors[struct {
		Filter string `json:"filter"`
		Error  Code   `json:"error"`
		Tags   []struct {
			Tags   map[string]string `json:"tags"`
			Wanted bool              `json:"wanted"`
		} `json:"tags"`
	}](t, "filters") {
		f, err := ParseFilter([]byte(v.Filter))
		var code Code
		if err != nil {
			code = err.Code
		}
		if code != v.Error {
			t.Errorf("%s: got %v, want %d", v.Filter, err, v.Error)
			continue
		}
		for _, row := range v.Tags {
			if got := f.Match(row.Tags); got != row.Wanted {
				t.Errorf("%s of %v: got %v", v.Filter, row.Tags, got)
			}
		}
	}
}

// codeVector is a row of the table of codes.
type codeVector struct {
	Code  Code   `json:"code"`
	Name  string `json:"name"`
	HTTP  int    `json:"http"`
	Retry bool   `json:"retry"`
}

func TestVectorsOfCodes(t *testing.T) {
	var all []codeVector
	for _, c := range slices.Sorted(slices.Values(Codes())) {
		all = append(all, codeVector{c, c.String(), c.HTTP(), c.Retry()})
	}
	golden(t, "codes", "Every code of an error: its name, the status of an HTTP response that carries it, and whether the same may succeed later.", all)
}

// golden compares vectors that we can make with those in the file.
func golden[T any](t *testing.T, name, about string, got []T) {
	t.Helper()
	if *update {
		write(t, name, about, got)
	}
	want := vectors[T](t, name)
	if len(got) != len(want) {
		t.Errorf("%s: got %d vectors, want %d", name, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if g, w := asJSON(t, got[i]), asJSON(t, want[i]); g != w {
			t.Errorf("%s:\ngot  %s\nwant %s", name, g, w)
		}
	}
}

// The specification names every code as it is, every command and every message.
func TestSpecificationIsComplete(t *testing.T) {
	raw, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Codes() {
		if row := fmt.Sprintf("| %d | `%s` | %d | ", c, c, c.HTTP()); !bytes.Contains(raw, []byte(row)) {
			t.Errorf("there is no row %q", row)
		}
	}
	for name := range types {
		if !bytes.Contains(raw, []byte("| `"+name+"`")) {
			t.Errorf("the command %s is missing", name)
		}
	}
	for _, v := range vectors[messageVector](t, "messages") {
		var m struct{ Type string }
		if err := json.Unmarshal([]byte(v.Text), &m); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(raw, []byte("`"+m.Type+"`")) {
			t.Errorf("the message %s is missing", m.Type)
		}
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if !bytes.Contains(raw, []byte("`"+filepath.Base(f)+"`")) {
			t.Errorf("the vectors %s are not named", f)
		}
	}
}

// messageVector is a message of the server: its fields, and its text.
type messageVector struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

func TestVectorsOfMessages(t *testing.T) {
	full := &Publication{
		Channel: "chat", Offset: 1<<53 - 1, ID: "k3v9", Data: []byte(`{"text":"hé \"you\""}`), Key: "k-1", User: "ann",
		Time: 1767225600000, Tags: map[string]string{"lang": "en", "kind": "goal"},
	}
	least := &Publication{Channel: "chat", Offset: 1, ID: "a", Data: []byte(`1`), Time: 1}
	why := Errorf(RateLimited, "Too many commands.")
	position := EncodePosition("chat", 7, 12)
	id, text := []byte("7"), []byte(`"a"`)
	golden(t, "messages", "Every message of the server, byte for byte. Fields come in this order; those that are empty are left away.", []messageVector{
		{"publication", string(AppendPublication(nil, full))},
		{"publication with the least", string(AppendPublication(nil, least))},
		{"signal", string(AppendSignal(nil, &Signal{Channel: "map", Data: []byte(`{"x":1}`), User: "ann", Time: 5}))},
		{"conflated signal", string(AppendSignal(nil, &Signal{Channel: "map", Data: []byte(`{"x":1}`), Conflate: "ann", Time: 5}))},
		{"signal that deletes", string(AppendSignal(nil, &Signal{Channel: "map", Conflate: "ann", Deleted: true, Time: 5}))},
		{"publication of bytes", string(AppendPublication(nil, &Publication{Channel: "doc", Offset: 2, ID: "b", Data: BytesData([]byte{0, 1, 255}), Time: 1}))},
		{"signal of bytes", string(AppendSignal(nil, &Signal{Channel: "doc", Data: BytesData(nil), Time: 5}))},
		{"reset", string(AppendReset(nil, "chat", position, "gone"))},
		{"reset of a wildcard", string(AppendReset(nil, "chat:*", "", "wildcard"))},
		{"skipped", string(AppendSkipped(nil, "chat", position))},
		{"position", string(AppendPositionMessage(nil, "chat", position))},
		{"subscribed", string(AppendSubscribed(nil, "chat", position, true))},
		{"subscribed to a wildcard", string(AppendSubscribed(nil, "chat:*", "", false))},
		{"unsubscribed", string(AppendUnsubscribed(nil, "chat", nil))},
		{"unsubscribed for a reason", string(AppendUnsubscribed(nil, "chat", Errorf(Forbidden, "You may not any more.")))},
		{"session", string(AppendSession(nil, "n1.secret"))},
		{"ping", string(AppendPing(nil))},
		{"pong", string(AppendPong(nil))},
		{"drain", string(AppendDrain(nil, 1500))},
		{"reply to connect", string(AppendReply(nil, id, AppendConnected(nil, &Connected{Session: "n1.secret", User: "ann", Ping: 25000, MaxMessage: 65536, Expires: 3599000})))},
		{"reply to connect of an anonymous client", string(AppendReply(nil, id, AppendConnected(nil, &Connected{Session: "n1.secret", Ping: 25000, MaxMessage: 65536})))},
		{"reply to refresh", string(AppendReply(nil, id, AppendRefreshed(nil, "ann", 3600000)))},
		{"reply to call", string(AppendReply(nil, id, AppendCallResult(nil, []byte(`{"sum":3}`))))},
		{"reply to call that returns nothing", string(AppendReply(nil, id, AppendCallResult(nil, nil)))},
		{"reply to call that returns bytes", string(AppendReply(nil, id, AppendCallResult(nil, BytesData([]byte{0, 1, 255}))))},
		{"reply to subscribe", string(AppendReply(nil, id, AppendSubscribeResult(nil, position, true)))},
		{"reply to subscribe to a wildcard", string(AppendReply(nil, text, AppendSubscribeResult(nil, "", false)))},
		{"reply to publish", string(AppendReply(nil, text, AppendPublishResult(nil, 12, position, false)))},
		{"reply to history", string(AppendReply(nil, id, AppendHistoryResult(nil, position, []Publication{*least}, true, false)))},
		{"reply to unsubscribe, signal and ping", string(AppendReply(nil, id, []byte("{}")))},
		{"refusal of a command with an id", string(AppendRefusal(nil, id, "chat", why))},
		{"refusal of a command without an id", string(AppendRefusal(nil, nil, "chat", why))},
		{"refusal of what is no command", string(AppendRefusal(nil, nil, "", Errorf(Malformed, "The message is not UTF-8.")))},
		{"text with every kind of character", string(AppendSession(nil, "\"\\/\b\f\n\r\t\x01é😀\u2028<>&"))},
	})
	for _, v := range vectors[messageVector](t, "messages") {
		if !json.Valid([]byte(v.Text)) {
			t.Errorf("%s is not JSON: %s", v.Name, v.Text)
		}
	}
}

// place is where one channel stands.
type place struct {
	Channel string `json:"channel"`
	Epoch   uint32 `json:"epoch"`
	Offset  uint64 `json:"offset"`
}

type positionVector struct {
	Position string  `json:"position"`
	Places   []place `json:"places"`
}

func encode(places []place) string {
	var raw []byte
	for _, p := range places {
		raw = AppendPlace(raw, p.Channel, p.Epoch, p.Offset)
	}
	return string(AppendPosition(nil, raw))
}

func TestVectorsOfPositions(t *testing.T) {
	var made []positionVector
	for _, places := range [][]place{
		{{"chat", 1, 0}},
		{{"chat", 7, 12}},
		{{"chat", 1<<32 - 1, 1<<53 - 1}},
		{{"a", 1, 10}, {"b", 2, 20}},
	} {
		made = append(made, positionVector{encode(places), places})
	}
	golden(t, "positions", "Positions and what the server reads in them. To a client a position is opaque; these are for servers, and to see which characters come.", made)
	for _, v := range made {
		p, err := ParsePosition(v.Position)
		if err != nil {
			t.Errorf("%s: %v", v.Position, err)
			continue
		}
		for _, want := range v.Places {
			if epoch, offset, ok := p.In(want.Channel); !ok || epoch != want.Epoch || offset != want.Offset {
				t.Errorf("%s: %s stands at %d %d %v", v.Position, want.Channel, epoch, offset, ok)
			}
		}
	}
}

type sinceVector struct {
	Since  string            `json:"since"`
	Stands map[string]uint64 `json:"stands,omitempty"` // channel → offset
	Error  Code              `json:"error,omitempty"`
}

func TestVectorsOfSince(t *testing.T) {
	a, b := EncodePosition("a", 1, 10), EncodePosition("b", 2, 20)
	both := encode([]place{{"a", 1, 10}, {"b", 2, 20}})
	golden(t, "since", "What a client may give as since, and at which offset each channel then stands; or the code of the error that refuses it.", []sinceVector{
		{Since: "", Stands: nil},
		{Since: a, Stands: map[string]uint64{"a": 10}},
		{Since: both, Stands: map[string]uint64{"a": 10, "b": 20}},
		{Since: a + ".12", Stands: map[string]uint64{"a": 12}},
		{Since: a + ".9", Stands: map[string]uint64{"a": 10}},
		{Since: a + "," + b, Stands: map[string]uint64{"a": 10, "b": 20}},
		{Since: a + ".15," + b + ".25", Stands: map[string]uint64{"a": 15, "b": 25}},
		{Since: both + ".25", Error: BadPosition},
		{Since: a + ".x", Error: BadPosition},
		{Since: a + ".9007199254740992", Error: BadPosition},
		{Since: ".5", Error: BadPosition},
		{Since: "!", Error: BadPosition},
		{Since: "AQ==", Error: BadPosition},
		{Since: "AgAA", Error: BadPosition},
		{Since: a[:len(a)-2], Error: BadPosition},
	})
	for _, v := range vectors[sinceVector](t, "since") {
		p, err := ParseSince(v.Since)
		if err != nil && err.Code != v.Error || err == nil && v.Error != 0 {
			t.Errorf("%q: got %v, want %d", v.Since, err, v.Error)
			continue
		}
		for _, channel := range slices.Sorted(maps.Keys(v.Stands)) {
			if _, offset, ok := p.In(channel); !ok || offset != v.Stands[channel] {
				t.Errorf("%q: %s stands at %d, %v, want %d", v.Since, channel, offset, ok, v.Stands[channel])
			}
		}
		if err == nil && len(v.Stands) == 0 && !p.IsZero() {
			t.Errorf("%q knows a channel", v.Since)
		}
	}
}
