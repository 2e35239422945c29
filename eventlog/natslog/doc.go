// Package natslog keeps an eventlog in a NATS JetStream cluster, so that nodes
// without state of their own share it.
//
// # Layout
//
// The channels are spread over a number of partitions, by a hash of their names.
// P is the prefix of Options, i the partition; NS and REST are what stands in a
// channel's name before and after its first colon, escaped (see subjectOf).
//
//	stream P-log-i (file)                 one for each partition
//	  P.log.i.r.NS.REST                   records; the offset is the stream's sequence
//	  P.log.i.t.NS.REST                   the mark: what was trimmed and deleted
//	  P.log.i.k.NS.REST.HASH              one for each idempotency key, with a TTL
//	  P.log.i.h                           what is tried when an append was not stored, for a second
//	stream P-slots-i (memory)             one for each partition
//	  P.slot.i.NS.REST.KEY                the newest value of a slot, with a TTL
//	stream P-kv (file)
//	  P.kv.KEY                            key-values; the revision is the sequence
//
// The streams republish what they store to the subjects that nodes listen on:
//
//	P.live.NS.REST.r                      records
//	P.live.NS.REST.s                      signals, of slots and those that are not kept
//
// and nodes speak to each other on
//
//	P.node.NAME                           what a node is asked (see Ask)
//	P.beat                                that it lives (see Attend)
//
// A node has one core NATS subscription for each channel that is watched, and
// none on a stream: JetStream has no consumers here.
//
// # What it rests on
//
//   - Heads and marks are read from the leader of a stream. Records are read from
//     any replica, up to the head that the leader told: a replica that is behind
//     is asked again.
//   - The last record of a channel is never removed, because its sequence is the
//     head. What a trim or a deletion hides is told by the mark, which is written
//     before anything is removed and read after the records.
//   - An append with an idempotency key is an atomic batch of the key's marker,
//     which must not be there, and the records, which follow it.
//   - An append that expects a head expects the last sequence of its subject.
//
// docs/guides/cluster.md says how to set the servers up and what it costs,
// docs/adr/0014-nats-layout.md why it is laid out so.
package natslog
