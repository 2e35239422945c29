package ot

import "fmt"

// Client is one copy of a document, edited at once and kept in step with a Server. It
// is not safe for concurrent use.
//
// Its document is that of the server at Revision, then the operation in flight, then
// the one that gathers edits until the flight is over.
type Client struct {
	typ      Type
	src      string
	revision uint64
	// base is the document of the server at revision, and doc that with flight and
	// then buffer applied. While both are nil, doc is all, and base is nil.
	base, doc Doc
	seq       uint64
	flight    Op // sent and not acknowledged, or nil
	buffer    Op // not yet sent, or nil
	history   *History
}

// Fitter is a Doc that can tell without a change whether Apply would return an error.
// A Client clones a document that is none, to have both copies change or none.
type Fitter interface{ Fits(op Op) error }

// NewClient returns a client that sends as src, with the document of the server at a
// revision, which it takes over. Src must be new, for its submissions count from 1 on.
func NewClient(typ Type, src string, doc Doc, revision uint64) *Client {
	return &Client{typ: typ, src: src, revision: revision, doc: doc, history: NewHistory(typ, 0)}
}

// Revision returns the revision of the server up to which all entries are here.
func (c *Client) Revision() uint64 { return c.revision }

// Doc returns the document with all own edits. The caller must not change it, and may
// keep a Clone.
func (c *Client) Doc() Doc { return c.doc }

// Pending reports whether there are edits that the server has not acknowledged.
func (c *Client) Pending() bool { return c.flight != nil || c.buffer != nil }

// Edit applies op to the document and has it sent with the next submission. Each edit
// can be undone by itself.
func (c *Client) Edit(op Op) error {
	if err := c.edit(op, c.history.Edited); err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	return nil
}

// EditMore is Edit, but is undone together with the edit before it.
func (c *Client) EditMore(op Op) error {
	if err := c.edit(op, c.history.EditedMore); err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	return nil
}

func (c *Client) edit(op Op, note func(inverse Op)) error {
	inverse, err := c.doc.Invert(op)
	if err != nil {
		return err
	}
	buffer := op
	if c.buffer != nil {
		if buffer, err = c.typ.Compose(c.buffer, op); err != nil {
			return err
		}
	}
	base := c.base
	if base == nil {
		base = c.doc.Clone()
	}
	if err := c.doc.Apply(op); err != nil {
		return err
	}
	c.base, c.buffer = base, buffer
	note(inverse)
	return nil
}

// Undo takes back the newest edit that was not taken back yet, whatever others have
// done since, and returns the operation that does so, which is an edit like any
// other. Without such an edit it returns nil.
func (c *Client) Undo() (Op, error) { return c.step("undo", c.history.Undo, c.history.Undone) }

// Redo does again what the newest Undo took back, unless there was an edit since.
func (c *Client) Redo() (Op, error) { return c.step("redo", c.history.Redo, c.history.Redone) }

func (c *Client) step(what string, take func() Op, note func(inverse Op)) (Op, error) {
	op := take()
	if op == nil {
		return nil, nil
	}
	if err := c.edit(op, note); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return op, nil
}

// Next returns what is to be sent now. There is nothing while a submission is in
// flight, or when there are no edits.
func (c *Client) Next() (Submission, bool) {
	if c.flight != nil || c.buffer == nil {
		return Submission{}, false
	}
	c.flight, c.buffer = c.buffer, nil
	c.seq++
	return c.Resend()
}

// Resend returns what is in flight once more, for a new connection or when an answer
// is overdue. It is for the present revision; the server knows it by its number if
// the first one has reached it.
func (c *Client) Resend() (Submission, bool) {
	return Submission{Src: c.src, Seq: c.seq, Base: c.revision, Op: c.flight}, c.flight != nil
}

