package app

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const long = "a secret that is as long as it has to be"

const publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`

// base is what the flags are when nobody says anything.
func base() Settings {
	return Settings{Node: "n1", StoreSettings: StoreSettings{Data: Memory}, ProxyHeaders: "x-forwarded"}
}

// The files that were written for earlier versions.
func TestFileInJSON(t *testing.T) {
	f, err := ReadFile(write(t, "starling.json", `{
	"namespaces": {
		"chat":  {"maxRecords": 100000, "maxAge": "720h", "users": ["subscribe", "publish", "history"]},
		"ticks": {"memory": true, "interval": "50ms", "anonymous": ["subscribe"]},
		"":      {"anonymous": []}
	}
}`))
	if err != nil {
		t.Fatal(err)
	}
	s := base()
	c, err := s.Config(f)
	if err != nil {
		t.Fatal(err)
	}
	chat, ticks := c.Access.Namespaces["chat"], c.Access.Namespaces["ticks"]
	if chat.MaxRecords != 100000 || chat.MaxAge != 720*time.Hour || len(chat.Users) != 3 || chat.Users[2] != starling.History {
		t.Errorf("chat: got %+v", chat)
	}
	if !ticks.Memory || ticks.Interval != 50*time.Millisecond || len(c.Access.Namespaces) != 3 {
		t.Errorf("got %+v", c.Access.Namespaces)
	}
}

func TestConfigOfEverything(t *testing.T) {
	secret, keys := write(t, "secret", long+"\n"), write(t, "keys", "k2\n\nk3\n")
	pem := write(t, "key.pem", publicKey)
	f, err := ReadFile(write(t, "starling.yaml", `
callbacks:
  authorize: https://example.com/may
  secretFile: `+secret+`
  timeout: 2s
  cache: 1m
webhooks:
  - url: https://example.com/hook
    secret: s
    events: [publication, occupied]
    channels: ["chat:*", news]
tokens:
  publicKeys:
    - '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
