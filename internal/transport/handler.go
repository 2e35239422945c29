package transport

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/internal/netpoll"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// Config is what the transports need. It is not changed after New.
type Config struct {
	Sessions *session.Server

	// Cookie is the name of the cookie that may carry a token. Default: none
	// does.
	Cookie string

	// Origins are the origins of pages that may connect, beside the server's
	// own, until SetOrigins.
	Origins *Origins
	// LocalOrigins allows pages from any port of this machine.
	LocalOrigins bool

	// NoPoller has a goroutine read each connection, also where a poller could.
	NoPoller bool
	// NoDeflate turns permessage-deflate off.
	NoDeflate bool
	Hooks     Hooks

	BodyTimeout  time.Duration // for the body of a request to come; default 10 s
	WriteTimeout time.Duration // for a client to take what it is sent; default 60 s
	Logger       *slog.Logger  // default: none
}

// Handler serves the transports. Its methods are safe for concurrent use.
type Handler struct {
	conf    Config
	polls   polls
	origins atomic.Pointer[Origins]

	// Static after Join; peers is nil without.
	peers Peers
	node  string
	leave func()

	mu     sync.Mutex // guards the following
	closed bool
	poller *netpoll.Poller // nil until it is needed
	wg     sync.WaitGroup
}

// New returns the handler of the transports.
func New(conf Config) *Handler {
	if conf.Logger == nil {
		conf.Logger = slog.New(slog.DiscardHandler)
	}
	if conf.BodyTimeout == 0 {
		conf.BodyTimeout = DefaultBodyTimeout
	}
	if conf.WriteTimeout == 0 {
		conf.WriteTimeout = DefaultWriteTimeout
	}
	h := &Handler{conf: conf}
	h.origins.Store(conf.Origins)
	return h
}

// Register serves the transports at /ws, /sse, /poll and /send.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /ws", h.webSocket)
	mux.HandleFunc("GET /sse", h.sse)
	mux.HandleFunc("GET /poll", h.poll)
	mux.HandleFunc("POST /send", h.send)
	for _, path := range []string{"/sse", "/poll", "/send"} {
		mux.HandleFunc("OPTIONS "+path, h.preflight)
	}
}

// Wait returns when the goroutines of all connections have ended; the sessions
// were ended before.
func (h *Handler) Wait() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.wg.Wait()
	if h.leave != nil {
		h.leave()
	}
	if h.poller != nil {
		h.poller.Close(lingerTime)
	}
}

func (h *Handler) spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.wg.Go(f)
	return true
}

