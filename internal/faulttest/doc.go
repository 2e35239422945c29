// Package faulttest is a cluster under faults: three nodes and three NATS servers on
// hosts of their own, clients that publish, follow and compare-and-append, faults
// that a seed chooses, a history of what everybody did and saw, and a checker of it.
// It is tests alone.
//
// make test runs one short seed, make faults as many as one likes. Both need root.
package faulttest
