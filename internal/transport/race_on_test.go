//go:build race

package transport_test

// underRace tells that the tests run under the race detector, where a sync.Pool
// drops some of what it is given.
const underRace = true
