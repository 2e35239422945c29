package starling_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/starling-rt/starling"
)

// A server is an http.Handler: it can stand beside a program's own paths.
func Example() {
	server, err := starling.New(starling.Options{Dev: true})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", server)
	web := httptest.NewServer(mux)
	defer web.Close()

	published, err := server.Publish(context.Background(), "news", "hello", starling.Publication{Key: "first"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("offset", published.Offset)

	// What a browser would do with new EventSource("/sse?channel=news").
	res, err := http.Get(web.URL + "/poll?channel=news")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Status)

	if err := server.Shutdown(context.Background(), time.Millisecond); err != nil {
		log.Fatal(err)
	}
	// Output:
	// offset 1
	// 200 OK
}
