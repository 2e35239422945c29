package faulttest

import (
	"strings"
	"testing"
	"time"
)

// good returns a history with which nothing is wrong: two publications, of which
// one was tried twice, two followers, and compare-and-appends that race.
func good() *history {
	log := []record{{1, "i1", "k1", "v1"}, {2, "i2", "", "v2"}, {5, "i5", "k5", "v5"}}
	raced := []record{{3, "j3", "", "w1"}, {4, "j4", "", "w3"}}
	seen := []sight{{offset: 1, id: "i1", value: "v1"}, {offset: 2, id: "i2", value: "v2"}, {offset: 5, id: "i5", value: "v5"}}
	return &history{
		tries: []try{
			{client: "p", channel: "c", key: "k1", value: "v1", start: 1, end: 2, outcome: unknown},
			{client: "p", channel: "c", key: "k1", value: "v1", start: 3, end: 4, outcome: stored, offset: 1, duplicate: true},
			{client: "q", channel: "c", value: "v2", start: 5, end: 6, outcome: stored, offset: 2},
			{client: "q", channel: "c", value: "v3", start: 7, end: 8, outcome: refused},
			{client: "q", channel: "c", value: "v4", start: 7, end: 8, outcome: unknown},
			{client: "p", channel: "c", key: "k5", value: "v5", start: 9, end: 10, outcome: stored, offset: 5},
		},
		followings: []following{
			{client: "s", channel: "c", sights: seen},
			{client: "t", channel: "c", sights: []sight{seen[0], {reset: true}, seen[2]}},
		},
		compares: []compare{
			{client: "x", channel: "d", value: "w1", start: 1, end: 4, expect: 0, outcome: stored, offset: 3},
			{client: "y", channel: "d", value: "w2", start: 1, end: 4, expect: 0, outcome: conflict},
			{client: "y", channel: "d", value: "w3", start: 5, end: 7, expect: 3, outcome: unknown},
			{client: "x", channel: "d", value: "w4", start: 8, end: 9, expect: 3, outcome: conflict},
		},
		logs: map[string]map[string][]record{"c": {"a": log, "b": log}, "d": {"a": raced, "b": raced}},
	}
}

// set replaces the log of a channel on all nodes.
func (h *history) set(channel string, log ...record) {
	for node := range h.logs[channel] {
		h.logs[channel][node] = log
	}
}

func TestChecker(t *testing.T) {
	if wrong := good().check(); len(wrong) > 0 {
		t.Fatalf("a good history: %q", wrong)
	}
	for _, row := range []struct {
		name  string
		spoil func(h *history)
		want  string
	}{
		{"lost", func(h *history) { h.set("c", h.logs["c"]["a"][1:]...) }, "v1 was acknowledged to p and is lost"},
		{"elsewhere", func(h *history) { h.tries[2].offset = 3 }, "acknowledged to q at 3 and stands at 2"},
		{"doubled", func(h *history) { h.set("c", append(h.logs["c"]["a"], record{6, "i6", "", "v2"})...) }, "v2 is stored twice"},
		{"id twice", func(h *history) { h.set("d", record{3, "j", "", "w1"}, record{4, "j", "", "w3"}) }, "the id j is given twice"},
		{"refused and stored", func(h *history) { h.set("c", append(h.logs["c"]["a"], record{6, "i6", "", "v3"})...) }, "v3 was refused every time and is stored"},
		{"from nowhere", func(h *history) { h.set("c", append(h.logs["c"]["a"], record{6, "i6", "", "v9"})...) }, "nobody published v9"},
		{"other key", func(h *history) { h.tries[5].key = "k6" }, `has the key "k5", not "k6"`},
		{"nodes differ", func(h *history) { h.logs["c"]["b"] = h.logs["c"]["b"][:2] }, "the logs of nodes a and b differ"},
		{"log out of order", func(h *history) { h.set("d", record{4, "j4", "", "w3"}, record{3, "j3", "", "w1"}) }, "offset 3 comes after 4"},
		{"acknowledged out of order", func(h *history) {
			h.tries[5].start, h.tries[5].end = 0, 0
		}, "stands at 1 before 5"},
		{"missed", func(h *history) {
			s := h.followings[0].sights
			h.followings[0].sights = []sight{s[0], s[2]}
		}, "s missed 1 publications before 5 and was not told"},
		{"missed the first", func(h *history) { h.followings[0].sights = h.followings[0].sights[1:] }, "s missed 1 publications before 2"},
		{"missed the last", func(h *history) { h.followings[0].sights = h.followings[0].sights[:2] }, "s did not see the last 1 publications"},
		{"missed after a reset", func(h *history) {
			s := h.followings[0].sights
			h.followings[0].sights = []sight{{reset: true}, s[0], s[2]}
		}, "s missed 1 publications before 5"},
		{"seen twice", func(h *history) {
			s := h.followings[0].sights
			h.followings[0].sights = []sight{s[0], s[1], s[1], s[2]}
		}, "s saw v2 at 2 twice"},
		{"seen again after a reset", func(h *history) {
			s := h.followings[0].sights
			h.followings[0].sights = []sight{s[0], s[1], {reset: true}, s[0], s[2]}
		}, "s saw v1 at 1 twice"},
		{"seen out of order", func(h *history) {
			s := h.followings[0].sights
			h.followings[0].sights = []sight{s[1], s[0], s[2]}
		}, "s saw v1 at 1 twice, or late"},
		{"seen what is not there", func(h *history) { h.followings[1].sights[0].value = "v7" }, "which is not in the log"},
		{"too slow", func(h *history) { h.tries[3].end = time.Minute }, "refused of v3 took"},
		{"noticed", func(h *history) { h.wrong = []string{"a node said 500"} }, "a node said 500"},

		{"both win", func(h *history) {
			h.compares[1].outcome, h.compares[1].offset = stored, 4
			h.set("d", record{3, "j3", "", "w1"}, record{4, "j4", "", "w2"})
		}, "not linearizable"},
		{"conflict with nothing", func(h *history) { h.compares[1].start, h.compares[1].end = 0, 0 }, "not linearizable"},
		{"a stale head is accepted", func(h *history) {
			h.compares[3].outcome, h.compares[3].offset = stored, 6
			h.set("d", append(h.logs["d"]["a"], record{6, "j6", "", "w4"})...)
		}, "not linearizable"},
		{"compared and lost", func(h *history) { h.set("d", h.logs["d"]["a"][1:]...) }, "w1 was acknowledged to x at 3 and is not there"},
		{"unknown, and before it was tried", func(h *history) {
			h.compares[2].start, h.compares[2].end = 8, 9
			h.compares[3].start, h.compares[3].end = 5, 6
		}, "not linearizable"},
		{"refused by comparing, and stored", func(h *history) { h.compares[2].outcome = refused }, "w3 was refused every time and is stored"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := good()
			row.spoil(h)
			if got := strings.Join(h.check(), "\n"); !strings.Contains(got, row.want) {
				t.Errorf("got %q, want %q in it", got, row.want)
			}
		})
	}
}
