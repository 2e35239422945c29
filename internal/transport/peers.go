package transport

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/starling-rt/starling/protocol"
)

// Peers are the other nodes. A load balancer may take a request of a session to a
// node that does not have it: this passes it on to the one that does, which the
// session's id begins with. Its methods are safe for concurrent use.
type Peers interface {
	// Ask asks the node of that name, and returns its answer; nil if there is no
	// such node, or it has died. An error tells that there is no way to ask.
	Ask(ctx context.Context, node string, question []byte) ([]byte, error)
	// Answer has answer called with what other nodes ask of this one, until stop
	// is called, which waits for the calls. It fails if the name is taken.
	Answer(node string, answer func(ctx context.Context, question []byte) []byte) (stop func(), err error)
}

// Join has the nodes pass each other the requests of their sessions, until Wait. It
// is called once, before requests come.
func (h *Handler) Join(p Peers, node string) error {
	stop, err := p.Answer(node, h.answer)
	if err != nil {
		return err
	}
	h.peers, h.node, h.leave = p, node, stop
	return nil
}

func sessionGone() *protocol.Error {
	return protocol.Errorf(protocol.SessionGone, "There is no such session here. Open a new one from your positions.")
}

// isElsewhere tells whether another node may have a session.
func (h *Handler) isElsewhere(id string) bool {
	dot := strings.LastIndexByte(id, '.')
	return h.peers != nil && dot > 0 && id[:dot] != h.node
}

// passOn answers a request with what the session's node answers. A question is the
// path with its query, a line feed, and the body; an answer is the status, what
// Retry-After says, a line feed, and the body.
func (h *Handler) passOn(w http.ResponseWriter, r *http.Request, id, path string, q url.Values, body []byte) {
	if !h.isElsewhere(id) {
		Refuse(w, sessionGone())
		return
	}
	node := id[:strings.LastIndexByte(id, '.')]
	question := append([]byte(path+"?"+q.Encode()+"\n"), body...)
	answer, err := h.peers.Ask(r.Context(), node, question)
	switch {
	case err != nil:
		h.conf.Logger.Warn("another node cannot be asked", "node", node, "err", err)
		Refuse(w, protocol.Errorf(protocol.Unavailable, "The node of the session cannot be reached. Try again, or open a new session from your positions."))
		return
	case answer == nil:
		Refuse(w, sessionGone())
		return
	}
	head, body, _ := bytes.Cut(answer, []byte("\n"))
	code, retry, _ := strings.Cut(string(head), " ")
	status, err := strconv.Atoi(code)
	if err != nil || status < 200 || status > 599 {
		h.conf.Logger.Error("another node answers what is not understood", "node", node, "answer", code)
		Refuse(w, protocol.Errorf(protocol.Internal, "Something is wrong in the server."))
		return
	}
	if retry != "" {
		w.Header().Set("Retry-After", retry)
	}
	WriteJSON(w, status, body, h.conf.WriteTimeout)
}

// answer answers what another node passes on.
func (h *Handler) answer(ctx context.Context, question []byte) []byte {
	head, body, _ := bytes.Cut(question, []byte("\n"))
	a := &passedOn{header: http.Header{}}
	path, query, _ := strings.Cut(string(head), "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		path = ""
	}
	switch path {
	case "/send":
		h.sendTo(ctx, a, q.Get("session"), body)
	case "/poll":
		h.pollAgain(ctx, a, q)
	default:
		Refuse(a, protocol.Errorf(protocol.NotSupported, "The node of the session does not know such requests: do all nodes run the same version?"))
	}
	return append(fmt.Appendf(nil, "%d %s\n", a.status, a.header.Get("Retry-After")), a.body...)
}

// passedOn takes the answer to a request of another node.
type passedOn struct {
	header http.Header
	status int
	body   []byte
}

// Header implements [http.ResponseWriter].
func (a *passedOn) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *passedOn) WriteHeader(status int) { a.status = status }

// Write implements [http.ResponseWriter].
func (a *passedOn) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}
