package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/memory"
)

// scene is a Lab on a server, for a test.
type scene struct {
	t      *testing.T
	lab    *Lab
	server *starling.Server
}

// kept is an engine that outlives the servers that use it.
type kept struct{ eventlog.Engine }

// Close leaves it open.
func (kept) Close() error { return nil }

// open starts a Lab, which ends with the test unless it is closed before.
func open(t *testing.T, o Options, change ...func(*starling.Options)) *scene {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	opts := starling.Options{Logger: o.Logger}
	for _, f := range change {
		f(&opts)
	}
	l.Extend(&opts)
	server, err := starling.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	l.Start(server)
	return &scene{t, l, server}
}

func (s *scene) close() {
	s.lab.Close()
	if err := s.server.Shutdown(context.Background(), 0); err != nil {
		s.t.Error(err)
	}
}

// pass lets fake time pass, and what falls due at its end happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// ask makes a request, and returns the status and the body.
func (s *scene) ask(method, path string, body any) (int, []byte) {
	s.t.Helper()
	text, is := body.(string)
	if !is {
		raw, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		text = string(raw)
	}
	w := httptest.NewRecorder()
	s.lab.ServeHTTP(w, httptest.NewRequest(method, "/lab/api/workspaces"+path, strings.NewReader(text)))
	return w.Code, w.Body.Bytes()
}

// do is ask for what has to succeed.
func (s *scene) do(method, path string, body, into any) {
	s.t.Helper()
	status, raw := s.ask(method, path, body)
	if status > 299 {
		s.t.Fatalf("%s %s: got %d %s", method, path, status, raw)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) visit() visit {
	s.t.Helper()
	var v visit
	s.do("POST", "", "", &v)
	return v
}

func (s *scene) watch(ws, scenario string, seed uint32) watched {
	s.t.Helper()
	var out watched
	s.do("POST", "/"+ws+"/watch", map[string]any{"watcher": "w", "scenario": scenario, "seed": seed}, &out)
	return out
}

// history returns the data of all that is kept of a channel.
func (s *scene) history(channel string) (all []string) {
	s.t.Helper()
	page, err := s.server.History(s.t.Context(), channel, starling.HistoryQuery{Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range page.Publications {
		all = append(all, string(p.Data))
	}
	return all
}

// expected returns what a scenario publishes.
func expected(t *testing.T, name string, seed uint32, n int) (all []string) {
	t.Helper()
	g := scenarios()[name].make(source(name, seed))
	for i := range n {
		e, _ := g.next(i)
		raw, err := json.Marshal(e.data)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(raw))
	}
	return all
}

func TestTrafficOnlyWhileSomebodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		defer s.close()
		v := s.visit()
		name := channel(v.Workspace, "failure", 7)
		pass(time.Minute)
		if got := s.history(name); len(got) != 0 {
			t.Fatalf("there is traffic that nobody watches: %v", got)
		}
		for range 10 {
			s.watch(v.Workspace, "failure", 7)
			pass(time.Second)
		}
		watchedFor := s.history(name)
		if n := len(watchedFor); n < 80 || n > 120 {
			t.Errorf("got %d events of 10 s at 10 a second", n)
		}
		pass(time.Hour / 2)
		atRest := s.history(name)
		if n := len(atRest) - len(watchedFor); n > 70 {
			t.Errorf("%d events after the last report, which counts for 5 s", n)
		}
		s.watch(v.Workspace, "failure", 7)
		pass(2 * time.Second)
		s.do("POST", "/"+v.Workspace+"/watch", map[string]any{"watcher": "w", "scenario": "failure", "seed": 7, "stop": true}, nil)
		pass(time.Second + pulse)
		after := s.history(name)
		if len(after) <= len(atRest) {
			t.Error("it does not go on when somebody watches again")
		}
		pass(time.Minute)
		if got := s.history(name); len(got) != len(after) {
			t.Error("it goes on after it was told that nobody watches")
		}
		if diff := differ(expected(t, "failure", 7, len(after)), after); diff != "" {
			t.Errorf("pauses leave marks in the traffic:\n%s", diff)
		}
	})
}

