package yjs

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// tryHostile applies bytes to an empty and to a used document, in both
// encodings: whatever happens, the documents are valid afterwards.
func tryHostile(t testing.TB, b []byte) {
	t.Helper()
	for _, v2 := range []bool{false, true} {
		for _, used := range []bool{false, true} {
			d := New(Options{ClientID: 1, MaxPending: 1 << 20})
			if used {
				if _, err := d.Apply(goodUpdate, nil); err != nil {
					t.Fatal(err)
				}
			}
			d.apply(b, nil, v2)
			if err := d.s.Check(); err != nil {
				t.Fatalf("%x (v2 %v): %v", b, v2, err)
			}
			d.JSON()
			useIt(t, d)
			out := New(Options{ClientID: 2})
			if _, err := out.Apply(d.Encode(nil), nil); err != nil {
				t.Fatalf("%x (v2 %v): our own encoding is refused: %v", b, v2, err)
			}
			if _, err := New(Options{MaxBlocks: 1 << 24}).ApplyV2(d.EncodeV2(nil), nil); err != nil {
				t.Fatalf("%x (v2 %v): our own encoding v2 is refused: %v", b, v2, err)
			}
		}
	}
}

// useIt reads and edits whatever is in a document.
func useIt(t testing.TB, d *Doc) {
	t.Helper()
	for _, name := range d.Roots() {
		x := d.Text(name)
		x.Delta()
		_ = x.String()
		d.Array(name).At(0)
		_ = d.XML(name).String()
		_ = d.Map(name).String()
		if err := x.Insert(x.Len()/2, "!"); err != nil {
			t.Fatal(err)
		}
		if err := x.Format(0, x.Len(), Attrs{{"bold", Bool(true)}}); err != nil {
			t.Fatal(err)
		}
		if err := x.Delete(0, x.Len()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.s.Check(); err != nil {
		t.Fatal(err)
	}
}

// goodUpdate has one of everything.
var goodUpdate = func() []byte {
	d := New(Options{ClientID: 7})
	d.Transact(nil, func() {
		t := d.Text("t")
		t.Insert(0, "hello 😀 world")
		t.Format(2, 5, Attrs{{"bold", Bool(true)}, {"m", Object(Field{Key: "x", Value: Int(1)})}})
		t.InsertEmbed(3, Object(Field{Key: "image", Value: String("x.png")}), nil)
		t.Delete(1, 3)
		m := d.Map("m")
		m.Set("a", Int(5))
		m.Set("a", List(Int(1), Number(0.5), Null()))
		m.Set("b", NewMap(Entry{"in", NewArray(Int(1), Bytes([]byte{1, 2}))}))
		m.Set("", BigInt(-1))
		d.Array("a").Insert(0, Int(1), String("x"), NewText("in"), &Subdoc{GUID: "g", AutoLoad: true})
		d.XML("x").Insert(0, NewXMLElement("P", NewXMLText("y")))
		d.Array("a").Delete(1, 2)
	})
	return d.Encode(nil)
}()

func TestHostileVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/proto-seed1.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Hostile [][]byte }
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Hostile) != 323 {
		t.Fatalf("%d hostile updates", len(v.Hostile))
	}
	for _, u := range v.Hostile {
		bounded(t, u)
		tryHostile(t, u)
	}
}

// bounded applies bytes and checks the time and the memory that it takes.
func bounded(t *testing.T, u []byte) {
	t.Helper()
	for _, v2 := range []bool{false, true} {
		var m0, m1 runtime.MemStats
		const most = 10 * time.Millisecond
		took := time.Duration(math.MaxInt64)
		for n := 0; n < 5 && took > most*slowdown; n++ { // a busy machine disturbs: once is enough
			d := New(Options{ClientID: 1})
			runtime.ReadMemStats(&m0)
			took = min(took, threadTime(func() { d.apply(u, nil, v2) }))
			runtime.ReadMemStats(&m1)
		}
		if took > most*slowdown {
			t.Errorf("%x takes %v", u, took)
		}
		if n := m1.TotalAlloc - m0.TotalAlloc; n > 16<<20+64*uint64(len(u)) {
			t.Errorf("%x takes %d bytes", u, n)
		}
	}
}

// mutate changes a few bytes.
func mutate(r *rand.Rand, b []byte) []byte {
	b = append([]byte(nil), b...)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return b
		}
		switch k := r.IntN(len(b)); r.IntN(5) {
		case 0:
			b[k] ^= 1 << r.IntN(8)
		case 1:
			b[k] = byte(r.UintN(256))
		case 2:
			b = b[:k]
		case 3:
			b = append(b[:k:k], b[min(len(b), k+1+r.IntN(4)):]...)
		default:
			b = append(b[:k:k], append([]byte{0xff, 0xff, 0xff, byte(r.UintN(128))}, b[k:]...)...)
		}
	}
	return b
}

func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	v2, err := ConvertV1ToV2(goodUpdate)
	if err != nil {
		t.Fatal(err)
	}
	for range less(3000) {
		u := goodUpdate
		if r.IntN(2) == 0 {
			u = v2
		}
		u = mutate(r, u)
		bounded(t, u)
		tryHostile(t, u)
		tryUpdateLog(u)
	}
}

// tryUpdateLog runs what works on updates alone.
func tryUpdateLog(u []byte) {
	MergeUpdates([][]byte{goodUpdate, u})
	MergeUpdatesV2([][]byte{u, u})
	DiffUpdate(u, StateVector{7: 3})
	DiffUpdateV2(u, StateVector{7: 3})
	StateVectorFromUpdate(u)
	StateVectorFromUpdateV2(u)
	ConvertV1ToV2(u)
	ConvertV2ToV1(u)
	DecodeStateVector(u)
}

func FuzzApply(f *testing.F) {
	f.Add(goodUpdate)
	v2, _ := ConvertV1ToV2(goodUpdate)
	f.Add(v2)
	f.Fuzz(func(t *testing.T, b []byte) { tryHostile(t, b) })
}

func FuzzUpdateLog(f *testing.F) {
	f.Add(goodUpdate)
	v2, _ := ConvertV1ToV2(goodUpdate)
	f.Add(v2)
	f.Fuzz(func(t *testing.T, b []byte) {
		tryUpdateLog(b)
		if merged, err := MergeUpdates([][]byte{b, goodUpdate}); err == nil {
			if _, err := ConvertV1ToV2(merged); err != nil {
				t.Fatalf("merged %x is refused: %v", merged, err)
			}
		}
	})
}

// TestRepeatedRanges deletes the same units over and over in one update.
func TestRepeatedRanges(t *testing.T) {
	d := New(Options{ClientID: 1})
	for i := range 20000 {
		d.Text("t").Insert(0, string(rune('a'+i%26)))
	}
	u := []byte{0, 1, 1}
	u = lib0.AppendUint(u, 20000)
	for range 20000 {
		u = lib0.AppendUint(append(u, 0), 20000)
	}
	took := threadTime(func() {
		if _, err := d.Apply(u, nil); err != nil {
			t.Fatal(err)
		}
	})
	if took > 5*time.Second || d.Text("t").Len() != 0 {
		t.Errorf("takes %v, leaves %d", took, d.Text("t").Len())
	}
}
