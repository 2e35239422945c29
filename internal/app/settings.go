package app

import (
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/starling-rt/starling"
)

// Settings are what the server can be told by flags, by environment variables, or
// in the file: whichever comes first in this order counts, and a list from one
// place is not added to that from another. The tags name the flag and what stands
// in the file.
type Settings struct {
	Listen         string        `conf:"listen" help:"Address to listen on. Default :8080 (with TLS :8443), with --dev on 127.0.0.1 alone." placeholder:"ADDR"`
	Node           string        `conf:"node" help:"Name of this node." default:"n1"`
	Dev            bool          `conf:"dev" help:"For development: anonymous clients may do everything, pages of this machine may connect."`
	Apps           bool          `conf:"apps" help:"Serve the applications."`
	Pprof          bool          `conf:"pprof" help:"Serve /debug/pprof/ to clients on this machine."`
	Drain          time.Duration `conf:"drain" help:"How long to spread the goodbye over at the end." default:"5s"`
	LogFormat      string        `conf:"logFormat" help:"text or json." enum:"text,json" default:"text"`
	LogLevel       slog.Level    `conf:"logLevel" help:"debug, info, warn or error." default:"info"`
	APIKey         []string      `conf:"apiKeys" help:"A key that opens the HTTP API. May be repeated." placeholder:"KEY"`
	APIKeyFile     string        `conf:"apiKeyFile" help:"File with such keys, one a line." placeholder:"FILE"`
	AllowedOrigins []string      `conf:"allowedOrigins" help:"Origins of pages that may connect: https://example.com, https://*.example.com, or * for all." placeholder:"ORIGIN"`
	TrustedProxies []string      `conf:"trustedProxies" help:"Addresses or ranges of the proxies that are believed who a request is from." placeholder:"CIDR"`
	ProxyHeaders   string        `conf:"proxyHeaders" help:"What these proxies send: x-forwarded (-For, -Proto, -Host) or forwarded (RFC 7239)." enum:"x-forwarded,forwarded" default:"x-forwarded"`
	BasePath       string        `conf:"basePath" help:"Serve everything below a path, such as /rt." placeholder:"PATH"`

	StoreSettings `embed:""`

	TLS    TLSSettings    `embed:"" prefix:"tls-" conf:"tls"`
	Tokens TokenSettings  `embed:"" prefix:"token-" conf:"tokens"`
	Limits LimitSettings  `embed:"" prefix:"limit-" conf:"limits"`
	Memory MemorySettings `embed:"" prefix:"memory-" conf:"memory"`
}

// StoreSettings are where channels are kept.
type StoreSettings struct {
	Data    string       `conf:"data" help:"Directory to keep channels in, or :memory: to keep nothing." default:"./data" placeholder:"DIR"`
	Backups string       `conf:"backups" help:"Directory in which the HTTP API may make backups." placeholder:"DIR"`
	NATS    NATSSettings `embed:"" conf:"nats"`
}

// NATSSettings are the NATS JetStream that keeps the channels instead of Data.
type NATSSettings struct {
	URLs  []string `conf:"urls" name:"nats" help:"URL of a NATS server: channels are kept in its JetStream and not in --data. May be repeated." placeholder:"URL"`
	Creds string   `conf:"creds" name:"nats-creds" help:"Credentials file for NATS." placeholder:"FILE"`

	Cache      string `conf:"cache" name:"nats-cache" help:"Directory for copies of what is read from NATS, which may be lost, or none. Default: in the cache directory of the service or user, if there is one." placeholder:"DIR"`
	CacheBytes int64  `conf:"cacheBytes" name:"nats-cache-bytes" help:"Bytes of these copies." default:"1073741824"`
}

// TLSSettings are the certificate that the server shows. Both files are read
// again when they change.
type TLSSettings struct {
	Cert string `conf:"cert" help:"Certificate chain in PEM; the server then speaks TLS." placeholder:"FILE"`
	Key  string `conf:"key" help:"Private key of the certificate, in PEM." placeholder:"FILE"`
}

// TokenSettings are the keys that tokens of clients are checked with.
type TokenSettings struct {
	HMACSecret     []string      `conf:"hmacSecrets" name:"hmac-secret" help:"A secret of at least 32 bytes that tokens are signed with. May be repeated." placeholder:"TEXT" sep:"none"`
	HMACSecretFile []string      `conf:"hmacSecretFiles" name:"hmac-secret-file" help:"File with such a secret." placeholder:"FILE"`
	PublicKeys     []string      `conf:"publicKeys" kong:"-"`
	PublicKeyFile  []string      `conf:"publicKeyFiles" help:"Public key, in PEM or as a JWK, that signatures are checked with." placeholder:"FILE"`
	JWKS           []string      `conf:"jwks" name:"jwks" help:"URL (https) or file of a set of such keys, which is read again as they change." placeholder:"URL"`
	Issuer         string        `conf:"issuer" help:"Who tokens have to be from (iss)." placeholder:"TEXT"`
	Audience       string        `conf:"audience" help:"Whom tokens have to be for (aud)." placeholder:"TEXT"`
	Cookie         string        `conf:"cookie" help:"Name of a cookie that may carry a token." placeholder:"NAME"`
	Leeway         time.Duration `conf:"leeway" help:"How far clocks may differ." default:"30s"`
	MaxAge         time.Duration `conf:"maxAge" help:"How long tokens hold at most after they were made; 0 is as long as they say." default:"0"`
}

