package protocol

import "strings"

// Limits of messages.
const (
	// DefaultMaxMessageBytes is the default limit of a message from a client.
	DefaultMaxMessageBytes = 64 << 10
	// MaxMessageBytes is what that limit can be raised to.
	MaxMessageBytes = 1 << 20
	// MaxIDBytes is the length of the longest id of a command.
	MaxIDBytes = 64
	// MaxKeyBytes is the length of the longest idempotency or conflation key.
	MaxKeyBytes = 128
	// MaxTags is how many tags a publication can have.
	MaxTags = 16
	// MaxTagBytes bounds the name and the value of a tag together.
	MaxTagBytes = 256
	// MaxHistoryLimit is how many publications one history command returns.
	MaxHistoryLimit = 1000
)

// Type is what a command asks for.
type Type uint8

// The commands.
const (
	Connect Type = iota + 1
	Subscribe
	Unsubscribe
	Publish
	SignalType
	History
	Ping
	Pong
	Refresh
	Call
)

var types = map[string]Type{
	"connect": Connect, "subscribe": Subscribe, "unsubscribe": Unsubscribe, "publish": Publish,
	"signal": SignalType, "history": History, "ping": Ping, "pong": Pong, "refresh": Refresh, "call": Call,
}

// String returns the command's name.
func (t Type) String() string {
	for name, u := range types {
		if t == u {
			return name
		}
	}
	return "unknown"
}

// SlowPolicy is what becomes of a subscription whose reader is slower than its
// channel.
type SlowPolicy uint8

const (
	// CatchUp reads what it missed from the log, at its own speed.
	CatchUp SlowPolicy = iota
	// Latest skips to the newest publication, and says that it did.
	Latest
	// Disconnect ends the session with the code Slow.
	Disconnect
)

var slowPolicies = map[string]SlowPolicy{"catchup": CatchUp, "latest": Latest, "disconnect": Disconnect}

// Command is a message from a client. Which fields count depends on Type; the
// others are as the client sent them, and ignored.
type Command struct {
	Type Type

	// ID is the JSON of the command's id: a whole number or a text. A command
	// without one has nil and gets no reply, unless it is refused.
	ID []byte

	Channel string

	// Of publish, signal and call: Data is JSON without line breaks, or bytes
	// (see [DataBytes]).
	Data []byte
	Key  string            // idempotency key
	Tags map[string]string // of publish

	// Of signal: the conflation key, and whether its slot is to be emptied.
	Conflate string
	Delete   bool

	// Of subscribe and history. Offset goes with Since: the offset of the last
	// publication that the client has seen since it was given that position.
	Since  string
	Offset uint64
	Filter Filter
	Slow   SlowPolicy

	// Of history: up to Limit publications after Since, or the last before
	// Before, or, with Newest, the last there are. 0 stands for the default.
	Before string
	Newest bool
	Limit  int

	// Of call: what is called.
	Method string

	// Of connect and refresh.
	Token string
	Pings bool // heartbeats are messages, which the client answers with pong
}

// Parse reads a command. If the message is one but cannot be obeyed, the command
// is returned beside the error with what was understood of it, its ID above all.
// The command does not keep msg.
func Parse(msg []byte) (Command, *Error) {
	var c Command
	if err := checkText(msg); err != nil {
		return c, err
	}
	var bad *Error // the first field that cannot be obeyed
	var name string
	s := scanner{buf: msg}
	err := s.object(func(key string) *Error {
		from := s.at
		var err *Error
		if key == "type" {
			name, err = s.textField(key, MaxKeyBytes)
		} else {
			err = s.field(&c, key)
		}
		if err == nil || err.Code == Malformed {
			return err
		}
		if bad == nil {
			bad = err
		}
		// The value is of the wrong kind, but it may still be JSON.
		s.at = from
		_, err = s.raw()
		return err
	})
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return c, err
	}
	if bad != nil {
		return c, bad
	}
	return c, c.check(name)
}

func (c *Command) check(name string) *Error {
	c.Type = types[name]
	switch c.Type {
	case 0:
		if name == "" {
			return Errorf(UnknownType, `The message has no "type".`)
		}
		return Errorf(UnknownType, "There is no command %q.", clip(name))
	case Subscribe, Unsubscribe:
		return CheckPattern(c.Channel)
	case Publish, SignalType:
		if c.Data == nil && !(c.Type == SignalType && c.Delete) {
			return Errorf(InvalidField, `The field "data" is missing.`)
		}
		if c.Delete && c.Conflate == "" {
			return Errorf(InvalidField, `A signal with "delete" needs "conflate", the key to delete.`)
		}
		return CheckChannel(c.Channel)
	case History:
		if c.Since != "" && c.Before != "" || c.Newest && c.Since+c.Before != "" {
			return Errorf(InvalidField, `A history goes from "since", or to "before", or has the "newest": one of them.`)
		}
		return CheckChannel(c.Channel)
	case Refresh:
		if c.Token == "" {
			return Errorf(InvalidField, `The field "token" is missing.`)
		}
	case Call:
		if c.Method == "" {
			return Errorf(InvalidField, `The field "method" is missing.`)
		}
	}
	return nil
}

