package main_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// log is what a process says, to be read while it runs.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// says waits until the process has said something, and returns all of it.
func (l *log) says(t *testing.T, want string) string {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(l.String(), want) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not say %q, but\n%s", want, l.String())
		}
	}
	return l.String()
}

// serve runs the binary with a configuration file until the test ends.
func serve(t *testing.T, env []string, args ...string) (*exec.Cmd, *log) {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	said := &log{}
	cmd := exec.Command(bin, append([]string{"serve"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()         // it was killed
	})
	return cmd, said
}

// addressIn finds where the process says that it listens.
func addressIn(said string) string {
	_, rest, _ := strings.Cut(said, "msg=listening addr=")
	addr, _, _ := strings.Cut(rest, " ")
	return addr
}

func get(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

func TestReloadOnSIGHUP(t *testing.T) {
	file := filepath.Join(t.TempDir(), "starling.yaml")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("listen: 127.0.0.1:0\ndata: ':memory:'\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("apiKeys: [old]\nnamespaces: {room: {}}\n")
	cmd, said := serve(t, nil, "--config", file)
	url := "http://" + addressIn(said.says(t, "msg=listening"))
	try := func(key string) int {
		t.Helper()
		status, _ := get(t, "POST", url+"/api/v1/publish", `{"channel":"room:1","data":1}`, "Authorization: Bearer "+key)
		return status
	}
	poll := func() int {
		t.Helper()
		status, _ := get(t, "GET", url+"/poll?channel=room:1", "", "Origin: https://a.example.com")
		return status
	}
	if a, b, c := try("old"), try("new"), poll(); a != 200 || b != 401 || c != 403 {
		t.Fatalf("at first: got %d %d %d", a, b, c)
	}
	hup := func(answer string) {
		t.Helper()
		before := strings.Count(said.String(), answer)
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		deadline := time.After(time.Minute)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for strings.Count(said.String(), answer) == before {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("it does not say %q, but\n%s", answer, said.String())
			}
		}
	}
	put("apiKeys: [new]\nlogLevel: debug\nallowedOrigins: ['https://*.example.com']\nnamespaces: {room: {anonymous: [subscribe]}}\n")
	hup("the configuration was reloaded")
	if a, b, c := try("old"), try("new"), poll(); a != 401 || b != 200 || c != 200 {
		t.Errorf("after the reload: got %d %d %d", a, b, c)
	}
	for text, want := range map[string]string{
		"apiKeys: [newest]\nlisten-: x\n":                         "line 4: there is no setting",
		"apiKeys: [newest]\nbasePath: /rt\n":                      "basePath cannot change while the server runs: restart it",
		"apiKeys: [newest]\nnode: n2\n":                           "Node cannot change while the server runs: restart it",
		"apiKeys: [newest]\nlogFormat: json\n":                    "logFormat cannot change",
		"apiKeys: [newest]\nnamespaces: {room: {memory: true}}\n": "Namespaces cannot change",
	} {
		put(text)
		hup(want)
		if a, b, c := try("newest"), try("new"), poll(); a != 401 || b != 200 || c != 200 {
			t.Errorf("after %q was refused: got %d %d %d", text, a, b, c)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if strings.Contains(said.String(), "newest") {
		t.Errorf("the log tells a key:\n%s", said.String())
	}
}

// A flag beats the environment, which beats the file, which beats the default.
func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "starling.json")
	if err := os.WriteFile(file, []byte(`{"listen":"127.0.0.1:0","data":":memory:","apiKeys":["file"],"basePath":"/file","limits":{"message":1000,"channels":1}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		env, args []string
		path, key string
	}{
		"file":        {nil, nil, "/file", "file"},
		"environment": {[]string{"STARLING_BASE_PATH=/env", "STARLING_API_KEY=env"}, nil, "/env", "env"},
		"flag":        {[]string{"STARLING_BASE_PATH=/env", "STARLING_API_KEY=env"}, []string{"--base-path=/flag", "--api-key", "flag"}, "/flag", "flag"},
	} {
		t.Run(name, func(t *testing.T) {
			_, said := serve(t, append(row.env, "STARLING_CONFIG="+file), row.args...)
			url := "http://" + addressIn(said.says(t, "msg=listening")) + row.path
			for key, want := range map[string]int{"file": 401, "env": 401, "flag": 401, row.key: 200} {
				if status, body := get(t, "POST", url+"/api/v1/publish", `{"channel":"c","data":1}`, "Authorization: Bearer "+key); status != want {
					t.Errorf("key %s: got %d %s, want %d", key, status, body, want)
				}
			}
		})
	}
}

func TestCheckConfig(t *testing.T) {
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) (string, int) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(bin, "check-config", file)
		out, _ := cmd.CombinedOutput() // the code tells
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := check("listen: :80\nlimits: {userSessions: 5}\n"); code != 0 || !strings.Contains(out, "is fine") {
		t.Errorf("got %d %s", code, out)
	}
	out, code := check("listn: :80\nlimits:\n  userSesions: 5\n  ping: soon\nnamespaces: {a: {users: [fly]}}\n")
	if code != 1 || strings.Contains(out, "--help") {
		t.Errorf("got %d %s", code, out)
	}
	for _, want := range []string{`line 1: there is no setting "listn"; did you mean "listen"?`, `line 3: there is no setting "userSesions" in limits; did you mean "userSessions"?`, `line 4: limits.ping: "soon" is not a duration`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not said, but\n%s", want, out)
		}
	}
	if out, code := check("logFormat: xml\n"); code == 0 || !strings.Contains(out, "text") {
		t.Errorf("got %d %s", code, out)
	}
}
