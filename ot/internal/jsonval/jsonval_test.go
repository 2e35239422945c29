package jsonval

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/starling-rt/starling/ot"
)

// FuzzParse compares with encoding/json what is accepted, and reads back what is
// written.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`null`, `true`, `[1,-0,1e3,0.5,"a\u00e9\ud83d\ude00\ud83d"]`, `{"a":{"b":[]},"":0}`, `"\ud83d"`, `01`, `1.`, `[1,]`,
		`{"a"}`, `"` + "\x00" + `"`, `"\x"`, `1e400`, ` [ ] `, `nul`, "\"\xff\"", `[[[]]]`, `12345678901234567890`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ot.ErrMalformed) && !errors.Is(err, ot.ErrTooLarge) {
				t.Fatalf("error %v wraps no sentinel", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("accepted %q, which encoding/json does not", data)
		}
		text := Append(nil, v)
		back, err := Parse(text)
		if err != nil || !Equal(v, back) {
			t.Fatalf("%q written as %q reads back as %v, %v", data, text, back, err)
		}
		if strings.Contains(string(data), `\ud`) || strings.Contains(string(data), `\uD`) {
			return
		}
		var want, got any
		if json.Unmarshal(data, &want) == nil && json.Unmarshal(text, &got) == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q written as %q", data, text)
		}
	})
}

func TestNumbersAsJavaScriptWritesThem(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", -1: "-1", 0.5: "0.5", 1e21: "1e+21", 1e20: "100000000000000000000", 1e-7: "1e-7", 1.5e-10: "1.5e-10",
		123456789.125: "123456789.125", 1e-6: "0.000001", 1e300: "1e+300",
	} {
		if got := string(AppendNumber(nil, f)); got != want {
			t.Errorf("%g: got %s, want %s", f, got, want)
		}
	}
}

func TestDepthAndSizeAreLimited(t *testing.T) {
	deep := strings.Repeat("[", ot.MaxDepth+1) + strings.Repeat("]", ot.MaxDepth+1)
	long := `"` + strings.Repeat("a", ot.MaxOpSize) + `"`
	for _, c := range []struct{ name, data string }{{"deep", deep}, {"long", long}} {
		if _, err := Parse([]byte(c.data)); !errors.Is(err, ot.ErrTooLarge) {
			t.Errorf("%s: got %v, want ErrTooLarge", c.name, err)
		}
		if _, err := ParseDoc([]byte(c.data)); err != nil {
			t.Errorf("%s as a document: %v", c.name, err)
		}
	}
}

func TestContainersAgainstGo(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	l, o := ListOf(), ObjectOf(nil)
	want := map[string]any{}
	for i := range 3000 {
		k := fmt.Sprint("k", r.IntN(400))
		if r.IntN(3) == 0 {
			o = o.Without(k)
			delete(want, k)
		} else {
			o = o.With(k, float64(i))
			want[k] = float64(i)
		}
		l = l.Insert(r.IntN(l.Len()+1), float64(i))
		if l.Len() > 500 {
			l = l.Remove(r.IntN(l.Len()))
		}
		if o.Len() != len(want) {
			t.Fatalf("%d keys, want %d", o.Len(), len(want))
		}
	}
	if !Equal(o, ObjectOf(want)) {
		t.Errorf("objects differ")
	}
	old := string(Append(nil, l))
	_ = l.With(3, "x")
	if string(Append(nil, l)) != old {
		t.Errorf("With changed the old list")
	}
}
