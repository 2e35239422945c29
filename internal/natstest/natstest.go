// Package natstest starts nats-servers for tests: real processes, one or a
// cluster, whose members can be killed, frozen and started again.
//
// The server is the Go tool of tools/go.mod, which the go command builds once and
// keeps in its cache.
package natstest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Options change how servers are started. The zero value is usable.
type Options struct {
	// Config is put at the end of each server's configuration.
	Config string
	// Configure returns the whole configuration of a server, instead of all that is
	// said here but how clients connect.
	Configure func(m *Member, addr, clusterAddr string, routes []string) string
	// Sync is the sync_interval. Default "always".
	Sync string
	// MaxPayload is the largest message. Default "8MB".
	MaxPayload string
	// NoAdvertise keeps the servers from telling clients of each other, who then
	// use no others than they know.
	NoAdvertise bool
	// User and Password are what clients have to give. Default: nothing.
	User, Password string
	// Client is what else clients need to connect.
	Client []nats.Option
	// Hosts are where the servers run, one for each. Default: on this machine, at
	// ports that are free.
	Hosts []Host
}

// Host is where a server runs that is not to run beside the test.
type Host struct {
	Addr  string                // of the host
	Dir   string                // where the server keeps its files; "" is a directory of the test
	Start func(*exec.Cmd) error // starts a process there
}

// Cluster is one nats-server, or several that form a cluster.
type Cluster struct {
	tb      testing.TB
	opts    Options
	Members []*Member
}

// Member is one of the servers. Its methods may be called by one goroutine at a
// time.
type Member struct {
	// Name, URL and Dir stay what they are over restarts.
	Name, URL, Dir string

	cluster *Cluster
	config  string
	launch  func(*exec.Cmd) error

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// Start starts n servers and waits until they serve JetStream. They end with the
// test. Every write is synced before it is acknowledged, unless Options say otherwise.
func Start(tb testing.TB, n int, o Options) *Cluster {
	tb.Helper()
	dir, err := os.MkdirTemp("", "natstest-")
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cluster{tb: tb, opts: o}
	tb.Cleanup(func() {
		for _, m := range c.Members {
			m.Kill()
		}
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("remove the servers' files: %v", err)
		}
	})
	if err := c.start(dir, n); err != nil {
		tb.Fatal(err)
	}
	return c
}

// StartMain is Start for a TestMain, which has no test to end with: stop ends the
// servers.
func StartMain(n int, o Options) (c *Cluster, stop func(), err error) {
	dir, err := os.MkdirTemp("", "natstest-")
	if err != nil {
		return nil, nil, err
	}
	c = &Cluster{opts: o}
	stop = func() {
		for _, m := range c.Members {
			m.Kill()
		}
		_ = os.RemoveAll(dir) // the tests are over, and it is a temporary directory
	}
	if err := c.start(dir, n); err != nil {
		stop()
		return nil, nil, err
	}
	return c, stop, nil
}

func (c *Cluster) start(dir string, n int) error {
	places, err := c.places(n)
	if err != nil {
		return err
	}
	for i, p := range places {
		m := &Member{
			Name: fmt.Sprint("n", i+1), URL: "nats://" + p.client, Dir: p.dir, cluster: c, launch: p.launch,
		}
		if m.Dir == "" {
			m.Dir = filepath.Join(dir, m.Name)
		}
		c.Members = append(c.Members, m)
		if err := m.configure(i, places); err != nil {
			return err
		}
		if err := m.start(); err != nil {
			return err
		}
	}
	return c.WaitReady(time.Minute)
}

// place is where a server runs, and listens for clients and for other servers.
type place struct {
	client, cluster, dir string
	launch               func(*exec.Cmd) error
}

func (c *Cluster) places(n int) (all []place, err error) {
	if len(c.opts.Hosts) > 0 {
		for _, h := range c.opts.Hosts[:n] {
			all = append(all, place{net.JoinHostPort(h.Addr, "4222"), net.JoinHostPort(h.Addr, "6222"), h.Dir, h.Start})
		}
		return all, nil
	}
	ports, err := freePorts(2 * n)
	for i := 0; err == nil && i < n; i++ {
		all = append(all, place{fmt.Sprint("127.0.0.1:", ports[i]), fmt.Sprint("127.0.0.1:", ports[n+i]), "", (*exec.Cmd).Start})
	}
	return all, err
}

// configure writes the configuration of the server at one of the places.
func (m *Member) configure(i int, places []place) error {
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return err
	}
	m.config = filepath.Join(m.Dir, "nats.conf")
	var routes []string
	for _, p := range places {
		routes = append(routes, "nats://"+p.cluster)
	}
	if f := m.cluster.opts.Configure; f != nil {
		text := f(m, places[i].client, places[i].cluster, routes)
		return os.WriteFile(m.config, []byte(text), 0o644)
	}
	payload := m.cluster.opts.MaxPayload
	if payload == "" {
		payload = "8MB"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "server_name: %s\nlisten: %q\nmax_payload: %s\n", m.Name, places[i].client, payload)
	sync := m.cluster.opts.Sync
	if sync == "" {
		sync = "always"
	}
	fmt.Fprintf(&b, "jetstream { store_dir: %q, sync_interval: %s, max_mem: 1GB, max_file: 20GB }\n", m.Dir, sync)
	if len(places) > 1 {
		fmt.Fprintf(&b, "cluster { name: test, listen: %q, routes: [%s], no_advertise: %v }\n",
			places[i].cluster, strings.Join(routes, ", "), m.cluster.opts.NoAdvertise)
	}
	if m.cluster.opts.User != "" {
		fmt.Fprintf(&b, "authorization { user: %q, password: %q }\n", m.cluster.opts.User, m.cluster.opts.Password)
	}
	b.WriteString(m.cluster.opts.Config)
	return os.WriteFile(m.config, b.Bytes(), 0o644)
}

