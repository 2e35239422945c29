package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/client"
	"github.com/starling-rt/starling/internal/natstest"
)

const channel = "kill"

// scratch is where the binary is built.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "starling-test"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch) // it is a temporary directory
	os.Exit(code)
}

// build builds the binary, once.
var build = sync.OnceValues(func() (string, error) {
	out := filepath.Join(scratch, "starling")
	if msg, err := exec.Command("go", "build", "-o", out, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, msg)
	}
	return out, nil
})

// process is a server that can be killed and started again.
type process struct {
	t              *testing.T
	bin, dir, addr string
	args           []string // more of them
	cmd            *exec.Cmd
	stderr         bytes.Buffer
}

func newProcess(t *testing.T) *process {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	addr, err := natstest.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return &process{t: t, bin: bin, dir: filepath.Join(t.TempDir(), "data"), addr: addr}
}

func (p *process) url() string { return "http://" + p.addr }

// start starts it and waits until it is ready.
func (p *process) start() {
	p.t.Helper()
	p.stderr.Reset()
	p.cmd = exec.Command(p.bin, append([]string{
		"serve", "--dev", "--listen", p.addr, "--data", p.dir, "--log-format", "json",
		"--limit-rate=-1", "--limit-address-rate=-1",
	}, p.args...)...)
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := http.Get(p.url() + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			p.kill()
			p.t.Fatalf("it does not become ready: %v\n%s", err, p.stderr.String())
		}
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	_ = p.cmd.Wait()         // it was killed
}

// ledger is what the publishers know.
type ledger struct {
	mu           sync.Mutex
	acknowledged map[string]uint64 // key → offset
	wrong        []string
	more         chan struct{} // gets a value when something was acknowledged
}

