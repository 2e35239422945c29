package auth_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/starling-rt/starling/auth"
)

func TestSignRefuses(t *testing.T) {
	s, err := auth.NewSigner(auth.SignerOptions{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(time.Hour)
	for _, row := range []struct {
		name string
		c    auth.Claims
		want string
	}{
		{"no end", auth.Claims{}, "either Expires or NoExpiry"},
		{"two ends", auth.Claims{Expires: soon, NoExpiry: true}, "either Expires or NoExpiry"},
		{"a user with a line break", auth.Claims{Expires: soon, User: "a\nb"}, "sub has the character U+000A"},
		{"a user that is not UTF-8", auth.Claims{Expires: soon, User: "a\xff"}, "not valid UTF-8"},
		{"a token id too long", auth.Claims{Expires: soon, TokenID: strings.Repeat("x", 256)}, "jti has 256 bytes"},
		{"an issuer with a NUL", auth.Claims{Expires: soon, Issuer: "\x00"}, "iss has"},
		{"an unknown verb", auth.Claims{Expires: soon, Channels: patterns{"a": {"sing"}}}, "unknown verb"},
		{"a pattern without a user", auth.Claims{Expires: soon, Channels: patterns{"a:{user}": nil}}, "no sub"},
		{"info that is no JSON", auth.Claims{Expires: soon, Info: json.RawMessage("{")}, "info is not JSON"},
		{"info too large", auth.Claims{Expires: soon, Info: json.RawMessage(`"` + strings.Repeat("x", 4096) + `"`)}, "info has 4098 bytes"},
		{"info too deep", auth.Claims{Expires: soon, Info: json.RawMessage(strings.Repeat("[", 40) + strings.Repeat("]", 40))}, "info is nested"},
		{"before 1970", auth.Claims{Expires: soon, NotBefore: time.Unix(-1, 0)}, "1970"},
	} {
		t.Run(row.name, func(t *testing.T) {
			token, err := s.Sign(row.c)
			if !errors.Is(err, auth.ErrClaims) || !strings.Contains(err.Error(), row.want) || token != "" {
				t.Errorf("got %q, %v, want ErrClaims with %q in it", token, err, row.want)
			}
		})
	}
}

func TestNewSignerRefuses(t *testing.T) {
	rsaPEM := pairs()["rsa"].pem
	for _, row := range []struct {
		name string
		o    auth.SignerOptions
		want string
	}{
		{"nothing", auth.SignerOptions{}, "either a secret or a private key"},
		{"both", auth.SignerOptions{Secret: secret, PrivateKey: rsaPEM}, "either a secret or a private key"},
		{"a short secret", auth.SignerOptions{Secret: "short"}, "at least 32"},
		{"a public key", auth.SignerOptions{PrivateKey: pairs()["rsa"].public}, "no PEM block PRIVATE KEY"},
		{"a public JWK", auth.SignerOptions{PrivateKey: jwk(t, named("a").Public(), "", "", "")}, "not the private key"},
		{"garbage", auth.SignerOptions{PrivateKey: "hello"}, "neither PEM nor a JWK"},
		{"HS256 with an RSA key", auth.SignerOptions{PrivateKey: rsaPEM, Algorithm: "HS256"}, `not for "HS256"`},
		{"RS256 with a secret", auth.SignerOptions{Secret: secret, Algorithm: "RS256"}, `not for "RS256"`},
		{"none", auth.SignerOptions{Secret: secret, Algorithm: "none"}, `not for "none"`},
		{"HS512 with a short secret", auth.SignerOptions{Secret: secret, Algorithm: "HS512"}, `not for "HS512"`},
		{"a huge key id", auth.SignerOptions{Secret: secret, KeyID: strings.Repeat("k", 256)}, "KeyID"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := auth.NewSigner(row.o)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q in it", err, row.want)
			}
		})
	}
}

// Private keys as other tools write them.
func TestPrivateKeyForms(t *testing.T) {
	r, e := pairs()["rsa"].private.(*rsa.PrivateKey), pairs()["ES384"].private.(*ecdsa.PrivateKey)
	der, err := x509.MarshalECPrivateKey(e)
	if err != nil {
		t.Fatal(err)
	}
	params := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}})
	for name, row := range map[string]struct{ private, public string }{
		"RSA PRIVATE KEY, RSA PUBLIC KEY": {
			string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)})),
			string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&r.PublicKey)})),
		},
		"EC PRIVATE KEY behind its parameters": {
			string(params) + string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
			pairs()["ES384"].public,
		},
		"JWK": {jwk(t, named("k"), "k", "", ""), set(t, "k", "l")},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := auth.NewSigner(auth.SignerOptions{PrivateKey: row.private})
			if err != nil {
				t.Fatal(err)
			}
			token, err := s.Sign(auth.Claims{Expires: time.Now().Add(time.Hour), Channels: patterns{}})
			if err != nil {
				t.Fatal(err)
			}
			who, err := verifier(t, auth.Options{Keys: []string{row.public}}).Verify(t.Context(), token)
			if err != nil || who.Grants.IsZero() {
				t.Errorf("got %+v, %v", who, err)
			}
		})
	}
}
