package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/starling-rt/starling/internal/websocket"
	"github.com/starling-rt/starling/protocol"
)

func (v *visit) webSocket() {
	defer v.end()
	conn, err := v.node.dial()
	if err != nil {
		return
	}
	defer conn.Close()
	v.cbor = v.client.roll(3) == 0
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s%s\r\n",
		map[bool]string{true: "Sec-WebSocket-Extensions: permessage-deflate\r\n", false: ""}[v.client.roll(2) == 0],
		map[bool]string{true: "Sec-WebSocket-Protocol: starling.v1.cbor\r\n", false: ""}[v.cbor])
	br := bufio.NewReader(conn)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	go v.watch(conn)
	send := func(cmd []byte) bool {
		op := websocket.Text
		if v.cbor {
			op, cmd = websocket.Binary, protocol.AppendCBOR(nil, cmd)
		}
		_, err := conn.Write(websocket.AppendMasked(nil, op, [4]byte{1, 2, 3, 4}, cmd))
		return err == nil
	}
	v.asked, v.left = map[int]string{}, map[string]bool{}
	c := v.client
	for _, name := range c.names() {
		c.mu.Lock()
		cmd := v.subscribe(name)
		c.mu.Unlock()
		if !send(cmd) {
			return
		}
	}
	var speaking sync.WaitGroup
	speaking.Go(func() { v.speak(send) })
	defer speaking.Wait()
	defer v.end()
	r := websocket.Reader{MaxBytes: 1 << 20, Deflate: res.Header.Get("Sec-Websocket-Extensions") != ""}
	buf := make([]byte, 700)
	for {
		v.stall()
		n, err := br.Read(buf)
		if err != nil {
			return
		}
		r.Feed(buf[:n])
		if !v.frames(&r, conn, send) {
			return
		}
	}
}

// frames takes the messages that came, and tells whether to go on.
func (v *visit) frames(r *websocket.Reader, conn io.Writer, send func([]byte) bool) bool {
	c := v.client
	for {
		f, err := r.Next()
		if errors.Is(err, websocket.ErrShort) {
			return true
		}
		if err != nil {
			c.world.failf("client %d: %v", c.index, err)
			return false
		}
		switch f.Opcode {
		case websocket.PingFrame:
			if _, err := conn.Write(websocket.AppendMasked(nil, websocket.PongFrame, [4]byte{}, f.Payload)); err != nil {
				return false
			}
			continue
		case websocket.Close:
			return false
		}
		text, err := v.text(f)
		if err != nil {
			c.world.failf("client %d: %x: %v", c.index, f.Payload, err)
			return false
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			c.world.failf("client %d: not JSON: %s", c.index, text)
			return false
		}
		c.mu.Lock()
		next := v.hear(&m)
		c.mu.Unlock()
		for _, cmd := range next {
			if !send(cmd) {
				return false
			}
		}
	}
}

// text returns the JSON of a message.
func (v *visit) text(f websocket.Message) ([]byte, error) {
	switch {
	case f.Opcode == websocket.Text && !v.cbor:
		return f.Payload, nil
	case f.Opcode == websocket.Binary && v.cbor:
		text, err := protocol.AppendJSON(nil, f.Payload)
		if err != nil {
			return nil, err
		}
		return text, nil
	}
	return nil, errors.New("a frame of the other kind")
}
