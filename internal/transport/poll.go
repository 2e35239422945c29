package transport

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/starling-rt/starling/internal/hub"
	"github.com/starling-rt/starling/internal/session"
	"github.com/starling-rt/starling/protocol"
)

const (
	defaultWait = 25 * time.Second
	maxWait     = 55 * time.Second
	// pollLife is how long a session outlives its last poll.
	pollLife = 30 * time.Second
	// readWait is how long even a poll that does not want to wait waits for
	// publications that have to be read from the log.
	readWait = time.Second
	// pollBudget bounds a response.
	pollBudget = 256 << 10
)

// polls are the sessions that live from poll to poll.
type polls struct {
	mu   sync.Mutex
	byID map[string]*poller
}

// poller is a session on long polling. A poll without a session has one of its
// own, which ends with it.
type poller struct {
	outlet  *signalOutlet
	session *session.Session

	turn chan struct{} // has a value while a poll is answered

	mu        sync.Mutex // guards the following
	newest    uint64     // number of the poll that came last
	supersede chan struct{}
	expiry    *time.Timer
	answered  uint64            // number of the last response
	before    map[string]uint64 // slots of each channel before that response
}

func (h *Handler) poll(w http.ResponseWriter, r *http.Request) {
	if refuseHead(w, r) {
		return
	}
	if err := h.allowOrigin(w, r); err != nil {
		Refuse(w, err)
		return
	}
	q := r.URL.Query()
	wait, err := parseWait(q.Get("wait"))
	if err != nil {
		Refuse(w, err)
		return
	}
	if id := q.Get("session"); id != "" {
		if h.polls.find(id) != nil {
			h.pollAgain(r.Context(), w, q)
			return
		}
		on := url.Values{}
		for _, name := range []string{"session", "since", "ack", "wait"} {
			on[name] = q[name]
		}
		h.passOn(w, r, id, "/poll", on, nil)
		return
	}
	j, err := parseJoin(q, "")
	if err != nil {
		Refuse(w, err)
		return
	}
	keep := q.Get("keep") == "1"
	if !keep && slices.ContainsFunc(j.channels, func(name string) bool { _, ok := protocol.Wildcard(name); return ok }) {
		Refuse(w, protocol.Errorf(protocol.NotSupported, "A wildcard has no position, so polls of one need a session: add keep=1, and poll on with the session of the answer."))
		return
	}
	p := &poller{outlet: &signalOutlet{ready: make(chan struct{}, 1)}, turn: make(chan struct{}, 1)}
	if p.session, err = h.open(r, p.outlet, session.NoHeartbeat); err != nil {
		Refuse(w, err)
		return
	}
	all, err := joinAll(p.session, j)
	if err != nil {
		p.session.End(nil)
		Refuse(w, err)
		return
	}
	a := &answer{session: p.session, signals: keep}
	for _, one := range all {
		if one.reset {
			a.reset = append(a.reset, one.name)
		}
		one.start()
	}
	if !j.resume {
		wait = 0 // the client wants to know where it is
	}
	if keep {
		h.polls.add(p)
		a.keep = true
	} else {
		defer p.session.End(nil)
	}
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	h.respond(r.Context(), w, p, a, wait)
}

// pollAgain goes on with a session of this node.
func (h *Handler) pollAgain(ctx context.Context, w http.ResponseWriter, q url.Values) {
	id := q.Get("session")
	wait, err := parseWait(q.Get("wait"))
	if err != nil {
		Refuse(w, err)
		return
	}
	since, err := protocol.ParseSince(q.Get("since"))
	if err != nil {
		Refuse(w, err)
		return
	}
	p := h.polls.find(id)
	if p == nil || h.conf.Sessions.Find(id) == nil {
		Refuse(w, sessionGone())
		return
	}
	// A poll that is still waiting has lost its client: this one takes over.
	if err := p.takeTurn(ctx); err != nil {
		Refuse(w, err)
		return
	}
	defer func() { <-p.turn }()
	p.session.Alive()
	p.session.Seek(since)
	if ack, err := strconv.ParseUint(q.Get("ack"), 10, 64); err != nil || ack != p.answered {
		p.takeBack()
	}
	h.respond(ctx, w, p, &answer{session: p.session, signals: true, keep: true}, wait)
}

func parseWait(text string) (time.Duration, *protocol.Error) {
	if text == "" {
		return defaultWait, nil
	}
	d, err := time.ParseDuration(text)
	if n, bad := strconv.Atoi(text); bad == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 0 {
		return 0, protocol.Errorf(protocol.InvalidField, `The field "wait" is a duration, such as 25s.`)
	}
	return min(d, maxWait), nil
}

func (ps *polls) add(p *poller) {
	id := p.session.ID()
	p.expiry = time.AfterFunc(pollLife+maxWait, func() { p.session.End(nil) })
	ps.mu.Lock()
	if ps.byID == nil {
		ps.byID = map[string]*poller{}
	}
	ps.byID[id] = p
	ps.mu.Unlock()
	p.outlet.atEnd(func() {
		p.expiry.Stop()
		ps.mu.Lock()
		delete(ps.byID, id)
		ps.mu.Unlock()
	})
}

func (ps *polls) find(id string) *poller {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.byID[id]
}

