// Package netpoll watches many TCP connections with few goroutines: one for each
// core, which waits in the kernel (epoll) and calls a connection's Handler when
// there is something to read, or room to write. A connection at rest holds no
// goroutine and no buffer.
//
// # Who closes
//
// A file descriptor that is closed may be given out again at once, to another
// connection. So only the loop that reads from it closes it: Close shuts the
// connection down, which the loop notices. Writes and Close hold the connection's
// lock, reads are the loop's alone.
package netpoll
