package session

import (
	"context"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

// runner runs what may take a while; weight is that of [Session.background].
type runner func(c *command, weight int16, f func(*command))

// say obeys a command that says something on a channel.
func (s *Session) say(c *command, run runner) {
	if c.Type == protocol.Publish {
		s.publish(c, run)
	} else {
		s.signal(c, run)
	}
}

func (s *Session) publish(c *command, run runner) {
	c.span = s.server.trace(s.server.ctx, "publish", c.Channel)
	v := c.verdict(auth.Publish)
	switch {
	case v == Refused:
	case v == Undecided || s.server.conf.Hooks.Publish != nil || s.server.kind(c.Channel) != nil:
		run(c, maxInFlight, s.publishAsked) // what follows comes after it
	default:
		s.store(c, c.publishing())
	}
}

// publishing returns what a publish command asks for.
func (c *command) publishing() *Publishing {
	who := c.session.Identity()
	return &Publishing{
		Session: c.session.id, Identity: who, Channel: c.Channel, Data: c.Data, Key: c.Key, Tags: c.Tags, User: user(who),
	}
}

// publishAsked is publish where somebody is to be asked first.
func (s *Session) publishAsked(c *command) {
	if !c.allowed(auth.Publish) {
		return
	}
	p := c.publishing()
	if hook := s.server.conf.Hooks.Publish; hook != nil {
		ctx, cancel := context.WithTimeout(s.server.ctx, s.server.conf.HookTimeout)
		defer cancel()
		span := s.server.trace(c.span.Within(ctx), "hook", c.Channel)
		err := hook(span.Within(ctx), p)
		span.End(orNil(err))
		if err != nil {
			c.refuse(err)
			return
		}
	}
	k := s.server.kind(c.Channel)
	if k == nil {
		s.store(c, p)
		return
	}
	ctx, cancel := context.WithTimeout(s.server.ctx, s.server.conf.HookTimeout)
	defer cancel()
	c.stored(k.Publish(c.span.Within(ctx), p))
}

// store appends a publication that means nothing but itself.
func (s *Session) store(c *command, p *Publishing) {
	s.begin(1)
	span := s.server.trace(c.span.Within(s.server.ctx), "append", p.Channel)
	s.server.conf.Log.AppendAsync(p.append(), func(done eventlog.Appended, err error) {
		span.End(err)
		s.done(1)
		c.stored(done, err)
	})
}

// stored answers a publish command.
func (c *command) stored(done eventlog.Appended, err error) {
	if err != nil {
		c.fail(err)
		return
	}
	c.span.End(nil)
	c.session.server.stats.published.Add(1)
	if c.ID != nil {
		position := protocol.EncodePosition(c.Channel, done.Last.Epoch, done.Last.Offset)
		c.reply(protocol.AppendPublishResult(nil, done.Last.Offset, position, done.Duplicate))
	}
}

// call has the application answer.
func (s *Session) call(c *command) {
	hook := s.server.conf.Hooks.Call
	if hook == nil {
		c.refuse(protocol.Errorf(protocol.NotSupported, "This server answers no calls: its application has to set the hook Call."))
		return
	}
	ctx, cancel := context.WithTimeout(s.server.ctx, s.server.conf.HookTimeout)
	defer cancel()
	data, err := hook(ctx, &Calling{Session: s.id, Identity: s.Identity(), Method: c.Method, Data: c.Data})
	if err == nil && data != nil {
		data, err = protocol.CheckData(data)
	}
	if err != nil {
		c.refuse(err)
		return
	}
	c.reply(protocol.AppendCallResult(nil, data))
}

func (s *Session) signal(c *command, run runner) {
	switch v := c.verdict(auth.Signal); {
	case v == Refused:
	case v == Undecided:
		run(c, maxInFlight, func(c *command) {
			if c.allowed(auth.Signal) {
				s.sendSignal(c)
			}
		})
	case s.server.conf.Log.Info().Remote:
		run(c, maxInFlight, s.sendSignal) // one after the other, and not here, for it may wait
	default:
		s.sendSignal(c)
	}
}

func (s *Session) sendSignal(c *command) {
	ctx, cancel := context.WithTimeout(s.server.ctx, signalTimeout)
	defer cancel()
	err := s.server.conf.Log.Signal(ctx, eventlog.Signal{
		Channel: c.Channel, User: user(s.Identity()), Data: c.Data, Key: c.Conflate, Delete: c.Delete,
	})
	if err != nil {
		c.fail(err)
		return
	}
	c.reply([]byte("{}"))
}
