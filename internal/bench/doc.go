// Package bench measures a Starling server: a process of its own, driven over
// loopback, whose CPU time and memory are read from the operating system; and the
// log in this process. Each scenario returns figures with their units; Report
// turns them into a table for docs/benchmarks.md.
//
// The load generator shares the machine with the server, so rates that the
// machine limits are limits of both. CPU time per delivery is the server's alone.
package bench
