package yjs

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// benchFile reads a large file of the data directory, or skips.
func benchFile(tb testing.TB, name string) []byte {
	tb.Helper()
	dir := dataDir()
	if dir == "" {
		tb.Skip("the large data is not here: set STARLING_TESTDATA to its directory")
	}
	b, err := os.ReadFile(filepath.Join(dir, "yjs", name))
	if err != nil {
		tb.Skipf("%v: set STARLING_TESTDATA to the directory that has it", err)
	}
	return b
}

// split32 divides a file of updates that each have a 32-bit length before them.
func split32(b []byte) (list [][]byte) {
	for len(b) >= 4 {
		n := binary.LittleEndian.Uint32(b)
		list = append(list, b[4:4+n:4+n])
		b = b[4+n:]
	}
	return list
}

// loaded is a document that holds the given updates.
func loaded(tb testing.TB, updates ...[]byte) *Doc {
	tb.Helper()
	d := New(Options{ClientID: 3})
	for _, u := range updates {
		if _, err := d.Apply(u, nil); err != nil {
			tb.Fatal(err)
		}
	}
	return d
}

// applyAll applies single updates and gives the size of what there is to broadcast.
func applyAll(tb testing.TB, d *Doc, list [][]byte) (n int) {
	tb.Helper()
	for _, u := range list {
		a, err := d.Apply(u, nil)
		if err != nil {
			tb.Fatal(err)
		}
		n += len(a.Update)
	}
	return n
}

type edit struct {
	pos, del int
	ins      string
}

