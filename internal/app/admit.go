package app

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// admitProbe is how often it is looked whether the machine keeps up.
	admitProbe = 5 * time.Millisecond
	// admitLate is by how much a goroutine may be late before connections are taken
	// more slowly. A publication passes six goroutines on its way. With 5 ms the slowest of
	// a hundred took 28 to 42 ms while 15,000 clients came back in 5 s; with 10 ms, 140 to
	// 360 ms in 4.3 s (2 cores, the clients on the same machine).
	admitLate = 5 * time.Millisecond
	// admitFirst is the pause when connections begin to come: thousands would be taken
	// before the first look at what they cost.
	admitFirst = 250 * time.Microsecond
	// admitMost is the longest pause between two connections: the slowest pace is
	// 250 a second.
	admitMost = 4 * time.Millisecond
	// admitAwake is for how many probes it is looked on when no connection comes.
	admitAwake = 200
	// admitBurst is how many connections are taken before there is a pause.
	admitBurst = 16
)

// admission takes new connections at a pace that the machine bears. When thousands
// come back at once, those that are there go on as before, and the rest wait in the
// kernel's queue instead of all together for a processor. How much the machine
// bears is seen by how late a goroutine gets to run. That is looked at only while
// connections come: 200 wake-ups a second would cost more than 10,000 connections at
// rest.
type admission struct {
	net.Listener
	pause  atomic.Int64 // nanoseconds between connections; 0 while all is well
	taken  atomic.Int64
	asleep atomic.Bool   // nobody looks
	wake   chan struct{} // ends that
	stop   chan struct{}
	done   chan struct{}
}

// admit returns a listener that takes connections at a pace. Close ends it.
func admit(l net.Listener) *admission {
	a := &admission{Listener: l, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	a.pause.Store(int64(admitFirst))
	go a.watch()
	return a
}

// Accept implements [net.Listener].
func (a *admission) Accept() (net.Conn, error) {
	n := a.taken.Add(1)
	if a.asleep.Load() && a.asleep.CompareAndSwap(true, false) {
		a.wake <- struct{}{}
	}
	if n%admitBurst == 0 {
		if d := a.pause.Load(); d > 0 {
			select {
			case <-time.After(time.Duration(d) * admitBurst):
			case <-a.stop:
			}
		}
	}
	return a.Listener.Accept()
}

// Close implements [net.Listener].
func (a *admission) Close() error {
	err := a.Listener.Close()
	select {
	case <-a.stop:
	default:
		close(a.stop)
	}
	<-a.done
	return err
}

// watch sees how late a goroutine is, and sets the pause.
func (a *admission) watch() {
	defer close(a.done)
	t := time.NewTimer(admitProbe)
	defer t.Stop()
	for seen, quiet := int64(0), 0; ; {
		if quiet > admitAwake && a.pause.Load() == 0 {
			quiet = 0
			a.asleep.Store(true)
			if a.taken.Load() == seen || !a.asleep.CompareAndSwap(true, false) {
				select {
				case <-a.wake:
				case <-a.stop:
					return
				}
			}
			a.pause.Store(int64(admitFirst))
		}
		due := time.Now().Add(admitProbe)
		t.Reset(admitProbe)
		select {
		case <-t.C:
		case <-a.stop:
			return
		}
		runtime.Gosched() // a timer's goroutine is let in first; others wait in the queue
		n := a.taken.Load()
		a.pause.Store(int64(pace(time.Duration(a.pause.Load()), time.Since(due), n != seen)))
		if quiet++; n != seen {
			seen, quiet = n, 0
		}
	}
}

// pace returns the next pause between two connections: longer while goroutines are
// late and connections come, shorter bit by bit when they are not.
func pace(pause, late time.Duration, coming bool) time.Duration {
	switch {
	case late > admitLate && coming:
		return min(2*pause+100*time.Microsecond, admitMost)
	case pause < 50*time.Microsecond:
		return 0
	default:
		return pause * 31 / 32
	}
}
