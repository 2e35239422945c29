package protocol

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 64

// scanner reads JSON (RFC 8259) strictly, from a text that is valid UTF-8. Its
// methods read one value each, with the white space before it.
type scanner struct {
	buf   []byte
	at    int
	depth int
}

// checkText returns an error unless raw is UTF-8.
func checkText(raw []byte) *Error {
	if !utf8.Valid(raw) {
		return Errorf(Malformed, "The message is not UTF-8.")
	}
	return nil
}

func (s *scanner) malformed(want string) *Error {
	return Errorf(Malformed, "The message is not JSON: %s expected at byte %d.", want, s.at)
}

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.buf) {
		switch c := s.buf[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.at == len(s.buf) {
		return false
	}
	s.at++
	return true
}

// end returns an error unless only white space is left.
func (s *scanner) end() *Error {
	if s.peek() != 0 || s.at < len(s.buf) {
		return s.malformed("the end")
	}
	return nil
}

// object reads an object, and calls field for each key; field reads the value.
func (s *scanner) object(field func(key string) *Error) *Error {
	if !s.take('{') {
		return s.malformed("an object")
	}
	if s.depth++; s.depth > MaxDepth {
		return Errorf(Malformed, "The message is nested deeper than %d.", MaxDepth)
	}
	defer func() { s.depth-- }()
	if s.take('}') {
		return nil
	}
	for {
		key, err := s.text()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.malformed("a colon")
		}
		if err := field(key); err != nil {
			return err
		}
		switch {
		case s.take(','):
		case s.take('}'):
			return nil
		default:
			return s.malformed("a comma or }")
		}
	}
}

// array reads an array, and calls item for each value; item reads it.
func (s *scanner) array(item func() *Error) *Error {
	if !s.take('[') {
		return s.malformed("an array")
	}
	if s.depth++; s.depth > MaxDepth {
		return Errorf(Malformed, "The message is nested deeper than %d.", MaxDepth)
	}
	defer func() { s.depth-- }()
	if s.take(']') {
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch {
		case s.take(','):
		case s.take(']'):
			return nil
		default:
			return s.malformed("a comma or ]")
		}
	}
}

// raw reads any value and returns its bytes.
func (s *scanner) raw() ([]byte, *Error) {
	c := s.peek()
	from := s.at
	var err *Error
	switch c {
	case '{':
		err = s.object(func(string) *Error { _, err := s.raw(); return err })
	case '[':
		err = s.array(func() *Error { _, err := s.raw(); return err })
	case '"':
		_, err = s.quoted()
	case 't':
		err = s.word("true")
	case 'f':
		err = s.word("false")
	case 'n':
		err = s.word("null")
	default:
		err = s.number()
	}
	return s.buf[from:s.at:s.at], err
}

// oneLine returns raw without line breaks, which only stand between tokens: an
// event of a stream is one line.
func oneLine(raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return raw // not reached: raw was scanned
	}
	return b.Bytes()
}

func (s *scanner) word(w string) *Error {
	if !bytes.HasPrefix(s.buf[s.at:], []byte(w)) {
		return s.malformed("a value")
	}
	s.at += len(w)
	return nil
}

func (s *scanner) number() *Error {
	from := s.at
	if s.at < len(s.buf) && s.buf[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.buf) && s.buf[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		s.at = from
		return s.malformed("a value")
	}
	if s.at < len(s.buf) && s.buf[s.at] == '.' {
		s.at++
		if !s.digits() {
			return s.malformed("a digit")
		}
	}
	if s.at < len(s.buf) && s.buf[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.buf) && (s.buf[s.at] == '+' || s.buf[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return s.malformed("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.buf) && s.buf[s.at] >= '0' && s.buf[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

// quoted reads a string and returns what stands between the quotes.
func (s *scanner) quoted() ([]byte, *Error) {
	if !s.take('"') {
		return nil, s.malformed("a text in quotes")
	}
	from := s.at
	for s.at < len(s.buf) {
		switch c := s.buf[s.at]; {
		case c == '"':
			s.at++
			return s.buf[from : s.at-1], nil
		case c < ' ':
			return nil, s.malformed("no control character")
		case c == '\\':
			if !s.escape() {
				return nil, s.malformed("an escape")
			}
		default:
			s.at++
		}
	}
	return nil, s.malformed("a closing quote")
}

// escape skips an escape sequence, and tells whether it is one.
func (s *scanner) escape() bool {
	if s.at+1 >= len(s.buf) {
		return false
	}
	switch s.buf[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return true
	case 'u':
		if s.at+6 > len(s.buf) {
			return false
		}
		if _, ok := hex4(s.buf[s.at+2:]); !ok {
			return false
		}
		s.at += 6
		return true
	}
	return false
}

// text reads a string. A lone surrogate becomes U+FFFD.
func (s *scanner) text() (string, *Error) {
	q, err := s.quoted()
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(q, '\\') < 0 {
		return string(q), nil
	}
	return string(appendUnescaped(make([]byte, 0, len(q)), q)), nil
}

// appendUnescaped appends what stands between the quotes of a string that was
// scanned.
func appendUnescaped(out, q []byte) []byte {
	for i := 0; i < len(q); {
		if q[i] != '\\' {
			out = append(out, q[i])
			i++
			continue
		}
		if q[i+1] != 'u' {
			out = append(out, unescaped[q[i+1]])
			i += 2
			continue
		}
		r, _ := hex4(q[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			low := rune(-1)
			if i+6 <= len(q) && q[i] == '\\' && q[i+1] == 'u' {
				low, _ = hex4(q[i+2:])
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 6
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func hex4(b []byte) (rune, bool) {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// textOrList reads a text, or a list of texts.
func (s *scanner) textOrList(each func(string) *Error) *Error {
	one := func() *Error {
		if s.peek() != '"' {
			return Errorf(InvalidField, "A text, or a list of texts, was expected at byte %d.", s.at)
		}
		v, err := s.text()
		if err != nil {
			return err
		}
		return each(v)
	}
	if s.peek() == '[' {
		return s.array(one)
	}
	return one()
}

// integer reads a whole number from 0 to 2⁵³−1.
func (s *scanner) integer(field string) (uint64, *Error) {
	raw, err := s.raw()
	if err != nil {
		return 0, err
	}
	n, bad := strconv.ParseUint(string(raw), 10, 53)
	if bad != nil {
		return 0, Errorf(InvalidField, "The field %q is a whole number from 0 to 2^53-1.", field)
	}
	return n, nil
}

// boolean reads true or false.
func (s *scanner) boolean(field string) (bool, *Error) {
	raw, err := s.raw()
	if err != nil {
		return false, err
	}
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, Errorf(InvalidField, "The field %q is true or false.", field)
}

const hexDigits = "0123456789abcdef"

// AppendString appends the JSON of a text.
func AppendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, text[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			dst = append(dst, text[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			from = i + 1
		}
		i++
	}
	return append(append(dst, text[from:]...), '"')
}
