package lab

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// record is a workspace as it is kept, so that its channels are deleted even if the
// server has been started again meanwhile.
type record struct {
	Expires  time.Time `json:"expires"`
	Channels []string  `json:"channels"`
}

// space is a workspace that is in use.
type space struct {
	id string

	// Guarded by Lab.mu.
	record
	saved time.Time // when the record was last kept
	gone  time.Time // when it was removed; it stays in Lab.spaces for a while, so that nobody finds it in the log meanwhile
	lines map[string]*line
	rests map[string]*rest // where traffic stands that nobody watches
}

const (
	recordPrefix = "lab/workspace/"
	sweepEvery   = time.Minute
	// saveEvery is how often the life of a workspace is prolonged at most.
	saveEvery = time.Minute
)

var identifier = regexp.MustCompile(`^[A-Z2-7]{26}$`)

func noWorkspace() *protocol.Error {
	return protocol.Errorf(protocol.NotFound, "There is no such workspace: it has expired, or was reset. Ask for a new one.")
}

// create makes a workspace.
func (l *Lab) create(ctx context.Context) (*space, error) {
	now := time.Now()
	s := &space{id: rand.Text(), record: record{Expires: now.Add(l.opts.Lifetime)}, saved: now, lines: map[string]*line{}, rests: map[string]*rest{}}
	l.mu.Lock()
	full := l.count >= l.opts.Most
	if !full {
		l.count++
		l.spaces[s.id] = s
	}
	l.mu.Unlock()
	if full {
		return nil, protocol.Errorf(protocol.LimitReached, "The Lab has as many workspaces as it may have. Come back later.")
	}
	if err := l.keep(ctx, s.id, s.record); err != nil {
		l.mu.Lock()
		if delete(l.spaces, s.id); !s.isGone() {
			l.count--
		}
		l.mu.Unlock()
		return nil, err
	}
	return s, nil
}

func (l *Lab) keep(ctx context.Context, id string, r record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := l.server.Log().KV().Put(ctx, recordPrefix+id, raw, eventlog.PutOptions{}); err != nil {
		return fmt.Errorf("keep workspace: %w", err)
	}
	return nil
}

// find returns a workspace that is there and has not expired.
func (l *Lab) find(ctx context.Context, id string) (*space, error) {
	if !identifier.MatchString(id) {
		return nil, noWorkspace()
	}
	l.mu.Lock()
	s := l.spaces[id]
	gone := s != nil && s.isGone()
	known := s != nil && time.Now().Before(s.Expires)
	l.mu.Unlock()
	switch {
	case gone:
		return nil, noWorkspace()
	case known:
		return s, nil
	}
	it, err := l.server.Log().KV().Get(ctx, recordPrefix+id)
	if errors.Is(err, eventlog.ErrNotFound) {
		return nil, noWorkspace()
	}
	if err != nil {
		return nil, fmt.Errorf("find workspace: %w", err)
	}
	var r record
	if err := json.Unmarshal(it.Value, &r); err != nil {
		return nil, fmt.Errorf("find workspace: %w", err)
	}
	if !time.Now().Before(r.Expires) {
		return nil, noWorkspace()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s = l.spaces[id]; s == nil {
		s = &space{id: id, record: r, lines: map[string]*line{}, rests: map[string]*rest{}}
		l.spaces[id] = s
	}
	if s.isGone() {
		return nil, noWorkspace()
	}
	if r.Expires.After(s.Expires) { // or it was used since that was read
		s.Expires = r.Expires
	}
	return s, nil
}

func (s *space) isGone() bool { return !s.gone.IsZero() }

// use prolongs the life of a workspace, and notes channels that are its own.
func (l *Lab) use(ctx context.Context, s *space, channels ...string) error {
	now := time.Now()
	l.mu.Lock()
	if s.isGone() {
		l.mu.Unlock()
		return noWorkspace()
	}
	s.Expires = now.Add(l.opts.Lifetime)
	late := now.Sub(s.saved) >= saveEvery
	for _, c := range channels {
		if !slices.Contains(s.Channels, c) {
			s.Channels = append(slices.Clip(s.Channels), c)
			late = true
		}
	}
	if late {
		s.saved = now
	}
	r := s.record
	l.mu.Unlock()
	if !late {
		return nil
	}
	return l.keep(ctx, s.id, r)
}

// purge removes a workspace and all that belongs to it.
func (l *Lab) purge(ctx context.Context, id string, r record) error {
	l.mu.Lock()
	s := l.spaces[id]
	if s == nil {
		s = &space{id: id, record: r}
		l.spaces[id] = s
	}
	s.gone = time.Now()
	s.cut()
	r = s.record
	var ending []*run
	for _, name := range r.Channels {
		if one := l.runs[name]; one != nil {
			one.stop()
			ending = append(ending, one)
		}
	}
	l.mu.Unlock()
	for _, one := range ending {
		select { // nothing is published after its channel was deleted
		case <-one.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, name := range r.Channels {
		if err := l.server.Log().Delete(ctx, name); err != nil {
			return fmt.Errorf("delete %q: %w", name, err)
		}
	}
	return l.server.Log().KV().Delete(ctx, recordPrefix+id, 0)
}

// sweepAlways removes expired workspaces until the Lab is closed.
func (l *Lab) sweepAlways() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := l.sweep(l.ctx); err != nil && l.ctx.Err() == nil {
			l.opts.Logger.Warn("the Lab cannot remove workspaces that have expired; trying again", "err", err)
		}
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			return
		}
	}
}

