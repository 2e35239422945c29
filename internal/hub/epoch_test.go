package hub

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

// What is delivered while a channel learns of its new epoch is not lost.
func TestDeliveryDuringChangeOfEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooked := logtest.Hook(memory.New(memory.Options{ForgetAfter: time.Minute}))
		h, log := newHub(t, hooked, Options{Workers: 1})
		s := &sink{pulled: pulled{keep: true}}
		first := put(t, log, "c", nil)
		sub, _ := join(t, h, "c", s, Join{})
		sub.Start()
		defer sub.Close()
		if err := log.Trim(t.Context(), "c", first.Offset); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Minute) // the engine forgets the channel
		stop := hooked.BlockAfter(logtest.CallRead, "c")
		second := put(t, log, "c", nil)
		if second.Epoch == first.Epoch {
			t.Fatal("the epoch is the same")
		}
		stop.Wait() // it was read as far as second
		third := put(t, log, "c", nil)
		synctest.Wait()
		stop.Release()
		<-time.After(time.Minute)
		synctest.Wait()
		if want := []uint64{third.Offset}; !slices.Equal(s.offsets, want) || !slices.Equal(s.notices, []Notice{ResetEpoch}) {
			t.Errorf("got %v and %v, want a reset and %v", s.offsets, s.notices, want)
		}
	})
}

// deposed is an engine that tells an old head until a time, as a server does that is
// not the leader any more and does not know it yet.
type deposed struct {
	eventlog.Engine
	old   eventlog.Position
	until time.Time
}

func (d *deposed) Head(ctx context.Context, channel string) (eventlog.Position, error) {
	if time.Now().Before(d.until) {
		return d.old, nil
	}
	return d.Engine.Head(ctx, channel)
}

func (d *deposed) Watch(string, eventlog.Sink) (func(), error) { return func() {}, nil }

func (d *deposed) Info() eventlog.Info { return eventlog.Info{Name: "deposed"} }

// A client that comes from a node which knows more than this one is not sent back; a
// position that nobody knows is given up in the end.
func TestPositionBeyondAnOldHead(t *testing.T) {
	for _, row := range []struct {
		name      string
		stale     time.Duration
		beyond    uint64
		recovered bool
		after     time.Duration
	}{
		{"the head is old", 6 * time.Second, 0, true, 6 * time.Second},
		{"there was never such an offset", 0, 5, false, 15 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &deposed{Engine: memory.New(memory.Options{})}
				h, log := newHub(t, e, Options{Workers: 1})
				e.old = put(t, log, "c", nil)
				put(t, log, "c", nil)
				since := put(t, log, "c", nil)
				since.Offset += row.beyond
				e.until = time.Now().Add(row.stale)
				began := time.Now()
				s := &sink{pulled: pulled{keep: true}}
				sub, recovered := join(t, h, "c", s, Join{Resume: true, Since: since})
				if recovered != row.recovered || time.Since(began) < row.after || time.Since(began) > row.after+2*time.Second {
					t.Errorf("recovered %v after %v, want %v after %v", recovered, time.Since(began), row.recovered, row.after)
				}
				sub.Start()
				defer sub.Close()
				<-time.After(time.Minute)
				synctest.Wait()
				if row.recovered && (len(s.offsets) > 0 || len(s.notices) > 0) {
					t.Errorf("it saw %v and %v, though it had all", s.offsets, s.notices)
				}
			})
		})
	}
}
