package lab

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/internal/client"
)

// counter is a TCP proxy that counts, to check what the Lab's meter says.
type counter struct {
	url      string
	up, down atomic.Int64
}

func count(t *testing.T, target string) *counter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{url: "http://" + l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(target, "http://"))
			if err != nil {
				in.Close()
				continue
			}
			pass := func(to, from net.Conn, n *atomic.Int64) {
				buf := make([]byte, 4096)
				for {
					k, err := from.Read(buf)
					n.Add(int64(k))
					if k > 0 {
						_, _ = to.Write(buf[:k]) // an end shows in the read
					}
					if err != nil {
						to.Close()
						return
					}
				}
			}
			wg.Go(func() { pass(out, in, &c.up) })
			wg.Go(func() { pass(in, out, &c.down) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return c
}

// online is a scene with a web server, and a counter before it.
func online(t *testing.T, change ...func(*starling.Options)) (s *scene, c *counter, base string, v visit) {
	t.Helper()
	s = open(t, Options{}, change...)
	web := httptest.NewServer(s.lab)
	t.Cleanup(func() {
		s.close()
		web.Close()
	})
	c = count(t, web.URL)
	v = s.visit()
	return s, c, c.url + "/lab/link/" + v.Workspace + "/test", v
}

// meter returns what the Lab has counted.
func (s *scene) meter(ws string) meter {
	s.t.Helper()
	var out watched
	s.do("POST", "/"+ws+"/watch", `{"watcher":"meter","scenario":"board","stop":true}`, &out)
	return out.Lines["test"]
}

func (s *scene) faults(ws, text string) {
	s.t.Helper()
	s.do("PUT", "/"+ws+"/lines/test", text, nil)
}

// until waits for something to become true.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !f() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// agree waits until the meter says what the counter has seen.
func (s *scene) agree(ws string, c *counter) {
	s.t.Helper()
	var m meter
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	for {
		if m = s.meter(ws); m.Up == c.up.Load() && m.Down == c.down.Load() {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("the meter says %d up and %d down, it were %d and %d", m.Up, m.Down, c.up.Load(), c.down.Load())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *scene) publish(channel, text string) {
	s.t.Helper()
	if _, err := s.server.Publish(s.t.Context(), channel, text, starling.Publication{}); err != nil {
		s.t.Fatal(err)
	}
}

// get makes a request on a connection of its own.
func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return (&http.Client{Transport: tr}).Do(r)
}

// What the meter says is what went over the wire, byte for byte, on each transport.
func TestMeterCountsBytes(t *testing.T) {
	s, c, base, v := online(t)
	name := channel(v.Workspace, "transports", 1)
	t.Run("WebSocket", func(t *testing.T) {
		conn, err := client.Dial(t.Context(), base)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		hear := func(part string) {
			t.Helper()
			for {
				raw, err := conn.Read()
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(raw), part) {
					return
				}
			}
		}
		for _, say := range []string{`{"type":"connect","id":1,"token":"` + v.Token + `"}`, `{"type":"subscribe","id":2,"channel":"` + name + `"}`} {
			if err := conn.Write([]byte(say)); err != nil {
				t.Fatal(err)
			}
		}
		hear(`"recovered"`)
		s.publish(name, "hello")
		hear(`"hello"`)
		s.agree(v.Workspace, c)
	})
	t.Run("event stream", func(t *testing.T) {
		resp, err := get(t, base+"/sse?channel="+name+"&token="+v.Token)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		s.publish(name, "over an event stream")
		for in := bufio.NewScanner(resp.Body); in.Scan() && !strings.Contains(in.Text(), "over an event"); {
		}
		s.agree(v.Workspace, c)
	})
	t.Run("poll", func(t *testing.T) {
		resp, err := get(t, base+"/poll?channel="+name+"&token="+v.Token)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"position"`) {
			t.Fatalf("got %d %s, %v", resp.StatusCode, body, err)
		}
		s.agree(v.Workspace, c)
	})
	t.Run("refusal", func(t *testing.T) {
		resp, err := get(t, base+"/poll?token="+v.Token)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		s.agree(v.Workspace, c)
	})
	if m := s.meter(v.Workspace); m.Requests != 4 {
		t.Errorf("got %d requests, want 4", m.Requests)
	}
}

// A token of the Lab opens the channels of its workspace and nothing else.
func TestTokenOpensItsWorkspace(t *testing.T) {
	_, _, base, v := online(t, func(o *starling.Options) {
		o.Namespaces = starling.Namespaces{"chat": {Users: []starling.Verb{starling.Subscribe}}}
		o.Tokens.Issuer, o.Tokens.Audience = "us", "starling" // which its tokens must have as well
	})
	for name, want := range map[string]int{channel(v.Workspace, "x", 1): 200, "chat:room": 403, "lab:AAAA:x": 403, "other": 403} {
		resp, err := get(t, base+"/poll?channel="+name+"&token="+v.Token)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", name, resp.StatusCode, want)
		}
	}
}

// Publications of visitors are signed with the name that they act under.
func TestVisitorsSign(t *testing.T) {
	s, _, base, v := online(t)
	var as visit
	s.do("POST", "/"+v.Workspace+"/token", `{"name":"Finn"}`, &as)
	conn, err := client.Dial(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	name := channel(v.Workspace, "board", 1)
	for _, say := range []string{
		`{"type":"connect","id":1,"token":"` + as.Token + `"}`,
		`{"type":"publish","id":2,"channel":"` + name + `","data":"mine"}`,
		`{"type":"publish","id":3,"channel":"` + name + `","data":"` + strings.Repeat("x", maxData) + `"}`,
	} {
		if err := conn.Write([]byte(say)); err != nil {
			t.Fatal(err)
		}
	}
	for {
		raw, err := conn.Read()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), `"id":3`) {
			if !strings.Contains(string(raw), `"code":4005`) {
				t.Errorf("got %s for too much data", raw)
			}
			break
		}
	}
	page, err := s.server.History(t.Context(), name, starling.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Publications) != 1 || page.Publications[0].User != "Finn" {
		t.Errorf("got %+v", page.Publications)
	}
}

func TestFaults(t *testing.T) {
	s, _, base, v := online(t)
	name := channel(v.Workspace, "transports", 1)
	query := "?channel=" + name + "&token=" + v.Token
	t.Run("a proxy that takes the upgrade out", func(t *testing.T) {
		s.faults(v.Workspace, `{"noUpgrade":true}`)
		if conn, err := client.Dial(t.Context(), base); err == nil {
			conn.Close()
			t.Fatal("the WebSocket was opened")
		} else if !strings.Contains(err.Error(), "426") {
			t.Errorf("got %v, want 426", err)
		}
	})
	t.Run("down", func(t *testing.T) {
		s.faults(v.Workspace, `{}`)
		resp, err := get(t, base+"/sse"+query)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		s.faults(v.Workspace, `{"down":true}`)
		_, _ = io.ReadAll(resp.Body) // it ends; how is up to HTTP
		if resp, err := get(t, base+"/poll"+query); err == nil {
			resp.Body.Close()
			t.Errorf("got %d through a line that is down", resp.StatusCode)
		}
	})
	t.Run("cut", func(t *testing.T) {
		s.faults(v.Workspace, `{}`)
		var since string
		resp, err := get(t, base+"/poll"+query)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		since = strings.Split(string(body), `"`)[3]
		failed := make(chan error, 1)
		go func() {
			resp, err := get(t, base+"/poll"+query+"&since="+since)
			if err == nil {
				resp.Body.Close()
			}
			failed <- err
		}()
		until(t, "the poll waits", func() bool { return s.meter(v.Workspace).Open == 1 })
		cuts := s.meter(v.Workspace).Cuts
		s.do("POST", "/"+v.Workspace+"/lines/test/cut", "", nil)
		if err := <-failed; err == nil {
			t.Error("a poll was answered through a line that was cut")
		}
		if m := s.meter(v.Workspace); m.Cuts != cuts+1 || m.Open != 0 {
			t.Errorf("got %+v", m)
		}
	})
	for fault, door := range map[string]string{`{"holdStreams":true}`: "sse", `{"silent":true}`: "poll"} {
		t.Run(fault, func(t *testing.T) {
			s.faults(v.Workspace, fault)
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				resp, err := get(t, base+"/"+door+query)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
			}()
			until(t, "it is under way", func() bool { return s.meter(v.Workspace).Open == 1 })
			select {
			case <-answered:
				t.Error("an answer came through")
			case <-time.After(100 * time.Millisecond):
			}
			s.faults(v.Workspace, `{}`)
			<-answered
			until(t, "it is over", func() bool { return s.meter(v.Workspace).Open == 0 })
		})
	}
}

