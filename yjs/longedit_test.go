package yjs

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"math/bits"
	"testing"
	"unicode/utf16"
)

// longEdit is what testdata/js/local.mjs does: two clients edit a long text and a
// long array, each call a transaction of its own, and seldom hear of one another.
type longEdit struct {
	t      *testing.T
	state  uint32
	hash   hash.Hash
	docs   [2]*Doc
	out    [2][][]byte
	sent   [2]int
	cursor [2]int
}

func (x *longEdit) rnd(n int) int {
	x.state = x.state*1664525 + 1013904223
	hi, _ := bits.Mul32(x.state, uint32(n))
	return int(hi)
}

func (x *longEdit) typed(text *Text, c, at int) {
	words := [...]string{"a", "bc", "d", " the ", "é", "中文", "xyz"}
	w := words[x.rnd(len(words))]
	must(x.t, text.Insert(at, w))
	x.cursor[c] = at + len(utf16.Encode([]rune(w)))
}

func (x *longEdit) erase(text *Text, at, n int) {
	if n > 0 && at >= 0 && at+n <= text.Len() {
		must(x.t, text.Delete(at, n))
	}
}

func (x *longEdit) edit(c int) {
	text, list := x.docs[c].Text("text"), x.docs[c].Array("list")
	x.cursor[c] = min(x.cursor[c], text.Len())
	switch k := x.rnd(100); {
	case k < 45:
		x.typed(text, c, x.cursor[c])
	case k < 60:
		w := x.rnd(text.Len() + 1)
		x.typed(text, c, w)
	case k < 66:
		at := x.rnd(text.Len() + 1)
		x.erase(text, at, 1+x.rnd(8))
	case k < 80:
		if x.cursor[c] > 0 {
			x.erase(text, x.cursor[c]-1, 1)
			x.cursor[c]--
		}
	case k < 88:
		x.cursor[c] = x.rnd(text.Len() + 1)
	case k < 94:
		must(x.t, list.Insert(x.rnd(list.Len()+1), Int(k), String("x")))
	case k < 97:
		must(x.t, list.Append(Int(k)))
	case list.Len() > 2:
		at := x.rnd(list.Len() - 2)
		must(x.t, list.Delete(at, 1+x.rnd(2)))
	}
}

func (x *longEdit) deliver(c int) {
	for ; x.sent[c] < len(x.out[c]); x.sent[c]++ {
		mustApply(x.t, x.docs[1-c], x.out[c][x.sent[c]], false)
	}
}

// TestLongEditing compares the sums of all updates on the way, of the text and of
// the state with those of npm yjs. Documents as long as these use all search
// markers and the position index.
func TestLongEditing(t *testing.T) {
	for _, want := range []struct {
		seed              uint32
		steps             int
		updates, text, v1 string
	}{
		{
			1, 20000, "a0541079ec20b6e5a7c2c1009b8422a3652dc87d03fa7ac5bbd5513078c65559",
			"3c3859d3ae3921a83021c7de7bfdcbf2d2f961cd06c8f2289d86c3dd2330c109", "b983ba693cce99daa5a6ad01aea6372beaae59f26d0be8e60221984ea40aae32",
		},
		{
			2, 60000, "8454f3d0333c693fc5aece6e1d6cf1252778a745c3fd4f377ab226d490fdbd59",
			"e7e80b8f31ae845b9514c0398a602648750dc076ffc5cfd5d4ddc1dd3f90cd35", "5cefa0821200a39b083c7694c8ac4131d9a7da0bccbccaac4bb0399b2545e497",
		},
	} {
		if testing.Short() && want.steps > 20000 {
			continue
		}
		x := &longEdit{t: t, state: want.seed, hash: sha256.New()}
		for c := range x.docs {
			d := New(Options{ClientID: uint64(c + 1)})
			d.OnUpdate(func(u *Update) {
				if u.Local {
					b := u.V1()
					x.hash.Write(b)
					x.out[c] = append(x.out[c], b)
				}
			})
			x.docs[c] = d
		}
		for range want.steps {
			switch k := x.rnd(400); {
			case k < 2:
				x.deliver(k)
			case k < 300:
				x.edit(0)
			default:
				x.edit(1)
			}
		}
		x.deliver(0)
		x.deliver(1)
		for c, d := range x.docs {
			checkStore(t, d)
			for _, y := range [][3]string{
				{"updates", hex.EncodeToString(x.hash.Sum(nil)), want.updates},
				{"text", sha([]byte(d.Text("text").String())), want.text},
				{"state", sha(d.Encode(nil)), want.v1},
			} {
				if y[1] != y[2] {
					t.Errorf("seed %d, client %d, %s: sum %s, that of Yjs is %s", want.seed, c, y[0], y[1], y[2])
				}
			}
		}
	}
}
