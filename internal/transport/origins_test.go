package transport

import (
	"crypto/tls"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	for _, row := range []struct {
		list, origin string
		want         bool
	}{
		{"", "https://example.com", false},
		{"https://example.com", "https://example.com", true},
		{"https://example.com", "https://example.com:443", true},
		{"https://Example.com", "https://example.com", true},
		{"https://example.com", "http://example.com", false},
		{"https://example.com", "https://example.com:8443", false},
		{"https://example.com", "https://a.example.com", false},
		{"https://example.com", "https://example.com.evil.org", false},
		{"https://*.example.com", "https://a.example.com", true},
		{"https://*.example.com", "https://a.b.example.com", true},
		{"https://*.example.com", "https://example.com", false},
		{"https://*.example.com", "https://.example.com", false},
		{"https://*.example.com", "https://evilexample.com", false},
		{"https://*.example.com", "https://a.example.com.evil.org", false},
		{"https://*.example.com", "http://a.example.com", false},
		{"https://*.example.com", "https://a.example.com:8443", false},
		{"https://*.example.com:*", "https://a.example.com:8443", true},
		{"http://localhost:*", "http://localhost:3000", true},
		{"http://localhost:*", "http://localhost", true},
		{"http://localhost:*", "http://localhost.evil.org:3000", false},
		{"http://[::1]:3000", "http://[::1]:3000", true},
		{"http://[::1]:3000", "http://[::1]", false},
		{"https://a.com https://*.b.com", "https://x.b.com", true},
	} {
		o, err := ParseOrigins(strings.Fields(row.list))
		if err != nil {
			t.Errorf("%q: %v", row.list, err)
			continue
		}
		u, err := url.Parse(row.origin)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.allows(u); got != row.want {
			t.Errorf("%q allows %q: got %v, want %v", row.list, row.origin, got, row.want)
		}
	}
}

func TestBadOrigins(t *testing.T) {
	for text, want := range map[string]string{
		"example.com":            "such as https://example.com",
		"https://example.com/":   "write https://example.com, without a path",
		"https://example.com/a":  "without a path",
		"https://":               "is no origin",
		"https://*":              "would allow too much",
		"https://*.com":          "would allow too much",
		"https://a.*.com":        "would allow too much",
		"https://ex ample.com":   "without a path",
		"https://user@a.com":     "without a path",
		"https://a.com,https://": "without a path",
	} {
		if _, err := ParseOrigins([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for _, row := range []struct {
		origin, host string
		tls          bool
		want         bool
	}{
		{"http://example.com", "example.com", false, true},
		{"https://example.com", "example.com", false, true}, // a proxy speaks TLS
		{"https://example.com", "example.com", true, true},
		{"http://example.com", "example.com", true, false},
		{"https://example.com", "example.com:443", true, true},
		{"https://EXAMPLE.com", "example.com", true, true},
		{"http://example.com:8080", "example.com:8080", false, true},
		{"http://example.com:8081", "example.com:8080", false, false},
		{"null", "example.com", false, false},
		{"null", "", false, false},
	} {
		r := httptest.NewRequest("GET", "/ws", nil)
		r.Host = row.host
		if row.tls {
			r.TLS = &tls.ConnectionState{}
		}
		u, err := url.Parse(row.origin)
		if err != nil {
			t.Fatal(err)
		}
		if got := sameOrigin(u, r); got != row.want {
			t.Errorf("%s at %s, TLS %v: got %v", row.origin, row.host, row.tls, got)
		}
	}
}
