package json0_test

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/json0"
)

func Example() {
	typ := json0.Type{}
	doc, _ := typ.ParseDoc([]byte(`{"title":"Tasks","items":["a","b"],"votes":1}`))
	a, _ := typ.ParseOp([]byte(`[{"p":["items",2],"li":"c"},{"p":["votes"],"na":2}]`))
	b, _ := typ.ParseOp([]byte(`[{"p":["items",0],"ld":"a"},{"p":["title",0],"si":"My "}]`))
	_ = doc.Apply(b)
	a, _ = typ.Transform(a, b, ot.Left)
	_ = doc.Apply(a)
	fmt.Println(string(doc.AppendJSON(nil)))
	// Output: {"items":["b","c"],"title":"My Tasks","votes":3}
}
