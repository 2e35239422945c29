// Package session is a client's logical connection: what it said, what it is
// subscribed to, and what is to be told to it, whatever carries the bytes.
//
// A session is pulled. Receive takes a message of the client; Next puts what there
// is to say into a Writer, which knows how the transport frames it. The session
// itself has no goroutine, no timer and no queue of publications. It holds:
//
//   - its subscriptions, each a position in a channel (package hub);
//   - the list of those that have something new, served round-robin by bytes;
//   - replies that were not sent yet, of 64 KiB at most: a transport calls
//     WaitRoom before it reads more commands.
//
// # Who flushes
//
// A session is idle or ready. It becomes ready when the first thing to say turns
// up, and its Outlet is then flushed once, by the worker that the session belongs
// to. From then on the outlet owns the duty to call Next, in the same goroutine or
// another, now or when its socket can take more, until Next returns false because
// there was nothing; in that moment the session is idle again. So there is one puller at a time, and news for
// a session whose socket is stuck cost nothing.
package session
