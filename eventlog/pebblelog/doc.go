// Package pebblelog keeps an eventlog in a directory of this machine, in a
// Pebble store: an acknowledged append of a synced channel survives the loss of
// the process and of power.
//
// # The way of an append
//
// Append puts the batch in a queue. One goroutine, the committer, takes all that
// waits, judges each append against what it knows, and writes the records, the
// heads and the keys of all of them as one Pebble batch. It does not wait for
// the batch to be synced but goes on with the next. Another goroutine, the
// publisher, waits for each batch's sync in turn; only then it moves the heads
// that readers see, delivers, and answers. So everything that is told, a
// conflict or a duplicate too, rests on what is on stable storage. Batches of
// unsynced channels are published by the committer as soon as they are applied.
//
// What is removed is first announced to readers (the trimmed mark of the
// channel), then deleted: a reader that takes its view of the store first and
// looks at the mark afterwards never takes a hole for the truth.
//
// When a write or a sync fails nothing more is written: what was in flight ends
// in eventlog.ErrUnknown, what comes later in eventlog.ErrUnavailable, and reads
// go on. Opening the directory again recovers what was acknowledged.
//
// # Rows
//
// A channel is its name behind one byte of length, so that no name is the prefix
// of another. Numbers in keys are 8 bytes, big-endian; numbers in values are
// uvarints unless a size is given; a string is a uvarint length and its bytes.
//
//	key                                   value
//	"r" channel offset                    time (varint), id, key, user: strings,
//	                                      count of tags, name and value of each,
//	                                      data (the rest)
//	"m" channel                           generation, born, last, trimmed, count,
//	                                      bytes, oldest, emptied
//	"d" window bucket channel dedup-key   hash (8 bytes), first, last, expires
//	"k" key                               revision, expires (0: never), value (the rest)
//	"x" expires key                       nothing
//	"n"                                   the last number given out (8 bytes)
//	"s"                                   version, clean (1 or 0), epoch (4 bytes),
//	                                      unsynced epoch (4 bytes), generation, forgotten
//
// Records, changes of keys and deletions draw their numbers from one counter.
// "m" is written with every append: last is the head, trimmed the highest offset
// that was removed, born the last number that a forgotten channel of the same
// name may have had, oldest the time of the oldest record, emptied when the last
// record went. The epoch of a channel is made of the store's and the channel's
// generation: the store's generation when the channel was made, which grows
// whenever channels are forgotten.
//
// Idempotency keys lie in buckets of time as long as their window, so that a
// lookup is in two buckets and an old bucket goes as one range.
package pebblelog
