package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
	"unicode/utf8"
)

// Log is the log of all channels, on an engine. It checks what is appended,
// stamps it, and leaves the keeping to the engine. Its methods are safe for
// concurrent use.
type Log struct {
	engine    Engine
	leases    *Leases
	snapshots *Snapshots
}

// New returns a log on an engine, which it closes when it is closed.
func New(e Engine) *Log {
	return &Log{engine: e, leases: NewLeases(e.KV()), snapshots: NewSnapshots(e.KV())}
}

// Append stores records and returns when they are as durable as the channel's
// policy demands. If ctx ends first the records may or may not be stored, and
// the error is an ErrUnknown.
func (l *Log) Append(ctx context.Context, a Append) (Appended, error) {
	type result struct {
		appended Appended
		err      error
	}
	ch := make(chan result, 1)
	l.AppendAsync(a, func(r Appended, err error) { ch <- result{r, err} })
	select {
	case r := <-ch:
		return r.appended, r.err
	case <-ctx.Done():
		return Appended{}, fmt.Errorf("append to %q: %w: %w", a.Channel, ErrUnknown, ctx.Err())
	}
}

// AppendAsync is Append for callers that do not wait: done is called once, from
// any goroutine, perhaps before AppendAsync returns, and must not block. Appends
// of one goroutine are stored in the order in which they were handed in.
func (l *Log) AppendAsync(a Append, done func(Appended, error)) {
	b, err := prepare(&a)
	if err != nil {
		done(Appended{}, fmt.Errorf("append to %q: %w", a.Channel, err))
		return
	}
	l.engine.Append(b, done)
}

// Head returns the position of the last record ever stored in a channel.
func (l *Log) Head(ctx context.Context, channel string) (Position, error) {
	return l.engine.Head(ctx, channel)
}

// Read returns records with offsets above after, oldest first. Page.Complete
// tells whether anything between was removed.
func (l *Log) Read(ctx context.Context, channel string, after uint64, limit Limit) (Page, error) {
	return l.engine.Read(ctx, channel, after, limit.WithDefaults())
}

// ReadBefore returns the newest records with offsets below before, oldest first;
// before 0 stands for the end of the log.
func (l *Log) ReadBefore(ctx context.Context, channel string, before uint64, limit Limit) (Page, error) {
	return l.engine.ReadBefore(ctx, channel, before, limit.WithDefaults())
}

// Trim removes the records of a channel with offsets up to and including through.
func (l *Log) Trim(ctx context.Context, channel string, through uint64) error {
	return l.engine.Trim(ctx, channel, through)
}

// Delete removes a channel's records, keys and slots; see [Engine].
func (l *Log) Delete(ctx context.Context, channel string) error {
	return l.engine.Delete(ctx, channel)
}

// Watch delivers what is stored and signalled from now on; see [Engine].
func (l *Log) Watch(pattern string, sink Sink) (stop func(), err error) {
	return l.engine.Watch(pattern, sink)
}

// Signal says something on a channel without storing it in the log.
func (l *Log) Signal(ctx context.Context, s Signal) error {
	if err := checkSignal(&s); err != nil {
		return fmt.Errorf("signal on %q: %w", s.Channel, err)
	}
	if s.Time == 0 {
		s.Time = time.Now().UnixMilli()
	}
	return l.engine.Signal(ctx, s)
}

// Slots returns the newest values of a channel's conflated signals, in the order
// of their versions.
func (l *Log) Slots(ctx context.Context, channel string) ([]Signal, error) {
	return l.engine.Slots(ctx, channel)
}

// KV returns the key-values beside the logs.
func (l *Log) KV() KV { return l.engine.KV() }

// Leases returns the leases kept in the key-values.
func (l *Log) Leases() *Leases { return l.leases }

// Snapshots returns the snapshots kept in the key-values.
func (l *Log) Snapshots() *Snapshots { return l.snapshots }

// Info describes the engine.
func (l *Log) Info() Info { return l.engine.Info() }

// Health returns nil if appends can be expected to succeed, or what is wrong.
func (l *Log) Health(ctx context.Context) error { return l.engine.Health(ctx) }

// Close closes the engine.
func (l *Log) Close() error { return l.engine.Close() }

