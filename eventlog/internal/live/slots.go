package live

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
)

// table holds the slots of a channel.
type table struct {
	slots map[string]*slot
}

type slot struct {
	signal  eventlog.Signal
	expires time.Time
	// due is the earliest time at which the stripe's heap will look at it.
	due time.Time
}

// Signal delivers a signal and keeps it in its slot.
func (h *Hub) Signal(sig eventlog.Signal) error {
	now := time.Now()
	if sig.Time == 0 {
		sig.Time = now.UnixMilli()
	}
	s := h.Stripe(sig.Channel)
	s.Lock()
	defer s.Unlock()
	if sig.Key != "" {
		if sig.Delete {
			sig.Data = nil
			s.drop(sig.Channel, sig.Key)
		} else if err := s.keep(&sig, now); err != nil {
			return err
		}
	}
	sig.Version = h.version.Add(1)
	if t := s.slots[sig.Channel]; t != nil && sig.Key != "" && !sig.Delete {
		t.slots[sig.Key].signal = sig
	}
	s.signal(&sig)
	return nil
}

// keep makes room for a signal in its slot.
func (s *Stripe) keep(sig *eventlog.Signal, now time.Time) error {
	policy := s.hub.policies.Of(sig.Channel)
	if sig.TTL <= 0 {
		sig.TTL = policy.SlotTTL
	}
	t := s.slots[sig.Channel]
	if t == nil {
		t = &table{slots: map[string]*slot{}}
	}
	sl := t.slots[sig.Key]
	if sl == nil {
		if policy.MaxSlots >= 0 && len(t.slots) >= policy.MaxSlots {
			s.expire(now)
			if len(t.slots) >= policy.MaxSlots {
				return fmt.Errorf("signal on %q: %d keys: %w", sig.Channel, len(t.slots), eventlog.ErrSlotsFull)
			}
		}
		sl = &slot{}
		t.slots[sig.Key] = sl
		s.kept++
	}
	s.slots[sig.Channel] = t
	sl.expires = farFuture
	if sig.TTL > 0 {
		sl.expires = now.Add(sig.TTL)
		if sl.due.IsZero() || sl.expires.Before(sl.due) {
			s.look(sig.Channel, sig.Key, sl)
		}
	}
	return nil
}

// farFuture is when a slot expires that does not.
var farFuture = time.Unix(math.MaxInt32<<8, 0)

// look notes that a slot is to be looked at when it expires.
func (s *Stripe) look(channel, key string, sl *slot) {
	if len(s.due) > 2*s.kept+spareDue {
		s.forgetDue()
	}
	sl.due = sl.expires
	heap.Push(&s.due, due{at: sl.due, channel: channel, key: key})
	s.hub.sweeper.atLatest(sl.due)
}

// spareDue is how many entries of slots that are gone are not worth a removal.
const spareDue = 1024

// forgetDue removes what the heap has of slots that were emptied before their
// time.
func (s *Stripe) forgetDue() {
	s.due = slices.DeleteFunc(s.due, func(d due) bool {
		t := s.slots[d.channel]
		return t == nil || t.slots[d.key] == nil || !t.slots[d.key].due.Equal(d.at)
	})
	heap.Init(&s.due)
}

func (s *Stripe) drop(channel, key string) {
	t := s.slots[channel]
	if t == nil || t.slots[key] == nil {
		return
	}
	delete(t.slots, key)
	s.kept--
	if len(t.slots) == 0 {
		delete(s.slots, channel)
	}
}

// expire empties the slots whose time has come, and says so. It returns when it
// is to be called again.
func (s *Stripe) expire(now time.Time) (next time.Time) {
	for len(s.due) > 0 {
		d := s.due[0]
		if d.at.After(now) {
			return d.at
		}
		heap.Pop(&s.due)
		t := s.slots[d.channel]
		if t == nil {
			continue
		}
		sl := t.slots[d.key]
		switch {
		case sl == nil || !sl.due.Equal(d.at):
			// Gone, or another entry stands for it.
		case sl.expires.After(now):
			if sl.due = (time.Time{}); sl.expires.Before(farFuture) {
				s.look(d.channel, d.key, sl)
			}
		default:
			s.drop(d.channel, d.key)
			s.signal(&eventlog.Signal{
				Channel: d.channel, Key: d.key, User: sl.signal.User, Time: now.UnixMilli(),
				Delete: true, Version: s.hub.version.Add(1),
			})
		}
	}
	return time.Time{}
}

// Slots returns the values of a channel's slots in the order of their versions.
func (h *Hub) Slots(channel string) []eventlog.Signal {
	now := time.Now()
	s := h.Stripe(channel)
	s.Lock()
	defer s.Unlock()
	t := s.slots[channel]
	if t == nil {
		return nil
	}
	out := make([]eventlog.Signal, 0, len(t.slots))
	for _, sl := range t.slots {
		if sl.expires.After(now) {
			out = append(out, sl.signal)
		}
	}
	slices.SortFunc(out, func(a, b eventlog.Signal) int { return cmp.Compare(a.Version, b.Version) })
	return out
}

// Clear empties all slots of a channel, and says so of each.
func (h *Hub) Clear(channel string) {
	now := time.Now().UnixMilli()
	s := h.Stripe(channel)
	s.Lock()
	defer s.Unlock()
	t := s.slots[channel]
	if t == nil {
		return
	}
	delete(s.slots, channel)
	s.kept -= len(t.slots)
	for key, sl := range t.slots {
		s.signal(&eventlog.Signal{
			Channel: channel, Key: key, User: sl.signal.User, Time: now,
			Delete: true, Version: h.version.Add(1),
		})
	}
}

// due is when a slot is to be looked at.
type due struct {
	at           time.Time
	channel, key string
}

type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = due{}
	*h = old[:len(old)-1]
	return d
}

// sweepEvery is how close two sweeps may follow each other: slots expire up to
// that much late.
const sweepEvery = 20 * time.Millisecond

// sweeper is the goroutine that lets slots expire.
type sweeper struct {
	next   atomic.Int64 // Unix nanoseconds of the next sweep
	wake   chan struct{}
	closed chan struct{}
	once   sync.Once
	wg     sync.WaitGroup
}

func (w *sweeper) start(h *Hub) {
	w.wake = make(chan struct{}, 1)
	w.closed = make(chan struct{})
	w.next.Store(math.MaxInt64)
	w.wg.Go(func() { w.run(h) })
}

func (w *sweeper) stop() {
	w.once.Do(func() { close(w.closed) })
	w.wg.Wait()
}

// atLatest makes the sweeper look at the slots no later than at t.
func (w *sweeper) atLatest(t time.Time) {
	n := t.UnixNano()
	for {
		old := w.next.Load()
		if old <= n {
			return
		}
		if w.next.CompareAndSwap(old, n) {
			break
		}
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *sweeper) run(h *Hub) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if next := w.next.Load(); next == math.MaxInt64 {
			timer.Stop()
		} else {
			timer.Reset(max(time.Until(time.Unix(0, next)), 0) + sweepEvery)
		}
		select {
		case <-w.closed:
			return
		case <-w.wake:
			continue
		case <-timer.C:
		}
		w.next.Store(math.MaxInt64)
		for i := range h.stripes {
			s := &h.stripes[i]
			s.Lock()
			if next := s.expire(time.Now()); !next.IsZero() {
				w.atLatest(next)
			}
			s.Unlock()
		}
	}
}
