package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/starling-rt/starling"

// arrows is the list of packages and what each may import: other packages of
// this module by their path below it, and third-party packages by the start of
// their import path. The standard library is open to all but the pure packages,
// whose list is in pure. A package that is missing here fails the test.
//
// Tests may import anything of ours and what testOnly lists.
var arrows = map[string]struct{ ours, others []string }{
	"eventlog":           {},
	"protocol":           {},
	"yjs":                {ours: []string{"yjs/internal/codec", "yjs/internal/lib0", "yjs/internal/pending", "yjs/internal/store"}},
	"ot":                 {},
	"auth":               {ours: []string{"protocol"}, others: []string{"github.com/go-jose/go-jose/v4"}},
	"internal/archtest":  {},
	"internal/benchdoc":  {},
	"internal/websocket": {},
	".":                  {ours: []string{"auth", "eventlog", "eventlog/memory", "eventlog/pebblelog", "protocol", "internal/api", "internal/callback", "internal/hub", "internal/proxies", "internal/session", "internal/signed", "internal/transport", "internal/webhook"}},
	"client":             {ours: []string{"protocol", "internal/client", "internal/signed"}},
	"starlingtest":       {ours: []string{".", "auth", "client", "eventlog", "eventlog/memory", "protocol"}},
	"internal/webhook":   {ours: []string{"eventlog", "protocol", "internal/signed"}},
	"internal/callback":  {ours: []string{"protocol", "internal/signed"}},
	"internal/signed":    {},
	"internal/api":       {ours: []string{"auth", "eventlog", "protocol", "internal/session", "internal/transport"}},
	"internal/app":       {ours: []string{".", "apps/lab", "auth", "eventlog/natslog", "internal/config", "internal/manual", "protocol", "web"}, others: []string{"github.com/prometheus/client_golang", "github.com/cockroachdb/pebble/v2/vfs", "go.opentelemetry.io/otel"}},
	"internal/procstat":  {},
	"internal/bench":     {ours: []string{"eventlog", "eventlog/pebblelog", "internal/client", "internal/procstat"}, others: []string{"github.com/cockroachdb/pebble/v2"}}, // Pebble alone is the floor
	"internal/config":    {others: []string{"github.com/goccy/go-yaml"}},
	"internal/doctor":    {ours: []string{"eventlog/natslog", "eventlog/pebblelog", "internal/app", "internal/client"}, others: []string{"github.com/cockroachdb/pebble/v2/vfs"}},
	"internal/client":    {ours: []string{"internal/websocket", "protocol"}},
	"cmd/starling":       {ours: []string{"auth", "eventlog/natslog", "eventlog/pebblelog", "protocol", "internal/app", "internal/bench", "internal/benchdoc", "internal/client", "internal/doctor", "internal/migrate"}, others: []string{"github.com/alecthomas/kong"}},
	"web":                {},
	"apps/lab":           {ours: []string{".", "auth", "eventlog", "protocol"}},
	"docs":               {},
	"internal/manual":    {ours: []string{"docs", "internal/api", "protocol", "web"}, others: []string{"github.com/yuin/goldmark"}},
	"internal/wheel":     {},
	"internal/netpoll":   {ours: []string{"internal/wheel"}},
	"internal/hub":       {ours: []string{"eventlog", "protocol", "internal/websocket"}},
	"internal/session":   {ours: []string{"auth", "eventlog", "protocol", "internal/hub", "internal/wheel"}},
	"internal/sim":       {ours: []string{".", "eventlog", "eventlog/logtest", "protocol", "internal/websocket"}, others: []string{"github.com/cockroachdb/pebble/v2/vfs"}},
	"internal/proxies":   {},
	"internal/transport": {ours: []string{"auth", "protocol", "internal/hub", "internal/netpoll", "internal/proxies", "internal/session", "internal/websocket"}},
	"eventlog/internal/live": {
		ours: []string{"eventlog"},
	},
	"eventlog/logtest": {
		ours: []string{"eventlog", "eventlog/memory"},
	},
	"eventlog/memory": {
		ours: []string{"eventlog", "eventlog/internal/live"},
	},
	"eventlog/pebblelog": {
		ours:   []string{"eventlog", "eventlog/internal/live"},
		others: []string{"github.com/cockroachdb/pebble/v2"},
	},

	"internal/recordcache": { // copies of records on a disk that may be lost
		ours:   []string{"eventlog"},
		others: []string{"github.com/cockroachdb/pebble/v2"},
	},
	"eventlog/natslog": {
		ours:   []string{"eventlog", "internal/recordcache"},
		others: []string{"github.com/nats-io"},
	},
	"internal/migrate":     {ours: []string{"eventlog", "eventlog/pebblelog", "internal/webhook"}},
	"internal/natstest":    {others: []string{"github.com/nats-io/nats.go"}},
	"internal/clustertest": {ours: []string{"internal/natstest", "internal/procstat"}, others: []string{"github.com/nats-io/nats.go"}},
	"internal/netlab":      {others: []string{"golang.org/x/sys/unix"}}, // namespaces, TUN devices and mounts
	"internal/faulttest":   {},

	"ot/internal/wtf8":     {},
	"ot/internal/tree":     {},
	"ot/internal/rope":     {ours: []string{"ot/internal/tree", "ot/internal/wtf8"}},
	"ot/internal/jsonval":  {ours: []string{"ot", "ot/internal/rope", "ot/internal/tree", "ot/internal/wtf8"}},
	"ot/text":              {ours: []string{"ot", "ot/internal/jsonval", "ot/internal/rope", "ot/internal/wtf8"}},
	"ot/rich":              {ours: []string{"ot", "ot/internal/jsonval", "ot/internal/tree", "ot/internal/wtf8"}},
	"ot/json0":             {ours: []string{"ot", "ot/internal/jsonval", "ot/internal/rope", "ot/internal/wtf8"}},
	"ot/json1":             {ours: []string{"ot", "ot/internal/jsonval", "ot/internal/wtf8", "ot/text"}},
	"yjs/awareness":        {ours: []string{"yjs/internal/lib0"}},
	"yjs/syncproto":        {ours: []string{"yjs", "yjs/internal/lib0"}},
	"yjs/internal/codec":   {ours: []string{"yjs/internal/lib0"}},
	"yjs/internal/lib0":    {},
	"yjs/internal/pending": {ours: []string{"yjs/internal/codec"}},
	"yjs/internal/store":   {ours: []string{"yjs/internal/codec", "yjs/internal/lib0"}},
}

