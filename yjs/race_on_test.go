//go:build race

package yjs

// slowdown is what the race detector costs.
const slowdown = 10
