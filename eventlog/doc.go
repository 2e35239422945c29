// Package eventlog keeps channels as ordered logs of records.
//
// Everything that Starling stores is a record in the log of a channel, and
// everything that a subscriber sees live comes from the end of such a log. A
// [Log] is what the rest of the server uses; an [Engine] is where the records
// are kept: in memory (package memory), in a directory of this machine (package
// pebblelog), or in a NATS JetStream cluster (package natslog). What an engine
// has to promise is written at [Engine], and package logtest holds it to that.
//
// # Offsets
//
// Each record has an offset, unique and growing within its channel, below 2⁵³.
// Offsets are sparse in every engine: the next record of a channel may have any
// higher number. A reader asks for "what comes after my offset" and never adds
// one to anything. Offset 0 stands before the first record.
//
// An offset means something together with the epoch of its channel. An engine
// changes the epoch whenever it can no longer vouch for the numbers that it gave
// out: at every start of an engine in memory, after an unclean stop for channels
// that are not synced, on a backup that was restored, and for the channels that
// are made after others, long empty, were forgotten with their heads. No offset
// is ever given twice under one epoch.
//
// # Live records
//
// Watch delivers records after they were stored, as the engine can: an embedded
// engine delivers each once and in order, a cluster may lose, double or reorder
// them. So a live record names its predecessor in the channel ([Live.Prev]), and
// whoever follows a channel accepts it only when the predecessor is the last one
// that it has; anything else is a reason to Read. A predecessor of 0 is not
// known.
package eventlog
