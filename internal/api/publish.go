package api

import (
	"context"
	"net/http"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

// publishForm is what the body of publish should be.
const publishForm = `{"channel" or "channels","data" or "data64","key"?,"tags"?,"user"?}`

// scope is whose idempotency keys those of the API are: all its users are one, so
// that a key outlives the rotation of API keys.
const scope = "\x01api"

// publishRequest is the body of publish.
type publishRequest struct {
	Channel  string            `json:"channel"`
	Channels []string          `json:"channels"`
	Key      string            `json:"key"`
	Tags     map[string]string `json:"tags"`
	User     string            `json:"user"`
	protocol.DataFields
}

func (h *Handler) publish(w http.ResponseWriter, r *http.Request) *protocol.Error {
	body, bad := h.body(w, r)
	if bad != nil {
		return bad
	}
	req, bad := parsePublish(body)
	if bad != nil {
		return bad
	}
	results := h.publishAll(r.Context(), []*publishRequest{req})
	if results[0].err != nil {
		return results[0].err
	}
	h.writeJSON(w, append(results[0].json, '\n'))
	return nil
}

func parsePublish(body []byte) (*publishRequest, *protocol.Error) {
	req := &publishRequest{}
	if err := decode(body, req, publishForm); err != nil {
		return nil, err
	}
	data, bad := req.Take()
	switch {
	case bad != nil:
		return nil, bad
	case data == nil:
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
	case auth.CheckUser(req.User) != nil:
		return nil, protocol.Errorf(protocol.InvalidField, `The field "user" is a text of at most %d bytes without control characters.`, auth.MaxUserBytes)
	case req.Channels != nil && req.Channel != "":
		return nil, protocol.Errorf(protocol.InvalidField, `Give "channel" or "channels", not both.`)
	case len(req.Channels) > maxChannels:
		return nil, protocol.Errorf(protocol.LimitReached, "One request publishes to at most %d channels.", maxChannels)
	}
	if len(data) > eventlog.MaxDataBytes {
		return nil, protocol.Errorf(protocol.TooLarge, `The field "data" has at most %d bytes.`, eventlog.MaxDataBytes)
	}
	req.Data, req.Data64 = data, nil
	return req, nil
}

// result is what came of a call: its answer, or why there is none.
type result struct {
	json []byte
	err  *protocol.Error
}

// append appends the result as it stands among others.
func (r *result) append(dst []byte) []byte {
	if r.err != nil {
		return append(protocol.AppendError(append(dst, `{"error":`...), r.err), '}')
	}
	return append(dst, r.json...)
}

// appendResults appends {"results":[…]}.
func appendResults(dst []byte, all []result) []byte {
	dst = append(dst, `{"results":[`...)
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = all[i].append(dst)
	}
	return append(dst, "]}"...)
}

// publishAll publishes what the requests ask for, all at once but in their order on
// each channel.
func (h *Handler) publishAll(ctx context.Context, reqs []*publishRequest) []result {
	type place struct{ req, channel int } // channel: in the list of the request
	var all []*session.Publishing
	var places []place
	answers := make([][]result, len(reqs)) // of each channel
	for i, req := range reqs {
		channels := req.Channels
		if channels == nil {
			channels = []string{req.Channel}
		}
		answers[i] = make([]result, len(channels))
		for j, channel := range channels {
			if err := checkChannel(channel); err != nil {
				answers[i][j].err = err
				continue
			}
			all = append(all, &session.Publishing{Channel: channel, Data: req.Data, Tags: req.Tags, User: req.User, Key: req.Key, Scope: scope})
			places = append(places, place{i, j})
		}
	}
	for n, o := range h.conf.Sessions.PublishAll(ctx, all) {
		r := &answers[places[n].req][places[n].channel]
		if r.err = o.Err; o.Err == nil {
			last := o.Appended.Last
			position := protocol.EncodePosition(all[n].Channel, last.Epoch, last.Offset)
			r.json = protocol.AppendPublishResult(nil, last.Offset, position, o.Appended.Duplicate)
		}
	}
	out := make([]result, len(reqs))
	for i, req := range reqs {
		if req.Channels == nil {
			out[i] = answers[i][0]
		} else {
			out[i].json = appendResults(nil, answers[i])
		}
	}
	return out
}
