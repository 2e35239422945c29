package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

func (h *Handler) history(w http.ResponseWriter, r *http.Request) *protocol.Error {
	q := r.URL.Query()
	query := session.HistoryQuery{Channel: r.PathValue("channel"), Since: q.Get("since"), Before: q.Get("before"), Newest: q.Get("newest") == "1"}
	if err := checkChannel(query.Channel); err != nil {
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

// trimRequest is the body of trim; the channel stands in the path, or in a batch
// here.
type trimRequest struct {
	Channel string `json:"channel"`
	Through string `json:"through"`
}

const trimForm = `{"through": a position}, in a batch with the "channel"`

func (h *Handler) trimPath(w http.ResponseWriter, r *http.Request) *protocol.Error {
	body, err := h.body(w, r)
	if err != nil {
		return err
	}
	var req trimRequest
	if err := decode(body, &req, trimForm); err != nil {
		return err
	}
	if req.Channel != "" {
		return protocol.Errorf(protocol.InvalidField, "The channel stands in the path.")
	}
	req.Channel = r.PathValue("channel")
	if err := h.trimTo(r.Context(), &req); err != nil {
		return err
	}
	h.writeJSON(w, []byte("{}\n"))
	return nil
}

func (h *Handler) trim(ctx context.Context, body []byte) ([]byte, *protocol.Error) {
	var req trimRequest
	if err := decode(body, &req, trimForm); err != nil {
		return nil, err
	}
	return nothing(h.trimTo(ctx, &req))
}

func (h *Handler) trimTo(ctx context.Context, req *trimRequest) *protocol.Error {
	if err := checkChannel(req.Channel); err != nil {
		return err
	}
	position, bad := protocol.ParseSince(req.Through)
	if bad != nil {
		return bad
	}
	epoch, offset, ok := position.In(req.Channel)
	if !ok {
		return protocol.Errorf(protocol.BadPosition, `The field "through" is a position of the channel %s, as publish and history return it.`, req.Channel)
	}
	head, err := h.conf.Log.Head(ctx, req.Channel)
	if err != nil {
		return h.conf.Sessions.Explain(err)
	}
	if head.Epoch != epoch {
		return protocol.Errorf(protocol.Conflict, "The channel has begun anew since that position was given out.")
	}
	if err := h.conf.Log.Trim(ctx, req.Channel, min(offset, head.Offset)); err != nil {
		return h.conf.Sessions.Explain(err)
	}
	h.log(ctx, "a channel was trimmed", "channel", req.Channel)
	return nil
}

func (h *Handler) deletePath(w http.ResponseWriter, r *http.Request) *protocol.Error {
	if err := h.removeChannel(r.Context(), r.PathValue("channel")); err != nil {
		return err
	}
	h.writeJSON(w, []byte("{}\n"))
	return nil
}

// remove is the call delete of a batch.
func (h *Handler) remove(ctx context.Context, body []byte) ([]byte, *protocol.Error) {
	var req struct {
		Channel string `json:"channel"`
	}
	if err := decode(body, &req, `{"channel"}`); err != nil {
		return nil, err
	}
	return nothing(h.removeChannel(ctx, req.Channel))
}

func (h *Handler) removeChannel(ctx context.Context, channel string) *protocol.Error {
	if err := checkChannel(channel); err != nil {
		return err
	}
	if err := h.conf.Log.Delete(ctx, channel); err != nil {
		return h.conf.Sessions.Explain(err)
	}
	h.log(ctx, "a channel was deleted", "channel", channel)
	return nil
}

// nothing is the answer of a call that has none to give.
func nothing(err *protocol.Error) ([]byte, *protocol.Error) {
	if err != nil {
		return nil, err
	}
	return []byte("{}"), nil
}
