package natstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports of servers are below those that the kernel gives to whoever connects, or listens
// on any: a server that was killed finds its own free when it is started again, whatever
// other tests do meanwhile.
const (
	lowestPort  = 20_000
	highestPort = 32_000
)

// FreeAddr returns an address of this machine for a server that is going to listen
// there, and to be started again.
func FreeAddr() (string, error) {
	ports, err := freePorts(1)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])), nil
}

// freePorts returns ports that nobody listens on now.
func freePorts(n int) (ports []int, err error) {
	for tries := 0; len(ports) < n; tries++ {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		switch {
		case err == nil:
			defer l.Close()
			ports = append(ports, port)
		case tries > 1000:
			return nil, fmt.Errorf("find a port that nobody listens on: %w", err)
		}
	}
	return ports, nil
}
