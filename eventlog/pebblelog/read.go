package pebblelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/starling-rt/starling/eventlog"
)

// Head returns the position of the last record ever stored in a channel.
func (e *Engine) Head(ctx context.Context, channel string) (eventlog.Position, error) {
	if err := e.enter(ctx); err != nil {
		return eventlog.Position{}, fmt.Errorf("head of %q: %w", channel, err)
	}
	defer e.leave()
	v, err := e.view(channel)
	if err != nil {
		return eventlog.Position{}, fmt.Errorf("head of %q: %w", channel, err)
	}
	return v.head, nil
}

// Read returns records with offsets above after, oldest first.
func (e *Engine) Read(ctx context.Context, channel string, after uint64, limit eventlog.Limit) (eventlog.Page, error) {
	if err := e.enter(ctx); err != nil {
		return eventlog.Page{}, fmt.Errorf("read %q: %w", channel, err)
	}
	defer e.leave()
	p, err := e.read(channel, after, limit.WithDefaults())
	if err != nil {
		return eventlog.Page{}, fmt.Errorf("read %q: %w", channel, err)
	}
	return p, nil
}

func (e *Engine) read(channel string, after uint64, limit eventlog.Limit) (p eventlog.Page, err error) {
	v, err := e.view(channel)
	if err != nil {
		return p, err
	}
	p.Head = v.head
	if !v.known {
		p.Complete = after == 0 || after >= v.forgotten
		return p, nil
	}
	if after >= v.last || v.trimmed >= v.last {
		p.Complete = v.complete(after)
		return p, nil
	}
	err = e.scan(channel, max(after, v.trimmed)+1, v.last, func(it *pebble.Iterator) error {
		// Only now: what the iterator does not see any more was announced.
		now, err := e.view(channel)
		if err != nil {
			return err
		}
		p.Complete = now.complete(after)
		ok := it.First()
		for ok && offsetOf(it.Key()) <= now.trimmed {
			ok = it.Next()
		}
		bytes := 0
		for ; ok; ok = it.Next() {
			r, err := record(it)
			if err != nil {
				return err
			}
			bytes += len(r.Data)
			if n := len(p.Records); n >= limit.Records || n > 0 && bytes > limit.Bytes {
				p.More = true
				break
			}
			if p.Records == nil {
				p.Records = make([]eventlog.Record, 0, min(limit.Records, int(max(v.count, 1))))
			}
			p.Records = append(p.Records, r)
		}
		return nil
	})
	return p, err
}

// ReadBefore returns the newest records with offsets below before, oldest first;
// before 0 stands for the end of the log.
func (e *Engine) ReadBefore(ctx context.Context, channel string, before uint64, limit eventlog.Limit) (eventlog.Page, error) {
	if err := e.enter(ctx); err != nil {
		return eventlog.Page{}, fmt.Errorf("read %q: %w", channel, err)
	}
	defer e.leave()
	p, err := e.readBefore(channel, before, limit.WithDefaults())
	if err != nil {
		return eventlog.Page{}, fmt.Errorf("read %q: %w", channel, err)
	}
	return p, nil
}

func (e *Engine) readBefore(channel string, before uint64, limit eventlog.Limit) (p eventlog.Page, err error) {
	v, err := e.view(channel)
	if err != nil {
		return p, err
	}
	p.Head, p.Complete = v.head, !v.known || v.complete(0)
	through := v.last
	if before != 0 {
		through = min(through, before-1)
	}
	if !v.known || through <= v.trimmed {
		return p, nil
	}
	err = e.scan(channel, v.trimmed+1, through, func(it *pebble.Iterator) error {
		now, err := e.view(channel)
		if err != nil {
			return err
		}
		p.Complete = now.complete(0)
		bytes := 0
		for ok := it.Last(); ok && offsetOf(it.Key()) > now.trimmed; ok = it.Prev() {
			r, err := record(it)
			if err != nil {
				return err
			}
			bytes += len(r.Data)
			if n := len(p.Records); n >= limit.Records || n > 0 && bytes > limit.Bytes {
				p.More = true
				break
			}
			p.Records = append(p.Records, r)
		}
		slices.Reverse(p.Records)
		return nil
	})
	return p, err
}

// scan calls f with an iterator over the records of a channel from one offset
// through another.
func (e *Engine) scan(channel string, from, through uint64, f func(*pebble.Iterator) error) (err error) {
	lower := recordKey(make([]byte, 0, len(channel)+10), channel, from)
	upper := recordKey(make([]byte, 0, len(channel)+10), channel, through+1)
	if e.hooks.scanning != nil {
		e.hooks.scanning()
	}
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if err := f(it); err != nil {
		return err
	}
	return it.Error()
}

// offsetOf returns the offset that a record's key ends in.
func offsetOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// record returns the record that an iterator stands at.
func record(it *pebble.Iterator) (eventlog.Record, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return eventlog.Record{}, err
	}
	return decodeRecord(value, offsetOf(it.Key()))
}
