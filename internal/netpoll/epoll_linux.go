package netpoll

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// loop is an epoll instance and the goroutine that waits on it. The goroutine parks
// in the runtime's own poller, which watches the instance like a file.
type loop struct {
	poller *Poller
	epfd   int
	file   *os.File // the same, for the runtime's poller
	raw    syscall.RawConn
	pipe   [2]int // read and write end: wakes the loop for kicks
	buf    []byte // owned by run

	mu    sync.Mutex // guards the following
	conns []*Conn    // by file descriptor / number of loops
	kicks []*Conn
}

func newLoop(p *Poller) (*loop, error) {
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(epfd, true); err != nil {
		syscall.Close(epfd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &loop{poller: p, epfd: epfd, file: os.NewFile(uintptr(epfd), "epoll"), buf: make([]byte, readSize)}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.file.Close()
		return nil, err
	}
	if err := syscall.Pipe2(l.pipe[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		l.file.Close()
		return nil, os.NewSyscallError("pipe2", err)
	}
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(l.pipe[0])}
	if err := syscall.EpollCtl(epfd, syscall.EPOLL_CTL_ADD, l.pipe[0], &ev); err != nil {
		l.close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return l, nil
}

// close ends run.
func (l *loop) close() {
	l.file.Close()
	syscall.Close(l.pipe[0])
	syscall.Close(l.pipe[1])
}

// takeFD returns a file descriptor of a connection, which nobody else knows.
func takeFD(tcp *net.TCPConn) (int, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, errno := -1, syscall.Errno(0)
	if err := raw.Control(func(old uintptr) {
		var r uintptr
		r, _, errno = syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		fd = int(r)
	}); err != nil {
		return -1, err
	}
	if errno != 0 {
		return -1, os.NewSyscallError("fcntl", errno)
	}
	tcp.Close() // the descriptor that the runtime watches; ours keeps the connection
	return fd, nil
}

func (l *loop) slot(fd int32) int { return int(fd) / len(l.poller.loops) }

func (l *loop) put(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.slot(c.fd)
	if i >= len(l.conns) {
		l.conns = append(l.conns, make([]*Conn, i+1-len(l.conns)+len(l.conns)/4)...)
	}
	l.conns[i] = c
}

func (l *loop) find(fd int32) *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.slot(fd); i < len(l.conns) {
		return l.conns[i]
	}
	return nil
}

func (l *loop) all() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*Conn
	for _, c := range l.conns {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// kick notes a connection, and wakes the loop.
func (l *loop) kick(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.kicked {
		return
	}
	c.kicked = true
	l.kicks = append(l.kicks, c)
	if len(l.kicks) == 1 {
		_, _ = syscall.Write(l.pipe[1], []byte{0}) // a full pipe wakes the loop as well
	}
}

// run is the loop. It ends when the instance is closed.
func (l *loop) run() {
	events := make([]syscall.EpollEvent, 256)
	var n int
	wait := func(uintptr) bool {
		for {
			var err error
			n, err = syscall.EpollWait(l.epfd, events, 0)
			if !errors.Is(err, syscall.EINTR) {
				return n > 0 || err != nil
			}
		}
	}
	for {
		if err := l.raw.Read(wait); err != nil {
			return
		}
		for i := range max(n, 0) {
			l.event(&events[i])
		}
	}
}

func (l *loop) event(ev *syscall.EpollEvent) {
	if ev.Fd == int32(l.pipe[0]) {
		l.kicked()
		return
	}
	c := l.find(ev.Fd)
	if c == nil || !c.is(started) {
		return // closed by an earlier event of the same batch, its number perhaps given out again
	}
	if ev.Events&^syscall.EPOLLOUT != 0 {
		c.readable(ev.Events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0)
	}
	if ev.Events&syscall.EPOLLOUT != 0 && c.is(writing) {
		c.handler.Writable()
	}
}

func (l *loop) kicked() {
	var b [64]byte
	_, _ = syscall.Read(l.pipe[0], b[:]) // what is left wakes once more
	l.mu.Lock()
	kicks := l.kicks
	l.kicks = nil
	for _, c := range kicks {
		c.kicked = false
	}
	l.mu.Unlock()
	for _, c := range kicks {
		c.mu.Lock()
		s := c.state
		c.mu.Unlock()
		switch {
		case s&gone != 0:
		case s&closed != 0:
			c.end(s)
			c.release()
		default:
			c.handler.Resume()
		}
	}
}

func (c *Conn) is(s state) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state&s != 0
}

// register tells the kernel what is wanted. The lock is held.
func (c *Conn) register() {
	ev := syscall.EpollEvent{Fd: c.fd}
	if c.state&(paused|ended) == 0 {
		ev.Events |= syscall.EPOLLIN
	}
	if c.state&writing != 0 {
		ev.Events |= syscall.EPOLLOUT
	}
	err := syscall.EpollCtl(c.loop.epfd, syscall.EPOLL_CTL_MOD, int(c.fd), &ev)
	if errors.Is(err, syscall.ENOENT) {
		err = syscall.EpollCtl(c.loop.epfd, syscall.EPOLL_CTL_ADD, int(c.fd), &ev)
	}
	if err != nil {
		// Out of memory or of watches: the connection cannot live.
		c.shut()
		c.loop.kick(c)
	}
}

// readable reads what there is.
func (c *Conn) readable(hangup bool) {
	for range maxReads {
		c.mu.Lock()
		s := c.state
		c.mu.Unlock()
		switch {
		case s&gone != 0:
			return
		case s&closed != 0:
			c.end(s)
			c.release()
			return
		case s&(paused|ended) != 0:
			if hangup {
				// Both sides have closed, or the connection was reset: that would be
				// told for ever.
				c.end(s)
				c.Close()
				c.release()
			}
			return
		}
		n, err := syscall.Read(int(c.fd), c.loop.buf)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return
		case n <= 0 || err != nil:
			c.end(s)
			return
		default:
			c.handler.Data(c.loop.buf[:n])
			if n < len(c.loop.buf) {
				return // what comes now is told
			}
		}
	}
}

