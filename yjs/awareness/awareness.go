// Package awareness keeps who is present in a document and what they show of
// themselves (name, cursor), compatible with the awareness of y-protocols.
//
// A State is a plain value, not safe for concurrent use. It keeps no clock: the
// methods that need the time get it, in milliseconds since any fixed moment.
//
//	update = count (client clock json)*      json is the client's state, or null
//
// Each client raises its own clock with every update; of two entries for a
// client, that with the higher clock stands. A state that is not renewed within
// Timeout is dropped by everybody for themselves.
package awareness

import (
	"errors"
	"slices"

	"github.com/starling-rt/starling/yjs/internal/lib0"
)

// Millis is a time in milliseconds since a moment that the caller chooses.
type Millis int64

// Timeout is how long a state stands that is not renewed. Renew own states
// after half of it.
const Timeout Millis = 30_000

// The errors of this package.
var (
	// ErrMalformed says that bytes are no awareness update.
	ErrMalformed = lib0.ErrMalformed
	// ErrLimit says that an update would bring more clients or bytes than Options allow.
	ErrLimit = errors.New("awareness: update exceeds a limit")
)

// Options bound what others can make a State hold. The zero value is usable.
type Options struct {
	// MaxClients bounds the clients that are known at once, gone ones included. Default: 10,000.
	MaxClients int
	// MaxStateBytes bounds the JSON of one client. Default: 64 KiB.
	MaxStateBytes int
}

// A State knows the states of all clients.
type State struct {
	opts    Options
	own     uint64
	clients map[uint64]*client
}

type client struct {
	clock uint64
	json  string // "" when the client is not there
	seen  Millis
}

// Change tells which clients came, renewed or changed their state, and left.
type Change struct {
	Added   []uint64
	Updated []uint64 // renewed, whether or not the state differs
	Changed []uint64 // those of Updated whose state differs
	Removed []uint64
}

// Empty tells that nothing happened.
func (c *Change) Empty() bool { return len(c.Added)+len(c.Updated)+len(c.Removed) == 0 }

// Touched lists all clients that came, renewed or left: those to tell others about.
func (c *Change) Touched() []uint64 { return slices.Concat(c.Added, c.Updated, c.Removed) }

// New makes a State. own is the client id of this side, whose state others
// cannot take away; a server that only relays gives 0.
func New(own uint64, opts Options) *State {
	if opts.MaxClients <= 0 {
		opts.MaxClients = 10000
	}
	if opts.MaxStateBytes <= 0 {
		opts.MaxStateBytes = 64 << 10
	}
	return &State{opts: opts, own: own, clients: make(map[uint64]*client)}
}

// Apply takes in an update of others. On an error, the entries before the fault
// have been applied.
func (s *State) Apply(update []byte, now Millis) (Change, error) {
	var ch Change
	r := lib0.Reader{Buf: update}
	n := r.Uint()
	if n > uint64(r.Left()/3) {
		return ch, ErrMalformed
	}
	for range n {
		id, clock, text := r.Uint(), r.Uint(), r.String()
		if r.Bad || !lib0.ValidJSON(text) {
			return ch, ErrMalformed
		}
		if err := s.entry(&ch, id, clock, text, now); err != nil {
			return ch, err
		}
	}
	return ch, nil
}

func (s *State) entry(ch *Change, id, clock uint64, text []byte, now Millis) error {
	c := s.clients[id]
	known := c != nil
	var cur uint64
	if known {
		cur = c.clock
	}
	gone := isNull(text)
	if clock < cur || clock == cur && (!gone || !known || c.json == "") {
		return nil
	}
	if len(text) > s.opts.MaxStateBytes {
		return ErrLimit
	}
	if !known {
		if len(s.clients) >= s.opts.MaxClients {
			return ErrLimit
		}
		c = &client{}
		s.clients[id] = c
	}
	before := c.json
	switch {
	case !gone:
		c.json = string(text)
	case id == s.own && c.json != "":
		clock++ // somebody thinks that we left: tell them again
	default:
		c.json = ""
	}
	c.clock, c.seen = clock, now
	switch {
	case !known && !gone:
		ch.Added = append(ch.Added, id)
	case known && gone:
		ch.Removed = append(ch.Removed, id)
	case !gone:
		ch.Updated = append(ch.Updated, id)
		if !sameJSON(before, c.json) {
			ch.Changed = append(ch.Changed, id)
		}
	}
	return nil
}