// allowOrigin checks the Origin of a request from a browser, and answers in the
// way of CORS.
func (h *Handler) allowOrigin(w http.ResponseWriter, r *http.Request) *protocol.Error {
	if h.conf.LocalOrigins && !NotRebound(r.Host) {
		return protocol.Errorf(protocol.BadOrigin, "In development the server answers to localhost and to addresses, not to the name %q, behind which a foreign page may hide. Start it without --dev.", r.Host)
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil // not a page of another origin
	}
	w.Header().Add("Vary", "Origin")
	u, err := url.Parse(origin)
	listed := h.origins.Load()
	switch {
	case err == nil && sameOrigin(u, r):
	case err == nil && listed.allows(u):
	case listed != nil && listed.all:
		// Any page may connect, but not in the name of who looks at it.
		w.Header().Set("Access-Control-Allow-Origin", origin)
		return nil
	case err == nil && h.conf.LocalOrigins && IsLocal(u.Hostname()):
	default:
		return protocol.Errorf(protocol.BadOrigin, "Pages of %q may not connect. Start the server with --allowed-origins %s to let them.", origin, origin)
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Allow-Credentials", "true")
	return nil
}

// IsLocal tells whether a host of an origin is this machine.
func IsLocal(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// NotRebound tells whether the Host of a request cannot be a name that somebody
// else has made point here (DNS rebinding): it is localhost, or an address.
func NotRebound(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	_, err = netip.ParseAddr(host)
	return err == nil || IsLocal(host)
}

// refuseHead answers HEAD, which the mux takes for GET: there is nothing to look at
// without opening a session.
func refuseHead(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodHead {
		return false
	}
	w.Header().Set("Allow", "GET, OPTIONS")
	w.WriteHeader(http.StatusMethodNotAllowed)
	return true
}

func (h *Handler) preflight(w http.ResponseWriter, r *http.Request) {
	if err := h.allowOrigin(w, r); err != nil {
		Refuse(w, err)
		return
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// address returns the client's address, without the port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Refuse answers an HTTP request with an error: {"error":{"code","name","message","retry"}},
// and "docs", where the error's page is, if w or what it wraps has a method
// ErrorPage that tells.
func Refuse(w http.ResponseWriter, e *protocol.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if e.Code.Retry() {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(e.Code.HTTP())
	body := protocol.AppendError([]byte(`{"error":`), e)
	if page := errorPage(w, e.Code); page != "" {
		body = append(body[:len(body)-1], `,"docs":`...)
		body = append(protocol.AppendString(body, page), '}')
	}
	_, _ = w.Write(append(body, "}\n"...)) // the client may be gone
}

// errorPage asks a ResponseWriter, and those that it wraps, where an error has its
// page.
func errorPage(w http.ResponseWriter, c protocol.Code) string {
	for {
		switch x := w.(type) {
		case interface{ ErrorPage(name string) string }:
			return x.ErrorPage(c.String())
		case interface{ Unwrap() http.ResponseWriter }:
			w = x.Unwrap()
		default:
			return ""
		}
	}
}

// join is what a client of SSE or long polling asks for in its query.
type join struct {
	channels []string
	since    protocol.Position
	resume   bool
	filter   protocol.Filter
	slow     protocol.SlowPolicy
}

// parseJoin reads channel, since, filter and slow from a query. lastEventID beats
// since.
func parseJoin(q url.Values, lastEventID string) (j join, err *protocol.Error) {
	for _, name := range q["channel"] {
		if err := protocol.CheckPattern(name); err != nil {
			return j, err
		}
		if !slices.Contains(j.channels, name) {
			j.channels = append(j.channels, name)
		}
	}
	switch n := len(j.channels); {
	case n == 0 && q.Get("keep") != "1": // a session that is kept may subscribe later
		return j, protocol.Errorf(protocol.BadChannel, "Name a channel in the query: ?channel=NAME.")
	case n > protocol.MaxPositionChannels:
		return j, protocol.Errorf(protocol.LimitReached, "A request covers at most %d channels.", protocol.MaxPositionChannels)
	}
	if text := q.Get("filter"); text != "" {
		if j.filter, err = protocol.ParseFilter([]byte(text)); err != nil {
			return j, err
		}
	}
	if text := q.Get("slow"); text != "" {
		if j.slow, err = protocol.ParseSlow(text); err != nil {
			return j, err
		}
	}
	since := q.Get("since")
	if lastEventID != "" {
		since = lastEventID
	}
	j.resume = since != ""
	j.since, err = protocol.ParseSince(since)
	return j, err
}

// open opens a session for a request.
func (h *Handler) open(r *http.Request, outlet session.Outlet, beat session.Heartbeat) (*session.Session, *protocol.Error) {
	who, err := h.identify(r)
	if err != nil {
		return nil, err
	}
	return h.conf.Sessions.Open(session.Options{
		Identity: who, Outlet: outlet, Heartbeat: beat,
		Door: session.Door{Transport: r.URL.Path[1:], Addr: address(r), Origin: r.Header.Get("Origin"), UserAgent: r.UserAgent()},
	})
}

// started is a subscription that was made for a request, before it is live.
type started struct {
	start func()
	reset bool // the client asked for more than there is
	name  string
}

// joinAll begins a session of a request, and subscribes it to the request's channels.
func joinAll(s *session.Session, j join) (all []started, err *protocol.Error) {
	if err := s.Greet(j.since); err != nil {
		return nil, err
	}
	for _, name := range j.channels {
		sub, recovered, err := s.Join(name, j.since, j.filter, j.slow)
		if err != nil {
			return nil, err
		}
		_, _, asked := j.since.In(name)
		all = append(all, started{start: sub.Start, reset: asked && !recovered && !sub.Wildcard(), name: name})
	}
	return all, nil
}

// send takes a command of a session whose transport carries none.
func (h *Handler) send(w http.ResponseWriter, r *http.Request) {
	if err := h.allowOrigin(w, r); err != nil {
		Refuse(w, err)
		return
	}
	id := r.URL.Query().Get("session")
	s := h.conf.Sessions.Find(id)
	if s == nil {
		h.sendElsewhere(w, r, id)
		return
	}
	// Before the body is read: one that trickles would let others in.
	if !s.Acquire() {
		Refuse(w, sessionBusy())
		return
	}
	defer s.ReleaseRequest()
	body, err := ReadBody(w, r, h.conf.Sessions.MaxMessage(), h.conf.BodyTimeout)
	if err != nil {
		Refuse(w, err)
		return
	}
	h.request(r.Context(), w, s, body)
}

// sendElsewhere takes a command of a session that this node does not have.
func (h *Handler) sendElsewhere(w http.ResponseWriter, r *http.Request, id string) {
	if !h.isElsewhere(id) {
		Refuse(w, sessionGone())
		return
	}
	body, err := ReadBody(w, r, h.conf.Sessions.MaxMessage(), h.conf.BodyTimeout)
	if err != nil {
		Refuse(w, err)
		return
	}
	h.passOn(w, r, id, "/send", url.Values{"session": {id}}, body)
}

func sessionBusy() *protocol.Error {
	return protocol.Errorf(protocol.SessionBusy, "Another request of this session is in progress: send one after the other.")
}

// sendTo takes a command that came to another node, for a session of this one.
func (h *Handler) sendTo(ctx context.Context, w http.ResponseWriter, id string, body []byte) {
	s := h.conf.Sessions.Find(id)
	switch {
	case s == nil:
		Refuse(w, sessionGone())
	case !s.Acquire():
		Refuse(w, sessionBusy())
	default:
		defer s.ReleaseRequest()
		h.request(ctx, w, s, body)
	}
}

// request has a session obey a command.
func (h *Handler) request(ctx context.Context, w http.ResponseWriter, s *session.Session, body []byte) {
	answer := s.Request(ctx, body)
	WriteJSON(w, statusOf(answer), append(answer, '\n'), h.conf.WriteTimeout)
}

// WriteJSON answers a request, and gives up on a client that does not take the
// answer in time: it would hold the answer for ever.
func WriteJSON(w http.ResponseWriter, status int, body []byte, timeout time.Duration) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(timeout)) // not every ResponseWriter can
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
	if rc.Flush() == nil {
		_ = rc.SetWriteDeadline(time.Time{}) // the connection may carry another request
	}
}

// Defaults of how long a client may take.
const (
	DefaultBodyTimeout  = 10 * time.Second // to send the body of a request
	DefaultWriteTimeout = 60 * time.Second // to take what it is sent
)

// ReadBody returns the body of a request of most bytes at most, or why there is
// none: a client that trickles would hold the request for ever.
func ReadBody(w http.ResponseWriter, r *http.Request, most int, timeout time.Duration) ([]byte, *protocol.Error) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(timeout)) // not every ResponseWriter can
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(most)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, protocol.Errorf(protocol.TooLarge, "A message has at most %d bytes.", most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, protocol.Errorf(protocol.Malformed, "The request took longer than %v to come.", timeout)
	case err != nil:
		return nil, protocol.Errorf(protocol.Malformed, "The request was cut short.")
	}
	return body, nil // net/http has taken the deadline back
}

// statusOf returns the HTTP status of an answer.
func statusOf(answer []byte) int {
	var m struct {
		Error *struct {
			Code protocol.Code `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &m); err == nil && m.Error != nil {
		return m.Error.Code.HTTP()
	}
	return http.StatusOK
}
