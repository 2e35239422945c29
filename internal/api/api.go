// Package api is the HTTP interface for an application's backend, under /api/v1/,
// with a key. It is described in openapi.json.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/transport"
	"github.com/starling-rt/starling/protocol"
)

const (
	// maxBody bounds the body of a request.
	maxBody = 4 << 20
	// maxChannels bounds the channels of one publish.
	maxChannels = 1000
	// maxCalls bounds the calls of one batch.
	maxCalls = 100
)

// Control is what the API asks of the server for sessions on every node. Of session
// and user, one is set. The errors are of the package protocol, or internal.
type Control interface {
	Disconnect(ctx context.Context, session, user, message string) error
	Unsubscribe(ctx context.Context, session, user, channel string) error
	Subscribe(ctx context.Context, session, user, channel string) error
	// Revoke revokes a token by its id, or those of a user issued before a time.
	Revoke(ctx context.Context, user, token string, before time.Time) error
}

// Config is what the API needs. It is not changed after New.
type Config struct {
	Log      *eventlog.Log
	Sessions *session.Server
	Control  Control
	Info     func() Info // what info answers

	// Keys are the keys that open it, until SetKeys. None is empty.
	Keys []string
	// Open lets everybody in who is not a page of another origin. It is for
	// development.
	Open         bool
	BodyTimeout  time.Duration // for the body of a request to come; default 10 s
	WriteTimeout time.Duration // for a client to take the answer; default 60 s
	// Backup makes a backup and returns where it is. Nil: there is none.
	Backup func(ctx context.Context) (dir string, err error)
	// Local tells whether a page's origin is of this machine; needed for Open.
	Local func(origin string) bool
	// Logger hears what was done to sessions and channels, and with which key.
	// Default: none.
	Logger *slog.Logger
}

// Handler serves the API.
type Handler struct {
	conf  Config
	calls map[string]call // what a batch can have in it
	keys  atomic.Pointer[auth.APIKeys]
}

// New returns the handler of the API.
func New(conf Config) *Handler {
	if conf.BodyTimeout == 0 {
		conf.BodyTimeout = transport.DefaultBodyTimeout
	}
	if conf.WriteTimeout == 0 {
		conf.WriteTimeout = transport.DefaultWriteTimeout
	}
	if conf.Logger == nil {
		conf.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{conf: conf}
	h.SetKeys(conf.Keys)
	h.calls = map[string]call{
		"signal": h.signal, "trim": h.trim, "delete": h.remove, "disconnect": h.disconnect,
		"unsubscribe": h.unsubscribe, "subscribe": h.subscribe, "revoke": h.revoke,
	}
	return h
}

// SetKeys replaces the keys that open the API. In the log they are known by their
// places.
func (h *Handler) SetKeys(keys []string) {
	var named []auth.APIKey
	for i, k := range keys {
		if k != "" && !slices.Contains(keys[:i], k) {
			named = append(named, auth.APIKey{Name: strconv.Itoa(i + 1), Key: k})
		}
	}
	all, err := auth.NewAPIKeys(named...)
	if err != nil {
		panic(err) // none is empty or there twice
	}
	h.keys.Store(all)
}

// route is a path of the API and what serves it.
type route struct {
	pattern string
	serve   func(http.ResponseWriter, *http.Request) *protocol.Error
}

func (h *Handler) routes() []route {
	return []route{
		{"POST /api/v1/publish", h.publish},
		{"POST /api/v1/batch", h.batch},
		{"POST /api/v1/signal", h.post(h.signal)},
		{"POST /api/v1/disconnect", h.post(h.disconnect)},
		{"POST /api/v1/unsubscribe", h.post(h.unsubscribe)},
		{"POST /api/v1/subscribe", h.post(h.subscribe)},
		{"POST /api/v1/revoke", h.post(h.revoke)},
		{"GET /api/v1/channels/{channel}/history", h.history},
		{"POST /api/v1/channels/{channel}/trim", h.trimPath},
		{"DELETE /api/v1/channels/{channel}", h.deletePath},
		{"GET /api/v1/info", h.info},
		{"POST /api/v1/backup", h.backup},
	}
}

// Register serves the API below /api/v1/.
func (h *Handler) Register(mux *http.ServeMux) {
	for _, r := range h.routes() {
		mux.HandleFunc(r.pattern, h.Guard(r.serve))
	}
	mux.HandleFunc("GET "+openAPIPath, h.openAPI)
	mux.HandleFunc("/api/v1/", h.Guard(func(_ http.ResponseWriter, r *http.Request) *protocol.Error {
		return protocol.Errorf(protocol.NotFound, "There is no %s %s.", r.Method, r.URL.Path)
	}))
}

// Guard lets those in who have a key, and answers with the error of f.
func (h *Handler) Guard(f func(http.ResponseWriter, *http.Request) *protocol.Error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, err := h.check(r)
		if err == nil {
			err = f(w, r.WithContext(context.WithValue(r.Context(), keyName{}, name)))
		}
		if err != nil {
			transport.Refuse(w, err)
		}
	}
}

