package natslog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// Trim removes the records with offsets up to and including through. The last
// record of the channel is hidden and stays, for it is the head.
func (e *Engine) Trim(ctx context.Context, channel string, through uint64) error {
	if err := e.check(ctx, "trim", channel); err != nil {
		return err
	}
	if err := e.trim(ctx, channel, through); err != nil {
		return fmt.Errorf("trim %q: %w", channel, err)
	}
	return nil
}

func (e *Engine) trim(ctx context.Context, channel string, through uint64) error {
	head, err := e.head(ctx, channel)
	if err != nil || head.Offset == 0 {
		return err
	}
	at := head.Offset
	if through < at {
		// A position is complete if it is at the last record that was removed, so
		// that one has to be known.
		b := backward{limit: eventlog.Limit{Records: 1, Bytes: eventlog.DefaultLimitBytes}, upper: through}
		if err := e.fillBack(ctx, &b, channel, 0, head.Offset); err != nil {
			return err
		}
		if len(b.records) == 0 {
			return nil
		}
		at = b.records[len(b.records)-1].Offset
	}
	return e.remove(ctx, channel, head.Offset, mark{trimmed: at, lost: at})
}

// remove hides what a mark says, and then removes it.
func (e *Engine) remove(ctx context.Context, channel string, head uint64, m mark) error {
	before, now, err := e.raiseMark(ctx, channel, m)
	if err != nil {
		return err
	}
	below := min(m.trimmed+1, head)
	if err := e.sweep(ctx, channel, below); err != nil || before < below {
		return err
	}
	// Nothing was appended since the mark before.
	p := e.partition(channel)
	return e.purge(ctx, p.log, p.marks+subjectOf(channel), now)
}

// sweep removes the records of a channel with offsets below one, and marks that
// were replaced. It must not be above the head.
func (e *Engine) sweep(ctx context.Context, channel string, below uint64) error {
	if below <= 1 {
		return nil
	}
	p := e.partition(channel)
	// The kind of a message is one token: this takes records and marks.
	filter := p.records[:len(p.records)-len("r.")] + "*." + subjectOf(channel)
	return e.purge(ctx, p.log, filter, below)
}

// raiseMark stores a mark, unless there is one that says as much. It returns the
// sequences of the mark before and of the one that there is now.
func (e *Engine) raiseMark(ctx context.Context, channel string, m mark) (before, now uint64, err error) {
	p := e.partition(channel)
	for {
		cur, err := e.mark(ctx, channel)
		if err != nil {
			return 0, 0, err
		}
		next := mark{trimmed: max(cur.trimmed, m.trimmed), lost: max(cur.lost, m.lost)}
		if next.trimmed == cur.trimmed && next.lost == cur.lost {
			return 0, cur.seq, nil
		}
		now, err = e.publish(ctx, &nats.Msg{
			Subject: p.marks + subjectOf(channel), Data: encodeMark(next),
			Header: nats.Header{headerExpectLast: {strconv.FormatUint(cur.seq, 10)}},
		})
		var refused *apiError
		if errors.As(err, &refused) && refused.wrongLast() {
			continue // another node raised it
		}
		return cur.seq, now, err
	}
}

// publish stores a message and waits for that. What it expected in vain is an
// *apiError.
func (e *Engine) publish(ctx context.Context, m *nats.Msg) (seq uint64, err error) {
	ctx, cancel := e.bound(ctx)
	defer cancel()
	for {
		if !e.nc.IsConnected() {
			return 0, fmt.Errorf("no connection to NATS: %w", eventlog.ErrUnavailable)
		}
		answer, err := e.nc.RequestMsgWithContext(ctx, m)
		if err == nil {
			seq, refused, err := published(answer)
			switch {
			case err != nil:
				return 0, err
			case refused == nil:
				return seq, nil
			case refused.wrongLast():
				return 0, refused
			}
			return 0, fmt.Errorf("%w: %w", refused, e.meaning(refused))
		}
		if e.closed.Load() {
			return 0, eventlog.ErrClosed
		}
		if !errors.Is(err, nats.ErrNoResponders) {
			return 0, fmt.Errorf("%w: %w", err, eventlog.ErrUnknown)
		}
		select { // nobody has it: another leader is being elected
		case <-ctx.Done():
			return 0, fmt.Errorf("the stream has no leader: %w", eventlog.ErrUnavailable)
		case <-time.After(retryPause):
		}
	}
}

// Delete removes all records, keys and slots of a channel. The last record stays,
// hidden, until another follows.
func (e *Engine) Delete(ctx context.Context, channel string) error {
	if err := e.check(ctx, "delete", channel); err != nil {
		return err
	}
	if err := e.delete(ctx, channel); err != nil {
		return fmt.Errorf("delete %q: %w", channel, err)
	}
	return nil
}

func (e *Engine) delete(ctx context.Context, channel string) error {
	head, err := e.head(ctx, channel)
	if err != nil {
		return err
	}
	p := e.partition(channel)
	if head.Offset > 0 {
		if err := e.remove(ctx, channel, head.Offset, mark{trimmed: head.Offset, lost: head.Offset + 1}); err != nil {
			return err
		}
		if err := e.purge(ctx, p.log, p.markers+subjectOf(channel)+".*", 0); err != nil {
			return err
		}
	}
	return e.clearSlots(ctx, channel)
}
