package pebblelog_test

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
)

const benchChannels = 10_000

var inFlight = []int{1, 16, 256}

func benchData() []byte { return make([]byte, 200) }

func channelName(i int) string { return fmt.Sprintf("bench/channel-%05d", i) }

// Durable appends with so many in flight, spread over the channels.
func BenchmarkAppend(b *testing.B) {
	for _, keyed := range []bool{false, true} {
		for _, n := range inFlight {
			b.Run(fmt.Sprintf("keyed=%v/inflight=%d", keyed, n), func(b *testing.B) {
				e, err := pebblelog.Open(b.TempDir(), pebblelog.Options{Logger: quiet()})
				if err != nil {
					b.Fatal(err)
				}
				defer e.Close()
				appendMany(b, e, n, keyed)
			})
		}
	}
}

func appendMany(b *testing.B, e eventlog.Engine, n int, keyed bool) {
	names := make([]string, benchChannels)
	for i := range names {
		names[i] = channelName(i)
	}
	data := benchData()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range n {
		wg.Add(1)
		var send func()
		send = func() {
			i := next.Add(1)
			if i > int64(b.N) {
				wg.Done()
				return
			}
			batch := &eventlog.Batch{
				Channel: names[uint64(i)*2654435761%benchChannels],
				Records: []eventlog.Record{{ID: "AZqlMEbeO0lHC1HZ7ZkT", User: "user-1", Data: data}},
			}
			batch.Records[0].Time = time.Now().UnixMilli()
			if keyed {
				batch.DedupKey = fmt.Sprintf("user-1\x00key-%d", i)
				batch.Hash = uint64(i)
			}
			e.Append(batch, func(_ eventlog.Appended, err error) {
				if err != nil {
					b.Error(err)
					wg.Done()
					return
				}
				send()
			})
		}
		send()
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkBare is what Pebble itself does with the rows of an append, in
// batches of so many: the ceiling for BenchmarkAppend on the same disk.
func BenchmarkBare(b *testing.B) {
	for _, n := range inFlight {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			db, err := pebble.Open(b.TempDir(), &pebble.Options{
				Logger: silent{}, MemTableSize: 64 << 20, MemTableStopWritesThreshold: 4,
				FormatMajorVersion: pebble.FormatWALSyncChunks,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			value := make([]byte, 240)
			meta := make([]byte, 20)
			b.ResetTimer()
			var prev *pebble.Batch
			for i := 0; i < b.N; {
				batch := db.NewBatch()
				for range min(n, b.N-i) {
					name := channelName(i * 7919 % benchChannels)
					key := append([]byte("r"), name...)
					if err := batch.Set(binary.BigEndian.AppendUint64(key, uint64(i)), value, nil); err != nil {
						b.Fatal(err)
					}
					key[0] = 'm'
					if err := batch.Set(key, meta, nil); err != nil {
						b.Fatal(err)
					}
					i++
				}
				if err := db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
					b.Fatal(err)
				}
				if prev != nil {
					settle(b, prev)
				}
				prev = batch
			}
			settle(b, prev)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}

func settle(b *testing.B, batch *pebble.Batch) {
	b.Helper()
	if err := batch.SyncWait(); err != nil {
		b.Fatal(err)
	}
	if err := batch.Close(); err != nil {
		b.Fatal(err)
	}
}

// Reading the newest 100 of one channel among the records of many.
func BenchmarkRead(b *testing.B) {
	e, err := pebblelog.Open(b.TempDir(), pebblelog.Options{Logger: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	const channels, each = 1000, 120
	var wg sync.WaitGroup
	for i := range channels * each {
		wg.Add(1)
		e.Append(&eventlog.Batch{
			Channel: channelName(i % channels),
			Records: []eventlog.Record{{ID: "AZqlMEbeO0lHC1HZ7ZkT", Time: time.Now().UnixMilli(), Data: benchData()}},
		}, func(_ eventlog.Appended, err error) {
			if err != nil {
				b.Error(err)
			}
			wg.Done()
		})
		if i%1000 == 999 {
			wg.Wait()
		}
	}
	wg.Wait()
	b.Run("newest=100", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			p, err := e.ReadBefore(b.Context(), channelName(i*7919%channels), 0, eventlog.Limit{})
			if err != nil || len(p.Records) != 100 {
				b.Fatalf("got %d records, %v", len(p.Records), err)
			}
		}
	})
	b.Run("after=100", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			p, err := e.Read(b.Context(), channelName(i*7919%channels), 0, eventlog.Limit{})
			if err != nil || len(p.Records) != 100 {
				b.Fatalf("got %d records, %v", len(p.Records), err)
			}
		}
	})
	b.Run("head", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if _, err := e.Head(b.Context(), channelName(i*7919%channels)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
