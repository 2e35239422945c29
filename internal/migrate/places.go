package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/webhook"
)

// Beginnings of keys that are not copied as they are.
const (
	leases       = "lease/"    // nobody holds one while nothing runs; their tokens go along
	snapshotAt   = "snap/"     // a snapshot, with a position
	snapshotData = "snapdata/" // its chunks, which go along with it
)

// keyValues copies the key-values, and reads each again. Those that hold positions in
// the source get those of the same records in the target.
func (m *migration) keyValues(ctx context.Context, r *Result) error {
	for after := ""; ; {
		items, next, err := m.from.KeyValues(ctx, after, channels)
		if err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		after = next
		for i := range items {
			if err := m.item(ctx, &items[i], r); err != nil {
				return fmt.Errorf("key %q: %w", items[i].Key, err)
			}
		}
	}
}

func (m *migration) item(ctx context.Context, it *pebblelog.KeyValue, r *Result) error {
	if strings.HasPrefix(it.Key, leases) {
		r.Left++
		return nil
	}
	if strings.HasPrefix(it.Key, snapshotData) {
		return nil
	}
	if name, ok := strings.CutPrefix(it.Key, snapshotAt); ok {
		return m.snapshot(ctx, name, r)
	}
	one := *it
	if channel, at, ok := webhook.Position(it.Key, it.Value); ok {
		there, complete, err := m.translate(ctx, channel, at)
		if err != nil {
			return err
		}
		if complete {
			one.Value = webhook.EncodePosition(there)
		}
		// Otherwise it has missed something. A position of another epoch says so,
		// and that it goes on with all that there is.
	}
	r.Keys++
	return m.keyValue(ctx, &one)
}

// translate returns the position in the target that has the same records before and
// after it as one in the source. It is not complete if something that came after it
// is gone, or if it is of another epoch.
func (m *migration) translate(ctx context.Context, channel string, at eventlog.Position) (there eventlog.Position, complete bool, err error) {
	rest, err := m.from.Read(ctx, channel, at.Offset, eventlog.Limit{Records: 1})
	if err != nil || !rest.Complete || rest.Head.Epoch != at.Epoch || at.Offset > rest.Head.Offset {
		return there, false, err
	}
	head, err := m.to.Head(ctx, channel)
	if err != nil {
		return there, false, err
	}
	if len(rest.Records) == 0 {
		return head, true, nil
	}
	there.Epoch = head.Epoch
	next := rest.Records[0].ID
	r := &reader{engine: m.to, channel: channel}
	for {
		one, err := r.next(ctx)
		switch {
		case err != nil:
			return there, false, err
		case one == nil:
			return there, false, fmt.Errorf("%w: %s is not there", ErrDiffers, next)
		case one.ID == next:
			return there, true, nil
		}
		there.Offset = one.Offset
	}
}

// snapshot copies a snapshot that bears the name of a channel, with the position of
// the same record there. One whose channel is gone, or has lost what follows, cannot
// be gone on from: it is left out.
func (m *migration) snapshot(ctx context.Context, name string, r *Result) error {
	snap, err := eventlog.NewSnapshots(m.from.KV()).Get(ctx, name)
	if errors.Is(err, eventlog.ErrNotFound) {
		r.Left++
		return nil
	}
	if err != nil {
		return err
	}
	there, complete, err := m.translate(ctx, name, snap.At)
	if err != nil {
		return err
	}
	if !complete || snap.At.Offset == 0 {
		r.Left++
		return nil
	}
	snap.At = there
	target := eventlog.NewSnapshots(m.to.KV())
	same := func() (bool, error) {
		have, err := target.Get(ctx, name)
		if errors.Is(err, eventlog.ErrNotFound) {
			return false, nil
		}
		return err == nil && have.At == snap.At && string(have.Data) == string(snap.Data), err
	}
	if ok, err := same(); err != nil || ok {
		r.Snapshots++
		return err
	}
	if err := target.Put(ctx, name, snap); err != nil {
		return err
	}
	ok, err := same()
	if err == nil && !ok {
		err = fmt.Errorf("%w: the snapshot is not as it was written", ErrDiffers)
	}
	r.Snapshots++
	return err
}

// keyValue copies a key-value that is not there, and reads it again.
func (m *migration) keyValue(ctx context.Context, it *pebblelog.KeyValue) error {
	kv := m.to.KV()
	there, err := kv.Get(ctx, it.Key)
	if err == nil {
		if string(there.Value) != string(it.Value) {
			return fmt.Errorf("%w: it has another value there", ErrDiffers)
		}
		return nil
	}
	if !errors.Is(err, eventlog.ErrNotFound) {
		return err
	}
	o := eventlog.PutOptions{Expect: eventlog.Absent}
	if !it.Expires.IsZero() {
		if o.TTL = time.Until(it.Expires); o.TTL < time.Second {
			return nil // it is over
		}
	}
	if _, err := kv.Put(ctx, it.Key, it.Value, o); err != nil {
		return err
	}
	there, err = kv.Get(ctx, it.Key)
	if err == nil && string(there.Value) != string(it.Value) {
		err = fmt.Errorf("%w: it is not as it was written", ErrDiffers)
	}
	return err
}
