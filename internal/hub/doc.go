// Package hub brings what is stored in the log, and what is signalled, to the
// subscriptions of this node.
//
// # Tails and positions
//
// For each channel that somebody here follows, the hub keeps a tail: the newest
// records, each encoded once as a Frame. A subscription has no queue. It has the
// offset up to which its reader was served, and whoever serves it calls Pull,
// which takes the frames after that offset from the tail. A subscription that has
// fallen out of the tail reads pages of the log instead, which are shared and
// bounded as well (pages.go); one that has fallen out of the log is told so by a
// reset. So a slow reader costs its position, and a fast one never waits for it.
//
// # The way of a record
//
//	engine ─Deliver─▶ channel: into the tail ─▶ workers: mark the subscriptions,
//	                                            then flush their listeners
//	listener.Flush ─▶ Subscription.Pull ─▶ Emitter
//
// There is a worker for each core, and each listener belongs to one. A worker
// that is woken by a channel goes through the channel's subscriptions that belong
// to it, marks each listener that has something new, and then flushes these one
// after the other. However many records came meanwhile, each listener is flushed
// once. Nothing here starts a goroutine or allocates for a delivery.
//
// # What the engine may get wrong
//
// A live record is accepted only if its predecessor is the head of the tail
// (package eventlog says why). Anything else, and every doubt that the engine
// raises, makes the channel read the log from its head on (fill). On an engine
// that may lose the last record of a channel silently, the heads of active
// channels are checked a second after the join and every ten seconds.
//
// # Locks
//
// The order is hub shard → channel → list of subscriptions → listener. Nothing is
// read from the log under any of them. Pull is called with no lock of the caller
// held, by one goroutine at a time for each subscription.
package hub
