package pebblelog

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compacting is what a scheduler knows of a database.
type compacting struct {
	mu      sync.Mutex
	allowed int
	waiting int // compactions
	started int
	asked   int // how often
	inside  chan struct{}
}

func (c *compacting) GetAllowedWithoutPermission() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return c.allowed
}

func (c *compacting) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting > 0, pebble.WaitingCompaction{}
}

func (c *compacting) Schedule(pebble.CompactionGrantHandle) bool {
	if c.inside != nil {
		<-c.inside
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == 0 {
		return false
	}
	c.waiting--
	c.started++
	return true
}

// try tries to start a compaction, which waits if it may not.
func (c *compacting) try(s *scheduler) {
	ok, _ := s.TrySchedule()
	c.mu.Lock()
	defer c.mu.Unlock()
	if ok {
		c.started++
	} else {
		c.waiting++
	}
}

func (c *compacting) allow(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allowed = n
}

func (c *compacting) expect(t *testing.T, started, waiting int) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started != started || c.waiting != waiting {
		t.Errorf("%d compactions started and %d wait, want %d and %d", c.started, c.waiting, started, waiting)
	}
}

func TestScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := &compacting{allowed: 1}, newScheduler()
		s.Register(1, c)
		for range 4 {
			c.try(s)
		}
		c.expect(t, 1, 3)
		s.Done() // another takes its place
		c.expect(t, 2, 2)
		c.allow(2)
		c.expect(t, 2, 2)
		<-time.After(regrant) // it looks by itself
		c.expect(t, 3, 1)
		c.allow(3)
		s.UpdateGetAllowedWithoutPermission() // or when it is told
		c.expect(t, 4, 0)
		for range 3 {
			s.Done()
		}
		<-time.After(2 * regrant)
		synctest.Wait()
		before := c.asked
		<-time.After(time.Hour)
		s.UpdateGetAllowedWithoutPermission()
		synctest.Wait()
		if c.asked != before {
			t.Errorf("it looked %d times while nothing waited", c.asked-before)
		}
		c.try(s)
		c.expect(t, 5, 0)
		s.Unregister()
		if ok, _ := s.TrySchedule(); ok {
			t.Error("a compaction started after the end")
		}
	})
}

// A timer that was stopped too late, before there is a database, asks for nothing.
func TestSchedulerLooksBeforeItIsRegistered(t *testing.T) {
	c, s := &compacting{allowed: 1}, newScheduler()
	s.look()
	s.Register(1, c)
	s.look()
	if c.asked != 0 {
		t.Errorf("it looked %d times while nothing waited", c.asked)
	}
}

// Nothing is asked of the database after Unregister has returned.
func TestSchedulerUnregistersWhenNobodyIsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := &compacting{allowed: 1, inside: make(chan struct{})}, newScheduler()
		s.Register(1, c)
		c.try(s)
		c.try(s)
		go s.Done()
		synctest.Wait() // within Schedule
		gone := make(chan struct{})
		go func() {
			s.Unregister()
			close(gone)
		}()
		synctest.Wait()
		select {
		case <-gone:
			t.Error("it did not wait")
		default:
		}
		close(c.inside)
		<-gone
		c.expect(t, 2, 0)
	})
}