// LimitSettings are [starling.Limits].
type LimitSettings struct {
	Message         int           `conf:"message" help:"Bytes of a message." default:"65536"`
	Channels        int           `conf:"channels" help:"Subscriptions of a session." default:"128"`
	Wildcards       int           `conf:"wildcards" help:"Of these, wildcards such as chat:*." default:"16"`
	Sessions        int           `conf:"sessions" help:"Sessions of the server; 0 is no limit." default:"0"`
	UserSessions    int           `conf:"userSessions" help:"Sessions of one user; 0 is no limit." default:"0"`
	AddressSessions int           `conf:"addressSessions" help:"Sessions of one address; 0 is no limit." default:"0"`
	Rate            float32       `conf:"rate" help:"Commands a second of a session; -1 is no limit." default:"100"`
	Burst           float32       `conf:"burst" help:"Commands at once of a session." default:"200"`
	AddressRate     float32       `conf:"addressRate" help:"Commands a second of an address; -1 is no limit." default:"2000"`
	AddressBurst    float32       `conf:"addressBurst" help:"Commands at once of an address." default:"4000"`
	Ping            time.Duration `conf:"ping" help:"Time between heartbeats." default:"25s"`
	Pong            time.Duration `conf:"pong" help:"Time to answer one." default:"10s"`
	NoCompression   bool          `conf:"noCompression" help:"No compression of WebSocket messages."`
}

func (l *LimitSettings) limits() starling.Limits {
	return starling.Limits{
		MaxMessage: l.Message, MaxChannels: l.Channels, MaxWildcards: l.Wildcards, MaxSessions: l.Sessions,
		UserSessions: l.UserSessions, AddressSessions: l.AddressSessions,
		CommandRate: l.Rate, CommandBurst: l.Burst, AddressRate: l.AddressRate, AddressBurst: l.AddressBurst,
		PingInterval: l.Ping, PongWait: l.Pong, NoCompression: l.NoCompression,
	}
}

// MemorySettings are [starling.Tuning].
type MemorySettings struct {
	TailRecords    int   `conf:"tailRecords" help:"Newest publications of a channel held in memory." default:"1024"`
	TailBytes      int64 `conf:"tailBytes" help:"The same in bytes." default:"1048576"`
	TotalTailBytes int64 `conf:"totalTailBytes" help:"Of all channels, in bytes." default:"268435456"`
	PageCacheBytes int64 `conf:"pageCacheBytes" help:"Older publications, for who is behind, in bytes." default:"67108864"`
	NoPoller       bool  `conf:"noPoller" help:"A goroutine for each connection, also where a poller can watch it."`
}

func (m *MemorySettings) tuning() starling.Tuning {
	return starling.Tuning{
		TailRecords: m.TailRecords, TailBytes: m.TailBytes, TotalTailBytes: m.TotalTailBytes, PageCacheBytes: m.PageCacheBytes, NoPoller: m.NoPoller,
	}
}

// Environment returns the names of the environment variables that the settings have.
func Environment() []string {
	return append(environment(reflect.TypeFor[Settings](), "STARLING"), "STARLING_CONFIG")
}

func environment(t reflect.Type, prefix string) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("kong") == "-" {
			continue
		}
		if f.Type.Kind() == reflect.Struct {
			inner := prefix
			if own := strings.TrimSuffix(f.Tag.Get("prefix"), "-"); own != "" {
				inner += "_" + upper(own)
			}
			names = append(names, environment(f.Type, inner)...)
			continue
		}
		name := f.Tag.Get("name")
		if name == "" {
			name = f.Name
		}
		names = append(names, prefix+"_"+upper(name))
	}
	return names
}

// upper writes LogLevel, APIKey and hmac-secret as LOG_LEVEL, API_KEY and
// HMAC_SECRET.
func upper(name string) string {
	var b strings.Builder
	for i, c := range name {
		small := i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z'
		ends := i > 0 && i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z' && name[i-1] >= 'A' && name[i-1] <= 'Z'
		if c >= 'A' && c <= 'Z' && (small || ends) {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToUpper(strings.ReplaceAll(b.String(), "-", "_"))
}
