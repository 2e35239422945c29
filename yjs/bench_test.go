package yjs

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// benchFile reads a large file of the data directory, or skips.
func benchFile(tb testing.TB, name string) []byte {
	tb.Helper()
	dir := dataDir()
	if dir == "" {
		tb.Skip("the large data is not here: set STARLING_DATA to its directory")
	}
	b, err := os.ReadFile(filepath.Join(dir, "yjs", name))
	if err != nil {
		tb.Skipf("%v: set STARLING_DATA to the directory that has it", err)
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

func BenchmarkApplyB4(b *testing.B) {
	list := split32(benchFile(b, "b4.updates.bin"))
	b.ReportAllocs()
	for b.Loop() {
		d := New(Options{})
		n := 0
		for _, u := range list {
			a, err := d.Apply(u, nil)
			if err != nil {
				b.Fatal(err)
			}
			n += len(a.Update)
		}
		if n == 0 {
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
			}
			var m0, m1 runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m0)
			d := New(Options{})
			d.apply(u, nil, f == "b4.v2.bin")
			runtime.GC()
			runtime.ReadMemStats(&m1)
			b.ReportMetric(float64(m1.HeapAlloc-m0.HeapAlloc), "retained-B")
			runtime.KeepAlive(d)
		})
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
			for b.Loop() {
				b.StopTimer()
				d := New(Options{})
				d.Apply(x, nil)
				b.StartTimer()
				if _, err := d.Apply(y, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