func TestTwoWorkspacesSeeTheSameUnderOneSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		defer s.close()
		a, b := s.visit(), s.visit()
		for range 5 {
			s.watch(a.Workspace, "board", 42)
			s.watch(b.Workspace, "board", 42)
			pass(time.Second)
		}
		one, other := s.history(channel(a.Workspace, "board", 42)), s.history(channel(b.Workspace, "board", 42))
		if len(one) < teamPast {
			t.Fatalf("got %d events, want a past of %d", len(one), teamPast)
		}
		if diff := differ(one, other); diff != "" {
			t.Error(diff)
		}
	})
}

// The slots of the ticker and its tape stand still where the numbers of both agree.
func TestTickerIsSignalsAndATape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		defer s.close()
		v := s.visit()
		for range 3 {
			s.watch(v.Workspace, "ticker", 1)
			pass(time.Second)
		}
		made := s.watch(v.Workspace, "ticker", 1).Made
		if made < 8000 || made > 9100 {
			t.Errorf("got %d changes in 3 s at 3,000 a second", made)
		}
		slots, err := s.server.Log().Slots(t.Context(), channel(v.Workspace, "ticker", 1))
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, one := range slots {
			var q quote
			if err := json.Unmarshal(one.Data, &q); err != nil {
				t.Fatal(err)
			}
			total += q.Change
		}
		if len(slots) != symbols || int64(total) != made {
			t.Errorf("the slots tell of %d changes of %d symbols, want %d of %d", total, len(slots), made, symbols)
		}
		if tape := s.history(channel(v.Workspace, "tape", 1)); int64(len(tape)) != (made+tradeEvery-1)/tradeEvery {
			t.Errorf("got %d trades of %d changes", len(tape), made)
		}
	})
}

func TestTrafficGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		var o starling.Options
		l.Extend(&o)
		engine := memory.New(memory.Options{Policies: o.Namespaces.Policies()})
		defer engine.Close()
		use := func(o *starling.Options) { o.Engine = kept{engine} }
		s := open(t, Options{}, use)
		v := s.visit()
		s.watch(v.Workspace, "failure", 3)
		pass(3 * time.Second)
		s.close()
		s = open(t, Options{}, use)
		defer s.close()
		s.watch(v.Workspace, "failure", 3)
		pass(3 * time.Second)
		got := s.history(channel(v.Workspace, "failure", 3))
		if len(got) < 50 {
			t.Fatalf("got %d events", len(got))
		}
		if diff := differ(expected(t, "failure", 3, len(got)), got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWorkspaceExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Lifetime: 10 * time.Minute})
		defer s.close()
		v := s.visit()
		for range 20 { // it is in use, for longer than it lives unused
			s.watch(v.Workspace, "board", 1)
			pass(time.Minute)
		}
		name := channel(v.Workspace, "board", 1)
		if len(s.history(name)) == 0 {
			t.Fatal("there is no traffic")
		}
		pass(8 * time.Minute)
		if status, body := s.ask("POST", "/"+v.Workspace+"/token", `{"name":"Eve"}`); status != http.StatusOK {
			t.Fatalf("before it expires: got %d %s", status, body)
		}
		pass(12 * time.Minute)
		if status, body := s.ask("POST", "/"+v.Workspace+"/token", `{"name":"Eve"}`); status != http.StatusNotFound || !bytes.Contains(body, []byte(`"code":4007`)) {
			t.Errorf("after: got %d %s", status, body)
		}
		if got := s.history(name); len(got) != 0 {
			t.Errorf("its channel is still there: %v", got)
		}
		if items, err := s.server.Log().KV().List(t.Context(), recordPrefix, "", 10); err != nil || len(items) != 0 {
			t.Errorf("its record is still there: %v, %v", items, err)
		}
	})
}

// What nobody removed before the server was stopped is removed by the next.
func TestWorkspaceExpiresOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memory.New(memory.Options{})
		defer engine.Close()
		use := func(o *starling.Options) { o.Engine = kept{engine} }
		s := open(t, Options{}, use)
		v := s.visit()
		s.watch(v.Workspace, "board", 1)
		pass(time.Second)
		s.close()
		pass(2 * time.Hour)
		s = open(t, Options{}, use)
		defer s.close()
		synctest.Wait()
		if got := s.history(channel(v.Workspace, "board", 1)); len(got) != 0 {
			t.Errorf("its channel is still there: %v", got)
		}
	})
}

func TestResetRemovesAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Most: 1})
		defer s.close()
		v := s.visit()
		if status, body := s.ask("POST", "", ""); status != http.StatusTooManyRequests {
			t.Errorf("one too many: got %d %s", status, body)
		}
		s.watch(v.Workspace, "failure", 1)
		pass(time.Second)
		s.do("DELETE", "/"+v.Workspace, "", nil)
		pass(time.Minute)
		if got := s.history(channel(v.Workspace, "failure", 1)); len(got) != 0 {
			t.Errorf("its channel is still there: %v", got)
		}
		if status, _ := s.ask("POST", "/"+v.Workspace+"/watch", `{"watcher":"w","scenario":"board"}`); status != http.StatusNotFound {
			t.Errorf("got %d for a workspace that is gone", status)
		}
		s.visit()
	})
}

// What is made and removed while expired workspaces are looked for counts as well.
func TestSweepCountsWhatHappensMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooked := logtest.Hook(memory.New(memory.Options{}))
		s := open(t, Options{Most: 3}, func(o *starling.Options) { o.Engine = hooked })
		defer s.close()
		first := s.visit()
		synctest.Wait() // it has looked once, at the start
		stop := hooked.BlockAfter(logtest.CallList, recordPrefix)
		swept := make(chan error, 1)
		go func() { swept <- s.lab.sweep(t.Context()) }()
		stop.Wait()
		s.do("DELETE", "/"+first.Workspace, "", nil)
		v := s.visit()
		s.visit()
		stop.Release()
		if err := <-swept; err != nil {
			t.Fatal(err)
		}
		s.visit()
		if status, body := s.ask("POST", "", ""); status != http.StatusTooManyRequests {
			t.Errorf("one too many: got %d %s", status, body)
		}
		s.do("DELETE", "/"+v.Workspace, "", nil)
		s.visit()
	})
}

// A page that still reports while its workspace is removed does not bring it back.
func TestNobodyFindsWhatIsBeingRemoved(t *testing.T) {
	hooked := logtest.Hook(memory.New(memory.Options{}))
	s := open(t, Options{}, func(o *starling.Options) { o.Engine = hooked })
	defer s.close()
	v := s.visit()
	s.watch(v.Workspace, "failure", 1)
	report := func() {
		t.Helper()
		if status, body := s.ask("POST", "/"+v.Workspace+"/watch", `{"watcher":"w","scenario":"board"}`); status != http.StatusNotFound {
			t.Errorf("got %d %s for a workspace that is gone", status, body)
		}
	}
	var removing sync.WaitGroup
	stop := hooked.Block(logtest.CallRemove, recordPrefix+v.Workspace)
	removing.Go(func() { s.do("DELETE", "/"+v.Workspace, "", nil) })
	stop.Wait()
	report()
	if status, _ := s.ask("DELETE", "/"+v.Workspace, ""); status != http.StatusNotFound {
		t.Errorf("removed twice: got %d", status)
	}
	stop.Release()
	removing.Wait()
	report()
}

// What a workspace lives longer for, since it is used, is not taken back by who has read
// before that until when it lives.
func TestOldRecordDoesNotShortenALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooked := logtest.Hook(memory.New(memory.Options{}))
		s := open(t, Options{Lifetime: 10 * time.Minute}, func(o *starling.Options) { o.Engine = hooked })
		defer s.close()
		v := s.visit()
		pass(5 * time.Minute)
		s.lab.mu.Lock()
		delete(s.lab.spaces, v.Workspace) // as after a restart
		s.lab.mu.Unlock()
		stop := hooked.BlockAfter(logtest.CallGet, recordPrefix+v.Workspace)
		var other sync.WaitGroup
		other.Go(func() { s.do("PUT", "/"+v.Workspace+"/lines/a", `{}`, nil) })
		stop.Wait()
		s.do("POST", "/"+v.Workspace+"/token", `{"name":"Eve"}`, nil)
		stop.Release()
		other.Wait()
		pass(8 * time.Minute)
		s.do("POST", "/"+v.Workspace+"/token", `{"name":"Eve"}`, nil)
	})
}

func TestBurst(t *testing.T) {
	s := open(t, Options{})
	defer s.close()
	v := s.visit()
	s.do("POST", "/"+v.Workspace+"/burst", `{"scenario":"transports","seed":5,"count":50}`, nil)
	got := s.history(channel(v.Workspace, "transports", 5))
	if len(got) != 50 || got[49] != `{"burst":50,"of":50}` {
		t.Errorf("got %v", got)
	}
}

