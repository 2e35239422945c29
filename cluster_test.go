package starling_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/memory"
)

// shared is an engine that others share, in name.
type shared struct {
	eventlog.Engine
	refuse error
	node   string
	told   func(eventlog.NodeChange)
	log    []string // what was called
}

func (s *shared) Attend(node string, told func(eventlog.NodeChange)) (eventlog.Attendance, error) {
	s.node, s.told = node, told
	s.log = append(s.log, "attend")
	return s, s.refuse
}

func (s *shared) Answer(string, func(context.Context, []byte) []byte) (stop func(), err error) {
	s.log = append(s.log, "answer")
	return func() { s.log = append(s.log, "stop") }, nil
}

func (s *shared) Ask(context.Context, string, []byte) ([]byte, error) { return nil, nil }

func (s *shared) Self() eventlog.Node { return eventlog.Node{Name: s.node, Incarnation: 1} }

func (s *shared) Nodes() []eventlog.Node {
	return []eventlog.Node{{Name: "b", Incarnation: 7}, s.Self()}
}

func (s *shared) Leave() { s.log = append(s.log, "leave") }

func (s *shared) Close() error {
	s.log = append(s.log, "close")
	return s.Engine.Close()
}

// A server is one of the nodes until it has gone, and says what it hears of the
// others.
func TestServerAttends(t *testing.T) {
	engine := &shared{Engine: memory.New(memory.Options{})}
	var said bytes.Buffer
	s, err := starling.New(starling.Options{Engine: engine, Node: "n", Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b := eventlog.Node{Name: "b", Incarnation: 7}
	for kind, want := range map[eventlog.NodeChangeKind]string{
		eventlog.NodeArrived: `level=INFO msg="node arrived" node=b`, eventlog.NodeLeft: `level=INFO msg="node left" node=b`,
		eventlog.NodeDied: `level=WARN msg="node died`, eventlog.NodeReplaced: `level=WARN msg="node replaced`,
	} {
		engine.told(eventlog.NodeChange{Kind: kind, Node: b})
		if !strings.Contains(said.String(), want) {
			t.Errorf("%v: it says\n%s", kind, &said)
		}
	}
	if got := s.ClusterStats(); got.Died != 2 || !slices.Equal(got.Nodes, []string{"b", "n"}) {
		t.Errorf("got %+v", got)
	}
	if err := s.Shutdown(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if want := []string{"answer", "attend", "stop", "leave", "close"}; !slices.Equal(engine.log, want) {
		t.Errorf("called %v, want %v", engine.log, want)
	}
}

func TestServerThatCannotAttend(t *testing.T) {
	engine := &shared{Engine: memory.New(memory.Options{}), refuse: errors.New("not today")}
	if _, err := starling.New(starling.Options{Engine: engine}); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("got %v", err)
	}
	if want := []string{"answer", "attend", "stop", "close"}; !slices.Equal(engine.log, want) {
		t.Errorf("called %v, want %v", engine.log, want)
	}
}

// A server whose engine nobody shares is alone.
func TestServerAlone(t *testing.T) {
	s, err := starling.New(starling.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.ClusterStats(); got.Died != 0 || !slices.Equal(got.Nodes, []string{"n1"}) {
		t.Errorf("got %+v", got)
	}
	if err := s.Shutdown(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := starling.New(starling.Options{Node: "a.b"}); !errors.Is(err, eventlog.ErrInvalid) {
		t.Errorf("a bad name of a node: got %v", err)
	}
}
