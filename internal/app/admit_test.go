package app

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener to which somebody is always connecting.
type pipes struct{ net.Listener }

func (pipes) Accept() (net.Conn, error) {
	c, _ := net.Pipe()
	return c, nil
}

func (pipes) Close() error { return nil }

func TestPace(t *testing.T) {
	var pause time.Duration
	for range 20 {
		pause = pace(pause, time.Second, true)
	}
	if pause != admitMost {
		t.Errorf("a machine that is late takes a connection every %v, want %v", pause, admitMost)
	}
	if got := pace(pause, time.Second, false); got >= pause {
		t.Errorf("it takes them more slowly although none comes: %v", got)
	}
	steps := 0
	for ; pause > 0; steps++ {
		pause = pace(pause, 0, true)
	}
	if took := time.Duration(steps) * admitProbe; took > time.Second {
		t.Errorf("it takes %v until connections are taken at once again", took)
	}
}

// Connections are taken at once while the machine is well, and at the pace that it
// bears otherwise.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := admit(pipes{})
		take := func(n int) time.Duration {
			start := time.Now()
			for range n {
				if _, err := a.Accept(); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(start)
		}
		if took := take(admitBurst - 1); took != 0 {
			t.Errorf("the first connections took %v, want no time", took)
		}
		if took := take(1000); took == 0 || took > 1000*admitFirst {
			t.Errorf("1,000 connections that come at once took %v, want %v at most", took, 1000*admitFirst)
		}
		<-time.After(admitAwake * admitProbe / 2)
		if took := take(1000); took != 0 {
			t.Errorf("1,000 connections took %v when the machine had kept up, want no time", took)
		}
		a.pause.Store(int64(time.Millisecond))
		if took := take(100 * admitBurst); took < 100*time.Millisecond {
			t.Errorf("%d connections took %v: there was no pace", 100*admitBurst, took)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Nobody looks how late goroutines are while no connection comes, and the next
// connection begins it again.
func TestAdmissionAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := admit(pipes{})
		defer a.Close()
		for range 3 {
			if _, err := a.Accept(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if a.asleep.Load() {
				t.Fatal("a connection came, and nobody looks")
			}
			<-time.After(2 * admitAwake * admitProbe)
			if synctest.Wait(); !a.asleep.Load() {
				t.Fatal("no connection comes, and somebody looks")
			}
		}
		a.pause.Store(int64(time.Millisecond)) // as it may be left by a last probe
		if _, err := a.Accept(); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * admitAwake * admitProbe)
		if synctest.Wait(); !a.asleep.Load() || a.pause.Load() != 0 {
			t.Errorf("at rest with a pause of %d", a.pause.Load())
		}
	})
}
