package yjs

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

// TestCuts does what testdata/js/cuts.mjs does, and compares the sums of all updates
// on the way, of the text and of the state with those of npm yjs. The pieces of a run
// are one stretch, at whose start search markers stand, however far that is.
func TestCuts(t *testing.T) {
	for _, want := range []struct {
		seed              uint32
		steps             int
		updates, text, v1 string
	}{
		{
			1, 3000, "0a362469b87b9cf285cb899cb248dcb6bfe08bb8777143d4a88e5e573d6a874f",
			"63981bc725dff97df965847f9b4131de48ca30f3f48eb4c23fef93f4f6c1eb0d", "7b8e842111ec96f02cd8c3294755cd508fddd77ef2b77719b0047ab9e5333338",
		},
		{
			2, 20000, "a4bdf8f023b1d41984b30a245911c233d65285f60593a81ab5fac31ef2896d89",
			"73181fae56bf77edc35971339cb9eca4ed861ae65620631235c20a85195c5823", "58b962f20f1c40c1c317517233c5a82de4409332070ecae25eda1af29c6170f4",
		},
		{
			3, 8000, "d7b6c1e76dfa4adc02e9e4cec970cfc216f05e73196e80de3b63f1edfe9c3aff",
			"089aa8436d49c4eb3a5f596de62b11ec69186debb90d3f76abf3e18d4aa7e533", "5b3878dafba4a886380b390923bf35837b205e62fc0f9127ffc9affa25f66ea9",
		},
		{
			4, 15000, "49d5ac1e84a6e4cfe70302b62450fc3df7b633ec3e3a76ec6ed0d855d48f8609",
			"d9bf2ddd36be839ff38eaba3d4756e4b0b9e4143d7c68fc7ea9e20c709390988", "31486192581fb7b54b345f49ed59b08dc9ddd3c605ea312735a4f65a41cf3c9a",
		},
		{
			5, 15000, "bbd5088bf37af20c1a016f01d74a3c7c78e5113614a49e68866935d134c96f29",
			"678ddb4a111d21653a610b3d92c7d0396696c24411ace74934d9b8205d08a875", "1af9105f26698bc51bd302d7cd8bae942937dcef45395966c9c781a45bf4153d",
		},
	} {
		sum := sha256.New()
		d := New(Options{ClientID: 1})
		d.OnUpdate(func(u *Update) { sum.Write(u.V1()) })
		cut(t, d, &longEdit{state: want.seed}, want.steps)
		checkStore(t, d)
		for _, y := range [][3]string{
			{"updates", hex.EncodeToString(sum.Sum(nil)), want.updates},
			{"text", sha([]byte(d.Text("text").String())), want.text},
			{"state", sha(d.Encode(nil)), want.v1},
		} {
			if y[1] != y[2] {
				t.Errorf("seed %d, %s: sum %s, that of Yjs is %s", want.seed, y[0], y[1], y[2])
			}
		}
	}
}

func cut(t *testing.T, d *Doc, r *longEdit, steps int) {
	t.Helper()
	x, a := d.Text("text"), d.Array("list")
	must(t, x.Insert(0, strings.Repeat("aé", steps)))
	var list []Content
	for i := range 2 * steps {
		list = append(list, Int(i))
	}
	must(t, a.Insert(0, list...))
	at := 0
	for range steps {
		switch k := r.rnd(100); {
		case k < 5:
			at = r.rnd(x.Len())
		case k < 40:
			at = min(at+r.rnd(3), x.Len()-1)
			must(t, x.Delete(at, 1))
		case k < 55:
			must(t, x.Delete(r.rnd(x.Len()), 1))
		case k < 60:
			must(t, x.Insert(r.rnd(x.Len()+1), "xy"))
		case k < 62:
			must(t, x.Insert(min(at, x.Len()), "z"))
		case k < 90:
			must(t, a.Delete(r.rnd(a.Len()), 1))
		case k < 95:
			at = min(at, a.Len()-1)
			must(t, a.Delete(at, 1))
		case k < 98:
			must(t, a.Insert(r.rnd(a.Len()+1), Int(k)))
		default:
			must(t, a.Append(Int(k)))
		}
	}
}
