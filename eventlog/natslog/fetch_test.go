package natslog

import (
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// batchOf returns the messages of a batch: sequences, and the one that each names
// before it. The last is the end.
func batchOf(pairs ...[2]uint64) []*nats.Msg {
	var out []*nats.Msg
	for i, p := range pairs {
		h := nats.Header{headerLastSequence: {strconv.FormatUint(p[1], 10)}}
		if i < len(pairs)-1 {
			h[headerSequence] = []string{strconv.FormatUint(p[0], 10)}
		} else {
			h[headerStatus] = []string{"204"}
		}
		out = append(out, &nats.Msg{Header: h})
	}
	return out
}

func TestBatchesOfWhichSomeIsLost(t *testing.T) {
	for name, row := range map[string]struct {
		got  []*nats.Msg
		want string // sequences, and "lost" if something is
	}{
		"whole":          {batchOf([2]uint64{3, 0}, [2]uint64{7, 3}, [2]uint64{0, 7}), "3 7"},
		"empty":          {[]*nats.Msg{{Header: nats.Header{headerStatus: {"404"}}}}, ""},
		"first is lost":  {batchOf([2]uint64{7, 3}, [2]uint64{0, 7}), "lost"},
		"middle is lost": {batchOf([2]uint64{3, 0}, [2]uint64{9, 7}, [2]uint64{0, 9}), "3 lost"},
		"last is lost":   {batchOf([2]uint64{3, 0}, [2]uint64{0, 7}), "3 lost"},
		"refused":        {[]*nats.Msg{{Header: nats.Header{headerStatus: {"500"}}}}, "lost"},
	} {
		var seen []string
		_, err := chained("s", row.got, func(m *stored) bool {
			seen = append(seen, strconv.FormatUint(m.seq, 10))
			return true
		})
		if err != nil {
			seen = append(seen, "lost")
		}
		if got := strings.Join(seen, " "); got != row.want {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}
