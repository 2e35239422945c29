// Package ot is operational transformation for documents whose operations a server
// puts in order, as Google Docs and ShareDB do it. It is pure: it starts nothing,
// waits for nothing and reads no clock, so it can be used and simulated anywhere.
//
// # Types
//
// A Type says how documents and operations of one kind are written and how
// operations relate. The types are packages of their own, and speak the wire forms of
// the npm packages that ShareDB uses:
//
//	ot/text   plain text: text-unicode, counted in code points, and UTF-16
//	ot/rich   rich text: the Deltas of Quill
//	ot/json0  JSON with list and key operations
//	ot/json1  JSON with moves
//
// Two operations made for the same state are brought together by Transform: whoever
// has a first applies b transformed over a, whoever has b first applies a transformed
// over b, and both have the same. That (TP1) is all that is needed when a server
// orders the operations.
//
// # Order
//
// A Server holds a document at a revision, which counts the operations that made it,
// and the newest of these operations. Submit transforms an operation that was made
// for an older revision over those since, applies it and gives it the next revision.
// A submission names its source and counts: one that comes twice is known again.
//
// A Client is the other half: a copy of the document that is edited at once. It sends
// one operation at a time and gathers what is edited meanwhile in a second one; what
// the server has ordered in between is transformed over both, and both over that. A
// History undoes the edits of one user.
//
//	client.Edit(op)                     the document changes here
//	submission, ok := client.Next()     to be sent
//	entry, err := server.Submit(submission)
//	client.Receive(entry)               on every client, the sender's as well
//
// Neither is safe for concurrent use; each belongs to one goroutine, or to a lock.
// Sockets, logs and timeouts are the business of who uses them.
package ot
