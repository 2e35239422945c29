package lib0

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ParseJSON reads JSON as JSON.parse does. Half a surrogate pair, which UTF-8
// cannot hold, becomes U+FFFD.
func ParseJSON(text []byte) (Value, error) {
	p := jsonParser{b: text}
	v := p.value(0)
	p.space()
	if p.bad || p.i != len(text) {
		return Value{}, ErrMalformed
	}
	return v, nil
}

// ValidJSON tells whether JSON.parse would take the text.
func ValidJSON(text []byte) bool {
	switch string(text) {
	case "true", "false", "null":
		return true
	}
	_, err := ParseJSON(text)
	return err == nil
}

type jsonParser struct {
	b   []byte
	i   int
	bad bool
}

func (p *jsonParser) fail() Value {
	p.bad, p.i = true, len(p.b)
	return Value{}
}

func (p *jsonParser) space() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

func (p *jsonParser) peek() byte {
	p.space()
	if p.i < len(p.b) {
		return p.b[p.i]
	}
	return 0
}

func (p *jsonParser) literal(s string, v Value) Value {
	if len(p.b)-p.i < len(s) || string(p.b[p.i:p.i+len(s)]) != s {
		return p.fail()
	}
	p.i += len(s)
	return v
}

func (p *jsonParser) value(depth int) Value {
	if depth > maxDepth {
		return p.fail()
	}
	switch c := p.peek(); c {
	case 't':
		return p.literal("true", Bool(true))
	case 'f':
		return p.literal("false", Bool(false))
	case 'n':
		return p.literal("null", Null())
	case '"':
		return Value{kind: KindString, str: p.str()}
	case '[':
		return p.array(depth)
	case '{':
		return p.object(depth)
	default:
		return p.number()
	}
}

func (p *jsonParser) array(depth int) Value {
	p.i++
	v := Value{kind: KindArray}
	if p.peek() == ']' {
		p.i++
		return v
	}
	for !p.bad {
		v.list = append(v.list, p.value(depth+1))
		switch p.peek() {
		case ',':
			p.i++
		case ']':
			p.i++
			return v
		default:
			p.fail()
		}
	}
	return Value{}
}

func (p *jsonParser) object(depth int) Value {
	p.i++
	v := Value{kind: KindObject}
	if p.peek() == '}' {
		p.i++
		return v
	}
	for !p.bad {
		if p.peek() != '"' {
			return p.fail()
		}
		k := p.str()
		if p.peek() != ':' {
			return p.fail()
		}
		p.i++
		v.set(k, p.value(depth+1))
		switch p.peek() {
		case ',':
			p.i++
		case '}':
			p.i++
			v.sortKeys()
			return v
		default:
			p.fail()
		}
	}
	return Value{}
}

func (p *jsonParser) number() Value {
	start := p.i
	digits := func() bool {
		from := p.i
		for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
			p.i++
		}
		return p.i > from
	}
	at := func(set string) bool {
		if p.i < len(p.b) {
			for j := range len(set) {
				if p.b[p.i] == set[j] {
					p.i++
					return true
				}
			}
		}
		return false
	}
	at("-")
	if !at("0") && !digits() {
		return p.fail()
	}
	if at(".") && !digits() {
		return p.fail()
	}
	if at("eE") {
		at("+-")
		if !digits() {
			return p.fail()
		}
	}
	f, _ := strconv.ParseFloat(string(p.b[start:p.i]), 64) // out of range gives infinity, as in JavaScript
	return Number(f)
}

// str reads a string; p.b[p.i] is its opening quote.
func (p *jsonParser) str() string {
	p.i++
	start := p.i
	for p.i < len(p.b) && p.b[p.i] != '"' && p.b[p.i] != '\\' && p.b[p.i] >= 0x20 {
		p.i++
	}
	if p.i < len(p.b) && p.b[p.i] == '"' {
		p.i++
		return validString(p.b[start : p.i-1])
	}
	out := append([]byte(nil), p.b[start:min(p.i, len(p.b))]...)
	for p.i < len(p.b) {
		c := p.b[p.i]
		p.i++
		switch {
		case c == '"':
			return validString(out)
		case c < 0x20:
			p.fail()
			return ""
		case c == '\\':
			out = p.escape(out)
		default:
			out = append(out, c)
		}
	}
	p.fail()
	return ""
}

func (p *jsonParser) escape(out []byte) []byte {
	if p.i >= len(p.b) {
		p.fail()
		return out
	}
	c := p.b[p.i]
	p.i++
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		r := p.hex4()
		if utf16.IsSurrogate(r) && p.i+1 < len(p.b) && p.b[p.i] == '\\' && p.b[p.i+1] == 'u' {
			save := p.i
			p.i += 2
			if full := utf16.DecodeRune(r, p.hex4()); full != utf8.RuneError {
				return utf8.AppendRune(out, full)
			}
			p.i = save
		}
		return utf8.AppendRune(out, r) // half a pair becomes U+FFFD here
	}
	p.fail()
	return out
}

func (p *jsonParser) hex4() rune {
	if p.i+4 > len(p.b) {
		p.fail()
		return 0
	}
	n, err := strconv.ParseUint(string(p.b[p.i:p.i+4]), 16, 32)
	if err != nil || p.b[p.i] == '+' {
		p.fail()
		return 0
	}
	p.i += 4
	return rune(n)
}
