package app

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// Whoever takes no answers loses the connection, wherever they come from.
func TestAnswersThatNobodyTakes(t *testing.T) {
	addr, stop := run(t, Config{Data: Memory, Dev: true, Timeouts: Timeouts{Answer: 200 * time.Millisecond}})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	_ = conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	for err == nil { // until the server's writes are stuck, and so its reads
		_, err = io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server still waits for the client to read")
	}
	conn.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}
