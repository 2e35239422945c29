package app

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/protocol"
)

// Config is what the binary was told, checked.
type Config struct {
	Listen string        // default: :8080, with TLS :8443; with Dev on 127.0.0.1
	Data   string        // a directory, or ":memory:"
	Store  Store         // where else they are kept
	Dev    bool          // everything is open
	Apps   bool          // serve the applications
	Drain  time.Duration // over which clients are sent away at the end
	Node   string        // name of this node
	Pprof  bool          // serve /debug/pprof/ to clients on this machine

	Access   Access // who may come, and do what
	TLS      TLSSettings
	BasePath string // "", or begins with a slash and does not end with one
	Outside  Outside

	Limits   starling.Limits
	Memory   starling.Tuning
	Timeouts Timeouts

	Logger *slog.Logger
	Level  *slog.LevelVar // of Logger; nil cannot be changed

	// LogLevel is what Level is set to by a reload.
	LogLevel slog.Level
	// Reread makes the configuration anew, for a reload. Nil: there is none.
	Reread func() (Config, error)
	// Started is called with the address when the server listens, if set.
	Started func(addr string)
}

// Store is where channels are kept beside Data, or instead of it.
type Store struct {
	Backups string       // where backups are made; "" is nowhere
	NATS    NATSSettings // if there are URLs, instead of Data
}

// Access is who may come, and do what.
type Access struct {
	APIKeys        []string // of the HTTP API
	AllowedOrigins []string // of pages that may connect
	Proxies        starling.Proxies
	Namespaces     starling.Namespaces
	Tokens         auth.Options
	TokenCookie    string
}

// Timeouts are how long clients of HTTP may take.
type Timeouts struct {
	Request time.Duration // to send the head of a request, and its body; default 10 s
	Answer  time.Duration // to take an answer, with the longest wait of a poll; default 2 min
}

// Memory is the value of Config.Data that keeps nothing.
const Memory = ":memory:"

// problems gathers what is wrong with a configuration.
type problems struct {
	file *File // nil if there is none
	errs []error
}

// add notes a problem with a setting: with its line if it is from the file,
// otherwise with its flag.
func (p *problems) add(path, flag, format string, args ...any) {
	if p.file != nil && (flag == "" || p.file.doc.Value(path) != nil) {
		p.file.doc.Mistake(path, format, args...)
		return
	}
	p.errs = append(p.errs, fmt.Errorf("%s: %s", flag, fmt.Sprintf(format, args...)))
}

func (p *problems) err() error {
	if p.file != nil {
		p.errs = append([]error{p.file.doc.Err()}, p.errs...)
	}
	return errors.Join(p.errs...)
}

// Config checks the settings, reads the files that they name, and returns what to
// run with. file is nil if there is none. Errors name lines or flags, and never
// secrets.
func (s *Settings) Config(file *File) (Config, error) {
	p := &problems{file: file}
	c := Config{
		Listen: s.Listen, Data: s.Data, Store: Store{Backups: s.Backups, NATS: s.NATS}, Dev: s.Dev, Apps: s.Apps, Drain: s.Drain, Node: s.Node,
		Pprof: s.Pprof, TLS: s.TLS, LogLevel: s.LogLevel, Limits: s.Limits.limits(), Memory: s.Memory.tuning(),
	}
	if c.Dev {
		c.Drain = min(c.Drain, 500*time.Millisecond)
	}
	s.access(p, &c.Access)
	if file != nil {
		c.Access.Namespaces = file.checkNamespaces(p)
		c.Outside = file.outside(p)
	}
	c.Access.Tokens, c.Access.TokenCookie = s.tokens(p), s.Tokens.Cookie
	if c.BasePath = strings.TrimRight(s.BasePath, "/"); c.BasePath != "" && (c.BasePath[0] != '/' || path.Clean(c.BasePath) != c.BasePath || strings.ContainsAny(c.BasePath, "?#%{} ")) {
		p.add("basePath", "--base-path", "%q is not a path such as /rt", s.BasePath)
	}
	switch {
	case s.TLS.Cert != "" && s.TLS.Key == "":
		p.add("tls.cert", "--tls-cert", "the key that belongs to it is missing: set tls.key (--tls-key)")
	case s.TLS.Cert == "" && s.TLS.Key != "":
		p.add("tls.key", "--tls-key", "the certificate that belongs to it is missing: set tls.cert (--tls-cert)")
	case s.TLS.Cert != "":
		if _, err := loadCertificate(s.TLS); err != nil {
			p.add("tls.cert", "--tls-cert", "%v", err)
		}
	}
	if s.Node == "" || (starling.Options{Node: s.Node}).Check() != nil {
		p.add("node", "--node", "%q is no name of a node: at most 64 letters and digits, without dots", s.Node)
	}
	if min := int64(natslog.MinCacheBytes); s.NATS.CacheBytes != 0 && s.NATS.CacheBytes < min {
		p.add("nats.cacheBytes", "--nats-cache-bytes", "%d is less than %d; set nats.cache (--nats-cache) to none for no cache", s.NATS.CacheBytes, min)
	}
	if s.Limits.Message > protocol.MaxMessageBytes {
		p.add("limits.message", "--limit-message", "%d is more than %d, which is the most", s.Limits.Message, protocol.MaxMessageBytes)
	}
	return c, p.err()
}

