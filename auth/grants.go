package auth

import (
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/starling-rt/starling/protocol"
)

// Verb is something that a client may do on a channel. No verb implies another.
type Verb string

// The verbs that a token can grant.
const (
	Subscribe Verb = "subscribe" // to what comes
	Publish   Verb = "publish"
	Signal    Verb = "signal"
	Presence  Verb = "presence" // see who is there, and be seen
	History   Verb = "history"  // read what was
	Read      Verb = "read"     // a document
	Comment   Verb = "comment"  // on a document
	Write     Verb = "write"    // to a document
	Admin     Verb = "admin"    // trim, delete, disconnect others

	// Any stands for all verbs but [Admin], which a token has to name.
	Any Verb = "*"
)

// verbs is a set of verbs.
type verbs uint16

// all has the verbs in the order of their bits.
var all = [...]Verb{Subscribe, Publish, Signal, Presence, History, Read, Comment, Write, Admin}

// bits returns the set that v stands for, or 0 for an unknown verb.
func (v Verb) bits() verbs {
	switch v {
	case Subscribe:
		return 1 << 0
	case Publish:
		return 1 << 1
	case Signal:
		return 1 << 2
	case Presence:
		return 1 << 3
	case History:
		return 1 << 4
	case Read:
		return 1 << 5
	case Comment:
		return 1 << 6
	case Write:
		return 1 << 7
	case Admin:
		return 1 << 8
	case Any:
		return 1<<8 - 1
	}
	return 0
}

// MaxPatterns is the number of patterns that one token may have.
const MaxPatterns = 1000

// Grants are the verbs that a token grants, by channel. They are immutable and
// as small as a pointer. The zero Grants allow nothing.
type Grants struct{ c *compiled }

// compiled is Grants made for asking. A channel is looked up among the exact
// names, and among the prefixes of wildcards, which are sorted: the longest that
// the channel begins with is the one before its place, or an ancestor of that.
type compiled struct {
	exact    map[string]verbs
	prefixes []prefix
}

type prefix struct {
	text   string
	verbs  verbs // its own, and those of every shorter prefix of it
	parent int32 // the longest prefix in the list that text begins with; -1: none
}

// NewGrants compiles verbs by pattern for a user. A pattern is the name of a
// channel; or the beginning of names with "*" behind it; or "*", all channels.
// In it, {user} stands for [EscapeUser] of the user: it must be a whole part of
// the name, with a separator (one of :/@#$+=!) before it, and a separator or the
// end behind it, so that no user matches what is another's. The error wraps
// [ErrClaims].
func NewGrants(channels map[string][]Verb, user string) (Grants, error) {
	if len(channels) > MaxPatterns {
		return Grants{}, refuse(ErrClaims, "channels has %d patterns, and may have at most %d: use wildcards, or a namespace's settings", len(channels), MaxPatterns)
	}
	exact, wild := map[string]verbs{}, map[string]verbs{}
	for pattern, list := range channels {
		name, err := expand(pattern, user)
		if err != nil {
			return Grants{}, err
		}
		var set verbs
		for _, v := range list {
			b := v.bits()
			if b == 0 {
				return Grants{}, refuse(ErrClaims, "channels grants the unknown verb %s: there are %s and * (all but admin)", short(string(v)), listed())
			}
			set |= b
		}
		if before, ok := protocol.Wildcard(name); ok {
			wild[before] |= set
		} else {
			exact[name] |= set
		}
	}
	return Grants{&compiled{exact: exact, prefixes: sorted(wild)}}, nil
}

func listed() string {
	var b strings.Builder
	for i, v := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(v))
	}
	return b.String()
}

// sorted lists prefixes so that each comes after those that it begins with.
func sorted(wild map[string]verbs) []prefix {
	list := make([]prefix, 0, len(wild))
	for text, set := range wild {
		list = append(list, prefix{text: text, verbs: set, parent: -1})
	}
	slices.SortFunc(list, func(a, b prefix) int { return strings.Compare(a.text, b.text) })
	for i := range list {
		for up := int32(i) - 1; up >= 0; up = list[up].parent {
			if strings.HasPrefix(list[i].text, list[up].text) {
				list[i].parent = up
				list[i].verbs |= list[up].verbs
				break
			}
		}
	}
	return list
}

const userMark = "{user}"

// expand puts the user into a pattern, and checks it.
func expand(pattern, user string) (string, error) {
	rest, name := pattern, ""
	for {
		before, after, found := strings.Cut(rest, userMark)
		name += before
		if !found {
			break
		}
		if user == "" {
			return "", refuse(ErrClaims, "the pattern %s needs a user, and the token has no sub", short(pattern))
		}
		if name == "" || !separator(name[len(name)-1]) {
			return "", refuse(ErrClaims, "the pattern %s must have a separator before {user}, such as in inbox:{user}", short(pattern))
		}
		if after != "" && !separator(after[0]) {
			return "", refuse(ErrClaims, "the pattern %s must have nothing or a separator behind {user}, such as in user:{user}:*", short(pattern))
		}
		name += EscapeUser(user)
		rest = after
		if len(name) > protocol.MaxChannelBytes {
			break
		}
	}
	if name == "*" {
		return name, nil
	}
	if err := protocol.CheckPattern(name); err != nil {
		return "", refuse(ErrClaims, "the pattern %s cannot be used: %s", short(pattern), err.Message)
	}
	return name, nil
}

// separator tells the bytes of names that an escaped user has not.
func separator(c byte) bool { return strings.IndexByte(":/@#$+=!", c) >= 0 }

// parseGrants reads the claim channels.
func parseGrants(raw []byte, user string) (Grants, error) {
	var channels map[string][]Verb
	if err := json.Unmarshal(raw, &channels); err != nil {
		return Grants{}, refuse(ErrClaims, `channels must map each pattern, once, to a list of verbs, such as {"chat:*":["subscribe","publish"]}`)
	}
	if channels == nil { // null
		return Grants{}, nil
	}
	return NewGrants(channels, user)
}

// Allows tells whether verb is granted on channel. A channel may be a wildcard
// such as chat:*, as a client subscribes to one: that needs a wildcard in the
// grants that is as wide or wider. The caller has checked the name, by
// protocol.CheckChannel or CheckPattern. [Any] asks for all verbs but [Admin].
func (g Grants) Allows(verb Verb, channel string) bool {
	want := verb.bits()
	if g.c == nil || want == 0 {
		return false
	}
	name, wildcard := protocol.Wildcard(channel)
	have := g.c.wide(name)
	if !wildcard {
		have |= g.c.exact[channel]
	}
	return have&want == want
}

// IsZero tells whether there was no claim channels at all, which is not the same
// as one that grants nothing.
func (g Grants) IsZero() bool { return g.c == nil }

// Len returns the number of patterns.
func (g Grants) Len() int {
	if g.c == nil {
		return 0
	}
	return len(g.c.exact) + len(g.c.prefixes)
}

// wide returns the verbs of all wildcards that name begins with.
func (c *compiled) wide(name string) verbs {
	low, high := 0, len(c.prefixes)
	for low < high {
		mid := int(uint(low+high) / 2)
		if c.prefixes[mid].text <= name {
			low = mid + 1
		} else {
			high = mid
		}
	}
	for i := int32(low) - 1; i >= 0; i = c.prefixes[i].parent {
		if strings.HasPrefix(name, c.prefixes[i].text) {
			return c.prefixes[i].verbs
		}
	}
	return 0
}
