package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starling-rt/starling/eventlog"
)

// attemptTimeout is how long one request to a leader may take before it is sent
// again: the leader may be gone, and another elected. apiTimeout bounds all
// attempts when the caller sets no bound.
const (
	attemptTimeout = 2 * time.Second
	apiTimeout     = 12 * time.Second
	askTimeout     = 4 * time.Second // of what is asked on start: a stream is made more slowly than read
	retryPause     = 100 * time.Millisecond
)

// Error codes of JetStream.
const (
	codeNoLeader        = 10008 // of all servers, for now
	codeNoPeers         = 10005 // not enough servers for the replicas
	codeNoCluster       = 10074 // replicas, and one server
	codeMessageNotFound = 10037
	codeWrongLast       = 10071
	codeWrongLastRacing = 10164 // another one is in flight
)

// apiError is how JetStream refuses.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return fmt.Sprintf("JetStream: %s (%d)", e.Description, e.ErrCode) }

// temporary tells whether another leader may do better soon.
func (e *apiError) temporary() bool { return e.Code == 503 }

// stored is a message as a stream keeps it.
type stored struct {
	subject string
	seq     uint64
	time    time.Time
	header  nats.Header
	data    []byte
}

// request sends a request to the JetStream API until it is answered, and decodes
// the answer into out.
func (e *Engine) request(ctx context.Context, subject string, body, out any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := e.bound(ctx)
	defer cancel()
	for {
		err := e.attempt(ctx, subject, raw, out)
		var refused *apiError
		switch {
		case err == nil:
			return nil
		case e.closed.Load():
			return eventlog.ErrClosed
		case errors.As(err, &refused) && !refused.temporary():
			return err
		case !e.nc.IsConnected():
			return fmt.Errorf("no connection to NATS: %w", eventlog.ErrUnavailable)
		}
		select {
		case <-ctx.Done():
			return e.gaveUp(ctx, err)
		case <-time.After(retryPause):
		}
	}
}

// gaveUp returns the error of a request that had no answer in time.
func (e *Engine) gaveUp(ctx context.Context, last error) error {
	if errors.Is(context.Cause(ctx), errNoAnswer) {
		return fmt.Errorf("%w: %w", last, eventlog.ErrUnavailable)
	}
	return context.Cause(ctx)
}

var errNoAnswer = errors.New("no answer from JetStream")

// bound gives a context an end, also when the engine is closed.
func (e *Engine) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(ctx, apiTimeout, errNoAnswer)
	stop := context.AfterFunc(e.life, cancel)
	return ctx, func() { stop(); cancel() }
}

func (e *Engine) attempt(ctx context.Context, subject string, raw []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	msg, err := e.nc.RequestWithContext(ctx, subject, raw)
	if err != nil {
		return err
	}
	var refusal struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &refusal); err != nil {
		return fmt.Errorf("answer of JetStream: %w", err)
	}
	if refusal.Error != nil {
		return refusal.Error
	}
	if err := json.Unmarshal(msg.Data, out); err != nil {
		return fmt.Errorf("answer of JetStream: %w", err)
	}
	return nil
}

// again asks anew while there is no answer. Servers drop what only their leader can
// say while they choose one, and a client that waits for that waits in vain.
func again(ctx context.Context, ask func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, askTimeout)
		err := ask(once)
		cancel()
		soon := choosing(err) || errors.Is(err, errInTheMaking)
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) && !soon {
			return err
		}
		if soon { // it answered at once
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
		}
	}
}

// errInTheMaking tells of a stream whose name is taken and that is not there yet.
var errInTheMaking = errors.New("another node is making it")

// choosing reports whether the servers said that they have no leader yet.
func choosing(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && refused.ErrorCode == codeNoLeader
}

