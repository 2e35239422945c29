package auth

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Identity is who a client is and what it may do. The zero Identity is
// anonymous and may do nothing.
//
// An Identity that a [Verifier] returned is shared by all who came with the same
// token: it must not be changed.
type Identity struct {
	User     string          // claim sub; "" is anonymous
	TokenID  string          // claim jti; "" if the token has none
	IssuedAt time.Time       // claim iat; zero if the token has none
	Expires  time.Time       // when the token ends; zero if it does not
	Grants   Grants          // claim channels
	Info     json.RawMessage // claim info, on one line; nil if the token has none
}

// Allows tells whether the identity's token grants verb on channel. See
// [Grants.Allows]. A nil Identity is anonymous.
func (i *Identity) Allows(verb Verb, channel string) bool {
	return i != nil && i.Grants.Allows(verb, channel)
}

// MaxUserBytes is the length of the longest user and of the longest token id.
const MaxUserBytes = 255

// MaxInfoBytes is the size of the largest claim info.
const MaxInfoBytes = 4 << 10

// CheckUser returns an error that wraps [ErrClaims] unless user can be the name
// of a user: at most 255 bytes of valid UTF-8, without control characters and
// without U+FFFD, which stands for what could not be read. "" is anonymous.
func CheckUser(user string) error { return checkText("sub", user) }

func checkText(claim, s string) error {
	if len(s) > MaxUserBytes {
		return refuse(ErrClaims, "%s has %d bytes, and may have at most %d", claim, len(s), MaxUserBytes)
	}
	if !utf8.ValidString(s) {
		return refuse(ErrClaims, "%s is not valid UTF-8", claim)
	}
	for i, r := range s {
		if unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return refuse(ErrClaims, "%s has the character %U at byte %d: control characters, line separators and U+FFFD may not be in it", claim, r, i)
		}
	}
	return nil
}

// EscapeUser returns what stands for user where a pattern says {user}: letters,
// digits and "-_." as they are, any other byte as "~" and two upper-case
// hexadecimal digits. That is percent-encoding with "~" for "%". No two users
// have the same, and none has a ":" or another separator in it.
func EscapeUser(user string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(user) {
		c := user[i]
		if plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('~')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

// plain tells the bytes of a user that need no escape.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}
