package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// What a key must have.
const (
	minSecretBytes = 32
	minRSABits     = 2048
	maxRSABits     = 4096
	maxKeyIDBytes  = 255
	maxStaticKeys  = 16
	maxSetKeys     = 64
	maxSetBytes    = 256 << 10
)

// algorithms are all that tokens may be signed with. Which of them are accepted
// follows from the keys.
var algorithms = []jose.SignatureAlgorithm{
	jose.HS256, jose.HS384, jose.HS512,
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// key verifies signatures. It knows which algorithms it is for, so that a public
// key is never taken for a secret, whatever a token says.
type key struct {
	id       string // "": tried for any token
	algs     []jose.SignatureAlgorithm
	material any     // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	print    string  // equal for equal keys of a JWKS
	source   *source // the JWKS that it is from; nil: the options

	retired atomic.Bool // no longer in its JWKS
}

func (k *key) fits(kid string, alg jose.SignatureAlgorithm) bool {
	return (k.id == "" || kid == "" || k.id == kid) && slices.Contains(k.algs, alg)
}

// secretKey returns the key of a shared secret.
func secretKey(secret string) (*key, error) {
	switch n := len(secret); {
	case strings.Contains(secret, "-----BEGIN"):
		return nil, errors.New("it is a PEM key and not a secret: a public key belongs into Keys")
	case strings.HasPrefix(strings.TrimSpace(secret), "{"):
		return nil, errors.New("it is JSON and not a secret: a JWK belongs into Keys")
	case n < minSecretBytes:
		return nil, fmt.Errorf("it has %d bytes, and needs at least %d: make one with openssl rand -base64 48", n, minSecretBytes)
	}
	k := &key{material: []byte(secret), algs: []jose.SignatureAlgorithm{jose.HS256}}
	if len(secret) >= 48 { // RFC 7518: at least as long as the hash
		k.algs = append(k.algs, jose.HS384)
	}
	if len(secret) >= 64 {
		k.algs = append(k.algs, jose.HS512)
	}
	return k, nil
}

// publicKey returns the key of a public key, if that is strong enough.
func publicKey(id string, public any) (*key, error) {
	k := &key{id: id, material: public}
	if len(id) > maxKeyIDBytes {
		return nil, fmt.Errorf("its id has %d bytes, and may have at most %d", len(id), maxKeyIDBytes)
	}
	switch p := public.(type) {
	case *rsa.PublicKey:
		if n := p.N.BitLen(); n < minRSABits || n > maxRSABits {
			return nil, fmt.Errorf("an RSA key must have %d to %d bits, and this one has %d", minRSABits, maxRSABits, n)
		}
		if p.E < 3 || p.E%2 == 0 {
			return nil, fmt.Errorf("an RSA key cannot have the exponent %d", p.E)
		}
		k.algs = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256():
			k.algs = []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			k.algs = []jose.SignatureAlgorithm{jose.ES384}
		case elliptic.P521():
			k.algs = []jose.SignatureAlgorithm{jose.ES512}
		default:
			return nil, errors.New("an ECDSA key must be on P-256, P-384 or P-521")
		}
		if _, err := p.ECDH(); err != nil {
			return nil, errors.New("the ECDSA key is not a point on its curve")
		}
	case ed25519.PublicKey:
		if len(p) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("an Ed25519 key has %d bytes, and this one has %d", ed25519.PublicKeySize, len(p))
		}
		if smallOrder(p) {
			return nil, errors.New("the Ed25519 key is of small order: anybody can sign for it")
		}
		k.algs = []jose.SignatureAlgorithm{jose.EdDSA}
	default:
		return nil, fmt.Errorf("a %T is none of RSA, ECDSA and Ed25519", public)
	}
	return k, nil
}

// smallOrders are the y coordinates of the points of Ed25519 whose order divides
// 8, canonical or not, without the sign of x. crypto/ed25519 verifies with them.
var smallOrders = [...]string{
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
}

