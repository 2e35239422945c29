package ot

import (
	"errors"
	"fmt"
	"maps"
)

// What Server and Client tell apart.
var (
	// ErrTooOld means that an operation was made for a revision from which on the
	// server does not have all operations any more.
	ErrTooOld = errors.New("ot: too old")
	// ErrAhead means that a revision was named that does not exist yet, or that
	// entries are missing before the one that came.
	ErrAhead = errors.New("ot: ahead")
	// ErrStale means that a submission has a lower number than one of the same source
	// that was ordered, and is not known any more: it came twice or too late.
	ErrStale = errors.New("ot: stale")
)

// Submission is an operation on its way to the server.
type Submission struct {
	// Src names the sender, the same as long as it lives: one copy of a document that
	// is edited. A user with two windows has two.
	Src string
	// Seq counts the submissions of Src, from 1 on.
	Seq uint64
	// Base is the revision for which Op was made.
	Base uint64
	Op   Op
}

// Entry is an operation that the server has ordered.
type Entry struct {
	// Revision is that of the document before the operation; after it, the document
	// has the next one.
	Revision uint64
	Src      string
	Seq      uint64
	// Op is as it was applied, that is, transformed. It is nil in the result of a
	// duplicate that is not kept any more.
	Op Op
	// Duplicate is set in results of Submit: the submission was ordered before, at
	// this revision, and nothing has changed now.
	Duplicate bool
}

// Source is what is known of the newest submission of one sender.
type Source struct {
	Seq      uint64
	Revision uint64 // at which it was ordered
}

// ServerOptions says how much a Server keeps. The zero value is usable.
type ServerOptions struct {
	// Keep is the most operations that are kept to transform late ones. Default 10000.
	Keep int
	// KeepBytes is about how much they may take together, in bytes of their wire
	// form. At least the newest one is kept. Default 64 MiB.
	KeepBytes int
	// Sources is what a former server knew of the senders: see Server.Sources.
	Sources map[string]Source
}

// Server orders the operations of one document. It is not safe for concurrent use.
type Server struct {
	typ      Type
	opt      ServerOptions
	doc      Doc
	revision uint64
	// entries and ops are what is kept, oldest first; the last is that of revision-1.
	entries []Entry
	ops     []Op
	sizes   []int
	bytes   int
	scratch []byte
	sources map[string]Source
	places  map[string]Position
}

// NewServer returns a server of doc, which it takes over, at a revision.
func NewServer(typ Type, doc Doc, revision uint64, opt ServerOptions) *Server {
	if opt.Keep <= 0 {
		opt.Keep = 10000
	}
	if opt.KeepBytes <= 0 {
		opt.KeepBytes = 64 << 20
	}
	s := &Server{typ: typ, opt: opt, doc: doc, revision: revision, sources: map[string]Source{}, places: map[string]Position{}}
	maps.Copy(s.sources, opt.Sources)
	s.opt.Sources = nil
	return s
}

// Revision returns the number of operations that made the document.
func (s *Server) Revision() uint64 { return s.revision }

// Oldest returns the oldest revision for which an operation may still come.
func (s *Server) Oldest() uint64 { return s.revision - uint64(len(s.ops)) }

// Snapshot returns a copy of the document as it is now, in O(1).
func (s *Server) Snapshot() Doc { return s.doc.Clone() }

// Sources returns what is known of all senders. Stored beside a snapshot it lets the
// next server know their submissions again.
func (s *Server) Sources() map[string]Source { return maps.Clone(s.sources) }

// Forget drops the senders whose newest submission was ordered before a revision: one
// that sends the same again later has it done twice.
func (s *Server) Forget(before uint64) {
	maps.DeleteFunc(s.sources, func(_ string, o Source) bool { return o.Revision < before })
}

// Submit transforms an operation over those that were ordered since it was made,
// applies it and orders it. The entry is to be sent to all clients, that of the sender
// too. A submission that was ordered before changes nothing: its entry has Duplicate
// set.
//
// Errors leave everything as it was. ErrTooOld and ErrAhead tell that the revision
// is not one of those known, ErrStale a submission older than the last one of its
// sender; errors of the type tell why the operation is refused.
func (s *Server) Submit(sub Submission) (Entry, error) {
	if last, ok := s.sources[sub.Src]; ok && sub.Seq <= last.Seq {
		return s.again(sub, last)
	}
	op, err := s.rebase(sub)
	if err != nil {
		return Entry{}, fmt.Errorf("submit %d of %q: %w", sub.Seq, sub.Src, err)
	}
	if err := s.doc.Apply(op); err != nil {
		return Entry{}, fmt.Errorf("submit %d of %q: %w", sub.Seq, sub.Src, err)
	}
	e := Entry{Revision: s.revision, Src: sub.Src, Seq: sub.Seq, Op: op}
	s.order(e)
	return e, nil
}

