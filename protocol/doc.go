// Package protocol is what Starling and its clients say to each other: the
// messages and their codec, the error codes, positions, the names of channels
// and the filters of subscriptions. docs/protocol.md is its specification, and
// the files in testdata are vectors that the tests of every client read.
//
// The package is pure: values in, values out. What it parses it checks wholly,
// bounds by [MaxMessageBytes] and [MaxDepth], and refuses with an [Error].
package protocol
