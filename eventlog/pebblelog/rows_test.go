package pebblelog

import (
	"bytes"
	"maps"
	"testing"

	"github.com/starling-rt/starling/eventlog"
)

func TestRows(t *testing.T) {
	r := eventlog.Record{
		Offset: 7, ID: "id", Key: "k\x00", User: "ü", Time: -5,
		Tags: map[string]string{"": "", "a": "b"}, Data: []byte("data"),
	}
	got, err := decodeRecord(appendRecord(nil, &r), 7)
	if err != nil || got.ID != r.ID || got.Key != r.Key || got.User != r.User || got.Time != r.Time ||
		!maps.Equal(got.Tags, r.Tags) || !bytes.Equal(got.Data, r.Data) || got.Offset != r.Offset {
		t.Errorf("record: got %+v, %v, want %+v", got, err, r)
	}
	m := meta{generation: 1, born: 2, last: 3, trimmed: 4, count: 5, bytes: 6, oldest: 7, emptied: 8}
	if got, err := decodeMeta(appendMeta(nil, &m)); err != nil || got != m {
		t.Errorf("channel: got %+v, %v, want %+v", got, err, m)
	}
	k := remembered{hash: 1 << 63, first: 1, last: 2, expires: 3}
	if got, err := decodeRemembered(appendRemembered(nil, &k)); err != nil || got != k {
		t.Errorf("key: got %+v, %v, want %+v", got, err, k)
	}
	s := store{version: formatVersion, clean: true, epoch: 1, unsyncedEpoch: 2, generation: 3, forgotten: 4}
	if got, err := decodeStore(encodeStore(&s)); err != nil || got != s {
		t.Errorf("store: got %+v, %v, want %+v", got, err, s)
	}
	it := item{revision: 1, expires: 2, value: []byte("v")}
	if got, err := decodeItem(encodeItem(&it)); err != nil || got.revision != 1 || got.expires != 2 || string(got.value) != "v" {
		t.Errorf("key-value: got %+v, %v, want %+v", got, err, it)
	}
}

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "a\xff": "b", "a\xff\xff": "b", "ab": "ac", "\xff": ""} {
		if got := prefixEnd([]byte(prefix)); string(got) != want {
			t.Errorf("end of %q: got %q, want %q", prefix, got, want)
		}
	}
}

func TestEpochs(t *testing.T) {
	seen := map[uint32]bool{}
	for g := range uint32(1000) {
		e := epochOf(0xffff_0000, g)
		if e == 0 || seen[e] {
			t.Fatalf("generation %d: got %d again, or 0", g, e)
		}
		seen[e] = true
	}
}

// Whatever a row holds, decoding it neither panics nor takes more than it has.
func FuzzDecode(f *testing.F) {
	r := eventlog.Record{ID: "id", Tags: map[string]string{"a": "b"}, Data: []byte("data")}
	f.Add(appendRecord(nil, &r))
	f.Add(appendMeta(nil, &meta{last: 1 << 60}))
	f.Add(appendRemembered(nil, &remembered{hash: 1, last: 2}))
	f.Add(encodeStore(&store{version: 1, epoch: 5}))
	f.Add(encodeItem(&item{revision: 3, value: []byte("v")}))
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, row []byte) {
		if rec, err := decodeRecord(row, 1); err == nil {
			_, n, err := recordStat(row)
			if err != nil || n != len(rec.Data) {
				t.Errorf("stat: got %d, %v, want %d", n, err, len(rec.Data))
			}
			again, err := decodeRecord(appendRecord(nil, &rec), 1)
			if err != nil || again.ID != rec.ID || !maps.Equal(again.Tags, rec.Tags) || !bytes.Equal(again.Data, rec.Data) {
				t.Errorf("again: got %+v, %v, want %+v", again, err, rec)
			}
		}
		if m, err := decodeMeta(row); err == nil {
			if again, err := decodeMeta(appendMeta(nil, &m)); err != nil || again != m {
				t.Errorf("again: got %+v, %v, want %+v", again, err, m)
			}
		}
		_, _ = decodeRemembered(row)
		_, _ = decodeStore(row)
		_, _ = decodeItem(row)
	})
}
