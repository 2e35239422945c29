package natslog

import (
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// mux hands answers to whom they are for: one subscription takes all, and the
// last token of the subject says which it is.
type mux struct {
	prefix string
	sub    *nats.Subscription

	mu sync.Mutex
	// mu guards the following.
	next    uint64
	waiting map[uint64]func(*nats.Msg) (more bool)
}

func newMux(nc *nats.Conn) (*mux, error) {
	m := &mux{prefix: nats.NewInbox() + ".", waiting: map[uint64]func(*nats.Msg) bool{}}
	sub, err := nc.Subscribe(m.prefix+"*", m.take)
	if err != nil {
		return nil, err
	}
	// What comes was asked for, and that is bounded.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	m.sub = sub
	return m, nil
}

// expect returns a subject for answers. take is called with each, by one
// goroutine for all, as long as it returns true.
func (m *mux) expect(take func(*nats.Msg) (more bool)) (id uint64, subject string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	m.waiting[m.next] = take
	return m.next, m.prefix + strconv.FormatUint(m.next, 36)
}

// forget ends the waiting for answers; one may still be under way.
func (m *mux) forget(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiting, id)
}

func (m *mux) take(msg *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, m.prefix), 36, 64)
	if err != nil {
		return // not one that was given out
	}
	m.mu.Lock()
	take := m.waiting[id]
	m.mu.Unlock()
	if take != nil && !take(msg) {
		m.forget(id)
	}
}
