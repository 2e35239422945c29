package proxies

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRequest(t *testing.T) {
	for name, row := range map[string]struct {
		headers       Headers
		trust, peer   string
		lines         []string // "Name: value"
		addr, host    string
		secure, known bool
	}{
		"no proxy": {peer: "1.2.3.4:5", addr: "1.2.3.4"},
		"a stranger says who it is": {
			peer: "1.2.3.4:5", trust: "10.0.0.0/8", addr: "1.2.3.4",
			lines: []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: evil", "X-Forwarded-Proto: https"},
		},
		"nobody is trusted unless told": {peer: "127.0.0.1:5", addr: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1"}},
		"one proxy": {
			peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "1.1.1.1", host: "example.com", secure: true, known: true,
			lines: []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-Host: example.com", "X-Forwarded-Proto: https"},
		},
		"plain": {peer: "10.0.0.1:5", trust: "10.0.0.1", addr: "1.1.1.1", known: true, lines: []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: http"}},
		"the client wrote the first": {
			peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "1.1.1.1", lines: []string{"X-Forwarded-For: 127.0.0.1, 10.9.9.9, 1.1.1.1"},
		},
		"two proxies":        {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "1.1.1.1", lines: []string{"X-Forwarded-For: 9.9.9.9, 1.1.1.1, 10.0.0.2"}},
		"two lines":          {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "1.1.1.1", lines: []string{"X-Forwarded-For: 9.9.9.9, 1.1.1.1", "X-Forwarded-For: 10.0.0.2"}},
		"proxies alone":      {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "10.0.0.3", lines: []string{"X-Forwarded-For: 10.0.0.3, 10.0.0.2"}},
		"it does not say":    {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "10.0.0.2", lines: []string{"X-Forwarded-For: 1.1.1.1, unknown, 10.0.0.2"}},
		"nonsense":           {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "10.0.0.1", lines: []string{"X-Forwarded-For: '; drop table"}},
		"ports":              {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "1.1.1.1", lines: []string{"X-Forwarded-For: 1.1.1.1:7000"}},
		"IPv6":               {peer: "[::1]:5", trust: "::1", addr: "2001:db8::1", lines: []string{"X-Forwarded-For: 2001:db8::1"}},
		"IPv6 with a port":   {peer: "[::1]:5", trust: "::1", addr: "2001:db8::1", lines: []string{"X-Forwarded-For: [2001:db8::1]:80"}},
		"mapped":             {peer: "[::ffff:10.0.0.1]:5", trust: "10.0.0.0/8", addr: "1.1.1.1", lines: []string{"X-Forwarded-For: ::ffff:1.1.1.1"}},
		"zone":               {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "fe80::1", lines: []string{"X-Forwarded-For: fe80::1%eth0"}},
		"no address":         {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "10.0.0.1", secure: true, known: true, lines: []string{"X-Forwarded-Proto: http, https"}},
		"the other header":   {peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "10.0.0.1", lines: []string{"Forwarded: for=9.9.9.9"}},
		"Forwarded":          {headers: Forwarded, peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "1.1.1.1", host: "a.b", secure: true, known: true, lines: []string{`Forwarded: for=1.1.1.1;proto=https;host=a.b`}},
		"Forwarded, spoofed": {headers: Forwarded, peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "1.1.1.1", lines: []string{`Forwarded: for=127.0.0.1;host=evil;proto=https, for=1.1.1.1`}},
		"Forwarded, quoted":  {headers: Forwarded, peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "2001:db8::1", host: "a,b", lines: []string{`Forwarded: For="[2001:db8::1]:4711";host="a\,b"`}},
		"Forwarded, hidden":  {headers: Forwarded, peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "10.0.0.1", lines: []string{`Forwarded: for=_hidden`}},
		"Forwarded, X too":   {headers: Forwarded, peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "10.0.0.1", lines: []string{`X-Forwarded-For: 9.9.9.9`}},
		"a quote that stays": {headers: Forwarded, peer: "10.0.0.1:5", trust: "10.0.0.0/8", addr: "10.0.0.1", lines: []string{`Forwarded: for="1.1.1.1, for=2.2.2.2`}},
		"a socket":           {peer: "@", trust: "10.0.0.0/8", addr: "@", lines: []string{"X-Forwarded-For: 1.1.1.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			trust := Trust{Headers: row.headers}
			if row.trust != "" {
				var err error
				if trust.Proxies, err = Parse([]string{row.trust}); err != nil {
					t.Fatal(err)
				}
			}
			r := httptest.NewRequest("GET", "http://own/ws", nil)
			r.RemoteAddr = row.peer
			for _, line := range row.lines {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Add(name, value)
			}
			got := trust.Request(r)
			if addr := strip(got.RemoteAddr); addr != row.addr {
				t.Errorf("got the address %s, want %s", addr, row.addr)
			}
			if want := or(row.host, "own"); got.Host != want {
				t.Errorf("got the host %s, want %s", got.Host, want)
			}
			if secure, known := Secure(got); secure != row.secure || known != row.known {
				t.Errorf("got secure %v, known %v", secure, known)
			}
			if r.RemoteAddr != row.peer || r.Host != "own" {
				t.Error("the request itself was changed")
			}
		})
	}
}

func strip(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		addr = addr[:i]
	}
	return strings.Trim(addr, "[]")
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"", "localhost", "10.0.0.0/33", "fe80::1%eth0"} {
		if _, err := Parse([]string{bad}); err == nil || !strings.Contains(err.Error(), "10.0.0.0/8") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	got, err := Parse([]string{"10.1.2.3/8", "::ffff:1.2.3.4", "::1"})
	if err != nil || got[0].String() != "10.0.0.0/8" || got[1].String() != "1.2.3.4/32" || got[2].String() != "::1/128" {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add(`for="[2001:db8::1]:4711";host="a\,b", for=_x`)
	f.Add(`for="\`)
	f.Fuzz(func(t *testing.T, line string) {
		for _, h := range []Headers{XForwarded, Forwarded} {
			trust := Trust{Headers: h}
			trust.Proxies, _ = Parse([]string{"10.0.0.0/8"})
			r := httptest.NewRequest("GET", "http://own/", nil)
			r.RemoteAddr = "10.0.0.1:1"
			r.Header["Forwarded"], r.Header["X-Forwarded-For"] = []string{line}, []string{line}
			if got := trust.Request(r); got.RemoteAddr == "" {
				t.Error("it has no address")
			}
		}
	})
}
