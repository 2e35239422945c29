//go:build !linux

package netpoll

import "net"

// loop does not exist here.
type loop struct{ poller *Poller }

func newLoop(*Poller) (*loop, error) { return nil, ErrUnsupported }

func (l *loop) run()         {}
func (l *loop) close()       {}
func (l *loop) put(*Conn)    {}
func (l *loop) all() []*Conn { return nil }
func (l *loop) kick(*Conn)   {}

func takeFD(*net.TCPConn) (int, error) { return -1, ErrUnsupported }

func (c *Conn) register() {}

// TryWrite writes what the socket takes now.
func (c *Conn) TryWrite([]byte) (int, error) { return 0, ErrUnsupported }

// CloseWrite tells the other side that nothing more comes from here.
func (c *Conn) CloseWrite() error { return ErrUnsupported }

// Close shuts the connection down.
func (c *Conn) Close() {}
