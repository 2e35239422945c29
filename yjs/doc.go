// Package yjs is a document engine that is byte-compatible with Yjs.
package yjs
