package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/starling-rt/starling"
)

// reload goes by the configuration as it is now, or says why it cannot and goes on
// by the old one.
func (c *Config) reload(server *starling.Server, cert *certificate, m *metrics, a *apps) {
	next, err := c.Reread()
	if err == nil {
		err = c.apply(&next, server, cert, m, a)
	}
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			c.Logger.Error("the configuration was not reloaded; the old one stays", "err", line)
		}
		return
	}
	c.Logger.Info("the configuration was reloaded")
}

// apply takes what can change from another configuration, if nothing else differs.
func (c *Config) apply(next *Config, server *starling.Server, cert *certificate, m *metrics, a *apps) error {
	var errs []error
	for name, differs := range map[string]bool{
		"listen": c.Listen != next.Listen, "data": c.Data != next.Data, "backups": c.Store.Backups != next.Store.Backups, "nats": !reflect.DeepEqual(c.Store.NATS, next.Store.NATS),
		"apps": c.Apps != next.Apps, "pprof": c.Pprof != next.Pprof, "basePath": c.BasePath != next.BasePath,
		"tls": c.TLS != next.TLS, "callbacks": !reflect.DeepEqual(c.Outside.Callbacks, next.Outside.Callbacks),
		"webhooks": !reflect.DeepEqual(c.Outside.Webhooks, next.Outside.Webhooks),
	} {
		if differs {
			errs = append(errs, fmt.Errorf("%s cannot change while the server runs: restart it", name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	next.Logger = c.Logger
	if err := server.Reload(a.extend(next.options(m.observer()))); err != nil {
		return err
	}
	if c.Level != nil {
		c.Level.Set(next.LogLevel)
	}
	if cert != nil {
		cert.look()
	}
	c.Drain, c.Access, c.Limits, c.LogLevel = next.Drain, next.Access, next.Limits, next.LogLevel
	return nil
}

// handshakes counts what net/http tells of TLS handshakes that failed, on its way
// to the log.
type handshakes struct {
	slog.Handler
	failed prometheus.Counter
}

// Handle implements [slog.Handler].
func (h handshakes) Handle(ctx context.Context, r slog.Record) error {
	h.count(r.Message)
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// Enabled implements [slog.Handler]: what is not logged is counted still.
func (h handshakes) Enabled(context.Context, slog.Level) bool { return true }

func (h handshakes) count(message string) {
	if strings.Contains(message, "TLS handshake error") {
		h.failed.Inc()
	}
}
