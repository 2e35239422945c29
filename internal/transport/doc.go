// Package transport carries sessions over WebSocket, Server-Sent Events and long
// polling: three loops over a session's Receive and Next.
//
// WebSocket and SSE share a driver, stream, for connections that were taken from
// net/http. While a client keeps up, a worker of the hub pulls the session and
// writes to the socket without blocking. When the socket is full, what was not
// sent of the last frame is kept, everything after it is given back to the
// subscriptions, and a goroutine waits for the socket and goes on from there. A
// connection at rest has one goroutine, which waits for bytes without a buffer.
// Connections that cannot be written to without blocking (TLS) use the goroutine
// always.
package transport
