package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
)

// A tick of tests: who is silent for about a second is dead.
const testTick = 50 * time.Millisecond

// attender is a node, with what it was told.
type attender struct {
	eventlog.Attendance
	engine *natslog.Engine

	mu   sync.Mutex
	told []string
}

// attend makes a node on an engine of its own.
func attend(t *testing.T, name string, o natslog.Options) *attender {
	t.Helper()
	a := &attender{engine: open(t, o)}
	var err error
	a.Attendance, err = a.engine.Attend(name, func(c eventlog.NodeChange) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.told = append(a.told, fmt.Sprint(c.Kind, " ", c.Node.Name))
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *attender) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.told)
}

// tells waits until all that it was told is this.
func (a *attender) tells(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("%s is told %v", a.Self().Name, want), func() bool { return len(a.seen()) >= len(want) })
	if got := a.seen(); !slices.Equal(got, want) {
		t.Errorf("%s is told %v, want %v", a.Self().Name, got, want)
	}
}

// Who comes hears at once who is here, and is heard; who goes says so.
func TestNodesHearOfEachOther(t *testing.T) {
	o := natslog.WithTick(fresh(one), time.Hour) // nobody beats unless asked
	a, b := attend(t, "a", o), attend(t, "b", o)
	a.tells(t, "arrived b")
	b.tells(t, "arrived a")
	if got, want := a.Nodes(), []eventlog.Node{a.Self(), b.Self()}; !slices.Equal(got, want) {
		t.Errorf("a knows %v, want %v", got, want)
	}
	if got, want := b.Nodes(), a.Nodes(); !slices.Equal(got, want) {
		t.Errorf("b knows %v, want %v", got, want)
	}
	b.Leave()
	b.Leave()
	a.tells(t, "arrived b", "left b")
	again := attend(t, "b", o)
	a.tells(t, "arrived b", "left b", "arrived b")
	if err := again.engine.Close(); err != nil { // which does not say goodbye
		t.Fatal(err)
	}
	third := attend(t, "b", o)
	a.tells(t, "arrived b", "left b", "arrived b", "replaced b")
	third.tells(t, "arrived a")
	b.tells(t, "arrived a")
	again.Leave() // of a connection that is closed
	if got, want := a.Nodes(), []eventlog.Node{a.Self(), third.Self()}; !slices.Equal(got, want) {
		t.Errorf("a knows %v, want %v", got, want)
	}
}

// Who is cut off is dead to the others, and to itself nobody is. When it is back it is
// heard again, and judges again.
func TestNodeThatIsCutOff(t *testing.T) {
	p := natstest.NewProxy(t, one.Members[0])
	o := natslog.WithTick(fresh(one), testTick)
	far := o
	far.URLs = []string{p.URL}
	a, b, c := attend(t, "a", far), attend(t, "b", o), attend(t, "c", o)
	eventually(t, 30*time.Second, "all are here", func() bool {
		return len(a.seen()) == 2 && len(b.seen()) == 2 && len(c.seen()) == 2
	})
	told := a.seen()
	self := a.Self()
	p.Cut()
	eventually(t, 30*time.Second, "a is dead", func() bool { return len(b.seen()) == 3 && len(c.seen()) == 3 })
	if err := c.engine.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "c is dead", func() bool { return len(b.seen()) == 4 })
	if got := a.seen(); !slices.Equal(got, told) {
		t.Errorf("a is cut off and was told %v", got[len(told):])
	}
	p.Heal()
	a.tells(t, append(told, "died c")...)
	eventually(t, 30*time.Second, "a is back", func() bool { return len(b.seen()) == 5 })
	if got := b.seen()[2:]; !slices.Equal(got, []string{"died a", "died c", "arrived a"}) {
		t.Errorf("b was told %v", got)
	}
	if got, want := b.Nodes(), []eventlog.Node{self, b.Self()}; !slices.Equal(got, want) {
		t.Errorf("b knows %v, want %v", got, want)
	}
}