func smallOrder(p ed25519.PublicKey) bool {
	y := slices.Clone(p)
	y[len(y)-1] &= 0x7f
	return slices.Contains(smallOrders[:], string(y))
}

// readKeys reads public keys from PEM, a JWK or a JWK set. All must be usable.
func readKeys(text string) ([]*key, error) {
	if strings.Contains(text, "-----BEGIN") {
		return readPEM([]byte(text))
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "{") || json.Unmarshal([]byte(text), &set) != nil {
		return nil, errors.New("it is neither PEM nor a JWK nor a JWK set")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{json.RawMessage(text)}
	}
	var keys []*key
	for _, raw := range set.Keys {
		k, err := readJWK(raw)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func readPEM(text []byte) ([]*key, error) {
	var keys []*key
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		public, err := pemKey(block)
		if err != nil {
			return nil, err
		}
		k, err := publicKey("", public)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no whole PEM block in it")
	}
	return keys, nil
}

func pemKey(block *pem.Block) (crypto.PublicKey, error) {
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, errors.New("it is a private key: give only the public one, made with openssl pkey -in KEY -pubout")
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = cert.PublicKey
		}
	default:
		return nil, fmt.Errorf("a PEM block %s is none of PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE", short(block.Type))
	}
	if err != nil {
		return nil, fmt.Errorf("parse the PEM block %q: %w", block.Type, err)
	}
	return public, nil
}

// readJWK reads the public key of a JWK.
func readJWK(raw []byte) (*key, error) {
	if !shallow(raw) {
		return nil, errors.New("the JWK is nested too deeply")
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, errors.New("the JWK is not a JSON object")
	}
	for _, secret := range []string{"k", "d", "p", "q", "dp", "dq", "qi", "oth", "priv"} {
		if _, ok := parts[secret]; ok {
			return nil, fmt.Errorf("the JWK has the secret part %q: give only the public one, and shared secrets in Secrets", secret)
		}
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil {
		return nil, errors.New("the JWK is not an RSA, ECDSA or Ed25519 key that can be used")
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return nil, fmt.Errorf("the JWK is for %s and not for signatures", short(jwk.Use))
	}
	k, err := publicKey(jwk.KeyID, jwk.Key)
	if err != nil {
		return nil, err
	}
	if jwk.Algorithm != "" {
		alg := jose.SignatureAlgorithm(jwk.Algorithm)
		if !slices.Contains(k.algs, alg) {
			return nil, fmt.Errorf("the JWK cannot be used with its algorithm %s", short(jwk.Algorithm))
		}
		k.algs = []jose.SignatureAlgorithm{alg}
	}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, errors.New("the JWK has no thumbprint")
	}
	k.print = strings.Join([]string{jwk.KeyID, jwk.Algorithm, base64.RawURLEncoding.EncodeToString(sum)}, " ")
	return k, nil
}

// readSet reads a JWK set as an endpoint serves it: what is not a key for
// signatures is skipped, as RFC 7517 wants.
func readSet(raw []byte) ([]*key, error) {
	if len(raw) > maxSetBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxSetBytes)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if !shallow(raw) || json.Unmarshal(raw, &set) != nil || set.Keys == nil {
		return nil, errors.New(`it is not a JWK set, {"keys":[…]}`)
	}
	if len(set.Keys) > maxSetKeys {
		return nil, fmt.Errorf("it has %d keys, and may have at most %d", len(set.Keys), maxSetKeys)
	}
	var keys []*key
	var last error
	for _, raw := range set.Keys {
		k, err := readJWK(raw)
		if err != nil {
			last = err
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		if last != nil {
			return nil, fmt.Errorf("none of its %d keys can be used: %w", len(set.Keys), last)
		}
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}

// maxDepth is how deeply JSON of ours may be nested.
const maxDepth = 32

// shallow tells whether JSON is nested at most maxDepth deep. It need not be
// valid.
func shallow(raw []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}
