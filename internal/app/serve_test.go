package app

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/starling-rt/starling"
	"github.com/starling-rt/starling/eventlog/pebblelog"
)

// run runs a server, and returns its address and what stops it.
func run(t *testing.T, c Config) (addr string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listening, ended := make(chan string, 1), make(chan error, 1)
	c.Started = func(addr string) { listening <- addr }
	c.Logger = slog.New(slog.DiscardHandler)
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	go func() { ended <- Run(ctx, c) }()
	stop = func() error {
		cancel()
		return <-ended
	}
	select {
	case addr = <-listening:
	case err := <-ended:
		ended <- err
	}
	return addr, stop
}

func TestRunEndsInOrder(t *testing.T) {
	addr, stop := run(t, Config{Data: t.TempDir(), Dev: true, Drain: 50 * time.Millisecond})
	res, err := http.Get("http://" + addr + "/sse?channel=c")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := stop(); err != nil {
		t.Errorf("got %v", err)
	}
	rest, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(rest), `event: error`) || !strings.Contains(string(rest), `"code":4302`) {
		t.Errorf("the client was told %q, %v", rest, err)
	}
}

func TestRunWhereAnotherListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, stop := run(t, Config{Data: Memory, Listen: l.Addr().String()})
	if err := stop(); err == nil || !strings.Contains(err.Error(), "listen: ") {
		t.Errorf("got %v", err)
	}
}

// Whoever trickles a request loses the connection, wherever it is.
func TestRequestsThatTrickle(t *testing.T) {
	addr, stop := run(t, Config{Data: Memory, Dev: true, Timeouts: Timeouts{Request: time.Second}})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	for name, wire := range map[string]string{
		"head":                       "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: webs",
		"body that is read":          "POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
		"body that nobody asked for": "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
		"chunks":                     "POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.WriteString(conn, wire); err != nil {
				t.Fatal(err)
			}
			// Until the server closes; a byte now and then does not help.
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "i/o timeout") {
					t.Errorf("the connection stays open: %v", err)
				}
			}()
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-closed:
					return
				case <-tick.C:
					_, _ = io.WriteString(conn, "x") // until it is closed
				}
			}
		})
	}
	t.Run("a poll may take longer", func(t *testing.T) {
		t.Parallel()
		res, err := http.Get("http://" + addr + "/poll?channel=c")
		if err != nil {
			t.Fatal(err)
		}
		var at struct{ Position string }
		err = json.NewDecoder(res.Body).Decode(&at)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		res, err = http.Get("http://" + addr + "/poll?channel=c&wait=2s&since=" + at.Position)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if d := time.Since(began); res.StatusCode != 200 || d < 1900*time.Millisecond {
			t.Errorf("got %s after %v", res.Status, d)
		}
	})
}

// disk is a file system on which writes can fail.
type disk struct {
	vfs.FS
	failing atomic.Bool
}

func (d *disk) err() error {
	if d.failing.Load() {
		return syscall.ENOSPC
	}
	return nil
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	f, err := d.FS.Create(name, c)
	return &diskFile{f, d}, err
}

type diskFile struct {
	vfs.File
	disk *disk
}

func (f *diskFile) Write(p []byte) (int, error) {
	if err := f.disk.err(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *diskFile) Sync() error {
	if err := f.disk.err(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *diskFile) SyncData() error {
	if err := f.disk.err(); err != nil {
		return err
	}
	return f.File.SyncData()
}

// on serves a store on a disk, as Run does.
func on(t *testing.T, d *disk) (url string, server *starling.Server, stop func()) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	engine, err := pebblelog.Open("data", pebblelog.Options{FS: d, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	server, err = starling.New(starling.Options{Engine: engine, Dev: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(routes(&Config{}, server, newMetrics(), nil))
	return hs.URL, server, func() {
		hs.CloseClientConnections()
		hs.Close()
		_ = server.Shutdown(t.Context(), 0) // a disk that fails makes it fail
	}
}

func request(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(bufio.NewReader(res.Body))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// A disk that fails makes publications fail with a sentence and shows in /readyz;
// reading goes on, and what was acknowledged is there after a restart.
func TestDiskThatFails(t *testing.T) {
	d := &disk{FS: vfs.NewMem()}
	url, _, stop := on(t, d)
	publish := func(data string) (int, string) {
		return request(t, "POST", url+"/api/v1/publish", `{"channel":"c","data":"`+data+`"}`)
	}
	if status, answer := publish("kept"); status != 200 {
		t.Fatalf("publish: got %d %s", status, answer)
	}
	if status, answer := request(t, "GET", url+"/readyz", ""); status != 200 {
		t.Errorf("ready: got %d %s", status, answer)
	}
	d.failing.Store(true)
	status, answer := publish("doubtful")
	if status != 503 || !strings.Contains(answer, `"code":4301`) && !strings.Contains(answer, `"code":4300`) {
		t.Errorf("publish: got %d %s", status, answer)
	}
	status, answer = publish("refused")
	if status != 503 || !strings.Contains(answer, `"code":4300`) || !strings.Contains(answer, "nothing was stored") {
		t.Errorf("publish again: got %d %s", status, answer)
	}
	status, answer = request(t, "GET", url+"/readyz", "")
	if status != 503 || !strings.Contains(answer, "disk") || !strings.Contains(answer, "start the server again") {
		t.Errorf("ready: got %d %q", status, answer)
	}
	if status, answer := request(t, "GET", url+"/healthz", ""); status != 200 {
		t.Errorf("alive: got %d %q", status, answer)
	}
	status, answer = request(t, "GET", url+"/api/v1/channels/c/history", "")
	if status != 200 || !strings.Contains(answer, `"kept"`) {
		t.Errorf("history: got %d %s", status, answer)
	}
	stop()
	d.failing.Store(false)
	url, _, stop = on(t, d)
	defer stop()
	if status, answer := publish("after"); status != 200 {
		t.Errorf("publish after a restart: got %d %s", status, answer)
	}
	status, answer = request(t, "GET", url+"/api/v1/channels/c/history", "")
	if status != 200 || strings.Count(answer, `"kept"`) != 1 || strings.Count(answer, `"after"`) != 1 || strings.Contains(answer, "refused") {
		t.Errorf("history: got %d %s", status, answer)
	}
	if status, answer := request(t, "GET", url+"/readyz", ""); status != 200 {
		t.Errorf("ready: got %d %s", status, answer)
	}
}