// Receive takes in an entry. Entries must come in the order of their revisions; one
// that came before is ignored, and one that leaves a gap is ErrAhead: get those from
// Revision on then. It returns the operation that has changed the document, or nil.
//
// Other errors leave everything as it was. They mean that the entry cannot be brought
// together with the edits made here, as when a json1 operation conflicts with them:
// call Reset then.
func (c *Client) Receive(e Entry) (Op, error) {
	switch {
	case e.Revision < c.revision:
		return nil, nil
	case e.Revision > c.revision:
		return nil, fmt.Errorf("receive revision %d at %d: %w", e.Revision, c.revision, ErrAhead)
	case e.Src == c.src && c.flight != nil && e.Seq == c.seq:
		if c.buffer == nil {
			c.base = nil
		} else if err := c.base.Apply(e.Op); err != nil {
			return nil, fmt.Errorf("receive revision %d: %w", e.Revision, err)
		}
		c.revision++
		c.flight = nil
		return nil, nil
	}
	op, flight, buffer, err := c.over(e.Op)
	if err != nil {
		return nil, fmt.Errorf("receive revision %d: %w", e.Revision, err)
	}
	if err := c.apply(e.Op, op); err != nil {
		return nil, fmt.Errorf("receive revision %d: %w", e.Revision, err)
	}
	c.flight, c.buffer = flight, buffer
	c.revision++
	c.history.Others(op)
	return op, nil
}

// apply applies an operation of the server to base, and what it is here to doc, or
// does neither.
func (c *Client) apply(toBase, toDoc Op) error {
	base := c.base
	if base == nil {
		return c.doc.Apply(toDoc)
	}
	if f, ok := c.doc.(Fitter); !ok {
		base = base.Clone()
	} else if err := f.Fits(toDoc); err != nil {
		return err
	}
	if err := base.Apply(toBase); err != nil {
		return err
	}
	if err := c.doc.Apply(toDoc); err != nil {
		return err
	}
	c.base = base
	return nil
}

// over transforms op over what is in flight and in the buffer, and these over it.
func (c *Client) over(op Op) (out, flight, buffer Op, err error) {
	flight, buffer = c.flight, c.buffer
	for _, own := range []*Op{&flight, &buffer} {
		if *own == nil {
			continue
		}
		was := *own
		if *own, err = c.typ.Transform(was, op, Left); err != nil {
			return nil, nil, nil, err
		}
		if op, err = c.typ.Transform(op, was, Right); err != nil {
			return nil, nil, nil, err
		}
	}
	return op, flight, buffer, nil
}

// Refused takes back what is in flight, because the server has refused it, and returns
// the operation that does so, or nil when nothing is in flight. Edits made since are
// kept.
func (c *Client) Refused() (Op, error) {
	if c.flight == nil {
		return nil, nil
	}
	back, err := c.base.Invert(c.flight)
	if err != nil {
		return nil, fmt.Errorf("take back: %w", err)
	}
	buffer := c.buffer
	if buffer != nil {
		was := buffer
		if buffer, err = c.typ.Transform(was, back, Left); err == nil {
			back, err = c.typ.Transform(back, was, Right)
		}
		if err != nil {
			return nil, fmt.Errorf("take back: %w", err)
		}
	}
	if err := c.doc.Apply(back); err != nil {
		return nil, fmt.Errorf("take back: %w", err)
	}
	c.flight, c.buffer = nil, buffer
	if buffer == nil {
		c.base = nil
	}
	c.history.Others(back)
	return back, nil
}

// Reset starts over with the document of the server at a revision, which the client
// takes over. Edits that were not acknowledged are lost, and so is what could be
// undone; Src and the count of submissions stay.
func (c *Client) Reset(doc Doc, revision uint64) {
	c.base, c.doc, c.revision = nil, doc, revision
	c.flight, c.buffer = nil, nil
	c.history = NewHistory(c.typ, 0)
}

// Place returns where a position of somebody else, as of the revision of this client,
// is in its document. Nil is nowhere.
func (c *Client) Place(p Position) (Position, error) {
	for _, op := range []Op{c.flight, c.buffer} {
		if op == nil || p == nil {
			continue
		}
		var err error
		if p, err = c.typ.TransformPosition(p, op, false); err != nil {
			return nil, fmt.Errorf("place: %w", err)
		}
	}
	return p, nil
}
