package natslog

import (
	"strings"
	"testing"

	"github.com/starling-rt/starling/eventlog"
)

func TestSubjectsOfChannels(t *testing.T) {
	for channel, want := range map[string]string{
		"room":       "=.room",
		"chat:1":     "chat.1",
		"chat:a:b":   "chat.a:b",
		":":          "=-.=-",
		"":           "=.=-",
		"a.b*c> d:x": "a=2Eb=2Ac=3E=20d.x",
		"é":          "=.=C3=A9",
		"=":          "=.=3D",
		"=:-":        "=3D.-",
	} {
		got := subjectOf(channel)
		if got != want {
			t.Errorf("%q: got %q, want %q", channel, got, want)
		}
		ns, rest, _ := strings.Cut(got, ".")
		if back, err := channelOf(ns, rest); err != nil || back != channel {
			t.Errorf("%q: got back %q, %v", channel, back, err)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "a", "a:b", "a.b c*>\x00\xff", "=", "a/b/c/d/e/f/g/h/i//", "snap/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		where := subjectOf(name)
		ns, rest, _ := strings.Cut(where, ".")
		if strings.ContainsAny(where, " *>\t\r\n\x00") || strings.Count(where, ".") != 1 {
			t.Fatalf("%q: subject %q", name, where)
		}
		if back, err := channelOf(ns, rest); err != nil || back != name {
			t.Fatalf("%q: got back %q, %v", name, back, err)
		}
		key := kvSubject(name)
		if strings.ContainsAny(key, " *>\t\r\n\x00") || strings.Contains(key, "..") || strings.HasPrefix(key, ".") || strings.HasSuffix(key, ".") {
			t.Fatalf("%q: key %q", name, key)
		}
		if back, err := kvKey(key); err != nil || back != name {
			t.Fatalf("%q: got back key %q, %v", name, back, err)
		}
		for i := range name {
			// Whatever begins a key, its pattern matches the key.
			prefix := strings.TrimSuffix(kvPattern(name[:i]), ">")
			if !strings.HasPrefix(key+".", prefix) {
				t.Fatalf("%q: pattern of %q is %q, key %q", name, name[:i], prefix, key)
			}
		}
	})
}

func FuzzDecodeMeta(f *testing.F) {
	f.Add(encodeMeta(&eventlog.Record{ID: "i", Key: "k", User: "u", Time: -5, Tags: map[string]string{"a": "b"}}))
	f.Add(encodeSignal(&eventlog.Signal{Key: "k", User: "u", Delete: true}))
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, header string) {
		var r eventlog.Record
		if err := decodeMeta(header, &r); err == nil {
			var again eventlog.Record
			if err := decodeMeta(encodeMeta(&r), &again); err != nil || again.ID != r.ID || again.Time != r.Time || len(again.Tags) != len(r.Tags) {
				t.Fatalf("got %+v, %v, want %+v", again, err, r)
			}
		}
		var s eventlog.Signal
		_ = decodeSignal(header, &s) // it is not to panic
	})
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"2.15.0": true, "2.15.2": true, "2.16.0-RC.1": true, "3.0.0": true, "v2.15.0": true,
		"2.14.9": false, "1.99.0": false, "": false, "dev": false,
	} {
		if got := atLeast(version, 2, 15); got != want {
			t.Errorf("%q: got %v, want %v", version, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	got := redact([]string{"nats://u:p@w@a:4222", "tls://b"})
	if want := "nats://***@a:4222, tls://b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
