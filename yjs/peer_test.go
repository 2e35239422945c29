package yjs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// A peer is npm yjs behind stdio: see testdata/js/peer.mjs.
type peer struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

type peerAnswer struct {
	Error      string
	U          [][][]byte
	SV, V1, V2 []byte
	Dump       string
	Pending    bool
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed")
	}
	if _, err := os.Stat("testdata/js/node_modules/yjs"); err != nil {
		t.Skip("npm yjs is not installed: run npm ci in yjs/testdata/js")
	}
	cmd := exec.Command("node", "peer.mjs")
	cmd.Dir = "testdata/js"
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &peer{t, in, bufio.NewReaderSize(out, 1<<20), cmd}
}

func (p *peer) call(cmd string, args map[string]any) peerAnswer {
	p.t.Helper()
	args["cmd"] = cmd
	b, err := json.Marshal(args)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		p.t.Fatalf("npm yjs: %v", err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatalf("npm yjs: %v", err)
	}
	var a peerAnswer
	if err := json.Unmarshal(line, &a); err != nil {
		p.t.Fatal(err)
	}
	if a.Error != "" {
		p.t.Fatalf("npm yjs: %s %s: %s", cmd, b, a.Error)
	}
	return a
}

// A duel is a session of two clients of npm yjs (0, 1) and two of ours (2, 3).
type duel struct {
	t       *testing.T
	p       *peer
	r       *rand.Rand
	kind    string
	roots   []string
	docs    [4]*Doc
	updates [][2][]byte
	queue   [4][]int // per client, what it has not got
	made    []int    // by the edit under way
}

var duelRoots = map[string][]string{
	"text": {"text"}, "rich": {"text"}, "map": {"map"}, "array": {"array"}, "xml": {"xml"}, "nested": {"map"},
	"surrogate": {"text"}, "anyvals": {"map", "array"}, "subdoc": {"array", "map"}, "delete": {"text", "array"},
	"prepend": {"text", "array"}, "mixed": {"text", "map", "array", "xml"},
}

