package protocol

import "strings"

// MaxChannelBytes is the length of the longest name of a channel.
const MaxChannelBytes = 255

// OwnPrefix is the beginning of the names of the server's own channels, which
// clients and the HTTP API cannot reach.
const OwnPrefix = "$"

// nameByte tells the bytes of which names are made: letters, digits and
// punctuation that needs no quoting in JSON, in a log or in a shell.
var nameByte = func() (ok [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/@#$+=~!") {
		ok[c] = true
	}
	return ok
}()

// CheckChannel returns an error unless name is the name of a channel: 1 to 255
// of A-Z, a-z, 0-9 and _-.:/@#$+=~! .
func CheckChannel(name string) *Error {
	if name == "" {
		return Errorf(BadChannel, "The name of the channel is missing.")
	}
	if len(name) > MaxChannelBytes {
		return Errorf(BadChannel, "The name of a channel has at most %d characters.", MaxChannelBytes)
	}
	for i := range len(name) {
		if !nameByte[name[i]] {
			return Errorf(BadChannel, "The name of a channel is made of A-Z, a-z, 0-9 and _-.:/@#$+=~! ; the character at %d is none of them.", i)
		}
	}
	return nil
}

// CheckPattern returns an error unless pattern is the name of a channel or a
// wildcard: a beginning of names, not empty, with "*" behind it.
func CheckPattern(pattern string) *Error {
	if prefix, ok := Wildcard(pattern); ok {
		if prefix == "" {
			return Errorf(BadChannel, "A wildcard needs something before the *, such as chat:* .")
		}
		return CheckChannel(prefix)
	}
	return CheckChannel(pattern)
}

// Wildcard tells whether pattern is a wildcard, and the prefix that it stands
// for.
func Wildcard(pattern string) (prefix string, ok bool) {
	return strings.CutSuffix(pattern, "*")
}

// Matches tells whether a channel's name is pattern, or begins as the wildcard
// pattern does.
func Matches(pattern, channel string) bool {
	if prefix, ok := Wildcard(pattern); ok {
		return strings.HasPrefix(channel, prefix)
	}
	return pattern == channel
}

// Namespace returns what stands before the first ":" of a channel's name, or ""
// for a name without one.
func Namespace(channel string) string {
	before, _, ok := strings.Cut(channel, ":")
	if !ok {
		return ""
	}
	return before
}
