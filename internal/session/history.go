package session

import (
	"context"
	"errors"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// HistoryQuery asks for publications of a channel: those after Since, oldest
// first from the oldest when it is empty; or the last before Before, or the last
// there are.
type HistoryQuery struct {
	Channel string
	Since   string
	Before  string
	Newest  bool
	Limit   int // default 100, at most protocol.MaxHistoryLimit
	Filter  protocol.Filter
}

// HistoryPage is the answer. Position is that of the last publication that was
// looked at (of the first, for a query that goes back), from where the next query
// goes on.
type HistoryPage struct {
	Position     string
	Publications []protocol.Publication
	Complete     bool // nothing between was removed
	More         bool

	bytes int // of data
}

// back tells whether the query goes from newer to older.
func (q *HistoryQuery) back() bool { return q.Newest || q.Before != "" }

const (
	// maxScan bounds the records that one query with a filter looks at.
	maxScan = 10_000
	// maxPageBytes is how much data makes an answer long enough; its last
	// publication may exceed it.
	maxPageBytes = eventlog.DefaultLimitBytes
)

// History answers a query.
func (sv *Server) History(ctx context.Context, q HistoryQuery) (HistoryPage, *protocol.Error) {
	if q.Limit <= 0 {
		q.Limit = eventlog.DefaultLimitRecords
	}
	q.Limit = min(q.Limit, protocol.MaxHistoryLimit)
	since, err := protocol.ParseSince(q.Since + q.Before) // at most one is there
	if err != nil {
		return HistoryPage{}, err
	}
	epoch, offset, known := since.In(q.Channel)
	if !known && !since.IsZero() {
		return HistoryPage{}, protocol.Errorf(protocol.BadPosition, "The position does not know the channel %s.", q.Channel)
	}
	h := HistoryPage{Complete: true}
	for scanned := 0; ; {
		limit := eventlog.Limit{Records: q.Limit - len(h.Publications), Bytes: maxPageBytes - h.bytes}
		var page eventlog.Page
		var err error
		if q.back() {
			page, err = sv.conf.Log.ReadBefore(ctx, q.Channel, offset, limit)
		} else {
			page, err = sv.conf.Log.Read(ctx, q.Channel, offset, limit)
		}
		if err != nil {
			return HistoryPage{}, sv.Explain(err)
		}
		if known && page.Head.Epoch != epoch {
			// The position is of another life of the channel: begin anew.
			known, epoch, offset = false, page.Head.Epoch, 0
			h.Complete = false
			continue
		}
		epoch = page.Head.Epoch
		offset = h.add(&q, page, offset)
		scanned += len(page.Records)
		h.Position = protocol.EncodePosition(q.Channel, epoch, offset)
		if !page.More || len(h.Publications) >= q.Limit || h.bytes >= maxPageBytes || scanned >= maxScan {
			return h, nil
		}
	}
}

// add takes the publications of a page that the query wants, and returns the
// offset from which to go on.
func (h *HistoryPage) add(q *HistoryQuery, page eventlog.Page, offset uint64) uint64 {
	h.Complete = h.Complete && page.Complete
	h.More = page.More
	var found []protocol.Publication
	for i := range page.Records {
		r := &page.Records[i]
		if q.Filter.Match(r.Tags) {
			h.bytes += len(r.Data)
			found = append(found, protocol.Publication{
				Channel: q.Channel, Offset: r.Offset, ID: r.ID, Data: r.Data, Key: r.Key, User: r.User, Time: r.Time, Tags: r.Tags,
			})
		}
	}
	if q.back() {
		h.Publications = append(found, h.Publications...)
		if len(page.Records) > 0 {
			return page.Records[0].Offset
		}
		return offset
	}
	h.Publications = append(h.Publications, found...)
	if len(page.Records) > 0 {
		return page.Records[len(page.Records)-1].Offset
	}
	return offset
}

// Explain turns an error into what a client is told. What it does not know is
// internal, and its text stays in the server's log.
func (sv *Server) Explain(err error) *protocol.Error {
	var known *protocol.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, eventlog.ErrConflict):
		return protocol.Errorf(protocol.Conflict, "The channel has moved on since the position that was expected.")
	case errors.Is(err, eventlog.ErrKeyReused):
		return protocol.Errorf(protocol.KeyReused, "The key was used for another publication. Make a new key for new data.")
	case errors.Is(err, eventlog.ErrInvalid):
		return protocol.Errorf(protocol.InvalidField, "A field is out of its limits.")
	case errors.Is(err, eventlog.ErrSlotsFull):
		return protocol.Errorf(protocol.LimitReached, "The channel has as many conflation keys as it may have.")
	case errors.Is(err, eventlog.ErrUnavailable), errors.Is(err, eventlog.ErrClosed):
		sv.conf.Logger.Warn("the log is not available", "err", err)
		return protocol.Errorf(protocol.Unavailable, "The log is not available now; nothing was stored. Try again.")
	case errors.Is(err, eventlog.ErrUnknown), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		sv.conf.Logger.Warn("outcome not known", "err", err)
		return protocol.Errorf(protocol.UnknownResult, "It is not known whether it was stored. Try again with the same key.")
	}
	sv.conf.Logger.Error("internal error", "err", err)
	return protocol.Errorf(protocol.Internal, "The server has failed. Its log says more.")
}
