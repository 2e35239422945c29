package transport_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// sse is a reader of an event stream.
type sse struct {
	t   *testing.T
	res *http.Response
	br  *bufio.Reader
}

func (b *box) sse(path string, headers ...string) *sse {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	b.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.http.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	res, err := b.http.Client().Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		b.t.Fatalf("got %s %v", res.Status, res.Header)
	}
	return &sse{t: b.t, res: res, br: bufio.NewReader(res.Body)}
}

// event returns the next event.
func (s *sse) event() (string, error) {
	var event strings.Builder
	for {
		line, err := s.br.ReadString('\n')
		if err != nil {
			return event.String(), err
		}
		if line == "\n" {
			return event.String(), nil
		}
		event.WriteString(line)
	}
}

// hears waits for an event that contains a text, past others.
func (s *sse) hears(want string) string {
	s.t.Helper()
	for {
		e, err := s.event()
		if err != nil {
			s.t.Fatalf("waiting for %q: %v", want, err)
		}
		if strings.Contains(e, want) {
			return e
		}
	}
}

// ends waits for the end of the stream.
func (s *sse) ends() {
	s.t.Helper()
	if _, err := io.Copy(io.Discard, s.br); err != nil {
		s.t.Errorf("the stream ended with %v", err)
	}
}

// A session may begin without a channel if it is to be kept, and subscribe by commands.
func TestSessionsThatSubscribeLater(t *testing.T) {
	b := open(t, nil)
	stream := b.sse("/sse?keep=1")
	_, id, _ := strings.Cut(stream.hears("event: session"), `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	if got := b.do("POST", "/send?session="+id, `{"type":"subscribe","channel":"later"}`); got.status != http.StatusOK {
		t.Fatalf("subscribe over SSE: got %d %s", got.status, got.body)
	}
	b.publish("later", `"streamed"`)
	stream.hears(`"data":"streamed"`)

	first := b.do("GET", "/poll?keep=1", "")
	_, id, _ = strings.Cut(first.body, `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	if first.status != http.StatusOK || id == "" {
		t.Fatalf("a poll without a channel: got %d %s", first.status, first.body)
	}
	if got := b.do("POST", "/send?session="+id, `{"type":"subscribe","channel":"later"}`); got.status != http.StatusOK {
		t.Fatalf("subscribe over polling: got %d %s", got.status, got.body)
	}
	b.publish("later", `"polled"`)
	if got := b.do("GET", "/poll?session="+id+"&ack=1", ""); !strings.Contains(got.body, `"data":"polled"`) {
		t.Errorf("the next poll: got %d %s", got.status, got.body)
	}
	for _, path := range []string{"/sse", "/poll"} {
		if got := b.do("GET", path, ""); !strings.Contains(got.body+got.header.Get("Starling-Error"), "Name a channel") {
			t.Errorf("GET %s: got %d %s", path, got.status, got.body)
		}
	}
}
