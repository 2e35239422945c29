package memory_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

func TestConformance(t *testing.T) {
	logtest.Run(t, logtest.Harness{
		Open: func(_ testing.TB, p eventlog.Policies) eventlog.Engine {
			return memory.New(memory.Options{Policies: p})
		},
	})
}

func put(t *testing.T, l *eventlog.Log, channel, data string) eventlog.Appended {
	t.Helper()
	a, err := l.Append(t.Context(), eventlog.Append{Channel: channel, Entries: []eventlog.Entry{{Data: []byte(data)}}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A channel that has held nothing for long is forgotten. Its positions are void,
// and it begins again as if it had never been.
func TestForgottenChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := eventlog.New(memory.New(memory.Options{ForgetAfter: time.Hour}))
		defer l.Close()
		kept := put(t, l, "kept", "1").Last
		old := put(t, l, "gone", "1").Last
		if err := l.Trim(t.Context(), "gone", old.Offset); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Hour)
		synctest.Wait()
		if got, err := l.Head(t.Context(), "gone"); err != nil || got.Offset != 0 || got.Epoch == old.Epoch {
			t.Errorf("head: got %+v, %v, want 0 and another epoch than %d", got, err, old.Epoch)
		}
		if got, err := l.Head(t.Context(), "kept"); err != nil || got != kept {
			t.Errorf("head of another: got %+v, %v, want %+v", got, err, kept)
		}
		next := put(t, l, "gone", "2")
		if next.First <= old.Offset || next.Last.Epoch == old.Epoch {
			t.Errorf("next: got %+v after %+v", next, old)
		}
		for after, want := range map[uint64]bool{0: true, old.Offset - 1: false} {
			if p, err := l.Read(t.Context(), "gone", after, eventlog.Limit{}); err != nil || p.Complete != want {
				t.Errorf("after %d: got complete %v, %v, want %v", after, p.Complete, err, want)
			}
		}
	})
}

func TestKeysAreBounded(t *testing.T) {
	l := eventlog.New(memory.New(memory.Options{MaxKeys: 3}))
	defer l.Close()
	send := func(i int) bool {
		t.Helper()
		a, err := l.Append(t.Context(), eventlog.Append{
			Channel: "c", Key: fmt.Sprint(i), Entries: []eventlog.Entry{{Data: []byte("x")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return a.Duplicate
	}
	for i := range 10 {
		if send(i) {
			t.Errorf("key %d is a duplicate", i)
		}
	}
	for i := 7; i < 10; i++ {
		if !send(i) {
			t.Errorf("key %d of the newest three is forgotten", i)
		}
	}
	if send(0) {
		t.Error("the oldest key is remembered")
	}
}

func ExampleNew() {
	log := eventlog.New(memory.New(memory.Options{}))
	defer log.Close()
	ctx := context.Background()
	entry := eventlog.Entry{Data: []byte("hello")}
	if _, err := log.Append(ctx, eventlog.Append{Channel: "room", Entries: []eventlog.Entry{entry}}); err != nil {
		panic(err)
	}
	page, err := log.Read(ctx, "room", 0, eventlog.Limit{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s, complete: %v\n", page.Records[0].Data, page.Complete)
	// Output: hello, complete: true
}

func BenchmarkAppend(b *testing.B) {
	e := memory.New(memory.Options{})
	defer e.Close()
	data := make([]byte, 200)
	done := func(_ eventlog.Appended, err error) {
		if err != nil {
			b.Error(err)
		}
	}
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e.Append(&eventlog.Batch{
				Channel: fmt.Sprint("c", n.Add(1)%10_000),
				Records: []eventlog.Record{{ID: "id", Time: time.Now().UnixMilli(), Data: data}},
			}, done)
		}
	})
}