func (s *Settings) access(p *problems, a *Access) {
	a.APIKeys = s.APIKey
	if slices.Contains(s.APIKey, "") {
		p.add("apiKeys", "--api-key", "a key is empty")
	}
	if s.APIKeyFile != "" {
		raw, err := os.ReadFile(s.APIKeyFile)
		if err != nil {
			p.add("apiKeyFile", "--api-key-file", "%v", err)
		}
		keys := strings.Fields(string(raw))
		if err == nil && len(keys) == 0 {
			p.add("apiKeyFile", "--api-key-file", "there is no key in %s", s.APIKeyFile)
		}
		a.APIKeys = slices.Concat(a.APIKeys, keys)
	}
	a.AllowedOrigins = s.AllowedOrigins
	for i, origin := range s.AllowedOrigins {
		if err := (starling.Options{AllowedOrigins: []string{origin}}).Check(); err != nil {
			p.add(at(p, "allowedOrigins", i), "--allowed-origins", "%s", strings.TrimPrefix(err.Error(), "starling: AllowedOrigins: "))
		}
	}
	trusted := []netip.Prefix{}
	for i, text := range s.TrustedProxies {
		found, err := starling.ParseProxies([]string{text})
		if err != nil {
			p.add(at(p, "trustedProxies", i), "--trusted-proxies", "%v", err)
		}
		trusted = append(trusted, found...)
	}
	a.Proxies = starling.Proxies{Trusted: trusted, Forwarded: s.ProxyHeaders == "forwarded"}
}

// at returns the path of an item of a list, as far as the file has it.
func at(p *problems, list string, i int) string {
	item := fmt.Sprintf("%s[%d]", list, i)
	if p.file == nil || p.file.doc.Value(item) == nil {
		return list
	}
	return item
}

// tokens returns how tokens are checked.
func (s *Settings) tokens(p *problems) auth.Options {
	o := auth.Options{
		JWKS: s.Tokens.JWKS, Issuer: s.Tokens.Issuer, Audience: s.Tokens.Audience, Leeway: s.Tokens.Leeway, MaxAge: s.Tokens.MaxAge,
	}
	if o.Leeway == 0 {
		o.Leeway = -1 // none; 0 is the default
	}
	for i, secret := range s.Tokens.HMACSecret {
		p.key(at(p, "tokens.hmacSecrets", i), "--token-hmac-secret", auth.Options{Secrets: []string{secret}})
		o.Secrets = append(o.Secrets, secret)
	}
	for i, name := range s.Tokens.HMACSecretFile {
		if secret := readSecret(p, at(p, "tokens.hmacSecretFiles", i), "--token-hmac-secret-file", name); secret != "" {
			p.key(at(p, "tokens.hmacSecretFiles", i), "--token-hmac-secret-file", auth.Options{Secrets: []string{secret}})
			o.Secrets = append(o.Secrets, secret)
		}
	}
	if p.file != nil { // they are not to be had by flags
		for i, key := range p.file.Tokens.PublicKeys {
			p.key(fmt.Sprintf("tokens.publicKeys[%d]", i), "", auth.Options{Keys: []string{key}})
			o.Keys = append(o.Keys, key)
		}
	}
	for i, name := range s.Tokens.PublicKeyFile {
		if key := readSecret(p, at(p, "tokens.publicKeyFiles", i), "--token-public-key-file", name); key != "" {
			p.key(at(p, "tokens.publicKeyFiles", i), "--token-public-key-file", auth.Options{Keys: []string{key}})
			o.Keys = append(o.Keys, key)
		}
	}
	for i, where := range s.Tokens.JWKS {
		p.key(at(p, "tokens.jwks", i), "--token-jwks", auth.Options{JWKS: []string{where}})
	}
	return o
}

