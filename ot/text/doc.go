// Package text is the plain text type of package ot, compatible with the npm
// packages ot-text-unicode and ot-text.
//
// An operation is a list of components that walk over the document from its
// start. On the wire it is a JSON array:
//
//	5          skip 5 units
//	"abc"      insert abc here
//	{"d":3}    delete the next 3 units
//	{"d":"xyz"} the same, with the deleted text, so that it can be inverted
//
// as in [5,"abc",{"d":3}]. What follows the last component is kept. Nothing may be
// empty, two skips may not stand side by side, nor may a skip stand at the end. An
// Op has no two components of one kind side by side; what is read is joined.
//
// The unit is the code point for Unicode, the type of this name in ShareDB, and
// the UTF-16 code unit for UTF16, which is what the strings of JavaScript count.
// The two are one type in all other respects. Documents count in both, so an
// editor in JavaScript can be connected to a document of code points with
// Doc.FromUTF16 and Doc.ToUTF16.
//
// Transform and Compose follow the rules of ot-text-unicode to the byte. Note the
// warning of that package: Compose forgets in which order an insertion and a
// deletion beside it came, so a composed operation may transform to another
// result than its parts. Convergence needs only that all transform the same
// operations: never transform a composed operation on one side and its parts on
// the other.
package text
