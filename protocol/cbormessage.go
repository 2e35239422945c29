package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
)

// AppendCBOR appends a message or a command in CBOR, translated from its JSON. The
// messages of the server are made as JSON, by the functions of this package, and
// CBOR is made of that where somebody wants it: so nothing has to be kept for it
// where nobody does. What is not JSON becomes an empty map.
func AppendCBOR(dst, message []byte) []byte {
	start := len(dst)
	t := toCBOR{src: message, dst: dst}
	t.value(true)
	if t.peek(); t.bad || t.at < len(t.src) {
		return append(t.dst[:start], cborMap<<5)
	}
	return t.dst
}

// toCBOR translates JSON that is valid. Where it is not, bad is set, and the rest
// left unread.
type toCBOR struct {
	src   []byte
	at    int
	dst   []byte
	depth int
	bad   bool
}

func (t *toCBOR) fail() {
	t.bad, t.at = true, len(t.src)
}

// peek skips white space and returns the next byte, or 0 at the end.
func (t *toCBOR) peek() byte {
	for ; t.at < len(t.src); t.at++ {
		switch c := t.src[t.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take consumes c, which has to be next.
func (t *toCBOR) take(c byte) {
	if t.peek() != c || t.at == len(t.src) {
		t.fail()
		return
	}
	t.at++
}

// value translates any value. The names in it are those of fields if named is set.
func (t *toCBOR) value(named bool) {
	switch t.peek() {
	case '{':
		t.object(named)
	case '[':
		t.array(named)
	case '"':
		t.text()
	case 't':
		t.word("true", cborTrue)
	case 'f':
		t.word("false", cborFalse)
	case 'n':
		t.word("null", cborNull)
	default:
		t.number()
	}
}

func (t *toCBOR) word(w string, b byte) {
	if !bytes.HasPrefix(t.src[t.at:], []byte(w)) {
		t.fail()
		return
	}
	t.at += len(w)
	t.dst = append(t.dst, b)
}

// open begins what contains n values, and close ends it: how many there are is not
// known before.
func (t *toCBOR) open() (head int) {
	t.at++
	if t.depth++; t.depth > 2*MaxDepth {
		t.fail()
	}
	t.dst = append(t.dst, 0)
	return len(t.dst) - 1
}

func (t *toCBOR) close(head int, major byte, n uint64) {
	t.at++
	t.depth--
	t.dst = setHead(t.dst, head, major, n)
}

// setHead writes the head of what stands behind the byte at, which is kept free
// for it.
func setHead(dst []byte, at int, major byte, n uint64) []byte {
	var buf [9]byte
	head := appendHead(buf[:0], major, n)
	if more := len(head) - 1; more > 0 {
		dst = append(dst, head[:more]...) // makes room
		copy(dst[at+1+more:], dst[at+1:len(dst)-more])
	}
	copy(dst[at:], head)
	return dst
}

func (t *toCBOR) object(named bool) {
	head := t.open()
	n := uint64(0)
	for ; !t.bad && t.peek() != '}'; n++ {
		if n > 0 {
			t.take(',')
		}
		if t.peek() != '"' {
			t.fail()
			return
		}
		if !named {
			t.text()
			t.take(':')
			t.value(false)
			continue
		}
		key := t.quoted()
		t.take(':')
		t.field(key)
	}
	t.close(head, cborMap, n)
}

// field translates a field whose key was read.
func (t *toCBOR) field(key []byte) {
	if string(key) == "data64" {
		t.dst = appendHead(t.dst, cborUint, fieldNumbers["data"])
		t.bytes()
		return
	}
	number, ok := fieldNumbers[string(key)]
	if !ok {
		t.appendText(key)
		t.value(true)
		return
	}
	t.dst = appendHead(t.dst, cborUint, number)
	switch name := fieldNames[number]; {
	case name == "type" && t.peek() == '"':
		q := t.quoted()
		if n, ok := typeNumbers[string(q)]; ok {
			t.dst = appendHead(t.dst, cborUint, n)
		} else {
			t.appendText(q)
		}
	case name == "data":
		t.peek()
		from := t.at
		if t.skip(); t.at == from {
			t.fail()
			return
		}
		t.dst = append(appendHead(t.dst, cborText, uint64(t.at-from)), t.src[from:t.at]...)
	default:
		t.value(!isPlain(name))
	}
}

func (t *toCBOR) array(named bool) {
	head := t.open()
	n := uint64(0)
	for ; !t.bad && t.peek() != ']'; n++ {
		if n > 0 {
			t.take(',')
		}
		t.value(named)
	}
	t.close(head, cborArray, n)
}

// skip goes past a value.
func (t *toCBOR) skip() {
	for depth := 0; t.at < len(t.src); {
		switch t.src[t.at] {
		case '"':
			t.quoted()
		case '{', '[':
			depth++
			t.at++
		case '}', ']':
			if depth--; depth < 0 {
				return
			}
			t.at++
		case ',':
			if depth == 0 {
				return
			}
			t.at++
		default:
			t.at++
		}
	}
}

// quoted goes past a string and returns what stands between the quotes.
func (t *toCBOR) quoted() []byte {
	from := t.at + 1
	for i := from; i < len(t.src); i++ {
		switch t.src[i] {
		case '"':
			t.at = i + 1
			return t.src[from:i]
		case '\\':
			i++
		}
	}
	t.fail()
	return nil
}

func (t *toCBOR) text() { t.appendText(t.quoted()) }

// appendText appends a text that stands between quotes in JSON.
func (t *toCBOR) appendText(q []byte) {
	if bytes.IndexByte(q, '\\') < 0 {
		t.dst = append(appendHead(t.dst, cborText, uint64(len(q))), q...)
		return
	}
	for s := (scanner{buf: q}); s.at < len(q); {
		if q[s.at] != '\\' {
			s.at++
		} else if !s.escape() {
			t.fail()
			return
		}
	}
	head := len(t.dst)
	t.dst = appendUnescaped(append(t.dst, 0), q)
	t.dst = setHead(t.dst, head, cborText, uint64(len(t.dst)-head-1))
}

// bytes translates a text of base64 to the bytes it stands for.
func (t *toCBOR) bytes() {
	if t.peek() != '"' {
		t.fail()
		return
	}
	q := t.quoted()
	head := len(t.dst)
	var err error
	t.dst, err = base64.StdEncoding.AppendDecode(append(t.dst, 0), q)
	if err != nil {
		t.fail()
		return
	}
	t.dst = setHead(t.dst, head, cborBytes, uint64(len(t.dst)-head-1))
}

func (t *toCBOR) number() {
	s := scanner{buf: t.src, at: t.at}
	if s.number() != nil {
		t.fail()
		return
	}
	raw := t.src[t.at:s.at]
	t.at = s.at
	if n, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
		t.dst = appendHead(t.dst, cborUint, n)
		return
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n < 0 {
		t.dst = appendHead(t.dst, cborNegint, uint64(-1-n))
		return
	}
	f, _ := strconv.ParseFloat(string(raw), 64) // beyond the range it is infinite
	t.dst = binary.BigEndian.AppendUint64(append(t.dst, cborFloat64), math.Float64bits(f))
}

// AppendJSON appends a message or a command in JSON, translated from its CBOR: the
// reverse of [AppendCBOR], for clients.
func AppendJSON(dst, message []byte) ([]byte, *Error) {
	r := cborReader{buf: message}
	dst, err := r.appendJSON(dst, true)
	if err == nil {
		err = r.end()
	}
	return dst, err
}

func (r *cborReader) appendJSON(dst []byte, named bool) ([]byte, *Error) {
	first := r.peek()
	major, n, err := r.head()
	if err != nil {
		return dst, err
	}
	switch {
	case major == cborUint:
		return strconv.AppendUint(dst, n, 10), nil
	case major == cborNegint && n <= math.MaxInt64:
		return strconv.AppendInt(dst, -1-int64(n), 10), nil
	case major == cborText:
		t, err := r.textOf(n)
		return AppendString(dst, string(t)), err
	case major == cborArray, major == cborMap:
		return r.appendContainer(dst, major, n, named)
	case first == cborFalse, first == cborTrue:
		return strconv.AppendBool(dst, first == cborTrue), nil
	case first == cborNull, first == cborUndefined:
		return append(dst, "null"...), nil
	case first == cborFloat32, first == cborFloat64:
		if f := float(first, n); !math.IsInf(f, 0) && !math.IsNaN(f) {
			return strconv.AppendFloat(dst, f, 'g', -1, 64), nil
		}
	}
	return dst, r.malformed("a value that no message has")
}

func (r *cborReader) appendContainer(dst []byte, major byte, n uint64, named bool) ([]byte, *Error) {
	if err := r.enter(); err != nil {
		return dst, err
	}
	brackets := "[]"
	if major == cborMap {
		brackets = "{}"
	}
	dst = append(dst, brackets[0])
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err *Error
		switch {
		case major == cborArray:
			dst, err = r.appendJSON(dst, named)
		case named:
			dst, err = r.appendField(dst)
		default:
			dst, err = r.appendPair(dst)
		}
		if err != nil {
			return dst, err
		}
	}
	r.depth--
	return append(dst, brackets[1]), nil
}

// appendPair appends a key that is a text, and its value.
func (r *cborReader) appendPair(dst []byte) ([]byte, *Error) {
	if r.major() != cborText {
		return dst, r.malformed("a key that is not a text")
	}
	dst, err := r.appendJSON(dst, false)
	if err != nil {
		return dst, err
	}
	return r.appendJSON(append(dst, ':'), false)
}

// appendField appends a field by its name.
func (r *cborReader) appendField(dst []byte) ([]byte, *Error) {
	major, n, err := r.head()
	if err != nil {
		return dst, err
	}
	var name string
	switch major {
	case cborUint:
		if name = nameOf(fieldNames[:], n); name == "" {
			name = strconv.FormatUint(n, 10)
		}
	case cborText:
		t, err := r.textOf(n)
		if err != nil {
			return dst, err
		}
		name = string(t)
	default:
		return dst, r.malformed("a key that is neither a number nor a text")
	}
	switch {
	case name == "data":
		data, err := r.data(0)
		if err != nil {
			return dst, err
		}
		return AppendData(dst, data), nil
	case name == "type":
		t, err := r.typeName()
		if err != nil {
			return dst, err
		}
		return AppendString(append(dst, `"type":`...), t), nil
	}
	dst = append(AppendString(dst, name), ':')
	return r.appendJSON(dst, !isPlain(name))
}