// numbered is how package auth tells which key is wrong, of which there is one.
var numbered = regexp.MustCompile("^auth: ((secret|key) 1 )?")

// key notes what is wrong with a key.
func (p *problems) key(path, flag string, o auth.Options) {
	v, err := auth.New(o)
	if err != nil {
		p.add(path, flag, "%s", numbered.ReplaceAllString(err.Error(), "this "))
		return
	}
	v.Close()
}

// readSecret reads a secret that has a file of its own.
func readSecret(p *problems, path, flag, name string) string {
	raw, err := os.ReadFile(name)
	secret := strings.TrimSpace(string(raw))
	switch {
	case err != nil:
		p.add(path, flag, "%v", err)
	case secret == "":
		p.add(path, flag, "there is nothing in %s", name)
	}
	return secret
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no URL such as https://example.com/path", text)
	}
	if u.User != nil {
		return errors.New("a URL must not carry a password: it would end up in logs")
	}
	return nil
}

// allVerbs are the verbs that there are.
const allVerbs = "subscribe, publish, signal, presence, history, read, comment, write, admin and *"

// checkNamespaces returns the namespaces of the file.
func (f *File) checkNamespaces(p *problems) starling.Namespaces {
	all := f.namespaces()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		at := "namespaces." + name
		if err := (starling.Options{Namespaces: starling.Namespaces{name: {}}}).Check(); err != nil {
			p.add(at, "", "%s", strings.TrimPrefix(err.Error(), "starling: "))
			continue
		}
		for key, verbs := range map[string][]starling.Verb{"anonymous": all[name].Anonymous, "users": all[name].Users} {
			for i, verb := range verbs {
				if err := (starling.Options{Namespaces: starling.Namespaces{"": {Users: []starling.Verb{verb}}}}).Check(); err != nil {
					p.add(fmt.Sprintf("%s.%s[%d]", at, key, i), "", "there is no verb %q; there are %s", verb, allVerbs)
				}
			}
		}
	}
	return all
}

// outside returns whom the file names to be asked and told.
func (f *File) outside(p *problems) Outside {
	o := Outside{Callbacks: f.Callbacks}
	urls := f.Callbacks.URLs()
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		if err := checkURL(urls[name]); err != nil {
			p.add("callbacks."+name, "", "%v", err)
		}
	}
	if len(urls) > 0 {
		o.Callbacks.Secret = secretOf(p, "callbacks", f.Callbacks.Secret, f.Callbacks.SecretFile)
	}
	if f.Callbacks.Timeout < 0 || f.Callbacks.Timeout > time.Minute {
		p.add("callbacks.timeout", "", "%v is not between 0 and 1m: clients wait for the answer", f.Callbacks.Timeout)
	}
	if f.Callbacks.Cache < 0 {
		p.add("callbacks.cache", "", "%v is less than nothing", f.Callbacks.Cache)
	}
	for i, w := range f.Webhooks {
		at := fmt.Sprintf("webhooks[%d]", i)
		if err := checkURL(w.URL); err != nil {
			p.add(at+".url", "", "%v", err)
		}
		w.Secret = secretOf(p, at, w.Secret, w.SecretFile)
		for j, event := range w.Events {
			if !slices.Contains(WebhookEvents, event) {
				p.add(fmt.Sprintf("%s.events[%d]", at, j), "", "there is no event %q; there are %s", event, strings.Join(WebhookEvents, ", "))
			}
		}
		for j, channel := range w.Channels {
			if err := protocol.CheckPattern(channel); err != nil {
				p.add(fmt.Sprintf("%s.channels[%d]", at, j), "", "%s", err.Message)
			}
		}
		o.Webhooks = append(o.Webhooks, w)
	}
	return o
}

// secretOf returns the secret that stands in the file, or in one of its own.
func secretOf(p *problems, at, secret, file string) string {
	switch {
	case secret != "" && file != "":
		p.add(at+".secretFile", "", "there is a secret as well: give one of them")
	case file != "":
		return readSecret(p, at+".secretFile", "", file)
	case secret == "":
		p.add(at, "", "requests are signed: give a secret, or a secretFile")
	}
	return secret
}