`))
	if err != nil {
		t.Fatal(err)
	}
	s := base()
	s.APIKey, s.APIKeyFile = []string{"k1"}, keys
	s.TrustedProxies, s.ProxyHeaders, s.BasePath = []string{"10.0.0.0/8"}, "forwarded", "/rt/"
	s.Tokens.HMACSecret, s.Tokens.HMACSecretFile, s.Tokens.PublicKeyFile = []string{long}, []string{secret}, []string{pem}
	c, err := s.Config(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Access.APIKeys, " "); got != "k1 k2 k3" {
		t.Errorf("keys: got %s", got)
	}
	if p := c.Access.Proxies; len(p.Trusted) != 1 || !p.Forwarded || c.BasePath != "/rt" {
		t.Errorf("got %+v, %q", p, c.BasePath)
	}
	if cb := c.Outside.Callbacks; cb.Secret != long || cb.Timeout != 2*time.Second || cb.Cache != time.Minute || len(cb.URLs()) != 1 {
		t.Errorf("callbacks: got %+v", cb)
	}
	if w := c.Outside.Webhooks; len(w) != 1 || w[0].Secret != "s" || len(w[0].Events) != 2 || w[0].Channels[0] != "chat:*" {
		t.Errorf("webhooks: got %+v", w)
	}
	if tk := c.Access.Tokens; len(tk.Secrets) != 2 || tk.Secrets[1] != long || len(tk.Keys) != 2 || tk.Keys[1] != strings.TrimSpace(publicKey) {
		t.Errorf("tokens: got %+v", tk)
	}
}

func TestConfigThatIsWrong(t *testing.T) {
	for name, row := range map[string]struct {
		file   string
		change func(*Settings)
		want   string
	}{
		"verb":             {"namespaces:\n  chat:\n    users: [subscribe, fly]\n", nil, `line 3: namespaces.chat.users[1]: there is no verb "fly"; there are subscribe, publish,`},
		"namespace":        {"namespaces:\n  'a b': {}\n", nil, "line 2: namespaces.a b: "},
		"callback":         {"callbacks:\n  secret: s\n  publish: example.com\n", nil, `line 3: callbacks.publish: "example.com" is no URL`},
		"password":         {"callbacks:\n  secret: s\n  publish: https://a:b@example.com\n", nil, `must not carry a password`},
		"no secret":        {"callbacks:\n  publish: https://example.com\n", nil, `line 1: callbacks: requests are signed`},
		"two secrets":      {"callbacks:\n  publish: https://example.com\n  secret: a\n  secretFile: b\n", nil, `line 4: callbacks.secretFile: there is a secret as well`},
		"secret file":      {"callbacks:\n  publish: https://example.com\n  secretFile: /nonexistent\n", nil, `line 3: callbacks.secretFile: open /nonexistent`},
		"timeout":          {"callbacks:\n  timeout: 2h\n", nil, `line 2: callbacks.timeout: 2h0m0s is not between`},
		"cache":            {"", func(s *Settings) { s.NATS.CacheBytes = 5 }, `--nats-cache-bytes: 5 is less than 16777216`},
		"event":            {"webhooks:\n  - url: https://a.b\n    secret: s\n    events: [birth]\n", nil, `line 4: webhooks[0].events[0]: there is no event "birth"; there are occupied`},
		"pattern":          {"webhooks:\n  - {url: 'https://a.b', secret: s, channels: ['a b']}\n", nil, `line 2: webhooks[0].channels[0]: `},
		"key":              {"tokens:\n  publicKeys: [abc]\n", nil, `line 2: tokens.publicKeys[0]: this cannot be used`},
		"origin by flag":   {"", func(s *Settings) { s.AllowedOrigins = []string{"a.com"} }, `--allowed-origins: "a.com" is no origin`},
		"origin in file":   {"dev: true\nallowedOrigins:\n  - https://a.com\n  - b.com\n", func(s *Settings) { s.AllowedOrigins = []string{"https://a.com", "b.com"} }, `line 4: allowedOrigins[1]: "b.com" is no origin`},
		"proxy":            {"", func(s *Settings) { s.TrustedProxies = []string{"me"} }, `--trusted-proxies: "me" is neither`},
		"path":             {"", func(s *Settings) { s.BasePath = "rt" }, `--base-path: "rt" is not a path such as /rt`},
		"path with dots":   {"", func(s *Settings) { s.BasePath = "/a/../b" }, `--base-path`},
		"key without":      {"", func(s *Settings) { s.TLS.Cert = "a" }, `--tls-cert: the key that belongs to it is missing`},
		"certificate":      {"", func(s *Settings) { s.TLS = TLSSettings{"/nonexistent", "/nonexistent"} }, `--tls-cert: read the certificate: open /nonexistent`},
		"empty key":        {"", func(s *Settings) { s.APIKey = []string{""} }, `--api-key: a key is empty`},
		"key file":         {"", func(s *Settings) { s.APIKeyFile = os.DevNull }, `--api-key-file: there is no key in`},
		"node":             {"", func(s *Settings) { s.Node = "a.b" }, `--node: "a.b" is no name`},
		"long node":        {"", func(s *Settings) { s.Node = strings.Repeat("n", 65) }, `is no name of a node: at most 64`},
		"message":          {"", func(s *Settings) { s.Limits.Message = 1 << 30 }, `--limit-message: 1073741824 is more than`},
		"jwks":             {"", func(s *Settings) { s.Tokens.JWKS = []string{"file:///x"} }, `--token-jwks: this `},
		"empty token file": {"", func(s *Settings) { s.Tokens.HMACSecretFile = []string{os.DevNull} }, `--token-hmac-secret-file: there is nothing in`},
		"short secret":     {"tokens:\n  hmacSecrets: [abc]\n", func(s *Settings) { s.Tokens.HMACSecret = []string{"abc"} }, `line 2: tokens.hmacSecrets[0]: this cannot be used`},
		"not PEM":          {"", func(s *Settings) { s.Tokens.PublicKeyFile = []string{os.DevNull} }, `--token-public-key-file: there is nothing in /dev/null`},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := ReadFile(write(t, "c.yaml", row.file))
			if err != nil {
				t.Fatal(err)
			}
			s := base()
			if row.change != nil {
				row.change(&s)
			}
			if _, err := s.Config(f); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}

// No secret is in what is wrong with the settings around it.
func TestErrorsKeepSecrets(t *testing.T) {
	f, err := ReadFile(write(t, "c.yaml", "callbacks: {secret: hushhush, publish: x, timeout: 1h}\nwebhooks: [{url: y, secret: hushhush, events: [z]}]\ntokens: {hmacSecrets: [hushhush], publicKeys: [hushhush]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := base()
	s.APIKey, s.Tokens.HMACSecret, s.Node = []string{"hushhush", ""}, []string{"hushhush", ""}, ""
	if _, err = s.Config(f); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

// The guide names every setting, as it stands in the file and as a flag.
func TestSettingsAreInTheGuide(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	guide := string(raw)
	var check func(typ reflect.Type, prefix string)
	check = func(typ reflect.Type, prefix string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := prefix + f.Tag.Get("conf")
			if f.Anonymous && name == prefix {
				check(f.Type, prefix)
				continue
			}
			if f.Type.Kind() == reflect.Struct {
				check(f.Type, name+".")
				continue
			}
			if !strings.Contains(guide, "`"+name+"`") {
				t.Errorf("the guide does not name %s", name)
			}
		}
	}
	check(reflect.TypeFor[Settings](), "")
	for _, name := range Environment() {
		flag := "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "STARLING_"), "_", "-"))
		if !strings.Contains(guide, "`"+flag+"`") && !strings.Contains(guide, flag+" ") {
			t.Errorf("the guide does not name %s", flag)
		}
	}
	for _, event := range WebhookEvents {
		if !strings.Contains(guide, "`"+event+"`") {
			t.Errorf("the guide does not name the event %s", event)
		}
	}
}

// What is embedded in the settings is found in the file too.
func TestStoreInTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "starling.yaml")
	if err := os.WriteFile(name, []byte("data: /d\nnats:\n  urls: [nats://a, nats://b]\n  creds: /c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := base()
	for want, setting := range map[string]any{"/d": &s.Data, "[nats://a nats://b]": &s.NATS.URLs, "/c": &s.NATS.Creds} {
		if got := fmt.Sprint(f.Value(setting, &s)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if !slices.Contains(Environment(), "STARLING_NATS") || !slices.Contains(Environment(), "STARLING_NATS_CREDS") {
		t.Errorf("the environment is %q", Environment())
	}
}
