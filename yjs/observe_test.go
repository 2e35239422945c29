package yjs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// shadowText follows a text by its events alone: a list of units with attributes.
type shadowText struct {
	units []string // one per UTF-16 unit; "" for the second half of a pair
	attrs []string
}

func (s *shadowText) apply(delta Delta) {
	var units, attrs []string
	at := 0
	for _, o := range delta {
		switch {
		case o.Insert != "":
			for _, r := range o.Insert {
				units, attrs = append(units, string(r)), append(attrs, attrText("", o.Attrs))
				if r > 0xffff {
					units, attrs = append(units, ""), append(attrs, attrText("", o.Attrs))
				}
			}
		case o.Embed != nil:
			units, attrs = append(units, "<"+o.Embed.String()+">"), append(attrs, attrText("", o.Attrs))
		case o.Retain > 0:
			for range o.Retain {
				units, attrs = append(units, s.units[at]), append(attrs, attrText(s.attrs[at], o.Attrs))
				at++
			}
		default:
			at += o.Delete
		}
	}
	s.units, s.attrs = append(units, s.units[at:]...), append(attrs, s.attrs[at:]...)
}

// attrText adds attributes to a sorted list of them in one string.
func attrText(old string, attrs Attrs) string {
	list := strings.Fields(old)
	for _, a := range attrs {
		list = slices.DeleteFunc(list, func(x string) bool { return strings.HasPrefix(x, a.Key+"=") })
		if !a.Value.IsNull() {
			list = append(list, a.Key+"="+strings.ReplaceAll(a.Value.String(), " ", "_"))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestTextEvents follows a text through local and remote changes by its deltas.
func TestTextEvents(t *testing.T) {
	for seed := range uint64(300) {
		x := &duel{t: t, r: rand.New(rand.NewPCG(seed, 3)), kind: "rich", roots: []string{"text"}}
		a, b := New(Options{ClientID: 1, CleanFormats: seed%2 == 0}), New(Options{ClientID: 2})
		var shadow shadowText
		a.Text("text").Observe(func(e *Event) { shadow.apply(e.Delta()) })
		for range 30 {
			switch x.r.IntN(3) {
			case 0:
				a.Transact(nil, func() { x.randomOp(a); x.randomOp(a) })
			case 1:
				b.Transact(nil, func() { x.randomOp(b) })
			default:
				a.Apply(b.Encode(a.StateVector()), nil)
				b.Apply(a.Encode(b.StateVector()), nil)
			}
			var want shadowText
			want.apply(a.Text("text").Delta())
			if !slices.Equal(shadow.units, want.units) || !slices.Equal(shadow.attrs, want.attrs) {
				t.Fatalf("seed %d:\n got %q %q\nwant %q %q", seed, shadow.units, shadow.attrs, want.units, want.attrs)
			}
		}
	}
}

// TestListAndKeyEvents follows an array and a map by their events.
func TestListAndKeyEvents(t *testing.T) {
	for seed := range uint64(200) {
		x := &duel{t: t, r: rand.New(rand.NewPCG(seed, 4)), kind: "anyvals", roots: []string{"map", "array"}}
		a, b := New(Options{ClientID: 1}), New(Options{ClientID: 2})
		var list []string
		keys := map[string]string{}
		a.Array("array").Observe(func(e *Event) {
			var next []string
			at := 0
			for _, o := range e.List() {
				for _, c := range o.Insert {
					next = append(next, jsonOf(c, 0).String())
				}
				next = append(next, list[at:at+o.Retain]...)
				at += o.Retain + o.Delete
			}
			list = append(next, list[at:]...)
		})
		a.Map("map").Observe(func(e *Event) {
			for _, c := range e.Keys() {
				old, had := keys[c.Key]
				if had != (c.Action != Added) || had && old != jsonOf(c.Old, 0).String() && jsonOf(c.Old, 0).Kind() != KindArray && jsonOf(c.Old, 0).Kind() != KindObject && jsonOf(c.Old, 0).Kind() != KindString {
					t.Errorf("seed %d: key %q %s, old %v, was %q %v", seed, c.Key, c.Action, c.Old, old, had)
				}
				if v, ok := a.Map("map").Get(c.Key); ok {
					keys[c.Key] = jsonOf(v, 0).String()
				} else {
					delete(keys, c.Key)
				}
			}
		})
		// Nested types change without an event of the outer one: compare flat values only.
		x.kind = "array"
		for range 30 {
			switch x.r.IntN(3) {
			case 0:
				a.Transact(nil, func() { x.randomOp(a); x.randomOp(a) })
			case 1:
				b.Transact(nil, func() { x.randomOp(b) })
			default:
				a.Apply(b.Encode(a.StateVector()), nil)
				b.Apply(a.Encode(b.StateVector()), nil)
			}
			var want []string
			for _, c := range a.Array("array").All() {
				want = append(want, jsonOf(c, 0).String())
			}
			if !slices.Equal(list, want) {
				t.Fatalf("seed %d:\n got %q\nwant %q", seed, list, want)
			}
			if len(keys) != a.Map("map").Len() {
				t.Fatalf("seed %d: keys %q, map %s", seed, keys, a.Map("map"))
			}
		}
	}
}

func TestDeepEvents(t *testing.T) {
	d := New(Options{})
	root := d.Map("m")
	root.Set("list", NewArray(NewMap()))
	var got []string
	stop := root.ObserveDeep(func(all []*Event) {
		for _, e := range all {
			path := ""
			for _, s := range e.Path() {
				if s.IsIndex {
					path += fmt.Sprintf("/%d", s.Index)
				} else {
					path += "/" + s.Key
				}
			}
			got = append(got, fmt.Sprintf("%s %v", path, e.Local))
		}
	})
	list, _ := root.Get("list")
	inner := list.(*Array).At(0).(*Map)
	d.Transact("me", func() {
		inner.Set("x", Int(1))
		list.(*Array).Insert(0, Int(7))
		root.Set("y", Null())
	})
	if want := []string{" true", "/list true", "/list/1 true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	stop()
	got = nil
	inner.Set("x", Int(2))
	if got != nil {
		t.Errorf("after stop: %q", got)
	}
}

func TestSubdocEvents(t *testing.T) {
	d := New(Options{})
	var got []string
	d.OnSubdocs(func(s *Subdocs) {
		for _, x := range s.Added {
			got = append(got, "+"+x.GUID)
		}
		for _, x := range s.Removed {
			got = append(got, "-"+x.GUID)
		}
	})
	d.Map("m").Set("a", &Subdoc{GUID: "one", AutoLoad: true, Meta: Int(1)})
	d.Map("m").Set("a", &Subdoc{GUID: "two"})
	d.Map("m").Delete("a")
	if want := []string{"+one", "+two", "-one", "-two"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestObserverEdits edits from within an observer: that is a transaction of its own.
func TestObserverEdits(t *testing.T) {
	d := New(Options{ClientID: 1})
	var sent [][]byte
	d.OnUpdate(func(u *Update) { sent = append(sent, u.V1()) })
	d.Text("t").Observe(func(*Event) {
		if n := d.Text("t").Len(); n < 5 {
			d.Text("t").Insert(n, "x")
		}
	})
	d.Text("t").Insert(0, "a")
	other := New(Options{})
	for _, u := range sent {
		mustApply(t, other, u, false)
	}
	if d.Text("t").String() != "axxxx" || other.Text("t").String() != "axxxx" || len(sent) != 5 {
		t.Errorf("%q, others have %q after %d updates", d.Text("t"), other.Text("t"), len(sent))
	}
	same(t, "state", other.Encode(nil), d.Encode(nil))
}

// TestStoppedObservers takes observers away, one of them in the middle of a round
// and twice, and looks that the others stay and nothing is left.
func TestStoppedObservers(t *testing.T) {
	d := New(Options{})
	x := d.Text("t")
	var called []string
	note := func(s string) { called = append(called, s) }
	var stops []func()
	stops = append(stops,
		x.Observe(func(*Event) { note("first"); stops[1](); stops[1]() }),
		x.Observe(func(*Event) { note("second") }),
		x.ObserveDeep(func([]*Event) { note("deep") }),
		d.OnSubdocs(func(*Subdocs) { note("subdocs") }),
		d.OnUpdate(func(*Update) { note("update") }),
	)
	insert := func(want ...string) {
		t.Helper()
		called = nil
		if err := x.Insert(0, "a"); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(called, want) {
			t.Errorf("called %q, want %q", called, want)
		}
	}
	insert("first", "deep", "update")
	third := x.Observe(func(*Event) { note("third") })
	stops[1]()
	insert("first", "third", "deep", "update")
	third()
	stops[0]()
	insert("deep", "update")
	for _, stop := range stops {
		stop()
	}
	insert()
	if d.tracking || len(d.events)+len(d.deep)+len(d.onUpdate)+len(d.subdocs) > 0 {
		t.Error("something is left of observers that were stopped")
	}
}
