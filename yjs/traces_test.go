package yjs

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// concurrentTrace is a recorded session of several authors.
type concurrentTrace struct {
	EndContent string
	NumAgents  int
	Txns       []struct {
		Parents []int
		Agent   int
		Patches [][3]json.RawMessage
	}
}

// TestConcurrentTraces replays recorded sessions: each author sees exactly what
// the parents of a transaction have seen. All come to one text; the text, the
// state and every update on the way are the bytes of npm yjs, whose sums
// testdata/js/trace.mjs gives.
func TestConcurrentTraces(t *testing.T) {
	for name, want := range map[string]struct{ text, v1, updates string }{
		"friendsforever": {
			"4720ec330c91e288c00b71cab318f7a1cdde689dfc401f269c353acfd6cb03f6",
			"289d83c364362b2fb905af2dcd9c9255c26a95846aaed722956c8070dd7919d1",
			"42131c373fffe68211ccda907d347211bd7391361d3ff5cad8b381940cb907f3",
		},
		"clownschool": {
			"d0812d3d6bfd59eab997e16187c9f1f575c65c84b4b539b033ab499c2edc79d5",
			"3ef6ad6723593ef9980331cf498a67dc73766cbb2add4f6eaaa645638598dee3",
			"9d1bb1ffaaf6919cee2ae651393ca5b4edfbbf083c5e8d4734a0d81b7919bad3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, v1, sum := replayConcurrent(t, "testdata/traces/"+name+".json.gz")
			for _, x := range [][3]string{
				{"text", sha([]byte(text)), want.text}, {"state", sha(v1), want.v1}, {"updates", sum, want.updates},
			} {
				if x[1] != x[2] {
					t.Errorf("%s: sum %s, that of Yjs is %s", x[0], x[1], x[2])
				}
			}
		})
	}
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func replayConcurrent(t *testing.T, file string) (text string, v1 []byte, sum string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var tr concurrentTrace
	if err := json.NewDecoder(z).Decode(&tr); err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	docs, log, has := make([]*Doc, tr.NumAgents), make([][][]byte, tr.NumAgents), make([][]int, tr.NumAgents)
	for a := range docs {
		docs[a] = New(Options{ClientID: uint64(a + 1)})
		has[a] = make([]int, tr.NumAgents)
		docs[a].OnUpdate(func(u *Update) {
			if u.Local {
				b := u.V1()
				hash.Write(b)
				log[a] = append(log[a], b)
			}
		})
	}
	seen := make([][]int, len(tr.Txns))
	for i, x := range tr.Txns {
		v := make([]int, tr.NumAgents)
		for _, p := range x.Parents {
			for a, n := range seen[p] {
				v[a] = max(v[a], n)
			}
		}
		d := docs[x.Agent]
		for a := range log {
			for ; a != x.Agent && has[x.Agent][a] < v[a]; has[x.Agent][a]++ {
				mustApply(t, d, log[a][has[x.Agent][a]], false)
			}
		}
		d.Transact(nil, func() {
			for _, p := range x.Patches {
				if n := num(p[1]); n > 0 {
					if err := d.Text("text").Delete(num(p[0]), n); err != nil {
						t.Fatal(err)
					}
				}
				if s := str(p[2]); s != "" {
					if err := d.Text("text").Insert(num(p[0]), s); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
		v[x.Agent] = len(log[x.Agent])
		seen[i] = v
	}
	all := converged(t, docs, log)
	return all.Text("text").String(), all.Encode(nil), hex.EncodeToString(hash.Sum(nil))
}

// converged is a document that has got all updates; each author's must agree with it.
func converged(t *testing.T, docs []*Doc, log [][][]byte) *Doc {
	t.Helper()
	all := New(Options{})
	for _, l := range log {
		for _, u := range l {
			mustApply(t, all, u, false)
		}
	}
	for a, d := range docs {
		mustApply(t, d, all.Encode(d.StateVector()), false)
		if d.Text("text").String() != all.Text("text").String() {
			t.Errorf("author %d has another text", a)
		}
	}
	checkStore(t, all)
	return all
}
