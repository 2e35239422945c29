package faulttest

import (
	"fmt"
	"sync"
	"time"
)

// outcome is what a client knows of what it tried.
type outcome int

const (
	unknown  outcome = iota // it may be stored or not, and now or later
	stored                  // it is acknowledged
	refused                 // nothing was stored, and nothing ever will be
	conflict                // the same, because the channel has moved on
)

func (o outcome) String() string {
	return [...]string{"unknown", "stored", "refused", "conflict"}[o]
}

// try is one attempt to publish. A value belongs to one publication, whose tries
// have the same key.
type try struct {
	client, channel, key, value string
	start, end                  time.Duration
	outcome                     outcome
	offset                      uint64 // if it is stored
	duplicate                   bool
	why                         string // if it is not
}

// compare is one compare-and-append, with all its tries.
type compare struct {
	client, channel, value string
	start, end             time.Duration
	slowest                time.Duration // of its tries
	expect                 uint64
	outcome                outcome
	offset                 uint64 // if it is stored
	why                    string // if it is not
}

// sight is what a follower of a channel sees: a publication, or that it missed
// something.
type sight struct {
	reset     bool
	offset    uint64
	id, value string
}

// following is all that one follower has seen, in its order.
type following struct {
	client, channel string
	sights          []sight
}

// record is what stands in the log of a channel.
type record struct {
	offset         uint64
	id, key, value string
}

// history is what everybody did and saw.
type history struct {
	tries      []try
	compares   []compare
	followings []following
	// logs is the log of each channel, as each node tells it in the end.
	logs map[string]map[string][]record // by channel, then by node
	// wrong is what was seen to be wrong meanwhile.
	wrong []string
}

// recorder gathers a history.
type recorder struct {
	began time.Time

	mu sync.Mutex
	h  history
}

func newRecorder() *recorder {
	return &recorder{began: time.Now(), h: history{logs: map[string]map[string][]record{}}}
}

func (r *recorder) now() time.Duration { return time.Since(r.began) }

func (r *recorder) try(t try) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.tries = append(r.h.tries, t)
}

func (r *recorder) compare(c compare) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.compares = append(r.h.compares, c)
}

func (r *recorder) following(f following) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.followings = append(r.h.followings, f)
}

func (r *recorder) log(channel, node string, records []record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.h.logs[channel] == nil {
		r.h.logs[channel] = map[string][]record{}
	}
	r.h.logs[channel][node] = records
}

// wrong notes what must not be.
func (r *recorder) wrong(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.wrong = append(r.h.wrong, fmt.Sprintf("at %v: ", r.now().Round(time.Millisecond))+fmt.Sprintf(format, args...))
}
