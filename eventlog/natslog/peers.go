package natslog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
)

// Nodes ask each other over core NATS. A question is one message to the subject
// of a node; the answer is several:
//
//	kind (1 byte) · number, from 0 (2 bytes) · bytes
//
// of the kinds working (nothing yet), part, and last. Who hears nothing for
// silence takes the node for dead.

const (
	working = iota + 1
	part
	last

	workingEvery = time.Second
	silence      = 4 * time.Second
	// partBytes is how much of an answer goes in a message.
	partBytes = 512 << 10
)

var errSilent = errors.New("the node says nothing")

func (e *Engine) nodeSubject(node string) string { return e.opts.Prefix + ".node." + token(node) }

// Ask asks another node, and returns what it answers, or nil when there is none of
// that name, or it has died. An error tells that there is no way to ask. The answer
// waits as long as the other node works on it: ctx bounds that.
func (e *Engine) Ask(ctx context.Context, node string, question []byte) ([]byte, error) {
	answer, err := e.ask(ctx, node, question, silence)
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, errSilent):
		return nil, nil
	case err != nil && !e.nc.IsConnected():
		err = fmt.Errorf("%w: %w", err, eventlog.ErrUnavailable)
	}
	if err != nil {
		return nil, fmt.Errorf("ask node %q: %w", node, err)
	}
	return answer, nil
}

func (e *Engine) ask(ctx context.Context, node string, question []byte, patience time.Duration) ([]byte, error) {
	heard := make(chan *nats.Msg, 16)
	gone := make(chan struct{})
	defer close(gone)
	id, reply := e.mux.expect(func(m *nats.Msg) bool {
		select {
		case heard <- m:
			return true
		case <-gone:
		default: // it would hold all others: who reads this hears that a part is missing
		}
		return false
	})
	defer e.mux.forget(id)
	if err := e.nc.PublishRequest(e.nodeSubject(node), reply, question); err != nil {
		return nil, err
	}
	answer := []byte{}
	quiet := time.NewTimer(patience)
	defer quiet.Stop()
	for number := uint16(0); ; {
		select {
		case m := <-heard:
			if len(m.Data) < 3 {
				return nil, nats.ErrNoResponders // it is the server's word that nobody listens
			}
			quiet.Reset(patience)
			if m.Data[0] == working {
				continue
			}
			if binary.BigEndian.Uint16(m.Data[1:]) != number {
				return nil, errors.New("a part of the answer is lost")
			}
			number++
			answer = append(answer, m.Data[3:]...)
			if m.Data[0] == last {
				return answer, nil
			}
		case <-quiet.C:
			return nil, errSilent
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.life.Done():
			return nil, eventlog.ErrClosed
		}
	}
}

// Answer has answer called with what other nodes ask of this one, each time by
// a goroutine of its own, until stop is called, which waits for these. It fails if
// another node answers by that name. Empty questions are answered by themselves.
func (e *Engine) Answer(node string, answer func(ctx context.Context, question []byte) []byte) (stop func(), err error) {
	_, err = e.ask(e.life, node, nil, workingEvery)
	switch {
	case err == nil:
		return nil, fmt.Errorf("another node is called %q: give each a name of its own: %w", node, eventlog.ErrInvalid)
	case !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, errSilent):
		return nil, fmt.Errorf("look for a node %q: %w", node, err)
	}
	ctx, cancel := context.WithCancel(e.life)
	r := &respondent{e: e, answer: answer}
	sub, err := e.nc.Subscribe(e.nodeSubject(node), func(m *nats.Msg) { r.asked(ctx, m) })
	if err == nil {
		err = e.nc.FlushTimeout(attemptTimeout) // from now on it can be asked
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("listen as node %q: %w", node, err)
	}
	return func() {
		_ = sub.Unsubscribe() // the connection may be closed
		cancel()
		r.close()
	}, nil
}

// respondent answers what others ask.
type respondent struct {
	e      *Engine
	answer func(ctx context.Context, question []byte) []byte

	mu sync.Mutex
	// mu guards the following.
	closed bool
	work   sync.WaitGroup
}

func (r *respondent) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.work.Wait()
}

func (r *respondent) asked(ctx context.Context, m *nats.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.work.Go(func() { r.respond(ctx, m) })
	}
}

// respond answers one question, and says meanwhile that it is being worked on.
// What cannot be sent is missed by who asked.
func (r *respondent) respond(ctx context.Context, m *nats.Msg) {
	say := func(kind byte, number int, data []byte) {
		msg := binary.BigEndian.AppendUint16(append(make([]byte, 0, 3+len(data)), kind), uint16(number))
		if err := m.Respond(append(msg, data...)); err != nil {
			r.e.log.Debug("another node cannot be answered", "err", err)
		}
	}
	var answer []byte
	if len(m.Data) > 0 {
		say(working, 0, nil)
		done := make(chan struct{})
		r.e.work.Go(func() {
			tick := time.NewTicker(workingEvery)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					say(working, 0, nil)
				case <-done:
					return
				}
			}
		})
		answer = r.answer(ctx, m.Data)
		close(done)
	}
	number := 0
	for ; len(answer) > partBytes; answer = answer[partBytes:] {
		say(part, number, answer[:partBytes])
		number++
	}
	say(last, number, answer)
}