// b4Trace is the B4 trace as edits.
func b4Trace(tb testing.TB) (edits []edit) {
	tb.Helper()
	dir := dataDir()
	if dir == "" {
		tb.Skip("the traces are not here: set STARLING_TESTDATA to their directory")
	}
	f, err := os.Open(filepath.Join(dir, "traces/sequential_traces/automerge-paper.json.gz"))
	if err != nil {
		tb.Skip(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var tr struct {
		Txns []struct{ Patches [][3]json.RawMessage }
	}
	if err := json.NewDecoder(z).Decode(&tr); err != nil {
		tb.Fatal(err)
	}
	for _, x := range tr.Txns {
		for _, p := range x.Patches {
			edits = append(edits, edit{num(p[0]), num(p[1]), str(p[2])})
		}
	}
	return edits
}

// replay makes the edits, one transaction each, with the bytes to broadcast.
func replay(tb testing.TB, edits []edit) *Doc {
	tb.Helper()
	d := New(Options{ClientID: 1})
	n := 0
	d.OnUpdate(func(u *Update) { n += len(u.V1()) })
	x := d.Text("text")
	for _, e := range edits {
		if e.del > 0 {
			if err := x.Delete(e.pos, e.del); err != nil {
				tb.Fatal(err)
			}
		}
		if e.ins != "" {
			if err := x.Insert(e.pos, e.ins); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if n == 0 {
		tb.Fatal("nothing to broadcast")
	}
	return d
}

// richUpdates is a document of 108,000 characters with about 10,000 formatting
// marks, and updates of another client that formats it further.
func richUpdates(tb testing.TB, n int) (doc []byte, updates [][]byte) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	d := New(Options{ClientID: 1})
	x := d.Text("text")
	x.Insert(0, strings.Repeat("lorem ipsum dolor sit amet ", 4000))
	for range 5000 {
		v := Bool(true)
		if r.IntN(4) == 0 {
			v = Null()
		}
		if err := x.Format(r.IntN(x.Len()-20), 1+r.IntN(15), Attrs{{[]string{"bold", "italic", "link"}[r.IntN(3)], v}}); err != nil {
			tb.Fatal(err)
		}
	}
	doc = d.Encode(nil)
	e := New(Options{ClientID: 5})
	e.Apply(doc, nil)
	e.OnUpdate(func(u *Update) { updates = append(updates, u.V1()) })
	for range n {
		if err := e.Text("text").Format(r.IntN(x.Len()-20), 5, Attrs{{"bold", Bool(true)}}); err != nil {
			tb.Fatal(err)
		}
	}
	return doc, updates
}

// prepends is two documents in which n characters were each typed before the last.
func prepends(tb testing.TB, n int) (a, b []byte) {
	tb.Helper()
	base := New(Options{ClientID: 1})
	base.Text("text").Insert(0, "base")
	make := func(id uint64) []byte {
		d := New(Options{ClientID: id})
		d.Apply(base.Encode(nil), nil)
		d.Transact(nil, func() {
			for i := range n {
				d.Text("text").Insert(0, string(rune('a'+i%26)))
			}
		})
		return d.Encode(nil)
	}
	return make(10), make(20)
}

// heap is the memory that make's results hold, each.
func heap(n int, make func() *Doc) float64 {
	var m0, m1 runtime.MemStats
	docs := []*Doc{make()}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m0)
	for range n {
		docs = append(docs, make())
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m1)
	runtime.KeepAlive(docs)
	return float64(m1.HeapAlloc-m0.HeapAlloc) / float64(n)
}

// figures are percentiles in microseconds, or a time in milliseconds, or bytes.
type figures struct{ MS, P50, P99, P999, Max, Bytes float64 }

// eachTimed measures f for every one of n things.
func eachTimed(n int, f func(i int)) figures {
	t := make([]time.Duration, n)
	for i := range n {
		start := time.Now()
		f(i)
		t[i] = time.Since(start)
	}
	slices.Sort(t)
	p := func(q float64) float64 { return float64(t[min(n-1, int(float64(n)*q))].Nanoseconds()) / 1000 }
	return figures{P50: p(0.5), P99: p(0.99), P999: p(0.999), Max: p(1)}
}

func BenchmarkApplyB4(b *testing.B) {
	list := split32(benchFile(b, "b4.updates.bin"))
	b.ReportAllocs()
	for b.Loop() {
		if applyAll(b, New(Options{}), list) == 0 {
			b.Fatal("nothing to broadcast")
		}
	}
}

func BenchmarkLoadB4(b *testing.B) {
	for _, f := range []string{"b4.v1.bin", "b4.v2.bin"} {
		b.Run(f, func(b *testing.B) {
			u := benchFile(b, f)
			b.ReportAllocs()
			for b.Loop() {
				d := New(Options{})
				if _, err := d.apply(u, nil, f == "b4.v2.bin"); err != nil {
					b.Fatal(err)
				}
				if len(d.Text("text").String()) != 104852 {
					b.Fatal("wrong text")
				}
			}
		})
	}
}

func BenchmarkLocalB4(b *testing.B) {
	edits := b4Trace(b)
	want := string(benchFile(b, "b4.final.txt"))
	b.ReportAllocs()
	for b.Loop() {
		if replay(b, edits).Text("text").String() != want {
			b.Fatal("wrong text")
		}
	}
}

// BenchmarkLocalRandom is local typing at random places of 200,000 characters that
// were each inserted on their own.
func BenchmarkLocalRandom(b *testing.B) {
	d := loaded(b, benchFile(b, "conc_random_a.bin"), benchFile(b, "conc_random_b.bin"))
	n := 0
	d.OnUpdate(func(u *Update) { n += len(u.V1()) })
	x := d.Text("t")
	r := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		if err := x.Insert(r.IntN(x.Len()), "x"); err != nil {
			b.Fatal(err)
		}
	}
	if n == 0 {
		b.Fatal("nothing to broadcast")
	}
}

func BenchmarkMergeB4(b *testing.B) {
	list := split32(benchFile(b, "b4.updates.bin"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := MergeUpdates(list); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMergeConcurrent(b *testing.B) {
	for _, shape := range []string{"append", "burst", "random", "prepend8k"} {
		b.Run(shape, func(b *testing.B) {
			x, y := benchFile(b, "conc_"+shape+"_a.bin"), benchFile(b, "conc_"+shape+"_b.bin")
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				d := loaded(b, x)
				b.StartTimer()
				if _, err := d.Apply(y, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// These need no data.

func BenchmarkPrepend(b *testing.B) {
	x, y := prepends(b, 20000)
	b.ReportAllocs()
	for b.Loop() {
		loaded(b, x, y)
	}
}

func BenchmarkRemoteFormat(b *testing.B) {
	doc, list := richUpdates(b, 1000)
	d := loaded(b, doc)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if i == len(list) {
			b.StopTimer()
			d, i = loaded(b, doc), 0
			b.StartTimer()
		}
		if _, err := d.Apply(list[i], nil); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkEncode(b *testing.B) {
	doc, list := richUpdates(b, 100)
	d := loaded(b, append([][]byte{doc}, list...)...)
	for name, f := range map[string]func(StateVector) []byte{"v1": d.Encode, "v2": d.EncodeV2} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f(nil)
			}
		})
	}
}

// tombstones is an update of n values of two keys, set in turn.
func tombstones(tb testing.TB, n int) []byte {
	tb.Helper()
	d := New(Options{ClientID: 1})
	m := d.Map("m")
	d.Transact(nil, func() {
		for i := range n {
			m.Set([]string{"b", "a"}[i&1], Int(i))
		}
	})
	return d.Encode(nil)
}

func BenchmarkTombstones(b *testing.B) {
	u := tombstones(b, 200000)
	d := loaded(b, u)
	for name, f := range map[string]func(){
		"load":   func() { loaded(b, u) },
		"again":  func() { d.Apply(u, nil) },
		"encode": func() { d.Encode(nil) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
