// Package netlab gives tests a network: hosts in network namespaces of their own,
// on a switch in this process, whose links can be slow, lossy and cut one way or
// both, and disks that can be full.
//
//	process of the test, 10.77.0.1 ── switch ──┬── host 10.77.0.11
//	                                           ├── host 10.77.0.12
//	                                           └── …
//
// Each host has a TUN device, whose other end the switch holds: it reads a packet,
// looks at where it is to go, and writes it there, later or not at all. Nothing of
// it is left when the process ends, however it ends: the namespaces have no names,
// and the disks are mounted in a mount namespace of the test's own.
//
// It needs Linux and root.
package netlab
