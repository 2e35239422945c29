package natslog

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/starling-rt/starling/eventlog"
)

// Append hands a batch to the sender. Appends of one goroutine to one channel are
// stored in the order in which they were handed in.
func (e *Engine) Append(b *eventlog.Batch, done func(eventlog.Appended, error)) {
	p := &pending{batch: b, done: done, until: time.Now().Add(e.opts.AppendTimeout), partition: e.partition(b.Channel)}
	for i := range b.Records {
		p.bytes += int64(len(b.Records[i].Data)) + 256
	}
	if b.DedupKey != "" && e.policies.Of(b.Channel).KeyWindow <= 0 {
		b.DedupKey = ""
	}
	if err := e.send.add(p); err != nil {
		done(eventlog.Appended{}, fmt.Errorf("append to %q: %w", b.Channel, err))
	}
}

// messages returns what is sent for appends: one message, or an atomic batch. The
// answer to the last goes to reply.
func (s *sender) messages(members []*pending, reply string) []*nats.Msg {
	var out []*nats.Msg
	for _, p := range members {
		out = append(out, s.messagesOf(p)...)
	}
	if len(out) > 1 {
		id := nuid.Next()
		for i, m := range out {
			m.Header[headerBatchID] = []string{id}
			m.Header[headerBatchSeq] = []string{strconv.Itoa(i + 1)}
		}
		out[len(out)-1].Header[headerBatchCommit] = []string{"1"}
	}
	out[len(out)-1].Reply = reply
	return out
}

// messagesOf returns the messages of one append: the marker of its key, and its
// records.
func (s *sender) messagesOf(p *pending) []*nats.Msg {
	b := p.batch
	where := subjectOf(b.Channel)
	out := make([]*nats.Msg, 0, p.parts())
	if b.DedupKey != "" {
		out = append(out, &nats.Msg{
			Subject: p.partition.markers + where + "." + keyToken(b.DedupKey),
			Header: nats.Header{
				headerExpectLast: {"0"},
				headerTTL:        {ttlOf(s.e.policies.Of(b.Channel).KeyWindow)},
			},
			Data: encodeMarker(b),
		})
	}
	for i := range b.Records {
		m := &nats.Msg{
			Subject: p.partition.records + where,
			Header:  nats.Header{metaHeader: {encodeMeta(&b.Records[i])}},
			Data:    b.Records[i].Data,
		}
		if at, ok := b.Expect.Offset(); ok && i == 0 {
			m.Header[headerExpectLast] = []string{strconv.FormatUint(at, 10)}
		}
		out = append(out, m)
	}
	return out
}

// pubAck is the answer to a message that was published.
type pubAck struct {
	Error *apiError `json:"error"`
	Seq   uint64    `json:"seq"`
}

// published decodes the answer to a message: the sequence that it was stored at,
// or a refusal by the stream, or that there is no stream now.
func published(m *nats.Msg) (seq uint64, refused *apiError, err error) {
	if text(m.Header, headerStatus) == "503" {
		return 0, nil, fmt.Errorf("the stream has no leader: %w", eventlog.ErrUnavailable)
	}
	var ack pubAck
	if err := json.Unmarshal(m.Data, &ack); err != nil || ack.Error == nil && ack.Seq == 0 {
		return 0, nil, fmt.Errorf("answer of JetStream %q: %w", m.Data, eventlog.ErrUnknown)
	}
	return ack.Seq, ack.Error, nil
}

// wrongLast tells whether a message was refused because of what it expected.
func (e *apiError) wrongLast() bool {
	return e.ErrCode == codeWrongLast || e.ErrCode == codeWrongLastRacing
}

func appendedAt(p *pending, first, last uint64) eventlog.Appended {
	return eventlog.Appended{First: first, Last: eventlog.Position{Epoch: p.partition.epoch.Load(), Offset: last}}
}

// resolve finds out why an append was refused, and sends it again if it was
// because of another one that was in flight and came to nothing.
func (s *sender) resolve(p *pending) {
	ctx, cancel := context.WithDeadline(s.e.life, p.until)
	defer cancel()
	a, err, again := s.judge(ctx, p)
	if !again {
		s.finish(p, a, err)
		return
	}
	if time.Now().After(p.until) {
		if err == nil {
			err = fmt.Errorf("others were faster all the time: %w", s.e.trouble())
		}
		s.finish(p, a, err)
		return
	}
	s.mu.Lock()
	pause := min(time.Millisecond<<min(p.tries, 8), 100*time.Millisecond)
	s.mu.Unlock()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.e.life.Done():
	}
	s.again(p)
}

// judge reads what an append was refused for. The head comes before the marker:
// if it was moved by an append with this key, then that one's marker is there.
func (s *sender) judge(ctx context.Context, p *pending) (a eventlog.Appended, err error, again bool) {
	b := p.batch
	head, err := s.e.head(ctx, b.Channel)
	if err != nil {
		return a, s.e.notStored(err), false
	}
	if b.DedupKey != "" {
		m, err := s.e.leaderGet(ctx, p.partition.log, getRequest{
			LastFor: p.partition.markers + subjectOf(b.Channel) + "." + keyToken(b.DedupKey),
		})
		if err != nil {
			return a, s.e.notStored(err), false
		}
		if m != nil {
			hash, count, err := decodeMarker(m.data)
			switch {
			case err != nil:
				return a, fmt.Errorf("%w: %w", err, eventlog.ErrUnavailable), false
			case hash != b.Hash:
				return a, eventlog.ErrKeyReused, false
			}
			a = appendedAt(p, m.seq+1, m.seq+count)
			a.Duplicate = true
			return a, nil, false
		}
	}
	if want, ok := b.Expect.Offset(); ok && want != head.Offset {
		return s.compared(ctx, p, head, want)
	}
	return a, nil, true
}

// compared tells what became of an append that was refused and whose channel does not
// have the head that it expected. For a moment a stream can have two leaders that both
// hear what is published: one that was cut off and refuses it, and one that stores it.
// What is stored follows what was expected; and a head before that was told by a
// server that does not know better, unless it stays so.
func (s *sender) compared(ctx context.Context, p *pending, head eventlog.Position, want uint64) (a eventlog.Appended, err error, again bool) {
	b := p.batch
	conflict := &eventlog.ConflictError{Channel: b.Channel, Head: head}
	doubtful := s.e.copies > 1 && time.Until(p.until) > s.e.opts.AppendTimeout/5
	if head.Offset < want {
		return a, conflict, doubtful
	}
	m, err := s.e.leaderGet(ctx, p.partition.log, getRequest{Seq: want + 1, NextFor: p.partition.records + subjectOf(b.Channel)})
	if err != nil {
		return a, fmt.Errorf("it was refused, and may be stored: %w: %w", err, eventlog.ErrUnknown), false
	}
	if m == nil {
		return a, conflict, doubtful
	}
	r, err := decode(m)
	if err == nil && r.ID == b.Records[0].ID {
		return appendedAt(p, m.seq, m.seq+uint64(len(b.Records))-1), nil, false
	}
	return a, conflict, false
}

// notStored makes an error of a read that of an append that was refused.
func (e *Engine) notStored(err error) error {
	return fmt.Errorf("it was refused, and why is not known: %w: %w", err, e.trouble())
}
