// Package sim simulates many clients of one or two Starling nodes in one process
// and in fake time, from a seed, and checks what each of them saw.
//
// Clients connect over WebSocket, SSE or long polling, through the real handlers,
// on a network in memory whose connections are small and break. They subscribe to
// channels, with filters and policies, and to wildcards; publish with keys and try
// again until they are acknowledged; stall, leave, come back from their positions,
// to another node and by another transport. Nodes are restarted. The engine is
// one in memory, one on disk, or one that behaves as badly as a cluster may.
//
// What must hold: every publication that was acknowledged is in the log, once, at
// the offset that was acknowledged; and every subscriber has seen each publication
// that it should have, once and in order, up to the end, except where it was told
// reset or skipped.
package sim