// takeTurn ends the poll that waits, if one does, and holds the turn, unless a
// newer poll comes before it has it.
func (p *poller) takeTurn(ctx context.Context) *protocol.Error {
	p.mu.Lock()
	p.newest++
	number := p.newest
	if p.supersede != nil {
		close(p.supersede)
	}
	// The next poll ends this one, also while it waits for its turn.
	supersede := make(chan struct{})
	p.supersede = supersede
	p.mu.Unlock()
	select {
	case p.turn <- struct{}{}:
	case <-supersede:
		return superseded()
	case <-ctx.Done():
		return protocol.Errorf(protocol.Unavailable, "The request was given up before there was an answer. Poll again.")
	}
	p.mu.Lock()
	newest := p.newest
	p.mu.Unlock()
	if newest != number {
		<-p.turn
		return superseded()
	}
	return nil
}

func superseded() *protocol.Error {
	return protocol.Errorf(protocol.SessionBusy, "Another poll of this session has taken over.")
}

// takeBack has said again what the client may not have received and has no
// position for: conflated values, and that a wildcard has missed something.
func (p *poller) takeBack() {
	for _, sub := range p.session.Subscriptions() {
		sub.SeekSlots(p.before[sub.Channel()])
		sub.Doubt()
	}
}

// respond answers a poll when there is something, or after the wait. The turn is
// held.
func (h *Handler) respond(ctx context.Context, w http.ResponseWriter, p *poller, a *answer, wait time.Duration) {
	p.mu.Lock()
	supersede := p.supersede // nil of a first poll: nobody knows the session yet
	if p.expiry != nil {
		p.expiry.Reset(wait + pollLife)
	}
	p.before = map[string]uint64{}
	p.mu.Unlock()
	for _, sub := range p.session.Subscriptions() {
		p.before[sub.Channel()] = sub.Slots()
		if sub.Behind() {
			wait = max(wait, readWait) // what there is may have to be read first
		}
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for p.session.Next(a, pollBudget); a.empty(); p.session.Next(a, pollBudget) {
		if ended, why := p.outlet.ending(); ended {
			if why == nil {
				why = protocol.Errorf(protocol.SessionGone, "The session has ended. Open a new one from your positions.")
			}
			Refuse(w, why)
			return
		}
		select {
		case <-p.outlet.ready:
			continue
		case <-timeout.C:
		case <-supersede:
			Refuse(w, superseded())
			return
		case <-ctx.Done():
			// Who closed only its side still reads; it shall not take nothing for
			// an answer.
			Refuse(w, protocol.Errorf(protocol.Unavailable, "The request was given up before there was an answer. Poll again."))
			return
		}
		break
	}
	p.answered++
	if p.expiry != nil {
		p.expiry.Reset(pollLife)
	}
	body := a.json(p.answered)
	WriteJSON(w, http.StatusOK, body, h.conf.WriteTimeout) // what does not arrive is asked for again
	h.wrote(len(body))
}

// answer gathers what a poll is answered with. It is a [session.Writer].
type answer struct {
	session *session.Session
	signals bool // the client keeps the session, and so wants signals
	keep    bool

	publications []byte // JSON, with commas between
	sig          []byte
	messages     []byte
	reset        []string
	n            int // of anything
}

func (a *answer) empty() bool { return a.n+len(a.reset) == 0 }

func appendItem(list, item []byte) []byte {
	if len(list) > 0 {
		list = append(list, ',')
	}
	return append(list, item...)
}

// Len implements [hub.Emitter].
func (a *answer) Len() int { return len(a.publications) + len(a.sig) + len(a.messages) }

// Publication implements [hub.Emitter].
func (a *answer) Publication(_ *hub.Subscription, f *hub.Frame, _ hub.Place) {
	a.publications = appendItem(a.publications, f.JSON())
	a.n++
}

// Signal implements [hub.Emitter].
func (a *answer) Signal(_ *hub.Subscription, f *hub.Frame, _ hub.Place) {
	if a.signals {
		a.sig = appendItem(a.sig, f.JSON())
		a.n++
	}
}

// Notice implements [hub.Emitter].
func (a *answer) Notice(s *hub.Subscription, n hub.Notice, _ hub.Place) {
	switch n {
	case hub.Moved, hub.Skipped:
		a.Message(notice(s, n))
	default:
		a.reset = append(a.reset, s.Channel())
	}
}

// Message implements [session.Writer].
func (a *answer) Message(json []byte) {
	a.messages = appendItem(a.messages, json)
	a.n++
}

// Ping implements [session.Writer].
func (a *answer) Ping(bool) {}

// Pong implements [session.Writer].
func (a *answer) Pong([]byte) {}

// Drain implements [session.Writer].
func (a *answer) Drain(afterMillis int64) { a.Message(protocol.AppendDrain(nil, afterMillis)) }

func (a *answer) json(number uint64) []byte {
	dst := append(make([]byte, 0, a.Len()+256), `{"position":"`...)
	dst = a.session.AppendPosition(dst)
	dst = append(append(dst, `","publications":[`...), a.publications...)
	dst = append(dst, `],"reset":[`...)
	for i, name := range a.reset {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = protocol.AppendString(dst, name)
	}
	dst = append(dst, ']')
	if len(a.sig) > 0 {
		dst = append(append(append(dst, `,"signals":[`...), a.sig...), ']')
	}
	if len(a.messages) > 0 {
		dst = append(append(append(dst, `,"messages":[`...), a.messages...), ']')
	}
	if a.keep {
		dst = append(dst, `,"session":`...)
		dst = protocol.AppendString(dst, a.session.ID())
		dst = append(dst, `,"ack":`...)
		dst = strconv.AppendUint(dst, number, 10)
	}
	return append(dst, "}\n"...)
}
