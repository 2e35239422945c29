// Package rich is the rich text type of package ot: the Delta format of the Quill
// editor, compatible with the npm packages rich-text and quill-delta.
//
// A document is a list of insertions, an operation a list of components that walk
// over the document from its start:
//
//	{"insert":"abc"}   insert text, with or without "attributes":{"bold":true}
//	{"insert":{"image":"u"}} insert an embed, an object of length 1
//	{"retain":5}       keep 5 units; with attributes, format them: null removes one
//	{"delete":3}       delete 3 units
//
// Lengths count UTF-16 code units, as JavaScript does. On the wire a document is
// an array of these, an operation is {"ops":[...]}; both forms are read for both.
//
// Compose, Transform and Invert follow quill-delta 4, on which npm rich-text 4
// stands, component by component. Three things are told apart there which here are
// not: an empty set of attributes and none; in documents, insertions side by side
// with the same attributes and their concatenation; and the order of keys.
// quill-delta pads a document for an operation that is longer than it; here that
// is an error. The {"retain":{…}} of quill-delta 5 is not known to rich-text, and
// refused.
package rich
