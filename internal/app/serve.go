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
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/web"
)

// Config is what the binary was told.
type Config struct {
	Listen         string        // default: 127.0.0.1:8080 with Dev, otherwise :8080
	Data           string        // a directory, or ":memory:"
	Backups        string        // where backups are made; "" is nowhere
	Dev            bool          // everything is open
	Apps           bool          // serve the applications
	APIKeys        []string      // of the HTTP API
	ConfigFile     string        // JSON; see File
	AllowedOrigins []string      // of pages that may connect
	Drain          time.Duration // over which clients are sent away at the end
	Node           string        // name of this node
	Pprof          bool          // serve /debug/pprof/ to clients on this machine
	RequestTimeout time.Duration // for a client to send the head of a request, and its body; default 10 s
	AnswerTimeout  time.Duration // for a client to take an answer, with the longest wait of a poll; default 2 min
	Limits         starling.Limits
	Logger         *slog.Logger

	// Started is called with the address when the server listens, if set.
	Started func(addr string)
}

// Memory is the value of Config.Data that keeps nothing.
const Memory = ":memory:"

// Run serves until ctx ends, and then drains.
func Run(ctx context.Context, c Config) error {
	opts := starling.Options{
		Dev: c.Dev, APIKeys: c.APIKeys, AllowedOrigins: c.AllowedOrigins, Limits: c.Limits, Node: c.Node, Logger: c.Logger,
	}
	if c.ConfigFile != "" {
		f, err := ReadFile(c.ConfigFile)
		if err != nil {
			return err
		}
		opts.Namespaces = f.namespaces()
	}
	if c.Data != Memory {
		opts.Data, opts.Backups = c.Data, c.Backups
	}
	server, err := starling.New(opts)
	if err != nil {
		return err
	}
	return serve(ctx, &c, server)
}

// abandon closes a server that has no clients.
func abandon(server *starling.Server, err error) error {
	last, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(last, 0))
}

// serve serves until ctx ends, and closes the server.
func serve(ctx context.Context, c *Config, server *starling.Server) error {
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 10 * time.Second
	}
	if c.AnswerTimeout == 0 {
		c.AnswerTimeout = 2 * time.Minute
	}
	listen := c.Listen
	if listen == "" {
		listen = ":8080"
		if c.Dev {
			listen = "127.0.0.1:8080"
		}
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return abandon(server, fmt.Errorf("listen: %w", err))
	}
	hs := &http.Server{
		Handler:           routes(c, server),
		ReadHeaderTimeout: c.RequestTimeout,
		// For bodies that no handler reads: net/http waits for them as well.
		ReadTimeout:    2 * c.RequestTimeout,
		WriteTimeout:   c.AnswerTimeout, // streams and polls set their own
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	c.Logger.Info("listening", "addr", l.Addr().String(), "data", c.Data, "engine", server.Log().Info().Name)
	if c.Apps {
		c.Logger.Info("open " + pageURL(l.Addr()) + " in a browser, twice")
	}
	if c.Dev {
		c.Logger.Warn("--dev: everybody may read and write everything; do not use it where others can reach it")
	}
	if c.Started != nil {
		c.Started(l.Addr().String())
	}
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(l) }()
	select {
	case err := <-failed:
		return abandon(server, fmt.Errorf("serve: %w", err))
	case <-ctx.Done():
	}
	c.Logger.Info("shutting down", "over", c.Drain)
	last, cancel := context.WithTimeout(context.Background(), c.Drain+10*time.Second)
	defer cancel()
	err = server.Shutdown(last, c.Drain)
	if serr := hs.Shutdown(last); serr != nil {
		_ = hs.Close() // it was asked politely
	}
	<-failed
	return err
}

// pageURL returns where a browser on this machine finds the pages.
func pageURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	ip, perr := netip.ParseAddr(host)
	if err != nil || perr != nil || ip.IsLoopback() || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func routes(c *Config, server *starling.Server) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/ws", "/sse", "/poll", "/send", "/api/"} {
		mux.Handle(path, server)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := server.Ready(r.Context()); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	reg := prometheus.NewRegistry()
	register(reg, server)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	if c.Pprof {
		registerPprof(mux)
	}
	if c.Apps {
		mux.Handle("/", web.Handler())
	} else {
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, "This is a Starling server ("+version()+").\n\n"+
				"WebSocket: /ws    Server-Sent Events: /sse?channel=NAME    long polling: /poll?channel=NAME\n\n"+
				"Start it with --apps to have pages here that show what it does, and with --dev to let anonymous clients in.")
		})
	}
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the client may be gone
}

// version returns the version that the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return strings.Trim(info.Main.Version, "()")
}
