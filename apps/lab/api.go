package lab

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/protocol"
)

// register serves the Lab.
func (l *Lab) register() {
	const one = "/lab/api/workspaces/{workspace}"
	l.mux.HandleFunc("POST /lab/api/workspaces", l.guard(l.serveCreate))
	l.mux.HandleFunc("DELETE "+one, l.guard(l.serveDelete))
	l.mux.HandleFunc("POST "+one+"/token", l.guard(l.serveToken))
	l.mux.HandleFunc("POST "+one+"/watch", l.guard(l.serveWatch))
	l.mux.HandleFunc("POST "+one+"/burst", l.guard(l.serveBurst))
	l.mux.HandleFunc("POST "+one+"/disconnect", l.guard(l.serveDisconnect))
	l.mux.HandleFunc("PUT "+one+"/lines/{line}", l.guard(l.serveFaults))
	l.mux.HandleFunc("POST "+one+"/lines/{line}/cut", l.guard(l.serveCut))
	for _, door := range []struct{ method, name string }{{"GET", "ws"}, {"GET", "sse"}, {"GET", "poll"}, {"POST", "send"}} {
		l.mux.HandleFunc(door.method+" /lab/link/{workspace}/{line}/"+door.name, func(w http.ResponseWriter, r *http.Request) { l.link(w, r, door.name) })
	}
	l.mux.HandleFunc("/lab/", func(w http.ResponseWriter, _ *http.Request) {
		l.refuse(w, protocol.Errorf(protocol.NotFound, "The Lab has nothing at this address."))
	})
}

// ServeHTTP implements [http.Handler].
func (l *Lab) ServeHTTP(w http.ResponseWriter, r *http.Request) { l.mux.ServeHTTP(w, r) }

// guard lets only pages of the server's own origin, and what is no page, change
// something.
func (l *Lab) guard(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	own := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if own.Check(r) != nil {
			l.refuse(w, protocol.Errorf(protocol.BadOrigin, "Only pages of this server may use the Lab."))
			return
		}
		if err := f(w, r); err != nil {
			l.refuse(w, err)
		}
	}
}

// refuse answers with an error, as the server does.
func (l *Lab) refuse(w http.ResponseWriter, err error) {
	var e *protocol.Error
	if !errors.As(err, &e) {
		l.opts.Logger.Error("the Lab has failed", "err", err)
		e = protocol.Errorf(protocol.Internal, "The Lab has failed; the server's log says more.")
	}
	if e.Code.Retry() {
		w.Header().Set("Retry-After", "1")
	}
	body := append(protocol.AppendError([]byte(`{"error":`), e), "}\n"...)
	write(w, e.Code.HTTP(), body)
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the page may be gone
}

func answer(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	write(w, status, append(body, '\n'))
	return nil
}

const maxBody = 4 << 10

// decode reads the body of a request.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return protocol.Errorf(protocol.TooLarge, "A request to the Lab has at most %d bytes.", maxBody)
		}
		if errors.Is(err, io.EOF) {
			return protocol.Errorf(protocol.Malformed, "The body is a JSON object.")
		}
		return protocol.Errorf(protocol.Malformed, "The body cannot be read: %s.", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return protocol.Errorf(protocol.Malformed, "Something stands behind the JSON object of the body.")
	}
	return nil
}

// visit is what a page is told of its workspace.
type visit struct {
	Workspace string   `json:"workspace"`
	Token     string   `json:"token"`
	Name      string   `json:"name"`
	Names     []string `json:"names"`
	Expires   int64    `json:"expires"` // Unix milliseconds, unless it is used
}

func (l *Lab) visit(s *space, name string) (visit, error) {
	token, err := l.token(s, name)
	l.mu.Lock()
	defer l.mu.Unlock()
	return visit{s.id, token, name, names, s.Expires.UnixMilli()}, err
}

func (l *Lab) serveCreate(w http.ResponseWriter, r *http.Request) error {
	s, err := l.create(r.Context())
	if err != nil {
		return err
	}
	v, err := l.visit(s, names[0])
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, v)
}

