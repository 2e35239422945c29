package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/starling-rt/starling/protocol"
)

// Target says whose sessions are meant: one session, or all of a user. One of the
// two is set.
type Target struct {
	Session string `json:"session,omitempty"`
	User    string `json:"user,omitempty"`
}

// Call is one of a batch; see the functions that begin with Call.
type Call struct {
	name string
	body any
}

// MarshalJSON writes a call as the server reads it.
func (c Call) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]any{c.name: c.body}) }

// CallPublish is [Client.Publish].
func CallPublish(channel string, data any, p Publication) Call {
	body := newPublish(data, p)
	body.Channel = channel
	return Call{"publish", body}
}

// CallSignal is [Client.Signal].
func CallSignal(channel string, data any, conflate string) Call {
	return Call{"signal", signalBody{Channel: channel, Data: data, Conflate: conflate}}
}

// CallDelete is [Client.Delete].
func CallDelete(channel string) Call { return Call{"delete", map[string]string{"channel": channel}} }

// CallTrim is [Client.Trim].
func CallTrim(channel, through string) Call {
	return Call{"trim", map[string]string{"channel": channel, "through": through}}
}

// CallDisconnect is [Client.Disconnect].
func CallDisconnect(t Target, message string) Call {
	return Call{"disconnect", disconnectBody{t, message}}
}

// CallUnsubscribe is [Client.Unsubscribe].
func CallUnsubscribe(t Target, channel string) Call {
	return Call{"unsubscribe", subscriptionBody{t, channel}}
}

// Batch makes up to 100 calls in one request, in their order, and returns what came
// of each.
func (c *Client) Batch(ctx context.Context, calls ...Call) ([]Result, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	var answer struct {
		Results []Result `json:"results"`
	}
	err := c.do(ctx, http.MethodPost, "batch", calls, &answer)
	return answer.Results, err
}

type signalBody struct {
	Channel  string `json:"channel"`
	Data     any    `json:"data"`
	Conflate string `json:"conflate,omitempty"`
	Delete   bool   `json:"delete,omitempty"`
}

// Signal says something without storing it. With a conflation key, it is the newest
// value of that key.
func (c *Client) Signal(ctx context.Context, channel string, data any, conflate string) error {
	return c.post(ctx, "signal", signalBody{Channel: channel, Data: data, Conflate: conflate})
}

// DeleteSignal removes the value of a conflation key.
func (c *Client) DeleteSignal(ctx context.Context, channel, conflate string) error {
	return c.post(ctx, "signal", signalBody{Channel: channel, Conflate: conflate, Delete: true})
}

func (c *Client) post(ctx context.Context, path string, body any) error {
	return c.do(ctx, http.MethodPost, path, body, &struct{}{})
}

func inChannel(channel string) string { return "channels/" + url.PathEscape(channel) }

// Trim removes what a channel keeps up to a position, and with it.
func (c *Client) Trim(ctx context.Context, channel, through string) error {
	return c.post(ctx, inChannel(channel)+"/trim", map[string]string{"through": through})
}

// Delete removes all that a channel keeps.
func (c *Client) Delete(ctx context.Context, channel string) error {
	return c.do(ctx, http.MethodDelete, inChannel(channel), nil, &struct{}{})
}

type disconnectBody struct {
	Target
	Message string `json:"message,omitempty"`
}

// Disconnect ends sessions on every node, with a sentence for their clients.
func (c *Client) Disconnect(ctx context.Context, t Target, message string) error {
	return c.post(ctx, "disconnect", disconnectBody{t, message})
}

type subscriptionBody struct {
	Target
	Channel string `json:"channel"`
}

// Subscribe subscribes sessions to a channel without their asking, on every node.
func (c *Client) Subscribe(ctx context.Context, t Target, channel string) error {
	return c.post(ctx, "subscribe", subscriptionBody{t, channel})
}

// Unsubscribe ends the subscriptions of sessions to a channel, on every node.
func (c *Client) Unsubscribe(ctx context.Context, t Target, channel string) error {
	return c.post(ctx, "unsubscribe", subscriptionBody{t, channel})
}

// Revocation says which tokens are not accepted any more: the one with an id, or
// those of a user that were issued before a time, now if it is zero.
type Revocation struct {
	TokenID string    `json:"token,omitempty"`
	User    string    `json:"user,omitempty"`
	Before  time.Time `json:"before,omitzero"`
}

// Revoke accepts tokens no more, and ends their sessions on every node.
func (c *Client) Revoke(ctx context.Context, r Revocation) error { return c.post(ctx, "revoke", r) }

// Info is what a server tells of itself.
type Info struct {
	Version       string `json:"version"`
	Node          string `json:"node"`
	Engine        string `json:"engine"`
	Promise       string `json:"promise"` // what an acknowledged publication survives
	Sessions      int64  `json:"sessions"`
	Subscriptions int64  `json:"subscriptions"`
	Channels      int64  `json:"channels"`
}

// Info returns what the server tells of itself.
func (c *Client) Info(ctx context.Context) (i Info, err error) {
	err = c.do(ctx, http.MethodGet, "info", nil, &i)
	return i, err
}

// HistoryQuery asks for what a channel keeps: what comes after Since, oldest first,
// from the oldest when it is empty; or the last before Before, or the last there are.
type HistoryQuery struct {
	Since  string
	Before string
	Newest bool
	Limit  int // default 100, at most 1,000
	Filter protocol.Filter
}

// Page is an answer. Position is where the next query goes on; Complete tells that
// nothing between was removed.
type Page struct {
	Position     string
	Publications []protocol.Publication
	Complete     bool
	More         bool
}

// UnmarshalJSON reads a page as the server gives it.
func (p *Page) UnmarshalJSON(raw []byte) error {
	var m struct {
		Position     string            `json:"position"`
		Publications []json.RawMessage `json:"publications"`
		Complete     bool              `json:"complete"`
		More         bool              `json:"more"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	*p = Page{Position: m.Position, Complete: m.Complete, More: m.More}
	for _, one := range m.Publications {
		publication, err := protocol.ParsePublication(one)
		if err != nil {
			return err
		}
		p.Publications = append(p.Publications, publication)
	}
	return nil
}

// Page returns a page of what a channel keeps.
func (c *Client) Page(ctx context.Context, channel string, q HistoryQuery) (p Page, err error) {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("since", q.Since)
	set("before", q.Before)
	if q.Newest {
		set("newest", "1")
	}
	if q.Limit > 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	if q.Filter != nil {
		set("filter", string(q.Filter.AppendJSON(nil)))
	}
	err = c.do(ctx, http.MethodGet, inChannel(channel)+"/history?"+v.Encode(), nil, &p)
	return p, err
}

// History yields all that a channel keeps after a position, oldest first, page by
// page. An error ends it.
func (c *Client) History(ctx context.Context, channel, since string) iter.Seq2[protocol.Publication, error] {
	return func(yield func(protocol.Publication, error) bool) {
		for {
			p, err := c.Page(ctx, channel, HistoryQuery{Since: since, Limit: protocol.MaxHistoryLimit})
			if err != nil {
				yield(protocol.Publication{}, err)
				return
			}
			for _, one := range p.Publications {
				if !yield(one, nil) {
					return
				}
			}
			if since = p.Position; !p.More {
				return
			}
		}
	}
}
