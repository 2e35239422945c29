package starling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
)

// Members of a room may do what they like there; everything else is left to tokens.
func ExampleOptions_authorize() {
	members := map[string][]string{"ann": {"kitchen"}}
	options := starling.Options{
		Authorize: func(_ context.Context, who *starling.Identity, verb starling.Verb, channel string) error {
			room, ok := strings.CutPrefix(channel, "room:")
			if !ok {
				return starling.ErrUndecided
			}
			if who != nil {
				for _, r := range members[who.User] {
					if r == room {
						return nil
					}
				}
			}
			return starling.Refuse("Only members may %s here.", verb)
		},
	}
	ctx := context.Background()
	fmt.Println(options.Authorize(ctx, &auth.Identity{User: "ann"}, starling.Publish, "room:kitchen"))
	fmt.Println(options.Authorize(ctx, &auth.Identity{User: "bob"}, starling.Publish, "room:kitchen"))
	// Output:
	// <nil>
	// forbidden (4101): Only members may publish here.
}

// Publications get a tag for filters, and users their inbox without asking for it.
func ExampleHooks() {
	server, err := starling.New(starling.Options{Hooks: starling.Hooks{
		Connect: func(_ context.Context, c *starling.ConnectRequest) error {
			if c.Identity != nil {
				c.Channels = append(c.Channels, "inbox:"+auth.EscapeUser(c.Identity.User))
			}
			return nil
		},
		Publish: func(_ context.Context, p *starling.PublishRequest) error {
			if len(p.Data) > 1000 {
				return starling.Refuse("At most 1,000 bytes, please.")
			}
			p.Tags = map[string]string{"from": p.User}
			return nil
		},
		Call: func(_ context.Context, c *starling.CallRequest) (any, error) {
			if c.Method != "time" {
				return nil, starling.Refuse("There is no %s.", c.Method)
			}
			return time.Now(), nil
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Shutdown(context.Background(), 0); err != nil {
		log.Fatal(err)
	}
}

// till is a Kind: publications are amounts that are paid in or out.
type till struct{}

type balance struct {
	Holds int `json:"holds"`
}

// Publish implements [starling.Kind].
func (till) Publish(ctx context.Context, c *starling.Channel, p *starling.PublishRequest) (eventlog.Appended, error) {
	var amount int
	if err := json.Unmarshal(p.Data, &amount); err != nil {
		return eventlog.Appended{}, starling.Refuse("An amount is a number.")
	}
	for {
		head, err := c.Head(ctx)
		if err != nil {
			return eventlog.Appended{}, err
		}
		var now balance
		if head.Offset > 0 {
			page, err := c.Read(ctx, head.Offset-1, eventlog.Limit{Records: 1})
			if err != nil {
				return eventlog.Appended{}, err
			}
			if err := json.Unmarshal(page.Records[0].Data, &now); err != nil {
				return eventlog.Appended{}, err
			}
		}
		if now.Holds += amount; now.Holds < 0 {
			return eventlog.Appended{}, starling.Refuse("There is not so much in it.")
		}
		raw, err := json.Marshal(now)
		if err != nil {
			return eventlog.Appended{}, err
		}
		done, err := c.Append(ctx, eventlog.Append{Entries: []eventlog.Entry{{Data: raw}}, User: p.User, Key: p.Key, Expect: eventlog.At(head.Offset)})
		if !errors.Is(err, eventlog.ErrConflict) {
			return done, err
		}
	}
}

// A till never pays out more than it holds.
func ExampleKind() {
	server, err := starling.New(starling.Options{Namespaces: starling.Namespaces{"till": {Kind: till{}}}})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, amount := range []int{10, -4, -7} {
		if _, err := server.Publish(ctx, "till:1", amount, starling.Publication{}); err != nil {
			fmt.Println(amount, err)
		}
	}
	page, err := server.History(ctx, "till:1", starling.HistoryQuery{Newest: true, Limit: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(page.Publications[0].Data))
	if err := server.Shutdown(ctx, 0); err != nil {
		log.Fatal(err)
	}
	// Output:
	// -7 forbidden (4101): There is not so much in it.
	// {"holds":6}
}

// A channel whose publications are orders.
func ExampleTypedChannel() {
	type order struct{ State string }
	server, err := starling.New(starling.Options{})
	if err != nil {
		log.Fatal(err)
	}
	orders, err := starling.TypedChannel[order](server, "orders:{}", "17")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for e, err := range orders.Subscribe(ctx, starling.Subscription{}) {
		if err != nil {
			log.Fatal(err)
		}
		if e.Type == starling.EventStarted {
			if _, err := orders.Publish(ctx, order{"paid"}, starling.Publication{}); err != nil {
				log.Fatal(err)
			}
			continue
		}
		fmt.Println(e.Publication.Channel, e.Value.State)
		break
	}
	if err := server.Shutdown(ctx, 0); err != nil {
		log.Fatal(err)
	}
	// Output: orders:17 paid
}
