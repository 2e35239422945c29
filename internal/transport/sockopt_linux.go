package transport

import "syscall"

// tcpNotSentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h.
const tcpNotSentLowat = 25

// setNotSentLowat keeps the kernel from hoarding for a reader that stalls: it
// takes no more while 16 KiB have not left the machine. (A stalled reader absorbs
// megabytes otherwise.)
func setNotSentLowat(raw syscall.RawConn) {
	_ = raw.Control(func(fd uintptr) {
		// A kernel without it hoards; nothing breaks.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, 16<<10)
	})
}
