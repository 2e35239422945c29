package wheel

import (
	"testing"
	"testing/synctest"
	"time"
)

type entry struct {
	at    []time.Duration
	again time.Duration
	start time.Time
}

func (e *entry) Tick(now time.Time) time.Duration {
	e.at = append(e.at, now.Sub(e.start))
	return e.again
}

func TestEntriesAreCalledOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(time.Second, time.Minute)
		once := &entry{start: time.Now()}
		often := &entry{start: time.Now(), again: 25 * time.Second}
		late := &entry{start: time.Now()}
		w.Add(once, 1500*time.Millisecond)
		w.Add(often, 10*time.Second)
		w.Add(late, time.Hour)
		<-time.After(2 * time.Minute)
		w.Close()
		if len(once.at) != 1 || once.at[0] != 2*time.Second {
			t.Errorf("once: %v", once.at)
		}
		if len(often.at) != 5 || often.at[0] != 10*time.Second || often.at[4] != 110*time.Second {
			t.Errorf("often: %v", often.at)
		}
		if len(late.at) != 1 || late.at[0] < time.Minute {
			t.Errorf("late: %v", late.at)
		}
	})
}

// A wheel that was empty goes on with the next entry, on time, however long it slept.
func TestSleepsWhenEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(time.Second, time.Minute)
		defer w.Close()
		for round := range 3 {
			<-time.After(time.Hour + 300*time.Millisecond)
			synctest.Wait()
			if w.n != 0 {
				t.Fatalf("round %d: %d entries are left", round, w.n)
			}
			one, two := &entry{start: time.Now()}, &entry{start: time.Now()}
			w.Add(one, 2*time.Second)
			<-time.After(1500 * time.Millisecond)
			w.Add(two, 3*time.Second)
			<-time.After(time.Minute)
			synctest.Wait()
			if len(one.at) != 1 || one.at[0] != 2*time.Second {
				t.Errorf("round %d: the first was called at %v", round, one.at)
			}
			if len(two.at) != 1 || two.at[0] < 4*time.Second || two.at[0] > 5*time.Second {
				t.Errorf("round %d: the second was called at %v", round, two.at)
			}
		}
	})
}