// piped is a connection through a line in fake time: what is written to server comes
// out of page.
func piped(t *testing.T, f faults) (l *Lab, ln *line, server, page net.Conn) {
	t.Helper()
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ln = newLine()
	ln.set(f)
	p, ok := ln.begin()
	if !ok {
		t.Fatal("the line is down")
	}
	near, page := net.Pipe()
	return l, ln, p.connect(l, near, nil, false), page
}

func TestDelayLengthensTheWayAndDoesNotNarrowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, server, page := piped(t, faults{Delay: 300})
		defer l.Close()
		defer page.Close()
		began := time.Now()
		go func() {
			for range 20 {
				_, _ = server.Write([]byte("x")) // an error shows in the read
				pass(10 * time.Millisecond)
			}
		}()
		buf := make([]byte, 1)
		for i := range 20 {
			if _, err := page.Read(buf); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(began), 300*time.Millisecond+time.Duration(i)*10*time.Millisecond; got != want {
				t.Errorf("byte %d came after %v, want %v", i, got, want)
			}
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ln, server, page := piped(t, faults{Rate: 4000})
		defer l.Close()
		defer page.Close()
		began := time.Now()
		var taken atomic.Int64 // bytes that the server has got rid of
		go func() {
			for range 400 {
				n, _ := server.Write(make([]byte, 100)) // an error shows in the read
				taken.Add(int64(n))
			}
		}()
		buf := make([]byte, 1000)
		for got := 0; got < 20_000; {
			n, err := page.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += n
			if ahead := taken.Load() - int64(got); ahead > 1200 {
				t.Fatalf("%d bytes wait in the line: what waits gets old", ahead)
			}
		}
		if took := time.Since(began); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
			t.Errorf("20,000 bytes at 4,000 a second took %v", took)
		}
		synctest.Wait()
		if m := ln.read(); m.Down < 20_000 {
			t.Errorf("the meter says %d", m.Down)
		}
	})
}