func (l *ledger) add(key string, offset uint64) {
	l.mu.Lock()
	if before, ok := l.acknowledged[key]; ok && before != offset {
		l.wrong = append(l.wrong, fmt.Sprintf("%s was acknowledged at %d and at %d", key, before, offset))
	}
	l.acknowledged[key] = offset
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// publisher publishes numbered data, each with its key until it is acknowledged,
// until it is told to stop; what it has begun it finishes, so that nothing is
// stored after it has ended.
type publisher struct {
	name   string
	server string
	ledger *ledger
}

func (p *publisher) run(ctx context.Context, stop <-chan struct{}, once func(ctx context.Context, key string) (uint64, error)) {
	for i := 0; ctx.Err() == nil; i++ {
		select {
		case <-stop:
			return
		default:
		}
		key := p.name + "-" + strconv.Itoa(i)
		for ctx.Err() == nil {
			offset, err := once(ctx, key)
			if err == nil {
				p.ledger.add(key, offset)
				break
			}
			pause(ctx, 10*time.Millisecond)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (p *publisher) overHTTP(ctx context.Context, stop <-chan struct{}) {
	h := &client.HTTP{URL: p.server}
	p.run(ctx, stop, func(ctx context.Context, key string) (uint64, error) {
		raw, err := h.Publish(ctx, channel, json.RawMessage(strconv.Quote(key)), key)
		if err != nil {
			return 0, err
		}
		var r struct{ Offset uint64 }
		return r.Offset, json.Unmarshal(raw, &r)
	})
}

func (p *publisher) overWebSocket(ctx context.Context, stop <-chan struct{}) {
	var conn *client.Conn
	drop := func() {
		if conn != nil {
			conn.Close()
			conn = nil
		}
	}
	defer drop()
	p.run(ctx, stop, func(ctx context.Context, key string) (offset uint64, err error) {
		if conn == nil {
			if conn, err = client.Dial(ctx, p.server); err != nil {
				conn = nil
				return 0, err
			}
		}
		defer func() {
			if err != nil {
				drop()
			}
		}()
		opened := conn
		defer context.AfterFunc(ctx, func() { opened.Close() })()
		if err := conn.Write(fmt.Appendf(nil, `{"type":"publish","id":1,"channel":%q,"data":%q,"key":%q}`, channel, key, key)); err != nil {
			return 0, err
		}
		raw, err := conn.Read()
		if err != nil {
			return 0, err
		}
		var m struct {
			Result *struct{ Offset uint64 }
			Error  *client.Error
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return 0, err
		}
		if m.Result == nil {
			return 0, fmt.Errorf("refused: %s", raw)
		}
		return m.Result.Offset, nil
	})
}

// publication is what a follower sees.
type publication struct {
	Offset uint64
	Key    string
}

// follower follows the channel over one transport, from its position, whatever
// happens to the server.
type follower struct {
	name, server string

	fresh chan struct{} // gets a value when something was seen

	mu   sync.Mutex // guards seen
	seen []publication

	// Owned by run.
	since  string
	offset uint64
	resets int
}

func (f *follower) see(p publication) {
	f.mu.Lock()
	f.seen = append(f.seen, p)
	f.mu.Unlock()
	f.offset = p.Offset
	select {
	case f.fresh <- struct{}{}:
	default:
	}
}

func (f *follower) run(ctx context.Context, follow func(context.Context) error) {
	for ctx.Err() == nil {
		_ = follow(ctx) // it breaks again and again
		pause(ctx, 10*time.Millisecond)
	}
}

func (f *follower) overWebSocket(ctx context.Context) error {
	conn, err := client.Dial(ctx, f.server)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.Write(fmt.Appendf(nil, `{"type":"subscribe","id":1,"channel":%q,"since":%q,"offset":%d}`, channel, f.since, f.offset)); err != nil {
		return err
	}
	for {
		raw, err := conn.Read()
		if err != nil {
			return err
		}
		var m struct {
			Type   string
			Result *struct {
				Position  string
				Recovered bool
			}
			Position string
			publication
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		switch {
		case m.Type == "publication":
			f.see(m.publication)
		case m.Type == "reset" || m.Result != nil && f.since != "" && !m.Result.Recovered:
			f.resets++
		}
		if m.Result != nil {
			f.since, f.offset = m.Result.Position, 0
		}
	}
}

func (f *follower) overSSE(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server+"/sse?channel="+channel, nil)
	if err != nil {
		return err
	}
	if f.since != "" {
		req.Header.Set("Last-Event-ID", f.since)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	var id, event, data string
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if id != "" {
				f.since = id
			}
			var p publication
			switch {
			case event == "" && data != "":
				if err := json.Unmarshal([]byte(data), &p); err != nil {
					return err
				}
				f.see(p)
			case event == "reset":
				f.resets++
			}
			id, event, data = "", "", ""
		}
	}
	return lines.Err()
}

func (f *follower) overPolling(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server+"/poll?channel="+channel+"&wait=5s&since="+url.QueryEscape(f.since), nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		var m struct {
			Position     string
			Publications []publication
			Reset        []string
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		f.resets += len(m.Reset)
		f.since = m.Position
		for _, p := range m.Publications {
			f.see(p)
		}
	}
}

// The binary is killed in a loop while publishers and followers go on: nothing
// that was acknowledged is missing or stored twice, and every follower has seen
// everything once and in order.
func TestKill(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	if n, err := strconv.Atoi(os.Getenv("STARLING_SOAK")); err == nil {
		rounds = n
	}
	p := newProcess(t)
	p.start()
	defer func() { p.kill() }()
	l := &ledger{acknowledged: map[string]uint64{}, more: make(chan struct{}, 1)}
	var publishing, following sync.WaitGroup
	followCtx, stopFollowing := context.WithCancel(t.Context())
	defer func() { stopFollowing(); following.Wait() }()
	followers := []*follower{{name: "WebSocket"}, {name: "SSE"}, {name: "polling"}}
	for i, f := range followers {
		f.server, f.fresh = p.url(), make(chan struct{}, 1)
		// Each begins before the first publication, with a position.
		page, err := (&client.HTTP{URL: p.url()}).History(t.Context(), channel, "", 1)
		if err != nil {
			t.Fatal(err)
		}
		f.since = page.Position
		follow := []func(context.Context) error{f.overWebSocket, f.overSSE, f.overPolling}[i]
		following.Go(func() { f.run(followCtx, follow) })
	}
	publishCtx, giveUp := context.WithCancel(t.Context())
	defer func() { giveUp(); publishing.Wait() }()
	stop := make(chan struct{})
	for i := range 8 {
		pub := &publisher{name: "p" + strconv.Itoa(i), server: p.url(), ledger: l}
		publish := pub.overHTTP
		if i%2 == 0 {
			publish = pub.overWebSocket
		}
		publishing.Go(func() { publish(publishCtx, stop) })
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		for range 20 + random.IntN(200) { // acknowledgments
			select {
			case <-l.more:
			case <-time.After(time.Minute):
				t.Fatalf("nothing is acknowledged any more:\n%s", p.stderr.String())
			}
		}
		p.kill()
		p.start()
	}
	close(stop)
	publishing.Wait()
	stored := history(t, p)
	judge(t, l, stored)
	for _, f := range followers {
		f.catchUp(t, stored)
	}
	stopFollowing()
	following.Wait()
	for _, f := range followers {
		f.judge(t, stored)
	}
	t.Logf("%d publications, %d acknowledged, %d kills", len(stored), len(l.acknowledged), rounds)
}

// history returns all that is stored.
func history(t *testing.T, p *process) (all []publication) {
	t.Helper()
	h := &client.HTTP{URL: p.url()}
	for since := ""; ; {
		page, err := h.History(t.Context(), channel, since, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if !page.Complete {
			t.Error("the history has a gap")
		}
		for _, raw := range page.Publications {
			var one publication
			if err := json.Unmarshal(raw, &one); err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
		since = page.Position
		if !page.More {
			return all
		}
	}
}

// judge compares what is stored with what was acknowledged.
func judge(t *testing.T, l *ledger, stored []publication) {
	t.Helper()
	at := map[string]uint64{}
	last := uint64(0)
	for _, one := range stored {
		if before, ok := at[one.Key]; ok {
			t.Errorf("%s is stored at %d and at %d", one.Key, before, one.Offset)
		}
		if one.Offset <= last {
			t.Errorf("%d comes after %d", one.Offset, last)
		}
		at[one.Key], last = one.Offset, one.Offset
	}
	for key, offset := range l.acknowledged {
		if at[key] != offset {
			t.Errorf("%s was acknowledged at %d and is at %d", key, offset, at[key])
		}
	}
	for _, w := range l.wrong {
		t.Error(w)
	}
}

// catchUp waits until the follower has seen the last that is stored.
func (f *follower) catchUp(t *testing.T, stored []publication) {
	t.Helper()
	end := stored[len(stored)-1].Offset
	deadline := time.After(time.Minute)
	for reached := false; !reached; {
		f.mu.Lock()
		reached = len(f.seen) > 0 && f.seen[len(f.seen)-1].Offset >= end
		f.mu.Unlock()
		if reached {
			break
		}
		select {
		case <-f.fresh:
		case <-deadline:
			t.Errorf("%s: does not come to the end", f.name)
			reached = true
		}
	}
}

// judge compares what the follower has seen with what is stored.
func (f *follower) judge(t *testing.T, stored []publication) {
	t.Helper()
	if f.resets > 0 {
		t.Errorf("%s: was told of %d gaps, where nothing was removed", f.name, f.resets)
	}
	for i := range max(len(stored), len(f.seen)) {
		switch {
		case i >= len(f.seen):
			t.Errorf("%s: saw %d of %d; %+v is missing", f.name, len(f.seen), len(stored), stored[i])
		case i >= len(stored):
			t.Errorf("%s: saw %d where %d are stored; %+v is too much", f.name, len(f.seen), len(stored), f.seen[i])
		case f.seen[i] != stored[i]:
			t.Errorf("%s: saw %+v where %+v is stored", f.name, f.seen[i], stored[i])
		default:
			continue
		}
		return
	}
}

// SIGTERM sends the clients away, and ends the process with the code 0; so does
// SIGINT.
func TestTerminate(t *testing.T) {
	p := newProcess(t)
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p.start()
		conn, err := client.Dial(t.Context(), p.url())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write([]byte(`{"type":"publish","id":1,"channel":"c","data":1}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		raw, err := conn.Read()
		if err != nil || !strings.Contains(string(raw), `"type":"drain"`) {
			t.Errorf("%v: told %s, %v", sig, raw, err)
		}
		if _, err = conn.Read(); !errors.Is(err, client.ErrClosed) || !strings.Contains(err.Error(), "4302") {
			t.Errorf("%v: closed with %v", sig, err)
		}
		conn.Close()
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%v: %v\n%s", sig, err, p.stderr.String())
		}
	}
}
