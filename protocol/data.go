package protocol

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// Data is JSON, or it is bytes, which mean nothing to Starling. Everything that
// carries data carries both: no JSON text begins with a zero, and so data that
// does is bytes, those after it. To the log it is all the same.
const bytesMark = 0

// BytesData returns bytes as the data of a publication, a signal or a call.
func BytesData(b []byte) []byte {
	data := make([]byte, 1+len(b))
	data[0] = bytesMark
	copy(data[1:], b)
	return data
}

// DataBytes returns the bytes that data is, and whether it is bytes and not JSON.
// They are part of data.
func DataBytes(data []byte) (b []byte, ok bool) {
	if len(data) == 0 || data[0] != bytesMark {
		return nil, false
	}
	return data[1:], true
}

// AppendData appends the field of a JSON object that carries data: "data" with the
// JSON, null if there is none, or "data64" with the base64 of the bytes.
func AppendData(dst, data []byte) []byte {
	if b, ok := DataBytes(data); ok {
		dst = append(dst, `"data64":"`...)
		return append(base64.StdEncoding.AppendEncode(dst, b), '"')
	}
	dst = append(dst, `"data":`...)
	if len(data) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, data...)
}

// ParseData64 reads the value of "data64", base64 with padding (RFC 4648, section
// 4), and returns the bytes as data.
func ParseData64(text string) ([]byte, *Error) {
	data := make([]byte, 1+base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(data[1:], []byte(text))
	if err != nil || strings.ContainsAny(text, "\r\n") { // which Decode skips
		return nil, Errorf(InvalidField, `The field "data64" is base64 with padding.`)
	}
	return data[:1+n], nil
}

// CheckData returns data as a publication carries it, JSON without line breaks, or
// an error if raw is neither JSON nor bytes.
func CheckData(raw []byte) ([]byte, *Error) {
	if _, ok := DataBytes(raw); ok {
		return raw, nil
	}
	if err := checkText(raw); err != nil {
		return nil, err
	}
	return checkJSON(raw, 0)
}

// checkJSON returns JSON without line breaks, which stands within depth others.
func checkJSON(raw []byte, depth int) ([]byte, *Error) {
	s := scanner{buf: raw, depth: depth}
	value, err := s.raw()
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return nil, err
	}
	return oneLine(value), nil
}

// DataFields are the fields of a JSON object that carry data, one of them at most,
// to be embedded where encoding/json is used.
type DataFields struct {
	Data   json.RawMessage `json:"data,omitempty"`
	Data64 *string         `json:"data64,omitempty"`
}

// FieldsOf returns the fields that carry data.
func FieldsOf(data []byte) DataFields {
	b, ok := DataBytes(data)
	if !ok {
		return DataFields{Data: data}
	}
	text := base64.StdEncoding.EncodeToString(b)
	return DataFields{Data64: &text}
}

// Take returns the data that the fields carry, nil if there is none, or why it
// cannot be.
func (f *DataFields) Take() ([]byte, *Error) {
	switch {
	case f.Data != nil && f.Data64 != nil:
		return nil, Errorf(InvalidField, `Give "data" or "data64", not both.`)
	case f.Data64 != nil:
		return ParseData64(*f.Data64)
	case f.Data == nil:
		return nil, nil
	}
	return CheckData(f.Data)
}