func TestBadRequests(t *testing.T) {
	s := open(t, Options{})
	defer s.close()
	ws := "/" + s.visit().Workspace
	for name, row := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"no workspace":   {"POST", "/AAAAAAAAAAAAAAAAAAAAAAAAAA/watch", `{}`, 404, `4007`},
		"bad workspace":  {"POST", "/a%2f..%2fb/watch", `{}`, 404, `4007`},
		"no such thing":  {"POST", ws + "/dance", `{}`, 404, `4007`},
		"no body":        {"POST", ws + "/watch", ``, 400, `4000`},
		"not JSON":       {"POST", ws + "/watch", `{`, 400, `4000`},
		"two bodies":     {"POST", ws + "/watch", `{"watcher":"w","scenario":"board"} {}`, 400, `4000`},
		"unknown field":  {"POST", ws + "/watch", `{"wacher":"w"}`, 400, `4000`},
		"large body":     {"POST", ws + "/watch", `{"watcher":"` + strings.Repeat("w", 5000) + `"}`, 413, `4005`},
		"no scenario":    {"POST", ws + "/watch", `{"watcher":"w","scenario":"x"}`, 400, `4002`},
		"no watcher":     {"POST", ws + "/watch", `{"scenario":"board"}`, 400, `4002`},
		"negative seed":  {"POST", ws + "/watch", `{"watcher":"w","scenario":"board","seed":-1}`, 400, `4000`},
		"foreign name":   {"POST", ws + "/token", `{"name":"Ada"}`, 400, `4002`},
		"burst of 1000":  {"POST", ws + "/burst", `{"scenario":"failure","count":1000}`, 400, `4002`},
		"burst of board": {"POST", ws + "/burst", `{"scenario":"board","count":1}`, 400, `4002`},
		"slow as stone":  {"PUT", ws + "/lines/a", `{"rate":1}`, 400, `4002`},
		"delay":          {"PUT", ws + "/lines/a", `{"delay":60000}`, 400, `4002`},
		"long name":      {"PUT", ws + "/lines/" + strings.Repeat("a", 33), `{}`, 400, `4002`},
		"no session":     {"POST", ws + "/disconnect", `{}`, 400, `4002`},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := s.ask(row.method, row.path, row.body); status != row.status || !bytes.Contains(body, []byte(`"code":`+row.code)) {
				t.Errorf("got %d %s, want %d with %s", status, body, row.status, row.code)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	s := open(t, Options{})
	defer s.close()
	ws := "/" + s.visit().Workspace
	for i := range maxRuns {
		s.watch(ws[1:], "board", uint32(i))
	}
	if status, body := s.ask("POST", ws+"/watch", `{"watcher":"w","scenario":"board","seed":100}`); status != http.StatusTooManyRequests {
		t.Errorf("one run too many: got %d %s", status, body)
	}
	for i := range maxWatchers - 1 {
		s.do("POST", ws+"/watch", map[string]any{"watcher": fmt.Sprint(i), "scenario": "board"}, nil)
	}
	if status, body := s.ask("POST", ws+"/watch", `{"watcher":"x","scenario":"board"}`); status != http.StatusTooManyRequests {
		t.Errorf("one watcher too many: got %d %s", status, body)
	}
	for i := range maxLines {
		s.do("PUT", fmt.Sprintf("%s/lines/l%d", ws, i), `{}`, nil)
	}
	if status, body := s.ask("PUT", ws+"/lines/x", `{}`); status != http.StatusTooManyRequests {
		t.Errorf("one line too many: got %d %s", status, body)
	}
}

func TestForeignPagesMayNot(t *testing.T) {
	s := open(t, Options{})
	defer s.close()
	r := httptest.NewRequest("POST", "/lab/api/workspaces", nil)
	r.Header.Set("Origin", "https://elsewhere.example")
	w := httptest.NewRecorder()
	s.lab.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"code":4104`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// The settings of a namespace "lab" that an operator made are left alone.
func TestExtend(t *testing.T) {
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	secrets := slices.Clip([]string{"one"})
	own := starling.Namespaces{Namespace: {MaxRecords: 5}, "chat": {MaxRecords: 6}}
	o := starling.Options{Namespaces: own}
	o.Tokens.Secrets = secrets
	l.Extend(&o)
	if o.Namespaces[Namespace].MaxRecords != 5 || o.Namespaces["chat"].MaxRecords != 6 || len(o.Tokens.Secrets) != 2 || len(own) != 2 {
		t.Errorf("got %+v", o)
	}
}
