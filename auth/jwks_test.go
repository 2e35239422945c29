package auth_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/starling-rt/starling/auth"
)

// endpoint serves a JWKS without a socket, in fake time.
type endpoint struct {
	mu     sync.Mutex // guards the following
	asked  int
	answer func(r *http.Request) (*http.Response, error)
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	e.asked++
	answer := e.answer
	e.mu.Unlock()
	return answer(r)
}

func (e *endpoint) set(answer func(*http.Request) (*http.Response, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *endpoint) times() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

// says answers with a body.
func says(body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		res := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		for i := 0; i < len(headers); i += 2 {
			res.Header.Set(headers[i], headers[i+1])
		}
		return res, nil
	}
}

func status(code int, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		res, err := says("{}", headers...)(r)
		res.StatusCode = code
		return res, err
	}
}

func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// hangs answers never.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// named is an Ed25519 key made from its name.
func named(kid string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte((kid + strings.Repeat(".", 32))[:32]))
}

func set(t testing.TB, kids ...string) string {
	t.Helper()
	list := make([]string, len(kids))
	for i, kid := range kids {
		list[i] = jwk(t, named(kid).Public(), kid, "", "sig")
	}
	return `{"keys":[` + strings.Join(list, ",") + `]}`
}

// by is a token signed with the key of that name.
func by(t testing.TB, kid string) string {
	t.Helper()
	return raw(t, jose.EdDSA, named(kid), `{"exp":`+in(1000*time.Hour)+`,"sub":"ann"}`, map[jose.HeaderKey]any{"kid": kid})
}

// remote runs a test in fake time with a Verifier whose keys an endpoint serves.
func remote(t *testing.T, test func(t *testing.T, e *endpoint, v *auth.Verifier)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: down}
		v, err := auth.New(auth.Options{JWKS: []string{"https://id.example/jwks"}, Transport: e})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		test(t, e, v)
	})
}

// expect verifies a token, and compares the error.
func expect(t *testing.T, v *auth.Verifier, token string, want error) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func asked(t *testing.T, e *endpoint, want int) {
	t.Helper()
	if got := e.times(); got != want {
		t.Errorf("the endpoint was asked %d times, want %d", got, want)
	}
}

// wait lets fake time pass.
func wait(d time.Duration) { <-time.After(d) }

func TestJWKSIsReadOnce(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		asked(t, e, 0)
		open := make(chan struct{})
		e.set(func(r *http.Request) (*http.Response, error) { <-open; return says(set(t, "a", "b"))(r) })
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { expect(t, v, by(t, []string{"a", "b"}[i%2]), nil) })
		}
		synctest.Wait() // until all of them wait for the one
		close(open)
		wg.Wait()
		asked(t, e, 1)
		token := by(t, "a")
		first, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range []time.Duration{9 * time.Minute, 2 * time.Minute} {
			wait(d)
			again, err := v.Verify(t.Context(), token)
			if err != nil || again != first {
				t.Errorf("got %+v, %v, want what is cached: its key is still there", again, err)
			}
			asked(t, e, i+1)
		}
	})
}

func TestJWKSCacheControl(t *testing.T) {
	for _, row := range []struct {
		headers []string
		fresh   time.Duration
	}{
		{nil, 10 * time.Minute},
		{[]string{"Cache-Control", "public, max-age=1800"}, 30 * time.Minute},
		{[]string{"Cache-Control", `MAX-AGE="1800"`}, 30 * time.Minute},
		{[]string{"Cache-Control", "max-age=1800", "Age", "600"}, 20 * time.Minute},
		{[]string{"Cache-Control", "max-age=1800", "Age", "9999999"}, time.Minute},
		{[]string{"Cache-Control", "max-age=1800", "Age", "-5"}, 30 * time.Minute},
		{[]string{"Cache-Control", "max-age=0"}, time.Minute},
		{[]string{"Cache-Control", "no-store"}, time.Minute},
		{[]string{"Cache-Control", "max-age=3600, no-cache"}, time.Minute},
		{[]string{"Cache-Control", "max-age=99999999999999999999"}, time.Minute},
		{[]string{"Cache-Control", "max-age=99999999"}, 24 * time.Hour},
		{[]string{"Cache-Control", "max-age=-1"}, time.Minute},
		{[]string{"Cache-Control", ",,=,private"}, 10 * time.Minute},
	} {
		t.Run(strings.Join(row.headers, " "), func(t *testing.T) {
			remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
				e.set(says(set(t, "a"), row.headers...))
				expect(t, v, by(t, "a"), nil)
				wait(row.fresh - time.Second)
				expect(t, v, by(t, "a"), nil)
				asked(t, e, 1)
				wait(2 * time.Second)
				expect(t, v, by(t, "a"), nil)
				asked(t, e, 2)
			})
		})
	}
}

