package pebblelog

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// regrant is how often a scheduler looks whether more compactions may run at once
// than before, while one waits.
const regrant = 100 * time.Millisecond

// scheduler has Pebble run as many compactions at once as its limit is, like
// Pebble's own. That one looks ten times a second whether the limit has grown, for
// as long as the store is open; this one only while a compaction waits, so that a
// server at rest stays at rest.
type scheduler struct {
	db pebble.DBForCompaction // static after Register

	mu       sync.Mutex // taken after Pebble's own
	granted  sync.Cond  // granting has become false
	running  int
	refused  uint64 // how often a compaction was
	waiting  bool   // one was, and nobody has found since that none waits
	granting bool   // somebody talks to db, without the lock
	closed   bool
	timer    *time.Timer
}

var (
	_ pebble.CompactionScheduler   = (*scheduler)(nil)
	_ pebble.CompactionGrantHandle = (*scheduler)(nil)
)

func newScheduler() *scheduler {
	s := &scheduler{}
	s.granted.L = &s.mu
	s.timer = time.AfterFunc(regrant, s.look)
	s.timer.Stop()
	return s
}

// Register implements [pebble.CompactionScheduler].
func (s *scheduler) Register(_ int, db pebble.DBForCompaction) { s.db = db }

// Unregister implements [pebble.CompactionScheduler].
func (s *scheduler) Unregister() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.timer.Stop()
	for s.granting {
		s.granted.Wait()
	}
}

// TrySchedule implements [pebble.CompactionScheduler].
func (s *scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, nil
	}
	if s.running < s.db.GetAllowedWithoutPermission() {
		s.running++
		return true, s
	}
	s.refused++
	if !s.waiting {
		s.waiting = true
		s.timer.Reset(regrant)
	}
	return false, nil
}

// UpdateGetAllowedWithoutPermission implements [pebble.CompactionScheduler].
func (s *scheduler) UpdateGetAllowedWithoutPermission() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting && !s.closed {
		s.timer.Reset(0) // not here: Pebble holds locks
	}
}

// Started implements [pebble.CompactionGrantHandle].
func (s *scheduler) Started() {}

// MeasureCPU implements [pebble.CompactionGrantHandle].
func (s *scheduler) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements [pebble.CompactionGrantHandle].
func (s *scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done implements [pebble.CompactionGrantHandle].
func (s *scheduler) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.grant()
}

// look runs every now and then while a compaction waits.
func (s *scheduler) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting { // or it was stopped too late
		s.grant()
	}
	if s.waiting && !s.closed {
		s.timer.Reset(regrant)
	}
}

// grant has compactions run that wait, as many as may. The lock is held, and given
// up meanwhile.
func (s *scheduler) grant() {
	for s.granting {
		s.granted.Wait()
	}
	if s.closed {
		return
	}
	refused := s.refused
	none := false
	for !none && !s.closed && s.running < s.db.GetAllowedWithoutPermission() {
		s.granting = true
		s.mu.Unlock()
		waits, _ := s.db.GetWaitingCompaction()
		runs := waits && s.db.Schedule(s)
		s.mu.Lock()
		s.granting = false
		if runs {
			s.running++
		}
		none = !runs
	}
	if none && refused == s.refused {
		s.waiting = false
	}
	s.granted.Broadcast()
}