// getRequest asks for messages of a stream.
type getRequest struct {
	Seq      uint64 `json:"seq,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// leaderGet reads one message from the leader of a stream, which knows all that
// was acknowledged. It returns nil when there is none.
func (e *Engine) leaderGet(ctx context.Context, stream string, r getRequest) (*stored, error) {
	var out struct {
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	err := e.request(ctx, "$JS.API.STREAM.MSG.GET."+stream, r, &out)
	var refused *apiError
	if errors.As(err, &refused) && refused.ErrCode == codeMessageNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, apiFailed(err)
	}
	s := &stored{subject: out.Message.Subject, seq: out.Message.Seq, time: out.Message.Time, data: out.Message.Data}
	if len(out.Message.Header) > 0 {
		if s.header, err = nats.DecodeHeadersMsg(out.Message.Header); err != nil {
			return nil, fmt.Errorf("header of message %d in %s: %w", s.seq, stream, err)
		}
	}
	return s, nil
}

// apiFailed makes an error of the API one of eventlog's.
func apiFailed(err error) error {
	var refused *apiError
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", refused, eventlog.ErrUnavailable)
	}
	return err
}

// count returns how many messages a stream has of the subjects that a filter
// matches, as its leader knows, for filters that match no more than subjectsPage.
func (e *Engine) count(ctx context.Context, stream, filter string) (messages, subjects int, err error) {
	bySubject, err := e.subjects(ctx, stream, filter, 0)
	for _, n := range bySubject {
		messages += int(n)
	}
	return messages, len(bySubject), err
}

// subjectsPage is how many subjects come at once.
const subjectsPage = 100_000

// subjects returns the subjects of a stream that a filter matches, and how many
// messages each has, from an index on. There are no more when none come.
func (e *Engine) subjects(ctx context.Context, stream, filter string, from int) (map[string]uint64, error) {
	var out struct {
		State struct {
			Subjects map[string]uint64 `json:"subjects"`
		} `json:"state"`
	}
	in := struct {
		Filter string `json:"subjects_filter"`
		Offset int    `json:"offset,omitempty"`
	}{filter, from}
	if err := e.request(ctx, "$JS.API.STREAM.INFO."+stream, in, &out); err != nil {
		return nil, apiFailed(err)
	}
	return out.State.Subjects, nil
}

// purge removes messages of the subjects that a filter matches, whose sequences
// are below one; 0 stands for all.
func (e *Engine) purge(ctx context.Context, stream, filter string, below uint64) error {
	in := struct {
		Filter string `json:"filter"`
		Seq    uint64 `json:"seq,omitempty"`
	}{filter, below}
	var out struct{}
	if err := e.request(ctx, "$JS.API.STREAM.PURGE."+stream, in, &out); err != nil {
		return apiFailed(err)
	}
	return nil
}

// Headers of JetStream.
const (
	headerSequence     = "Nats-Sequence"
	headerLastSequence = "Nats-Last-Sequence"
	headerSubject      = "Nats-Subject"
	headerTimeStamp    = "Nats-Time-Stamp"
	headerPending      = "Nats-Num-Pending"
	headerMarker       = "Nats-Marker-Reason"
	headerTTL          = "Nats-TTL"
	headerExpectLast   = "Nats-Expected-Last-Subject-Sequence"
	headerBatchID      = "Nats-Batch-Id"
	headerBatchSeq     = "Nats-Batch-Sequence"
	headerBatchCommit  = "Nats-Batch-Commit"
	headerStatus       = "Status"
)

// number returns the number in a header, or 0.
func number(h nats.Header, name string) uint64 {
	v := h[name]
	if len(v) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(v[0], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// text returns a header, or "".
func text(h nats.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// header returns the message's header of our own.
func meta(h nats.Header) string { return text(h, metaHeader) }

// ttlOf returns a time to live as JetStream takes it: whole seconds, at least one.
func ttlOf(d time.Duration) string {
	return strconv.FormatInt(max(int64((d+time.Second-1)/time.Second), 1), 10)
}
