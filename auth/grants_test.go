package auth_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/protocol"
)

type patterns = map[string][]auth.Verb

func grants(t testing.TB, p patterns, user string) auth.Grants {
	t.Helper()
	g, err := auth.NewGrants(p, user)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAllows(t *testing.T) {
	g := grants(t, patterns{
		"news":           {auth.Subscribe},
		"chat:*":         {auth.Subscribe, auth.Publish},
		"chat:staff:*":   {auth.History},
		"chat:staff:all": {auth.Presence},
		"user:{user}":    {auth.Any},
		"user:{user}:*":  {auth.Signal},
		"ops:*":          {auth.Any, auth.Admin},
		"none:*":         {},
	}, "ann")
	for _, row := range []struct {
		verb    auth.Verb
		channel string
		want    bool
	}{
		{auth.Subscribe, "news", true},
		{auth.Publish, "news", false},
		{auth.Subscribe, "news:today", false},
		{auth.Subscribe, "new", false},
		{auth.Subscribe, "News", false},
		{auth.Subscribe, "chat:", true},
		{auth.Subscribe, "chat:a", true},
		{auth.Subscribe, "chat", false},
		{auth.Subscribe, "chatx", false},
		{auth.History, "chat:a", false},
		{auth.History, "chat:staff:a", true},
		{auth.Publish, "chat:staff:a", true},
		{auth.Publish, "chat:staff:all", true},
		{auth.History, "chat:staff:all", true},
		{auth.Presence, "chat:staff:all", true},
		{auth.Presence, "chat:staff:al", false},
		{auth.Write, "user:ann", true},
		{auth.Admin, "user:ann", false},
		{auth.Any, "user:ann", true},
		{auth.Any, "chat:a", false},
		{auth.Write, "user:anna", false},
		{auth.Write, "user:bob", false},
		{auth.Write, "user:{user}", false},
		{auth.Signal, "user:ann:x", true},
		{auth.Signal, "user:anna:x", false},
		{auth.Admin, "ops:a", true},
		{auth.Subscribe, "none:a", false},
		{"", "news", false},
		{"SUBSCRIBE", "news", false},
		{auth.Subscribe, "", false},
		// A wildcard needs one as wide.
		{auth.Subscribe, "chat:*", true},
		{auth.Subscribe, "chat:staff:*", true},
		{auth.History, "chat:staff:*", true},
		{auth.History, "chat:*", false},
		{auth.Subscribe, "chat*", false},
		{auth.Subscribe, "c*", false},
		{auth.Subscribe, "*", false},
		{auth.Subscribe, "news*", false},
		{auth.Presence, "chat:staff:all*", false},
		{auth.Signal, "user:ann:*", true},
		{auth.Any, "user:ann*", false},
	} {
		if got := g.Allows(row.verb, row.channel); got != row.want {
			t.Errorf("%s on %q: got %v, want %v", row.verb, row.channel, got, row.want)
		}
	}
}

func TestAllChannels(t *testing.T) {
	g := grants(t, patterns{"*": {auth.Subscribe}}, "")
	for _, channel := range []string{"a", "chat:x", "chat:*", "*"} {
		if !g.Allows(auth.Subscribe, channel) {
			t.Errorf("%q: got false", channel)
		}
	}
	if g.Allows(auth.Publish, "a") {
		t.Error("a verb that was not granted is allowed")
	}
}

func TestZeroGrants(t *testing.T) {
	var g auth.Grants
	var nobody *auth.Identity
	if g.Allows(auth.Subscribe, "a") || nobody.Allows(auth.Subscribe, "a") || !g.IsZero() || g.Len() != 0 {
		t.Error("the zero Grants allow something")
	}
	if g := grants(t, patterns{}, ""); g.IsZero() || g.Len() != 0 || g.Allows(auth.Subscribe, "a") {
		t.Error("grants of nothing are taken for none")
	}
}

// No user matches what is another's, whatever they are called.
func TestHostileUsers(t *testing.T) {
	p := patterns{"user:{user}": {auth.Read}, "room:{user}:*": {auth.Write}, "a/{user}/b/{user}": {auth.Signal}}
	users := []string{
		"ann", "ann:", "ann*", "*", "ann:*", ":", "a", "anna", "Ann", "ann~3A", "~", "~2A", "ann/", "../bob", "..",
		"{user}", "ann b", "änn", "ann%3A", "\"", "ann.bob", "ann-bob", "ann_bob", "bob", "ann#", "+", "=", "!", "@",
	}
	names := func(u string) []string {
		e := auth.EscapeUser(u)
		return []string{"user:" + e, "room:" + e + ":x", "room:" + e + ":*", "a/" + e + "/b/" + e}
	}
	for _, u := range users {
		g := grants(t, p, u)
		for _, other := range users {
			for i, name := range names(other) {
				if err := protocol.CheckPattern(name); err != nil {
					t.Errorf("%q is no name: %v", name, err)
				}
				verb := []auth.Verb{auth.Read, auth.Write, auth.Write, auth.Signal}[i]
				if got, want := g.Allows(verb, name), u == other; got != want {
					t.Errorf("%q on %q, which is %q's: got %v, want %v", u, name, other, got, want)
				}
			}
		}
		for _, name := range []string{"user:", "user:*", "room:*", "room:" + u, "a/*", "us", "*"} {
			if g.Allows(auth.Read, name) || g.Allows(auth.Write, name) || g.Allows(auth.Signal, name) {
				t.Errorf("%q may do something on %q", u, name)
			}
		}
	}
}

func TestEscapeUser(t *testing.T) {
	for user, want := range map[string]string{
		"":                "",
		"Ann-1_2.3":       "Ann-1_2.3",
		"ann@example.com": "ann~40example.com",
		"a:b*~%é":         "a~3Ab~2A~7E~25~C3~A9",
	} {
		if got := auth.EscapeUser(user); got != want {
			t.Errorf("%q: got %q, want %q", user, got, want)
		}
	}
}

func TestNewGrantsRefuses(t *testing.T) {
	lots := patterns{}
	for i := range auth.MaxPatterns + 1 {
		lots[fmt.Sprint("c", i)] = nil
	}
	one := []auth.Verb{auth.Subscribe}
	for _, row := range []struct {
		name string
		p    patterns
		user string
		want string
	}{
		{"unknown verb", patterns{"a": {"subscibe"}}, "", `unknown verb "subscibe": there are subscribe, publish, signal, presence, history, read, comment, write, admin and * (all but admin)`},
		{"verb of another case", patterns{"a": {"Subscribe"}}, "", "unknown verb"},
		{"empty verb", patterns{"a": {""}}, "", "unknown verb"},
		{"empty pattern", patterns{"": one}, "", "missing"},
		{"space", patterns{"a b": one}, "", "character at 1"},
		{"star within", patterns{"a*b": one}, "", "character at 1"},
		{"two stars", patterns{"a**": one}, "", "character at 1"},
		{"only stars", patterns{"**": one}, "", "cannot be used"},
		{"control character", patterns{"a\x00": one}, "", `"a\x00"`},
		{"not UTF-8", patterns{"a\xff": one}, "", "cannot be used"},
		{"too long", patterns{strings.Repeat("a", 256): one}, "", "at most 255"},
		{"huge", patterns{strings.Repeat("a", 1<<20): one}, "", "at most 255"},
		{"too many", lots, "", "1001 patterns, and may have at most 1000"},
		{"no user", patterns{"inbox:{user}": one}, "", "no sub"},
		{"the user is all", patterns{"{user}": one}, "news", "separator before"},
		{"the user begins", patterns{"{user}:inbox": one}, "chat", "separator before"},
		{"the user within a word", patterns{"inbox-{user}": one}, "ann", "separator before"},
		{"the user twice in a row", patterns{"a:{user}{user}": one}, "ann", "separator behind"},
		{"the user widened", patterns{"inbox:{user}*": one}, "ann", "separator behind"},
		{"the user before a word", patterns{"inbox:{user}-x": one}, "ann", "separator behind"},
		{"the user misspelt", patterns{"inbox:{User}": one}, "ann", "character at 6"},
		{"a long user", patterns{"inbox:{user}": one}, strings.Repeat(":", 100), "at most 255"},
		{"a long user, often", patterns{strings.Repeat(":{user}", 30): one}, strings.Repeat(":", 255), "at most 255"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := auth.NewGrants(row.p, row.user)
			if !errors.Is(err, auth.ErrClaims) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want ErrClaims with %q in it", err, row.want)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// naive answers as Allows does, by looking at every pattern.
func naive(p patterns, verb auth.Verb, channel string) bool {
	name, asked := protocol.Wildcard(channel)
	for pattern, list := range p {
		before, wildcard := protocol.Wildcard(pattern)
		match := pattern == channel
		if wildcard {
			match = strings.HasPrefix(name, before)
		} else if asked {
			match = false
		}
		for _, v := range list {
			if match && v == verb {
				return true
			}
		}
	}
	return false
}

func TestAllowsAsNaively(t *testing.T) {
	verbs := []auth.Verb{auth.Subscribe, auth.Publish, auth.Admin}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		name := func() string {
			b := make([]byte, 1+r.IntN(6))
			for i := range b {
				b[i] = "ab:"[r.IntN(3)]
			}
			if r.IntN(2) == 0 {
				return string(b) + "*"
			}
			return string(b)
		}
		p := patterns{}
		for range r.IntN(40) {
			p[name()] = verbs[r.IntN(3):][:1]
		}
		g := grants(t, p, "")
		for range 200 {
			channel, verb := name(), verbs[r.IntN(3)]
			if got, want := g.Allows(verb, channel), naive(p, verb, channel); got != want {
				t.Fatalf("seed %d: %s on %q of %v: got %v, want %v", seed, verb, channel, p, got, want)
			}
		}
	}
}

// wideGrants are as many as a token may have, half of them nested wildcards.
func wideGrants(t testing.TB) auth.Grants {
	p := patterns{}
	for i := range auth.MaxPatterns / 2 {
		p[fmt.Sprintf("room:%d:chat", i)] = []auth.Verb{auth.Subscribe}
		p[fmt.Sprintf("team:%d:*", i)] = []auth.Verb{auth.Subscribe, auth.Publish}
	}
	return grants(t, p, "")
}

func TestAllowsAllocatesNothing(t *testing.T) {
	g := wideGrants(t)
	asked := []string{"room:77:chat", "team:77:a", "team:77:*", "team:x", "zzz"}
	if n := testing.AllocsPerRun(100, func() {
		for _, channel := range asked {
			g.Allows(auth.Publish, channel)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkAllows(b *testing.B) {
	g := wideGrants(b)
	for _, channel := range []string{"room:77:chat", "team:77:a", "team:77:*", "other"} {
		b.Run(channel, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g.Allows(auth.Subscribe, channel)
			}
		})
	}
}
