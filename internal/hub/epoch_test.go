package hub

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

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
