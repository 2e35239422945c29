// Package signed posts JSON to an application's backend, with a signature by which
// that knows from whom it comes.
//
// The signature stands in a header:
//
//	Starling-Signature: t=1795471229,v1=HEX[,v1=HEX…]
//
// t is when it was made, in Unix seconds; each v1 is the HMAC-SHA256 of "t.body"
// under one of the secrets, in hexadecimal.
package signed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Header is the name of the header.
const Header = "Starling-Signature"

// MinSecretBytes is the length of the shortest secret.
const MinSecretBytes = 16

// MaxSecrets is how many secrets there can be at once.
const MaxSecrets = 4

// Errors of Verify.
var (
	ErrSignature = errors.New("the signature does not hold")
	ErrStale     = errors.New("the signature is too old, or of the future")
)

// Sign returns the header for a body that is sent now.
func Sign(secrets []string, now time.Time, body []byte) string {
	t := strconv.FormatInt(now.Unix(), 10)
	var b strings.Builder
	b.WriteString("t=" + t)
	for _, secret := range secrets {
		b.WriteString(",v1=" + hex.EncodeToString(sum(secret, t, body)))
	}
	return b.String()
}

func sum(secret, t string, body []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(t))
	m.Write([]byte{'.'})
	m.Write(body)
	return m.Sum(nil)
}

// Verify returns nil if header signs body under one of the secrets, at a time that
// is at most window away from now.
func Verify(header string, body []byte, secrets []string, now time.Time, window time.Duration) error {
	t := ""
	var sums [][]byte
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			t = value
		case "v1":
			if raw, err := hex.DecodeString(value); err == nil && len(sums) < MaxSecrets {
				sums = append(sums, raw)
			}
		}
	}
	at, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return ErrSignature
	}
	good := false
	for _, secret := range secrets {
		want := sum(secret, t, body)
		for _, got := range sums {
			good = hmac.Equal(got, want) || good
		}
	}
	if !good {
		return ErrSignature
	}
	if off := now.Sub(time.Unix(at, 0)); off > window || off < -window {
		return ErrStale
	}
	return nil
}

// CheckURL returns an error unless text is a URL that can be posted to.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a URL", text)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%q is not an http or https URL", text)
	case u.User != nil:
		return fmt.Errorf("the URL of %s has a password in it: requests are signed, and need none", u.Host)
	}
	return nil
}

// CheckSecrets returns an error unless secrets can sign.
func CheckSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return errors.New("a secret is needed to sign with")
	}
	if len(secrets) > MaxSecrets {
		return fmt.Errorf("there can be at most %d secrets", MaxSecrets)
	}
	for i, s := range secrets {
		if len(s) < MinSecretBytes {
			return fmt.Errorf("secret %d has %d bytes, and must have at least %d", i+1, len(s), MinSecretBytes)
		}
	}
	return nil
}