// prepare checks an append and completes its records.
func prepare(a *Append) (*Batch, error) {
	if err := checkAppend(a); err != nil {
		return nil, err
	}
	now := time.Now().UnixMilli()
	b := &Batch{Channel: a.Channel, Expect: a.Expect, Records: make([]Record, len(a.Entries))}
	for i, e := range a.Entries {
		r := Record{ID: e.ID, Key: a.Key, User: a.User, Time: e.Time, Tags: e.Tags, Data: e.Data}
		if r.ID == "" {
			r.ID = NewID(now)
		}
		if r.Time == 0 {
			r.Time = now
		}
		b.Records[i] = r
	}
	if a.Key != "" {
		scope := a.Scope
		if scope == "" {
			scope = a.User
		}
		b.DedupKey = scope + "\x00" + a.Key
		b.Hash = hash(a.Entries)
	}
	return b, nil
}

func checkAppend(a *Append) error {
	switch {
	case len(a.Entries) == 0 || len(a.Entries) > MaxBatch:
		return fmt.Errorf("%d records, not 1 to %d: %w", len(a.Entries), MaxBatch, ErrInvalid)
	case len(a.Key) > MaxKeyBytes:
		return fmt.Errorf("key of %d bytes, more than %d: %w", len(a.Key), MaxKeyBytes, ErrInvalid)
	case len(a.User) > MaxUserBytes || len(a.Scope) > MaxUserBytes:
		return fmt.Errorf("user of more than %d bytes: %w", MaxUserBytes, ErrInvalid)
	}
	for i := range a.Entries {
		if err := checkEntry(&a.Entries[i]); err != nil {
			return err
		}
	}
	return checkChannel(a.Channel)
}

func checkEntry(e *Entry) error {
	switch {
	case len(e.Data) > MaxDataBytes:
		return fmt.Errorf("data of %d bytes, more than %d: %w", len(e.Data), MaxDataBytes, ErrInvalid)
	case len(e.Tags) > MaxTags:
		return fmt.Errorf("%d tags, more than %d: %w", len(e.Tags), MaxTags, ErrInvalid)
	case len(e.ID) > MaxKeyBytes:
		return fmt.Errorf("id of %d bytes, more than %d: %w", len(e.ID), MaxKeyBytes, ErrInvalid)
	}
	for k, v := range e.Tags {
		if len(k)+len(v) > MaxTagBytes {
			return fmt.Errorf("tag of %d bytes, more than %d: %w", len(k)+len(v), MaxTagBytes, ErrInvalid)
		}
	}
	return nil
}

func checkChannel(name string) error {
	if name == "" || len(name) > MaxChannelBytes || !utf8.ValidString(name) {
		return fmt.Errorf("channel name of %d bytes, not 1 to %d of UTF-8: %w", len(name), MaxChannelBytes, ErrInvalid)
	}
	return nil
}

func checkSignal(s *Signal) error {
	switch {
	case len(s.Data) > MaxDataBytes:
		return fmt.Errorf("data of %d bytes, more than %d: %w", len(s.Data), MaxDataBytes, ErrInvalid)
	case len(s.Key) > MaxKeyBytes:
		return fmt.Errorf("key of %d bytes, more than %d: %w", len(s.Key), MaxKeyBytes, ErrInvalid)
	case len(s.User) > MaxUserBytes:
		return fmt.Errorf("user of %d bytes, more than %d: %w", len(s.User), MaxUserBytes, ErrInvalid)
	case s.Delete && s.Key == "":
		return fmt.Errorf("a delete without a key: %w", ErrInvalid)
	}
	return checkChannel(s.Channel)
}

// hash tells one body from another. It does not cover what the log stamps.
func hash(entries []Entry) uint64 {
	h := sha256.New()
	var n [8]byte
	write := func(b []byte) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, e := range entries {
		write(e.Data)
		for _, k := range slices.Sorted(maps.Keys(e.Tags)) {
			write([]byte(k))
			write([]byte(e.Tags[k]))
		}
		write(nil)
	}
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// NewID returns an id for a record: 20 characters of A–Z, a–z, 0–9, "-" and "_",
// 48 bits of the time given in Unix milliseconds and 72 random ones.
func NewID(now int64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now)<<16|rand.Uint64()&0xffff)
	binary.BigEndian.PutUint64(b[8:], rand.Uint64())
	return base64.RawURLEncoding.EncodeToString(b[:15])
}
