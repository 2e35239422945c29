package lib0

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"
	"unicode/utf16"
)

type protoVectors struct {
	VarUint       [][2]json.RawMessage
	VarInt        [][2]json.RawMessage
	VarString     [][2]json.RawMessage
	Any           [][2]json.RawMessage
	UintOptRle    [][2]json.RawMessage
	IntDiffOptRle [][2]json.RawMessage
	RleUint8      [][2]json.RawMessage
	String        [][2]json.RawMessage
}

func load(t *testing.T) *protoVectors {
	t.Helper()
	b, err := os.ReadFile("../../testdata/proto-seed1.json")
	if err != nil {
		t.Fatal(err)
	}
	var v protoVectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return &v
}

func as[T any](t *testing.T, raw json.RawMessage) (v T) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func want(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %x, want %x", what, got, want)
	}
}

func TestUint(t *testing.T) {
	for _, x := range load(t).VarUint {
		n, b := as[uint64](t, x[0]), as[[]byte](t, x[1])
		want(t, "encode", AppendUint(nil, n), b)
		r := Reader{Buf: b}
		if got := r.Uint(); got != n || r.Bad || r.Left() != 0 {
			t.Errorf("decode %x: %d", b, got)
		}
	}
	for _, b := range [][]byte{{}, {0x80}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f}, bytes.Repeat([]byte{0x80}, 20)} {
		if r := (Reader{Buf: b}); r.Uint() != 0 || !r.Bad {
			t.Errorf("%x passes", b)
		}
	}
}

func TestInt(t *testing.T) {
	for _, x := range load(t).VarInt {
		b := as[[]byte](t, x[1])
		f := math.Copysign(0, -1)
		if string(x[0]) != `"-0"` {
			f = as[float64](t, x[0])
		}
		want(t, "encode", AppendInt(nil, uint64(math.Abs(f)), math.Signbit(f)), b)
		r := Reader{Buf: b}
		if mag, neg := r.Int(); float64(mag) != math.Abs(f) || neg != math.Signbit(f) || r.Bad {
			t.Errorf("decode %x: %d %v", b, mag, neg)
		}
	}
}

func TestStringVectors(t *testing.T) {
	for _, x := range load(t).VarString {
		units, b := as[[]uint16](t, x[0]), as[[]byte](t, x[1])
		s := string(utf16.Decode(units))
		want(t, "encode", AppendString(nil, s), b)
		r := Reader{Buf: b}
		if got := r.String(); string(got) != s || r.Bad || UTF16Len(got) != len(units) {
			t.Errorf("decode %x: %q, %d units, want %d", b, got, UTF16Len(got), len(units))
		}
	}
	if r := (Reader{Buf: []byte{2, 0xc3, 0x28}}); r.String() != nil || !r.Bad {
		t.Error("invalid UTF-8 passes")
	}
}

func TestAny(t *testing.T) {
	for _, x := range load(t).Any {
		b := as[[]byte](t, x[1])
		r := Reader{Buf: b}
		v := r.Any()
		if r.Bad || r.Left() != 0 {
			t.Errorf("%x: bad", b)
		}
		want(t, "any "+string(x[0]), v.AppendAny(nil), b)
		skip := Reader{Buf: b}
		if plain := skip.SkipAny(); !plain || skip.Bad || skip.Left() != 0 {
			t.Errorf("skip %x: plain %v, bad %v, %d left", b, plain, skip.Bad, skip.Left())
		}
	}
	// What lib0 writes otherwise is not plain.
	for _, b := range [][]byte{
		{125, 0x80, 0x80, 0x80, 0x80, 0x40},
		{124, 0x3f, 0x80, 0, 0},
		{123, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0},
		{118, 2, 1, 'a', 126, 1, 'a', 126},
		{118, 2, 1, 'a', 126, 1, '0', 126},
	} {
		r := Reader{Buf: b}
		if r.SkipAny() || r.Bad {
			t.Errorf("%v is taken for what lib0 writes", b)
		}
	}
}

