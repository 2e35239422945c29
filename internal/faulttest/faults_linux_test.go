package faulttest

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/starling-rt/starling/internal/netlab"
)

// fault is something that goes wrong for a while.
type fault struct {
	what  string
	begin func()
	end   func()
	// shows tells whether the nodes say what is wrong, as far as they have to. Nil:
	// they have nothing to say.
	shows func() bool
	// away tells that there is no NATS for anybody: connected clients stay.
	away bool
}

// shownWithin bounds the time until a fault shows.
const shownWithin = 30 * time.Second

// kinds are the faults, by the order in which a seed shuffles them.
var kinds = []func(w *world) fault{
	killNode, killServer, killLeader, freezeNode, freezeLeader, cutZone, cutOffZone, cutServer, deafServer,
	slowLinks, fullDisk, fullDisks, killServers,
}

func killNode(w *world) fault {
	n := w.c.Nodes[w.rng.IntN(zones)]
	return fault{what: "kill node " + n.Name, begin: n.Kill, end: n.Restart}
}

// restarted returns a fault of servers that are killed.
func (w *world) restarted(what string, which ...int) fault {
	return fault{
		what: what,
		begin: func() {
			for _, i := range which {
				w.c.NATS.Members[i].Kill()
			}
		},
		end: func() {
			for _, i := range which {
				w.c.NATS.Members[i].Restart()
			}
		},
	}
}

func killServer(w *world) fault {
	i := w.rng.IntN(zones)
	return w.restarted("kill server "+w.c.NATS.Members[i].Name, i)
}

func killLeader(w *world) fault {
	i := w.leader()
	return w.restarted("kill a leader, server "+w.c.NATS.Members[i].Name, i)
}

func killServers(w *world) fault {
	f := w.restarted("kill all servers", 0, 1, 2)
	f.away, f.shows = true, w.nobodyReady
	return f
}

// nobodyReady tells whether all nodes say that they are not.
func (w *world) nobodyReady() bool {
	for i := range zones {
		if w.status(i) != http.StatusServiceUnavailable {
			return false
		}
	}
	return true
}

func freezeNode(w *world) fault {
	n := w.c.Nodes[w.rng.IntN(zones)]
	return fault{what: "freeze node " + n.Name, begin: n.Freeze, end: n.Thaw}
}

func freezeLeader(w *world) fault {
	m := w.c.NATS.Members[w.leader()]
	return fault{what: "freeze a leader, server " + m.Name, begin: m.Freeze, end: m.Thaw}
}

// cut cuts some hosts off from others.
func (w *world) cut(some, others []*netlab.Host) {
	for _, a := range some {
		for _, b := range others {
			w.net.Set(a, b, netlab.Link{Cut: true})
		}
	}
}

// zone returns the node and the server of a zone, and those of the others.
func (w *world) zone(i int) (in, out []*netlab.Host) {
	for j := range zones {
		if j == i {
			in = append(in, w.nodes[j], w.servers[j])
		} else {
			out = append(out, w.nodes[j], w.servers[j])
		}
	}
	return in, out
}

// cutZone cuts a node and its server off from the others, but not from clients.
func cutZone(w *world) fault {
	i := w.rng.IntN(zones)
	in, out := w.zone(i)
	return fault{
		what:  fmt.Sprintf("cut node %s and server %s off from the others", w.c.Nodes[i].Name, w.c.NATS.Members[i].Name),
		begin: func() { w.cut(in, out) },
		end:   w.net.Heal,
		shows: func() bool { return w.status(i) == http.StatusServiceUnavailable },
	}
}

// cutOffZone cuts a node and its server off from everybody.
func cutOffZone(w *world) fault {
	i := w.rng.IntN(zones)
	in, out := w.zone(i)
	return fault{
		what:  fmt.Sprintf("cut node %s and server %s off from everybody", w.c.Nodes[i].Name, w.c.NATS.Members[i].Name),
		begin: func() { w.cut(in, append(out, w.net.Self())) },
		end:   w.net.Heal,
	}
}

