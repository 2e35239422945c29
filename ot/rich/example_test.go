package rich_test

import (
	"fmt"

	"github.com/starling-rt/starling/ot/rich"
)

func Example() {
	bold, _ := rich.ParseAttributes([]byte(`{"bold":true}`))
	doc := rich.New()
	_ = doc.Apply(rich.Op(nil).Insert("Gandalf the Grey\n", nil))
	op := rich.Op(nil).Retain(7, bold).Retain(5, nil).Delete(4).Insert("White", nil)
	undo, _ := doc.Invert(op)
	_ = doc.Apply(op)
	fmt.Println(string(doc.AppendJSON(nil)))
	_ = doc.Apply(undo)
	fmt.Println(string(doc.AppendJSON(nil)))
	// Output:
	// [{"insert":"Gandalf","attributes":{"bold":true}},{"insert":" the White\n"}]
	// [{"insert":"Gandalf the Grey\n"}]
}

func ExampleOp_InsertEmbed() {
	op, err := rich.Op(nil).Retain(3, nil).InsertEmbed([]byte(`{"image":"a.png"}`), nil)
	fmt.Println(op, err)
	// Output: {"ops":[{"retain":3},{"insert":{"image":"a.png"}}]} <nil>
}
