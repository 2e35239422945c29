package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/starling-rt/starling/auth"
)

// attack is a token that a server with the keys of attacked must refuse.
type attack struct {
	name  string
	token string
	want  error
}

// attacked accepts tokens of a secret and of a key of each family.
func attacked(t testing.TB) *auth.Verifier {
	keys := []string{jwk(t, pairs()["rsa"].private.Public(), "rsa", "", "")}
	for _, name := range []string{"ES256", "ES384", "ES512", "ed25519"} {
		keys = append(keys, pairs()[name].public)
	}
	return verifier(t, auth.Options{Secrets: []string{secret}, Keys: keys, Issuer: "id", Audience: "starling"})
}

// mine are claims that attacked accepts.
func mine(more string) string { return good(`"iss":"id","aud":"starling","sub":"ann"` + more) }

// forge makes a token with any header and any signature.
func forge(header, payload, signature string) string {
	return b64(header) + "." + b64(payload) + "." + b64(signature)
}

// mac signs with HMAC-SHA256 as a forger would, with a key that is no secret.
func mac(header, payload, key string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(b64(header) + "." + b64(payload)))
	return forge(header, payload, string(h.Sum(nil)))
}

// TestAttacks is the list of attacks on tokens.
func TestAttacks(t *testing.T) {
	v := attacked(t)
	if who, err := v.Verify(t.Context(), hs(t, mine(""))); err != nil || who.User != "ann" {
		t.Fatalf("a good token is refused, and all else proves nothing: %v", err)
	}
	for _, list := range [][]attack{forgeries(t), confusions(t), headers(t), shapes(t), claims(t), times(t)} {
		for _, a := range list {
			t.Run(a.name, func(t *testing.T) {
				for range 2 { // a cache must not turn it
					who, err := v.Verify(t.Context(), a.token)
					if !errors.Is(err, a.want) || who != nil {
						t.Fatalf("got %+v, %v, want %v", who, err, a.want)
					}
					sane(t, a.token, err)
				}
			})
		}
	}
}

// sane checks that an error is short, on one line, and gives nothing away.
func sane(t testing.TB, token string, err error) {
	t.Helper()
	s := err.Error()
	if len(s) > 400 || strings.ContainsAny(s, "\r\n\x00") {
		t.Errorf("the error has %d bytes, or a line break: %q", len(s), s)
	}
	if strings.Contains(s, secret) {
		t.Errorf("the secret is in the error %q", s)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 20 && strings.Contains(s, part) {
			t.Errorf("a part of the token is in the error %q", s)
		}
	}
}

func forgeries(t *testing.T) []attack {
	token := hs(t, mine(""))
	head, rest, _ := strings.Cut(token, ".")
	body, sig, _ := strings.Cut(rest, ".")
	rsaToken := raw(t, jose.RS256, pairs()["rsa"].private, mine(""), nil)
	list := []attack{
		{"signed with another secret", raw(t, jose.HS256, []byte(strings.Repeat("x", 32)), mine(""), nil), auth.ErrSignature},
		{"the signature of another token", strings.Join([]string{head, body, rsaToken[strings.LastIndexByte(rsaToken, '.')+1:]}, "."), auth.ErrSignature},
		{"claims changed", head + "." + b64(mine(`,"channels":{"*":["*"]}`)) + "." + sig, auth.ErrSignature},
		{"signature left out", head + "." + body + ".", auth.ErrSignature},
		{"signature cut", head + "." + body + "." + sig[:8], auth.ErrSignature},
		{"signature of zeros", head + "." + body + "." + b64(strings.Repeat("\x00", 32)), auth.ErrSignature},
		{"signature longer", head + "." + body + "." + b64(strings.Repeat("\x00", 4000)), auth.ErrSignature},
		{"RSA: signature of zeros", forge(`{"alg":"RS256"}`, mine(""), strings.Repeat("\x00", 256)), auth.ErrSignature},
		{"RSA: signature of one", forge(`{"alg":"RS256"}`, mine(""), strings.Repeat("\x00", 255)+"\x01"), auth.ErrSignature},
		{"RSA: PS256 said of an RS256 signature", forge(`{"alg":"PS256"}`, mine(""), decoded(rsaToken)), auth.ErrSignature},
		{"Ed25519: signature of zeros", forge(`{"alg":"EdDSA"}`, mine(""), strings.Repeat("\x00", 64)), auth.ErrSignature},
		{"Ed25519: the neutral element and zero", forge(`{"alg":"EdDSA"}`, mine(""), "\x01"+strings.Repeat("\x00", 63)), auth.ErrSignature},
	}
	for alg, size := range map[string]int{"ES256": 32, "ES384": 48, "ES512": 66} {
		n := pairs()[alg].private.Public().(*ecdsa.PublicKey).Params().N
		num := func(x *big.Int) string { return string(x.FillBytes(make([]byte, size))) }
		zero, one := num(new(big.Int)), num(big.NewInt(1))
		for name, sig := range map[string]string{
			"r and s zero": zero + zero, "r zero": zero + one, "s zero": one + zero,
			"r and s the order": num(n) + num(n), "s the order": one + num(n), "r one, s one": one + one,
			"of ASN.1": "\x30\x06\x02\x01\x01\x02\x01\x01", "empty": "", "one byte short": strings.Repeat("\x01", 2*size-1),
		} {
			list = append(list, attack{alg + ": " + name, forge(`{"alg":"`+alg+`"}`, mine(""), sig), auth.ErrSignature})
		}
	}
	// s plus the order is the same number, and must not pass in another form.
	es := raw(t, jose.ES512, pairs()["ES512"].private, mine(""), nil)
	sigES := decoded(es)
	s := new(big.Int).SetBytes([]byte(sigES[66:]))
	s.Add(s, elliptic.P521().Params().N)
	list = append(list, attack{"ES512: s beyond the order", es[:strings.LastIndexByte(es, '.')+1] + b64(sigES[:66]+string(s.FillBytes(make([]byte, 66)))), auth.ErrSignature})
	return list
}