func isNull(text []byte) bool {
	if string(text) == "null" {
		return true
	}
	v, err := lib0.ParseJSON(text)
	return err == nil && v.IsNull()
}

func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	v, err1 := lib0.ParseJSON([]byte(a))
	w, err2 := lib0.ParseJSON([]byte(b))
	return err1 == nil && err2 == nil && v.Equal(w)
}

// SetLocal sets the state of this side, as JSON; "" or "null" takes it away.
// Send Encode of the own id to the others afterwards.
func (s *State) SetLocal(json string, now Millis) (Change, error) {
	var ch Change
	if json == "null" {
		json = ""
	}
	if json != "" && !lib0.ValidJSON([]byte(json)) {
		return ch, ErrMalformed
	}
	if len(json) > s.opts.MaxStateBytes {
		return ch, ErrLimit
	}
	c := s.clients[s.own]
	if c == nil {
		c = &client{} // clock 0 is what everybody takes for known
		s.clients[s.own] = c
	}
	c.clock++
	before := c.json
	c.json, c.seen = json, now
	switch {
	case json == "":
		ch.Removed = []uint64{s.own}
	case before == "":
		ch.Added = []uint64{s.own}
	default:
		ch.Updated = []uint64{s.own}
		if !sameJSON(before, json) {
			ch.Changed = ch.Updated
		}
	}
	return ch, nil
}

// Local is the state of this side as JSON, or "".
func (s *State) Local() string { return s.Get(s.own) }

// Get is the state of a client as JSON, or "" when it is not there.
func (s *State) Get(id uint64) string {
	if c := s.clients[id]; c != nil {
		return c.json
	}
	return ""
}

// Clock is the clock of a client's last update; ok is false when it was never seen.
func (s *State) Clock(id uint64) (clock uint64, ok bool) {
	if c := s.clients[id]; c != nil {
		return c.clock, true
	}
	return 0, false
}

// Clients lists those who are there, ascending.
func (s *State) Clients() []uint64 {
	list := make([]uint64, 0, len(s.clients))
	for id, c := range s.clients {
		if c.json != "" {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// Remove takes clients away, as when their connection has closed. Send Encode of
// those in Change.Removed to the others: it announces that they left.
func (s *State) Remove(ids ...uint64) Change {
	var ch Change
	for _, id := range ids {
		if c := s.clients[id]; c != nil && c.json != "" {
			c.json = ""
			if id == s.own {
				c.clock++
			}
			ch.Removed = append(ch.Removed, id)
		}
	}
	return ch
}

// Expire drops the states of others that have not been renewed for Timeout, and
// forgets clients that left as long ago. It says whether the own state is due
// to be renewed: SetLocal(Local(), now).
func (s *State) Expire(now Millis) (ch Change, renew bool) {
	for id, c := range s.clients {
		switch age := now - c.seen; {
		case id == s.own:
			renew = c.json != "" && age >= Timeout/2
		case age < Timeout:
		case c.json != "":
			c.json = ""
			c.seen = now // remembered for a while, so that an old update does not bring it back
			ch.Removed = append(ch.Removed, id)
		default:
			delete(s.clients, id)
		}
	}
	slices.Sort(ch.Removed)
	return ch, renew
}

// Encode writes an update about the given clients; those never seen are left out.
func (s *State) Encode(ids ...uint64) []byte {
	var body []byte
	n := uint64(0)
	for _, id := range ids {
		c := s.clients[id]
		if c == nil {
			continue
		}
		n++
		body = lib0.AppendUint(lib0.AppendUint(body, id), c.clock)
		if c.json == "" {
			body = lib0.AppendString(body, "null")
		} else {
			body = lib0.AppendString(body, c.json)
		}
	}
	return append(lib0.AppendUint(nil, n), body...)
}

// Entries lists what an update says, without applying it: the ids that a
// connection speaks for are those of its updates.
func Entries(update []byte) (ids []uint64, err error) {
	r := lib0.Reader{Buf: update}
	n := r.Uint()
	if n > uint64(r.Left()/3) {
		return nil, ErrMalformed
	}
	for range n {
		ids = append(ids, r.Uint())
		r.Uint()
		r.Bytes()
	}
	if r.Bad {
		return nil, ErrMalformed
	}
	return ids, nil
}
