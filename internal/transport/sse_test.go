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
