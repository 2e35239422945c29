package lab

import (
	"fmt"
	"math/rand/v2"
)

// scenario is what a page shows: a channel with simulated traffic, or two.
type scenario struct {
	// second is the name of the channel beside the one that is called as the
	// scenario; "" if there is none.
	second string
	// Events a second: what a page may ask for, and what it gets unless it asks.
	least, rate, most float64
	// burst is how many publications a page may have made at once.
	burst int
	make  func(*rand.Rand) generator
}

// scenarios returns all that there are, by name.
func scenarios() map[string]*scenario {
	return map[string]*scenario{
		"transports": {least: 0.5, rate: 5, most: 20, burst: 200, make: func(r *rand.Rand) generator { return &chatter{r, 24} }},
		"ticker":     {second: "tape", least: 100, rate: 3000, most: 10_000, make: func(r *rand.Rand) generator { return newMarket(r) }},
		"builds":     {least: 0.5, rate: 1.5, most: 5, make: func(r *rand.Rand) generator { return &forge{rnd: r} }},
		"board":      {least: 0.1, rate: 0.25, most: 5, make: func(r *rand.Rand) generator { return &team{rnd: r} }},
		"failure":    {least: 1, rate: 10, most: 20, burst: 200, make: func(r *rand.Rand) generator { return &chatter{r, 6} }},
	}
}

// channel returns the name of a channel of a scenario: another seed is another
// channel, so that what is seen under a permalink is not mixed with anything.
func channel(workspace, name string, seed uint32) string {
	return fmt.Sprintf("%s%s.%d", prefix(workspace), name, seed)
}

// prefix begins the names of the channels of a workspace.
func prefix(workspace string) string { return Namespace + ":" + workspace + ":" }