// TestAgainstYjs lets npm yjs and this package edit documents together at random,
// applies each one's updates on the other, and compares what all come to.
// YJS_FUZZ is how long (default: 4s); YJS_SEED is where to begin; YJS_SAVE is a
// file for what the watchers of the last session saw.
func TestAgainstYjs(t *testing.T) {
	p := startPeer(t)
	d := 4 * time.Second
	if testing.Short() {
		d = time.Second
	}
	if v := os.Getenv("YJS_FUZZ"); v != "" {
		var err error
		if d, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64N(1 << 40)
	if v := os.Getenv("YJS_SEED"); v != "" {
		fmt.Sscan(v, &seed)
	}
	kinds := make([]string, 0, len(duelRoots))
	for k := range duelRoots {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	t.Logf("seeds from %d", seed)
	sessions, updates := 0, 0
	for end := time.Now().Add(d); time.Now().Before(end); seed++ {
		x := &duel{t: t, p: p, r: rand.New(rand.NewPCG(seed, 1))}
		x.kind = kinds[x.r.IntN(len(kinds))]
		x.roots = duelRoots[x.kind]
		x.run(seed)
		sessions++
		updates += len(x.updates)
		if t.Failed() {
			t.Fatalf("seed %d, kind %s", seed, x.kind)
		}
		if sessions%500 == 0 {
			fmt.Fprintf(os.Stderr, "%d sessions, %d updates, next seed %d\n", sessions, updates, seed+1)
		}
	}
	t.Logf("%d sessions, %d updates", sessions, updates)
}

func (x *duel) run(seed uint64) {
	ids := []uint64{0, 0, 0, 0}
	for i := range ids {
		ids[i] = 1 + uint64(x.r.Uint32())
		if x.r.IntN(4) == 0 {
			ids[i] = 1<<32 + uint64(x.r.IntN(1000)) + uint64(i)*1000
		}
	}
	x.p.call("reset", map[string]any{"seed": seed, "clients": ids[:2], "roots": x.roots, "kind": x.kind})
	for i := 2; i < 4; i++ {
		d := New(Options{ClientID: ids[i], CleanFormats: i == 2})
		x.docs[i] = d
		for _, k := range x.roots {
			vectorRoot(d, k)
		}
		d.OnUpdate(func(u *Update) {
			if u.Local {
				x.made = append(x.made, len(x.updates))
				x.updates = append(x.updates, [2][]byte{u.V1(), u.V2()})
			}
		})
	}
	for range 20 + x.r.IntN(80) {
		c := x.r.IntN(4)
		if x.r.IntN(100) < 60 {
			x.edit(c)
		} else {
			x.deliverSome(c)
		}
	}
	x.settle()
	x.compare()
}

// sent queues what client c has written for the others.
func (x *duel) sent(c int) {
	for _, u := range x.made {
		for o := range x.queue {
			if o != c {
				x.queue[o] = append(x.queue[o], u)
			}
		}
	}
	x.made = nil
}

func (x *duel) answer(c int, a peerAnswer) {
	for _, u := range a.U {
		x.made = append(x.made, len(x.updates))
		x.updates = append(x.updates, [2][]byte{u[0], u[1]})
	}
	x.sent(c)
}

func (x *duel) edit(c int) {
	if c < 2 {
		x.answer(c, x.p.call("edit", map[string]any{"c": c}))
		return
	}
	d := x.docs[c]
	d.Transact(nil, func() {
		for range 1 + x.r.IntN(4) {
			x.randomOp(d)
		}
	})
	x.sent(c)
}

func (x *duel) apply(c int, u []byte, v int) {
	if c < 2 {
		x.answer(c, x.p.call("apply", map[string]any{"c": c, "u": u, "v": v}))
		return
	}
	if _, err := x.docs[c].apply(u, "net", v == 2); err != nil {
		x.t.Errorf("client %d: %v", c, err)
	}
	x.sent(c)
}

// deliverSome gives client c something from its queue: in or out of order,
// again, or several merged.
func (x *duel) deliverSome(c int) {
	q := x.queue[c]
	if len(q) == 0 {
		return
	}
	v := 1 + x.r.IntN(2)
	switch x.r.IntN(5) {
	case 0:
		x.queue[c] = q[1:]
		x.apply(c, x.updates[q[0]][v-1], v)
	case 1:
		k := x.r.IntN(len(q))
		u := q[k]
		x.queue[c] = slices.Delete(slices.Clone(q), k, k+1)
		x.apply(c, x.updates[u][v-1], v)
	case 2:
		x.apply(c, x.updates[q[x.r.IntN(len(q))]][v-1], v)
	case 3:
		n := 1 + x.r.IntN(len(q))
		x.queue[c] = q[n:]
		x.merged(c, q[:n], v)
	default:
		x.queue[c] = nil
		x.merged(c, q, v)
	}
}

func (x *duel) merged(c int, list []int, v int) {
	var us [][]byte
	for _, u := range list {
		us = append(us, x.updates[u][v-1])
	}
	x.r.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
	merge := MergeUpdates
	if v == 2 {
		merge = MergeUpdatesV2
	}
	u, err := merge(us)
	if err != nil {
		x.t.Errorf("merge: %v", err)
		return
	}
	x.apply(c, u, v)
}

// settle delivers everything, and then syncs all, as Yjs may be stuck.
func (x *duel) settle() {
	for round := range 50 {
		quiet := true
		for c := range x.queue {
			if q := x.queue[c]; len(q) > 0 {
				quiet = false
				x.queue[c] = nil
				x.merged(c, q, 1+x.r.IntN(2))
			}
		}
		if quiet {
			if round > 0 && x.level() {
				return
			}
		}
	}
	x.t.Error("no quiescence")
}

// level brings every client to the state of all, through client 3, and tells
// whether nobody answered with new updates.
func (x *duel) level() bool {
	d := x.docs[3]
	for c := range 2 {
		a := x.p.call("sync", map[string]any{"c": c, "sv": d.StateVector().Encode()})
		x.apply(3, a.V1, 1)
		st := x.p.call("state", map[string]any{"c": c})
		sv, err := DecodeStateVector(st.SV)
		if err != nil {
			x.t.Error(err)
		}
		x.apply(c, d.Encode(sv), 1)
	}
	x.apply(2, d.Encode(x.docs[2].StateVector()), 1)
	for c := range x.queue {
		if len(x.queue[c]) > 0 {
			return false
		}
	}
	return true
}

func (x *duel) compare() {
	t := x.t
	want := dumpDoc(x.docs[3], x.roots, present)
	sv := x.docs[3].StateVector().Encode()
	checkDump := func(who string, s []byte, dump Value) {
		if !bytes.Equal(s, sv) {
			t.Errorf("state vector of %s: %x, ours %x", who, s, sv)
		}
		if !dump.Equal(want) {
			t.Errorf("contents of %s: %s\nours %s", who, dump, want)
		}
	}
	for c := range 2 {
		a := x.p.call("state", map[string]any{"c": c})
		dump, _ := ParseJSON([]byte(a.Dump))
		checkDump(fmt.Sprintf("yjs %d", c), a.SV, dump)
	}
	checkDump("go 2", x.docs[2].StateVector().Encode(), dumpDoc(x.docs[2], x.roots, present))
	for i := 2; i < 4; i++ {
		checkStore(t, x.docs[i])
		if !x.docs[i].pend.Empty() {
			t.Errorf("go %d: something is still pending", i)
		}
	}
	// Watchers that got the updates in the order in which they were made.
	w1, w2 := New(Options{}), New(Options{})
	for _, u := range x.updates {
		if _, err := w1.Apply(u[0], nil); err != nil {
			t.Errorf("apply: %v", err)
		}
		if _, err := w2.ApplyV2(u[1], nil); err != nil {
			t.Errorf("apply v2: %v", err)
		}
		x.p.call("apply", map[string]any{"c": -1, "u": u[0], "v": 1})
	}
	a := x.p.call("state", map[string]any{"c": -1})
	if f := os.Getenv("YJS_SAVE"); f != "" {
		b, err := json.Marshal(map[string]any{"updates": x.updates, "v1": a.V1, "v2": a.V2})
		if err == nil {
			err = os.WriteFile(f, b, 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if a.Pending {
		return // stuck
	}
	for k, w := range []*Doc{w1, w2} {
		same(t, fmt.Sprintf("watcher %d v1", k), w.Encode(nil), a.V1)
		same(t, fmt.Sprintf("watcher %d v2", k), w.EncodeV2(nil), a.V2)
		dump, _ := ParseJSON([]byte(a.Dump))
		if got := dumpDoc(w, x.roots, present); !got.Equal(dump) {
			t.Errorf("watcher %d: %s\n yjs %s", k, got, dump)
		}
	}
}