// decoded returns the signature of a token.
func decoded(token string) string {
	b, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
	if err != nil {
		panic(err)
	}
	return string(b)
}

func confusions(t *testing.T) []attack {
	var list []attack
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", " none", "", "null", "HS256 ", "hs256", "RS256,none", "ES256K", "RSA-OAEP", "dir", "HS1", "ES257"} {
		for name, sig := range map[string]string{"without a signature": "", "with one": strings.Repeat("x", 32)} {
			list = append(list, attack{fmt.Sprintf("alg %q %s", alg, name), forge(`{"alg":"`+alg+`"}`, mine(""), sig), auth.ErrAlgorithm})
		}
	}
	for name, header := range map[string]string{"missing": `{}`, "a number": `{"alg":1}`, "null": `{"alg":null}`, "a list": `{"alg":["none"]}`, "in capitals": `{"ALG":"HS256"}`} {
		a := attack{"alg " + name, mac(header, mine(""), secret), auth.ErrAlgorithm}
		list = append(list, a)
	}
	for name, p := range pairs() {
		der, err := x509.MarshalPKIXPublicKey(p.private.Public())
		if err != nil {
			t.Fatal(err)
		}
		for form, key := range map[string]string{
			"PEM": p.public, "PEM without its last line break": strings.TrimSpace(p.public), "DER": string(der),
			"JWK": jwk(t, p.private.Public(), "rsa", "", ""), "base64": base64.StdEncoding.EncodeToString(der),
		} {
			for _, header := range []string{`{"alg":"HS256"}`, `{"alg":"HS256","kid":"rsa"}`} {
				list = append(list, attack{"HS256 with the public " + name + " key as " + form + " " + header, mac(header, mine(""), key), auth.ErrSignature})
			}
		}
	}
	return append(
		list,
		attack{"HS256 with the empty secret", mac(`{"alg":"HS256"}`, mine(""), ""), auth.ErrSignature},
		attack{"HS512 with a secret for HS256", raw(t, jose.HS512, []byte(secret+secret), mine(""), nil), auth.ErrAlgorithm},
		attack{"ES256 said of Ed25519", forge(`{"alg":"ES256"}`, mine(""), decoded(raw(t, jose.EdDSA, pairs()["ed25519"].private, mine(""), nil))), auth.ErrSignature},
	)
}