// testOnly may be imported by tests alone.
var testOnly = []string{"github.com/google/go-cmp/", "github.com/fxamacker/cbor/v2", "github.com/anishathalye/porcupine"}

// pure packages take values and return values: they may not reach for a
// goroutine's tools, a clock, a socket, a file or a logger.
var pure = []string{"protocol", "yjs", "ot"}

// impure is what a pure package must not import.
var impure = []string{"net", "net/http", "os", "log", "log/slog", "context", "time"}

type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" {
			name = "."
		}
		rule, ok := arrows[name]
		if !ok {
			t.Errorf("package %q is not in the list of arrows: add it with what it may import", name)
			continue
		}
		for _, imp := range p.Imports {
			switch {
			case strings.HasPrefix(imp, module):
				short := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
				if short == "" {
					short = "."
				}
				if !slices.Contains(rule.ours, short) {
					t.Errorf("%s imports %s: no arrow points that way", name, short)
				}
			case thirdParty(imp):
				if !hasPrefix(rule.others, imp) {
					t.Errorf("%s imports %s: not listed for it", name, imp)
				}
			case within(pure, name) && slices.Contains(impure, imp):
				t.Errorf("%s is a pure package and imports %s", name, imp)
			}
		}
		for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
			if thirdParty(imp) && !strings.HasPrefix(imp, module) && !hasPrefix(rule.others, imp) && !hasPrefix(testOnly, imp) {
				t.Errorf("the tests of %s import %s: not listed", name, imp)
			}
		}
	}
}

func TestArrowsAreUsed(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" {
			name = "."
		}
		seen[name] = true
	}
	for name := range arrows {
		if !seen[name] {
			t.Errorf("the list of arrows names %q, which does not exist", name)
		}
	}
}

// Applications are made of what any program may use.
func TestAppsUseWhatIsPublic(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if !strings.HasPrefix(name, "apps/") {
			continue
		}
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module+"/") && slices.Contains(strings.Split(imp, "/"), "internal") {
				t.Errorf("%s imports %s, which is not public", name, imp)
			}
		}
	}
}

func thirdParty(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return strings.Contains(first, ".")
}

func hasPrefix(list []string, imp string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(imp+"/", strings.TrimSuffix(p, "/")+"/") })
}

func within(list []string, name string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") })
}

func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("go list -m: %v", err)
	}
	return path.Clean(strings.TrimSpace(string(out)))
}