// Who is told may take its time: it hears all, in order, and nobody waits for it.
func TestToldLate(t *testing.T) {
	o := natslog.WithTick(fresh(one), time.Hour)
	e := open(t, o)
	begun, goOn := make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	told := make(chan string, 10)
	a, err := e.Attend("a", func(c eventlog.NodeChange) {
		begin()
		<-goOn
		told <- fmt.Sprint(c.Kind, " ", c.Node.Name)
	})
	if err != nil {
		t.Fatal(err)
	}
	b := attend(t, "b", o)
	<-begun
	b.Leave()
	c := attend(t, "c", o)
	c.tells(t, "arrived a") // which has answered
	eventually(t, 30*time.Second, "a knows of c", func() bool { return slices.Contains(a.Nodes(), c.Self()) })
	close(goOn)
	for _, want := range []string{"arrived b", "left b", "arrived c"} {
		if got := <-told; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	a.Leave()
	c.tells(t, "arrived a", "left a")
}

// notes is a logger's handler that keeps what is said.
type notes struct {
	slog.Handler
	mu  sync.Mutex
	all []string
}

func (n *notes) Enabled(context.Context, slog.Level) bool { return true }

func (n *notes) Handle(_ context.Context, r slog.Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := fmt.Sprint(r.Level, " ", r.Message)
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	n.all = append(n.all, text)
	return nil
}

func (n *notes) count(part string) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, text := range n.all {
		if strings.Contains(text, part) {
			times++
		}
	}
	return times
}

// What is no beat does no harm; another node of one's own name is told once.
func TestStrangeBeats(t *testing.T) {
	said := &notes{Handler: slog.DiscardHandler}
	o := natslog.WithTick(fresh(one), testTick)
	loud := o
	loud.Logger = slog.New(said)
	a, b := attend(t, "a", loud), attend(t, "b", o)
	a.tells(t, "arrived b")
	b.tells(t, "arrived a")
	nc, err := one.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	subject := o.Prefix + ".beat"
	twin := "\x01\x01\x00\x00\x00\x00\x00\x00\x00\x07a"
	for _, data := range []string{"", "\x02 of another version", "\x01", "\x01\x01", strings.Repeat("\x01", 1000), twin, twin} {
		if err := nc.Publish(subject, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Publish(subject, []byte("\x01\x01\x00\x00\x00\x00\x00\x00\x00\x07c")); err != nil {
		t.Fatal(err)
	}
	a.tells(t, "arrived b", "arrived c", "died c")
	b.tells(t, "arrived a", "arrived c", "died c")
	if n := said.count("DEBUG a heartbeat is not understood"); n != 5 {
		t.Errorf("%d of 5 were not understood", n)
	}
	if n := said.count("WARN another node has the name of this one"); n != 1 {
		t.Errorf("a twin was told %d times", n)
	}
}

func TestAttendRefuses(t *testing.T) {
	p := natstest.NewProxy(t, one.Members[0])
	o := fresh(one)
	o.URLs = []string{p.URL}
	e := open(t, o)
	nobody := func(eventlog.NodeChange) {}
	if _, err := e.Attend("a.b", nobody); !errors.Is(err, eventlog.ErrInvalid) {
		t.Errorf("a bad name: got %v", err)
	}
	a, err := e.Attend("a", nobody)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Attend("b", nobody); !errors.Is(err, eventlog.ErrInvalid) {
		t.Errorf("twice at once: got %v", err)
	}
	a.Leave()
	p.Cut()
	eventually(t, 30*time.Second, "without a connection it cannot attend", func() bool {
		a, err := e.Attend("a", nobody)
		if err == nil {
			a.Leave()
		}
		return errors.Is(err, eventlog.ErrUnavailable)
	})
	p.Heal()
	eventually(t, 30*time.Second, "it can again", func() bool {
		a, err := e.Attend("a", nobody)
		if err == nil {
			a.Leave()
		}
		return err == nil
	})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Attend("a", nobody); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("an engine that is closed: got %v", err)
	}
}

// Who inspects a cluster hears its nodes, also two of one name, and is none.
func TestInspectHearsNodes(t *testing.T) {
	o := fresh(one)
	b, a, twin, gone := attend(t, "b", o), attend(t, "a", o), attend(t, "a", o), attend(t, "c", o)
	gone.Leave()
	s, err := natslog.Inspect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := []eventlog.Node{a.Self(), twin.Self(), b.Self()}; !slices.Equal(s.Nodes, want) || s.Listened < 2*time.Second {
		t.Errorf("heard %v in %v, want %v", s.Nodes, s.Listened, want)
	}
}
