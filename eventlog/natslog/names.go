package natslog

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strings"
)

// Names become tokens of subjects: letters, digits and a few signs stand for
// themselves, every other byte is "=" and two hexadecimal digits. "=" alone is
// the token of what is not there, "=-" that of what is empty.

const (
	noNamespace = "="
	emptyToken  = "=-"
	hexDigits   = "0123456789ABCDEF"
)

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '/' || c == ':' || c == '@'
}

// token returns the token of a name.
func token(name string) string {
	if name == "" {
		return emptyToken
	}
	odd := 0
	for i := range len(name) {
		if !plain(name[i]) {
			odd++
		}
	}
	if odd == 0 {
		return name
	}
	b := make([]byte, 0, len(name)+2*odd)
	for i := range len(name) {
		if c := name[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

// untoken returns the name of a token.
func untoken(t string) (string, error) {
	if t == emptyToken {
		return "", nil
	}
	if !strings.Contains(t, "=") {
		return t, nil
	}
	b := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		if t[i] != '=' {
			b = append(b, t[i])
			continue
		}
		if i+2 >= len(t) {
			return "", fmt.Errorf("token %q ends early", t)
		}
		hi, lo := strings.IndexByte(hexDigits, t[i+1]), strings.IndexByte(hexDigits, t[i+2])
		if hi < 0 || lo < 0 {
			return "", fmt.Errorf("token %q is no name", t)
		}
		b = append(b, byte(hi<<4|lo))
		i += 2
	}
	return string(b), nil
}

// subjectOf returns the two tokens of a channel: what stands before its first
// colon, and the rest. So one subscription covers the channels of a namespace.
func subjectOf(channel string) string {
	ns, rest, ok := strings.Cut(channel, ":")
	if !ok {
		return noNamespace + "." + token(channel)
	}
	return token(ns) + "." + token(rest)
}

// channelOf returns the channel of two tokens.
func channelOf(ns, rest string) (string, error) {
	r, err := untoken(rest)
	if err != nil || ns == noNamespace {
		return r, err
	}
	n, err := untoken(ns)
	return n + ":" + r, err
}

// patternOf returns the two tokens that cover all channels with a prefix, and
// perhaps others.
func patternOf(prefix string) string {
	ns, _, ok := strings.Cut(prefix, ":")
	if !ok {
		return "*.*"
	}
	return token(ns) + ".*"
}

// partitionOf returns the partition of a channel.
func partitionOf(channel string, n int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(channel)) // it never fails
	return int(h.Sum64() % uint64(n))
}

// keyToken returns the token of an idempotency key. Two keys do not share one:
// it is 128 bits of a cryptographic hash.
func keyToken(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// maxKVTokens bounds the tokens of a key of the key-values: what comes after is
// one token.
const maxKVTokens = 8

// kvSubject returns the tokens of a key: one for each part between slashes, so
// that keys can be listed by prefix.
func kvSubject(key string) string {
	parts := strings.SplitN(key, "/", maxKVTokens)
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(token(p), "/", "=2F")
	}
	return strings.Join(parts, ".")
}

// kvKey is the inverse of kvSubject.
func kvKey(subject string) (string, error) {
	parts := strings.Split(subject, ".")
	for i, p := range parts {
		name, err := untoken(p)
		if err != nil {
			return "", err
		}
		parts[i] = name
	}
	return strings.Join(parts, "/"), nil
}

// kvPattern returns the tokens that cover all keys with a prefix, and perhaps
// others.
func kvPattern(prefix string) string {
	parts := strings.SplitN(prefix, "/", maxKVTokens)
	if len(parts) == 1 {
		return ">"
	}
	return kvSubject(strings.Join(parts[:len(parts)-1], "/")) + ".>"
}
