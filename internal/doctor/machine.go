package doctor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/app"
)

// Machine looks at what a server with this configuration would meet here.
func (r *Report) Machine(c *app.Config) {
	r.files()
	r.clock()
	switch {
	case len(c.Store.NATS.URLs) > 0: // nothing is kept here
	case c.Data == app.Memory:
		r.add(Finding{Unsure, "data", "it is kept in memory", "Nothing outlives a restart. Use --data DIR to keep it."})
	default:
		r.data(c.Data)
	}
	r.port(c)
	r.access(c)
	r.certificate(c)
}

// files looks at how many files, and so connections, a process may open.
func (r *Report) files() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		r.add(Finding{Skipped, "open files", err.Error(), ""})
		return
	}
	// Go raises the soft limit to the hard one at the start.
	if limit.Max < 10_000 {
		r.add(Finding{
			Unsure, "open files", fmt.Sprintf("a process may open %d", limit.Max),
			"Each client needs one. Raise the limit: ulimit -n 1048576, or LimitNOFILE=1048576 in the unit of systemd.",
		})
		return
	}
	r.good("open files", "a process may open %d", limit.Max)
}

// clock looks whether the clock is older than the program.
func (r *Report) clock() {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && time.Now().Before(at) {
				r.Problem("clock", "it shows "+time.Now().UTC().Format(time.RFC3339)+", before this program was made", "Set it, and keep it right by NTP: tokens expire by it.")
				return
			}
		}
	}
	r.good("clock", "it shows %s", time.Now().UTC().Format(time.RFC3339))
}

// data looks at a data directory.
func (r *Report) data(dir string) {
	state, err := pebblelog.Inspect(dir)
	switch {
	case errors.Is(err, pebblelog.ErrInUse):
		r.good("data", "a server uses %s just now", dir)
		r.disk(dir, filepath.Dir(dir))
		return
	case err != nil:
		r.Problem("data", err.Error(), "Choose another with --data DIR, or put this one in order.")
		return
	case !state.Exists:
		r.good("data", "%s is not there yet, and will be made", dir)
	case !state.Clean:
		r.add(Finding{Unsure, "data", "the last server on " + dir + " was not shut down in good order", "Nothing that was acknowledged is lost, but for channels with memory: true."})
	default:
		r.good("data", "%s is in good order", dir)
	}
	for parent := dir; ; parent = filepath.Dir(parent) {
		if info, err := os.Stat(parent); err == nil && info.IsDir() {
			r.disk(dir, parent)
			return
		}
		if parent == filepath.Dir(parent) {
			r.Problem("data", dir+" cannot be made", "Choose another with --data DIR.")
			return
		}
	}
}

// disk tries what a directory can do. The files go into at, which exists.
func (r *Report) disk(dir, at string) {
	if usage, err := vfs.Default.GetDiskUsage(at); err == nil {
		free := fmt.Sprintf("%d MiB of %d are free", usage.AvailBytes>>20, usage.TotalBytes>>20)
		switch {
		case usage.AvailBytes < 64<<20:
			r.Problem("disk", free, "With less than 64 MiB nothing is stored. Make room, or choose another disk with --data DIR.")
		case usage.AvailBytes < 1<<30:
			r.add(Finding{Unsure, "disk", free, "That may soon be too little: bound namespaces by maxAge, maxRecords or maxBytes."})
		default:
			r.good("disk", "%s", free)
		}
	}
	took, err := syncTime(at)
	switch {
	case errors.Is(err, os.ErrPermission):
		r.Problem("disk", "this user may not write to "+at, "Give it to the user that the server runs as: chown -R USER "+dir+".")
	case err != nil:
		r.Problem("disk", err.Error(), "The server cannot store anything there.")
	case took > 30*time.Millisecond:
		r.add(Finding{
			Unsure, "disk", fmt.Sprintf("a sync takes %v", took.Round(100*time.Microsecond)),
			"Each publication waits for one, together with all that come meanwhile. A local SSD takes a few milliseconds.",
		})
	default:
		r.good("disk", "a sync takes %v", took.Round(10*time.Microsecond))
	}
}

