package transport

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// read gives what comes to st.in until the session or the connection has ended:
// on a goroutine, or on those of the poller.
func (st *stream) read() {
	if st.polled != nil {
		st.polled.Start()
		st.polled.Kick() // for what came early
		return
	}
	// Not in the handler's goroutine: that holds on to what net/http needed for the
	// request.
	if !st.owner.spawn(st.readLoop) {
		st.session.End(nil)
	}
}

func (st *stream) readLoop() {
	switch {
	case st.in.take(nil) != more:
	case st.raw != nil:
		if st.owner.spawn(st.await) {
			return
		}
	default:
		buf := make([]byte, 2048)
		for {
			n, err := st.conn.Read(buf)
			if n > 0 && st.in.take(buf[:n]) != more || err != nil {
				break
			}
		}
	}
	st.leave()
}

// leave ends what a goroutine reads.
func (st *stream) leave() {
	st.session.End(nil)
	st.discard()
}

// await waits for bytes, holding no buffer, and has another goroutine obey them. Its
// own stack so stays as small as it was made: what grew would stay grown for as long
// as the connection is at rest, which is 2 to 6 KB for each.
func (st *stream) await() {
	var in *incoming
	err := st.raw.Read(func(fd uintptr) bool {
		if in, _ = readBuffers.Get().(*incoming); in == nil {
			return true // to make one takes a larger stack
		}
		if in.read(int(fd)); errors.Is(in.err, syscall.EAGAIN) {
			readBuffers.Put(in)
			in = nil
			return false
		}
		return true
	})
	next := func() { st.obey(in) }
	if err != nil {
		next = st.leave
	}
	if !st.owner.spawn(next) {
		st.leave()
	}
}

// obey takes what await has read, and has the next await begin.
func (st *stream) obey(in *incoming) {
	if in == nil {
		readBuffers.Put(new(incoming))
	} else {
		ok := in.err == nil && in.n > 0 && st.in.take(in.buf[:in.n]) == more
		readBuffers.Put(in)
		if !ok {
			st.leave()
			return
		}
	}
	if !st.owner.spawn(st.await) {
		st.leave()
	}
}

// incoming is what a read has brought.
type incoming struct {
	n   int
	err error
	buf [4096]byte
}

func (in *incoming) read(fd int) {
	for {
		if in.n, in.err = syscall.Read(fd, in.buf[:]); !errors.Is(in.err, syscall.EINTR) {
			return
		}
	}
}

// discard reads until the other side has closed too.
func (st *stream) discard() {
	_, _ = io.Copy(io.Discard, st.conn) // the end is the end
	st.conn.Close()
}

var readBuffers sync.Pool // of *incoming
