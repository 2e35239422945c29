package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/client"
)

// A backend publishes, and a worker follows.
func Example() {
	server, err := starling.New(starling.Options{Dev: true})
	if err != nil {
		log.Fatal(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()

	ctx := context.Background()
	c, err := client.New(client.Options{URL: web.URL})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Publish(ctx, "orders", map[string]string{"state": "new"}, client.Publication{User: "ann"}); err != nil {
		log.Fatal(err)
	}
	for p, err := range c.History(ctx, "orders", "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(p.User, string(p.Data))
	}
	for e, err := range client.Subscribe(ctx, web.URL, "orders", client.Subscription{}) {
		if err != nil {
			log.Fatal(err)
		}
		if e.Type == client.EventStarted {
			if _, err := c.Publish(ctx, "orders", map[string]string{"state": "paid"}, client.Publication{}); err != nil {
				log.Fatal(err)
			}
			continue
		}
		fmt.Println(string(e.Publication.Data))
		break
	}
	if err := server.Shutdown(ctx, time.Millisecond); err != nil {
		log.Fatal(err)
	}
	// Output:
	// ann {"state":"new"}
	// {"state":"paid"}
}

// A backend that takes webhooks checks who sends them.
func ExampleVerifySignature() {
	secrets := []string{"a secret that only the server has"}
	http.HandleFunc("POST /starling", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
		if err != nil {
			return
		}
		if err := client.VerifySignature(r.Header.Get(client.SignatureHeader), body, secrets, 5*time.Minute); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		var hook struct {
			Events []struct{ ID, Type, Channel string }
		}
		if err := json.Unmarshal(body, &hook); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, e := range hook.Events {
			fmt.Println(e.Type, e.Channel) // unless e.ID was seen before
		}
	})
}
