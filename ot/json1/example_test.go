package json1_test

import (
	"errors"
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/json1"
)

// One moves a card from a list to another while the other edits it.
func Example() {
	typ := json1.Type{}
	doc, _ := typ.ParseDoc([]byte(`{"todo":[{"t":"write"}],"done":[]}`))
	move, _ := typ.ParseOp([]byte(`[["done",0,{"d":0}],["todo",0,{"p":0}]]`))
	edit, _ := typ.ParseOp([]byte(`["todo",0,"t",{"es":[5," tests"]}]`))
	_ = doc.Apply(move)
	edit, _ = typ.Transform(edit, move, ot.Left)
	_ = doc.Apply(edit)
	fmt.Println(edit.(json1.Op), string(doc.AppendJSON(nil)))
	// Output: ["done",0,"t",{"es":[5," tests"]}] {"done":[{"t":"write tests"}],"todo":[]}
}

func ExampleType_conflict() {
	remove, _ := json1.Type{}.ParseOp([]byte(`["a",{"r":true}]`))
	insert, _ := json1.Type{}.ParseOp([]byte(`["a","b",{"i":1}]`))
	_, err := json1.Type{}.Transform(insert, remove, ot.Left)
	var conflict *json1.ConflictError
	fmt.Println(errors.As(err, &conflict), conflict.Kind == json1.RemovedContent)
	op, err := json1.Type{Resolve: true}.Transform(insert, remove, ot.Left)
	fmt.Println(op.(json1.Op), err)
	// Output:
	// true true
	// null <nil>
}