func headers(t *testing.T) []attack {
	var list []attack
	for name, kid := range map[string]string{
		"path": "../../../../dev/null", "SQL": "' UNION SELECT 'x", "URL": "https://evil.example/k", "command": "|id", "another": "rsb", "empty path": "/", "line break": "a\nb", "NUL": "rsa\x00",
	} {
		token := raw(t, jose.RS256, pairs()["rsa"].private, mine(""), map[jose.HeaderKey]any{"kid": kid})
		list = append(list, attack{"kid: " + name, token, auth.ErrKey})
	}
	list = append(
		list,
		attack{"kid: huge", raw(t, jose.RS256, pairs()["rsa"].private, mine(""), map[jose.HeaderKey]any{"kid": strings.Repeat("k", 300)}), auth.ErrMalformed},
		attack{"kid: a number", mac(`{"alg":"HS256","kid":1}`, mine(""), secret), auth.ErrMalformed},
		attack{"kid: twice", mac(`{"alg":"HS256","kid":"a","kid":"b"}`, mine(""), secret), auth.ErrMalformed},
		attack{"alg: twice", mac(`{"alg":"HS256","alg":"none"}`, mine(""), secret), auth.ErrMalformed},
		attack{"crit", mac(`{"alg":"HS256","crit":["exp"],"exp":1}`, mine(""), secret), auth.ErrMalformed},
		attack{"crit: b64, which the library knows", mac(`{"alg":"HS256","crit":["b64"],"b64":true}`, mine(""), secret), auth.ErrMalformed},
		attack{"crit: empty", mac(`{"alg":"HS256","crit":[]}`, mine(""), secret), auth.ErrMalformed},
		attack{"a token within a token", raw(t, jose.HS256, []byte(secret), hs(t, mine("")), map[jose.HeaderKey]any{"cty": "jwt"}), auth.ErrMalformed},
		attack{"a token as the claims", hs(t, hs(t, mine(""))), auth.ErrClaims},
		attack{"embedded jwk of the forger's", embedded(t), auth.ErrSignature},
	)
	return list
}

// embedded signs with a key of the forger's, and brings its public half along.
func embedded(t *testing.T) string {
	t.Helper()
	forger := ed25519.NewKeyFromSeed([]byte(strings.Repeat("f", 32)))
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: forger}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign([]byte(mine("")))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func shapes(t *testing.T) []attack {
	token := hs(t, mine(""))
	head, rest, _ := strings.Cut(token, ".")
	body, sig, _ := strings.Cut(rest, ".")
	deep := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	return []attack{
		{"empty", "", auth.ErrMalformed},
		{"a word", "token", auth.ErrMalformed},
		{"dots", "...", auth.ErrMalformed},
		{"two dots", "..", auth.ErrMalformed},
		{"8,000 dots", strings.Repeat(".", 8000), auth.ErrMalformed},
		{"two parts", head + "." + body, auth.ErrMalformed},
		{"four parts", token + "." + sig, auth.ErrMalformed},
		{"encrypted (JWE)", b64(`{"alg":"dir","enc":"A128GCM"}`) + "..AAAA.AAAA.AAAA", auth.ErrMalformed},
		{"JWS in JSON", `{"payload":"` + body + `","protected":"` + head + `","signature":"` + sig + `"}`, auth.ErrMalformed},
		{"with Bearer", "Bearer " + token, auth.ErrMalformed},
		{"space behind", token + " ", auth.ErrMalformed},
		{"line break behind", token + "\n", auth.ErrMalformed},
		{"line break within", head + ".\r\n" + body + "." + sig, auth.ErrMalformed},
		{"NUL behind", token + "\x00", auth.ErrMalformed},
		{"padding", token + "=", auth.ErrMalformed},
		{"base64 of the other alphabet", head + "." + body + "." + strings.Repeat("+/", 20), auth.ErrMalformed},
		{"bits behind the signature", token[:len(token)-1] + string(nextBase64(token[len(token)-1])), auth.ErrMalformed},
		{"header that is empty", mac("", mine(""), secret), auth.ErrMalformed},
		{"header that is no JSON", mac(`hello`, mine(""), secret), auth.ErrMalformed},
		{"header that is a list", mac(`["HS256"]`, mine(""), secret), auth.ErrMalformed},
		{"header in two", mac(`{"alg":"HS256"}{}`, mine(""), secret), auth.ErrMalformed},
		{"deep header", mac(`{"alg":"HS256","x":`+deep+`}`, mine(""), secret), auth.ErrMalformed},
		{"deep claims", hs(t, mine(`,"x":`+deep)), auth.ErrClaims},
		{"deep info", hs(t, mine(`,"info":`+strings.Repeat(`{"a":`, 40)+"1"+strings.Repeat("}", 40))), auth.ErrClaims},
		{"huge", hs(t, mine(`,"x":"`+strings.Repeat("x", 7000)+`"`)), auth.ErrMalformed},
		{"huge, and not even a token", strings.Repeat("x", 10<<20), auth.ErrMalformed},
	}
}

