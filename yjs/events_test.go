package yjs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// fromLossless reads the generator's JSON for JavaScript values.
func fromLossless(raw json.RawMessage) Value {
	v, err := lib0.ParseJSON(raw)
	if err != nil {
		panic(err)
	}
	return unloss(v)
}

func unloss(v Value) Value {
	switch v.Kind() {
	case KindArray:
		list := make([]Value, v.Len())
		for i := range list {
			list[i] = unloss(v.At(i))
		}
		return List(list...)
	case KindObject:
		x := v.At(0)
		switch v.Key(0) {
		case "$undef":
			return Undefined()
		case "$big":
			i, ok := lib0.BigIntOf(x.Text())
			if !ok {
				panic(x.Text())
			}
			return BigInt(i)
		case "$num":
			switch x.Text() {
			case "-0":
				return Number(math.Copysign(0, -1))
			case "Infinity":
				return Number(math.Inf(1))
			case "-Infinity":
				return Number(math.Inf(-1))
			}
			return Number(math.NaN())
		case "$bin":
			b, err := base64.StdEncoding.DecodeString(x.Text())
			if err != nil {
				panic(err)
			}
			return Bytes(b)
		case "$obj":
			var f []Field
			for i := range x.Len() {
				f = append(f, Field{Key: x.At(i).At(0).Text(), Value: unloss(x.At(i).At(1))})
			}
			return Object(f...)
		}
		panic("what is " + v.String())
	}
	return v
}

func contentOf(raw json.RawMessage) Content {
	var o struct {
		New  string `json:"$new"`
		Name string
		Sub  *struct {
			GUID     string
			Meta     json.RawMessage
			AutoLoad bool
		} `json:"$sub"`
	}
	if len(raw) > 0 && raw[0] == '{' {
		if err := json.Unmarshal(raw, &o); err != nil {
			panic(err)
		}
	}
	switch {
	case o.New != "":
		return newOf(o.New, o.Name)
	case o.Sub != nil:
		return &Subdoc{GUID: o.Sub.GUID, AutoLoad: o.Sub.AutoLoad, Meta: fromLossless(o.Sub.Meta)}
	}
	return fromLossless(raw)
}

func newOf(kind, name string) Content {
	switch kind {
	case "map":
		return NewMap()
	case "array":
		return NewArray()
	case "text":
		return NewText("")
	case "xmlelement":
		return NewXMLElement(name)
	case "xmltext":
		return NewXMLText("")
	case "xmlfragment":
		return NewXMLFragment()
	}
	panic(kind)
}

func attrsOf(raw json.RawMessage) Attrs {
	v := fromLossless(raw)
	attrs := Attrs{}
	for i := range v.Len() {
		attrs = append(attrs, Attr{v.Key(i), v.At(i)})
	}
	return attrs
}

// target finds the type that an operation names.
func target(d *Doc, raw json.RawMessage) Content {
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		panic(err)
	}
	if root, ok := strings.CutPrefix(name, "root:"); ok {
		return vectorRoot(d, root)
	}
	parts := strings.Split(name, ":")
	c, _ := strconv.ParseUint(parts[1], 10, 64)
	k, _ := strconv.ParseUint(parts[2], 10, 32)
	i, ok := d.s.Lookup(c)
	if !ok {
		panic(name)
	}
	return d.wrap(int32(d.s.At(d.s.ItemAt(i, d.s.Find(i, uint32(k)))).A))
}

func vectorRoot(d *Doc, name string) Content {
	switch name {
	case "text":
		return d.Text(name)
	case "map":
		return d.Map(name)
	case "array":
		return d.Array(name)
	case "xml":
		return d.XML(name)
	}
	panic(name)
}

func num(raw json.RawMessage) int {
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		panic(err)
	}
	return n
}

func str(raw json.RawMessage) string {
	v, err := lib0.ParseJSON(raw)
	if err != nil {
		panic(err)
	}
	return v.Text()
}

// asText gives the Text of a Text or XMLText.
func asText(c Content) *Text {
	if x, ok := c.(*XMLText); ok {
		return &x.Text
	}
	return c.(*Text)
}

