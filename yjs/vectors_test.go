package yjs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// sessionVector is one line of the generator's output.
type sessionVector struct {
	ID      string
	Kind    string
	Roots   []string
	Clients []uint64
	Updates []struct {
		C      int
		V1, V2 []byte
	}
	Events []struct {
		T    string
		C    int
		M    string
		From int
		List []int
		U    []int
		Ops  [][]json.RawMessage
		V1   []byte
		V2   []byte
		SV   []byte
	}
	Deliveries  []int
	Checkpoints []struct {
		After   int
		SV      [][2]uint64
		SVMax   [][2]uint64
		V1, V2  []byte
		Pending bool
	}
	Final struct {
		SV, V1, V2, SnapshotV1, SnapshotV2 []byte
		Dump, JSON                         json.RawMessage
	}
	Merge struct {
		Order                 []int
		V1, V2, SVFromUpdate  []byte
		DiffAgainstCheckpoint *struct{ SV, V1, V2, DocV1 []byte }
		ConvertV1toV2         []byte
		ConvertV2toV1         []byte
	}
	RelPos []struct {
		Ix, Assoc int
		Enc       []byte
		JSON      json.RawMessage
		Abs       *int
	}
	extra     bool                                   // from a file that YJS_VECTORS names
	Canonical struct{ Delivered, DeliveredV2 *bool } // whether Yjs itself got the same bytes when shuffled
	NoGC      *struct {
		V1, V2 []byte
		Snaps  []struct {
			After  int
			V1, V2 []byte
			Dump   json.RawMessage
		}
	}
}

// dataDir is where the large data lies, or "".
func dataDir() string {
	dir := os.Getenv("STARLING_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "yjs")); err != nil {
		return ""
	}
	return dir
}

// sessionFiles are all vector files at hand: the committed ones, those of the
// data directory, own of them, and freshly generated ones named by YJS_VECTORS.
func sessionFiles(t testing.TB) (files []string, own int) {
	t.Helper()
	files, _ = filepath.Glob("testdata/*.ndjson.gz")
	if dir := dataDir(); dir != "" {
		more, _ := filepath.Glob(filepath.Join(dir, "yjs", "*", "sessions.ndjson.gz"))
		files = append(files, more...)
	}
	own = len(files)
	if v := os.Getenv("YJS_VECTORS"); v != "" {
		more, _ := filepath.Glob(v)
		files = append(files, more...)
	}
	if len(files) == 0 {
		t.Fatal("no vectors")
	}
	return files, own
}

func eachSession(t *testing.T, f func(t *testing.T, v *sessionVector)) {
	t.Helper()
	files, own := sessionFiles(t)
	for i, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReaderSize(z, 1<<20)
		n := 0
		for {
			line, err := r.ReadBytes('\n')
			if len(line) > 1 {
				var v sessionVector
				if err := json.Unmarshal(line, &v); err != nil {
					t.Fatal(err)
				}
				n++
				v.extra = i >= own
				t.Run(v.ID, func(t *testing.T) { f(t, &v) })
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: %d sessions", file, n)
	}
}

// canonical tells whether Yjs, too, comes to the same struct borders in another
// order. In rare sessions it does not, and only the contents can be compared.
func (v *sessionVector) canonical() bool {
	for _, c := range []*bool{v.Canonical.Delivered, v.Canonical.DeliveredV2} {
		if c != nil && !*c {
			return false
		}
	}
	return true
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n got %x\nwant %x", what, got, want)
	}
}

func mustApply(t testing.TB, d *Doc, update []byte, v2 bool) {
	t.Helper()
	if _, err := d.apply(update, nil, v2); err != nil {
		t.Fatalf("apply %x: %v", update, err)
	}
}

func TestVectorsInOrder(t *testing.T) {
	eachSession(t, func(t *testing.T, v *sessionVector) {
		for _, v2 := range []bool{false, true} {
			d := New(Options{})
			for _, u := range v.Updates {
				if v2 {
					mustApply(t, d, u.V2, true)
				} else {
					mustApply(t, d, u.V1, false)
				}
			}
			same(t, "v1", d.Encode(nil), v.Final.V1)
			same(t, "v2", d.EncodeV2(nil), v.Final.V2)
			same(t, "state vector", d.StateVector().Encode(), v.Final.SV)
			sameDump(t, d, v.Roots, v.Final.Dump)
			sameJSON(t, d, v)
		}
	})
}

func TestVectorsShuffled(t *testing.T) {
	pending, equal := 0, 0
	eachSession(t, func(t *testing.T, v *sessionVector) {
		for _, v2 := range []bool{false, true} {
			d := New(Options{})
			next := 0
			for n, i := range v.Deliveries {
				if v2 {
					mustApply(t, d, v.Updates[i].V2, true)
				} else {
					mustApply(t, d, v.Updates[i].V1, false)
				}
				if next < len(v.Checkpoints) && v.Checkpoints[next].After == n+1 {
					c := v.Checkpoints[next]
					next++
					want := StateVector{}
					lag := false
					for k, x := range c.SVMax {
						want[x[0]] = x[1]
						lag = lag || len(c.SV) != len(c.SVMax) || c.SV[k] != x
					}
					same(t, "state vector at checkpoint", d.StateVector().Encode(), want.Encode())
					if !c.Pending {
						same(t, "v1 at checkpoint", d.Encode(nil), c.V1)
						same(t, "v2 at checkpoint", d.EncodeV2(nil), c.V2)
					} else if !lag {
						pending++
						if bytes.Equal(d.Encode(nil), c.V1) && bytes.Equal(d.EncodeV2(nil), c.V2) {
							equal++
						}
					}
				}
			}
			if v.canonical() {
				same(t, "v1", d.Encode(nil), v.Final.V1)
				same(t, "v2", d.EncodeV2(nil), v.Final.V2)
			}
			sameDump(t, d, v.Roots, v.Final.Dump)
		}
	})
	t.Logf("encodings with pending updates: %d of %d are those of Yjs", equal, pending)
}

// sameJSON compares the document as JSON. Yjs gives a subdocument as an object of
// its own, which JSON does not have: those sessions are left out.
func sameJSON(t *testing.T, d *Doc, v *sessionVector) {
	t.Helper()
	want, err := ParseJSON(v.Final.JSON)
	if err != nil {
		t.Fatal(err)
	}
	if want.IsNull() || v.Kind == "subdoc" {
		return
	}
	for i := range want.At(0).Len() {
		pair := want.At(0).At(i)
		if got := loss(d.JSON().Field(pair.At(0).Text())); !got.Equal(pair.At(1)) {
			t.Errorf("JSON of %s: %s, want %s", pair.At(0), got, pair.At(1))
		}
	}
}

// TestWatched replays what watchers saw in sessions in which fuzzing found a fault.
func TestWatched(t *testing.T) {
	files, _ := filepath.Glob("testdata/watch-*.json")
	if len(files) == 0 {
		t.Fatal("no sessions")
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			Updates [][2][]byte
			V1, V2  []byte
		}
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		d := New(Options{})
		for _, u := range v.Updates {
			mustApply(t, d, u[0], false)
		}
		same(t, name, d.Encode(nil), v.V1)
		same(t, name+" v2", d.EncodeV2(nil), v.V2)
	}
}
