package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// Claims are what a token says.
type Claims struct {
	User      string            // sub; "" is anonymous
	TokenID   string            // jti, by which the token can be revoked
	Issuer    string            // iss
	Audience  []string          // aud
	IssuedAt  time.Time         // iat; zero: now
	NotBefore time.Time         // nbf; zero: none
	Expires   time.Time         // exp; must be set, or NoExpiry be true
	NoExpiry  bool              // no exp
	Channels  map[string][]Verb // channels, as [NewGrants] takes them; nil: none
	Info      json.RawMessage   // info; nil: none
}

// SignerOptions say with what a [Signer] signs: Secret or PrivateKey.
type SignerOptions struct {
	// Secret is shared with the server, and has at least 32 bytes.
	Secret string
	// PrivateKey is a PEM block (PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY) or
	// a JWK.
	PrivateKey string
	// KeyID is the kid of the tokens; default: that of the JWK, or none.
	KeyID string
	// Algorithm is what to sign with; default HS256, RS256, EdDSA, or the ES* of
	// the key's curve.
	Algorithm string
}

// Signer makes tokens. It is safe for concurrent use.
type Signer struct{ jws jose.Signer }

// NewSigner returns a Signer.
func NewSigner(o SignerOptions) (*Signer, error) {
	var k *key
	var private any
	var err error
	switch {
	case (o.Secret == "") == (o.PrivateKey == ""):
		return nil, errors.New("auth: give either a secret or a private key to sign with")
	case o.Secret != "":
		private = []byte(o.Secret)
		k, err = secretKey(o.Secret)
	default:
		private, k, err = readPrivate(o.PrivateKey)
	}
	if err != nil {
		return nil, fmt.Errorf("auth: the key to sign with cannot be used: %w", err)
	}
	alg := k.algs[0]
	if o.Algorithm != "" {
		alg = jose.SignatureAlgorithm(o.Algorithm)
		if !slices.Contains(k.algs, alg) {
			return nil, fmt.Errorf("auth: the key to sign with is for %v, and not for %s", k.algs, short(o.Algorithm))
		}
	}
	headers := (&jose.SignerOptions{}).WithType("JWT")
	if o.KeyID != "" {
		k.id = o.KeyID
	}
	if len(k.id) > maxKeyIDBytes {
		return nil, fmt.Errorf("auth: KeyID has %d bytes, and may have at most %d", len(k.id), maxKeyIDBytes)
	}
	if k.id != "" {
		headers = headers.WithHeader("kid", k.id)
	}
	jws, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: private}, headers)
	if err != nil {
		return nil, fmt.Errorf("auth: the key to sign with cannot be used: %w", err)
	}
	return &Signer{jws}, nil
}

// readPrivate reads a private key, and what its public half is for.
func readPrivate(text string) (private any, k *key, err error) {
	id := ""
	if strings.Contains(text, "-----BEGIN") {
		private, err = readPrivatePEM([]byte(text))
	} else {
		var jwk jose.JSONWebKey
		if jwk.UnmarshalJSON([]byte(text)) != nil {
			return nil, nil, errors.New("it is neither PEM nor a JWK of a private key")
		}
		private, id = jwk.Key, jwk.KeyID
	}
	if err != nil {
		return nil, nil, err
	}
	var public crypto.PublicKey
	switch p := private.(type) {
	case *rsa.PrivateKey:
		public = p.Public()
	case *ecdsa.PrivateKey:
		public = p.Public()
	case ed25519.PrivateKey:
		public = p.Public()
	default:
		return nil, nil, errors.New("it is not the private key of RSA, ECDSA or Ed25519")
	}
	k, err = publicKey(id, public)
	return private, k, err
}

func readPrivatePEM(text []byte) (any, error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, errors.New("there is no PEM block PRIVATE KEY in it")
		}
		text = rest
		switch block.Type {
		case "PRIVATE KEY":
			return x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			return x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		}
	}
}

// wire are claims as they stand in a token.
type wire struct {
	Iss      string            `json:"iss,omitempty"`
	Sub      string            `json:"sub,omitempty"`
	Aud      []string          `json:"aud,omitempty"`
	Exp      int64             `json:"exp,omitempty"`
	Nbf      int64             `json:"nbf,omitempty"`
	Iat      int64             `json:"iat"`
	Jti      string            `json:"jti,omitempty"`
	Channels map[string][]Verb `json:"channels,omitzero"`
	Info     json.RawMessage   `json:"info,omitempty"`
}

// Sign makes a token. What no [Verifier] would accept is an error that wraps
// [ErrClaims].
func (s *Signer) Sign(c Claims) (string, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = time.Now()
	}
	w := wire{
		Iss: c.Issuer, Sub: c.User, Aud: c.Audience, Iat: c.IssuedAt.Unix(), Jti: c.TokenID,
		Channels: c.Channels, Info: c.Info,
	}
	if !c.Expires.IsZero() {
		w.Exp = c.Expires.Unix()
	}
	if !c.NotBefore.IsZero() {
		w.Nbf = c.NotBefore.Unix()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		return "", refuse(ErrClaims, "they cannot be written as JSON: %v", err)
	}
	signed, err := s.jws.Sign(bytes.TrimSpace(b.Bytes()))
	if err != nil {
		return "", fmt.Errorf("auth: sign a token: %w", err)
	}
	return signed.CompactSerialize()
}

func (c *Claims) check() error {
	if c.Expires.IsZero() != c.NoExpiry {
		return refuse(ErrClaims, "either Expires or NoExpiry must be set")
	}
	for name, s := range map[string]string{"sub": c.User, "jti": c.TokenID, "iss": c.Issuer} {
		if err := checkText(name, s); err != nil {
			return err
		}
	}
	for _, t := range []time.Time{c.Expires, c.NotBefore, c.IssuedAt} {
		if s := t.Unix(); !t.IsZero() && (s < 0 || s > lastSecond) {
			return refuse(ErrClaims, "%s is not a time from 1970 to 9999", stamp(t))
		}
	}
	if _, err := NewGrants(c.Channels, c.User); err != nil {
		return err
	}
	if len(c.Info) == 0 {
		return nil
	}
	if !shallow(c.Info) {
		return refuse(ErrClaims, "info is nested more than %d deep", maxDepth)
	}
	_, err := compact([]byte(c.Info))
	return err
}
