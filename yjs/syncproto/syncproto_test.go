package syncproto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/starling-rt/starling/yjs"
)

func TestVectors(t *testing.T) {
	b, err := os.ReadFile("../testdata/proto-seed1.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Frames struct {
			SyncStep1, SyncStep2ReplyFull, Update, QueryAwareness, PermissionDenied, DocV1, SV []byte
		}
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	doc, empty := yjs.New(yjs.Options{}), yjs.New(yjs.Options{})
	if _, err := doc.Apply(v.Frames.DocV1, nil); err != nil {
		t.Fatal(err)
	}
	sv, err := yjs.DecodeStateVector(v.Frames.SV)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string][2][]byte{
		"step 1": {AppendStep1(AppendFrame(nil, Sync), empty), v.Frames.SyncStep1},
		"step 2": {AppendStep2(AppendFrame(nil, Sync), doc, sv), v.Frames.SyncStep2ReplyFull},
		"update": {AppendUpdate(AppendFrame(nil, Sync), doc.Encode(nil)), v.Frames.Update},
		"query":  {AppendFrame(nil, Query), v.Frames.QueryAwareness},
		"denied": {AppendDenied(nil, "no"), v.Frames.PermissionDenied},
	} {
		if !bytes.Equal(x[0], x[1]) {
			t.Errorf("%s: got %x, want %x", name, x[0], x[1])
		}
		if _, rest, err := ReadFrame(x[1]); err != nil || len(rest) != 0 {
			t.Errorf("read %s: %v, %d bytes left", name, err, len(rest))
		}
	}
}

func TestConversation(t *testing.T) {
	a, b := yjs.New(yjs.Options{ClientID: 1}), yjs.New(yjs.Options{ClientID: 2})
	a.Text("t").Insert(0, "from a ")
	b.Text("t").Insert(0, "from b ")
	meet := func(from, to *yjs.Doc) {
		ask, rest, err := Read(AppendStep1(nil, from))
		if err != nil || len(rest) != 0 {
			t.Fatal(err, rest)
		}
		res, err := Handle(to, ask, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, _, err := Read(res.Reply)
		if err != nil {
			t.Fatal(err)
		}
		if res, err = Handle(from, answer, nil); err != nil || res.Applied.Update == nil || res.Reply != nil {
			t.Fatal(res, err)
		}
	}
	meet(a, b)
	meet(b, a)
	if x, y := a.Text("t").String(), b.Text("t").String(); x != y || len(x) != 14 {
		t.Errorf("%q and %q", x, y)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0})
	f.Add([]byte{2, 0, 2, 'n', 'o', 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		doc := yjs.New(yjs.Options{ClientID: 1})
		for len(b) > 0 {
			p, rest, err := ReadFrame(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			if p.Frame == Sync {
				Handle(doc, p.Sync, nil)
			}
			b = rest
		}
	})
}

func Example() {
	server, client := yjs.New(yjs.Options{}), yjs.New(yjs.Options{})
	server.Text("t").Insert(0, "hello")

	ask, _, _ := Read(AppendStep1(nil, client)) // the client sends, the server reads
	res, _ := Handle(server, ask, nil)
	answer, _, _ := Read(res.Reply) // the server answers, the client reads
	_, err := Handle(client, answer, nil)
	fmt.Println(client.Text("t"), err)
	// Output: hello <nil>
}
