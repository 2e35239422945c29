package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/starling-rt/starling/auth"
)

const secret = "a secret of more than thirty-two bytes, for tests"

// pair is a private key with its public half as PEM.
type pair struct {
	alg     string
	private crypto.Signer
	public  string
	pem     string
}

// pairs makes a key of each family, once.
var pairs = sync.OnceValue(func() map[string]pair {
	made := map[string]pair{}
	add := func(name, alg string, private crypto.Signer, err error) {
		if err != nil {
			panic(err)
		}
		made[name] = pair{alg, private, publicPEM(private.Public()), privatePEM(private)}
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	add("rsa", "RS256", r, err)
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		e, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(alg, alg, e, err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	add("ed25519", "EdDSA", ed, err)
	return made
})

func publicPEM(public any) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func privatePEM(private any) string {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// verifier returns a Verifier that is closed with the test.
func verifier(t testing.TB, o auth.Options) *auth.Verifier {
	t.Helper()
	v, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// raw signs any payload, well or not, without the checks of a Signer.
func raw(t testing.TB, alg jose.SignatureAlgorithm, key any, payload string, headers map[jose.HeaderKey]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, &jose.SignerOptions{ExtraHeaders: headers})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// hs signs any payload with the secret.
func hs(t testing.TB, payload string) string {
	t.Helper()
	return raw(t, jose.HS256, []byte(secret), payload, nil)
}

// in returns the seconds since 1970 of a time that far away, as JSON.
func in(d time.Duration) string {
	s, _ := json.Marshal(time.Now().Add(d).Unix())
	return string(s)
}

// good are the claims of a token that holds, with more of them.
func good(more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"exp":` + in(time.Hour) + more + `}`
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestVerify(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	claims := auth.Claims{
		User: "ann", TokenID: "t-1", Issuer: "https://id.example", Audience: []string{"other", "starling"},
		IssuedAt: now, NotBefore: now, Expires: now.Add(time.Hour),
		Channels: map[string][]auth.Verb{"chat:*": {auth.Subscribe, auth.Publish}, "inbox:{user}": {auth.Any}},
		Info:     json.RawMessage("{\"name\":\n \"Ann\"}"),
	}
	check := func(t *testing.T, s auth.SignerOptions, o auth.Options) {
		t.Helper()
		signer, err := auth.NewSigner(s)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signer.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		o.Issuer, o.Audience, o.MaxAge = "https://id.example", "starling", 2*time.Hour
		v := verifier(t, o)
		for range 2 { // the second time from the cache
			who, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if who.User != "ann" || who.TokenID != "t-1" || !who.IssuedAt.Equal(now) || !who.Expires.Equal(now.Add(time.Hour)) || string(who.Info) != `{"name":"Ann"}` {
				t.Errorf("got %+v", who)
			}
			if !who.Allows(auth.Publish, "chat:a") || !who.Allows(auth.Write, "inbox:ann") || who.Allows(auth.Admin, "inbox:ann") || who.Allows(auth.Subscribe, "inbox:bob") {
				t.Errorf("got the wrong grants")
			}
		}
	}
	long := strings.Repeat("s", 64)
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		t.Run(alg, func(t *testing.T) {
			check(t, auth.SignerOptions{Secret: long, Algorithm: alg}, auth.Options{Secrets: []string{secret, long}})
		})
	}
	for name, p := range pairs() {
		t.Run(name, func(t *testing.T) {
			check(t, auth.SignerOptions{PrivateKey: p.pem}, auth.Options{Secrets: []string{secret}, Keys: []string{p.public}})
		})
	}
	for _, alg := range []string{"RS384", "RS512", "PS256", "PS384", "PS512"} {
		t.Run(alg, func(t *testing.T) {
			check(t, auth.SignerOptions{PrivateKey: pairs()["rsa"].pem, Algorithm: alg, KeyID: "k"}, auth.Options{Keys: []string{pairs()["rsa"].public}})
		})
	}
}

func TestLeeway(t *testing.T) {
	late := hs(t, `{"exp":`+in(-10*time.Second)+`}`)
	early := hs(t, good(`"nbf":`+in(10*time.Second)))
	for _, row := range []struct {
		name   string
		leeway time.Duration
		token  string
		want   error
	}{
		{"ended, by default", 0, late, nil},
		{"begins, by default", 0, early, nil},
		{"ended, without", -1, late, auth.ErrExpired},
		{"begins, without", -1, early, auth.ErrNotYet},
		{"ended, too little", 5 * time.Second, late, auth.ErrExpired},
		{"begins, too little", 5 * time.Second, early, auth.ErrNotYet},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := verifier(t, auth.Options{Secrets: []string{secret}, Leeway: row.leeway})
			if _, err := v.Verify(t.Context(), row.token); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
}

// A token holds until its end and the leeway, whether it is cached or not.
func TestExpiryToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := verifier(t, auth.Options{Secrets: []string{secret}})
		fresh := verifier(t, auth.Options{Secrets: []string{secret}, CacheBytes: -1})
		token := hs(t, `{"exp":`+in(time.Minute)+`}`)
		both := func(want error) {
			t.Helper()
			expect(t, cached, token, want)
			expect(t, fresh, token, want)
		}
		both(nil)
		wait(time.Minute + 29*time.Second)
		both(nil)
		wait(time.Second)
		both(auth.ErrExpired)
	})
}

// A JWK that names its algorithm is for that alone.
func TestJWKAlgorithm(t *testing.T) {
	p := pairs()["rsa"].private
	v := verifier(t, auth.Options{Keys: []string{jwk(t, p.Public(), "k", "PS256", "sig")}})
	expect(t, v, raw(t, jose.PS256, p, good(""), nil), nil)
	expect(t, v, raw(t, jose.RS256, p, good(""), nil), auth.ErrAlgorithm)
}

func TestMaxAgeEndsIdentity(t *testing.T) {
	v := verifier(t, auth.Options{Secrets: []string{secret}, MaxAge: time.Minute, AllowNoExpiry: true})
	now := time.Now().Truncate(time.Second)
	for _, exp := range []string{"", `,"exp":` + in(time.Hour)} {
		who, err := v.Verify(t.Context(), hs(t, `{"iat":`+in(0)+exp+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if d := who.Expires.Sub(now); d < time.Minute || d > 2*time.Minute {
			t.Errorf("exp %q: it ends in %v, want a minute", exp, d)
		}
	}
}

func TestNoExpiry(t *testing.T) {
	signer, err := auth.NewSigner(auth.SignerOptions{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(auth.Claims{User: "ann", NoExpiry: true})
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, auth.Options{Secrets: []string{secret}, AllowNoExpiry: true})
	for range 2 {
		who, err := v.Verify(t.Context(), token)
		if err != nil || !who.Expires.IsZero() || !who.Grants.IsZero() {
			t.Errorf("got %+v, %v", who, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small := make(ed25519.PublicKey, 32)
	small[0] = 1
	for _, row := range []struct {
		name string
		o    auth.Options
		want string
	}{
		{"nothing to check with", auth.Options{}, "no secret, no key and no JWKS"},
		{"short secret", auth.Options{Secrets: []string{secret, strings.Repeat("x", 31)}}, "secret 2 cannot be used: it has 31 bytes, and needs at least 32"},
		{"PEM as a secret", auth.Options{Secrets: []string{pairs()["rsa"].public}}, "belongs into Keys"},
		{"JWK as a secret", auth.Options{Secrets: []string{`{"kty":"RSA","n":"xxxxxxxxxxxxxxxxxxxxxxxx","e":"AQAB"}`}}, "belongs into Keys"},
		{"private key", auth.Options{Keys: []string{pairs()["ES256"].pem}}, "private key"},
		{"neither PEM nor JWK", auth.Options{Keys: []string{"hello"}}, "neither PEM nor a JWK"},
		{"half a PEM block", auth.Options{Keys: []string{"-----BEGIN PUBLIC KEY-----\nAAAA"}}, "no whole PEM block"},
		{"PEM of garbage", auth.Options{Keys: []string{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}}, "parse the PEM block"},
		{"shared secret as a JWK", auth.Options{Keys: []string{`{"kty":"oct","k":"` + b64(secret) + `"}`}}, `secret part "k"`},
		{"private JWK", auth.Options{Keys: []string{`{"kty":"OKP","crv":"Ed25519","x":"` + b64(secret[:32]) + `","d":"AA"}`}}, `secret part "d"`},
		{"JWK for encryption", auth.Options{Keys: []string{jwk(t, pairs()["rsa"].private.Public(), "k", "", "enc")}}, "not for signatures"},
		{"JWK with the algorithm of another family", auth.Options{Keys: []string{jwk(t, pairs()["rsa"].private.Public(), "k", "HS256", "")}}, "cannot be used with its algorithm"},
		{"RSA of 1024 bits", auth.Options{Keys: []string{publicPEM(weak.Public())}}, "2048 to 4096 bits"},
		{"RSA with an even exponent", auth.Options{Keys: []string{jwk(t, &rsa.PublicKey{N: pairs()["rsa"].private.Public().(*rsa.PublicKey).N, E: 4}, "", "", "")}}, "exponent 4"},
		{"ECDSA on P-224", auth.Options{Keys: []string{publicPEM(odd.Public())}}, "P-256, P-384 or P-521"},
		{"Ed25519 of small order", auth.Options{Keys: []string{publicPEM(small)}}, "small order"},
		{"too many keys", auth.Options{Secrets: many(17)}, "at most 16"},
		{"JWKS over http", auth.Options{JWKS: []string{"http://id.example/jwks"}}, "must be https"},
		{"JWKS with another scheme", auth.Options{JWKS: []string{"ftp://id.example/jwks"}}, "must be https"},
		{"JWKS without a host", auth.Options{JWKS: []string{"https:///jwks"}}, "no host"},
		{"JWKS that does not parse", auth.Options{JWKS: []string{"https://[::1/jwks"}}, "JWKS"},
		{"file that is not there", auth.Options{JWKS: []string{t.TempDir() + "/none.json"}}, "no such file"},
		{"too large tokens", auth.Options{Secrets: []string{secret}, MaxTokenBytes: 1 << 20}, "MaxTokenBytes"},
		{"negative age", auth.Options{Secrets: []string{secret}, MaxAge: -1}, "MaxAge"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v, err := auth.New(row.o)
			if err == nil {
				v.Close()
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %q, want %q in it", err, row.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the secret is in the error %q", err)
			}
		})
	}
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = secret + strings.Repeat("x", i)
	}
	return list
}

// jwk returns a public key as a JWK.
func jwk(t testing.TB, public any, kid, alg, use string) string {
	t.Helper()
	b, err := jose.JSONWebKey{Key: public, KeyID: kid, Algorithm: alg, Use: use}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestForget(t *testing.T) {
	v := verifier(t, auth.Options{Secrets: []string{secret}})
	token := hs(t, good(`"sub":"ann"`))
	get := func() *auth.Identity {
		who, err := v.Verify(context.Background(), token)
		if err != nil {
			t.Fatal(err)
		}
		return who
	}
	first := get()
	if get() != first {
		t.Error("a verified token was verified again")
	}
	v.Forget(token)
	if get() == first {
		t.Error("a forgotten token came from the cache")
	}
}
