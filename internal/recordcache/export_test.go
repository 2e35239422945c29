package recordcache

import "time"

// RetryAfter returns options with another pause before a second attempt to make the
// directory anew.
func RetryAfter(o Options, d time.Duration) Options {
	o.retry = d
	return o
}
