package ot_test

import (
	"fmt"

	"github.com/starling-rt/starling/ot"
	"github.com/starling-rt/starling/ot/text"
)

// Two clients edit at the same time; a server puts their operations in order.
func Example() {
	server := ot.NewServer(text.Unicode, text.Unicode.New("hello"), 0, ot.ServerOptions{})
	ann := ot.NewClient(text.Unicode, "ann", server.Snapshot(), 0)
	bob := ot.NewClient(text.Unicode, "bob", server.Snapshot(), 0)

	// Each sees its own edit at once.
	_ = ann.Edit(text.Unicode.NewInsert(5, " world"))
	_ = bob.Edit(text.Unicode.NewReplace(0, 1, "J"))
	fmt.Println(ann.Doc().(*text.Doc), "/", bob.Doc().(*text.Doc))

	// Both submit, and all get what was ordered.
	for _, client := range []*ot.Client{bob, ann} {
		submission, _ := client.Next()
		entry, err := server.Submit(submission)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, c := range []*ot.Client{ann, bob} {
			if _, err := c.Receive(entry); err != nil {
				fmt.Println(err)
				return
			}
		}
	}
	fmt.Println(ann.Doc().(*text.Doc), "/", bob.Doc().(*text.Doc))

	// Undo takes back what one did, not what the other did.
	undone, _ := ann.Undo()
	fmt.Println(ann.Doc().(*text.Doc), undone.(text.Op))
	// Output:
	// hello world / Jello
	// Jello world / Jello world
	// Jello [5,{"d":" world"}]
}

// A submission that comes twice is ordered once.
func ExampleServer_Submit() {
	server := ot.NewServer(text.Unicode, text.Unicode.New(""), 7, ot.ServerOptions{})
	submission := ot.Submission{Src: "ann", Seq: 1, Base: 7, Op: text.Unicode.NewInsert(0, "x")}
	for range 2 {
		entry, err := server.Submit(submission)
		fmt.Println(entry.Revision, entry.Duplicate, err, server.Revision())
	}
	// Output:
	// 7 false <nil> 8
	// 7 true <nil> 8
}

// After an absence a client takes in what it has missed, and sends again what the
// server may not have got.
func ExampleClient_Resend() {
	server := ot.NewServer(text.Unicode, text.Unicode.New("a"), 0, ot.ServerOptions{})
	client := ot.NewClient(text.Unicode, "ann", server.Snapshot(), 0)
	_ = client.Edit(text.Unicode.NewInsert(1, "b"))
	lost, _ := client.Next()
	_, _ = server.Submit(lost) // the answer does not arrive

	entries, _ := server.Since(client.Revision())
	for _, e := range entries {
		_, _ = client.Receive(e)
	}
	_, again := client.Resend()
	fmt.Println(client.Doc().(*text.Doc), client.Revision(), again)
	// Output: ab 1 false
}

// Where everybody is follows what everybody does.
func ExampleServer_SetPosition() {
	server := ot.NewServer(text.Unicode, text.Unicode.New("hello"), 0, ot.ServerOptions{})
	_, _ = server.SetPosition("bob", 0, text.Selection{Anchor: 1, Focus: 5})
	_, _ = server.Submit(ot.Submission{Src: "ann", Seq: 1, Op: text.Unicode.NewInsert(0, "> ")})
	fmt.Println(string(server.Positions()["bob"].AppendJSON(nil)))
	// Output: [3,7]
}