func (m *Member) start() error {
	bin, err := binary()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(m.Dir, "nats.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	cmd := exec.Command(bin, "-c", m.config)
	cmd.Stdout, cmd.Stderr = log, log
	// A server is not to outlive the tests.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.launch(cmd); err != nil {
		return err
	}
	done := make(chan struct{})
	m.mu.Lock()
	m.cmd, m.done = cmd, done
	m.mu.Unlock()
	go func() { // ends with the process
		_ = cmd.Wait() // it is killed
		_ = log.Close()
		close(done)
	}()
	return nil
}

// Kill ends the process as kill -9 does, and returns when it is gone.
func (m *Member) Kill() {
	m.mu.Lock()
	cmd, done := m.cmd, m.done
	m.cmd = nil
	m.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill() // it may be gone already
	<-done
}

// Restart starts the process again, after Kill or instead of one that runs. It
// does not wait until it serves: see [Cluster.WaitReady].
func (m *Member) Restart() {
	m.Kill()
	if err := m.start(); err != nil {
		m.cluster.fail("restart %s: %v", m.Name, err)
	}
}

// PID returns the id of the process, or 0 when there is none.
func (m *Member) PID() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd == nil {
		return 0
	}
	return m.cmd.Process.Pid
}

// Freeze stops the process where it stands, as a machine that hangs.
func (m *Member) Freeze() { m.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (m *Member) Thaw() { m.signal(syscall.SIGCONT) }

func (m *Member) signal(s os.Signal) {
	m.mu.Lock()
	cmd := m.cmd
	m.mu.Unlock()
	if cmd == nil {
		m.cluster.fail("signal %v: %s does not run", s, m.Name)
		return
	}
	if err := cmd.Process.Signal(s); err != nil {
		m.cluster.fail("signal %v to %s: %v", s, m.Name, err)
	}
}

// ended tells whether the process has ended by itself.
func (m *Member) ended() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd == nil {
		return false
	}
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// Log returns what the server has said so far.
func (m *Member) Log() string {
	b, err := os.ReadFile(filepath.Join(m.Dir, "nats.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (c *Cluster) fail(format string, args ...any) {
	if c.tb == nil {
		panic(fmt.Sprintf(format, args...))
	}
	c.tb.Helper()
	c.tb.Fatalf(format, args...)
}

// URLs returns where the servers listen, separated by commas.
func (c *Cluster) URLs() string {
	var urls []string
	for _, m := range c.Members {
		urls = append(urls, m.URL)
	}
	return strings.Join(urls, ",")
}

// Member returns the member with a name.
func (c *Cluster) Member(name string) *Member {
	for _, m := range c.Members {
		if m.Name == name {
			return m
		}
	}
	c.fail("there is no server %q", name)
	return nil
}

// Connect returns a connection to any of the servers.
func (c *Cluster) Connect(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect(c.URLs(), c.client(opts...)...)
}

// client adds what clients need to connect.
func (c *Cluster) client(opts ...nats.Option) []nats.Option {
	if c.opts.User != "" {
		opts = append(opts, nats.UserInfo(c.opts.User, c.opts.Password))
	}
	return append(opts, c.opts.Client...)
}

// WaitReady waits until every server that runs takes clients, and JetStream makes
// streams with a copy on each of them.
func (c *Cluster) WaitReady(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; {
		err := c.ready(c.Members[i])
		if err == nil {
			if i++; i == len(c.Members) {
				return nil
			}
			continue
		}
		if c.Members[i].ended() {
			return fmt.Errorf("nats-server %s has ended:\n%s", c.Members[i].Name, c.Members[i].Log())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nats-server %s is not ready after %v: %w\n%s", c.Members[i].Name, within, err, c.Members[i].Log())
		case <-tick.C:
		}
	}
}

// ready returns why a server does not serve.
func (c *Cluster) ready(m *Member) error {
	m.mu.Lock()
	runs := m.cmd != nil
	m.mu.Unlock()
	if !runs {
		return nil
	}
	nc, err := nats.Connect(m.URL, c.client(nats.NoReconnect(), nats.Timeout(2*time.Second))...)
	if err != nil {
		return err
	}
	defer nc.Close()
	name := "READY-" + m.Name
	make := fmt.Sprintf(`{"name":%q,"subjects":["natstest.%s"],"storage":"memory","retention":"limits","num_replicas":%d}`,
		name, m.Name, len(c.Members))
	msg, err := nc.Request("$JS.API.STREAM.CREATE."+name, []byte(make), 2*time.Second)
	if err != nil {
		return err
	}
	if bytes.Contains(msg.Data, []byte(`"error"`)) {
		return fmt.Errorf("create a stream: %s", msg.Data)
	}
	_, err = nc.Request("$JS.API.STREAM.DELETE."+name, nil, 2*time.Second)
	return err
}

// Build makes sure that there is a nats-server to start: the first time, the go
// command may need the network for that.
func Build() error {
	_, err := binary()
	return err
}

// binary returns where the nats-server is.
var binary = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	mod := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "tools", "go.mod")
	cmd := exec.Command("go", "tool", "-modfile="+mod, "-n", "nats-server")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err = cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build nats-server: %w: %s", err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
})