// again answers a submission whose number is not above that of the last one.
func (s *Server) again(sub Submission, last Source) (Entry, error) {
	e := Entry{Revision: last.Revision, Src: sub.Src, Seq: sub.Seq, Duplicate: true}
	first := s.Oldest()
	if sub.Seq == last.Seq {
		if e.Revision >= first {
			e.Op = s.ops[e.Revision-first]
		}
		return e, nil
	}
	for i := len(s.entries) - 1; i >= 0; i-- {
		if s.entries[i].Src == sub.Src && s.entries[i].Seq == sub.Seq {
			e.Revision, e.Op = s.entries[i].Revision, s.entries[i].Op
			return e, nil
		}
	}
	return Entry{}, fmt.Errorf("submit %d of %q, which has sent %d: %w", sub.Seq, sub.Src, last.Seq, ErrStale)
}

func (s *Server) rebase(sub Submission) (Op, error) {
	over, err := s.since(sub.Base)
	if err != nil || len(over) == 0 {
		return sub.Op, err
	}
	if n := len(over); n > maxRebase/MaxOpSize {
		s.scratch = sub.Op.AppendJSON(s.scratch[:0])
		if size := len(s.scratch); size > maxRebase/n {
			s.scratch = nil
			return nil, fmt.Errorf("operation of %d bytes for revision %d of %d: %w", size, sub.Base, s.revision, ErrTooComplex)
		}
	}
	return transformAll(s.typ, sub.Op, over, Left)
}

// maxRebase bounds the bytes of an operation times the number of operations that it
// is transformed over: what that takes grows with both.
const maxRebase = 256 << 20

func transformAll(typ Type, op Op, over []Op, side Side) (Op, error) {
	if r, ok := typ.(Rebaser); ok {
		return r.TransformAll(op, over, side)
	}
	var err error
	for _, o := range over {
		if op, err = typ.Transform(op, o, side); err != nil {
			return nil, err
		}
	}
	return op, nil
}

// since returns the operations from a revision on.
func (s *Server) since(revision uint64) ([]Op, error) {
	switch first := s.Oldest(); {
	case revision > s.revision:
		return nil, fmt.Errorf("revision %d of %d: %w", revision, s.revision, ErrAhead)
	case revision < first:
		return nil, fmt.Errorf("revision %d, kept from %d on: %w", revision, first, ErrTooOld)
	default:
		return s.ops[revision-first:], nil
	}
}

// Since returns the entries from a revision on, for a client that has come back. The
// caller must not change them.
func (s *Server) Since(revision uint64) ([]Entry, error) {
	ops, err := s.since(revision)
	if err != nil {
		return nil, fmt.Errorf("entries since: %w", err)
	}
	return s.entries[len(s.entries)-len(ops):], nil
}

// Replay applies an entry that was ordered before, such as one read from a log. Its
// revision must be the present one.
func (s *Server) Replay(e Entry) error {
	if e.Revision != s.revision {
		return fmt.Errorf("replay revision %d at %d: %w", e.Revision, s.revision, ErrAhead)
	}
	if err := s.doc.Apply(e.Op); err != nil {
		return fmt.Errorf("replay revision %d: %w", e.Revision, err)
	}
	e.Duplicate = false
	s.order(e)
	return nil
}

// order takes an entry that has been applied into the books.
func (s *Server) order(e Entry) {
	s.revision++
	s.sources[e.Src] = Source{Seq: e.Seq, Revision: e.Revision}
	s.scratch = e.Op.AppendJSON(s.scratch[:0])
	size := len(s.scratch)
	if size > 1<<16 {
		s.scratch = nil
	}
	s.bytes += size
	s.entries, s.ops, s.sizes = append(s.entries, e), append(s.ops, e.Op), append(s.sizes, size)
	for len(s.ops) > s.opt.Keep || s.bytes > s.opt.KeepBytes && len(s.ops) > 1 {
		s.bytes -= s.sizes[0]
		s.entries[0], s.ops[0] = Entry{}, nil
		s.entries, s.ops, s.sizes = s.entries[1:], s.ops[1:], s.sizes[1:]
	}
	for src, p := range s.places {
		s.movePlace(src, p, e)
	}
}

// movePlace moves the position of src by the operation of e.
func (s *Server) movePlace(src string, p Position, e Entry) {
	moved, err := s.typ.TransformPosition(p, e.Op, src == e.Src)
	if err != nil || moved == nil {
		delete(s.places, src)
		return
	}
	s.places[src] = moved
}

// SetPosition notes where src is in the document, as of a revision, and returns where
// that is now. Later operations move it. A nil result, as well as a nil p, means that
// src is nowhere.
func (s *Server) SetPosition(src string, revision uint64, p Position) (Position, error) {
	if p == nil {
		delete(s.places, src)
		return nil, nil
	}
	if _, err := s.since(revision); err != nil {
		return nil, fmt.Errorf("position of %q: %w", src, err)
	}
	for _, e := range s.entries[len(s.entries)-int(s.revision-revision):] {
		var err error
		if p, err = s.typ.TransformPosition(p, e.Op, src == e.Src); err != nil {
			return nil, fmt.Errorf("position of %q: %w", src, err)
		}
		if p == nil {
			delete(s.places, src)
			return nil, nil
		}
	}
	s.places[src] = p
	return p, nil
}

// Positions returns where everybody is now.
func (s *Server) Positions() map[string]Position { return maps.Clone(s.places) }
