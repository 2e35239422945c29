package lab

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/starling-rt/starling/protocol"
)

// faults are what the network between a page and the server does to it.
type faults struct {
	// Delay is how long each way takes, in milliseconds.
	Delay int `json:"delay"`
	// Rate is how many bytes a second come through to the page; 0: all.
	Rate int `json:"rate"`
	// NoUpgrade takes the headers out of a request by which it becomes a WebSocket,
	// as proxies do that do not know it.
	NoUpgrade bool `json:"noUpgrade"`
	// HoldStreams keeps responses that do not end, as proxies do that pass on only
	// what is complete, and so all of an event stream.
	HoldStreams bool `json:"holdStreams"`
	// Silent lets nothing through, and says nothing, as a radio out of reach.
	Silent bool `json:"silent"`
	// Down breaks all connections and refuses new ones.
	Down bool `json:"down"`
}

func (f *faults) check() *protocol.Error {
	switch {
	case f.Delay < 0 || f.Delay > 5000:
		return protocol.Errorf(protocol.InvalidField, `The field "delay" is a number of milliseconds from 0 to 5000.`)
	case f.Rate != 0 && f.Rate < 512 || f.Rate > 1<<30:
		return protocol.Errorf(protocol.InvalidField, `The field "rate" is 0, or a number of bytes a second from 512 on.`)
	}
	return nil
}

// meter counts what went through a line, as it stands in TCP, heads of HTTP and frames
// included.
type meter struct {
	Up       int64 `json:"up"`   // bytes to the server
	Down     int64 `json:"down"` // bytes to the page
	Requests int64 `json:"requests"`
	Cuts     int64 `json:"cuts"` // connections and requests that were broken
	Open     int   `json:"open"` // connections and requests there are
}

// line is one way from a page to the server, with its own faults.
type line struct {
	mu      sync.Mutex // guards the following
	faults  faults
	changed chan struct{} // closed when faults change
	meter   meter
	open    map[*passage]struct{}
}

// passage is a connection, or a request that is being answered.
type passage struct {
	line  *line
	cut   chan struct{} // closed when it is broken
	ended bool          // guarded by line.mu
}

const (
	maxLines    = 8 // of a workspace
	maxPassages = 16
)

func newLine() *line { return &line{changed: make(chan struct{}), open: map[*passage]struct{}{}} }

// line returns a line of a workspace.
func (l *Lab) line(s *space, name string) (*line, error) {
	if name == "" || len(name) > 32 {
		return nil, protocol.Errorf(protocol.InvalidField, "A line has a name of 1 to 32 bytes.")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	one := s.lines[name]
	switch {
	case s.isGone():
		return nil, noWorkspace()
	case one == nil && len(s.lines) >= maxLines:
		return nil, protocol.Errorf(protocol.LimitReached, "A workspace has at most %d lines.", maxLines)
	case one == nil:
		one = newLine()
		s.lines[name] = one
	}
	return one, nil
}

func (ln *line) set(f faults) {
	ln.mu.Lock()
	ln.faults = f
	close(ln.changed)
	ln.changed = make(chan struct{})
	ln.mu.Unlock()
	if f.Down {
		ln.cut()
	}
}

// now returns the faults there are, and what is closed when there are others.
func (ln *line) now() (faults, <-chan struct{}) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.faults, ln.changed
}

func (ln *line) read() meter {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	m := ln.meter
	m.Open = len(ln.open)
	return m
}

func (ln *line) count(up, down int) {
	ln.mu.Lock()
	ln.meter.Up += int64(up)
	ln.meter.Down += int64(down)
	ln.mu.Unlock()
}

// begin opens a passage, unless there are too many, or the line is down.
func (ln *line) begin() (*passage, bool) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.faults.Down || len(ln.open) >= maxPassages {
		ln.meter.Cuts++
		return nil, false
	}
	p := &passage{line: ln, cut: make(chan struct{})}
	ln.open[p] = struct{}{}
	return p, true
}

// cut breaks all that is open.
func (ln *line) cut() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for p := range ln.open {
		ln.meter.Cuts++
		p.finish()
	}
}

// end ends a passage that came to its end.
func (p *passage) end() {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	p.finish()
}

// finish needs line.mu.
func (p *passage) finish() {
	if !p.ended {
		p.ended = true
		delete(p.line.open, p)
		close(p.cut)
	}
}

// hold waits until what goes one way may pass, and tells whether it may at all.
func (p *passage) hold(held func(*faults) bool) bool {
	for {
		f, changed := p.line.now()
		if !held(&f) {
			return true
		}
		select {
		case <-changed:
		case <-p.cut:
			return false
		}
	}
}

func silent(f *faults) bool { return f.Silent }

