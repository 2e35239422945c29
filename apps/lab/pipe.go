package lab

import (
	"net"
	"sync"
	"time"
)

const (
	// chunk is how much is passed on at once, and room how much may be under way.
	chunk = 4 << 10
	room  = 64 << 10
)

// connect passes on between a connection and a pipe whose other end it returns, with
// the faults of the line.
func (p *passage) connect(l *Lab, conn net.Conn, early []byte, stream bool) net.Conn {
	server, near := net.Pipe()
	up := &flow{passage: p, from: conn, to: near, early: early, held: silent, count: func(n int) { p.line.count(n, 0) }}
	down := &flow{passage: p, from: near, to: conn, slow: true, count: func(n int) { p.line.count(0, n) }, held: func(f *faults) bool {
		return f.Silent || stream && f.HoldStreams
	}}
	var both sync.WaitGroup
	both.Go(up.run)
	both.Go(down.run)
	shut := func() {
		conn.Close()
		near.Close()
	}
	if !l.spawn(func() {
		<-p.cut
		shut()
		both.Wait()
	}) {
		p.end()
		shut()
		both.Wait()
	}
	return server
}

// parcel is what was read at once.
type parcel struct {
	at   time.Time // when it may arrive
	data []byte
}

// flow passes bytes on in one direction. A goroutine reads, another one writes, so
// that a delay lengthens the way and does not narrow it.
type flow struct {
	// Static.
	passage *passage
	from    net.Conn
	to      net.Conn
	early   []byte // was read already
	slow    bool   // the line's rate holds for it
	held    func(*faults) bool
	count   func(bytes int)

	mu    sync.Mutex // guards the following
	queue []parcel
	bytes int
	over  bool
	news  chan struct{} // has room for one: something was queued, or taken, or is over
	space chan struct{}
}

// run passes on until one side has ended. Then the passage ends.
func (f *flow) run() {
	f.news, f.space = make(chan struct{}, 1), make(chan struct{}, 1)
	var reader sync.WaitGroup
	reader.Go(f.fill)
	f.drain()
	f.passage.end() // both connections are closed, and the reader with them
	reader.Wait()
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fill reads as long as there is room.
func (f *flow) fill() {
	defer func() {
		f.mu.Lock()
		f.over = true
		f.mu.Unlock()
		poke(f.news)
	}()
	if len(f.early) > 0 {
		f.push(f.early)
	}
	buf := make([]byte, chunk)
	for {
		now, _ := f.passage.line.now()
		n, err := f.from.Read(buf[:f.portion(&now)])
		if n > 0 && !f.push(append([]byte(nil), buf[:n]...)) || err != nil {
			return
		}
	}
}

// portion is how much is taken at once: little where it goes slowly.
func (f *flow) portion(now *faults) int {
	if !f.slow || now.Rate == 0 {
		return chunk
	}
	return min(chunk, max(128, now.Rate/20))
}

// push queues, and waits until there is room again.
func (f *flow) push(data []byte) bool {
	now, _ := f.passage.line.now()
	f.mu.Lock()
	f.queue = append(f.queue, parcel{time.Now().Add(now.delay()), data})
	f.bytes += len(data)
	f.mu.Unlock()
	poke(f.news)
	for {
		now, changed := f.passage.line.now()
		f.mu.Lock()
		full := f.bytes >= f.room(&now)
		f.mu.Unlock()
		if !full {
			return true
		}
		select {
		case <-f.space:
		case <-changed:
		case <-f.passage.cut:
			return false
		}
	}
}

// room is how much may be under way: of a slow line what goes through in its delay
// and a tenth of a second, since what waits in the network gets old there.
func (f *flow) room(now *faults) int {
	if !f.slow || now.Rate == 0 {
		return room
	}
	return max(256, int(float64(now.Rate)*(now.delay()+100*time.Millisecond).Seconds()))
}

// drain writes what may arrive.
func (f *flow) drain() {
	for {
		p, ok := f.take()
		if !ok {
			return
		}
		if !f.passage.pause(time.Until(p.at)) || !f.passage.hold(f.held) {
			return
		}
		now, _ := f.passage.line.now()
		if f.slow && !f.passage.pause(now.took(len(p.data))) {
			return
		}
		n, err := f.to.Write(p.data)
		f.count(n)
		f.mu.Lock()
		f.bytes -= len(p.data)
		f.mu.Unlock()
		poke(f.space)
		if err != nil {
			return
		}
	}
}

func (f *flow) take() (parcel, bool) {
	for {
		f.mu.Lock()
		if len(f.queue) > 0 {
			p := f.queue[0]
			f.queue = f.queue[1:]
			f.mu.Unlock()
			return p, true
		}
		over := f.over
		f.mu.Unlock()
		if over {
			return parcel{}, false
		}
		select {
		case <-f.news:
		case <-f.passage.cut:
			return parcel{}, false
		}
	}
}