// syncTime returns how long it takes to write 4 KiB and sync it, in the median.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".starling-doctor-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var all []time.Duration
	page := make([]byte, 4096)
	for range 15 {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// port looks whether the server can listen.
func (r *Report) port(c *app.Config) {
	addr := c.Address()
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		r.add(Finding{Unsure, "port", addr + " is in use", "If that is not this server, stop what listens there, or choose another with --listen ADDR."})
	case errors.Is(err, syscall.EACCES):
		r.Problem("port", addr+" is only for root", "Listen above 1023, behind a proxy; or allow it: setcap cap_net_bind_service=+ep starling.")
	case err != nil:
		r.Problem("port", err.Error(), "Choose another address with --listen ADDR.")
	default:
		r.good("port", "%s is free", l.Addr())
		_ = l.Close() // nobody has come
	}
}

// access looks at who can get in.
func (r *Report) access(c *app.Config) {
	a := &c.Access
	host, _, err := net.SplitHostPort(c.Address())
	if ip, perr := netip.ParseAddr(host); c.Dev && err == nil && (host == "" || perr == nil && !ip.IsLoopback()) {
		r.Problem("access", "--dev with "+c.Address()+", which others can reach", "With --dev everybody may do everything. Leave it out, or listen on 127.0.0.1.")
	}
	open := c.Dev || len(a.Tokens.Secrets)+len(a.Tokens.Keys)+len(a.Tokens.JWKS) > 0
	for _, ns := range a.Namespaces {
		open = open || len(ns.Anonymous) > 0
	}
	if !open {
		r.Problem("access", "no client can do anything", "Give a key for tokens (tokens.hmacSecretFiles, tokens.jwks …), open a namespace to anonymous clients, or use --dev to try things out.")
	} else {
		r.good("access", "clients can get in")
	}
	if len(a.APIKeys) == 0 && !c.Dev {
		r.add(Finding{Unsure, "API", "there is no key for it", "A backend cannot publish. Set apiKeyFile, or --api-key KEY."})
	}
	if slices.Contains(a.AllowedOrigins, "*") {
		r.add(Finding{Unsure, "origins", "pages of all sites may connect", "Name those that may: --allowed-origins https://example.com. Cookies are not taken from the others."})
	}
	for _, origin := range a.AllowedOrigins {
		if strings.HasPrefix(origin, "http://") && c.TLS.Cert != "" && !strings.Contains(origin, "localhost") {
			r.add(Finding{Unsure, "origins", origin + " is not protected by TLS", "Whoever is on the way can change that page, and so speak for its users. Serve it over https."})
		}
	}
	for _, p := range a.Proxies.Trusted {
		if p.Bits() == 0 {
			r.Problem("proxies", p.String()+" trusts everybody", "Then every client chooses the address that it is limited by. Name the proxies.")
		}
	}
	if len(a.Proxies.Trusted) == 0 && c.TLS.Cert == "" && !c.Dev {
		r.add(Finding{Unsure, "proxies", "the server speaks plain HTTP, and trusts no proxy", "If a proxy speaks TLS before it, name it with --trusted-proxies; otherwise all clients share the limits of its address. If none does, set tls.cert and tls.key."})
	}
	r.environment()
}

// environment looks for variables that mean nothing.
func (r *Report) environment() {
	known := app.Environment()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "STARLING_") && !slices.Contains(known, name) {
			r.add(Finding{Unsure, "environment", name + " is not a setting", "starling serve --help lists those that there are."})
		}
	}
}

// certificate looks at how long a certificate holds.
func (r *Report) certificate(c *app.Config) {
	if c.TLS.Cert == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key)
	if err != nil {
		r.Problem("TLS", err.Error(), "The server will not start.")
		return
	}
	switch left := time.Until(pair.Leaf.NotAfter); {
	case left <= 0:
		r.Problem("TLS", "the certificate expired at "+pair.Leaf.NotAfter.Format(time.RFC3339), "Renew it. The server reads the files again by itself.")
	case left < 14*24*time.Hour:
		r.add(Finding{Unsure, "TLS", "the certificate expires at " + pair.Leaf.NotAfter.Format(time.RFC3339), "Renew it. The server reads the files again by itself."})
	default:
		r.good("TLS", "the certificate holds until %s, for %s", pair.Leaf.NotAfter.Format(time.DateOnly), strings.Join(append(pair.Leaf.DNSNames, pair.Leaf.Subject.CommonName), ", "))
	}
}
