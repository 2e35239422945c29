package api

import (
	"context"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// signalRequest is the body of signal.
type signalRequest struct {
	Channel  string `json:"channel"`
	Conflate string `json:"conflate"`
	Delete   bool   `json:"delete"`
	protocol.DataFields
}

func (h *Handler) signal(ctx context.Context, body []byte) ([]byte, *protocol.Error) {
	var req signalRequest
	if err := decode(body, &req, `{"channel","data" or "data64","conflate"?,"delete"?}`); err != nil {
		return nil, err
	}
	if err := checkChannel(req.Channel); err != nil {
		return nil, err
	}
	data, bad := req.Take()
	switch {
	case bad != nil:
		return nil, bad
	case len(req.Conflate) > protocol.MaxKeyBytes:
		return nil, protocol.Errorf(protocol.InvalidField, `The field "conflate" has at most %d bytes.`, protocol.MaxKeyBytes)
	case req.Delete && req.Conflate == "":
		return nil, protocol.Errorf(protocol.InvalidField, `The field "delete" needs "conflate", which says what to delete.`)
	case data == nil && !req.Delete:
		return nil, protocol.Errorf(protocol.InvalidField, `The field "data" is missing.`)
	case len(data) > eventlog.MaxDataBytes:
		return nil, protocol.Errorf(protocol.TooLarge, `The field "data" has at most %d bytes.`, eventlog.MaxDataBytes)
	}
	s := eventlog.Signal{Channel: req.Channel, Key: req.Conflate, Delete: req.Delete}
	if !req.Delete {
		s.Data = data
	}
	return h.answer(h.conf.Log.Signal(ctx, s))
}

// answer is what is answered when err is what came of a call.
func (h *Handler) answer(err error) ([]byte, *protocol.Error) {
	if err != nil {
		return nil, h.conf.Sessions.Explain(err)
	}
	return []byte("{}"), nil
}

// target is whose sessions a request is about.
type target struct {
	Session string `json:"session"`
	User    string `json:"user"`
}

func (t *target) check() *protocol.Error {
	if (t.Session == "") == (t.User == "") {
		return protocol.Errorf(protocol.InvalidField, `Give "session" or "user", one of them.`)
	}
	if auth.CheckUser(t.User) != nil || auth.CheckUser(t.Session) != nil {
		return protocol.Errorf(protocol.InvalidField, "There can be no such session or user.")
	}
	return nil
}

// maxReason bounds the sentence with which sessions are ended: it has to go into
// the close frame of a WebSocket.
const maxReason = 100

func (h *Handler) disconnect(ctx context.Context, body []byte) ([]byte, *protocol.Error) {
	var req struct {
		target
		Message string `json:"message"`
	}
	if err := decode(body, &req, `{"session" or "user","message"?}`); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	if len(req.Message) > maxReason {
		return nil, protocol.Errorf(protocol.InvalidField, `The field "message" has at most %d bytes.`, maxReason)
	}
	h.log(ctx, "sessions are disconnected", "user", req.User)
	return h.answer(h.conf.Control.Disconnect(ctx, req.Session, req.User, req.Message))
}

// subscription is whose subscription to what a request is about.
type subscription struct {
	target
	Channel string `json:"channel"`
}

func parseSubscription(body []byte) (s subscription, err *protocol.Error) {
	if err := decode(body, &s, `{"session" or "user","channel"}`); err != nil {
		return s, err
	}
	if err := s.check(); err != nil {
		return s, err
	}
	return s, checkPattern(s.Channel)
}

func (h *Handler) unsubscribe(ctx context.Context, body []byte) ([]byte, *protocol.Error) {
	s, err := parseSubscription(body)
	if err != nil {
		return nil, err
	}
	h.log(ctx, "sessions are unsubscribed", "user", s.User, "channel", s.Channel)
	return h.answer(h.conf.Control.Unsubscribe(ctx, s.Session, s.User, s.Channel))
}

func (h *Handler) subscribe(ctx context.Context, body []byte) ([]byte, *protocol.Error) {
	s, err := parseSubscription(body)
	if err != nil {
		return nil, err
	}
	h.log(ctx, "sessions are subscribed", "user", s.User, "channel", s.Channel)
	return h.answer(h.conf.Control.Subscribe(ctx, s.Session, s.User, s.Channel))
}

func (h *Handler) revoke(ctx context.Context, body []byte) ([]byte, *protocol.Error) {
	var req struct {
		User   string `json:"user"`
		Token  string `json:"token"`
		Before string `json:"before"`
	}
	if err := decode(body, &req, `{"user" or "token","before"?}`); err != nil {
		return nil, err
	}
	var before time.Time
	if req.Before != "" {
		var err error
		if before, err = time.Parse(time.RFC3339, req.Before); err != nil {
			return nil, protocol.Errorf(protocol.InvalidField, `The field "before" is a time such as 2026-01-31T12:00:00Z.`)
		}
		if req.Token != "" {
			return nil, protocol.Errorf(protocol.InvalidField, `The field "before" goes with "user".`)
		}
	}
	if (req.User == "") == (req.Token == "") {
		return nil, protocol.Errorf(protocol.InvalidField, `Give "user" or "token", one of them.`)
	}
	h.log(ctx, "tokens are revoked", "user", req.User, "token", req.Token)
	return h.answer(h.conf.Control.Revoke(ctx, req.User, req.Token, before))
}
