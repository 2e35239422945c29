// Package json1 is the second JSON type of ShareDB, with moves, compatible with the
// npm package ot-json1.
//
// An operation is a tree over the keys of the document. Its places bear components,
// each with some of these:
//
//	"p":N   pick up what is here, as number N     "d":N   drop what was picked up as N
//	"r":V   remove what is here (V is ignored)    "i":V   insert V
//	"es":[…] edit the string here, as in text-unicode      "ena":N  add N to the number
//
// First everything is picked up and removed, the places being those of the document
// before; then everything is dropped and inserted, and edited, the places being
// those of the document after. On the wire the tree is a list: keys lead down, an
// object is a component, and lists at the end are several ways down from there:
//
//	["a","b",{"r":true}]
//	[["x",{"p":0}],["y",0,{"d":0}]]      move what is at x to y[0]
//
// The empty operation is null. Picks and drops are numbered from 0 on, ways down
// stand in the order of their keys, indices before names. Strings are counted in
// code points. A document may also be nothing at all, which is written null.
//
// When two operations cannot both be done, because one drops something where the
// other does, or into what the other removes, Transform returns a *ConflictError.
// Type.Resolve has it drop or remove what is in the way instead, as transformNoConflict
// of ot-json1 does.
//
// Transform and Compose give what ot-json1 gives. That package knows of cases, one in
// about a million complex operations, in which its transform does not converge; they
// are here as well. Parts of other types ("et") than text-unicode and number are not
// supported.
package json1
