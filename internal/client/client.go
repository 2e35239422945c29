// Package client speaks to a Starling server from Go: enough for the commands of
// the binary and for benchmarks.
package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/starling-rt/starling/internal/websocket"
	"github.com/starling-rt/starling/protocol"
)

// Error is a refusal of the server.
type Error struct {
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
	Retry   bool   `json:"retry"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d): %s", e.Name, e.Code, e.Message) }

// HTTP is the server API.
type HTTP struct {
	URL string // such as http://localhost:8080
	Key string
}

// Publish publishes and returns the server's answer.
func (h *HTTP) Publish(ctx context.Context, channel string, data json.RawMessage, key string) (json.RawMessage, error) {
	body := map[string]any{"channel": channel, "data": data}
	if key != "" {
		body["key"] = key
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return h.do(ctx, http.MethodPost, "/api/v1/publish", raw)
}

// Backup has the server make a backup, and returns the directory on its machine.
func (h *HTTP) Backup(ctx context.Context) (string, error) {
	raw, err := h.do(ctx, http.MethodPost, "/api/v1/backup", nil)
	if err != nil {
		return "", err
	}
	var m struct {
		Dir string `json:"dir"`
	}
	return m.Dir, json.Unmarshal(raw, &m)
}

// Page is a page of history.
type Page struct {
	Position     string            `json:"position"`
	Publications []json.RawMessage `json:"publications"`
	Complete     bool              `json:"complete"`
	More         bool              `json:"more"`
}

// History returns what is kept after a position.
func (h *HTTP) History(ctx context.Context, channel, since string, limit int) (Page, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if since != "" {
		q.Set("since", since)
	}
	raw, err := h.do(ctx, http.MethodGet, "/api/v1/channels/"+url.PathEscape(channel)+"/history?"+q.Encode(), nil)
	if err != nil {
		return Page{}, err
	}
	var p Page
	return p, json.Unmarshal(raw, &p)
}

func (h *HTTP) do(ctx context.Context, method, path string, body []byte) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(h.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if h.Key != "" {
		req.Header.Set("Authorization", "Bearer "+h.Key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		var refused struct {
			Error *Error `json:"error"`
		}
		if json.Unmarshal(raw, &refused) == nil && refused.Error != nil {
			return nil, refused.Error
		}
		return nil, fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	return raw, nil
}

// Conn is a WebSocket. Read is for one goroutine; Write is safe for concurrent
// use.
type Conn struct {
	// Patience is how long Read waits for the server to be heard of. Default: for
	// ever. It belongs to who reads.
	Patience time.Duration

	net    net.Conn
	reader websocket.Reader
	buf    []byte
	cbor   bool   // what goes over the wire is CBOR
	text   []byte // of the message that was read, if it is

	mu sync.Mutex // of writes
}

// ErrClosed is returned by Read when the server has closed the connection; it is
// wrapped with the code and the reason.
var ErrClosed = errors.New("the connection was closed")

// Dial opens a WebSocket to a server, whose URL is http or https.
func Dial(ctx context.Context, base string) (*Conn, error) {
	return dial(ctx, base, "starling.v1.json")
}

// DialCBOR is Dial for a connection that carries CBOR. What is written and read is
// JSON all the same.
func DialCBOR(ctx context.Context, base string) (*Conn, error) {
	c, err := dial(ctx, base, "starling.v1.cbor")
	if err == nil {
		c.cbor = true
	}
	return c, err
}

func dial(ctx context.Context, base, subprotocol string) (*Conn, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/") + "/ws")
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}})
	}
	c, err := upgrade(ctx, conn, u, subprotocol)
	if err != nil {
		conn.Close()
	}
	return c, err
}

func upgrade(ctx context.Context, conn net.Conn, u *url.URL, subprotocol string) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var key [16]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		u.RequestURI(), u.Host, base64.StdEncoding.EncodeToString(key[:]), subprotocol)
	if err != nil {
		return nil, err
	}
	br := bufio.NewReaderSize(conn, 512)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // it is for people
		return nil, fmt.Errorf("open a WebSocket: %s %s", res.Status, bytes.TrimSpace(text))
	}
	c := &Conn{net: conn, reader: websocket.Reader{MaxBytes: 16 << 20}, buf: make([]byte, 16<<10)}
	if n := br.Buffered(); n > 0 {
		early, _ := br.Peek(n)
		c.reader.Feed(bytes.Clone(early))
	}
	return c, nil
}

// Read returns the next message. It is valid until the next call.
func (c *Conn) Read() ([]byte, error) {
	for {
		m, err := c.reader.Next()
		if errors.Is(err, websocket.ErrShort) {
			if c.Patience > 0 {
				if err := c.net.SetReadDeadline(time.Now().Add(c.Patience)); err != nil {
					return nil, err
				}
			}
			n, err := c.net.Read(c.buf)
			if err != nil {
				return nil, err
			}
			c.reader.Feed(c.buf[:n])
			continue
		}
		if err != nil {
			return nil, err
		}
		switch m.Opcode {
		case websocket.Text:
			return m.Payload, nil
		case websocket.Binary:
			var refused *protocol.Error
			if c.text, refused = protocol.AppendJSON(c.text[:0], m.Payload); refused != nil {
				return nil, refused
			}
			return c.text, nil
		case websocket.PingFrame:
			if err := c.write(websocket.PongFrame, m.Payload); err != nil {
				return nil, err
			}
		case websocket.Close:
			code, reason, err := websocket.ParseClose(m.Payload)
			if err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("%w: %d %s", ErrClosed, code, reason)
		}
	}
}

// Write sends a message.
func (c *Conn) Write(msg []byte) error {
	if c.cbor {
		return c.write(websocket.Binary, protocol.AppendCBOR(nil, msg))
	}
	return c.write(websocket.Text, msg)
}

func (c *Conn) write(op websocket.Opcode, payload []byte) error {
	var mask [4]byte
	if _, err := rand.Read(mask[:]); err != nil {
		return err
	}
	frame := websocket.AppendMasked(make([]byte, 0, len(payload)+websocket.MaxMaskedHeader), op, mask, payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.net.Write(frame)
	return err
}

// Close closes the connection.
func (c *Conn) Close() error { return c.net.Close() }
