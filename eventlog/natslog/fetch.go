package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// scan reads messages of a stream in order, from any replica, and proves that it
// saw all there were up to some sequence.
type scan struct {
	stream string
	filter string // subject, perhaps with wildcards
	after  uint64
	// upTo is a sequence of a message that is there, as the leader said. Without
	// the limits of the scan, a replica that does not come to it is behind.
	upTo uint64
	// records and bytes are when the scan may end early.
	records, bytes int
}

// maxBatchRecords is how many messages are asked for at once.
const maxBatchRecords = 512

// replicaPause is how long a replica that is behind gets, and replicaTries how
// often, before the leader is asked for each message.
const (
	replicaPause = 5 * time.Millisecond
	replicaTries = 40
)

// run returns the messages after s.after in their order: all up to s.upTo at
// least, unless a limit ended it. take is called with each and returns false when
// it has enough.
func (e *Engine) scan(ctx context.Context, s scan, take func(*stored) bool) error {
	ctx, cancel := e.bound(ctx)
	defer cancel()
	after := s.after
	for tries := 0; after < s.upTo; {
		var enough bool
		last, err := e.batch(ctx, s, after, func(m *stored) bool {
			enough = enough || !take(m)
			return !enough
		})
		switch {
		case err != nil && ctx.Err() != nil:
			return e.gaveUp(ctx, err)
		case e.closed.Load():
			return eventlog.ErrClosed
		case err != nil && !e.nc.IsConnected():
			return fmt.Errorf("no connection to NATS: %w", eventlog.ErrUnavailable)
		case enough:
			return nil
		case last > after:
			after, tries = last, 0
			continue
		}
		if tries++; tries > replicaTries {
			return e.scanLeader(ctx, s, after, take)
		}
		select {
		case <-ctx.Done():
			return e.gaveUp(ctx, errors.New("the replicas are behind"))
		case <-time.After(replicaPause):
		}
	}
	return nil
}

// scanLeader is scan with the leader alone, a request for each message.
func (e *Engine) scanLeader(ctx context.Context, s scan, after uint64, take func(*stored) bool) error {
	for after < s.upTo {
		m, err := e.leaderGet(ctx, s.stream, getRequest{Seq: after + 1, NextFor: s.filter})
		if err != nil || m == nil {
			return err
		}
		if after = m.seq; !take(m) {
			return nil
		}
	}
	return nil
}

// batch asks any replica once, and returns the sequence of the last message that
// came. More may come after it.
func (e *Engine) batch(ctx context.Context, s scan, after uint64, take func(*stored) bool) (last uint64, err error) {
	raw, err := json.Marshal(getRequest{
		Seq: after + 1, NextFor: s.filter, Batch: min(s.records, maxBatchRecords), MaxBytes: s.bytes,
	})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	var got []*nats.Msg
	ended := make(chan struct{})
	id, reply := e.mux.expect(func(m *nats.Msg) bool {
		got = append(got, m)
		if text(m.Header, headerStatus) == "" {
			return true
		}
		close(ended)
		return false
	})
	defer e.mux.forget(id)
	if err := e.nc.PublishMsg(&nats.Msg{Subject: "$JS.API.DIRECT.GET." + s.stream, Reply: reply, Data: raw}); err != nil {
		return 0, err
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return chained(s.stream, got, take)
}

// chained gives the messages of a batch to take. Each names the one before it, so
// that one that was lost on the way is noticed.
func chained(stream string, got []*nats.Msg, take func(*stored) bool) (last uint64, err error) {
	for _, m := range got {
		status := text(m.Header, headerStatus)
		switch {
		case status == "404":
			return 0, nil
		case status != "" && status != "204":
			return 0, fmt.Errorf("read %s: status %s %s", stream, status, text(m.Header, "Description"))
		case number(m.Header, headerLastSequence) != last:
			return 0, fmt.Errorf("read %s: what follows %d was lost on the way", stream, last)
		case status != "":
			return last, nil
		}
		last = number(m.Header, headerSequence)
		if !take(direct(m, last)) {
			return last, nil
		}
	}
	return last, nil
}

// direct returns the message that a direct get has found.
func direct(m *nats.Msg, seq uint64) *stored {
	at, err := time.Parse(time.RFC3339Nano, text(m.Header, headerTimeStamp))
	if err != nil {
		at = time.Time{}
	}
	return &stored{subject: text(m.Header, headerSubject), seq: seq, time: at, header: m.Header, data: m.Data}
}