// field reads the value of a field into c.
func (s *scanner) field(c *Command, key string) (err *Error) {
	switch key {
	case "id":
		c.ID, err = s.id()
	case "channel":
		c.Channel, err = s.textField(key, MaxChannelBytes+1)
	case "data", "data64":
		err = s.data(c, key)
	case "key":
		c.Key, err = s.textField(key, MaxKeyBytes)
	case "conflate":
		c.Conflate, err = s.textField(key, MaxKeyBytes)
	case "since":
		c.Since, err = s.textField(key, MaxSinceBytes)
	case "before":
		c.Before, err = s.textField(key, MaxPositionBytes)
	case "method":
		c.Method, err = s.textField(key, MaxKeyBytes)
	case "token":
		c.Token, err = s.textField(key, MaxMessageBytes)
	case "tags":
		c.Tags, err = s.tags()
	case "filter":
		c.Filter, err = s.filterField()
	case "slow":
		c.Slow, err = s.slow()
	case "offset":
		c.Offset, err = s.integer(key)
	case "limit":
		var n uint64
		n, err = s.integer(key)
		c.Limit = int(min(n, MaxHistoryLimit))
	case "delete":
		c.Delete, err = s.boolean(key)
	case "newest":
		c.Newest, err = s.boolean(key)
	case "pings":
		c.Pings, err = s.boolean(key)
	default:
		_, err = s.raw()
	}
	return err
}

// data reads data, as JSON or as bytes in base64.
func (s *scanner) data(c *Command, key string) *Error {
	had := c.Data
	if key == "data64" {
		text, err := s.textField(key, MaxMessageBytes)
		if err != nil {
			return err
		}
		if c.Data, err = ParseData64(text); err != nil {
			return err
		}
	} else {
		raw, err := s.raw()
		if err != nil {
			return err
		}
		c.Data = append([]byte(nil), oneLine(raw)...)
	}
	_, was := DataBytes(had)
	if had != nil && was != (key == "data64") {
		return Errorf(InvalidField, `A message has "data" or "data64", not both.`)
	}
	return nil
}

// id reads the id of a command, and returns it as JSON.
func (s *scanner) id() ([]byte, *Error) {
	switch s.peek() {
	case '"':
		t, err := s.textField("id", MaxIDBytes)
		if err != nil {
			return nil, err // not to be repeated in the answer
		}
		return AppendString(nil, t), nil
	case 'n':
		return nil, s.word("null")
	}
	from := s.at
	if _, err := s.integer("id"); err != nil {
		return nil, err
	}
	return append([]byte(nil), s.buf[from:s.at]...), nil
}

func (s *scanner) textField(field string, most int) (string, *Error) {
	if s.peek() != '"' {
		return "", Errorf(InvalidField, "The field %q is a text.", field)
	}
	t, err := s.text()
	if err == nil && len(t) > most {
		err = Errorf(InvalidField, "The field %q has at most %d bytes.", field, most)
	}
	return t, err
}

func (s *scanner) filterField() (Filter, *Error) {
	if s.peek() != '{' {
		return nil, Errorf(InvalidField, `The field "filter" is an object of texts or lists of texts.`)
	}
	return s.filter()
}

func (s *scanner) tags() (map[string]string, *Error) {
	if s.peek() != '{' {
		return nil, Errorf(InvalidField, `The field "tags" is an object of texts.`)
	}
	return s.tagObject()
}

func (s *scanner) tagObject() (map[string]string, *Error) {
	var tags map[string]string
	err := s.object(func(tag string) *Error {
		v, err := s.textField("tags", MaxTagBytes)
		if err != nil {
			return err
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[tag] = v
		return CheckTag(tag, v, len(tags))
	})
	return tags, err
}

// CheckTag returns an error unless a publication with n tags may have this one.
func CheckTag(tag, value string, n int) *Error {
	switch {
	case n > MaxTags:
		return Errorf(InvalidField, "A publication has at most %d tags.", MaxTags)
	case tag == "" || len(tag)+len(value) > MaxTagBytes:
		return Errorf(InvalidField, "A tag has a name, and with its value at most %d bytes.", MaxTagBytes)
	}
	return nil
}

func (s *scanner) slow() (SlowPolicy, *Error) {
	name, err := s.textField("slow", MaxKeyBytes)
	if err != nil {
		return 0, err
	}
	return ParseSlow(name)
}

// ParseSlow reads the name of a policy: catchup, latest or disconnect.
func ParseSlow(name string) (SlowPolicy, *Error) {
	p, ok := slowPolicies[name]
	if !ok {
		return 0, Errorf(InvalidField, `The field "slow" is "catchup", "latest" or "disconnect".`)
	}
	return p, nil
}

// clip shortens what a client sent for a message that quotes it.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
