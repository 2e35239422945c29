package yjs

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

func TestVectorsSnapshots(t *testing.T) {
	eachSession(t, func(t *testing.T, v *sessionVector) {
		d := New(Options{})
		for _, u := range v.Updates {
			mustApply(t, d, u.V1, false)
		}
		checkSnapshot(t, d.Snapshot(), v.Final.SnapshotV1, v.Final.SnapshotV2)
		if ok, err := d.Snapshot().Contains(v.Final.V1); !ok || err != nil {
			t.Errorf("the snapshot does not contain its own state: %v", err)
		}
		if _, err := d.At(d.Snapshot(), Options{}); !errors.Is(err, ErrKept) {
			t.Errorf("at a snapshot of a document that forgets: %v", err)
		}
		if v.NoGC == nil {
			return
		}
		d = New(Options{KeepDeleted: true})
		next := 0
		texts := map[int]Delta{}
		for n, u := range v.Updates {
			mustApply(t, d, u.V1, false)
			if next < len(v.NoGC.Snaps) && v.NoGC.Snaps[next].After == n+1 {
				s := v.NoGC.Snaps[next]
				checkSnapshot(t, d.Snapshot(), s.V1, s.V2)
				texts[next] = d.Text("text").Delta()
				next++
			}
		}
		same(t, "v1 without collection", d.Encode(nil), v.NoGC.V1)
		same(t, "v2 without collection", d.EncodeV2(nil), v.NoGC.V2)
		for k, s := range v.NoGC.Snaps {
			snap, err := DecodeSnapshot(s.V1)
			if err != nil {
				t.Fatal(err)
			}
			old, err := d.At(snap, Options{KeepDeleted: true})
			if err != nil {
				t.Fatal(err)
			}
			sameDump(t, old, v.Roots, s.Dump)
			got, want := List(deltaValue(d.Text("text").DeltaAt(snap))...), List(deltaValue(texts[k])...)
			if !got.Equal(want) && v.Kind != "surrogate" { // there, pairs have been cut since
				t.Errorf("delta at snapshot %d: %s, want %s", k, got, want)
			}
		}
		same(t, "v1 after looking back", d.Encode(nil), v.NoGC.V1)
	})
}

// deltaValue is a delta with neighbours joined where attributes do not differ.
func deltaValue(delta Delta) (out []Value) {
	var last *Op
	for _, o := range delta {
		if last != nil && last.Embed == nil && o.Embed == nil && sameAttrs(last.Attrs, o.Attrs) {
			last.Insert += o.Insert
			continue
		}
		if last != nil {
			out = append(out, opValue(*last))
		}
		last = &o
	}
	if last != nil {
		out = append(out, opValue(*last))
	}
	return out
}

func opValue(o Op) Value {
	v := String(o.Insert)
	if o.Embed != nil {
		v = String(o.Embed.String())
	}
	list := []Value{v}
	for _, a := range o.Attrs {
		list = append(list, String(a.Key), a.Value)
	}
	return List(list...)
}

func checkSnapshot(t *testing.T, s Snapshot, v1, v2 []byte) {
	t.Helper()
	same(t, "snapshot", s.Encode(), v1)
	same(t, "snapshot v2", s.EncodeV2(), v2)
	for k, f := range []func([]byte) (Snapshot, error){DecodeSnapshot, DecodeSnapshotV2} {
		if back, err := f([][]byte{v1, v2}[k]); err != nil || !back.Equal(s) {
			t.Errorf("snapshot does not come back: %v", err)
		}
	}
}

func TestDeltaBetween(t *testing.T) {
	d := New(Options{KeepDeleted: true})
	x := d.Text("t")
	x.Insert(0, "hello world")
	before := d.Snapshot()
	x.Delete(2, 4)
	x.Insert(2, "XY")
	got := List(deltaValue(x.DeltaBetween(before, d.Snapshot()))...).String()
	want := `[["he"],["llo ","ychange",{"type":"removed"}],["XY","ychange",{"type":"added"}],["world"]]`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestVectorsPositions(t *testing.T) {
	eachSession(t, func(t *testing.T, v *sessionVector) {
		d := New(Options{})
		for _, u := range v.Updates {
			mustApply(t, d, u.V1, false)
		}
		for _, p := range v.RelPos {
			h := vectorRoot(d, "array").(shared).base()
			for _, r := range v.Roots {
				if r == "text" {
					h = vectorRoot(d, "text").(shared).base()
				}
			}
			pos, err := h.PositionAt(p.Ix, Assoc(p.Assoc))
			if err != nil {
				t.Fatal(err)
			}
			same(t, "position", pos.Encode(), p.Enc)
			var got, want bytes.Buffer
			b, err := json.Marshal(pos)
			if err != nil {
				t.Fatal(err)
			}
			json.Compact(&got, b)
			json.Compact(&want, p.JSON)
			same(t, "position as JSON", got.Bytes(), want.Bytes())
			var back Position
			if err := json.Unmarshal(p.JSON, &back); err != nil {
				t.Fatal(err)
			}
			same(t, "position from JSON", back.Encode(), p.Enc)
			if back, err = DecodePosition(p.Enc); err != nil {
				t.Fatal(err)
			}
			if _, i, ok := d.Resolve(back); !ok || p.Abs == nil || i != *p.Abs {
				t.Errorf("position %x is at %d %v, want %v", p.Enc, i, ok, p.Abs)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	d := New(Options{ClientID: 1})
	d.Text("t").Insert(0, "hello")
	f.Add(d.Snapshot().Encode())
	p, _ := d.Text("t").PositionAt(2, After)
	f.Add(p.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v2 := range []bool{false, true} {
			if s, err := decodeSnapshot(b, v2); err == nil {
				if back, err := decodeSnapshot(s.EncodeV2(), true); err != nil || !back.Equal(s) {
					t.Fatalf("snapshot %x does not come back", b)
				}
				k := New(Options{KeepDeleted: true})
				k.Apply(goodUpdate, nil)
				k.At(s, Options{})
				k.Text("t").DeltaBetween(s, k.Snapshot())
			}
		}
		if p, err := DecodePosition(b); err == nil {
			k := New(Options{})
			k.Apply(goodUpdate, nil)
			k.Resolve(p)
		}
		DecodeStateVector(b)
	})
}
