// Package websocket is the codec of RFC 6455 and RFC 7692: handshakes, frame
// headers, masking, close codes and permessage-deflate, on byte slices. It reads
// no socket and holds no buffer, so that a poller and a goroutine per connection
// can both drive it.
package websocket
