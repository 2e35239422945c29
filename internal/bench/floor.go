package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// rawListen is where the raw write loop listens.
const rawListen = "127.0.0.1:18991"

// rawSize is the size of what the raw loop writes: a frame that carries a
// publication of 128 bytes.
const rawSize = 260

// ServeRaw is the least that a server can do: on the first connection it waits for
// bytes, and for each it writes a message to every other connection, one write a
// socket. It is what fan-out is compared with, and is run as a process of its own.
func ServeRaw(ctx context.Context) error {
	l, err := net.Listen("tcp", rawListen)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	control, err := l.Accept()
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var conns []net.Conn
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
	}()
	msg, one := make([]byte, rawSize), make([]byte, 1)
	for {
		if _, err := control.Read(one); err != nil {
			return nil // the measurement is over
		}
		mu.Lock()
		for _, c := range conns {
			if _, err := c.Write(msg); err != nil {
				mu.Unlock()
				return err
			}
		}
		mu.Unlock()
	}
}

// rawWrites returns the CPU time that the raw loop takes for a write, at the rate of
// the scenario fanout.
func rawWrites(ctx context.Context, d time.Duration, subs, rate int) (each time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, "bench-raw")}
	if err := p.cmd.Start(); err != nil {
		return 0, err
	}
	defer p.stop()
	var control net.Conn
	for range 200 {
		if control, err = net.Dial("tcp", rawListen); err == nil || !pause(ctx, 20*time.Millisecond) {
			break
		}
	}
	if err != nil {
		return 0, err
	}
	defer control.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	for range subs {
		c, err := net.Dial("tcp", rawListen)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		wg.Go(func() { _, _ = io.Copy(io.Discard, c) }) // until it is closed
	}
	if !pause(ctx, 100*time.Millisecond) {
		return 0, ctx.Err()
	}
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	n := int(d.Seconds() * float64(rate))
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for range n {
		<-tick.C
		if _, err := control.Write([]byte{1}); err != nil {
			return 0, err
		}
	}
	if !pause(ctx, 100*time.Millisecond) {
		return 0, ctx.Err()
	}
	after, err := p.cpu()
	return (after - before) / time.Duration(n*subs), err
}

// barePebble returns how many records a second a loop writes that does nothing but
// Pebble batches of the engine's rows: the record, what is known of its channel, and
// the last number. Half of what is in flight is a batch, so that the next one is applied
// while the last is synced.
func barePebble(ctx context.Context, d time.Duration, inFlight int) (rate float64, err error) {
	dir, err := os.MkdirTemp("", "starling-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}, MemTableSize: 64 << 20})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// As long as the engine's, for 128 bytes of data in a channel with such a name.
	record, meta, number := make([]byte, 156), make([]byte, 14), make([]byte, 8)
	half := max(inFlight/2, 1)
	var done int
	var key []byte
	var last *pebble.Batch
	start := time.Now()
	for i := 0; time.Since(start) < d && ctx.Err() == nil; {
		b := db.NewBatch()
		for range half {
			i++
			key = fmt.Appendf(key[:0], "r\nbench:%d\x00", i*7919%appendChannels)
			key = binary.BigEndian.AppendUint64(key, uint64(i))
			if err := b.Set(key, record, nil); err != nil {
				return 0, err
			}
			key = fmt.Appendf(key[:0], "m\nbench:%d", i*7919%appendChannels)
			if err := b.Set(key, meta, nil); err != nil {
				return 0, err
			}
		}
		if err := b.Set([]byte("n"), number, nil); err != nil {
			return 0, err
		}
		if err := db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
			return 0, err
		}
		if last != nil {
			if err := last.SyncWait(); err != nil {
				return 0, err
			}
			done += half
			_ = last.Close() // it is only given back
		}
		last = b
	}
	if last != nil {
		if err := last.SyncWait(); err != nil {
			return 0, err
		}
		done += half
		_ = last.Close() // it is only given back
	}
	return float64(done) / time.Since(start).Seconds(), nil
}

// rawFile returns how many records a second are written to a file that is synced
// after so many.
func rawFile(ctx context.Context, d time.Duration, inFlight int) (rate float64, err error) {
	dir, err := os.MkdirTemp("", "starling-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	group := make([]byte, 210*inFlight) // as much as the engine's rows
	done := 0
	start := time.Now()
	for time.Since(start) < d && ctx.Err() == nil {
		if _, err := f.Write(group); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		done += inFlight
	}
	return float64(done) / time.Since(start).Seconds(), nil
}

// silent is a Pebble logger.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}