// end tells the handler once that nothing more comes.
func (c *Conn) end(s state) {
	if s&ended != 0 {
		return
	}
	c.change(ended, 0)
	c.handler.EOF()
}

// release closes the file descriptor.
func (c *Conn) release() {
	c.mu.Lock()
	was := c.state
	c.state |= gone | closed
	c.mu.Unlock()
	if was&gone != 0 {
		return
	}
	l := c.loop
	l.mu.Lock()
	l.conns[l.slot(c.fd)] = nil
	l.mu.Unlock()
	syscall.Close(int(c.fd)) // the kernel forgets to watch it
	l.poller.conns.Done()
}

// TryWrite writes what the socket takes now. It returns how much that is, and no
// error when the socket is full.
func (c *Conn) TryWrite(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state&closed != 0 {
		return 0, ErrClosed
	}
	done := 0
	for done < len(b) {
		n, errno := write(c.fd, b[done:])
		switch errno {
		case 0:
			done += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return done, nil
		default:
			return done, os.NewSyscallError("write", errno)
		}
	}
	return done, nil
}

// write writes to a socket that does not block, without telling the runtime: it
// would look for another thread to go on with, for a call that takes microseconds.
func write(fd int32, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// CloseWrite tells the other side that nothing more comes from here.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state&closed != 0 {
		return ErrClosed
	}
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(c.fd), syscall.SHUT_WR))
}

// Close shuts the connection down. Its Handler is told EOF if it was not yet.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state&closed != 0 {
		return
	}
	c.shut()
	if c.state&started == 0 {
		c.state |= started
		c.register()
	}
}

// shut shuts down both ways. The lock is held.
func (c *Conn) shut() {
	c.state |= closed
	// The kernel then tells the loop, whatever it watches for. On a connection that
	// was reset this is an error, and was told already.
	_ = syscall.Shutdown(int(c.fd), syscall.SHUT_RDWR)
}
