package transport

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/starling-rt/starling/internal/proxies"
)

// Origins are the origins of pages that may connect, beside the server's own. It
// is immutable; nil allows none.
type Origins struct {
	all      bool
	exact    map[string]bool
	patterns []originPattern
}

// originPattern is an origin whose host begins with "*.", or whose port is "*".
type originPattern struct {
	scheme, suffix, port string // suffix begins with a dot if there is a star before it
}

// ParseOrigins reads origins: "https://example.com", "https://*.example.com" for
// what is below it, "http://localhost:*" for any port, or "*" for all.
func ParseOrigins(list []string) (*Origins, error) {
	o := &Origins{exact: map[string]bool{}}
	for _, text := range list {
		if text == "*" {
			o.all = true
			continue
		}
		scheme, rest, ok := strings.Cut(text, "://")
		switch {
		case !ok || scheme == "" || rest == "":
			return nil, fmt.Errorf("%q is no origin: it is a scheme and a host, such as https://%s", text, or(strings.Trim(text, "/"), "example.com"))
		case strings.ContainsAny(rest, "/?#@ ,"):
			return nil, fmt.Errorf("%q is no origin: write %s://%s, without a path", text, scheme, rest[:strings.IndexAny(rest, "/?#@ ,")])
		}
		host, port := hostPort(rest, scheme)
		inner, star := strings.CutPrefix(host, "*.")
		if strings.Contains(inner, "*") || inner == "" || star && !strings.Contains(inner, ".") {
			return nil, fmt.Errorf("%q would allow too much: a star stands for what is before a domain, such as https://*.example.com, or for a port", text)
		}
		if _, err := url.Parse(scheme + "://" + inner); err != nil {
			return nil, fmt.Errorf("%q is no origin: %w", text, err)
		}
		switch {
		case star:
			o.patterns = append(o.patterns, originPattern{strings.ToLower(scheme), "." + inner, port})
		case port == "*":
			o.patterns = append(o.patterns, originPattern{strings.ToLower(scheme), inner, port})
		default:
			o.exact[strings.ToLower(scheme)+"://"+inner+":"+port] = true
		}
	}
	return o, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// hostPort splits a host from its port, which is that of the scheme if none is
// written.
func hostPort(hostport, scheme string) (host, port string) {
	host, port = hostport, ""
	if i := strings.LastIndexByte(hostport, ':'); i > strings.LastIndexByte(hostport, ']') {
		host, port = hostport[:i], hostport[i+1:]
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(scheme)]
	}
	return strings.ToLower(host), port
}

// allows tells whether an origin is listed; "*" is for the caller to ask.
func (o *Origins) allows(u *url.URL) bool {
	if o == nil {
		return false
	}
	host, port := hostPort(u.Host, u.Scheme)
	if o.exact[u.Scheme+"://"+host+":"+port] {
		return true
	}
	for _, p := range o.patterns {
		if p.scheme != u.Scheme || p.port != "*" && p.port != port {
			continue
		}
		below := strings.HasPrefix(p.suffix, ".")
		if !below && host == p.suffix || below && strings.HasSuffix(host, p.suffix) && len(host) > len(p.suffix) {
			return true
		}
	}
	return false
}

// sameOrigin tells whether an origin is that of the request itself: the host is
// the same, and a page that came over plain HTTP does not speak to a server that
// is reached over TLS, for anybody on the way may have written it.
func sameOrigin(u *url.URL, r *http.Request) bool {
	host, port := hostPort(u.Host, u.Scheme)
	own, ownPort := hostPort(r.Host, u.Scheme)
	if u.Host == "" || host != own || port != ownPort {
		return false
	}
	secure, known := proxies.Secure(r)
	return !known || secure == (u.Scheme == "https")
}

// SetOrigins replaces the origins that are allowed. Connections that are open
// stay.
func (h *Handler) SetOrigins(o *Origins) { h.origins.Store(o) }
