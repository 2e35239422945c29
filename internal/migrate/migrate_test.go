package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/migrate"
	"github.com/starling-rt/starling/internal/webhook"
)

// source returns a directory's engine with channels, keys and key-values.
func source(t *testing.T) *pebblelog.Engine {
	t.Helper()
	e, err := pebblelog.Open(t.TempDir(), pebblelog.Options{Policies: migrate.Keep})
	if err != nil {
		t.Fatal(err)
	}
	log := eventlog.New(e)
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	for c := range 5 {
		for i := range 40 * c {
			a := eventlog.Append{Channel: fmt.Sprint("c:", c), User: "u", Entries: []eventlog.Entry{{Data: fmt.Append(nil, i), Tags: map[string]string{"n": fmt.Sprint(i)}}}}
			if i%7 == 3 {
				a.Key = fmt.Sprint("key-", i)
				a.Entries = append(a.Entries, eventlog.Entry{Data: []byte("the second of two")})
			}
			if _, err := log.Append(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := log.Delete(t.Context(), "c:1"); err != nil {
		t.Fatal(err)
	}
	put := func(key string, ttl time.Duration) {
		if _, err := log.KV().Put(t.Context(), key, []byte("value of "+key), eventlog.PutOptions{TTL: ttl}); err != nil {
			t.Fatal(err)
		}
	}
	put("revoked/x", time.Hour)
	put("kept", 0)
	put("webhook-occupied/n1/c:1", 0)
	if _, err := log.Leases().Acquire(t.Context(), "y", "me", time.Hour); err != nil {
		t.Fatal(err)
	}
	return e
}

// nth returns the position of the nth record of a channel, counted from 1, or the
// beginning of the channel for 0.
func nth(t *testing.T, e eventlog.Engine, channel string, n int) eventlog.Position {
	t.Helper()
	p, err := e.Read(t.Context(), channel, 0, eventlog.Limit{Records: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	at := eventlog.Position{Epoch: p.Head.Epoch}
	if n > 0 {
		at.Offset = p.Records[n-1].Offset
	}
	return at
}

// Positions of webhooks and snapshots are those of the same records after the move.
func TestPositionsAreTranslated(t *testing.T) {
	from, to := source(t), memory.New(memory.Options{Policies: migrate.Keep})
	defer to.Close()
	log, last := eventlog.New(from), 80+80/7
	if n := len(contents(t, from, "c:2")); n != last {
		t.Fatalf("%d records, want %d", n, last)
	}
	if err := log.Trim(t.Context(), "c:3", nth(t, from, "c:3", 10).Offset); err != nil {
		t.Fatal(err)
	}
	other := eventlog.Position{Epoch: 1, Offset: 7}
	trimmed := eventlog.Position{Epoch: nth(t, from, "c:3", 0).Epoch, Offset: nth(t, from, "c:3", 1).Offset - 3}
	hooks := map[string]struct {
		channel string
		at      eventlog.Position
		want    func() eventlog.Position
	}{
		"beginning": {"c:2", nth(t, from, "c:2", 0), func() eventlog.Position { return nth(t, to, "c:2", 0) }},
		"middle":    {"c:2", nth(t, from, "c:2", 40), func() eventlog.Position { return nth(t, to, "c:2", 40) }},
		"end":       {"c:2", nth(t, from, "c:2", last), func() eventlog.Position { return nth(t, to, "c:2", last) }},
		"missed":    {"c:3", trimmed, func() eventlog.Position { return trimmed }},
		"epoch":     {"c:2", other, func() eventlog.Position { return other }},
	}
	for name, h := range hooks {
		if _, err := log.KV().Put(t.Context(), "webhook/"+name+"/pos/"+h.channel, webhook.EncodePosition(h.at), eventlog.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, at := range map[string]eventlog.Position{"c:2": nth(t, from, "c:2", 40), "c:3": trimmed, "gone": other} {
		if err := log.Snapshots().Put(t.Context(), name, eventlog.Snapshot{At: at, Data: bytes.Repeat([]byte(name), 100_000)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second finds all as it is
		r, err := migrate.Run(t.Context(), from, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Snapshots != 1 || r.Left != 3 || int(r.Keys) != 4+len(hooks) {
			t.Errorf("got %+v", r)
		}
	}
	for name, h := range hooks {
		key := "webhook/" + name + "/pos/" + h.channel
		it, err := to.KV().Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		channel, got, ok := webhook.Position(key, it.Value)
		if want := h.want(); !ok || channel != h.channel || got != want {
			t.Errorf("%s: got %q at %+v, want %q at %+v", name, channel, got, h.channel, want)
		}
	}
	snap, err := eventlog.New(to).Snapshots().Get(t.Context(), "c:2")
	if err != nil || snap.At != nth(t, to, "c:2", 40) || len(snap.Data) != 300_000 {
		t.Errorf("snapshot: got %d bytes at %+v, %v", len(snap.Data), snap.At, err)
	}
}

func contents(t *testing.T, e eventlog.Engine, channel string) (all []eventlog.Record) {
	t.Helper()
	p, err := e.Read(t.Context(), channel, 0, eventlog.Limit{Records: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Records {
		r.Offset = 0
		all = append(all, r)
	}
	return all
}

// stumbling fails after some appends: sometimes it has stored what it says is not
// known.
type stumbling struct {
	eventlog.Engine
	left atomic.Int64
}

var errFell = errors.New("fell")

func (s *stumbling) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	n := s.left.Add(-1)
	if n < 0 {
		done(eventlog.Appended{}, errFell)
		return
	}
	s.Engine.Append(b, func(a eventlog.Appended, err error) {
		if n == 3 && err == nil {
			err = eventlog.ErrUnknown
		}
		done(a, err)
	})
}

// What is cut short is gone on with, and in the end all is there, once.
func TestRunGoesOn(t *testing.T) {
	from, to := source(t), &stumbling{Engine: memory.New(memory.Options{Policies: migrate.Keep})}
	defer to.Close()
	var r migrate.Result
	runs := 0
	for ; ; runs++ {
		to.left.Store(20)
		var err error
		if r, err = migrate.Run(t.Context(), from, to, nil); err == nil {
			break
		}
		if !errors.Is(err, errFell) || runs > 20 {
			t.Fatal(err)
		}
	}
	if runs == 0 {
		t.Error("it was not cut short")
	}
	if r.Channels != 3 || r.Keys != 4 || r.Left != 1 || r.Copied >= r.Records {
		t.Errorf("got %+v", r)
	}
	for c := range 5 {
		name := fmt.Sprint("c:", c)
		if want, got := contents(t, from, name), contents(t, to, name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	log := eventlog.New(to.Engine)
	done, err := log.Append(t.Context(), eventlog.Append{
		Channel: "c:2", User: "u", Key: "key-3",
		Entries: []eventlog.Entry{{Data: []byte("3"), Tags: map[string]string{"n": "3"}}, {Data: []byte("the second of two")}},
	})
	if err != nil || !done.Duplicate {
		t.Errorf("a key that was used before the move: got %+v and %v, want a duplicate", done, err)
	}
	if it, err := to.KV().Get(t.Context(), "kept"); err != nil || string(it.Value) != "value of kept" {
		t.Errorf("a key-value: got %q and %v", it.Value, err)
	}
	if _, err := to.KV().Get(t.Context(), "lease/y"); !errors.Is(err, eventlog.ErrNotFound) {
		t.Errorf("a lease was copied: %v", err)
	}
	if held, err := log.Leases().Acquire(t.Context(), "y", "other", time.Minute); err != nil || held.Token != 2 {
		t.Errorf("a lease after the move: got %+v and %v, want the second token", held, err)
	}
}

// What is in the target already, and not from the source, is left alone.
func TestRunIntoOthersRecords(t *testing.T) {
	from, to := source(t), memory.New(memory.Options{Policies: migrate.Keep})
	log := eventlog.New(to)
	defer log.Close()
	if _, err := log.Append(t.Context(), eventlog.Append{Channel: "c:3", Entries: []eventlog.Entry{{Data: []byte("mine")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := migrate.Run(t.Context(), from, to, nil); !errors.Is(err, migrate.ErrDiffers) {
		t.Errorf("got %v, want ErrDiffers", err)
	}
	if got := contents(t, to, "c:3"); len(got) != 1 {
		t.Errorf("%d records, want the one that was there", len(got))
	}
}

// A migration ends when it is told to.
func TestRunEnds(t *testing.T) {
	from, to := source(t), memory.New(memory.Options{})
	defer to.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := migrate.Run(ctx, from, to, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}