func (l *Lab) serveToken(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name string `json:"name"`
	}
	s, err := l.find(r.Context(), r.PathValue("workspace"))
	if err == nil {
		err = decode(w, r, &body)
	}
	if err != nil {
		return err
	}
	if !slices.Contains(names, body.Name) {
		return protocol.Errorf(protocol.InvalidField, `The field "name" is one of %q.`, names)
	}
	if err := l.use(r.Context(), s); err != nil {
		return err
	}
	v, err := l.visit(s, body.Name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, v)
}

func (l *Lab) serveDelete(w http.ResponseWriter, r *http.Request) error {
	s, err := l.find(r.Context(), r.PathValue("workspace"))
	if err != nil {
		return err
	}
	l.mu.Lock()
	rec, another := s.record, s.isGone()
	if !another {
		s.gone = time.Now()
		l.count--
	}
	l.mu.Unlock()
	if another {
		return noWorkspace()
	}
	if err := l.purge(r.Context(), s.id, rec); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// watched is what a page is told when it reports that it watches.
type watched struct {
	Now      float64          `json:"now"`     // the server's clock, in Unix milliseconds
	Running  bool             `json:"running"` // there is traffic, for this page or another
	Made     int64            `json:"made"`    // events, since the beginning of the seed
	Expires  int64            `json:"expires"` // of the workspace, in Unix milliseconds
	Channels []string         `json:"channels"`
	Lines    map[string]meter `json:"lines"`
}

func (l *Lab) serveWatch(w http.ResponseWriter, r *http.Request) error {
	var body watching
	s, err := l.find(r.Context(), r.PathValue("workspace"))
	if err == nil {
		err = decode(w, r, &body)
	}
	if err != nil {
		return err
	}
	one, err := l.watch(r.Context(), s, body)
	if err != nil {
		return err
	}
	out := watched{Running: one != nil, Lines: map[string]meter{}}
	if one != nil {
		out.Made = one.made.Load()
	}
	l.mu.Lock()
	out.Expires, out.Channels = s.Expires.UnixMilli(), slices.Clone(s.Channels)
	for name, ln := range s.lines {
		out.Lines[name] = ln.read()
	}
	l.mu.Unlock()
	out.Now = float64(time.Now().UnixMicro()) / 1000
	return answer(w, http.StatusOK, out)
}

func (l *Lab) serveBurst(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Scenario string `json:"scenario"`
		Seed     uint32 `json:"seed"`
		Count    int    `json:"count"`
	}
	s, err := l.find(r.Context(), r.PathValue("workspace"))
	if err == nil {
		err = decode(w, r, &body)
	}
	if err == nil {
		err = l.burst(r.Context(), s, watching{Scenario: body.Scenario, Seed: body.Seed}, body.Count)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveDisconnect ends a session from the server's side. Its id is its client's
// secret, so who knows it may.
func (l *Lab) serveDisconnect(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Session string `json:"session"`
	}
	_, err := l.find(r.Context(), r.PathValue("workspace"))
	if err == nil {
		err = decode(w, r, &body)
	}
	if err == nil {
		err = l.server.Disconnect(r.Context(), starling.Target{Session: body.Session}, "The Lab has ended the session, as it was asked to.")
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// lineOf returns the line that a request names.
func (l *Lab) lineOf(r *http.Request) (*line, error) {
	s, err := l.find(r.Context(), r.PathValue("workspace"))
	if err != nil {
		return nil, err
	}
	return l.line(s, r.PathValue("line"))
}

func (l *Lab) serveFaults(w http.ResponseWriter, r *http.Request) error {
	ln, err := l.lineOf(r)
	if err != nil {
		return err
	}
	var f faults
	if err := decode(w, r, &f); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	ln.set(f)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (l *Lab) serveCut(w http.ResponseWriter, r *http.Request) error {
	ln, err := l.lineOf(r)
	if err != nil {
		return err
	}
	ln.cut()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
