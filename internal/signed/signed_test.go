package signed

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestVerify(t *testing.T) {
	now := time.Unix(1795471229, 0)
	body := []byte(`{"type":"publish"}`)
	const a, b = "the first secret, of old", "the second secret, of now"
	header := Sign([]string{a, b}, now, body)
	for _, row := range []struct {
		name, header, body string
		secrets            []string
		at                 time.Time
		want               error
	}{
		{"the old secret", header, string(body), []string{a}, now, nil},
		{"the new secret", header, string(body), []string{b}, now, nil},
		{"both, a minute later", header, string(body), []string{b, a}, now.Add(time.Minute), nil},
		{"another secret", header, string(body), []string{"x" + a}, now, ErrSignature},
		{"no secret", header, string(body), nil, now, ErrSignature},
		{"another body", header, `{"type":"publish" }`, []string{a}, now, ErrSignature},
		{"another time", strings.Replace(header, "t=1795471229", "t=1795471230", 1), string(body), []string{a}, now, ErrSignature},
		{"a replay", header, string(body), []string{a}, now.Add(6 * time.Minute), ErrStale},
		{"the future", header, string(body), []string{a}, now.Add(-6 * time.Minute), ErrStale},
		{"no header", "", string(body), []string{a}, now, ErrSignature},
		{"no sum", "t=1795471229", string(body), []string{a}, now, ErrSignature},
		{"an empty sum", "t=1795471229,v1=", string(body), []string{a}, now, ErrSignature},
		{"nonsense", "t=,v1=zz,,=", string(body), []string{a}, now, ErrSignature},
	} {
		if err := Verify(row.header, []byte(row.body), row.secrets, row.at, 5*time.Minute); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
}

// The sum was computed with openssl dgst -sha256 -hmac.
func TestGoldenSignature(t *testing.T) {
	got := Sign([]string{"0123456789abcdef"}, time.Unix(1795471229, 0), []byte(`{"a":1}`))
	const want = "t=1795471229,v1=ca0cb19ea51a35e472e9655152db5186483b909f42b112b23da1b60e31a5091e"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestChecks(t *testing.T) {
	for url, good := range map[string]bool{
		"https://app.example/hook": true, "http://localhost:9/x?y=z": true, "ftp://a/b": false, "/x": false, "https://": false,
		"https://u:p@app.example/": false, "http://[::1": false, "": false,
	} {
		if err := CheckURL(url); (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, bad := range [][]string{nil, {"short"}, {"0123456789abcdef", ""}, {"0123456789abcde1", "0123456789abcde2", "0123456789abcde3", "0123456789abcde4", "0123456789abcde5"}} {
		if err := CheckSecrets(bad); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}
