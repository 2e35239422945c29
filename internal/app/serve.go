// Package app is the server as a program: configuration, HTTP server, metrics,
// signals of the operating system.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/internal/manual"
	"github.com/starling-rt/starling/web"
)

// options are what the server is made with, or reloaded with.
func (c *Config) options(o starling.Observer) starling.Options {
	opts := starling.Options{
		Dev: c.Dev, APIKeys: c.Access.APIKeys, AllowedOrigins: c.Access.AllowedOrigins, Proxies: c.Access.Proxies,
		Namespaces: c.Access.Namespaces, Tokens: c.Access.Tokens, TokenCookie: c.Access.TokenCookie, Limits: c.Limits, Hub: c.Memory, Node: c.Node, Logger: c.Logger, Observer: o,
		Backend: c.Outside.backend(),
	}
	opts.Tokens.Refreshed = func(where string, keys int, err error) {
		if err != nil {
			c.Logger.Warn("the keys of tokens could not be read; those known before are used on", "where", where, "err", err)
			return
		}
		c.Logger.Debug("the keys of tokens were read", "where", where, "keys", keys)
	}
	if c.Data != Memory {
		opts.Data, opts.Backups = c.Data, c.Store.Backups
	}
	return opts
}

// Run serves until ctx ends, and then drains.
func Run(ctx context.Context, c Config) error {
	limitMemory(os.DirFS("/"), c.Logger)
	m := newMetrics()
	t, err := openTraces(ctx, c.Logger)
	if err != nil {
		return err
	}
	m.traces = t
	a, err := c.openApps()
	if err != nil {
		return errors.Join(err, t.close(context.WithoutCancel(ctx)))
	}
	server, err := c.open(ctx, a.extend(c.options(m.observer())), m)
	if err == nil {
		a.start(server)
		err = serve(ctx, &c, server, m, a)
	}
	return errors.Join(err, t.close(context.WithoutCancel(ctx)))
}

// abandon closes a server that has no clients.
func abandon(server *starling.Server, a *apps, err error) error {
	a.close()
	last, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(last, 0))
}

// dataOf returns where the channels are kept.
func (c *Config) dataOf() string {
	if len(c.Store.NATS.URLs) > 0 {
		return "NATS"
	}
	return c.Data
}

// Address returns what the server listens on.
func (c *Config) Address() string {
	switch {
	case c.Listen != "":
		return c.Listen
	case c.Dev && c.TLS.Cert != "":
		return "127.0.0.1:8443"
	case c.Dev:
		return "127.0.0.1:8080"
	case c.TLS.Cert != "":
		return ":8443"
	}
	return ":8080"
}

// httpServer returns the HTTP server, and the certificate that it shows, if any.
func httpServer(c *Config, server *starling.Server, m *metrics, a *apps) (*http.Server, *certificate, error) {
	if c.Timeouts.Request == 0 {
		c.Timeouts.Request = 10 * time.Second
	}
	if c.Timeouts.Answer == 0 {
		c.Timeouts.Answer = 2 * time.Minute
	}
	hs := &http.Server{
		Handler:           routes(c, server, m, a),
		ReadHeaderTimeout: c.Timeouts.Request,
		// For bodies that no handler reads: net/http waits for them as well.
		ReadTimeout:    2 * c.Timeouts.Request,
		WriteTimeout:   c.Timeouts.Answer, // streams and polls set their own
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(handshakes{c.Logger.Handler(), m.handshakeFailures}, slog.LevelDebug),
	}
	if c.TLS.Cert == "" {
		return hs, nil, nil
	}
	cert, err := openCertificate(c.TLS, c.Logger)
	if err != nil {
		return nil, nil, err
	}
	secure(hs, cert)
	return hs, cert, nil
}