// nextBase64 changes the bits of a last character that stand for nothing.
func nextBase64(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)|1]
}

func claims(t *testing.T) []attack {
	list := []attack{
		{"no issuer", hs(t, good(`"aud":"starling"`)), auth.ErrIssuer},
		{"another issuer", hs(t, good(`"aud":"starling","iss":"evil"`)), auth.ErrIssuer},
		{"issuer with a slash more", hs(t, good(`"aud":"starling","iss":"id/"`)), auth.ErrIssuer},
		{"issuer of another case", hs(t, good(`"aud":"starling","iss":"ID"`)), auth.ErrIssuer},
		{"issuer that is a list", hs(t, good(`"aud":"starling","iss":["id"]`)), auth.ErrClaims},
		{"no audience", hs(t, good(`"iss":"id"`)), auth.ErrAudience},
		{"another audience", hs(t, good(`"iss":"id","aud":"shop"`)), auth.ErrAudience},
		{"other audiences", hs(t, good(`"iss":"id","aud":["shop","starlings",""]`)), auth.ErrAudience},
		{"audience null", hs(t, good(`"iss":"id","aud":null`)), auth.ErrAudience},
		{"audience that is a number", hs(t, good(`"iss":"id","aud":1`)), auth.ErrClaims},
		{"audience that is an object", hs(t, good(`"iss":"id","aud":{"starling":1}`)), auth.ErrClaims},
		{"claims in capitals", hs(t, good(`"ISS":"id","AUD":"starling"`)), auth.ErrIssuer},
		{"claims twice", hs(t, mine(`,"sub":"bob"`)), auth.ErrClaims},
		{"unknown claims twice", hs(t, mine(`,"x":1,"x":2`)), auth.ErrClaims},
		{"claims twice, once escaped", hs(t, mine(`,"\u0073ub":"bob"`)), auth.ErrClaims},
		{"claims that are a list", hs(t, `[`+mine("")+`]`), auth.ErrClaims},
		{"claims that are null", hs(t, `null`), auth.ErrClaims},
		{"claims that are empty", hs(t, ``), auth.ErrClaims},
		{"claims in two", hs(t, mine("")+mine("")), auth.ErrClaims},
		{"claims that are not UTF-8", hs(t, mine(`,"x":"`+"\xff"+`"`)), auth.ErrClaims},
		{"channels that is a list", hs(t, mine(`,"channels":["chat:*"]`)), auth.ErrClaims},
		{"channels with a word for a list", hs(t, mine(`,"channels":{"chat:*":"subscribe"}`)), auth.ErrClaims},
		{"channels with a verb that there is not", hs(t, mine(`,"channels":{"chat:*":["sub"]}`)), auth.ErrClaims},
		{"channels with a pattern twice", hs(t, mine(`,"channels":{"a":[],"a":["*"]}`)), auth.ErrClaims},
		{"channels with a pattern that is none", hs(t, mine(`,"channels":{"a*b":[]}`)), auth.ErrClaims},
		{"channels that widen the user", hs(t, mine(`,"channels":{"user:{user}*":[]}`)), auth.ErrClaims},
		{"info of 5 KiB", hs(t, mine(`,"info":"`+strings.Repeat("x", 5<<10)+`"`)), auth.ErrClaims},
		{"jti that is a number", hs(t, mine(`,"jti":7`)), auth.ErrClaims},
		{"jti too long", hs(t, mine(`,"jti":"`+strings.Repeat("x", 256)+`"`)), auth.ErrClaims},
	}
	for name, sub := range map[string]string{
		"a number": `7`, "null": `null`, "a list": `["ann"]`, "an object": `{"a":1}`, "true": `true`,
		"256 bytes": `"` + strings.Repeat("x", 256) + `"`, "with a NUL": `"ann\u0000"`, "with a line break": `"ann\nbob"`,
		"with DEL": `"ann\u007f"`, "with C1": `"ann\u0085"`, "with a line separator": `"ann\u2028"`,
		"with half a pair": `"ann\ud800"`, "not UTF-8": "\"ann\xff\"", "with U+FFFD": `"ann` + "\uFFFD" + `"`,
	} {
		list = append(list, attack{"sub " + name, hs(t, good(`"iss":"id","aud":"starling","sub":`+sub)), auth.ErrClaims})
	}
	return list
}

