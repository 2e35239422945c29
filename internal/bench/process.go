package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/starling-rt/starling/internal/procstat"
)

// process is a server under test.
type process struct {
	cmd  *exec.Cmd
	url  string
	dir  string
	args []string
}

// Where servers listen: those with data on disk, and those that keep it in memory.
const (
	diskListen   = "127.0.0.1:18990"
	memoryListen = "127.0.0.1:18992"
)

// start runs this binary as a server with everything open and no limits.
func start(ctx context.Context, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "starling-bench-")
	if err != nil {
		return nil, err
	}
	listen := diskListen
	if i := slices.Index(args, "--listen"); i >= 0 {
		listen = args[i+1]
	}
	p := &process{dir: dir, url: "http://" + listen, args: append([]string{
		self, "serve", "--dev", "--listen", listen, "--data", dir, "--pprof", "--log-level", "error",
		"--limit-rate=-1", "--limit-address-rate=-1",
	}, args...)}
	if err := p.run(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// restart kills the process and starts it again on what it has left.
func (p *process) restart(ctx context.Context) error {
	_ = p.cmd.Process.Kill() // as if the machine had failed
	_ = p.cmd.Wait()         // the same
	return p.run(ctx)
}

// run starts the process and waits until it serves.
func (p *process) run(ctx context.Context) error {
	p.cmd = exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for range 200 {
		res, err := http.Get(p.url + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		if !pause(ctx, 50*time.Millisecond) {
			break
		}
	}
	return errors.New("the server did not become ready")
}

func (p *process) stop() {
	if p.cmd.Process != nil {
		_ = p.cmd.Process.Kill() // nothing of it is kept
		_ = p.cmd.Wait()         // the same
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir) // the same
	}
}

// cpu returns the CPU time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	return procstat.CPU(p.cmd.Process.Pid)
}

// rss returns the resident memory of the process after a garbage collection, in
// bytes.
func (p *process) rss() (int64, error) {
	for range 3 {
		res, err := http.Get(p.url + "/debug/pprof/free")
		if err != nil {
			return 0, err
		}
		res.Body.Close()
	}
	return procstat.Resident(p.cmd.Process.Pid)
}

// peak returns the most memory that the process has had, in bytes.
func (p *process) peak() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kb << 10, err
}

// pause waits, and tells whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