// keyName is where a request's context has the name of its key.
type keyName struct{}

// check returns the name of the key with which a request comes, or why it may not.
func (h *Handler) check(r *http.Request) (name string, refused *protocol.Error) {
	key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	keys := h.keys.Load()
	name, known := keys.Check(key)
	origin := r.Header.Get("Origin")
	switch {
	case bearer && known:
		return name, nil
	case bearer && keys.Len() > 0:
		return "", protocol.Errorf(protocol.Unauthorized, "The API key is not one of this server's.")
	case h.conf.Open && transport.NotRebound(r.Host) && (origin == "" || h.conf.Local(origin)):
		return "", nil
	case keys.Len() == 0:
		return "", protocol.Errorf(protocol.Unauthorized, "The API is closed: start the server with --api-key KEY.")
	}
	return "", protocol.Errorf(protocol.Unauthorized, "The API needs a key: Authorization: Bearer KEY.")
}

// log notes what was done, and with which key.
func (h *Handler) log(ctx context.Context, what string, args ...any) {
	name, _ := ctx.Value(keyName{}).(string)
	h.conf.Logger.Info("API: "+what, append(args, "key", name)...)
}

// call does what the body of a request asks for, and returns the answer.
type call func(ctx context.Context, body []byte) ([]byte, *protocol.Error)

// post serves a call.
func (h *Handler) post(c call) func(http.ResponseWriter, *http.Request) *protocol.Error {
	return func(w http.ResponseWriter, r *http.Request) *protocol.Error {
		body, err := h.body(w, r)
		if err != nil {
			return err
		}
		answer, err := c(r.Context(), body)
		if err != nil {
			return err
		}
		h.writeJSON(w, append(answer, '\n'))
		return nil
	}
}

func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, *protocol.Error) {
	return transport.ReadBody(w, r, maxBody, h.conf.BodyTimeout)
}

// decode reads the body of a request; form says what it should be.
func decode(body []byte, into any, form string) *protocol.Error {
	if _, err := protocol.CheckData(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return protocol.Errorf(protocol.InvalidField, "The field %q is of the wrong type. The body is %s.", kind.Field, form)
		}
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return protocol.Errorf(protocol.InvalidField, "There is no field %.60s. The body is %s.", field, form)
		}
		return protocol.Errorf(protocol.InvalidField, "The body is %s.", form)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return protocol.Errorf(protocol.InvalidField, "The body is %s.", form)
	}
	return nil
}

// checkChannel refuses what is no channel, and the server's own channels.
func checkChannel(name string) *protocol.Error {
	if err := protocol.CheckChannel(name); err != nil {
		return err
	}
	return checkOwn(name)
}

// checkPattern is checkChannel that lets wildcards pass.
func checkPattern(name string) *protocol.Error {
	if err := protocol.CheckPattern(name); err != nil {
		return err
	}
	return checkOwn(name)
}

func checkOwn(name string) *protocol.Error {
	if strings.HasPrefix(name, protocol.OwnPrefix) {
		return protocol.Errorf(protocol.Forbidden, "Channels whose names begin with %s are the server's own.", protocol.OwnPrefix)
	}
	return nil
}

func (h *Handler) backup(w http.ResponseWriter, r *http.Request) *protocol.Error {
	if h.conf.Backup == nil {
		return protocol.Errorf(protocol.NotSupported, "This server makes no backups: start it with --data and --backups DIR.")
	}
	dir, err := h.conf.Backup(r.Context())
	if err != nil {
		return h.conf.Sessions.Explain(err)
	}
	h.writeJSON(w, append(protocol.AppendString([]byte(`{"dir":`), dir), "}\n"...))
	return nil
}

func (h *Handler) writeJSON(w http.ResponseWriter, body []byte) {
	transport.WriteJSON(w, http.StatusOK, body, h.conf.WriteTimeout)
}
