package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/starling-rt/starling/protocol"
)

const batchForm = `[{"publish":{…}},{"signal":{…}},…], each with one call`

// batch does several calls of a request, and answers each in its place. They take
// effect in their order, but for publications that follow each other, which are
// stored together: these keep theirs on each channel.
func (h *Handler) batch(w http.ResponseWriter, r *http.Request) *protocol.Error {
	body, err := h.body(w, r)
	if err != nil {
		return err
	}
	var calls []map[string]json.RawMessage
	if err := decode(body, &calls, batchForm); err != nil {
		return err
	}
	if len(calls) > maxCalls {
		return protocol.Errorf(protocol.LimitReached, "A batch has at most %d calls.", maxCalls)
	}
	channels := 0
	results := make([]result, len(calls))
	var run []*publishRequest // publications that follow each other
	var places []int
	flush := func() {
		for i, res := range h.publishAll(r.Context(), run) {
			results[places[i]] = res
		}
		run, places = nil, nil
	}
	for i, one := range calls {
		name, arg, err := single(one)
		if err != nil {
			results[i].err = err
			continue
		}
		if name != "publish" {
			flush()
			results[i] = h.do(r.Context(), name, arg)
			continue
		}
		req, err := parsePublish(arg)
		if err == nil {
			if channels += max(1, len(req.Channels)); channels > maxChannels {
				err = protocol.Errorf(protocol.LimitReached, "One request publishes to at most %d channels.", maxChannels)
			}
		}
		if err != nil {
			results[i].err = err
			continue
		}
		run, places = append(run, req), append(places, i)
	}
	flush()
	h.writeJSON(w, append(appendResults(nil, results), '\n'))
	return nil
}

// single returns the one call that an item of a batch has.
func single(item map[string]json.RawMessage) (name string, arg []byte, err *protocol.Error) {
	if len(item) != 1 {
		return "", nil, protocol.Errorf(protocol.InvalidField, `Each item of a batch has one call, such as {"publish":{…}}.`)
	}
	for name, arg = range item {
	}
	return name, arg, nil
}

func (h *Handler) do(ctx context.Context, name string, arg []byte) (r result) {
	c := h.calls[name]
	if c == nil {
		return result{err: protocol.Errorf(protocol.UnknownType, "There is no call %.40q in a batch.", name)}
	}
	r.json, r.err = c(ctx, arg)
	return r
}
