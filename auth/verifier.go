package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// Options say which tokens a [Verifier] accepts. At least one key, secret or
// JWKS is needed. The algorithms follow from them: a secret is only ever used
// with HS256 (with HS384 and HS512 too if it has 48 and 64 bytes), an RSA key
// with RS* and PS*, an ECDSA key with the ES* of its curve, Ed25519 with EdDSA.
type Options struct {
	// Secrets are shared with who makes tokens, each of at least 32 bytes.
	// Several are for rotation: all are accepted.
	Secrets []string
	// Keys are public keys: each a text with PEM blocks (PUBLIC KEY, RSA PUBLIC
	// KEY or CERTIFICATE), a JWK or a JWK set. RSA from 2048 to 4096 bits, ECDSA
	// on P-256, P-384 or P-521, Ed25519.
	Keys []string
	// JWKS are sets of public keys that may change: each an https URL, an http URL
	// of this machine, or the name of a file.
	JWKS []string
	// Transport gets JWKS; default: one that keeps no connections. Redirects are
	// not followed, and an answer has to come within 5 s.
	Transport http.RoundTripper
	// Refreshed, if set, is told of each reading of a JWKS: how many keys can be
	// used, or why there are none; what was known before is then used on. Tokens
	// wait for it, and it must not call the Verifier.
	Refreshed func(where string, keys int, err error)

	// Issuer, if set, must be the token's iss.
	Issuer string
	// Audience, if set, must be the token's aud or one of them.
	Audience string
	// Leeway is by how much clocks may differ; default 30 s, negative: not at all.
	Leeway time.Duration
	// MaxAge, if set, ends tokens so long after their iat, which they must have.
	MaxAge time.Duration
	// AllowNoExpiry accepts tokens without exp, which nobody can take back.
	AllowNoExpiry bool
	// MaxTokenBytes is the size of the largest token; default 8 KiB, at most 64.
	MaxTokenBytes int
	// CacheBytes is the room, about, for tokens that were verified; default 16 MiB,
	// negative: none.
	CacheBytes int
}

// The defaults of Options.
const (
	defaultLeeway   = 30 * time.Second
	defaultMaxToken = 8 << 10
	mostMaxToken    = 64 << 10
	defaultCache    = 16 << 20
)

// Verifier checks tokens. Its methods are safe for concurrent use.
type Verifier struct {
	static  []*key
	sources []*source
	cache   *cache

	issuer, audience string
	leeway, maxAge   time.Duration
	noExpiry         bool
	maxToken         int
}

// New returns a Verifier, or an error that says which option is wrong. It reads
// files, and reaches no URL before a token needs it.
func New(o Options) (*Verifier, error) {
	v := &Verifier{
		issuer: o.Issuer, audience: o.Audience, leeway: o.Leeway, maxAge: o.MaxAge,
		noExpiry: o.AllowNoExpiry, maxToken: o.MaxTokenBytes,
	}
	if v.leeway == 0 {
		v.leeway = defaultLeeway
	}
	v.leeway = max(v.leeway, 0)
	if v.maxToken == 0 {
		v.maxToken = defaultMaxToken
	}
	if v.maxToken < 0 || v.maxToken > mostMaxToken {
		return nil, fmt.Errorf("auth: MaxTokenBytes must be 1 to %d", mostMaxToken)
	}
	if v.maxAge < 0 {
		return nil, errors.New("auth: MaxAge is negative")
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCache
	}
	v.cache = newCache(o.CacheBytes)
	if err := v.addKeys(o); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

func (v *Verifier) addKeys(o Options) error {
	for i, secret := range o.Secrets {
		k, err := secretKey(secret)
		if err != nil {
			return fmt.Errorf("auth: secret %d cannot be used: %w", i+1, err)
		}
		v.static = append(v.static, k)
	}
	for i, text := range o.Keys {
		keys, err := readKeys(text)
		if err != nil {
			return fmt.Errorf("auth: key %d cannot be used: %w", i+1, err)
		}
		v.static = append(v.static, keys...)
	}
	if len(v.static) > maxStaticKeys {
		return fmt.Errorf("auth: there are %d secrets and keys, and may be at most %d: a JWKS can have %d", len(v.static), maxStaticKeys, maxSetKeys)
	}
	for _, where := range o.JWKS {
		s, err := newSource(where, o.Transport)
		if err != nil {
			return err
		}
		s.report = o.Refreshed
		v.sources = append(v.sources, s)
		if !strings.Contains(where, "://") {
			if err := s.refresh(context.Background(), true); err != nil {
				return fmt.Errorf("auth: %w", err)
			}
		}
	}
	if len(v.static)+len(v.sources) == 0 {
		return errors.New("auth: there is no secret, no key and no JWKS to check tokens with")
	}
	return nil
}

// Close ends what is under way, and waits for it. The keys of a JWKS are not read
// any more.
func (v *Verifier) Close() {
	for _, s := range v.sources {
		s.close()
	}
}

// Refresh reads every JWKS now, and returns what went wrong, if it did.
func (v *Verifier) Refresh(ctx context.Context) error {
	var errs []error
	for _, s := range v.sources {
		if err := s.refresh(ctx, true); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrUnavailable, err))
		}
	}
	return errors.Join(errs...)
}

