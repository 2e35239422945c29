// Package clustertest starts a cluster for tests: Starling nodes on nats-servers,
// all of them real processes, which can be killed, frozen, cut off and stopped.
package clustertest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/natstest"
	"github.com/starling-rt/starling/internal/procstat"
)

// Options say what to start. The zero value is three nodes on three servers.
type Options struct {
	Nodes   int // default 3
	Servers int // default 3
	// NATS says how the servers are started.
	NATS natstest.Options
	// Embedded starts one node on a directory, without servers.
	Embedded bool
	// Args are added to those of every node, which serves with --dev and without
	// limits of rates.
	Args []string
	// ArgsOf returns what is added to those of one node. Default: nothing.
	ArgsOf func(node string) []string
	// Together starts all nodes at the same moment. Default: the first makes the
	// streams.
	Together bool
	// Binary is what the nodes run. Default: it is built.
	Binary string
	// NodeHosts and ServerHosts are where they run. Default: on this machine.
	NodeHosts, ServerHosts []natstest.Host
}

// Cluster is nodes on servers.
type Cluster struct {
	NATS  *natstest.Cluster
	Nodes []*Node
}

// Node is one of the nodes. Its methods may be called by one goroutine at a time.
type Node struct {
	// Name and URL stay what they are over restarts.
	Name, URL string

	tb      testing.TB
	command []string
	start   func(*exec.Cmd) error
	proxies []*natstest.Proxy
	cmd     *exec.Cmd
	stderr  *output
	ended   chan struct{} // closed when the process has ended
}

// Start starts a cluster and waits until every node is ready. It ends with the
// test. The nodes are named a, b, c and so on.
func Start(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Servers == 0 {
		o.Servers = 3
	}
	if o.Binary == "" {
		o.Binary = Build(tb)
	}
	c := &Cluster{}
	if o.Embedded {
		o.Nodes = 1
		o.Args = append([]string{"--data", tb.TempDir()}, o.Args...)
	} else {
		o.NATS.NoAdvertise, o.NATS.Hosts = true, o.ServerHosts
		c.NATS = natstest.Start(tb, o.Servers, o.NATS)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(c.logs())
		}
	})
	for i := range o.Nodes {
		c.Nodes = append(c.Nodes, newNode(tb, c.members(), i, &o))
	}
	rest := c.Nodes
	if !o.Together {
		c.Nodes[0].Restart() // it makes the streams
		rest = c.Nodes[1:]
	}
	for _, n := range rest {
		n.launch()
	}
	for _, n := range rest {
		n.WaitReady()
	}
	return c
}

// members returns the servers, of which there may be none.
func (c *Cluster) members() []*natstest.Member {
	if c.NATS == nil {
		return nil
	}
	return c.NATS.Members
}

// CPU returns the CPU time that the processes of the cluster have used.
func (c *Cluster) CPU() (all time.Duration, err error) {
	var pids []int
	for _, n := range c.Nodes {
		pids = append(pids, n.cmd.Process.Pid)
	}
	for _, m := range c.members() {
		pids = append(pids, m.PID())
	}
	for _, pid := range pids {
		used, e := procstat.CPU(pid)
		all, err = all+used, errors.Join(err, e)
	}
	return all, err
}

// logs returns the last that the nodes and the servers have said.
func (c *Cluster) logs() string {
	const most = 60
	var b strings.Builder
	add := func(name, log string) {
		lines := strings.Split(strings.TrimSpace(log), "\n")
		fmt.Fprintf(&b, "%s:\n%s\n", name, strings.Join(lines[max(0, len(lines)-most):], "\n"))
	}
	for _, n := range c.Nodes {
		add("node "+n.Name, n.Log())
	}
	for _, m := range c.members() {
		add("server "+m.Name, m.Log())
	}
	return b.String()
}

// Build builds the server, with more arguments for the go command if there are any,
// and returns where it is until the test ends.
func Build(tb testing.TB, args ...string) string {
	tb.Helper()
	bin := filepath.Join(tb.TempDir(), "starling")
	args = append(append([]string{"build"}, args...), "-o", bin, "github.com/starling-rt/starling/cmd/starling")
	if msg, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		tb.Fatalf("build the server: %v\n%s", err, msg)
	}
	return bin
}

// newNode returns a node that does not run yet.
func newNode(tb testing.TB, servers []*natstest.Member, i int, o *Options) *Node {
	tb.Helper()
	n := &Node{Name: string(rune('a' + i)), tb: tb, start: (*exec.Cmd).Start, stderr: &output{}}
	var addr string
	if len(o.NodeHosts) > 0 {
		h := o.NodeHosts[i]
		addr, n.start = net.JoinHostPort(h.Addr, "8000"), h.Start
	} else {
		var err error
		if addr, err = natstest.FreeAddr(); err != nil {
			tb.Fatal(err)
		}
	}
	n.URL = "http://" + addr
	n.command = []string{
		o.Binary, "serve", "--dev", "--listen", addr, "--node", n.Name, "--log-format", "json",
		"--limit-rate=-1", "--limit-address-rate=-1", "--nats-cache", tb.TempDir(),
	}
	for _, m := range servers {
		url := m.URL
		if len(o.ServerHosts) == 0 { // otherwise it is the network that cuts
			p := natstest.NewProxy(tb, m)
			n.proxies = append(n.proxies, p)
			url = p.URL
		}
		n.command = append(n.command, "--nats", url)
	}
	n.command = append(n.command, o.Args...)
	if o.ArgsOf != nil {
		n.command = append(n.command, o.ArgsOf(n.Name)...)
	}
	tb.Cleanup(n.Kill)
	return n
}

