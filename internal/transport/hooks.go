package transport

import "time"

// slowWrite is how long a write may take without being called slow.
const slowWrite = time.Second

// sampleEvery is how many writes there are to one whose delay is measured.
const sampleEvery = 16

// Hooks hear what is written. They must not block. A nil one hears nothing.
type Hooks struct {
	Wrote     func(bytes int)         // to a client
	SlowWrite func(d time.Duration)   // a write that took longer than a second
	Delivered func(lag time.Duration) // one of 16 writes: since its last publication was appended
}

func (h *Handler) wrote(bytes int) {
	if h.conf.Hooks.Wrote != nil && bytes > 0 {
		h.conf.Hooks.Wrote(bytes)
	}
}

// took notes a write that may have waited for the client.
func (h *Handler) took(began time.Time) {
	if d := time.Since(began); d > slowWrite && h.conf.Hooks.SlowWrite != nil {
		h.conf.Hooks.SlowWrite(d)
	}
}

// delivered notes that a publication was written that was appended at a time in
// Unix milliseconds; 0 is none.
func (h *Handler) delivered(appended int64) {
	if appended != 0 && h.conf.Hooks.Delivered != nil {
		h.conf.Hooks.Delivered(max(0, time.Since(time.UnixMilli(appended))))
	}
}