// runOp runs one operation of a script.
func runOp(d *Doc, op []json.RawMessage) error {
	c := target(d, op[1])
	h := c.(shared).base()
	switch str(op[0]) {
	case "t.ins":
		if len(op) > 4 {
			return asText(c).InsertWith(num(op[2]), str(op[3]), attrsOf(op[4]))
		}
		return asText(c).Insert(num(op[2]), str(op[3]))
	case "t.del":
		return asText(c).Delete(num(op[2]), num(op[3]))
	case "t.fmt":
		return asText(c).Format(num(op[2]), num(op[3]), attrsOf(op[4]))
	case "t.emb":
		return asText(c).InsertEmbed(num(op[2]), fromLossless(op[3]), attrsOf(op[4]))
	case "t.delta":
		var steps []struct {
			Insert         *json.RawMessage
			Retain, Delete int
			Attributes     json.RawMessage
		}
		if err := json.Unmarshal(op[2], &steps); err != nil {
			panic(err)
		}
		var delta Delta
		for _, s := range steps {
			o := Op{Retain: s.Retain, Delete: s.Delete}
			if s.Insert != nil {
				o.Insert = str(*s.Insert)
			}
			if s.Attributes != nil {
				o.Attrs = attrsOf(s.Attributes)
			}
			delta = append(delta, o)
		}
		return asText(c).ApplyDelta(delta)
	case "l.ins":
		var list []json.RawMessage
		if err := json.Unmarshal(op[3], &list); err != nil {
			panic(err)
		}
		var cs []Content
		for _, x := range list {
			cs = append(cs, contentOf(x))
		}
		return h.insert(num(op[2]), cs)
	case "l.del":
		return h.remove(num(op[2]), num(op[3]))
	case "x.ins":
		return h.insert(num(op[2]), []Content{newOf(str(op[3]), str(op[4]))})
	case "m.set", "a.set":
		return h.put(str(op[2]), contentOf(op[3]))
	case "m.del", "a.del":
		return h.drop(str(op[2]))
	}
	return fmt.Errorf("unknown operation %s", op[0])
}

func TestVectorsEvents(t *testing.T) {
	eachSession(t, func(t *testing.T, v *sessionVector) {
		docs := make([]*Doc, len(v.Clients))
		var got [][2][]byte
		// A document of Yjs may be stuck with updates that it has all it needs for
		// (its pending deadlock), and then edits another state than ours. No
		// committed session does that; of further ones, such a client ends the replay.
		waited := make([]bool, len(docs))
		behind := func(c int) bool { return waited[c] && v.extra }
		for i, id := range v.Clients {
			docs[i] = New(Options{ClientID: id, CleanFormats: true})
			docs[i].exact = true
			for _, r := range v.Roots {
				vectorRoot(docs[i], r)
			}
			docs[i].OnUpdate(func(u *Update) {
				if u.Local {
					got = append(got, [2][]byte{u.V1(), u.V2()})
				}
			})
		}
		for n, e := range v.Events {
			got = got[:0]
			d := docs[e.C]
			waited[e.C] = waited[e.C] || !d.pend.Empty()
			switch e.T {
			case "tx":
				d.Transact(nil, func() {
					for _, op := range e.Ops {
						if err := runOp(d, op); err != nil {
							t.Fatalf("event %d: %s: %v", n, op, err)
						}
					}
				})
			case "rx":
				receive(t, d, v, e.M, e.List)
			case "sync":
				sv, err := DecodeStateVector(e.SV)
				if err != nil {
					t.Fatal(err)
				}
				if behind(e.C) && !bytes.Equal(d.StateVector().Encode(), e.SV) {
					t.Skipf("event %d: Yjs is behind", n)
				}
				same(t, "state vector", d.StateVector().Encode(), e.SV)
				same(t, "sync v1", docs[e.From].Encode(sv), e.V1)
				same(t, "sync v2", docs[e.From].EncodeV2(sv), e.V2)
				mustApply(t, d, e.V1, false)
			}
			if len(got) != len(e.U) && behind(e.C) {
				t.Skipf("event %d: Yjs is behind", n)
			}
			if len(got) != len(e.U) {
				t.Fatalf("event %d (%s): %d updates, want %d", n, e.T, len(got), len(e.U))
			}
			for k, u := range e.U {
				if !bytes.Equal(got[k][0], v.Updates[u].V1) {
					if behind(e.C) {
						t.Skipf("event %d: Yjs is behind", n)
					}
					ops, _ := json.Marshal(e.Ops)
					t.Fatalf("event %d (%s %s): update\n got %x\nwant %x", n, e.T, ops, got[k][0], v.Updates[u].V1)
				}
				same(t, "local update v2", got[k][1], v.Updates[u].V2)
			}
			if t.Failed() {
				t.Fatalf("at event %d", n)
			}
		}
	})
}

func receive(t *testing.T, d *Doc, v *sessionVector, mode string, list []int) {
	t.Helper()
	var v1, v2 [][]byte
	for _, i := range list {
		v1, v2 = append(v1, v.Updates[i].V1), append(v2, v.Updates[i].V2)
	}
	switch mode {
	case "merge":
		u, err := MergeUpdates(v1)
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, d, u, false)
	case "mergeV2":
		u, err := MergeUpdatesV2(v2)
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, d, u, true)
	default:
		for _, u := range v1 {
			mustApply(t, d, u, false)
		}
	}
}
