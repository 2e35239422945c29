// Package api is the HTTP interface for an application's backend: publish and
// history, under /api/v1/, with a key.
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/internal/transport"
	"github.com/starling-rt/starling/protocol"
)

// maxBody bounds the body of a request.
const maxBody = 4 << 20

// maxChannels bounds the channels of one publish.
const maxChannels = 1000

// Config is what the API needs. It is not changed after New.
type Config struct {
	Log      *eventlog.Log
	Sessions *session.Server

	// Keys are the keys that open it, until SetKeys.
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
}

// Handler serves the API.
type Handler struct {
	conf Config
	keys atomic.Pointer[[][sha256.Size]byte]
}

// New returns the handler of the API.
func New(conf Config) *Handler {
	if conf.BodyTimeout == 0 {
		conf.BodyTimeout = transport.DefaultBodyTimeout
	}
	if conf.WriteTimeout == 0 {
		conf.WriteTimeout = transport.DefaultWriteTimeout
	}
	h := &Handler{conf: conf}
	h.SetKeys(conf.Keys)
	return h
}

// SetKeys replaces the keys that open the API.
func (h *Handler) SetKeys(keys []string) {
	sums := make([][sha256.Size]byte, len(keys))
	for i, k := range keys {
		sums[i] = sha256.Sum256([]byte(k))
	}
	h.keys.Store(&sums)
}

// Register serves the API below /api/v1/.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/publish", h.Guard(h.publish))
	mux.HandleFunc("GET /api/v1/channels/{channel}/history", h.Guard(h.history))
	mux.HandleFunc("POST /api/v1/backup", h.Guard(h.backup))
	mux.HandleFunc("/api/v1/", h.Guard(func(w http.ResponseWriter, r *http.Request) *protocol.Error {
		return protocol.Errorf(protocol.NotFound, "There is no %s %s.", r.Method, r.URL.Path)
	}))
}

// Guard lets those in who have a key, and answers with the error of f.
func (h *Handler) Guard(f func(http.ResponseWriter, *http.Request) *protocol.Error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h.check(r)
		if err == nil {
			err = f(w, r)
		}
		if err != nil {
			transport.Refuse(w, err)
		}
	}
}

func (h *Handler) check(r *http.Request) *protocol.Error {
	key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(key))
	known, keys := 0, *h.keys.Load()
	for i := range keys {
		known |= subtle.ConstantTimeCompare(sum[:], keys[i][:])
	}
	origin := r.Header.Get("Origin")
	switch {
	case bearer && known == 1:
		return nil
	case bearer && len(keys) > 0:
		return protocol.Errorf(protocol.Unauthorized, "The API key is not one of this server's.")
	case h.conf.Open && transport.NotRebound(r.Host) && (origin == "" || h.conf.Local(origin)):
		return nil
	case len(keys) == 0:
		return protocol.Errorf(protocol.Unauthorized, "The API is closed: start the server with --api-key KEY.")
	}
	return protocol.Errorf(protocol.Unauthorized, "The API needs a key: Authorization: Bearer KEY.")
}

// publishRequest is the body of publish.
type publishRequest struct {
	Channel  string            `json:"channel"`
	Channels []string          `json:"channels"`
	Data     json.RawMessage   `json:"data"`
	Key      string            `json:"key"`
	Tags     map[string]string `json:"tags"`
}

func (h *Handler) publish(w http.ResponseWriter, r *http.Request) *protocol.Error {
	body, bad := transport.ReadBody(w, r, maxBody, h.conf.BodyTimeout)
	if bad != nil {
		return bad
	}
	req, bad := parsePublish(body)
	if bad != nil {
		return bad
	}
	if req.Channels == nil {
		result, err := h.publishTo(r.Context(), req.Channel, req)
		if err != nil {
			return err
		}
		h.writeJSON(w, append(result, '\n'))
		return nil
	}
	out := []byte(`{"results":[`)
	for i, channel := range req.Channels {
		if i > 0 {
			out = append(out, ',')
		}
		result, err := h.publishTo(r.Context(), channel, req)
		if err != nil {
			result = append(protocol.AppendError([]byte(`{"error":`), err), '}')
		}
		out = append(out, result...)
	}
	h.writeJSON(w, append(out, "]}\n"...))
	return nil
}

func parsePublish(body []byte) (*publishRequest, *protocol.Error) {
	if _, err := protocol.CheckData(body); err != nil {
		return nil, err
	}
	req := &publishRequest{}
	if err := json.Unmarshal(body, req); err != nil {
		return nil, protocol.Errorf(protocol.InvalidField, `The body is {"channel" or "channels","data","key"?,"tags"?}.`)
	}
	if req.Data == nil {
		return nil, protocol.Errorf(protocol.InvalidField, `The field "data" is missing.`)
	}
	for tag, value := range req.Tags {
		if err := protocol.CheckTag(tag, value, len(req.Tags)); err != nil {
			return nil, err
		}
	}
	switch {
	case len(req.Key) > protocol.MaxKeyBytes:
		return nil, protocol.Errorf(protocol.InvalidField, `The field "key" has at most %d bytes.`, protocol.MaxKeyBytes)
	case req.Channels != nil && req.Channel != "":
		return nil, protocol.Errorf(protocol.InvalidField, `Give "channel" or "channels", not both.`)
	case len(req.Channels) > maxChannels:
		return nil, protocol.Errorf(protocol.LimitReached, "One request publishes to at most %d channels.", maxChannels)
	}
	if len(req.Data) > eventlog.MaxDataBytes {
		return nil, protocol.Errorf(protocol.TooLarge, `The field "data" has at most %d bytes.`, eventlog.MaxDataBytes)
	}
	data, bad := protocol.CheckData(req.Data)
	req.Data = data
	return req, bad
}

// publishTo publishes to one channel, and returns the result as JSON.
func (h *Handler) publishTo(ctx context.Context, channel string, req *publishRequest) ([]byte, *protocol.Error) {
	if err := protocol.CheckChannel(channel); err != nil {
		return nil, err
	}
	done, err := h.conf.Sessions.Publish(ctx, &session.Publishing{
		Channel: channel, Data: req.Data, Tags: req.Tags, Key: req.Key, Scope: "\x01api",
	})
	if err != nil {
		return nil, err
	}
	position := protocol.EncodePosition(channel, done.Last.Epoch, done.Last.Offset)
	return protocol.AppendPublishResult(nil, done.Last.Offset, position, done.Duplicate), nil
}

func (h *Handler) history(w http.ResponseWriter, r *http.Request) *protocol.Error {
	q := r.URL.Query()
	query := session.HistoryQuery{Channel: r.PathValue("channel"), Since: q.Get("since"), Before: q.Get("before"), Newest: q.Get("newest") == "1"}
	if err := protocol.CheckChannel(query.Channel); err != nil {
		return err
	}
	if query.Since != "" && query.Before != "" || query.Newest && query.Since+query.Before != "" {
		return protocol.Errorf(protocol.InvalidField, `A history goes from "since", or to "before", or has the "newest": one of them.`)
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return protocol.Errorf(protocol.InvalidField, `The field "limit" is a number from 1 to %d.`, protocol.MaxHistoryLimit)
		}
		query.Limit = n
	}
	if text := q.Get("filter"); text != "" {
		f, err := protocol.ParseFilter([]byte(text))
		if err != nil {
			return err
		}
		query.Filter = f
	}
	page, err := h.conf.Sessions.History(r.Context(), query)
	if err != nil {
		return err
	}
	out := protocol.AppendHistoryResult(nil, page.Position, page.Publications, page.Complete, page.More)
	h.writeJSON(w, append(out, '\n'))
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