// serve serves until ctx ends, and closes the server.
func serve(ctx context.Context, c *Config, server *starling.Server, m *metrics, a *apps) error {
	hs, cert, err := httpServer(c, server, m, a)
	if err != nil {
		return abandon(server, a, err)
	}
	l, err := net.Listen("tcp", c.Address())
	if err != nil {
		return abandon(server, a, fmt.Errorf("listen: %w", err))
	}
	c.greet(l.Addr(), server)
	paced := admit(l)
	failed := make(chan error, 1)
	go func() {
		if cert != nil {
			failed <- hs.ServeTLS(paced, "", "")
		} else {
			failed <- hs.Serve(paced)
		}
	}()
	hup := make(chan os.Signal, 1)
	if c.Reread != nil {
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
	}
	if c.Started != nil {
		c.Started(l.Addr().String())
	}
	for running := true; running; {
		select {
		case err := <-failed:
			return abandon(server, a, fmt.Errorf("serve: %w", err))
		case <-hup:
			c.reload(server, cert, m, a)
		case <-ctx.Done():
			running = false
		}
	}
	c.Logger.Info("shutting down", "over", c.Drain)
	a.close() // it lives on the server
	last, cancel := context.WithTimeout(context.Background(), c.Drain+10*time.Second)
	defer cancel()
	err = server.Shutdown(last, c.Drain)
	if serr := hs.Shutdown(last); serr != nil {
		_ = hs.Close() // it was asked politely
	}
	<-failed
	return err
}

// greet says where the server is to be found.
func (c *Config) greet(addr net.Addr, server *starling.Server) {
	c.Logger.Info("listening", "addr", addr.String(), "tls", c.TLS.Cert != "", "data", c.dataOf(), "engine", server.Log().Info().Name)
	if c.Apps {
		c.Logger.Info("open " + c.pageURL(addr) + " in a browser, twice")
	}
	if c.Dev {
		c.Logger.Warn("--dev: everybody may read and write everything; do not use it where others can reach it")
	}
}

// pageURL returns where a browser on this machine finds the pages.
func (c *Config) pageURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	ip, perr := netip.ParseAddr(host)
	if err != nil || perr != nil || ip.IsLoopback() || ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if c.TLS.Cert != "" {
		scheme = "https"
	}
	url := scheme + "://" + net.JoinHostPort(host, port)
	if c.BasePath != "" {
		url += c.BasePath + "/"
	}
	return url
}

func routes(c *Config, server *starling.Server, m *metrics, a *apps) http.Handler {
	mux := http.NewServeMux()
	doors := explained(c.BasePath, server)
	for _, path := range []string{"/ws", "/sse", "/poll", "/send"} {
		mux.Handle(path, doors)
	}
	mux.Handle("/api/", m.traces.serve(doors))
	if c.Dev {
		mux.Handle("/dev/", doors)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Starling-Version", Version())
		answer(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := server.Ready(r.Context()); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	m.serve(server)
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	if c.Pprof {
		registerPprof(mux)
	}
	mux.Handle("/sdk/", web.SDK())
	mux.Handle("/ui/", web.UI())
	docs := manual.Handler(c.BasePath)
	mux.Handle("/docs", docs)
	mux.Handle("/docs/", docs)
	if c.Apps {
		a.register(mux)
		mux.Handle("/", web.Handler(c.BasePath))
	} else {
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, "This is a Starling server ("+Version()+").\n\n"+
				"WebSocket: /ws    Server-Sent Events: /sse?channel=NAME    long polling: /poll?channel=NAME\n"+
				"documentation: /docs/    client for browsers: /sdk/starling.js, for npm: /sdk/starling.tgz\n\n"+
				"Start it with --apps to have pages here that show what it does, and with --dev to let anonymous clients in.")
		})
	}
	return below(c.BasePath, mux)
}

// explained serves what h serves, and has errors tell where their page is.
func explained(base string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(explainer{w, base}, r)
	})
}

// explainer tells where errors have their pages, to who answers with them.
type explainer struct {
	http.ResponseWriter
	base string
}

// ErrorPage returns the path of an error's page.
func (e explainer) ErrorPage(name string) string { return e.base + "/docs/errors/" + name }

// Unwrap is for [http.ResponseController].
func (e explainer) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// below serves what h serves below a path.
func below(base string, h http.Handler) http.Handler {
	if base == "" {
		return h
	}
	mux := http.NewServeMux()
	mux.Handle(base+"/", http.StripPrefix(base, h))
	mux.HandleFunc(base, func(w http.ResponseWriter, r *http.Request) {
		to := base[strings.LastIndexByte(base, '/')+1:] + "/" // relative: a proxy may add to the path
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusPermanentRedirect)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, "There is nothing here: this server was started with --base-path "+base+".")
	})
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the client may be gone
}
