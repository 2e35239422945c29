package app

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/internal/config"
)

// File is the configuration file, in YAML or JSON: what the settings are, and what
// is too much for flags.
//
//	listen: :8080
//	limits: {userSessions: 20}
//	namespaces:
//	  chat:  {maxRecords: 100000, maxAge: 720h, users: [subscribe, publish, history]}
//	  ticks: {memory: true, interval: 50ms, anonymous: [subscribe]}
//
// Durations are written as 300ms, 10s, 24h.
type File struct {
	Settings
	Outside
	Namespaces map[string]FileNamespace `conf:"namespaces"`

	doc *config.Document
}

// Outside is what a backend of the application is asked and told over HTTP.
type Outside struct {
	Callbacks Callbacks `conf:"callbacks"`
	Webhooks  []Webhook `conf:"webhooks"`
}

// Callbacks are URLs that are asked before something happens. Requests are signed
// with the secret.
type Callbacks struct {
	Authorize string `conf:"authorize"` // may an identity do something on a channel?
	Connect   string `conf:"connect"`   // may a session begin, and who is it?
	Subscribe string `conf:"subscribe"`
	Publish   string `conf:"publish"`
	Call      string `conf:"call"` // answers calls of clients

	Secret     string        `conf:"secret"`
	SecretFile string        `conf:"secretFile"`
	Timeout    time.Duration `conf:"timeout"` // for an answer; default 2 s
	Cache      time.Duration `conf:"cache"`   // for how long authorize has allowed what it allows; default 5 s
}

// URLs returns the callbacks that are set, by their names in the file.
func (c *Callbacks) URLs() map[string]string {
	all := map[string]string{"authorize": c.Authorize, "connect": c.Connect, "subscribe": c.Subscribe, "publish": c.Publish, "call": c.Call}
	for name, url := range all {
		if url == "" {
			delete(all, name)
		}
	}
	return all
}

// Webhook is a URL that is told what has happened. Requests are signed with the
// secret.
type Webhook struct {
	Name       string   `conf:"name"` // where its positions are kept; needed if there are several
	URL        string   `conf:"url"`
	Secret     string   `conf:"secret"`
	SecretFile string   `conf:"secretFile"`
	Events     []string `conf:"events"`   // of WebhookEvents; default: all
	Channels   []string `conf:"channels"` // names, or patterns such as chat:*; default: all
}

// WebhookEvents are what webhooks can be told: the first subscription to a channel
// began, the last one ended, something was published.
var WebhookEvents = []string{starling.WebhookOccupied, starling.WebhookVacated, starling.WebhookPublication}

// backend returns the same as the server wants it. A secret may be several, one a line.
func (o *Outside) backend() starling.Backend {
	c := &o.Callbacks
	b := starling.Backend{Callbacks: starling.Callbacks{
		Authorize: c.Authorize, Connect: c.Connect, Subscribe: c.Subscribe, Publish: c.Publish, Call: c.Call,
		Secrets: lines(c.Secret), Timeout: c.Timeout, CacheAllowed: c.Cache,
	}}
	for _, w := range o.Webhooks {
		b.Webhooks = append(b.Webhooks, starling.Webhook{Name: w.Name, URL: w.URL, Secrets: lines(w.Secret), Events: w.Events, Channels: w.Channels})
	}
	return b
}

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
}

// FileNamespace is a [starling.Namespace] as it stands in the file.
type FileNamespace struct {
	MaxRecords int             `conf:"maxRecords"`
	MaxBytes   int64           `conf:"maxBytes"`
	MaxAge     time.Duration   `conf:"maxAge"`
	Memory     bool            `conf:"memory"`
	KeyWindow  time.Duration   `conf:"keyWindow"`
	Interval   time.Duration   `conf:"interval"`
	MaxSlots   int             `conf:"maxSlots"`
	SlotTTL    time.Duration   `conf:"slotTTL"`
	Anonymous  []starling.Verb `conf:"anonymous"`
	Users      []starling.Verb `conf:"users"`
}

// ReadFile reads a configuration file. Errors name the lines.
func ReadFile(name string) (*File, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	f := &File{}
	f.doc, err = config.Decode(name, raw, f)
	return f, err
}

// Value returns what the file says of a setting, as a text or a list of such; nil
// if it does not. The setting is known by where it stands in other settings.
func (f *File) Value(setting any, in *Settings) any {
	path := pathOf(setting, reflect.ValueOf(in).Elem(), "")
	if path == "" {
		return nil
	}
	return f.doc.Value(path)
}

// pathOf returns the path in the file of a setting, which is a pointer into a
// struct of them; "" if it is not there.
func pathOf(setting any, in reflect.Value, prefix string) string {
	for i := range in.NumField() {
		name := prefix + in.Type().Field(i).Tag.Get("conf")
		field := in.Field(i)
		if in.Type().Field(i).Anonymous && name == prefix {
			if path := pathOf(setting, field, prefix); path != "" {
				return path
			}
			continue
		}
		if field.Addr().Interface() == setting {
			return name
		}
		if field.Kind() == reflect.Struct {
			if path := pathOf(setting, field, name+"."); path != "" {
				return path
			}
		}
	}
	return ""
}

func (f *File) namespaces() starling.Namespaces {
	all := starling.Namespaces{}
	for name, n := range f.Namespaces {
		all[name] = starling.Namespace{
			MaxRecords: n.MaxRecords, MaxBytes: n.MaxBytes, MaxAge: n.MaxAge, Memory: n.Memory,
			KeyWindow: n.KeyWindow, Interval: n.Interval, MaxSlots: n.MaxSlots,
			SlotTTL: n.SlotTTL, Anonymous: n.Anonymous, Users: n.Users,
		}
	}
	return all
}
