package natslog_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
)

// A server that was the leader and does not know better may refuse what the leader
// stores, and be heard first.
func TestRefusedByAFormerLeader(t *testing.T) {
	c := natstest.Start(t, 3, natstest.Options{})
	o := fresh(c)
	o.AppendTimeout = 5 * time.Second
	e := open(t, o)
	l := eventlog.New(e)
	nc, err := c.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var deposed atomic.Bool
	for _, row := range []struct{ name, answer string }{
		{"another head", `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"},"stream":"s","seq":0}`},
		{"another one is in flight", `{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"},"stream":"s","seq":0}`},
		{"no resources", `{"error":{"code":503,"err_code":10023,"description":"insufficient resources"},"stream":"s","seq":0}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			sub, err := nc.Subscribe(o.Prefix+".log.*.r.>", func(m *nats.Msg) {
				deposed.Store(true)
				_ = m.Respond([]byte(row.answer)) // if it does not come, the leader is heard
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = sub.Unsubscribe() }() // the connection ends anyway
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			channel := "c:" + strings.ReplaceAll(row.name, " ", "-")
			last, possible := uint64(0), 0
			for i := range 20 {
				a, err := l.Append(t.Context(), eventlog.Append{
					Channel: channel, Expect: eventlog.At(last), Entries: []eventlog.Entry{{Data: fmt.Append(nil, i)}},
				})
				switch {
				case err == nil:
					last = a.Last.Offset
				case errors.Is(err, eventlog.ErrUnknown):
					possible++
					eventually(t, time.Minute, "it is stored", func() bool {
						head, err := l.Head(t.Context(), channel)
						moved := err == nil && head.Offset > last
						if moved {
							last = head.Offset
						}
						return moved
					})
				default:
					t.Fatalf("append %d, which the leader stores: %v", i, err)
				}
			}
			page, err := l.Read(t.Context(), channel, 0, eventlog.Limit{})
			if err != nil || len(page.Records) != 20 || page.Records[19].Offset != last {
				t.Errorf("there are %d records, %v, want 20", len(page.Records), err)
			}
			if !deposed.Load() {
				t.Error("nobody else has heard anything")
			}
			t.Logf("%d of 20 had no outcome", possible)
		})
	}
	if err := e.Health(t.Context()); err != nil {
		t.Errorf("when all is well again: %v", err)
	}
	stale := eventlog.Append{Channel: "c:another-head", Expect: eventlog.At(0), Entries: []eventlog.Entry{{Data: []byte("x")}}}
	if _, err := l.Append(t.Context(), stale); !errors.Is(err, eventlog.ErrConflict) {
		t.Errorf("what expects an old head: %v", err)
	}
	stale.Expect = eventlog.At(1 << 40)
	if _, err := l.Append(t.Context(), stale); !errors.Is(err, eventlog.ErrConflict) {
		t.Errorf("what expects a head that will never be: %v", err)
	}
}

// A leader that answers and stores nothing is told by Health, until it stores again.
func TestHealthOfAStreamThatTakesNothing(t *testing.T) {
	e := open(t, fresh(one))
	l := eventlog.New(e)
	put(t, l, "c", "", "1")
	nc, err := one.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	troubled, err := nc.Subscribe(natslog.OptionsOf(e).Prefix+".log.>", func(m *nats.Msg) {
		_ = m.Respond([]byte(`{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}`)) // see below
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := e.Health(t.Context()); err != nil {
		t.Errorf("before anything was tried: %v", err)
	}
	eventually(t, 20*time.Second, "an append is refused", func() bool {
		_, err := l.Append(t.Context(), eventlog.Append{Channel: "c", Entries: []eventlog.Entry{{Data: []byte("2")}}})
		return errors.Is(err, eventlog.ErrUnavailable)
	})
	eventually(t, 20*time.Second, "it is told", func() bool {
		err := e.Health(t.Context())
		return err != nil && strings.Contains(err.Error(), "takes nothing: JetStream: insufficient resources")
	})
	if err := troubled.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "all is well again", func() bool { return e.Health(t.Context()) == nil })
}
