package awareness

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/starling-rt/starling/yjs/internal/lib0"
)

type lists struct{ Added, Updated, Removed []uint64 }

func TestVectors(t *testing.T) {
	b, err := os.ReadFile("../testdata/proto-seed1.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Awareness []struct {
			In     []byte
			Events struct{ Update, Change *lists }
			States [][2]json.RawMessage
			Clocks [][2]uint64
		}
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	s := New(99, Options{})
	s.SetLocal("", 0)
	for i, step := range v.Awareness {
		ch, err := s.Apply(step.In, 0)
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		want := lists{}
		if step.Events.Update != nil {
			want = *step.Events.Update
		}
		changed := []uint64{}
		if c := step.Events.Change; c != nil {
			changed = c.Updated
		}
		if !slices.Equal(ch.Added, want.Added) || !slices.Equal(ch.Updated, want.Updated) || !slices.Equal(ch.Removed, want.Removed) || !slices.Equal(ch.Changed, changed) {
			t.Errorf("step %d: %+v, want %+v, changed %v", i, ch, want, changed)
		}
		var ids []uint64
		for _, st := range step.States {
			var id uint64
			json.Unmarshal(st[0], &id)
			ids = append(ids, id)
			got, _ := lib0.ParseJSON([]byte(s.Get(id)))
			if w, _ := lib0.ParseJSON(st[1]); !got.Equal(w) {
				t.Errorf("step %d: client %d: %s, want %s", i, id, got, w)
			}
		}
		if !slices.Equal(s.Clients(), ids) {
			t.Errorf("step %d: clients %v, want %v", i, s.Clients(), ids)
		}
		for _, c := range step.Clocks {
			if k, ok := s.Clock(c[0]); !ok || k != c[1] {
				t.Errorf("step %d: clock of %d is %d, want %d", i, c[0], k, c[1])
			}
		}
	}
}

func TestOwnStateStands(t *testing.T) {
	s := New(5, Options{})
	s.SetLocal(`{"name":"me"}`, 0)
	other := New(6, Options{})
	other.Apply(s.Encode(5), 0)
	gone := other.Remove(5)
	if _, err := s.Apply(other.Encode(gone.Removed...), 0); err != nil {
		t.Fatal(err)
	}
	if s.Local() == "" {
		t.Fatal("somebody took the own state away")
	}
	if ch, _ := other.Apply(s.Encode(5), 0); len(ch.Updated) != 1 || other.Get(5) == "" {
		t.Errorf("the others do not learn that we are there: %+v", ch)
	}
}

func TestExpire(t *testing.T) {
	a, b := New(1, Options{}), New(2, Options{})
	a.SetLocal(`{"x":1}`, 0)
	b.Apply(a.Encode(1), 1000)
	if ch, _ := b.Expire(30_000); !ch.Empty() {
		t.Errorf("too early: %+v", ch)
	}
	if ch, _ := b.Expire(31_000); !slices.Equal(ch.Removed, []uint64{1}) {
		t.Errorf("not dropped: %+v", ch)
	}
	if ch, _ := b.Apply(a.Encode(1), 32_000); !ch.Empty() {
		t.Errorf("an old update brings it back: %+v", ch)
	}
	if _, renew := a.Expire(15_000); !renew {
		t.Error("the own state is not renewed")
	}
	a.SetLocal(a.Local(), 15_000)
	if ch, _ := b.Apply(a.Encode(1), 33_000); !slices.Equal(ch.Updated, []uint64{1}) {
		t.Errorf("a renewed state: %+v", ch)
	}
}

func TestLimits(t *testing.T) {
	s := New(0, Options{MaxClients: 2, MaxStateBytes: 10})
	for id := range uint64(3) {
		c := New(id+1, Options{})
		c.SetLocal(`{"a":1}`, 0)
		if _, err := s.Apply(c.Encode(id+1), 0); errors.Is(err, ErrLimit) != (id == 2) {
			t.Errorf("client %d: %v", id, err)
		}
	}
	c := New(1, Options{})
	c.SetLocal(`{"a":1}`, 0)
	c.SetLocal(`{"a":"0123456789"}`, 0)
	if _, err := s.Apply(c.Encode(1), 0); !errors.Is(err, ErrLimit) {
		t.Errorf("a long state: %v", err)
	}
}

func FuzzApply(f *testing.F) {
	a := New(1, Options{})
	a.SetLocal(`{"a":[1,null]}`, 0)
	f.Add(a.Encode(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := New(1, Options{MaxClients: 100})
		s.SetLocal(`{}`, 0)
		ch, err := s.Apply(b, 0)
		Entries(b)
		if s.Local() == "" {
			t.Fatal("the own state is gone")
		}
		if err != nil {
			return
		}
		if _, err := New(2, Options{}).Apply(s.Encode(ch.Touched()...), 0); err != nil {
			t.Fatalf("our own encoding is refused: %v", err)
		}
	})
}

func Example() {
	alice, bob := New(1, Options{}), New(2, Options{})
	now := Millis(0) // since the program began, say
	alice.SetLocal(`{"name":"Alice"}`, now)
	change, err := bob.Apply(alice.Encode(1), now)
	fmt.Println(change.Added, bob.Get(1), err)
	// Output: [1] {"name":"Alice"} <nil>
}
