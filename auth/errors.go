package auth

import (
	"errors"
	"fmt"
)

// Why a token is refused. The errors of [Verifier.Verify] wrap one of these, with
// a sentence that says what to do. None of them contains the token.
var (
	// ErrMalformed: this is no signed JWT that could be read.
	ErrMalformed = errors.New("auth: malformed token")
	// ErrAlgorithm: signed with an algorithm that none of the keys is for.
	ErrAlgorithm = errors.New("auth: algorithm not accepted")
	// ErrKey: signed with a key that is not known.
	ErrKey = errors.New("auth: unknown key")
	// ErrSignature: the signature does not hold.
	ErrSignature = errors.New("auth: wrong signature")
	// ErrClaims: signed well, but what it says cannot be used.
	ErrClaims = errors.New("auth: unusable claims")
	// ErrExpired: it was good once.
	ErrExpired = errors.New("auth: token expired")
	// ErrNotYet: it is not good yet.
	ErrNotYet = errors.New("auth: token not valid yet")
	// ErrIssuer: it was made by somebody else.
	ErrIssuer = errors.New("auth: wrong issuer")
	// ErrAudience: it was made for somebody else.
	ErrAudience = errors.New("auth: wrong audience")
	// ErrUnavailable: the keys could not be read now. The same token may hold later.
	ErrUnavailable = errors.New("auth: keys unavailable")
)

// refuse returns an error that wraps kind, and says what to do.
func refuse(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...))
}

// short quotes what came from outside, cut to what a message can bear.
func short(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
