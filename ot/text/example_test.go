package text_test

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/text"
)

func Example() {
	a, _ := text.Unicode.ParseOp([]byte(`[6,{"d":5},"there"]`))
	b, _ := text.Unicode.ParseOp([]byte(`["Oh, "]`))
	after, _ := text.Unicode.Transform(a, b, ot.Left)
	doc := text.Unicode.New("hello world")
	_ = doc.Apply(b)
	_ = doc.Apply(after)
	fmt.Println(after.(text.Op), doc)
	// Output: [10,{"d":5},"there"] Oh, hello there
}

func ExampleType_NewReplace() {
	doc := text.Unicode.New("naïve 😀 text")
	op := text.Unicode.NewReplace(6, 1, "🙂")
	undo, _ := doc.Invert(op)
	_ = doc.Apply(op)
	fmt.Println(op, doc, undo.(text.Op))
	// Output: [6,{"d":1},"🙂"] naïve 🙂 text [6,"😀",{"d":"🙂"}]
}

// An editor in JavaScript counts UTF-16 code units. Programs that compare strings by
// them may even replace half of a character.
func ExampleDoc_FromUTF16() {
	doc := text.Unicode.New("a😀b")
	half, _ := text.UTF16.ParseOp([]byte(`[2,{"d":1},"\ude42"]`))
	op, err := doc.FromUTF16(half.(text.Op))
	fmt.Println(op, err)
	back, _ := doc.ToUTF16(op)
	fmt.Println(back)
	// Output:
	// [1,"🙂",{"d":1}] <nil>
	// [1,"🙂",{"d":2}]
}

func ExampleOp_MapPosition() {
	op := text.Unicode.NewInsert(3, "abc")
	fmt.Println(op.MapPosition(2, false), op.MapPosition(3, false), op.MapPosition(3, true), op.MapPosition(4, false))
	// Output: 2 3 6 7
}