func (n *Node) launch() {
	n.tb.Helper()
	n.checkRaces()
	n.stderr = &output{}
	n.cmd = exec.Command(n.command[0], n.command[1:]...)
	n.cmd.Stderr = n.stderr
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.start(n.cmd); err != nil {
		n.tb.Fatal(err)
	}
	cmd, ended := n.cmd, make(chan struct{})
	n.ended = ended
	go func() { // ends with the process
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
}

// Restart starts the node again after it was killed or stopped, and waits until it
// is ready.
func (n *Node) Restart() {
	n.tb.Helper()
	n.launch()
	n.WaitReady()
}

// WaitReady waits until the node is ready.
func (n *Node) WaitReady() {
	n.tb.Helper()
	Eventually(n.tb, "node "+n.Name+" is ready", func() bool {
		select {
		case <-n.ended:
			n.tb.Fatalf("node %s has ended:\n%s", n.Name, n.Log())
		default:
		}
		res, err := http.Get(n.URL + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// Kill ends the node as kill -9 does, and returns when it is gone.
func (n *Node) Kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill() // it may be gone already
		<-n.ended
		n.checkRaces()
	}
}

// checkRaces fails the test if the node was built with the race detector, and that
// has said something.
func (n *Node) checkRaces() {
	if _, race, found := strings.Cut(n.Log(), "WARNING: DATA RACE"); found {
		n.tb.Errorf("node %s has a data race:%s", n.Name, race[:min(len(race), 4000)])
	}
}

// Stop asks the node to go, and returns when it has gone.
func (n *Node) Stop() {
	n.tb.Helper()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(time.Minute):
		n.tb.Fatalf("node %s does not go:\n%s", n.Name, n.Log())
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		n.tb.Errorf("node %s ended with %d:\n%s", n.Name, code, n.Log())
	}
}

// Freeze stops the process where it stands, as a machine that hangs.
func (n *Node) Freeze() {
	n.tb.Helper()
	n.signal(syscall.SIGSTOP)
	Eventually(n.tb, "the process has stopped", func() bool {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
		if err != nil {
			n.tb.Fatalf("freeze %s: %v", n.Name, err)
		}
		// The state stands behind the name, which may hold anything.
		return strings.HasPrefix(string(raw[strings.LastIndexByte(string(raw), ')')+1:]), " T")
	})
}

// Thaw lets a frozen process go on.
func (n *Node) Thaw() { n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) {
	n.tb.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.tb.Fatalf("signal %v to node %s: %v", s, n.Name, err)
	}
}

// Cut cuts the node off from all servers.
func (n *Node) Cut() {
	for _, p := range n.proxies {
		p.Cut()
	}
}

// Heal ends what Cut did.
func (n *Node) Heal() {
	for _, p := range n.proxies {
		p.Heal()
	}
}

// Log returns what the node has said since it was started.
func (n *Node) Log() string { return n.stderr.String() }

// Leader returns the server that leads a stream, such as starling-log-0.
func (c *Cluster) Leader(stream string) (*natstest.Member, error) {
	nc, err := c.NATS.Connect()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	msg, err := nc.Request("$JS.API.STREAM.INFO."+stream, nil, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("ask for the leader of %s: %w", stream, err)
	}
	_, rest, found := strings.Cut(string(msg.Data), `"leader":"`)
	name, _, _ := strings.Cut(rest, `"`)
	if !found {
		return nil, fmt.Errorf("stream %s has no leader: %s", stream, msg.Data)
	}
	return c.NATS.Member(name), nil
}

// KillLeader kills the server that leads a stream, and returns it.
func (c *Cluster) KillLeader(tb testing.TB, stream string) *natstest.Member {
	tb.Helper()
	m, err := c.Leader(stream)
	if err != nil {
		tb.Fatal(err)
	}
	m.Kill()
	return m
}

// Eventually waits until something is so, for a minute at most.
func Eventually(tb testing.TB, what string, so func() bool) {
	tb.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("not within a minute: %s", what)
		}
	}
}

// output gathers what a process says.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// Twin starts a second process of the same name, which has to end by itself, and
// returns what it said.
func (n *Node) Twin() string {
	n.tb.Helper()
	args := append([]string{}, n.command[1:]...)
	args = append(args, "--listen", "127.0.0.1:0")
	var said output
	cmd := exec.Command(n.command[0], args...)
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err == nil {
		n.tb.Errorf("a second node %s ended without an error", n.Name)
	}
	return said.String()
}