// cutServer cuts a server off from everybody, also from its node.
func cutServer(w *world) fault {
	i := w.leader()
	return fault{
		what: fmt.Sprintf("cut a leader, server %s, off from everybody", w.c.NATS.Members[i].Name),
		begin: func() {
			others := slices.DeleteFunc(slices.Concat(w.servers, w.nodes), func(h *netlab.Host) bool { return h == w.servers[i] })
			w.cut(w.servers[i:i+1], append(others, w.net.Self()))
		},
		end: w.net.Heal,
	}
}

// deafServer lets a server speak to the other servers and not hear them.
func deafServer(w *world) fault {
	i := w.leader()
	return fault{
		what: fmt.Sprintf("deafen a leader, server %s, to the other servers", w.c.NATS.Members[i].Name),
		begin: func() {
			for j, s := range w.servers {
				if j != i {
					w.net.SetOneWay(s, w.servers[i], netlab.Link{Cut: true})
				}
			}
		},
		end: w.net.Heal,
	}
}

// slowLinks makes all links slow, and lossy.
func slowLinks(w *world) fault {
	l := netlab.Link{
		Delay:  time.Duration(10+w.rng.IntN(60)) * time.Millisecond,
		Jitter: time.Duration(w.rng.IntN(40)) * time.Millisecond,
		Loss:   float64(w.rng.IntN(4)) / 100,
	}
	return fault{
		what: fmt.Sprintf("slow links: %v and up to %v more, %v lost", l.Delay, l.Jitter, l.Loss),
		begin: func() {
			all := append(slices.Concat(w.nodes, w.servers), w.net.Self())
			for _, a := range all {
				for _, b := range all {
					w.net.Set(a, b, l)
				}
			}
		},
		end: w.net.Heal,
	}
}

// fill fills the disks of servers. A server that could not write is to be started
// again when there is room.
func (w *world) fill(which ...int) fault {
	return fault{
		begin: func() {
			for _, i := range which {
				w.disks[i].Fill()
			}
		},
		end: func() {
			for _, i := range which {
				w.disks[i].Free()
				w.c.NATS.Members[i].Restart()
			}
		},
	}
}

func fullDisk(w *world) fault {
	i := w.leader()
	f := w.fill(i)
	f.what = "fill the disk of a leader, server " + w.c.NATS.Members[i].Name
	return f
}

func fullDisks(w *world) fault {
	i := w.rng.IntN(zones)
	f := w.fill((i+1)%zones, (i+2)%zones)
	f.what = "fill the disks of all servers but " + w.c.NATS.Members[i].Name
	f.away, f.shows = true, w.nobodyReady
	return f
}

// suffer has a fault happen, for a while, and waits until all is whole again.
func (w *world) suffer(f fault) {
	began := time.Now()
	w.t.Logf("  %v: %s", w.r.now().Round(time.Millisecond), f.what)
	f.begin()
	lasts := time.Duration(4+w.rng.IntN(6)) * time.Second
	if f.shows != nil {
		if w.becomes(shownWithin, f.shows) {
			w.t.Logf("  it shows after %v", time.Since(began).Round(10*time.Millisecond))
		} else {
			w.r.wrong("%v after %q the nodes do not say so: %v", shownWithin, f.what, []int{w.status(0), w.status(1), w.status(2)})
		}
	}
	before := w.connections()
	w.pause(lasts - time.Since(began))
	if after := w.connections(); f.away && before != after {
		w.r.wrong("%q: clients that were connected came again: %d connections before, %d after", f.what, before, after)
	}
	f.end()
	w.t.Logf("  %v: it ends", w.r.now().Round(time.Millisecond))
	w.whole(f.what)
	w.pause(time.Second)
}

// connections returns how often the followers that hold to a node have connected.
func (w *world) connections() (sum int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for node, n := range w.begun {
		if node != "" {
			sum += n
		}
	}
	return sum
}
