package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
)

// An account is a log of what happened to it. Compare-and-append keeps two
// writers from both spending the last of it.
func Example() {
	ctx := context.Background()
	accounts := eventlog.New(memory.New(memory.Options{}))
	defer accounts.Close()

	paid, err := accounts.Append(ctx, eventlog.Append{
		Channel: "account:7", Entries: []eventlog.Entry{{Data: []byte(`{"paid":100}`)}}, Key: "payment-1", Expect: eventlog.At(0),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, amount := range []int{60, 70} {
		_, err := accounts.Append(ctx, eventlog.Append{
			Channel: "account:7", Entries: []eventlog.Entry{{Data: fmt.Appendf(nil, `{"spent":%d}`, amount)}}, Expect: eventlog.At(paid.Last.Offset),
		})
		fmt.Println(amount, "conflict:", errors.Is(err, eventlog.ErrConflict))
	}
	page, err := accounts.Read(ctx, "account:7", 0, eventlog.Limit{})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range page.Records {
		fmt.Println(string(r.Data))
	}
	// Output:
	// 60 conflict: false
	// 70 conflict: true
	// {"paid":100}
	// {"spent":60}
}
