package yjs_test

import (
	"errors"
	"fmt"

	"github.com/starling-rt/starling/yjs"
)

// Two documents change apart and come together.
func Example() {
	alice := yjs.New(yjs.Options{ClientID: 1})
	bob := yjs.New(yjs.Options{ClientID: 2})
	alice.Text("note").Insert(0, "Hello")
	if _, err := bob.Apply(alice.Encode(nil), nil); err != nil {
		fmt.Println(err)
	}

	alice.Text("note").Insert(5, ", world")
	bob.Text("note").Insert(0, "> ")
	forBob := alice.Encode(bob.StateVector())
	forAlice := bob.Encode(alice.StateVector())
	bob.Apply(forBob, nil)
	alice.Apply(forAlice, nil)

	fmt.Println(alice.Text("note"))
	fmt.Println(bob.Text("note"))
	// Output:
	// > Hello, world
	// > Hello, world
}

// A server applies what comes and passes on what is new.
func ExampleDoc_Apply() {
	editor, server := yjs.New(yjs.Options{}), yjs.New(yjs.Options{})
	var update []byte
	editor.OnUpdate(func(u *yjs.Update) { update = u.V1() })
	editor.Text("note").Insert(0, "hi")

	for range 2 { // networks deliver twice
		applied, err := server.Apply(update, "editor 1")
		fmt.Println(len(applied.Update) > 0, applied.Pending, err)
	}
	_, err := server.Apply([]byte("no update"), nil)
	fmt.Println(errors.Is(err, yjs.ErrMalformed))
	// Output:
	// true false <nil>
	// false false <nil>
	// true
}

func ExampleDoc_Transact() {
	doc := yjs.New(yjs.Options{})
	doc.OnUpdate(func(u *yjs.Update) { fmt.Println("one update, from", u.Origin) })
	doc.Transact("import", func() {
		doc.Map("meta").Set("title", yjs.String("Plan"))
		doc.Text("body").Insert(0, "First")
	})
	// Output: one update, from import
}

func ExampleText_Format() {
	doc := yjs.New(yjs.Options{})
	text := doc.Text("note")
	text.Insert(0, "bold and plain")
	text.Format(0, 4, yjs.Attrs{{Key: "bold", Value: yjs.Bool(true)}})
	for _, op := range text.Delta() {
		fmt.Printf("%q %v\n", op.Insert, op.Attrs)
	}
	// Output:
	// "bold" [{bold true}]
	// " and plain" []
}

func ExampleText_ApplyDelta() {
	text := yjs.New(yjs.Options{}).Text("note")
	text.Insert(0, "one two")
	err := text.ApplyDelta(yjs.Delta{{Retain: 4}, {Delete: 3}, {Insert: "2"}})
	fmt.Println(text, err)
	// Output: one 2 <nil>
}

// Shared types nest: what Set and Insert take may be a type of its own.
func ExampleMap() {
	doc := yjs.New(yjs.Options{})
	todo := yjs.NewMap(
		yjs.Entry{Key: "title", Value: yjs.NewText("Buy milk")},
		yjs.Entry{Key: "done", Value: yjs.Bool(false)},
	)
	doc.Array("todos").Append(todo)
	todo.Set("done", yjs.Bool(true))
	fmt.Println(doc.JSON())
	// Output: {"todos":[{"title":"Buy milk","done":true}]}
}

func ExampleXMLElement() {
	doc := yjs.New(yjs.Options{})
	p := yjs.NewXMLElement("p", yjs.NewXMLText("Hello"))
	doc.XML("page").Append(p)
	p.SetAttr("class", yjs.String("lead"))
	fmt.Println(doc.XML("page"))
	// Output: <p class="lead">Hello</p>
}

func ExampleArray_All() {
	doc := yjs.New(yjs.Options{})
	doc.Array("list").Append(yjs.Int(1), yjs.String("two"), yjs.List(yjs.Null()))
	for i, c := range doc.Array("list").All() {
		fmt.Println(i, c)
	}
	// Output:
	// 0 1
	// 1 "two"
	// 2 [null]
}

func ExampleEvent() {
	doc := yjs.New(yjs.Options{})
	stop := doc.Map("settings").Observe(func(e *yjs.Event) {
		for _, c := range e.Keys() {
			fmt.Println(c.Key, c.Action, c.Old)
		}
	})
	defer stop()
	doc.Map("settings").Set("theme", yjs.String("dark"))
	doc.Map("settings").Set("theme", yjs.String("light"))
	// Output:
	// theme add null
	// theme update "dark"
}

// A position stays beside its character while others edit.
func ExamplePosition() {
	doc := yjs.New(yjs.Options{})
	text := doc.Text("note")
	text.Insert(0, "world")
	cursor, err := text.PositionAt(3, yjs.After)
	text.Insert(0, "hello ")
	_, index, ok := doc.Resolve(cursor)
	fmt.Println(index, ok, err)
	// Output: 9 true <nil>
}

func ExampleSnapshot() {
	doc := yjs.New(yjs.Options{KeepDeleted: true})
	text := doc.Text("note")
	text.Insert(0, "first draft")
	draft := doc.Snapshot()
	text.Delete(0, 5)
	text.Insert(0, "final")

	old, err := doc.At(draft, yjs.Options{})
	fmt.Println(old.Text("note"), err)
	fmt.Println(text)
	// Output:
	// first draft <nil>
	// final draft
}

func ExampleMergeUpdates() {
	var log [][]byte
	doc := yjs.New(yjs.Options{ClientID: 1})
	doc.OnUpdate(func(u *yjs.Update) { log = append(log, u.V1()) })
	for _, word := range []string{"a ", "log ", "of ", "updates"} {
		doc.Text("note").Insert(doc.Text("note").Len(), word)
	}
	merged, err := yjs.MergeUpdates(log)
	if err != nil {
		fmt.Println(err)
	}
	other := yjs.New(yjs.Options{})
	other.Apply(merged, nil)
	fmt.Println(other.Text("note"))
	// Output: a log of updates
}

// A document can hold the names of others, which are exchanged on their own.
func ExampleSubdoc() {
	doc := yjs.New(yjs.Options{})
	doc.OnSubdocs(func(s *yjs.Subdocs) {
		for _, sub := range s.Added {
			fmt.Println("added", sub.GUID, sub.AutoLoad)
		}
		for _, sub := range s.Removed {
			fmt.Println("removed", sub.GUID)
		}
	})
	doc.Map("chapters").Set("one", &yjs.Subdoc{GUID: "chapter-1", AutoLoad: true})
	if sub, ok := doc.Map("chapters").Get("one"); ok {
		fmt.Println(sub.(*yjs.Subdoc).GUID)
	}
	doc.Map("chapters").Delete("one")
	// Output:
	// added chapter-1 true
	// chapter-1
	// removed chapter-1
}

// Providers speak encoding v1; v2 is smaller, for what is stored.
func ExampleConvertV1ToV2() {
	doc := yjs.New(yjs.Options{ClientID: 1})
	for i := range 100 {
		doc.Map("table").Set(fmt.Sprintf("row %02d", i), yjs.Int(i))
	}
	v1 := doc.Encode(nil)
	v2, err := yjs.ConvertV1ToV2(v1)
	fmt.Println(len(v2) < len(v1), err)

	again := yjs.New(yjs.Options{})
	again.ApplyV2(v2, nil)
	fmt.Println(again.Map("table").Value("row 42"))
	// Output:
	// true <nil>
	// 42
}
