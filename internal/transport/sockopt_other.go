//go:build !linux

package transport

import "syscall"

// setNotSentLowat does nothing where it is not known how.
func setNotSentLowat(syscall.RawConn) {}