func (l *Lab) sweep(ctx context.Context) error {
	const page = 100
	living := map[string]bool{}
	for after := ""; ; {
		items, err := l.server.Log().KV().List(ctx, recordPrefix, after, page)
		if err != nil {
			return err
		}
		for _, it := range items {
			after = it.Key
			var r record
			if err := json.Unmarshal(it.Value, &r); err != nil {
				return fmt.Errorf("%s: %w", it.Key, err)
			}
			id := it.Key[len(recordPrefix):]
			if l.lives(id, r) {
				living[id] = true
				continue
			}
			if err := l.purge(ctx, id, r); err != nil {
				return err
			}
		}
		if len(items) < page {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for id, s := range l.spaces { // some were made and removed meanwhile
		living[id] = !s.isGone() && now.Before(s.Expires)
	}
	l.count = 0
	for _, lives := range living {
		if lives {
			l.count++
		}
	}
	maps.DeleteFunc(l.spaces, func(_ string, s *space) bool {
		return s.isGone() && now.Sub(s.gone) > sweepEvery || now.Sub(s.Expires) > 2*sweepEvery // another node has removed it
	})
	return nil
}

// lives tells whether a workspace has not expired: what is in memory is newer than
// what is kept.
func (l *Lab) lives(id string, r record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.spaces[id]; s != nil {
		if s.isGone() {
			return false // it was kept once more while it was removed
		}
		r = s.record
	}
	return time.Now().Before(r.Expires)
}

// cut breaks all connections of a workspace. Lab.mu is held.
func (s *space) cut() {
	for _, one := range s.lines {
		one.cut()
	}
}

// names are those that visitors may act under. Simulated traffic has others.
var names = []string{"You", "Eve", "Finn"}

// token returns a token for a visitor, who may do all on the channels of a workspace.
func (l *Lab) token(s *space, name string) (string, error) {
	info, err := json.Marshal(actor{name})
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	o := l.tokens
	l.mu.Unlock()
	now := time.Now()
	c := auth.Claims{
		IssuedAt: now, Expires: now.Add(l.opts.Lifetime), Info: info, Issuer: o.Issuer,
		Channels: map[string][]auth.Verb{prefix(s.id) + "*": {auth.Subscribe, auth.Publish, auth.Signal, auth.History}},
	}
	if o.Audience != "" {
		c.Audience = []string{o.Audience}
	}
	return l.signer.Sign(c)
}