func TestJWKSRotation(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		old, young := by(t, "old"), by(t, "new")
		e.set(says(set(t, "old")))
		expect(t, v, old, nil)
		expect(t, v, young, auth.ErrKey) // too soon to look again
		asked(t, e, 1)
		wait(11 * time.Second)
		e.set(says(set(t, "old", "new")))
		expect(t, v, young, nil) // an unknown key is looked for
		expect(t, v, old, nil)
		asked(t, e, 2)
		e.set(says(set(t, "new")))
		expect(t, v, old, nil) // nobody has looked yet
		wait(11 * time.Minute)
		expect(t, v, old, auth.ErrKey) // though it is in the cache of verified tokens
		expect(t, v, young, nil)
		asked(t, e, 3)
	})
}

// A key that keeps its name but is another one ends the tokens of the first.
func TestJWKSSameNameOtherKey(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		e.set(says(set(t, "a")))
		token := by(t, "a")
		expect(t, v, token, nil)
		e.set(says(`{"keys":[` + jwk(t, named("b").Public(), "a", "", "") + `]}`))
		wait(11 * time.Minute)
		expect(t, v, token, auth.ErrSignature)
	})
}

func TestJWKSUnknownKeysAreLimited(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		e.set(says(set(t, "a")))
		for i := range 600 { // one a 100 ms, for a minute
			expect(t, v, by(t, fmt.Sprint("evil", i)), auth.ErrKey)
			wait(100 * time.Millisecond)
		}
		if n := e.times(); n < 5 || n > 7 {
			t.Errorf("600 unknown keys in a minute made it ask %d times, want one every 10 s", n)
		}
	})
}

func TestJWKSDown(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		expect(t, v, hs(t, good("")), auth.ErrAlgorithm) // there is no secret in a JWKS
		asked(t, e, 0)
		expect(t, v, by(t, "a"), auth.ErrUnavailable)
		expect(t, v, by(t, "a"), auth.ErrUnavailable)
		asked(t, e, 1)
		wait(3 * time.Second)
		e.set(says(set(t, "a")))
		expect(t, v, by(t, "a"), nil)
		e.set(down)
		wait(48 * time.Hour)
		v.Forget(by(t, "a"))
		before := e.times()
		for range 10 {
			expect(t, v, by(t, "a"), nil) // known keys go on
			expect(t, v, by(t, "b"), auth.ErrUnavailable)
		}
		if n := e.times() - before; n != 1 {
			t.Errorf("it was asked %d times in a moment, want 1", n)
		}
		wait(31 * time.Second)
		e.set(says(set(t, "b")))
		expect(t, v, by(t, "a"), auth.ErrKey)
		expect(t, v, by(t, "b"), nil)
	})
}

func TestJWKSSlow(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		e.set(hangs)
		start := time.Now()
		expect(t, v, by(t, "a"), auth.ErrUnavailable)
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("it took %v, want 5s", d)
		}
		wait(3 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, err := v.Verify(ctx, by(t, "a"))
		if d := time.Since(start); d != time.Second || !errors.Is(err, auth.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it took %v and got %v, want 1s and ErrUnavailable with the context's", d, err)
		}
	})
}

// Who gives up does not end the reading for those who wait for the same.
func TestJWKSCancelled(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		open := make(chan struct{})
		e.set(func(r *http.Request) (*http.Response, error) {
			select {
			case <-open:
				return says(set(t, "a"))(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := v.Verify(first, by(t, "a")); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { expect(t, v, by(t, "a"), nil) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(open)
		wg.Wait()
		asked(t, e, 1)
	})
}

func TestJWKSClose(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		e.set(hangs)
		var wg sync.WaitGroup
		wg.Go(func() { expect(t, v, by(t, "a"), auth.ErrUnavailable) })
		synctest.Wait()
		start := time.Now()
		v.Close()
		wg.Wait()
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		wait(time.Minute)
		expect(t, v, by(t, "a"), auth.ErrUnavailable)
		asked(t, e, 1)
	})
}

// What an endpoint answers cannot do more than keep its keys away.
func TestJWKSMalicious(t *testing.T) {
	lots := make([]string, 65)
	for i := range lots {
		lots[i] = fmt.Sprint("k", i)
	}
	private := func(v any, kid string) string { return `{"keys":[` + jwk(t, v, kid, "", "") + `]}` }
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"HTML":                     says("<!doctype html><title>Sign in</title>", "Content-Type", "text/html"),
		"nothing":                  says(""),
		"null":                     says("null"),
		"a list":                   says("[]"),
		"no keys":                  says(`{}`),
		"an empty set":             says(`{"keys":[]}`),
		"keys that are an object":  says(`{"keys":{}}`),
		"keys twice":               says(`{"keys":[],` + set(t, "a")[1:]),
		"two sets":                 says(set(t, "a") + set(t, "a")),
		"half a set":               says(set(t, "a")[:60]),
		"a set that is too large":  says(strings.Repeat(" ", 257<<10) + set(t, "a")),
		"too much behind a set":    says(set(t, "a") + strings.Repeat(" ", 257<<10)),
		"an endless answer":        endless,
		"too many keys":            says(set(t, lots...)),
		"deep":                     says(`{"keys":[` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `]}`),
		"a shared secret":          says(private([]byte(secret), "a")),
		"a private key":            says(private(named("a"), "a")),
		"a key of small order":     says(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"` + b64("\x01"+strings.Repeat("\x00", 31)) + `"}]}`),
		"a key for encryption":     says(`{"keys":[` + jwk(t, named("a").Public(), "a", "", "enc") + `]}`),
		"a point off the curve":    says(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"` + b64(strings.Repeat("\x01", 32)) + `","y":"` + b64(strings.Repeat("\x01", 32)) + `"}]}`),
		"a key that is not a key":  says(`{"keys":[7,null,"x",{},{"kty":"XX"},{"kty":"RSA","n":"AQ","e":"AQ"}]}`),
		"302 to http":              status(302, "Location", "http://10.0.0.1/jwks"),
		"302 to a private address": status(302, "Location", "https://169.254.169.254/"),
		"301 to itself":            status(301, "Location", "https://id.example/jwks"),
		"404":                      status(404),
		"500":                      status(500),
		"204":                      status(204),
	} {
		t.Run(name, func(t *testing.T) {
			remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
				e.set(answer)
				_, err := v.Verify(t.Context(), by(t, "a"))
				if !errors.Is(err, auth.ErrUnavailable) {
					t.Fatalf("got %v, want ErrUnavailable", err)
				}
				sane(t, by(t, "a"), err)
				asked(t, e, 1)
				wait(3 * time.Second)
				e.set(says(set(t, "a")))
				expect(t, v, by(t, "a"), nil)
				wait(11 * time.Minute)
				e.set(answer)
				expect(t, v, by(t, "a"), nil) // what was known goes on
				asked(t, e, 3)
			})
		})
	}
}

