package auth

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/starling-rt/starling/protocol"
)

const fuzzSecret = "a secret of more than thirty-two bytes, for tests"

// sentinels are all that Verify may answer.
var sentinels = []error{
	ErrMalformed, ErrAlgorithm, ErrKey, ErrSignature, ErrClaims, ErrExpired, ErrNotYet, ErrIssuer, ErrAudience, ErrUnavailable,
}

// known checks that an error is one that a caller can tell, short, on one line,
// and without the token.
func known(t *testing.T, err error, token string) {
	t.Helper()
	found := false
	for _, s := range sentinels {
		found = found || errors.Is(err, s)
	}
	if !found {
		t.Errorf("%q wraps no error of the package", err)
	}
	if s := err.Error(); len(s) > 600 || strings.ContainsAny(s, "\r\n\x00") || !utf8.ValidString(s) || len(token) > 40 && strings.Contains(s, token) {
		t.Errorf("the error is too long, on two lines or with the token in it: %q", s)
	}
}

// FuzzVerify throws anything at Verify: nothing that was not signed passes.
func FuzzVerify(f *testing.F) {
	v, err := New(Options{
		Secrets: []string{fuzzSecret},
		Keys:    []string{`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
		"eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYjY0Il19.e30.AAAA", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ.e30.AAAA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		who, err := v.Verify(t.Context(), token)
		if err == nil {
			t.Fatalf("accepted %q as %+v", token, who)
		}
		known(t, err, token)
	})
}

// FuzzClaims signs anything: what is accepted keeps to the limits.
func FuzzClaims(f *testing.F) {
	v, err := New(Options{Secrets: []string{fuzzSecret}, AllowNoExpiry: true, CacheBytes: -1})
	if err != nil {
		f.Fatal(err)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(fuzzSecret)}, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"sub":"ann"}`, `{"exp":1e9}`, `{"exp":99999999999,"iat":1,"nbf":1.5}`, `{"sub":"a","sub":"b"}`,
		`{"channels":{"a:{user}:*":["*"],"b":["admin"]},"sub":"a:*"}`, `{"info":{"a":[1,2]}}`, `{"sub":"\ud800"}`, `{"aud":["a"],"iss":"b","jti":"c"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		signed, err := s.Sign(payload)
		if err != nil {
			t.Skip(err)
		}
		token, err := signed.CompactSerialize()
		if err != nil {
			t.Skip(err)
		}
		who, err := v.Verify(t.Context(), token)
		if err != nil {
			known(t, err, token)
			return
		}
		if err := CheckUser(who.User); err != nil {
			t.Error(err)
		}
		if !utf8.Valid(payload) || len(who.TokenID) > MaxUserBytes || len(who.Info) > MaxInfoBytes || who.Info != nil && !json.Valid(who.Info) {
			t.Errorf("accepted %q", payload)
		}
		if who.Grants.Len() > MaxPatterns || who.Allows("", "a") {
			t.Errorf("the grants of %q are wrong", payload)
		}
	})
}

// FuzzGrants compares the compiled grants with looking at every pattern, and
// holds that no user may do what is another's.
func FuzzGrants(f *testing.F) {
	for _, seed := range []struct{ raw, user, channel string }{
		{`{"chat:*":["subscribe"],"chat:a:*":["publish"],"news":["*"]}`, "ann", "chat:a:b"},
		{`{"u:{user}:*":["*"]}`, "ann", "u:ann:*"},
		{`{"u:{user}":["read"],"u:*":["admin"]}`, "a:*~", "u:a~3A~2A~7E"},
		{`{"a":[],"a":[]}`, "", "a"},
		{`null`, "", "a"},
		{`{"*":["subscribe"]}`, "x", "*"},
		{`{"":[]}`, "{user}", ""},
	} {
		f.Add([]byte(seed.raw), seed.user, seed.channel)
	}
	f.Fuzz(func(t *testing.T, raw []byte, user, channel string) {
		g, err := parseGrants(raw, user)
		if err != nil {
			known(t, err, "")
			return
		}
		var patterns map[string][]Verb
		if json.Unmarshal(raw, &patterns) != nil {
			t.Skip("encoding/json is stricter here")
		}
		if protocol.CheckPattern(channel) != nil {
			g.Allows(Subscribe, channel)
			return
		}
		name, asked := protocol.Wildcard(channel)
		for _, verb := range all {
			want := false
			for pattern, verbs := range patterns {
				pattern = strings.ReplaceAll(pattern, userMark, EscapeUser(user))
				before, wildcard := protocol.Wildcard(pattern)
				match := wildcard && strings.HasPrefix(name, before) || !wildcard && !asked && pattern == channel
				for _, v := range verbs {
					want = want || match && (v == verb || v == Any && verb != Admin)
				}
			}
			if got := g.Allows(verb, channel); got != want {
				t.Errorf("%s on %q of %s: got %v, want %v", verb, channel, raw, got, want)
			}
		}
	})
}
