package yjs

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestTombstonesReferred has somebody come back who has seen half of what was
// overwritten, and sets and deletes keys there: what he refers to is packed in one
// document and has just been read in the other.
func TestTombstonesReferred(t *testing.T) {
	const n = 30000
	r := rand.New(rand.NewPCG(2, 3))
	author, late := New(Options{ClientID: 5}), New(Options{ClientID: 8})
	set := func(d *Doc, i int) {
		k := "key" + strconv.Itoa(r.IntN(20))
		c := Content(Int(i))
		switch r.IntN(20) {
		case 0:
			if err := d.Map("m").Delete(k); err != nil {
				t.Fatal(err)
			}
			return
		case 1:
			c = NewMap(Entry{"x", Int(i)}, Entry{"y", NewArray(Int(i))})
		}
		if err := d.Map("m").Set(k, c); err != nil {
			t.Fatal(err)
		}
	}
	var theirs, his [][]byte
	for i := range n {
		if i == n/2 {
			mustApply(t, late, author.Encode(nil), false)
		}
		set(author, i)
	}
	late.OnUpdate(func(u *Update) { his = append(his, u.V1()) })
	for i := range 300 {
		set(late, i)
	}
	theirs = [][]byte{author.Encode(nil)}
	a, b := loaded(t, theirs...), loaded(t, his...)
	for _, u := range his {
		mustApply(t, a, u, false)
		checkStore(t, a)
	}
	mustApply(t, b, theirs[0], false)
	mustApply(t, author, late.Encode(nil), false)
	mustApply(t, late, theirs[0], false)
	want := a.Encode(nil)
	for name, d := range map[string]*Doc{"other order": b, "author": author, "late": late, "again": loaded(t, want)} {
		checkStore(t, d)
		if !bytes.Equal(d.Encode(nil), want) || !bytes.Equal(d.EncodeV2(nil), a.EncodeV2(nil)) {
			t.Errorf("%s: the encodings differ", name)
		}
		if !d.Snapshot().Equal(a.Snapshot()) {
			t.Errorf("%s: the snapshots differ", name)
		}
		if got, want := d.Map("m").String(), a.Map("m").String(); got != want || len(got) < 50 {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestTombstonesCollected deletes a map with many overwritten values in it: all of
// them are packed, and become one GC struct.
func TestTombstonesCollected(t *testing.T) {
	const n = 20000
	d := New(Options{ClientID: 5})
	in := NewMap()
	if err := d.Map("m").Set("in", in); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := in.Set("key"+strconv.Itoa(i&1), Int(i)); err != nil {
			t.Fatal(err)
		}
	}
	e := loaded(t, d.Encode(nil))
	for _, d := range []*Doc{d, e} {
		if err := d.Map("m").Delete("in"); err != nil {
			t.Fatal(err)
		}
		checkStore(t, d)
		if got := d.Encode(nil); len(got) > 64 {
			t.Errorf("what is left takes %d bytes", len(got))
		}
		if err := d.Map("m").Set("in", Int(1)); err != nil {
			t.Fatal(err)
		}
		checkStore(t, d)
	}
	mustApply(t, d, e.Encode(nil), false)
	mustApply(t, e, d.Encode(nil), false)
	same(t, "encoding", d.Encode(nil), e.Encode(nil))
}

// TestTombstonesUndone brings overwritten values back.
func TestTombstonesUndone(t *testing.T) {
	const n = 5000
	d := New(Options{ClientID: 5})
	u, err := NewUndo(d, UndoOptions{}, d.Map("m"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := d.Map("m").Set("key"+strconv.Itoa(i&1), Int(i)); err != nil {
			t.Fatal(err)
		}
		if i == n/2 {
			u.Clear()
		}
	}
	for i := n - 1; u.Undo(); i-- {
		if got, want := d.Map("m").Value("key"+strconv.Itoa(i&1)).String(), strconv.Itoa(i-2); got != want {
			t.Fatalf("after undoing %d the value is %s, want %s", i, got, want)
		}
	}
	checkStore(t, d)
	u.Close()
	if got, want := loaded(t, d.Encode(nil)).Map("m").String(), d.Map("m").String(); got != want {
		t.Errorf("%s comes of %s", got, want)
	}
}
