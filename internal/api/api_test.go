package api

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/starling-rt/starling/protocol"
)

func FuzzPublish(f *testing.F) {
	f.Add([]byte(`{"channel":"a","data":{"x":1},"key":"k","tags":{"a":"b"}}`))
	f.Add([]byte(`{"channels":["a","b"],"data":null}`))
	f.Add([]byte("{\"channel\":\"a\",\"data\":[\n1,\r2]}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := parsePublish(body)
		if err != nil {
			if err.Code.HTTP() >= 500 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if !utf8.Valid(body) || !json.Valid(body) || !json.Valid(req.Data) || bytes.ContainsAny(req.Data, "\r\n") {
			t.Fatalf("accepted %q with the data %q", body, req.Data)
		}
		if len(req.Key) > protocol.MaxKeyBytes || len(req.Tags) > protocol.MaxTags {
			t.Fatalf("accepted %q", body)
		}
	})
}