// endless never ends, and gives what it can.
func endless(r *http.Request) (*http.Response, error) {
	res, err := says("")(r)
	res.Body = io.NopCloser(spaces{})
	return res, err
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// What is not for us in a set is skipped.
func TestJWKSSkips(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		body := `{"keys":[{"kty":"oct","k":"AAAA","kid":"x"},{"kty":"NEW"},` + jwk(t, named("e").Public(), "e", "", "enc") + "," + set(t, "a")[len(`{"keys":[`):]
		e.set(says(body))
		expect(t, v, by(t, "a"), nil)
		expect(t, v, by(t, "e"), auth.ErrKey)
	})
}

// A token that names no key is tried with a few.
func TestJWKSWithoutKeyID(t *testing.T) {
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		kids := strings.Split("a b c d e f g h i j", " ")
		e.set(says(set(t, kids...)))
		expect(t, v, raw(t, jose.EdDSA, named("h"), good(""), nil), nil)
		expect(t, v, raw(t, jose.EdDSA, named("i"), good(""), nil), auth.ErrSignature)
	})
	remote(t, func(t *testing.T, e *endpoint, v *auth.Verifier) {
		e.set(says(`{"keys":[` + jwk(t, named("a").Public(), "", "", "") + `]}`))
		expect(t, v, by(t, "a"), nil) // a key without a name is for all
		expect(t, v, by(t, "b"), auth.ErrSignature)
		asked(t, e, 1)
	})
}

func TestJWKSReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: down}
		var got []string
		v, err := auth.New(auth.Options{
			JWKS: []string{"https://user:password@id.example/jwks"}, Transport: e,
			Refreshed: func(where string, keys int, err error) { got = append(got, fmt.Sprint(where, " ", keys, " ", err)) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if err := v.Refresh(t.Context()); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		e.set(says(set(t, "a", "b")))
		if err := v.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{
			"https://user:xxxxx@id.example/jwks 0 read the JWKS https://user:xxxxx@id.example/jwks: connection refused",
			"https://user:xxxxx@id.example/jwks 2 <nil>",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Over a real socket, as it is without a Transport; and redirects to elsewhere
// are not followed.
func TestJWKSOverHTTP(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, other.URL, http.StatusFound)
			return
		}
		fmt.Fprint(w, set(t, "a"))
	}))
	defer server.Close()
	expect(t, verifier(t, auth.Options{JWKS: []string{server.URL + "/jwks"}}), by(t, "a"), nil)
	expect(t, verifier(t, auth.Options{JWKS: []string{server.URL + "/moved"}}), by(t, "a"), auth.ErrUnavailable)
	both := verifier(t, auth.Options{JWKS: []string{server.URL + "/moved", server.URL + "/jwks"}, Secrets: []string{secret}})
	expect(t, both, by(t, "a"), nil)
	expect(t, both, hs(t, good("")), nil)
}

func TestJWKSFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys.json")
	write := func(body string) {
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"keys":[]}`)
	if _, err := auth.New(auth.Options{JWKS: []string{name}}); err == nil || !strings.Contains(err.Error(), name+": there is no key in it") {
		t.Errorf("got %v", err)
	}
	write(set(t, "a"))
	v := verifier(t, auth.Options{JWKS: []string{name}})
	expect(t, v, by(t, "a"), nil)
	write(set(t, "b"))
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, v, by(t, "a"), auth.ErrKey)
	expect(t, v, by(t, "b"), nil)
}