func times(t *testing.T) []attack {
	with := func(times string) string { return hs(t, `{"iss":"id","aud":"starling",`+times+`}`) }
	list := []attack{
		{"expired", with(`"exp":` + in(-time.Minute)), auth.ErrExpired},
		{"expired in 1970", with(`"exp":0`), auth.ErrExpired},
		{"no exp", with(`"iat":` + in(0)), auth.ErrClaims},
		{"exp in capitals", with(`"EXP":` + in(time.Hour)), auth.ErrClaims},
		{"not valid yet", with(`"exp":` + in(time.Hour) + `,"nbf":` + in(time.Minute)), auth.ErrNotYet},
		{"made in the future", with(`"exp":` + in(time.Hour) + `,"iat":` + in(time.Minute)), auth.ErrNotYet},
		{"nbf a string", with(`"exp":` + in(time.Hour) + `,"nbf":"0"`), auth.ErrClaims},
		{"iat a string", with(`"exp":` + in(time.Hour) + `,"iat":"0"`), auth.ErrClaims},
	}
	for name, exp := range map[string]string{
		"a string": `"` + in(time.Hour) + `"`, "null": `null`, "negative": `-1`, "in milliseconds": in(time.Hour) + `000`,
		"beyond every number": `1e400`, "beyond every year": `1e18`, "a list": `[` + in(time.Hour) + `]`, "true": `true`,
	} {
		list = append(list, attack{"exp " + name, with(`"exp":` + exp), auth.ErrClaims})
	}
	return list
}

// What a token says about where its key is, is not even looked at.
func TestHeadersThatAreIgnored(t *testing.T) {
	v := attacked(t)
	forger := ed25519.NewKeyFromSeed([]byte(strings.Repeat("f", 32)))
	for name, value := range map[string]any{
		"jku": "http://127.0.0.1:1/keys", "x5u": "file:///etc/passwd", "typ": "at+jwt",
		"jwk": jose.JSONWebKey{Key: forger.Public()}, "x5t": "AAAA", "b64": true, "unknown": []int{1},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := v.Verify(t.Context(), raw(t, jose.HS256, []byte(secret), mine(""), map[jose.HeaderKey]any{jose.HeaderKey(name): value})); err != nil {
				t.Errorf("a good token is refused: %v", err)
			}
			if _, err := v.Verify(t.Context(), raw(t, jose.EdDSA, forger, mine(""), map[jose.HeaderKey]any{jose.HeaderKey(name): value})); !errors.Is(err, auth.ErrSignature) {
				t.Errorf("the forger's: got %v, want ErrSignature", err)
			}
		})
	}
}

// An ECDSA signature has a twin that holds as well. It names the same user and
// the same token, so that revoking one revokes both.
func TestMalleableSignature(t *testing.T) {
	v := attacked(t)
	token := raw(t, jose.ES256, pairs()["ES256"].private, mine(`,"jti":"t-1"`), nil)
	sig := decoded(token)
	s := new(big.Int).SetBytes([]byte(sig[32:]))
	s.Sub(elliptic.P256().Params().N, s)
	twin := token[:strings.LastIndexByte(token, '.')+1] + b64(sig[:32]+string(s.FillBytes(make([]byte, 32))))
	for _, token := range []string{token, twin} {
		who, err := v.Verify(t.Context(), token)
		if err != nil || who.TokenID != "t-1" || who.User != "ann" {
			t.Errorf("got %+v, %v", who, err)
		}
	}
}

// Every point of small order is refused as a key: crypto/ed25519 accepts them, and
// one signature would hold for all messages.
func TestSmallOrderKeys(t *testing.T) {
	neutral := make(ed25519.PublicKey, 32)
	neutral[0] = 1
	sig := append([]byte{1}, make([]byte, 63)...)
	if !ed25519.Verify(neutral, []byte("anything"), sig) {
		t.Error("the standard library refuses small orders by now: the check can go")
	}
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		for _, sign := range []byte{0, 0x80} {
			p, err := hex.DecodeString(y)
			if err != nil {
				t.Fatal(err)
			}
			p[31] |= sign
			_, err = auth.New(auth.Options{Keys: []string{publicPEM(ed25519.PublicKey(p))}})
			if err == nil || !strings.Contains(err.Error(), "small order") {
				t.Errorf("%x: got %v", p, err)
			}
		}
	}
}
