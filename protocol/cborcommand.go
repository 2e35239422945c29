package protocol

import "strconv"

// ParseCBOR is [Parse] for a command in CBOR.
func ParseCBOR(msg []byte) (Command, *Error) {
	var c Command
	r := cborReader{buf: msg}
	if len(msg) > 0 && r.major() != cborMap {
		return c, r.malformed("no map")
	}
	_, n, err := r.head()
	if err != nil {
		return c, err
	}
	r.depth = 1
	var bad *Error // the first field that cannot be obeyed
	var name string
	var seen uint64 // the fields that came, by their numbers
	for range n {
		refused, err := r.field(&c, &name, &seen)
		if err != nil {
			return c, err
		}
		if bad == nil {
			bad = refused
		}
	}
	if err := r.end(); err != nil {
		return c, err
	}
	if bad != nil {
		return c, bad
	}
	return c, c.check(name)
}

// field reads a field with its key. It returns an error if there is no going on,
// or why the field cannot be obeyed.
func (r *cborReader) field(c *Command, name *string, seen *uint64) (refused, fatal *Error) {
	key, err := r.fieldKey()
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, r.skip()
	}
	bit := uint64(1) << fieldNumbers[key]
	if *seen&bit != 0 {
		return nil, Errorf(Malformed, "The field %q comes twice.", key)
	}
	*seen |= bit
	if r.peek() == cborUndefined { // a field that JavaScript has without a value
		return nil, r.skip()
	}
	from, depth := r.at, r.depth
	if key == "type" {
		*name, err = r.typeName()
	} else {
		err = r.value(c, key)
	}
	if err == nil || err.Code == Malformed {
		return nil, err
	}
	// The value is of the wrong kind, but it may still be CBOR.
	r.at, r.depth = from, depth
	return err, r.skip()
}

// value reads the value of a field into c.
func (r *cborReader) value(c *Command, key string) (err *Error) {
	switch key {
	case "id":
		c.ID, err = r.id()
	case "channel":
		c.Channel, err = r.text(key, MaxChannelBytes+1)
	case "data":
		c.Data, err = r.data(r.depth)
	case "key":
		c.Key, err = r.text(key, MaxKeyBytes)
	case "conflate":
		c.Conflate, err = r.text(key, MaxKeyBytes)
	case "since":
		c.Since, err = r.text(key, MaxSinceBytes)
	case "before":
		c.Before, err = r.text(key, MaxPositionBytes)
	case "method":
		c.Method, err = r.text(key, MaxKeyBytes)
	case "token":
		c.Token, err = r.text(key, MaxMessageBytes)
	case "tags":
		c.Tags, err = r.tags()
	case "filter":
		c.Filter, err = r.filter()
	case "slow":
		var policy string
		if policy, err = r.text(key, MaxKeyBytes); err == nil {
			c.Slow, err = ParseSlow(policy)
		}
	case "offset":
		c.Offset, err = r.integer(key)
	case "limit":
		var n uint64
		n, err = r.integer(key)
		c.Limit = int(min(n, MaxHistoryLimit))
	case "delete":
		c.Delete, err = r.boolean(key)
	case "newest":
		c.Newest, err = r.boolean(key)
	case "pings":
		c.Pings, err = r.boolean(key)
	default:
		err = r.skip()
	}
	return err
}

// id reads the id of a command, and returns it as JSON.
func (r *cborReader) id() ([]byte, *Error) {
	if r.peek() == cborNull {
		return nil, r.skip()
	}
	if r.major() == cborText {
		t, err := r.text("id", MaxIDBytes)
		if err != nil {
			return nil, err // not to be repeated in the answer
		}
		return AppendString(nil, t), nil
	}
	n, err := r.integer("id")
	if err != nil {
		return nil, err
	}
	return strconv.AppendUint(nil, n, 10), nil
}

// data reads data: a text with its JSON, which counts as nested within depth
// others, or bytes.
func (r *cborReader) data(depth int) ([]byte, *Error) {
	if m := r.major(); m != cborText && m != cborBytes {
		return nil, Errorf(InvalidField, `The field "data" is a text with JSON, or bytes.`)
	}
	major, n, err := r.head()
	if err != nil {
		return nil, err
	}
	if major == cborBytes {
		b := r.buf[r.at : r.at+int(n)]
		r.at += int(n)
		return BytesData(b), nil
	}
	t, err := r.textOf(n)
	if err != nil {
		return nil, err
	}
	value, err := checkJSON(t, depth)
	if err != nil {
		return nil, Errorf(InvalidField, `The text of the field "data" is not JSON. %s`, err.Message)
	}
	return append([]byte(nil), value...), nil
}

// pairs reads a map whose keys are texts, none of them twice, and calls each for
// each key; each reads the value.
func (r *cborReader) pairs(field string, each func(key string) *Error) *Error {
	_, n, err := r.head()
	if err != nil {
		return err
	}
	if err := r.enter(); err != nil {
		return err
	}
	for range n {
		key, err := r.text(field, MaxMessageBytes)
		if err != nil {
			return err
		}
		if err := each(key); err != nil {
			return err
		}
	}
	r.depth--
	return nil
}

func twice(field, key string) *Error {
	return Errorf(Malformed, "The field %q has the name %q twice.", field, clip(key))
}

func (r *cborReader) tags() (map[string]string, *Error) {
	if r.major() != cborMap {
		return nil, Errorf(InvalidField, `The field "tags" is a map of texts.`)
	}
	var tags map[string]string
	err := r.pairs("tags", func(tag string) *Error {
		if _, ok := tags[tag]; ok {
			return twice("tags", tag)
		}
		v, err := r.text("tags", MaxTagBytes)
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

func (r *cborReader) filter() (Filter, *Error) {
	if r.major() != cborMap {
		return nil, Errorf(InvalidField, `The field "filter" is a map of texts or lists of texts.`)
	}
	f := Filter{}
	err := r.pairs("filter", func(tag string) *Error {
		if _, ok := f[tag]; ok {
			return twice("filter", tag)
		}
		if len(f) == MaxFilterTags {
			return Errorf(InvalidField, "A filter names at most %d tags.", MaxFilterTags)
		}
		values, err := r.filterValues()
		f[tag] = values
		return err
	})
	return f, err
}

// filterValues reads a text, or a list of texts.
func (r *cborReader) filterValues() (values []string, err *Error) {
	n := uint64(1)
	if r.major() == cborArray {
		if _, n, err = r.head(); err != nil {
			return nil, err
		}
		if n > MaxFilterValues {
			return nil, Errorf(InvalidField, "A filter has at most %d values for a tag.", MaxFilterValues)
		}
	}
	for range n {
		v, err := r.text("filter", MaxMessageBytes)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}
