//go:build !race

package yjs

const slowdown = 1