func TestColumns(t *testing.T) {
	v := load(t)
	for _, x := range v.UintOptRle {
		list, b := as[[]uint64](t, x[0]), as[[]byte](t, x[1])
		var w UintOptWriter
		d := UintOpt{R: Reader{Buf: b}}
		for _, n := range list {
			w.Write(n)
			if got := d.Next(); got != n {
				t.Fatalf("uintOptRle %v: got %d, want %d", list, got, n)
			}
		}
		want(t, "uintOptRle", w.Bytes(), b)
	}
	for _, x := range v.IntDiffOptRle {
		list, b := as[[]uint64](t, x[0]), as[[]byte](t, x[1])
		var w IntDiffWriter
		d := IntDiff{R: Reader{Buf: b}}
		for _, n := range list {
			w.Write(n)
			if got := d.Next(); got != n {
				t.Fatalf("intDiffOptRle %v: got %d, want %d", list, got, n)
			}
		}
		want(t, "intDiffOptRle", w.Bytes(), b)
	}
	for _, x := range v.RleUint8 {
		list, b := as[[]int](t, x[0]), as[[]byte](t, x[1])
		var w RLEWriter
		d := RLE{R: Reader{Buf: b}}
		for _, n := range list {
			w.Write(byte(n))
			if got := d.Next(); got != byte(n) {
				t.Fatalf("rle %v: got %d, want %d", list, got, n)
			}
		}
		want(t, "rle", w.B, b)
	}
	for _, x := range v.String {
		list, b := as[[]string](t, x[0]), as[[]byte](t, x[1])
		var w StringsWriter
		d := NewStrings(b)
		for _, s := range list {
			w.Write([]byte(s), UTF16Len([]byte(s)))
			if got, n := d.Next(); string(got) != s || n != UTF16Len(got) {
				t.Fatalf("strings %q: got %q, want %q", list, got, s)
			}
		}
		out := w.AppendTo(nil)
		r := Reader{Buf: out}
		want(t, "strings", r.Bytes(), b)
	}
}

func TestUTF16Offset(t *testing.T) {
	s := []byte("aé中😀b😀😀zß")
	units := utf16.Encode([]rune(string(s)))
	for u := range len(units) + 1 {
		off, mid := UTF16Offset(s, len(units), u)
		if wantMid := u < len(units) && u > 0 && utf16.IsSurrogate(rune(units[u])) && units[u] >= 0xdc00; mid != wantMid {
			t.Errorf("unit %d: mid %v, want %v", u, mid, wantMid)
			continue
		} else if mid {
			u--
		}
		if got := string(utf16.Decode(units[:u])); got != string(s[:off]) {
			t.Errorf("unit %d: %q, want %q", u, s[:off], got)
		}
	}
}

func TestJSON(t *testing.T) {
	for in, out := range map[string]string{
		` {"b":1,"a":[true,null,-0,1e21,1.50]} `: `{"b":1,"a":[true,null,0,1e+21,1.5]}`,
		`{"2":1,"1":2,"a":3,"a":4}`:              `{"1":2,"2":1,"a":4}`,
		`"\u00e9\ud83d\ude00\n\u0001"`:           `"é😀\n\u0001"`,
		`5e-324`:                                 `5e-324`,
		`1e-7`:                                   `1e-7`,
		`123456789012345680000`:                  `123456789012345680000`,
	} {
		v, err := ParseJSON([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if got := v.String(); got != out {
			t.Errorf("%s: got %s, want %s", in, got, out)
		}
	}
	for _, in := range []string{"", "undefined", "01", "1.", "[1,]", `{"a"}`, `"\x"`, "\"\n\"", "+1", "tru", `{"a":1,}`, "1 2", "-"} {
		if ValidJSON([]byte(in)) {
			t.Errorf("%q passes", in)
		}
	}
}

func FuzzAny(f *testing.F) {
	f.Add([]byte{118, 1, 1, 'a', 117, 1, 125, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, skip := Reader{Buf: b}, Reader{Buf: b}
		v := r.Any()
		plain := skip.SkipAny()
		if r.Bad != skip.Bad || r.Pos != skip.Pos {
			t.Fatalf("Any and SkipAny differ: %v %d, %v %d", r.Bad, r.Pos, skip.Bad, skip.Pos)
		}
		if r.Bad {
			return
		}
		out := v.AppendAny(nil)
		if plain && !bytes.Equal(out, b[:r.Pos]) {
			t.Fatalf("%x is called plain, but is written %x", b[:r.Pos], out)
		}
		again := Reader{Buf: out}
		if w := again.Any(); again.Bad || !bytes.Equal(w.AppendAny(nil), out) {
			t.Fatalf("%x does not come back", out)
		}
		if _, err := ParseJSON(v.AppendJSON(nil)); err != nil {
			t.Fatalf("JSON of %x: %v", out, err)
		}
	})
}
