package webhook_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
	"github.com/starling-rt/starling/internal/webhook"
)

// node is the occupancy of one of several nodes, which can be cut off from the log.
type node struct {
	*rooms
	cut *cutOff
	log *eventlog.Log
}

// cutOff is an engine that does nothing while it is cut off.
type cutOff struct {
	flaky
	kv cutOffKV
}

type cutOffKV struct {
	eventlog.KV
	c *cutOff
}

func (c *cutOff) KV() eventlog.KV { return c.kv }

func (k cutOffKV) check() error {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if !k.c.up {
		return eventlog.ErrUnavailable
	}
	return nil
}

func (k cutOffKV) Get(ctx context.Context, key string) (eventlog.Item, error) {
	if err := k.check(); err != nil {
		return eventlog.Item{}, err
	}
	return k.KV.Get(ctx, key)
}

func (k cutOffKV) Put(ctx context.Context, key string, value []byte, o eventlog.PutOptions) (uint64, error) {
	if err := k.check(); err != nil {
		return 0, err
	}
	return k.KV.Put(ctx, key, value, o)
}

func (k cutOffKV) Delete(ctx context.Context, key string, expect eventlog.RevisionExpectation) error {
	if err := k.check(); err != nil {
		return err
	}
	return k.KV.Delete(ctx, key, expect)
}

func (k cutOffKV) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Item, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	return k.KV.List(ctx, prefix, after, limit)
}

// newNode starts a node on an engine that it shares with others.
func newNode(inner eventlog.Engine, h webhook.Hook, name string) *node {
	cut := &cutOff{flaky: flaky{Engine: inner, up: true}}
	cut.kv = cutOffKV{inner.KV(), cut}
	n := &node{rooms: &rooms{in: map[string]int{}}, cut: cut, log: newLog(cut, h)}
	n.o = webhook.NewOccupancy(webhook.OccupancyConfig{Log: n.log, Hooks: []webhook.Hook{h}, Node: name, Occupied: n.occupied})
	n.o.Start()
	synctest.Wait()
	return n
}

// A channel is occupied by the first subscription on any node, and vacated when the
// last one on all of them has gone.
func TestOccupancyOfSeveralNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New(memory.Options{})
		defer inner.Close()
		h, b := hookOf(t), &backend{t: t}
		one, two := newNode(inner, h, "n1"), newNode(inner, h, "n2")
		d := webhook.Start(webhook.Config{Log: newLog(inner, h), Node: "n1", Transport: b}, h)
		expect := func(when, channel, want string) {
			t.Helper()
			synctest.Wait()
			if got := strings.Join(b.got(channel), " "); got != want {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
		}
		one.add("a", 1)
		expect("the first, on node 1", "a", "occupied")
		two.add("a", 1)
		expect("another, on node 2", "a", "occupied")
		one.add("a", -1)
		<-time.After(time.Minute)
		expect("the first has gone", "a", "occupied")
		// Delivery goes on elsewhere, from what was kept.
		d.Close()
		d = webhook.Start(webhook.Config{Log: newLog(inner, h), Node: "n2", Transport: b}, h)
		defer func() { d.Close() }()
		two.add("a", -1)
		<-time.After(time.Minute)
		expect("the last has gone", "a", "occupied vacated")
		one.add("a", 1)
		expect("again", "a", "occupied vacated occupied")
		// A client moves: its new node has it before its old one has told that it left.
		one.add("a", -1)
		two.add("a", 1)
		<-time.After(time.Minute)
		expect("it moves", "a", "occupied vacated occupied")

		// Node 2 ends and does not come back.
		one.add("b", 1)
		two.add("b", 1)
		<-time.After(time.Second)
		two.o.Close()
		<-time.After(25 * time.Second)
		expect("node 2 may come back", "a", "occupied vacated occupied")
		<-time.After(time.Minute)
		expect("node 2 does not come back", "a", "occupied vacated occupied vacated")
		expect("node 1 is there", "b", "occupied")
		one.o.Close()
	})
}

// A node that was cut off for long counts as gone, and when it is back it tells what
// it has.
func TestOccupancyOfANodeThatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New(memory.Options{})
		defer inner.Close()
		h, b := hookOf(t), &backend{t: t}
		one, two := newNode(inner, h, "n1"), newNode(inner, h, "n2")
		d := webhook.Start(webhook.Config{Log: newLog(inner, h), Node: "n1", Transport: b}, h)
		defer d.Close()
		for _, channel := range []string{"stays", "goes"} {
			two.add(channel, 1)
		}
		synctest.Wait()
		two.cut.set(false)
		two.add("goes", -1)
		<-time.After(20 * time.Second)
		if got := strings.Join(b.got("stays"), " "); got != "occupied" {
			t.Errorf("for a while: got %q", got)
		}
		<-time.After(time.Minute)
		for _, channel := range []string{"stays", "goes"} {
			if got := strings.Join(b.got(channel), " "); got != "occupied vacated" {
				t.Errorf("%s, when it was cut off for long: got %q", channel, got)
			}
		}
		two.cut.set(true)
		two.add("new", 1)
		<-time.After(time.Minute)
		for channel, want := range map[string]string{"stays": "occupied vacated occupied", "goes": "occupied vacated", "new": "occupied"} {
			if got := strings.Join(b.got(channel), " "); got != want {
				t.Errorf("%s, when it is back: got %q, want %q", channel, got, want)
			}
		}
		// All are cut off, and nobody is given up for it.
		one.cut.set(false)
		two.cut.set(false)
		<-time.After(time.Hour)
		one.cut.set(true)
		two.cut.set(true)
		<-time.After(time.Minute)
		if got := strings.Join(b.got("stays"), " "); got != "occupied vacated occupied" {
			t.Errorf("after nobody could see anybody: got %q", got)
		}
		one.o.Close()
		two.o.Close()
	})
}
