package config

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

type limits struct {
	Sessions int           `conf:"sessions"`
	Rate     float32       `conf:"rate"`
	Ping     time.Duration `conf:"ping"`
}

type room struct {
	Users []string      `conf:"users"`
	Age   time.Duration `conf:"maxAge"`
}

type inner struct {
	Listen string `conf:"listen"`
}

type file struct {
	inner
	Dev     bool            `conf:"dev"`
	Level   slog.Level      `conf:"logLevel"`
	Keys    []string        `conf:"apiKeys"`
	Limits  limits          `conf:"limits"`
	Rooms   map[string]room `conf:"rooms"`
	Maybe   *limits         `conf:"maybe"`
	Private string
}

func TestDecode(t *testing.T) {
	want := file{
		inner: inner{":1"}, Dev: true, Level: slog.LevelDebug, Keys: []string{"a", "0x10"},
		Limits: limits{5, 2.5, 3 * time.Second}, Rooms: map[string]room{"chat": {[]string{"u"}, time.Hour}, "": {}},
	}
	for name, text := range map[string]string{
		"yaml": "# about\nlisten: ':1'\ndev: true\nlogLevel: debug\napiKeys:\n  - a\n  - 0x10\nlimits:\n  sessions: 5\n  rate: 2.5\n  ping: 3s\n" +
			"rooms:\n  chat: {users: [u], maxAge: 1h}\n  '': {}\n",
		"json": `{"listen":":1","dev":true,"logLevel":"debug","apiKeys":["a","0x10"],"limits":{"sessions":5,"rate":2.5,"ping":"3s"},"rooms":{"chat":{"users":["u"],"maxAge":"1h"},"":{}}}`,
		"json with tabs": "{\n\t\"listen\": \":1\",\n\t\"dev\":\ttrue, \"logLevel\":\"debug\",\n\t\"apiKeys\": [\n\t\t\"a\",\n\t\t\"0x10\"\n\t],\n" +
			"\t\"limits\": {\"sessions\": 5, \"rate\": 2.5, \"ping\": \"3s\"},\n\t\"rooms\": {\"chat\": {\"users\": [\"u\"], \"maxAge\": \"1h\"}, \"\": {}}\n}\n",
		"anchors": "listen: ':1'\ndev: true\nlogLevel: debug\napiKeys: [a, 0x10]\nlimits: &l {sessions: 5, rate: 2.5, ping: 3s}\n" +
			"rooms: {chat: &c {users: [u], maxAge: 1h}, '': {}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			var got file
			d, err := Decode("x", []byte(text), &got)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if v := d.Value("limits.sessions"); v != "5" {
				t.Errorf("got %v", v)
			}
			if v := d.Value("apiKeys"); !reflect.DeepEqual(v, []any{"a", "0x10"}) {
				t.Errorf("got %v", v)
			}
			if v := d.Value("maybe"); v != nil {
				t.Errorf("got %v", v)
			}
		})
	}
}

func TestDecodeNothing(t *testing.T) {
	for _, text := range []string{"", "# only words\n", "{}", "listen:\n", "---\n"} {
		var got file
		if _, err := Decode("x", []byte(text), &got); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"near":           {"dev: true\nlisten-: x\n", `x, line 2: there is no setting "listen-"; did you mean "listen"?`},
		"case":           {"LogLevel: debug", `x, line 1: there is no setting "LogLevel"; did you mean "logLevel"?`},
		"kebab":          {"log-level: debug", `did you mean "logLevel"?`},
		"deep":           {"limits:\n  sesions: 5\n", `x, line 2: there is no setting "sesions" in limits; did you mean "sessions"?`},
		"far":            {"limits: {elephants: 5}\n", `there are ping, rate, sessions`},
		"private":        {"Private: 5\n", `there is no setting "Private"`},
		"number":         {"limits:\n  sessions: many\n", `x, line 2: limits.sessions: "many" is not a whole number`},
		"fraction":       {"limits:\n  sessions: 1.5\n", `"1.5" is not a whole number`},
		"huge":           {"limits:\n  rate: 1e99\n", `"1e99" is not a number`},
		"infinite":       {"limits:\n  rate: .inf\n", `is not a number`},
		"duration":       {"limits:\n  ping: 10\n", `limits.ping: "10" is not a duration such as "10s"`},
		"bool":           {"\n\ndev: yes please\n", `x, line 3: dev: "yes please" is not true or false`},
		"list":           {"apiKeys: a\n", `x, line 1: apiKeys: this has to be a list, such as [a, b], not a value`},
		"mapping":        {"limits: 5\n", `limits: this has to be settings by name`},
		"text":           {"listen: [1]\n", `listen: this has to be a text, not a list`},
		"unmarshal":      {"logLevel: loud\n", `x, line 1: logLevel: slog: level string "loud": unknown name`},
		"in a map":       {"rooms:\n  chat:\n    user: [a]\n", `x, line 3: there is no setting "user" in rooms.chat; did you mean "users"?`},
		"twice":          {"dev: true\ndev: false\n", `x, line 2: this is not YAML: `},
		"tab":            {"limits:\n\tsessions: 5\n", `x, line 2: this is not YAML: a tab cannot indent YAML: use spaces`},
		"json, cut":      {"{\n\"dev\": true,\n\"listen\": ", `x, line`},
		"two documents":  {"dev: true\n---\ndev: true\n", `there is a second document`},
		"missing anchor": {"limits: *l\n", `there is no anchor &l before this line`},
		"text file":      {"hello", `this has to be settings by name`},
		"all of them":    {"deva: true\nlimits:\n  sessions: x\n", "did you mean \"dev\"?\nx, line 3: limits.sessions"},
	} {
		t.Run(name, func(t *testing.T) {
			var got file
			_, err := Decode("x", []byte(row.text), &got)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}

func TestMistakeFindsItsLine(t *testing.T) {
	var got file
	d, err := Decode("x", []byte("rooms:\n  chat:\n    users:\n      - a\n      - b\n"), &got)
	if err != nil {
		t.Fatal(err)
	}
	d.Mistake("rooms.chat.users[1]", "nobody is called b")
	d.Mistake("rooms.chat.nothing", "it is missing")
	want := "x, line 2: rooms.chat.nothing: it is missing\nx, line 5: rooms.chat.users[1]: nobody is called b"
	if err := d.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("listen: ':1'\nlimits: &l {sessions: 5}\nmaybe: *l\n")
	f.Add("{\"dev\":true}")
	f.Add("a: &a [*a]\n")
	f.Add("maybe: &m\n  ping: *m\n")
	f.Fuzz(func(t *testing.T, text string) {
		var got file
		d, err := Decode("x", []byte(text), &got)
		if d == nil || err != nil && err.Error() == "" {
			t.Errorf("got %v, %v", d, err)
		}
	})
}
