package transport_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/starling-rt/starling/internal/session"
)

// nodes are peers within this process.
type nodes struct {
	mu      sync.Mutex
	answer  map[string]func(context.Context, []byte) []byte
	err     error // of asking
	instead []byte
}

func (n *nodes) Ask(ctx context.Context, node string, question []byte) ([]byte, error) {
	n.mu.Lock()
	answer, err, instead := n.answer[node], n.err, n.instead
	n.mu.Unlock()
	if err != nil || answer == nil || instead != nil {
		return instead, err
	}
	return answer(ctx, question), nil
}

func (n *nodes) Answer(node string, answer func(context.Context, []byte) []byte) (stop func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.answer[node] != nil {
		return nil, errors.New("the name is taken")
	}
	n.answer[node] = answer
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.answer, node)
	}, nil
}

// What comes to a node that does not have the session is answered by the one that
// has, or by 410.
func TestRequestsOfSessionsElsewhere(t *testing.T) {
	peers := &nodes{answer: map[string]func(context.Context, []byte) []byte{}}
	node := func(name string) *box {
		b := open(t, func(s *settings) { s.session = session.Config{Node: name} })
		if err := b.handler.Join(peers, name); err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b := node("a"), node("b")
	_, id, _ := strings.Cut(a.do("GET", "/poll?channel=c&keep=1", "").body, `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	send, poll := "/send?session="+id, "/poll?wait=0&session="+id
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		part                     string
	}{
		{"a publication", "POST", send, `{"type":"publish","channel":"c","data":"hello"}`, 200, `"offset":`},
		{"it is there", "GET", poll, "", 200, `"hello"`},
		{"a refusal", "POST", send, `{"type":"dance"}`, 400, "unknown_type"},
		{"no JSON", "POST", send, "x\ny", 400, "malformed"},
		{"too much", "POST", send, strings.Repeat(" ", 64<<10+1), 413, "too_large"},
		{"a bad position", "GET", poll + "&since=!", "", 400, "bad_position"},
		{"a session that has ended", "POST", "/send?session=a.gone", "{}", 410, "session_gone"},
		{"polls of it", "GET", "/poll?session=a.gone", "", 410, "session_gone"},
		{"a node that does not exist", "POST", "/send?session=x.y", "{}", 410, "session_gone"},
		{"one's own session that has ended", "POST", "/send?session=b.gone", "{}", 410, "session_gone"},
		{"no node", "POST", "/send?session=gone", "{}", 410, "session_gone"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := b.do(row.method, row.path, row.body); got.status != row.status || !strings.Contains(got.body, row.part) {
				t.Errorf("got %d %s, want %d and %s", got.status, got.body, row.status, row.part)
			}
		})
	}
	peers.mu.Lock()
	peers.instead = []byte("what?")
	peers.mu.Unlock()
	if got := b.do("POST", send, "{}"); got.status != 500 {
		t.Errorf("an answer that is not understood: got %d %s", got.status, got.body)
	}
	peers.mu.Lock()
	peers.instead, peers.err = nil, errors.New("no way")
	peers.mu.Unlock()
	if got := b.do("POST", send, "{}"); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("no way to ask: got %d %s, want 503", got.status, got.body)
	}
	if err := b.handler.Join(peers, "a"); err == nil {
		t.Error("two nodes have one name")
	}
	if got := peers.answer["a"](t.Context(), []byte("/dance?\n")); !strings.HasPrefix(string(got), fmt.Sprint(400)) {
		t.Errorf("an unknown question: got %s", got)
	}
}
