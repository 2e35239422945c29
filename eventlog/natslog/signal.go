package natslog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// Signal passes a signal on. One with a key is stored in its slot, and the stream
// of the slots passes it on.
func (e *Engine) Signal(ctx context.Context, s eventlog.Signal) error {
	if err := e.check(ctx, "signal on", s.Channel); err != nil {
		return err
	}
	if s.Time == 0 {
		s.Time = time.Now().UnixMilli()
	}
	var err error
	switch {
	case s.Key == "":
		err = e.passOn(&s)
	case s.Delete:
		err = e.emptySlot(ctx, &s)
	default:
		err = e.fillSlot(ctx, &s)
	}
	if err != nil {
		return fmt.Errorf("signal on %q: %w", s.Channel, err)
	}
	return nil
}

// passOn sends a signal that is not kept.
func (e *Engine) passOn(s *eventlog.Signal) error {
	err := e.nc.PublishMsg(&nats.Msg{
		Subject: e.live(subjectOf(s.Channel), liveSignal), Data: s.Data,
		Header: nats.Header{metaHeader: {encodeSignal(s)}},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", err, eventlog.ErrUnavailable)
	}
	return nil
}

func (e *Engine) slotSubject(channel, key string) string {
	return e.partition(channel).slotValues + subjectOf(channel) + "." + token(key)
}

func (e *Engine) slotMessage(s *eventlog.Signal, ttl time.Duration) *nats.Msg {
	m := &nats.Msg{
		Subject: e.slotSubject(s.Channel, s.Key), Data: s.Data,
		Header: nats.Header{metaHeader: {encodeSignal(s)}},
	}
	if ttl > 0 {
		m.Header[headerTTL] = []string{ttlOf(ttl)}
	}
	return m
}

func (e *Engine) fillSlot(ctx context.Context, s *eventlog.Signal) error {
	if err := e.wholeAgain(ctx); err != nil {
		return err
	}
	policy := e.policies.Of(s.Channel)
	if err := e.makeRoom(ctx, s, policy.MaxSlots); err != nil {
		return err
	}
	ttl := s.TTL
	if ttl <= 0 {
		ttl = policy.SlotTTL
	}
	_, err := e.publish(ctx, e.slotMessage(s, ttl))
	return err
}

// emptySlotTTL is how long the note that a slot was emptied stays if it cannot be
// removed at once.
const emptySlotTTL = 5 * time.Second

// emptySlot stores that a slot is empty, which is passed on like a value, and
// removes that again.
func (e *Engine) emptySlot(ctx context.Context, s *eventlog.Signal) error {
	if err := e.wholeAgain(ctx); err != nil {
		return err
	}
	empty := *s
	empty.Data = nil
	seq, err := e.publish(ctx, e.slotMessage(&empty, emptySlotTTL))
	if err != nil {
		return err
	}
	e.rooms.emptied(s.Channel)
	return e.purge(ctx, e.partition(s.Channel).slots, e.slotSubject(s.Channel, s.Key), seq+1)
}

// Slots returns the values of the channel's slots, in the order of their
// versions.
func (e *Engine) Slots(ctx context.Context, channel string) ([]eventlog.Signal, error) {
	if err := e.check(ctx, "slots of", channel); err != nil {
		return nil, err
	}
	slots, err := e.slots(ctx, channel)
	if err != nil {
		return nil, fmt.Errorf("slots of %q: %w", channel, err)
	}
	return slots, nil
}

func (e *Engine) slots(ctx context.Context, channel string) ([]eventlog.Signal, error) {
	p := e.partition(channel)
	filter := p.slotValues + subjectOf(channel) + ".*"
	last, err := e.leaderGet(ctx, p.slots, getRequest{LastFor: filter})
	if err != nil || last == nil {
		return nil, err
	}
	var out []eventlog.Signal
	var bad error
	s := scan{stream: p.slots, filter: filter, upTo: last.seq, records: maxBatchRecords, bytes: 8 << 20}
	err = e.scan(ctx, s, func(m *stored) bool {
		var sig eventlog.Signal
		if sig, bad = signalOf(channel, m); bad == nil && !sig.Delete {
			out = append(out, sig)
		}
		return bad == nil && m.seq < last.seq
	})
	return out, errors.Join(err, bad)
}

// signalOf returns the signal of a message: of one that is not kept, of a slot, or
// of the note that a slot has expired.
func signalOf(channel string, m *stored) (s eventlog.Signal, err error) {
	s = eventlog.Signal{Channel: channel, Version: m.seq}
	if text(m.header, headerMarker) == "" {
		if err := decodeSignal(meta(m.header), &s); err != nil {
			return s, err
		}
		if !s.Delete {
			s.Data = m.data
		}
		return s, nil
	}
	s.Delete = true
	s.Time = time.Now().UnixMilli()
	s.Key, err = untoken(m.subject[strings.LastIndexByte(m.subject, '.')+1:])
	return s, err
}

// clearSlots empties all slots of a channel, and says so of each.
func (e *Engine) clearSlots(ctx context.Context, channel string) error {
	slots, err := e.slots(ctx, channel)
	if err != nil {
		return err
	}
	for i := range slots {
		if err := e.emptySlot(ctx, &eventlog.Signal{
			Channel: channel, Key: slots[i].Key, User: slots[i].User, Time: time.Now().UnixMilli(), Delete: true,
		}); err != nil {
			return err
		}
	}
	return nil
}

// rooms knows about how many slots the channels have, so that not every signal
// has to ask. Other nodes fill slots too: near the bound, the stream is asked.
type rooms struct {
	mu    sync.Mutex
	known map[string]*room
}

type room struct {
	slots int       // when the stream was asked
	at    time.Time // when that was
	sent  int       // signals since then, each perhaps with another key
}

// How long a count is good, and of how many channels it is kept.
const (
	roomAge  = 10 * time.Second
	maxRooms = 100_000
)

// take tells whether a channel surely has room for one more slot.
func (r *rooms) take(channel string, most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.known[channel]
	if c == nil || time.Since(c.at) > roomAge || c.sent >= (most-c.slots)/2 {
		return false
	}
	c.sent++
	return true
}

func (r *rooms) counted(channel string, slots int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRooms {
		clear(r.known)
	}
	r.known[channel] = &room{slots: slots, at: time.Now(), sent: 1}
}

// emptied notes that the count of a channel is too high.
func (r *rooms) emptied(channel string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, channel)
}

// makeRoom returns ErrSlotsFull if a signal needs a slot and there is no room.
func (e *Engine) makeRoom(ctx context.Context, s *eventlog.Signal, most int) error {
	if most < 0 || e.rooms.take(s.Channel, most) {
		return nil
	}
	p := e.partition(s.Channel)
	_, n, err := e.count(ctx, p.slots, p.slotValues+subjectOf(s.Channel)+".*")
	if err != nil {
		return err
	}
	if n < most {
		e.rooms.counted(s.Channel, n)
		return nil
	}
	// Some may be notes that a slot is empty.
	slots, err := e.slots(ctx, s.Channel)
	if err != nil {
		return err
	}
	for i := range slots {
		if slots[i].Key == s.Key {
			return nil
		}
	}
	if len(slots) >= most {
		return fmt.Errorf("%d keys: %w", len(slots), eventlog.ErrSlotsFull)
	}
	return nil
}
