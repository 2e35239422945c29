// Package json0 is the first JSON type of ShareDB, compatible with the npm package
// ot-json0.
//
// An operation is a list of components that are done one after the other. Each has
// a path p of keys and indices, whose last element says where in its container:
//
//	{"p":[…,key],"oi":V}          set a key             {"p":[…,key],"od":V}  remove it
//	{"p":[…,key],"od":V,"oi":W}   replace its value
//	{"p":[…,i],"li":V}            insert into a list    {"p":[…,i],"ld":V}    delete from it
//	{"p":[…,i],"ld":V,"li":W}     replace an element    {"p":[…,i],"lm":j}    move one to index j
//	{"p":[…],"na":N}              add N to a number
//	{"p":[…,offset],"si":S}       insert into a string  {"p":[…,offset],"sd":S} delete from it
//	{"p":[…],"t":"text0","o":[{"p":offset,"i":S},{"p":offset,"d":S}]} the same, as a list
//
// Offsets in strings count UTF-16 code units. An operation costs O(log n) in the
// size of the lists, objects and long strings that it passes.
//
// Transform, Compose and Invert give what ot-json0 gives, also in the few cases in
// which that does not converge: clients in the field compute just this. Apply is
// stricter: an index or offset beyond the end, which JavaScript lets pass and which
// there makes clients differ, is an error, and so are components that do two
// things at once.
package json0