// Verify checks a token, and returns who it names. It may wait for a JWKS, for at
// most 5 s or as long as ctx lets it. Its errors wrap those of this package. What
// was revoked is for the caller to know: Verify does not ask.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, error) {
	if len(token) > v.maxToken {
		return nil, refuse(ErrMalformed, "it has %d bytes, and may have at most %d: use wildcards in channels, and keep info small", len(token), v.maxToken)
	}
	now := time.Now()
	sum := sha256.Sum256([]byte(token))
	if who := v.cached(ctx, sum, now); who != nil {
		return who, nil
	}
	t, err := parse(token)
	if err != nil {
		return nil, err
	}
	k, err := v.signed(ctx, t)
	if err != nil {
		return nil, err
	}
	who, until, err := v.identify(t.payload, now)
	if err != nil {
		return nil, err
	}
	v.cache.put(&entry{sum: sum, who: who, key: k, until: until, cost: 500 + 4*len(token)})
	return who, nil
}

// Forget drops a token from the cache of verified ones.
func (v *Verifier) Forget(token string) { v.cache.drop(sha256.Sum256([]byte(token))) }

// cached returns the identity of a token that was verified, if it and its key
// still hold.
func (v *Verifier) cached(ctx context.Context, sum digest, now time.Time) *Identity {
	e := v.cache.get(sum, now)
	if e == nil {
		return nil
	}
	if e.key.source != nil {
		// If it cannot be read, what is known goes on.
		_, _ = e.key.source.keys(ctx, e.key.id)
		if e.key.retired.Load() {
			v.cache.drop(sum)
			return nil
		}
	}
	return e.who
}

// unverified is a token that was taken apart.
type unverified struct {
	jws     *jose.JSONWebSignature
	alg     jose.SignatureAlgorithm
	kid     string
	payload []byte
}

// parse takes a token apart and reads its header. Of that, only alg and kid are
// used: a key that a token brings along, or says where to find, is never looked at.
func parse(token string) (*unverified, error) {
	parts := strings.SplitN(token, ".", 4)
	switch {
	case token == "":
		return nil, refuse(ErrMalformed, "it is empty")
	case len(parts) == 4 && strings.Count(token, ".") == 4:
		return nil, refuse(ErrMalformed, "it is encrypted (JWE), or no token: it must be signed, and not encrypted")
	case len(parts) != 3:
		return nil, refuse(ErrMalformed, "it must have three parts with a dot between them, as a signed JWT has")
	}
	var decoded [3][]byte
	for i, part := range parts {
		if strings.ContainsAny(part, "\r\n") {
			return nil, refuse(ErrMalformed, "there is a line break in it")
		}
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return nil, refuse(ErrMalformed, "its part %d is not base64url without padding", i+1)
		}
	}
	if len(decoded[0]) == 0 || !shallow(decoded[0]) {
		return nil, refuse(ErrMalformed, "its header is empty, or nested too deeply")
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	var alg *jose.ErrUnexpectedSignatureAlgorithm
	if errors.As(err, &alg) {
		return nil, refuse(ErrAlgorithm, "its alg is %s: it must be one of HS*, RS*, PS*, ES* and EdDSA", short(string(alg.Got)))
	}
	if err != nil {
		return nil, refuse(ErrMalformed, "its header cannot be read")
	}
	header := jws.Signatures[0].Protected
	if _, ok := header.ExtraHeaders["crit"]; ok {
		return nil, refuse(ErrMalformed, "its header has crit, which asks for an extension: there is none here")
	}
	if len(header.KeyID) > maxKeyIDBytes {
		return nil, refuse(ErrMalformed, "its kid has more than %d bytes", maxKeyIDBytes)
	}
	if cty, ok := header.ExtraHeaders[jose.HeaderContentType].(string); ok && strings.EqualFold(cty, "JWT") {
		return nil, refuse(ErrMalformed, "it is a token within a token, which is not opened")
	}
	return &unverified{jws, jose.SignatureAlgorithm(header.Algorithm), header.KeyID, decoded[1]}, nil
}

// maxTries is how many keys of a JWKS are tried for a token that names none.
const maxTries = 8

// signed returns the key that the token was signed with.
func (v *Verifier) signed(ctx context.Context, t *unverified) (*key, error) {
	tried := 0
	if k := t.try(v.static, maxStaticKeys, &tried); k != nil {
		return k, nil
	}
	known := tried > 0
	var unavailable error
	if !strings.HasPrefix(string(t.alg), "HS") { // there is no secret in a JWKS
		for _, s := range v.sources {
			keys, err := s.keys(ctx, t.kid)
			n := 0
			if k := t.try(keys, maxTries, &n); k != nil {
				return k, nil
			}
			tried += n
			if n > 0 {
				known = true
			} else if err != nil {
				unavailable = err
			}
		}
	}
	switch {
	case unavailable != nil:
		return nil, fmt.Errorf("%w: %w: try again", ErrUnavailable, unavailable)
	case known:
		return nil, refuse(ErrSignature, "none of the %d keys that may have signed it did: it was changed, or signed with another secret or key", tried)
	case v.accepts(t.alg):
		return nil, refuse(ErrKey, "its kid is %s, and there is no such key for %s", short(t.kid), t.alg)
	}
	return nil, refuse(ErrAlgorithm, "its alg is %s, and there is no key for that (HS384 needs a secret of 48 bytes, HS512 one of 64)", t.alg)
}

// try returns which of the keys the token was signed with, or nil.
func (t *unverified) try(keys []*key, most int, tried *int) *key {
	for _, k := range keys {
		if !k.fits(t.kid, t.alg) || *tried >= most {
			continue
		}
		*tried++
		if _, err := t.jws.Verify(k.material); err == nil {
			return k
		}
	}
	return nil
}

// accepts tells whether a key is for alg.
func (v *Verifier) accepts(alg jose.SignatureAlgorithm) bool {
	for _, k := range v.static {
		if k.fits("", alg) {
			return true
		}
	}
	for _, s := range v.sources {
		if l := s.set.Load(); l != nil {
			for _, k := range l.keys {
				if k.fits("", alg) {
					return true
				}
			}
		}
	}
	return false
}
