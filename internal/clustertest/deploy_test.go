package clustertest_test

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/internal/clustertest"
	"github.com/starling-rt/starling/internal/natstest"
)

// balancer runs a load balancer with a file of deploy, changed so that it listens
// on an address of this machine and knows the nodes of the test.
func balancer(t *testing.T, nodes []*clustertest.Node, file string, change map[string]string, command ...string) *clustertest.Node {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed", command[0])
		}
		t.Skipf("%s is not installed", command[0])
	}
	addr, err := natstest.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, n := range nodes {
		change["starling-"+n.Name+":8080"] = strings.TrimPrefix(n.URL, "http://")
	}
	for old, with := range change {
		if !strings.Contains(text, old) {
			t.Fatalf("deploy/%s does not say %q", file, old)
		}
		text = strings.ReplaceAll(text, old, strings.ReplaceAll(with, "ADDR", addr))
	}
	dir := t.TempDir()
	path := filepath.Join(dir, file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], append(command[1:], path)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()         // it was killed
		_ = said.Close()
		if out, err := os.ReadFile(said.Name()); err == nil && t.Failed() {
			t.Logf("%s: %s", command[0], out)
		}
	})
	n := &clustertest.Node{Name: command[0], URL: "http://" + addr}
	clustertest.Eventually(t, command[0]+" passes requests on", func() bool {
		res, err := http.Get(n.URL + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return n
}

// shipped returns the configuration of deploy for a server of a test.
func shipped(t *testing.T) func(m *natstest.Member, addr, clusterAddr string, routes []string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "deploy", "nats", "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return func(m *natstest.Member, addr, clusterAddr string, routes []string) string {
		text := string(raw)
		for old, with := range map[string]string{
			"$NATS_NAME": m.Name, "0.0.0.0:4222": addr, "0.0.0.0:6222": clusterAddr, "store_dir: /data": "store_dir: " + m.Dir,
			"nats://nats-1:6222, nats://nats-2:6222, nats://nats-3:6222": strings.Join(routes, ", "),
		} {
			if !strings.Contains(text, old) {
				t.Errorf("deploy/nats/nats.conf does not say %q", old)
			}
			text = strings.ReplaceAll(text, old, with)
		}
		return text
	}
}

// Three servers with the configuration of deploy keep three nodes, and the examples
// of load balancers let WebSocket, Server-Sent Events and polls through to these,
// which have no sticky sessions.
func TestLoadBalancers(t *testing.T) {
	c := clustertest.Start(t, clustertest.Options{
		NATS: natstest.Options{Configure: shipped(t)}, Args: []string{"--trusted-proxies", "127.0.0.1"},
	})
	for _, row := range []struct {
		file    string
		change  map[string]string
		command []string
	}{
		{"haproxy.cfg", map[string]string{"bind :80\n": "bind ADDR\n"}, []string{"haproxy", "-db", "-f"}},
		{"Caddyfile", map[string]string{"example.com {\n": "{\n\tadmin off\n}\nhttp://ADDR {\n"}, []string{"caddy", "run", "--adapter", "caddyfile", "--config"}},
	} {
		t.Run(row.command[0], func(t *testing.T) {
			lb := balancer(t, c.Nodes, row.file, row.change, row.command...)
			channel := "by-" + row.command[0]
			p := &poller{t: t, nodes: []*clustertest.Node{lb}}
			if status := p.poll(url.Values{"channel": {channel}}); status != http.StatusOK {
				t.Fatalf("the first poll: %d", status)
			}
			for range 6 { // so that it comes to every node
				if a := p.send(`{"type":"publish","channel":"` + channel + `","data":"sent"}`); a.status != http.StatusOK {
					t.Fatalf("send: %d %s", a.status, a.body)
				}
			}
			clustertest.Eventually(t, "the polls bring it", func() bool { return p.poll(nil) != http.StatusOK || len(p.seen) == 6 })
			for e, err := range client.Subscribe(t.Context(), lb.URL, channel, client.Subscription{}) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Type == client.EventStarted {
					publish(t, lb, channel, "over a WebSocket")
				} else if e.Type == client.EventPublication {
					break
				}
			}
			began := time.Now()
			if got := firstEvent(t, lb.URL+"/sse?channel="+channel); !strings.Contains(got, "session") || time.Since(began) > 10*time.Second {
				t.Errorf("the stream begins with %q after %v", got, time.Since(began))
			}
		})
	}
}

// firstEvent returns how a stream begins.
func firstEvent(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got []byte
	for b := make([]byte, 512); !strings.Contains(string(got), "data:"); {
		n, err := res.Body.Read(b)
		if got = append(got, b[:n]...); err != nil {
			break
		}
	}
	return string(got)
}