// pause waits, and tells whether the passage is still there.
func (p *passage) pause(d time.Duration) bool {
	if d <= 0 {
		select {
		case <-p.cut:
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.cut:
		return false
	}
}

func (f *faults) delay() time.Duration { return time.Duration(f.Delay) * time.Millisecond }

// took returns how long bytes take at the rate.
func (f *faults) took(bytes int) time.Duration {
	if f.Rate == 0 {
		return 0
	}
	return time.Duration(bytes) * time.Second / time.Duration(f.Rate)
}

// link passes a request on to the server through a line.
func (l *Lab) link(w http.ResponseWriter, r *http.Request, door string) {
	s, err := l.find(r.Context(), r.PathValue("workspace"))
	if err != nil {
		l.refuse(w, err)
		return
	}
	ln, err := l.line(s, r.PathValue("line"))
	if err != nil {
		l.refuse(w, err)
		return
	}
	p, ok := ln.begin()
	if !ok {
		panic(http.ErrAbortHandler) // as a network that is down: nothing is said
	}
	t := &tap{ResponseWriter: w, lab: l, passage: p, door: door, header: http.Header{}}
	defer func() {
		if !t.taken {
			p.end()
		}
	}()
	body := max(0, r.ContentLength)
	ln.mu.Lock()
	ln.meter.Requests++
	ln.meter.Up += int64(requestHead(r)) + body
	f := ln.faults
	ln.mu.Unlock()
	if !p.hold(silent) || !p.pause(f.delay()) {
		panic(http.ErrAbortHandler)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if !t.streams() {
		l.spawn(func() { p.cancels(ctx, cancel) })
	}
	l.server.ServeHTTP(t, onward(r.WithContext(ctx), door, &f))
	if !t.taken && !t.answer() {
		panic(http.ErrAbortHandler)
	}
}

// cancels cancels a request whose passage is broken.
func (p *passage) cancels(ctx context.Context, cancel context.CancelFunc) {
	select {
	case <-p.cut:
		cancel()
	case <-ctx.Done():
	}
}

// onward returns the request as the server is to see it.
func onward(r *http.Request, door string, f *faults) *http.Request {
	on := r.Clone(r.Context())
	on.URL.Path, on.URL.RawPath = "/"+door, ""
	if f.NoUpgrade {
		on.Header.Del("Upgrade")
		on.Header.Del("Connection")
	}
	return on
}

// tap is a response on its way through a line. It is kept until it is complete, or,
// if the server takes the connection over, the connection goes through the line.
type tap struct {
	http.ResponseWriter
	lab     *Lab
	passage *passage
	door    string
	header  http.Header
	status  int
	body    bytes.Buffer
	taken   bool
}

func (t *tap) streams() bool { return t.door == "ws" || t.door == "sse" }

// Header implements [http.ResponseWriter].
func (t *tap) Header() http.Header { return t.header }

// WriteHeader implements [http.ResponseWriter].
func (t *tap) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
}

// Write implements [http.ResponseWriter].
func (t *tap) Write(b []byte) (int, error) {
	t.WriteHeader(http.StatusOK)
	return t.body.Write(b)
}

// FlushError keeps what is flushed: it is sent when it is complete.
func (t *tap) FlushError() error { return nil }

// Unwrap lets deadlines be set.
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Hijack implements [http.Hijacker]: the server gets an end of a pipe, and what goes
// through it goes through the line.
func (t *tap) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.taken = true
	_ = conn.SetDeadline(time.Time{}) // an error shows in what follows
	var early []byte
	if n := buf.Reader.Buffered(); n > 0 {
		early, _ = buf.Reader.Peek(n)
		early = bytes.Clone(early)
	}
	server := t.passage.connect(t.lab, conn, early, t.door == "sse")
	return server, bufio.NewReadWriter(bufio.NewReader(server), bufio.NewWriter(server)), nil
}

// answer sends what the server has answered.
func (t *tap) answer() bool {
	t.WriteHeader(http.StatusOK)
	h := t.header
	if t.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(t.body.Len()))
	}
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	size := responseHead(t.status, h) + t.body.Len()
	f, _ := t.passage.line.now()
	if !t.passage.pause(f.delay()+f.took(size)) || !t.passage.hold(silent) {
		return false
	}
	to := t.ResponseWriter.Header()
	for name, values := range h {
		to[name] = values
	}
	t.passage.line.count(0, size)
	t.ResponseWriter.WriteHeader(t.status)
	_, _ = t.ResponseWriter.Write(t.body.Bytes()) // the page may be gone
	return true
}

// requestHead returns how many bytes the head of a request has in HTTP/1.1.
func requestHead(r *http.Request) int {
	n := len(r.Method) + len(" ") + len(r.RequestURI) + len(" HTTP/1.1\r\n") + len("Host: \r\n") + len(r.Host) + len("\r\n")
	if r.ContentLength > 0 && r.Header.Get("Content-Length") == "" {
		n += len("Content-Length: \r\n") + len(strconv.FormatInt(r.ContentLength, 10))
	}
	return n + headerSize(r.Header)
}

// responseHead returns how many bytes the head of a response has in HTTP/1.1.
func responseHead(status int, h http.Header) int {
	return len("HTTP/1.1 000 ") + len(http.StatusText(status)) + len("\r\n") + headerSize(h) + len("\r\n")
}

func headerSize(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(": ") + len(v) + len("\r\n")
		}
	}
	return n
}
