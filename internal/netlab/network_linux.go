package netlab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	tunDevice = "/dev/net/tun"
	mtu       = 9000
	// maxWaiting bounds the packets on their way to a host.
	maxWaiting = 4096
)

// self is the address of the process that the test runs in.
var self = netip.MustParseAddr("10.77.0.1")

// Link is what becomes of packets from one host to another.
type Link struct {
	Cut   bool
	Loss  float64 // the part that is lost, from 0 to 1
	Delay time.Duration
	// Jitter is added to Delay by chance. Packets stay in their order.
	Jitter time.Duration
}

// Network is the hosts of a test, and the switch between them.
type Network struct {
	tb   testing.TB
	work sync.WaitGroup
	done chan struct{} // closed by close

	mu sync.Mutex
	// mu guards the following.
	hosts []*Host // the first is the process that the test runs in
	wires map[[2]*Host]*wire
	rand  *rand.Rand
}

// Host is a host with an address of its own.
type Host struct {
	Addr netip.Addr

	space int // the network namespace; -1 is that of this process
	tun   *os.File
}

// wire leads from one host to another.
type wire struct {
	to    *Host
	queue chan packet
	link  Link // guarded by the network's mu
}

type packet struct {
	data []byte
	at   time.Time // when it arrives
}

func newNetwork(tb testing.TB) (*Network, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make the mounts private: %w", err)
	}
	n := &Network{tb: tb, done: make(chan struct{}), wires: map[[2]*Host]*wire{}, rand: rand.New(rand.NewPCG(1, 1))}
	tb.Cleanup(n.close)
	tun, err := newTUN(self)
	if err != nil {
		return nil, err
	}
	n.add(&Host{Addr: self, space: -1, tun: tun})
	return n, nil
}

// Self returns the host that the test itself is on.
func (n *Network) Self() *Host { return n.hosts[0] }

// Add adds a host, whose address ends in a number from 2 to 254.
func (n *Network) Add(number byte) *Host {
	n.tb.Helper()
	h := &Host{Addr: netip.AddrFrom4([4]byte{10, 77, 0, number})}
	err := within(-1, func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		if h.space, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open the network namespace: %w", err)
		}
		h.tun, err = newTUN(h.Addr)
		return err
	})
	if err != nil {
		n.tb.Fatal(err)
	}
	n.add(h)
	return h
}

func (n *Network) add(h *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts = append(n.hosts, h)
	for _, other := range n.hosts {
		n.connect(h, other)
		n.connect(other, h)
	}
	n.work.Go(func() { n.read(h) })
}

// connect makes the wire from one host to another, if there is none. The lock is
// held.
func (n *Network) connect(from, to *Host) {
	if from == to || n.wires[[2]*Host{from, to}] != nil {
		return
	}
	w := &wire{to: to, queue: make(chan packet, maxWaiting)}
	n.wires[[2]*Host{from, to}] = w
	n.work.Go(func() { n.carry(w) })
}

func (n *Network) close() {
	close(n.done)
	n.mu.Lock()
	hosts := n.hosts
	n.mu.Unlock()
	for _, h := range hosts {
		_ = h.tun.Close() // it ends
	}
	n.work.Wait()
	for _, h := range hosts {
		if h.space >= 0 {
			_ = unix.Close(h.space) // it ends with its processes
		}
	}
}

// Seed sets the chance by which packets are lost and late.
func (n *Network) Seed(seed uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rand = rand.New(rand.NewPCG(seed, seed))
}

// Set sets the links between two hosts, both ways.
func (n *Network) Set(a, b *Host, l Link) {
	n.SetOneWay(a, b, l)
	n.SetOneWay(b, a, l)
}

// SetOneWay sets the link from one host to another.
func (n *Network) SetOneWay(from, to *Host, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w := n.wires[[2]*Host{from, to}]; w != nil {
		w.link = l
	}
}

// Heal makes all links perfect again.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.wires {
		w.link = Link{}
	}
}

// read takes the packets that a host sends, until it is closed.
func (n *Network) read(h *Host) {
	buf := make([]byte, mtu+64)
	for {
		size, err := h.tun.Read(buf)
		if err != nil {
			return
		}
		n.pass(h, buf[:size])
	}
}

// pass puts a packet on its way.
func (n *Network) pass(from *Host, b []byte) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return // IPv6 is not spoken here
	}
	addr := netip.AddrFrom4([4]byte(b[16:20]))
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.hosts, func(h *Host) bool { return h.Addr == addr })
	if i < 0 {
		return
	}
	w := n.wires[[2]*Host{from, n.hosts[i]}]
	if w == nil || w.link.Cut || w.link.Loss > 0 && n.rand.Float64() < w.link.Loss {
		return
	}
	p := packet{data: append([]byte(nil), b...)}
	if w.link.Delay > 0 || w.link.Jitter > 0 {
		p.at = time.Now().Add(w.link.Delay + time.Duration(n.rand.Float64()*float64(w.link.Jitter)))
	}
	select {
	case w.queue <- p:
	default: // as a switch does whose queue is full
	}
}

// carry brings packets to where they go, in their order.
func (n *Network) carry(w *wire) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case p := <-w.queue:
			if wait := time.Until(p.at); wait > 0 {
				timer.Reset(wait)
				select {
				case <-timer.C:
				case <-n.done:
					return
				}
			}
			_, _ = w.to.tun.Write(p.data) // what does not arrive is lost
		case <-n.done:
			return
		}
	}
}

// Start starts a process on a host.
func (h *Host) Start(cmd *exec.Cmd) error { return within(h.space, cmd.Start) }

// within calls f with the network of a namespace.
func within(space int, f func() error) error {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open the network namespace: %w", err)
	}
	defer func() { _ = unix.Close(home) }() // it was read only
	if space >= 0 {
		if err := unix.Setns(space, unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			return fmt.Errorf("enter a network namespace: %w", err)
		}
	}
	result := f()
	if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
		panic(fmt.Sprintf("netlab: a thread does not come home: %v", err))
	}
	runtime.UnlockOSThread()
	return result
}

// newTUN makes the network device of a host in the namespace of this thread.
func newTUN(addr netip.Addr) (*os.File, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", tunDevice, err)
	}
	const name = "net0"
	if err := setUp(fd, name, addr); err != nil {
		_ = unix.Close(fd) // the device goes with it
		return nil, fmt.Errorf("set up a TUN device: %w", err)
	}
	return os.NewFile(uintptr(fd), "tun "+addr.String()), nil
}

func setUp(fd int, name string, addr netip.Addr) error {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("make it: %w", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(s) }() // nothing was written
	for _, device := range []string{name, "lo"} {
		if ifr, err = unix.NewIfreq(device); err != nil {
			return err
		}
		if device == name {
			if err := address(s, ifr, addr); err != nil {
				return err
			}
		}
		ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, ifr); err != nil {
			return fmt.Errorf("switch %s on: %w", device, err)
		}
	}
	return nil
}

// address gives a device its address, the network that it is in, and its MTU.
func address(s int, ifr *unix.Ifreq, addr netip.Addr) error {
	if err := ifr.SetInet4Addr(addr.AsSlice()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(s, unix.SIOCSIFADDR, ifr); err != nil {
		return fmt.Errorf("give it its address: %w", err)
	}
	if err := ifr.SetInet4Addr([]byte{255, 255, 255, 0}); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(s, unix.SIOCSIFNETMASK, ifr); err != nil {
		return fmt.Errorf("tell it its network: %w", err)
	}
	ifr.SetUint32(mtu)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFMTU, ifr); err != nil {
		return fmt.Errorf("set its MTU: %w", err)
	}
	return nil
}
